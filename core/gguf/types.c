/* SPDX-License-Identifier: MIT
 *
 * types.c - the table of types.def, and the names of the types that files may hold but we cannot compute
 * with.
 */
#include "core/gguf/types.h"

#include <string.h>

typedef struct type_row {
    const char *name;
    uint32_t    gguf_id;
    uint32_t    block_elems;
    uint32_t    block_bytes;
} type_row;

static const type_row rows[HL_TYPE_count] = {
#define HL_TYPE(name, id, elems, bytes) [HL_TYPE_##name] = {#name, id, elems, bytes},
#include "core/gguf/types.def"
#undef HL_TYPE
};

/* By id in the file. from: the tensor type list of the ggml repository, as of August 2026 */
static const char *const gguf_names[] = {
    [0] = "f32",     [1] = "f16",         [2] = "q4_0",        [3] = "q4_1",        [4] = "q4_2",
    [5] = "q4_3",    [6] = "q5_0",        [7] = "q5_1",        [8] = "q8_0",        [9] = "q8_1",
    [10] = "q2_k",   [11] = "q3_k",       [12] = "q4_k",       [13] = "q5_k",       [14] = "q6_k",
    [15] = "q8_k",   [16] = "iq2_xxs",    [17] = "iq2_xs",     [18] = "iq3_xxs",    [19] = "iq1_s",
    [20] = "iq4_nl", [21] = "iq3_s",      [22] = "iq2_s",      [23] = "iq4_xs",     [24] = "i8",
    [25] = "i16",    [26] = "i32",        [27] = "i64",        [28] = "f64",        [29] = "iq1_m",
    [30] = "bf16",   [31] = "q4_0_4_4",   [32] = "q4_0_4_8",   [33] = "q4_0_8_8",   [34] = "tq1_0",
    [35] = "tq2_0",  [36] = "iq4_nl_4_4", [37] = "iq4_nl_4_8", [38] = "iq4_nl_8_8", [39] = "mxfp4",
    [40] = "nvfp4",  [41] = "q1_0",       [42] = "q2_0",
};

const char *hl_type_name(hl_type t) { return rows[t].name; }
uint32_t    hl_type_gguf_id(hl_type t) { return rows[t].gguf_id; }
size_t      hl_type_block_elems(hl_type t) { return rows[t].block_elems; }
size_t      hl_type_block_bytes(hl_type t) { return rows[t].block_bytes; }

bool hl_type_find(const char *name, hl_type *ret_type) {
    for (int t = 0; t < HL_TYPE_count; t++) {
        if (strcmp(rows[t].name, name) != 0) continue;
        *ret_type = (hl_type)t;
        return true;
    }
    return false;
}

bool hl_type_find_gguf(uint32_t gguf_id, hl_type *ret_type) {
    for (int t = 0; t < HL_TYPE_count; t++) {
        if (rows[t].gguf_id != gguf_id) continue;
        *ret_type = (hl_type)t;
        return true;
    }
    return false;
}

const char *hl_type_gguf_name(uint32_t gguf_id) {
    return gguf_id < sizeof gguf_names / sizeof gguf_names[0] ? gguf_names[gguf_id] : NULL;
}

/* Types that once were and are not any more: no program reads them today. */
bool hl_type_is_removed(uint32_t gguf_id) {
    return gguf_id == 4 || gguf_id == 5 || (gguf_id >= 31 && gguf_id <= 33) ||
           (gguf_id >= 36 && gguf_id <= 38);
}

size_t hl_type_row_bytes(hl_type t, size_t n_cols) {
    return n_cols / rows[t].block_elems * rows[t].block_bytes;
}
