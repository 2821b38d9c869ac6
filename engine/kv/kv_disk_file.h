/* SPDX-License-Identifier: MIT
 *
 * kv_disk_file.h - what a file of a block or a state looks like (docs/formats/kv-cache.md), for the two files
 * that read it.
 */
#ifndef HL_ENGINE_KV_KV_DISK_FILE_H
#define HL_ENGINE_KV_KV_DISK_FILE_H

#include <sys/types.h>

#include "engine/kv/kv_disk.h"

enum { HL_KV_PATH_BYTES = 4096, HL_KV_IDENTITY_BYTES = 256, HL_KV_WEIGHTS_CHARS = 100 /* of the identity */ };

#define HL_KV_MAGIC       "HLKVBLK3"
#define HL_KV_STATE_MAGIC "HLKVSTA1"
#define HL_KV_END         ".kv" /* of names */
#define HL_KV_STATE_END   ".st"

typedef struct hl_kv_header {
    char          magic[8];
    uint32_t      header_bytes, n_tokens;
    uint64_t      payload_bytes;
    uint64_t      payload_mac[2]; /* hl_mac128() under the folder's secret */
    hl_kv_key     key, parent;
    char          identity[HL_KV_IDENTITY_BYTES]; /* build|weights|shape in words */
    hl_prefix_key keys[HL_KV_PAGE_TOKENS];
    uint64_t      header_mac[2]; /* hl_siphash128() of everything before, under the secret */
} hl_kv_header;

typedef union hl_kv_header_page {
    hl_kv_header h;
    uint8_t      bytes[4096];
} hl_kv_header_page;

/* The name of no tokens: where the chains of an identity begin. */
hl_kv_key hl_kv_identity_root(const uint64_t secret[2], const char identity[HL_KV_IDENTITY_BYTES]);

/* Has somebody written this header who knows the secret? */
bool hl_kv_header_is_ours(const hl_kv_header *h, const uint64_t secret[2]);
void hl_kv_header_sign(hl_kv_header *h, const uint64_t secret[2]);

bool hl_kv_read_exactly(int fd, void *to, size_t n, off_t at);

/* ---- kv_disk_room.c ---- */

/* Count the bytes of all blocks below `dir`; when they are more than the quota, delete some: those that we
 * did not write and those that no chain leads to, then the least recently used, the end of a chain before its
 * begin. Returns what is left. */
uint64_t hl_kv_disk_trim(const char *dir, const uint64_t secret[2], uint64_t quota_bytes);

/* How many bytes all blocks may have, of which there are used_bytes now, so that others find room on the
 * disk: a twentieth of it, a gigabyte at most, stays free. UINT64_MAX: the system does not say what is
 * free. */
uint64_t hl_kv_disk_room(const char *dir, uint64_t used_bytes);

#endif
