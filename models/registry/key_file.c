/* SPDX-License-Identifier: MIT
 *
 * key_file.c - OpenSSH's private key files, as far as one ed25519 key without a passphrase goes.
 *
 * from: OpenSSH's PROTOCOL.key; RFC 4251, 5 (strings have their length in front, big-endian); RFC 8709
 */
#define _GNU_SOURCE
#include "models/registry/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/base64.h"

#define MAGIC "openssh-key-v1"
#define KIND  "ssh-ed25519"
#define BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----"
#define END   "-----END OPENSSH PRIVATE KEY-----"

enum { MAX_FILE_BYTES = 16 << 10, BLOCK_BYTES = 8, LINE_LETTERS = 70 };

/* ---- read ---- */

static bool take_u32(hl_view *v, uint32_t *ret) {
    const unsigned char *p = (const unsigned char *)v->ptr;
    if (v->len < 4) return false;
    *ret = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    *v = (hl_view){v->ptr + 4, v->len - 4};
    return true;
}

static bool take_string(hl_view *v, hl_view *ret) {
    uint32_t n;
    if (!take_u32(v, &n) || n > v->len) return false;
    *ret = (hl_view){v->ptr, n};
    *v = (hl_view){v->ptr + n, v->len - n};
    return true;
}

static hl_status parse_bytes(hl_view v, const char *what, unsigned char ret[HL_ED25519_KEY_BYTES],
                             hl_err *err) {
    hl_view  cipher, kdf, options, public, private, kind, key, secret;
    uint32_t n = 0, a, b;
    if (v.len < sizeof MAGIC || memcmp(v.ptr, MAGIC, sizeof MAGIC) != 0)
        return hl_fail(err, HL_E_FORMAT, "key '%s': no OpenSSH private key", what);
    v = (hl_view){v.ptr + sizeof MAGIC, v.len - sizeof MAGIC};
    if (!take_string(&v, &cipher) || !take_string(&v, &kdf) || !take_string(&v, &options) ||
        !take_u32(&v, &n) || n != 1 || !take_string(&v, &public) || !take_string(&v, &private))
        return hl_fail(err, HL_E_FORMAT, "key '%s': malformed", what);
    if (!hl_view_is(cipher, "none"))
        return hl_fail(err, HL_E_UNSUPPORTED, "key '%s': it has a passphrase; expected one without", what);
    if (!take_u32(&private, &a) || !take_u32(&private, &b) || a != b || !take_string(&private, &kind))
        return hl_fail(err, HL_E_FORMAT, "key '%s': malformed", what);
    if (!hl_view_is(kind, KIND))
        return hl_fail(err, HL_E_UNSUPPORTED, "key '%s': found %.*s, expected " KIND, what,
                       (int)(kind.len < 40 ? kind.len : 40), kind.ptr);
    if (!take_string(&private, &key) || !take_string(&private, &secret) || key.len != HL_ED25519_KEY_BYTES ||
        secret.len != 2 * HL_ED25519_KEY_BYTES)
        return hl_fail(err, HL_E_FORMAT, "key '%s': malformed", what);
    memcpy(ret, secret.ptr, HL_ED25519_KEY_BYTES);
    return HL_OK;
}

hl_status hl_key_parse(hl_view text, const char *what, unsigned char ret[HL_ED25519_KEY_BYTES], hl_err *err) {
    hl_str        bytes;
    const size_t  n_begin = sizeof BEGIN - 1;
    const hl_view all = hl_view_trim(text);
    const char   *end = all.len > n_begin ? memmem(all.ptr, all.len, END, sizeof END - 1) : NULL;
    if (!hl_view_has_prefix(all, BEGIN) || !end || end < all.ptr + n_begin)
        return hl_fail(err, HL_E_FORMAT, "key '%s': expected a file that begins with %s", what, BEGIN);
    hl_str_init(&bytes, MAX_FILE_BYTES);
    hl_status status = hl_base64_read((hl_view){all.ptr + n_begin, (size_t)(end - all.ptr) - n_begin}, &bytes)
                           ? parse_bytes(hl_str_view(&bytes), what, ret, err)
                           : hl_fail(err, HL_E_FORMAT, "key '%s': no base64", what);
    if (bytes.ptr) explicit_bzero(bytes.ptr, bytes.cap);
    hl_str_done(&bytes);
    return status;
}

/* ---- write ---- */

static void add_u32(hl_str *out, uint32_t n) {
    const char four[] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
    hl_str_add(out, four, 4);
}

static void add_string(hl_str *out, const void *bytes, size_t n) {
    add_u32(out, (uint32_t)n);
    hl_str_add(out, bytes, n);
}

static void add_public_blob(hl_str *out, const unsigned char public[HL_ED25519_KEY_BYTES]) {
    add_string(out, KIND, sizeof KIND - 1);
    add_string(out, public, HL_ED25519_KEY_BYTES);
}

