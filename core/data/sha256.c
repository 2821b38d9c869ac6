/* SPDX-License-Identifier: MIT
 *
 * sha256.c - libcrypto's sums by its plain interface.
 *
 * The newer one (EVP) fetches the algorithm first: that reads a settings file named by the environment, takes
 * memory in dozens of small pieces and crashes when one of them is refused (OpenSSL 3.0). The plain one takes
 * none and uses the same instructions of the CPU; it is marked as deprecated, not as going away.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/data/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/base/mem.h"

struct hl_sha256 {
    SHA256_CTX ctx;
};

static hl_status check(int ok, hl_err *err) {
    return ok == 1 ? HL_OK : hl_fail(err, HL_E_INTERNAL, "sha256: libcrypto failed");
}

hl_status hl_sha256_new(hl_sha256 **ret_sum, hl_err *err) {
    hl_sha256 *h = hl_new(1, sizeof *h);
    if (!h) return hl_fail(err, HL_E_NOMEM, "sha256: no memory");
    const hl_status status = check(SHA256_Init(&h->ctx), err);
    if (status != HL_OK) {
        hl_free(h);
        return status;
    }
    *ret_sum = h;
    return HL_OK;
}

hl_status hl_sha256_copy(const hl_sha256 *h, hl_sha256 **ret_sum, hl_err *err) {
    hl_sha256 *copy = hl_new(1, sizeof *copy);
    if (!copy) return hl_fail(err, HL_E_NOMEM, "sha256: no memory");
    *copy = *h;
    *ret_sum = copy;
    return HL_OK;
}

void hl_sha256_free(hl_sha256 *h) { hl_free(h); }

hl_status hl_sha256_add(hl_sha256 *h, const void *data, size_t n, hl_err *err) {
    return n > 0 ? check(SHA256_Update(&h->ctx, data, n), err) : HL_OK;
}

hl_status hl_sha256_finish(hl_sha256 *h, char ret_hex[HL_SHA256_HEX_BYTES], hl_err *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char     sum[SHA256_DIGEST_LENGTH];
    const hl_status   status = check(SHA256_Final(sum, &h->ctx), err);
    if (status != HL_OK) return status;
    for (size_t i = 0; i < sizeof sum; i++) {
        ret_hex[2 * i] = digits[sum[i] >> 4];
        ret_hex[2 * i + 1] = digits[sum[i] & 15];
    }
    ret_hex[2 * sizeof sum] = '\0';
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

bool hl_sha256_is_same(const char a[HL_SHA256_HEX_BYTES], const char b[HL_SHA256_HEX_BYTES]) {
    return CRYPTO_memcmp(a, b, HL_SHA256_HEX_BYTES) == 0;
}
