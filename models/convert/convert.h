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

#include "core/gguf/gguf.h"

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

/* ---- LoRA adapters as peft saves them ---- */

#define HL_ADAPTER_CONFIG  "adapter_config.json"
#define HL_ADAPTER_WEIGHTS "adapter_model.safetensors"

/* Is this file of use for an adapter? One that is not, and would be taken for it, is among them to be
 * named. */
bool hl_convert_wants_adapter(const char *name);

/* A folder with these two becomes a GGUF adapter of one model.
 *
 * in     files  by their names in the folder; others are passed over
 *        base   the model that it is for: its architecture, and shapes
 *        fd, path, options  as above; options.name is the adapter's own
 * fails  HL_E_UNSUPPORTED  an option of the adapter that has no place here; a model of another family;
 *                          a tensor that is no pair, or for what adapters cannot change: all named
 *        HL_E_FORMAT       a file that is not what it should be; half a pair, shapes or a rank that do
 *                          not fit; a value that is no finite number
 *        HL_E_NOT_FOUND    one of the two is missing
 *        HL_E_CHANGED, HL_E_IO, HL_E_LIMIT, HL_E_NOMEM, HL_E_CANCEL */
HL_MUST_CHECK hl_status hl_convert_adapter(const hl_convert_file *files, size_t n_files, const hl_gguf *base,
                                           int fd, const char *path, const hl_convert_options *options,
                                           hl_err *err);

#endif
