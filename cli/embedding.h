/* SPDX-License-Identifier: MIT
 *
 * embedding.h - what embed and rerank share: lines of a file, a model that is loaded, and its end.
 */
#ifndef HL_CLI_EMBEDDING_H
#define HL_CLI_EMBEDDING_H

#include "cli/args.h"
#include "host/resident.h"

/* Zero-initialise; free with hl_embedding_done(), also after a failure. */
typedef struct hl_embedding {
    hl_str          lines; /* of a file */
    hl_embed_input *texts; /* [n] */
    size_t          n;
    hl_host        *host;
    hl_source      *source;
    hl_resident    *resident;
    hl_embeddings   got;
} hl_embedding;

/* The lines of --file, or without it and without arguments from `first` on those of standard input, then
 * these arguments. There must be a text; `what` names it in the error. */
HL_MUST_CHECK hl_status hl_embedding_take_texts(hl_embedding *e, const hl_args *args, size_t first,
                                                const char *what, hl_err *err);
HL_MUST_CHECK hl_status hl_embedding_load(hl_embedding *e, hl_app *app, const char *name, hl_err *err);
void                    hl_embedding_done(hl_embedding *e);

#endif
