/* SPDX-License-Identifier: MIT
 *
 * md5.h - md5 of bytes that come in pieces: what object storage marks parts of a file with, and no proof of
 * anything.
 */
#ifndef HL_CORE_DATA_MD5_H
#define HL_CORE_DATA_MD5_H

#include "hyperlama/base.h"

enum { HL_MD5_BYTES = 16, HL_MD5_HEX_BYTES = 33 };

typedef struct hl_md5 hl_md5;

hl_md5 *hl_md5_new(void);       /* NULL: no memory */
void    hl_md5_free(hl_md5 *h); /* NULL is allowed */
void    hl_md5_restart(hl_md5 *h);
void    hl_md5_add(hl_md5 *h, const void *data, size_t n);
/* Only hl_md5_restart() and hl_md5_free() may follow. */
void hl_md5_finish(hl_md5 *h, uint8_t ret[HL_MD5_BYTES], char ret_hex[HL_MD5_HEX_BYTES]);

#endif
