/* SPDX-License-Identifier: MIT
 *
 * md5.c - by libcrypto's plain interface, as in sha256.c.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "core/data/md5.h"

#include <openssl/md5.h>
#include <stdio.h>

#include "core/base/mem.h"

struct hl_md5 {
    MD5_CTX ctx;
};

hl_md5 *hl_md5_new(void) {
    hl_md5 *h = hl_new(1, sizeof *h);
    if (h) hl_md5_restart(h);
    return h;
}

void hl_md5_free(hl_md5 *h) { hl_free(h); }

/* None of these can fail: there is nothing in them that could. */
void hl_md5_restart(hl_md5 *h) { (void)MD5_Init(&h->ctx); }
void hl_md5_add(hl_md5 *h, const void *data, size_t n) { (void)MD5_Update(&h->ctx, data, n); }

void hl_md5_finish(hl_md5 *h, uint8_t ret[HL_MD5_BYTES], char ret_hex[HL_MD5_HEX_BYTES]) {
    (void)MD5_Final(ret, &h->ctx);
    for (size_t i = 0; i < HL_MD5_BYTES; i++) (void)snprintf(ret_hex + 2 * i, 3, "%02x", ret[i]);
}
