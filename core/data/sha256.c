/* SPDX-License-Identifier: MIT
 *
 * sha256.c - a thin face over libcrypto's EVP digests. A hl_sha256 is an EVP_MD_CTX.
 */
#include "core/data/sha256.h"

#include <openssl/evp.h>

enum { SUM_BYTES = 32 };

static EVP_MD_CTX *ctx_of(hl_sha256 *h) { return (EVP_MD_CTX *)h; }

hl_status hl_sha256_new(hl_sha256 **ret_sum, hl_err *err) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) return hl_fail(err, HL_E_NOMEM, "sha256: no memory");
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return hl_fail(err, HL_E_UNSUPPORTED, "sha256: libcrypto does not offer it");
    }
    *ret_sum = (hl_sha256 *)ctx;
    return HL_OK;
}

void hl_sha256_free(hl_sha256 *h) { EVP_MD_CTX_free(ctx_of(h)); }

hl_status hl_sha256_add(hl_sha256 *h, const void *data, size_t n, hl_err *err) {
    if (n > 0 && EVP_DigestUpdate(ctx_of(h), data, n) != 1)
        return hl_fail(err, HL_E_INTERNAL, "sha256: libcrypto failed");
    return HL_OK;
}

hl_status hl_sha256_finish(hl_sha256 *h, char ret_hex[HL_SHA256_HEX_BYTES], hl_err *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char     sum[EVP_MAX_MD_SIZE];
    unsigned          n = 0;
    if (EVP_DigestFinal_ex(ctx_of(h), sum, &n) != 1 || n != SUM_BYTES)
        return hl_fail(err, HL_E_INTERNAL, "sha256: libcrypto failed");
    for (unsigned i = 0; i < n; i++) {
        ret_hex[2 * i] = digits[sum[i] >> 4];
        ret_hex[2 * i + 1] = digits[sum[i] & 15];
    }
    ret_hex[2 * SUM_BYTES] = '\0';
    return HL_OK;
}

hl_status hl_sha256_of(const void *data, size_t n, char ret_hex[HL_SHA256_HEX_BYTES], hl_err *err) {
    hl_sha256 *h = NULL;
    hl_status  status = hl_sha256_new(&h, err);
    if (status == HL_OK) status = hl_sha256_add(h, data, n, err);
    if (status == HL_OK) status = hl_sha256_finish(h, ret_hex, err);
    hl_sha256_free(h);
    return status;
}
