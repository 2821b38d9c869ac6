/* SPDX-License-Identifier: MIT
 *
 * convert.h - a folder as models are published (safetensors, config.json, tokenizer.json) becomes a GGUF
 * file.
 *
 * Weights stay what they are, F32, F16 or BF16; vectors become F32, as the engine wants them. Tensors are
 * copied from the mapped files; those that have to be changed take as much memory as the largest of them.
 */
#ifndef HL_MODELS_CONVERT_CONVERT_H
#define HL_MODELS_CONVERT_CONVERT_H

#include "hyperlama/base.h"

typedef struct hl_convert_file {
    const char *name; /* in its folder: "config.json", "model-00001-of-00002.safetensors" */
    const char *path; /* where it lies now */
} hl_convert_file;

typedef struct hl_convert_options {
    const char *name;                                            /* general.name; NULL: none */
    void (*note)(void *user, const char *text);                  /* what is left out; may be NULL */
    bool (*progress)(void *user, uint64_t done, uint64_t total); /* false: cancel; may be NULL */
    void *user;
} hl_convert_options;

/* Does a folder with such a file hold a model to convert? */
bool hl_convert_is_weights(const char *name);
/* Is this file of use for that? */
bool hl_convert_wants(const char *name);

/* in     fd    of an empty file, written from its start; `path` names it in messages
 * fails  HL_E_UNSUPPORTED  a family, a type of weights or a vocabulary that is not known: names it, and
 * those that are
 *        HL_E_FORMAT       a file that is not what it should be; a tensor that has no place, or is missing
 *        HL_E_NOT_FOUND    no config.json, no weights, no vocabulary
 *        HL_E_CHANGED      a file changed while it was read
 *        HL_E_IO, HL_E_LIMIT, HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_convert_model(const hl_convert_file *files, size_t n_files, int fd,
                                         const char *path, const hl_convert_options *options, hl_err *err);

#endif
