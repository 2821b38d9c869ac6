/* SPDX-License-Identifier: MIT
 *
 * sha256.h - sha256 of bytes that come in pieces, by libcrypto (which uses the CPU's instructions).
 */
#ifndef HL_CORE_DATA_SHA256_H
#define HL_CORE_DATA_SHA256_H

#include "hyperlama/base.h"

enum { HL_SHA256_HEX_BYTES = 65 }; /* 64 lower-case digits and the end */

typedef struct hl_sha256 hl_sha256;

/* Start a sum. fails HL_E_NOMEM. All of these fail with HL_E_INTERNAL when libcrypto does, which it never
 * should. */
HL_MUST_CHECK hl_status hl_sha256_new(hl_sha256 **ret_sum, hl_err *err);
void                    hl_sha256_free(hl_sha256 *h); /* NULL is allowed */

HL_MUST_CHECK hl_status hl_sha256_add(hl_sha256 *h, const void *data, size_t n, hl_err *err);

/* A second sum that has seen the same bytes. */
HL_MUST_CHECK hl_status hl_sha256_copy(const hl_sha256 *h, hl_sha256 **ret_sum, hl_err *err);

/* Write the sum as hex; the object can only be freed afterwards. */
HL_MUST_CHECK hl_status hl_sha256_finish(hl_sha256 *h, char ret_hex[HL_SHA256_HEX_BYTES], hl_err *err);

/* All at once. */
HL_MUST_CHECK hl_status hl_sha256_of(const void *data, size_t n, char ret_hex[HL_SHA256_HEX_BYTES],
                                     hl_err *err);

/* Are two sums in hex the same? Takes as long whether they are or not. */
bool hl_sha256_is_same(const char a[HL_SHA256_HEX_BYTES], const char b[HL_SHA256_HEX_BYTES]);

#endif
