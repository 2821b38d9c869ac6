/* SPDX-License-Identifier: MIT
 *
 * decode_body.c - bodies that come compressed (gzip, deflate, zstd), never to more than a limit.
 */
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

#include "server/http/exchange.h"

enum { CHUNK = 1 << 16 };

static hl_status too_long(size_t limit_bytes, hl_err *err) {
    return hl_fail(err, HL_E_LIMIT, "body: over %zu MiB when decompressed (server.max_body_mib)",
                   limit_bytes >> 20);
}

/* windowBits 15 + 32: gzip and zlib heads are both recognised (zlib.h). One may follow the other (RFC 1952,
 * 2.2); anything else behind the end is malformed. */
static hl_status inflate_body(const hl_str *from, hl_str *to, size_t limit_bytes, hl_err *err) {
    z_stream      z = {.next_in = (Bytef *)from->ptr, .avail_in = (uInt)from->len};
    unsigned char chunk[CHUNK];
    int           rc = inflateInit2(&z, 15 + 32);
    if (rc != Z_OK) return hl_fail(err, HL_E_NOMEM, "body: no memory");
    while (rc == Z_OK && !to->failed) {
        z.next_out = chunk;
        z.avail_out = CHUNK;
        rc = inflate(&z, Z_NO_FLUSH);
        if (rc == Z_BUF_ERROR) break;
        hl_str_add(to, (char *)chunk, CHUNK - z.avail_out);
        if (rc == Z_STREAM_END && z.avail_in > 0) rc = inflateReset(&z);
    }
    (void)inflateEnd(&z);
    if (to->failed) return to->lacks_memory ? hl_str_check(to, "body", err) : too_long(limit_bytes, err);
    if (rc != Z_STREAM_END) return hl_fail(err, HL_E_FORMAT, "body: malformed or cut short (gzip)");
    return HL_OK;
}

static hl_status unzstd_body(const hl_str *from, hl_str *to, size_t limit_bytes, hl_err *err) {
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {.src = from->ptr, .size = from->len};
    char          chunk[CHUNK];
    size_t        left = 1;
    if (!z) return hl_fail(err, HL_E_NOMEM, "body: no memory");
    while ((left != 0 || in.pos < in.size) && !ZSTD_isError(left) && !to->failed) { /* frames may follow */
        ZSTD_outBuffer out = {.dst = chunk, .size = CHUNK};
        left = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(left)) break;
        hl_str_add(to, chunk, out.pos);
        if (left != 0 && in.pos == in.size && out.pos < out.size) break; /* cut short */
    }
    (void)ZSTD_freeDStream(z);
    if (to->failed) return to->lacks_memory ? hl_str_check(to, "body", err) : too_long(limit_bytes, err);
    if (ZSTD_isError(left))
        return hl_fail(err, HL_E_FORMAT, "body: malformed (zstd: %s)", ZSTD_getErrorName(left));
    if (left != 0) return hl_fail(err, HL_E_FORMAT, "body: cut short (zstd)");
    return HL_OK;
}

hl_status hl_exchange_decode_body(hl_exchange *x, size_t limit_bytes, hl_err *err) {
    const char *kind = x->encoding;
    hl_str      plain;
    hl_status   status;
    if (!kind || strcasecmp(kind, "identity") == 0 || x->body.len == 0) return HL_OK;
    hl_str_init(&plain, limit_bytes);
    if (strcasecmp(kind, "gzip") == 0 || strcasecmp(kind, "x-gzip") == 0 || strcasecmp(kind, "deflate") == 0)
        status = inflate_body(&x->body, &plain, limit_bytes, err);
    else if (strcasecmp(kind, "zstd") == 0)
        status = unzstd_body(&x->body, &plain, limit_bytes, err);
    else
        status =
            hl_fail(err, HL_E_UNSUPPORTED, "Content-Encoding '%.40s': expected gzip, deflate or zstd", kind);
    if (status == HL_OK) {
        hl_str_done(&x->body);
        x->body = plain;
        x->encoding = NULL; /* it is decoded once, though the handler may run again */
    } else {
        hl_str_done(&plain);
    }
    return status;
}
