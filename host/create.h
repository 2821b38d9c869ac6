/* SPDX-License-Identifier: MIT
 *
 * create.h - a model made of others and of files: what a Modelfile or POST /api/create asks for.
 */
#ifndef HL_HOST_CREATE_H
#define HL_HOST_CREATE_H

#include "host/host.h"

/* Files by the names they have where they come from: parts of a split model are put in order by them, and a
 * folder of a Hugging Face model is known by them. */
typedef struct hl_file_list {
    struct hl_named_file {
        char *name, *path;
    } * v;
    size_t n, cap;
} hl_file_list;

void hl_file_list_done(hl_file_list *l);
/* fails HL_E_NOMEM, HL_E_LIMIT */
HL_MUST_CHECK hl_status hl_file_list_add(hl_file_list *l, const char *name, const char *path, hl_err *err);
/* A file, or of a folder what belongs to its model.
 * fails  HL_E_NOT_FOUND  no such file, or nothing of a model in the folder
 *        HL_E_ARG        several models in the folder: they are named; HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_file_list_add_path(hl_file_list *l, const char *path, hl_err *err);

/* A GGUF file, or a folder with one or with an adapter as peft saves it.
 * fails  as above */
HL_MUST_CHECK hl_status hl_file_list_add_adapter(hl_file_list *l, const char *path, hl_err *err);

typedef struct hl_recipe {
    const char       *from;     /* name of a model; NULL: none */
    hl_file_list      files;    /* weights, projectors: what each is, it says itself */
    hl_file_list      adapters; /* GGUF files, and files of folders: see hl_file_list_add_adapter() */
    const char       *draft_path;
    const char       *quantize;       /* a mix of hyperlama/quantize.h; NULL: weights stay as they are */
    const char       *imatrix_path;   /* an importance matrix for `quantize`; NULL: none */
    const char       *draft_quantize; /* the same as quantize, of the draft's; without the matrix */
    bool              insecure;       /* of a model that has to be pulled: hl_pull_options */
    bool              may_idle;       /* also what this build cannot answer with */
    bool              may_remote;     /* `from` may be remote:... or engine:... (remote/remote_model.h) */
    hl_import_options more;           /* texts, progress; base and paths in it are set here */
} hl_recipe;

void hl_recipe_done(hl_recipe *r); /* the lists */

/* May a model of this name be pulled when it is missing: is it none of the settings' and no path, and are we
 * online? */
bool hl_host_may_pull(hl_host *h, const char *name);

/* Make it, in place of what had the name. Nothing of it is seen before it is whole.
 *
 * A model to start from that is not here is pulled, where that may be (hl_host_may_pull()). Progress tells of
 * "pulling manifest" (path: the digest of a file that comes) and "quantizing F16 model to Q4_K_M", too, as
 * Ollama words it.
 *
 * fails  HL_E_ARG     neither a model nor files; two models; a parameter, a version, a name or a mix that is
 *                     none
 *        HL_E_FORMAT  a template that cannot be parsed; a file that is no part of a model
 *        HL_E_AUTH    a remote model, where it may not be: it says whom prompts and keys are sent to
 *        HL_E_UNSUPPORTED  quantize, and the weights are quantized already
 *        as hl_host_find_stored(), hl_store_import(), hl_quantize_file(), hl_convert_model(),
 *        hl_convert_adapter() */
HL_MUST_CHECK hl_status hl_host_create(hl_host *h, hl_recipe *r, const char *name, hl_name *ret_name,
                                       hl_err *err);

#endif