hl_status hl_key_add_public(const unsigned char secret[HL_ED25519_KEY_BYTES], hl_str *out, hl_err *err) {
    unsigned char public[HL_ED25519_KEY_BYTES];
    hl_str          blob;
    const hl_status status = hl_ed25519_public(secret, public, err);
    if (status != HL_OK) return status;
    hl_str_init(&blob, SIZE_MAX);
    add_public_blob(&blob, public);
    hl_str_add_base64(out, blob.ptr, blob.len);
    hl_str_done(&blob);
    return HL_OK;
}

static void add_private(hl_str *out, const unsigned char secret[HL_ED25519_KEY_BYTES],
                        const unsigned char public[HL_ED25519_KEY_BYTES], uint32_t check) {
    hl_str blob, private;
    hl_str_init(&blob, SIZE_MAX);
    hl_str_init(&private, SIZE_MAX);
    hl_str_add(out, MAGIC, sizeof MAGIC);
    add_string(out, "none", 4);
    add_string(out, "none", 4);
    add_string(out, "", 0);
    add_u32(out, 1);
    add_public_blob(&blob, public);
    add_string(out, blob.ptr, blob.len);
    add_u32(&private, check);
    add_u32(&private, check);
    add_string(&private, KIND, sizeof KIND - 1);
    add_string(&private, public, HL_ED25519_KEY_BYTES);
    add_u32(&private, 2 * HL_ED25519_KEY_BYTES);
    hl_str_add(&private, (const char *)secret, HL_ED25519_KEY_BYTES);
    hl_str_add(&private, (const char *)public, HL_ED25519_KEY_BYTES);
    add_string(&private, "", 0);
    for (char pad = 1; private.len % BLOCK_BYTES != 0; pad++) hl_str_add_char(&private, pad);
    add_string(out, private.ptr, private.len);
    if (private.ptr) explicit_bzero(private.ptr, private.cap);
    hl_str_done(&private);
    hl_str_done(&blob);
}

static hl_status write_key(const char *path, const unsigned char secret[HL_ED25519_KEY_BYTES], uint32_t check,
                           hl_err *err) {
    unsigned char public[HL_ED25519_KEY_BYTES];
    char   public_path[4096];
    hl_str bytes, letters, text;
    hl_str_init(&bytes, MAX_FILE_BYTES);
    hl_str_init(&letters, MAX_FILE_BYTES);
    hl_str_init(&text, MAX_FILE_BYTES);
    hl_status status = hl_ed25519_public(secret, public, err);
    if (status == HL_OK) {
        add_private(&bytes, secret, public, check);
        hl_str_add_base64(&letters, bytes.ptr, bytes.len);
        hl_str_add_text(&text, BEGIN "\n");
        for (size_t i = 0; i < letters.len; i += LINE_LETTERS) {
            const size_t n = letters.len - i < LINE_LETTERS ? letters.len - i : LINE_LETTERS;
            hl_str_add(&text, letters.ptr + i, n);
            hl_str_add_char(&text, '\n');
        }
        hl_str_add_text(&text, END "\n");
        status = bytes.failed || letters.failed ? hl_fail(err, HL_E_NOMEM, "key: no memory")
                                                : hl_str_check(&text, "key", err);
    }
    if (status == HL_OK) status = hl_file_write_atomic(path, text.ptr, text.len, 0600, err);
    if (status == HL_OK) {
        hl_str_clear(&letters);
        hl_str_add_text(&letters, KIND " ");
        status = hl_key_add_public(secret, &letters, err);
        hl_str_add_char(&letters, '\n');
        (void)snprintf(public_path, sizeof public_path, "%.4000s.pub", path);
        if (status == HL_OK) status = hl_file_write_atomic(public_path, letters.ptr, letters.len, 0644, err);
    }
    if (bytes.ptr) explicit_bzero(bytes.ptr, bytes.cap);
    if (text.ptr) explicit_bzero(text.ptr, text.cap);
    hl_str_done(&bytes);
    hl_str_done(&letters);
    hl_str_done(&text);
    return status;
}

hl_status hl_key_load(const char *path, unsigned char ret[HL_ED25519_KEY_BYTES], hl_err *err) {
    char     *text = NULL;
    size_t    n = 0;
    uint32_t  check;
    hl_status status = hl_file_read(path, MAX_FILE_BYTES, &text, &n, err);
    if (status == HL_E_NOT_FOUND) {
        if (getrandom(ret, HL_ED25519_KEY_BYTES, 0) != HL_ED25519_KEY_BYTES ||
            getrandom(&check, sizeof check, 0) != (ssize_t)sizeof check)
            return hl_fail(err, hl_errno_io(errno), "no random bytes: %s", strerror(errno));
        return write_key(path, ret, check, err);
    }
    if (status == HL_OK) status = hl_key_parse((hl_view){text, n}, path, ret, err);
    if (text) explicit_bzero(text, n);
    hl_free(text);
    return status;
}
