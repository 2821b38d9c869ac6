/* SPDX-License-Identifier: MIT
 *
 * quantize.h - write a model's file again with smaller weights.
 *
 * Which tensor gets which type says a mix ("Q4_K_M"), by the tensor's purpose; rules of the caller come
 * first. Tensors are read, packed and written one after the other: memory is one tensor's result and some
 * rows.
 */
#ifndef HL_QUANTIZE_H
#define HL_QUANTIZE_H

#include "hyperlama/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Tensors whose name fits the pattern get the type. A pattern with '*', '?' or '[' is one of a shell and
 * must fit the whole name; another one fits where the name contains it. The first rule that fits counts. */
typedef struct hl_quantize_rule {
    const char *pattern;
    const char *type; /* "q8_0", in any case */
} hl_quantize_rule;

/* One tensor, before it is written (or would be). */
typedef struct hl_quantize_step {
    const char     *tensor;
    const char     *from_type, *to_type; /* in upper case */
    const uint64_t *shape;               /* slowest first */
    uint32_t        n_dims;
    bool            is_copied; /* bytes are taken over as they are */
    bool is_second_best; /* its rows are no multiple of the block that the mix wants: the next larger type */
    bool is_weighted;    /* the importance matrix knows it */
    uint64_t from_bytes, to_bytes;
    uint64_t done_bytes, total_bytes; /* of the result, before this tensor and in all */
} hl_quantize_step;

typedef struct hl_quantize_params {
    const char *mix; /* "Q4_K_M", "Q8_0", "F16" ..., in any case; the error for another one lists them */
    const hl_quantize_rule *rules;
    size_t                  n_rules;
    const char             *imatrix_path; /* an importance matrix, GGUF or the older form; NULL: none */
    bool                    requantize;   /* weights that are quantized already may be again, at a loss */
    bool                    pure;         /* the mix's main type for all tensors that are quantized */
    bool                    replace;      /* a file that is there already */
    bool                    plan_only;    /* write nothing: only call on_step */
    /* All parts of the model to be read, in order, where they do not lie beside each other under the names of
     * a split one; `from` only names it then. NULL: `from` is a path */
    const char *const *parts;
    size_t             n_parts;
    const int         *to_fd; /* an open, empty file to write to, which `to` names; NULL: `to` is made */
    /* NULL: nobody looks; on the caller's thread. false: it ends with HL_E_CANCEL */
    bool (*on_step)(void *user, const hl_quantize_step *step);
    void *user;
} hl_quantize_params;

typedef struct hl_quantize_result {
    uint64_t from_bytes, to_bytes; /* of the files; of a plan, what they would be */
    uint64_t n_weights;
    size_t   n_tensors, n_quantized, n_weighted;
} hl_quantize_result;

/* Is there such a mix? fails HL_E_ARG no: lists those that there are */
HL_API HL_MUST_CHECK hl_status hl_quantize_check_mix(const char *mix, hl_err *err);

/* Write `to` from `from`, one file or the first shard of a split one. `to` appears when it is whole: until
 * then it is a temporary file beside it, which goes when the work fails or is stopped (hl_stop_watch()).
 *
 * fails  HL_E_ARG          an unknown mix or type, a rule that fits no tensor, `to` is there or is `from`
 *        HL_E_UNSUPPORTED  a type that this program does not write; quantized weights without `requantize`
 *        HL_E_FORMAT       not a GGUF file; weights that are not finite; an importance matrix of another
 * model
 *        HL_E_IO, HL_E_NOMEM, HL_E_CANCEL; too little room on the disk is HL_E_IO before anything is written
 * thread uses the engine's threads: one pass of a model waits for the other */
HL_API HL_MUST_CHECK hl_status hl_quantize_file(hl_engine *e, const char *from, const char *to,
                                                const hl_quantize_params *p, hl_quantize_result *ret_result,
                                                hl_err *err);

/* ---- importance matrices ---- */

/* Which columns of a model's matrices its text makes large: what errors of quantized weights should be small
 * for. One is collected over the passes of sessions, of one thread at a time. */
typedef struct hl_importance hl_importance;

/* in     m  must outlive it
 * fails  HL_E_NOMEM
 * owns   hl_importance_free() */
HL_API HL_MUST_CHECK hl_status hl_importance_new(const hl_model *m, hl_importance **ret, hl_err *err);
HL_API void                    hl_importance_free(hl_importance *c); /* NULL is allowed */

/* Let all further passes of the session add to it; NULL: no longer. */
HL_API void hl_session_collect(hl_session *s, hl_importance *c);

/* Write it as a GGUF file, in the form of llama.cpp's imatrix program: sums of squares of the inputs of every
 * matrix of the blocks that was used, and how many there were.
 *
 * in     text    a name of what the model read
 *        window  tokens that it read in one go
 * out    ret_n_matrices  of how many tensors the file knows
 * fails  HL_E_ARG  nothing was collected; HL_E_IO, HL_E_NOMEM: `path` is as it was */
HL_API HL_MUST_CHECK hl_status hl_importance_save(const hl_importance *c, const char *path, const char *text,
                                                  uint32_t window, size_t *ret_n_matrices, hl_err *err);

#ifdef __cplusplus
}
#endif

#endif
