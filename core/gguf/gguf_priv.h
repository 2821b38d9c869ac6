/* SPDX-License-Identifier: MIT
 *
 * gguf_priv.h - what the files of the GGUF reader share: one parsed shard, and an index by name.
 */
#ifndef HL_CORE_GGUF_GGUF_PRIV_H
#define HL_CORE_GGUF_GGUF_PRIV_H

#include "core/base/map.h"
#include "core/gguf/gguf.h"
#include "core/gguf/gguf_header.h"

/* Hard limits. The largest real files stay a factor of five or more below each. */
enum {
    HL_GGUF_MAX_VALUES = 1 << 17,
    HL_GGUF_MAX_TENSORS = 1 << 18, /* of all shards */
    HL_GGUF_MAX_SHARDS = 1024,
    HL_GGUF_MAX_KEY_BYTES = 65535,
    HL_GGUF_MAX_HEADER_BYTES = 256 << 20, /* it is copied; 262,144 words with merges take 15 MB */
    HL_GGUF_MAX_FETCHED_BYTES = 64 << 20, /* of one that is elsewhere */
    HL_GGUF_MIN_ALIGNMENT = 8,            /* so that f32 and f16 data can be read through pointers */
    HL_GGUF_DEFAULT_ALIGNMENT = 32,
};

/* Open addressing, at most half full; a slot holds index + 1. The seed keeps a hostile file from
 * choosing names that collide. */
typedef struct hl_gguf_index {
    uint32_t *slots;
    uint64_t  n_slots; /* a power of two; 0: nothing indexed */
    uint64_t  seed;
} hl_gguf_index;

/* Name of item i, from the table that the index belongs to. */
typedef hl_view hl_gguf_name_fn(const void *items, size_t i);

HL_MUST_CHECK bool hl_gguf_index_init(hl_gguf_index *ix, size_t n_items); /* false: no memory */
void               hl_gguf_index_done(hl_gguf_index *ix);
/* Add item i; false when an item of that name is there already. */
bool hl_gguf_index_add(hl_gguf_index *ix, const void *items, size_t i, hl_gguf_name_fn *name_of);
bool hl_gguf_index_find(const hl_gguf_index *ix, const void *items, hl_view name, hl_gguf_name_fn *name_of,
                        size_t *ret_i);

typedef struct hl_gguf_values {
    hl_gguf_value *items;
    size_t         n;
    hl_gguf_index  index;
} hl_gguf_values;

void                 hl_gguf_values_done(hl_gguf_values *v);
const hl_gguf_value *hl_gguf_values_find(const hl_gguf_values *v, hl_view key);

/* One file. Tensors are read where they lie, the header from a copy: others may write to the file
 * meanwhile. */
typedef struct hl_gguf_bytes {
    struct hl_map *map; /* NULL when the bytes are the caller's */
    const uint8_t *data;
    size_t         n_bytes;
    const uint8_t *header; /* [n_header] the first bytes of the file, in memory that nobody else writes to */
    size_t         n_header; /* so far; hl_gguf_bytes_reach() makes it more */
    size_t         reserved; /* bytes of address space for the copy; 0: header is data */
    size_t         most;     /* that the header may have */
    size_t         first;    /* to be read at once */
    hl_gguf_fetch_fn *fetch; /* where they come from when there is no map */
    void             *user;
} hl_gguf_bytes;

/* Map a file; nothing of its header is read yet. fails as hl_map_open() */
HL_MUST_CHECK hl_status hl_gguf_bytes_open(const char *path, hl_gguf_bytes *ret, hl_err *err);
/* A file that is elsewhere: its tensors get addresses that nobody may read.
 * fails  HL_E_NOMEM, HL_E_FORMAT it is empty */
HL_MUST_CHECK hl_status hl_gguf_bytes_fetch(hl_gguf_fetch_fn *fn, void *user, uint64_t file_bytes,
                                            size_t first_bytes, hl_gguf_bytes *ret, hl_err *err);
void                    hl_gguf_bytes_close(hl_gguf_bytes *b); /* one that is all zeros, too */

/* Have the first `end` bytes in the copy, which does not move. `end` lies inside the file.
 * fails  HL_E_LIMIT over b->most; HL_E_IO, HL_E_CANCEL, HL_E_NOMEM, what fetch says */
HL_MUST_CHECK hl_status hl_gguf_bytes_reach(hl_gguf_bytes *b, size_t end, hl_err *err);
/* The header has n_header bytes: give back what was read too far. */
void hl_gguf_bytes_trim(hl_gguf_bytes *b, size_t n_header);

/* What one shard's header says. Everything points into the copy of it. */
typedef struct hl_gguf_header {
    uint32_t       version;
    size_t         n_tensors;
    hl_gguf_values values;
    uint64_t       alignment;
    size_t         infos_at; /* offset of the first tensor info */
} hl_gguf_header;

/* Read and check everything up to the tensor infos; ret->values is to be freed on success. */
HL_MUST_CHECK hl_status hl_gguf_read_header(hl_gguf_bytes *b, hl_gguf_header *ret, hl_err *err);

/* Read h->n_tensors infos into `tensors`, check their data ranges, set their data pointers. */
HL_MUST_CHECK hl_status hl_gguf_read_tensors(hl_gguf_bytes *b, const hl_gguf_header *h, uint32_t i_shard,
                                             hl_gguf_tensor *tensors, hl_err *err);

/* What a file is whose n first bytes (262 tell all) are these, if it is known and no GGUF file; else NULL.
 * The remark goes behind it. */
const char *hl_gguf_what_is(const uint8_t *p, size_t n, size_t file_bytes, const char **ret_remark);

size_t      hl_gguf_kind_bytes(hl_gguf_kind kind); /* 0 for strings and arrays */
const char *hl_gguf_kind_name(hl_gguf_kind kind);  /* "u32" */

/* The value as an unsigned integer of any width; false when it is no integer or is negative. */
bool hl_gguf_value_u64(const hl_gguf_value *v, uint64_t *ret);

#endif
