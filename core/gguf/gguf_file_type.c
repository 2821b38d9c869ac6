/* SPDX-License-Identifier: MIT
 *
 * gguf_file_type.c - what a file's weights are called: the one name for lists, the store and reports.
 *
 * from: general.file_type of the GGUF specification and its values in the ggml repository
 */
#include <ctype.h>
#include <stdio.h>

#include "core/gguf/gguf.h"

/* Name of a general.file_type value; NULL when there is none. */
static const char *name_of(uint32_t type) {
    static const char *const names[] = {
        [0] = "F32",      [1] = "F16",      [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
        [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
        [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
        [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
        [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL", [26] = "IQ3_S",  [27] = "IQ3_M",
        [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",  [32] = "BF16",
        [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4",  [39] = "NVFP4",  [40] = "Q1_0",
        [41] = "Q2_0",
    };
    return type < sizeof names / sizeof names[0] ? names[type] : NULL;
}

/* The type that most bytes of matrices have; of all tensors where there is no matrix. */
static const char *find_main_type(const hl_gguf *g) {
    uint64_t bytes[HL_TYPE_count] = {0}, vector_bytes[HL_TYPE_count] = {0};
    hl_type  best = (hl_type)0;
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        (t->n_dims > 1 ? bytes : vector_bytes)[t->type] += t->n_bytes;
    }
    for (int t = 0; t < HL_TYPE_count; t++)
        if (bytes[t] > bytes[best]) best = (hl_type)t;
    for (int t = 0; t < HL_TYPE_count && bytes[best] == 0; t++)
        if (vector_bytes[t] > vector_bytes[best]) best = (hl_type)t;
    return hl_gguf_n_tensors(g) ? hl_type_name(best) : "";
}

void hl_gguf_file_type(const hl_gguf *g, char ret_name[HL_GGUF_FILE_TYPE_BYTES]) {
    uint32_t    type = UINT32_MAX;
    const bool  has_type = hl_gguf_get_u32(g, "general.file_type", &type, NULL) == HL_OK;
    const char *name = has_type ? name_of(type & ~UINT32_C(1024)) : NULL; /* 1024: "guessed" */
    (void)snprintf(ret_name, HL_GGUF_FILE_TYPE_BYTES, "%s", name ? name : find_main_type(g));
    for (char *c = ret_name; *c; c++) *c = (char)toupper((unsigned char)*c);
}
