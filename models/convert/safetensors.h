/* SPDX-License-Identifier: MIT
 *
 * safetensors.h - tensors of one or several safetensors files, mapped.
 *
 * A file is 8 bytes with the length of a JSON header, the header ("name": {"dtype", "shape",
 * "data_offsets"}), and data. Every number of the header is checked before it is used: what is returned
 * lies inside its file, has as many bytes as its shape needs, and overlaps nothing.
 * from: the safetensors format (its README, "Format"), version of August 2026
 */
#ifndef HL_MODELS_CONVERT_SAFETENSORS_H
#define HL_MODELS_CONVERT_SAFETENSORS_H

#include "core/base/str.h"

typedef enum hl_st_type { HL_ST_F32, HL_ST_F16, HL_ST_BF16, HL_ST_OTHER } hl_st_type;

enum { HL_ST_MAX_DIMS = 8 };

typedef struct hl_st_tensor {
    const char    *name; /* terminated */
    hl_st_type     type;
    char           type_name[16]; /* as the file has it */
    uint32_t       n_dims;
    uint64_t       shape[HL_ST_MAX_DIMS]; /* slowest first */
    uint64_t       n_elems;
    const uint8_t *data;
    size_t         n_bytes;
} hl_st_tensor;

typedef struct hl_safetensors hl_safetensors;

/* fails  HL_E_FORMAT  what is wrong in which file; HL_E_LIMIT; HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM,
 * HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_safetensors_open(const char *const *paths, size_t n_paths, hl_safetensors **ret,
                                            hl_err *err);
/* As above for one file that is in memory already (tests, fuzzing); `data` must outlive the result. */
HL_MUST_CHECK hl_status hl_safetensors_open_memory(const void *data, size_t n_bytes, hl_safetensors **ret,
                                                   hl_err *err);
void                    hl_safetensors_close(hl_safetensors *s); /* NULL is allowed */

size_t        hl_safetensors_n(const hl_safetensors *s);
hl_st_tensor *hl_safetensors_at(const hl_safetensors *s, size_t i); /* by name, ascending */
hl_st_tensor *hl_safetensors_find(const hl_safetensors *s, const char *name);
bool          hl_safetensors_is_broken(const hl_safetensors *s); /* a file changed while it was read */

#endif
