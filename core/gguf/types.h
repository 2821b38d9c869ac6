/* SPDX-License-Identifier: MIT
 *
 * types.h - the weight types by table: names, GGUF ids, block sizes.
 */
#ifndef HL_CORE_GGUF_TYPES_H
#define HL_CORE_GGUF_TYPES_H

#include "hyperlama/base.h"

/* Dense and small, so that tables can be indexed by it; the id in the file is hl_type_gguf_id(). */
typedef enum hl_type {
#define HL_TYPE(name, id, elems, bytes) HL_TYPE_##name,
#include "core/gguf/types.def"
#undef HL_TYPE
    HL_TYPE_count
} hl_type;

const char *hl_type_name(hl_type t);        /* "q4_k" */
uint32_t    hl_type_gguf_id(hl_type t);     /* 12 */
size_t      hl_type_block_elems(hl_type t); /* 256 */
size_t      hl_type_block_bytes(hl_type t); /* 144 */

bool        hl_type_find(const char *name, hl_type *ret_type);      /* by name; false when unknown */
bool        hl_type_find_gguf(uint32_t gguf_id, hl_type *ret_type); /* false when not supported */
const char *hl_type_gguf_name(uint32_t gguf_id); /* also of types we cannot compute with; NULL when unknown */
bool        hl_type_is_removed(uint32_t gguf_id); /* of those: it was taken out of the format */

/* Bytes of a row of n_cols weights; n_cols must be a multiple of the block size. */
size_t hl_type_row_bytes(hl_type t, size_t n_cols);

#endif
