/* SPDX-License-Identifier: MIT
 *
 * ed25519.c - libcrypto's EVP interface, which is the only one that has it.
 */
#include "core/data/ed25519.h"

#include <openssl/evp.h>

static EVP_PKEY *load(const unsigned char secret[HL_ED25519_KEY_BYTES]) {
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, HL_ED25519_KEY_BYTES);
}

hl_status hl_ed25519_public(const unsigned char secret[HL_ED25519_KEY_BYTES],
                            unsigned char ret[HL_ED25519_KEY_BYTES], hl_err *err) {
    size_t     n = HL_ED25519_KEY_BYTES;
    EVP_PKEY  *key = load(secret);
    const bool is_ok = key && EVP_PKEY_get_raw_public_key(key, ret, &n) == 1;
    EVP_PKEY_free(key);
    return is_ok ? HL_OK : hl_fail(err, HL_E_INTERNAL, "ed25519: libcrypto failed");
}

hl_status hl_ed25519_sign(const unsigned char secret[HL_ED25519_KEY_BYTES], hl_view words,
                          unsigned char ret[HL_ED25519_SIGNATURE_BYTES], hl_err *err) {
    size_t      n = HL_ED25519_SIGNATURE_BYTES;
    EVP_PKEY   *key = load(secret);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const bool  is_ok = key && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
                       EVP_DigestSign(ctx, ret, &n, (const unsigned char *)words.ptr, words.len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return is_ok ? HL_OK : hl_fail(err, HL_E_INTERNAL, "ed25519: libcrypto failed");
}
