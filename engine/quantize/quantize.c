/* SPDX-License-Identifier: MIT
 *
 * quantize.c - a model's file with other weights: what each tensor becomes, and the work, tensor by tensor.
 */
#include "hyperlama/quantize.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"
#include "engine/model_priv.h"
#include "engine/pack/packers.h"
#include "engine/quant/quant.h"
#include "engine/quantize/imatrix.h"
#include "engine/quantize/mix.h"

enum {
    CHUNK_WEIGHTS = 1 << 18, /* that a thread packs at once: some milliseconds */
    UNPACKED_MAX = 1 << 16,  /* weights as f32 at a time: a multiple of every block */
    TYPE_TEXT_BYTES = 16,
};

typedef struct job job;

typedef struct plan_row {
    job                  *j;
    const hl_gguf_tensor *tensor;
    hl_type               type;
    bool                  is_second_best;
} plan_row;

struct job {
    hl_engine                *engine;
    const hl_quantize_params *p;
    const hl_mix             *mix;
    hl_gguf                  *from;
    hl_imatrix               *imatrix;
    plan_row                 *rows; /* one per tensor */
    hl_type                  *rule_types;
    bool                     *rule_fits;
    float                    *unpacked; /* [threads][UNPACKED_MAX] */
    uint64_t                  done_bytes, total_bytes;
    hl_quantize_result        result;
};

static void upper(const char *name, char *ret) {
    size_t i = 0;
    for (; name[i] && i < TYPE_TEXT_BYTES - 1; i++) ret[i] = (char)toupper((unsigned char)name[i]);
    ret[i] = 0;
}

static bool is_float(hl_type t) { return t == HL_TYPE_f32 || t == HL_TYPE_f16 || t == HL_TYPE_bf16; }

/* ---- what is asked for ---- */

static hl_status find_mix(const char *name, const hl_mix **ret, hl_err *err) {
    hl_str names;
    *ret = name ? hl_mix_find(name) : NULL;
    if (*ret) return HL_OK;
    hl_str_init(&names, 4096);
    for (size_t i = 0; hl_mix_at(i); i++) hl_str_add_format(&names, " %s", hl_mix_name(hl_mix_at(i)));
    const hl_status status = hl_fail(err, HL_E_ARG, "there is no mix '%.40s' to quantize to; there are%s",
                                     name ? name : "", hl_str_text(&names));
    hl_str_done(&names);
    return status;
}

hl_status hl_quantize_check_mix(const char *mix, hl_err *err) {
    const hl_mix *ignored;
    return find_mix(mix, &ignored, err);
}

static hl_status find_rule_type(const hl_quantize_rule *r, hl_type *ret, hl_err *err) {
    char   name[TYPE_TEXT_BYTES];
    size_t i = 0;
    for (; r->type[i] && i < sizeof name - 1; i++) name[i] = (char)tolower((unsigned char)r->type[i]);
    name[i] = 0;
    if (!hl_type_find(name, ret))
        return hl_fail(err, HL_E_ARG, "'%.60s=%.40s': there is no type '%.40s'", r->pattern, r->type,
                       r->type);
    if (!hl_pack_find(*ret, 0))
        return hl_fail(err, HL_E_UNSUPPORTED, "'%.60s=%.40s': this program reads %s and does not write it",
                       r->pattern, r->type, name);
    return HL_OK;
}

static hl_status find_rules(job *j, hl_err *err) {
    j->rule_types = hl_new(j->p->n_rules + 1, sizeof *j->rule_types);
    j->rule_fits = hl_new(j->p->n_rules + 1, sizeof *j->rule_fits);
    if (!j->rule_types || !j->rule_fits) return hl_fail(err, HL_E_NOMEM, "quantize: no memory");
    hl_status status = HL_OK;
    for (size_t i = 0; i < j->p->n_rules && status == HL_OK; i++)
        status = find_rule_type(&j->p->rules[i], &j->rule_types[i], err);
    return status;
}

static bool fits_pattern(const char *pattern, const char *name) {
    if (strpbrk(pattern, "*?[")) return fnmatch(pattern, name, 0) == 0;
    return strstr(name, pattern) != NULL;
}

/* ---- the plan ---- */

/* Type of a tensor by the rules of the caller; false: none fits. */
static bool choose_by_rule(job *j, const hl_gguf_tensor *t, hl_type *ret) {
    bool found = false;
    for (size_t i = 0; i < j->p->n_rules; i++) {
        if (!fits_pattern(j->p->rules[i].pattern, t->name)) continue;
        j->rule_fits[i] = true;
        if (!found) *ret = j->rule_types[i];
        found = true;
    }
    return found;
}

static hl_status plan_tensor(job *j, const hl_mix_model *model, const hl_gguf_tensor *t, plan_row *ret,
                             hl_err *err) {
    const uint64_t n_cols = t->shape[t->n_dims - 1];
    *ret = (plan_row){.j = j, .tensor = t, .type = t->type};
    if (!hl_mix_takes(t)) return HL_OK;
    hl_type wanted = t->type;
    if (choose_by_rule(j, t, &wanted)) {
        if (n_cols % hl_type_block_elems(wanted) != 0)
            return hl_fail(err, HL_E_ARG, "'%s' cannot be %s: its rows of %" PRIu64 " are no multiple of %zu",
                           t->name, hl_type_name(wanted), n_cols, hl_type_block_elems(wanted));
    } else {
        wanted = hl_mix_choose(j->mix, model, j->p->pure, t);
    }
    ret->type = hl_mix_fit(wanted, n_cols);
    ret->is_second_best = ret->type != wanted;
    if (ret->type == t->type || is_float(t->type) || j->p->requantize) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "'%s' is quantized already (%s): take the original (`hyperlama quantize --requantize` "
                   "loses some more)",
                   t->name, hl_type_name(t->type));
}

static hl_status plan(job *j, hl_err *err) {
    const size_t n = hl_gguf_n_tensors(j->from);
    hl_mix_model model;
    hl_status    status = HL_OK;
    if (n == 0) return hl_fail(err, HL_E_FORMAT, "quantize: the file has no tensors");
    j->rows = hl_new(n, sizeof *j->rows);
    if (!j->rows) return hl_fail(err, HL_E_NOMEM, "quantize: no memory for %zu tensors", n);
    hl_mix_look(j->from, j->imatrix != NULL, &model);
    for (size_t i = 0; i < n && status == HL_OK; i++)
        status = plan_tensor(j, &model, hl_gguf_tensor_at(j->from, i), &j->rows[i], err);
    if (status != HL_OK) return status;
    for (size_t i = 0; i < j->p->n_rules; i++)
        if (!j->rule_fits[i])
            return hl_fail(err, HL_E_ARG, "'%.80s=%.40s' fits no tensor that can be quantized",
                           j->p->rules[i].pattern, j->p->rules[i].type);
    return HL_OK;
}

static size_t row_bytes(const plan_row *r) {
    return hl_type_row_bytes(r->type, (size_t)r->tensor->shape[r->tensor->n_dims - 1]);
}

static size_t tensor_bytes(const plan_row *r) {
    return (size_t)(r->tensor->n_elems / r->tensor->shape[r->tensor->n_dims - 1]) * row_bytes(r);
}

/* ---- one tensor ---- */

typedef struct packing {
    job                *j;
    const plan_row     *row;
    const float        *importance; /* [matrices][n_cols]; NULL: all alike */
    hl_pack_fn         *pack;
    size_t              n_rows, n_cols, rows_per_chunk, rows_per_matrix;
    const volatile int *stop;
    uint8_t            *to;
    atomic_bool         odd; /* something was not finite */
} packing;

static void pack_row(packing *w, size_t r, float *x) {
    const hl_gguf_tensor *t = w->row->tensor;
    const size_t          from_bytes = hl_type_row_bytes(t->type, w->n_cols), to_bytes = row_bytes(w->row);
    const uint8_t        *from = (const uint8_t *)t->data + r * from_bytes;
    uint8_t              *to = w->to + r * to_bytes;
    for (size_t c = 0; c < w->n_cols; c += UNPACKED_MAX) {
        const size_t n = w->n_cols - c < UNPACKED_MAX ? w->n_cols - c : UNPACKED_MAX;
        const float *importance =
            w->importance ? w->importance + r / w->rows_per_matrix * w->n_cols + c : NULL;
        hl_quant_to_f32(t->type)(from + hl_type_row_bytes(t->type, c), n, x);
        if (!w->j->engine->kernels.all_finite(n, x))
            atomic_store_explicit(&w->odd, true, memory_order_relaxed);
        w->pack(x, importance, n, to + hl_type_row_bytes(w->row->type, c));
    }
}

static void pack_chunk(void *ctx, uint32_t i_chunk, uint32_t i_thread) {
    packing     *w = ctx;
    const size_t begin = i_chunk * w->rows_per_chunk, left = w->n_rows - begin;
    const size_t n = left < w->rows_per_chunk ? left : w->rows_per_chunk;
    for (size_t i = 0; i < n && !hl_stop_is_set(w->stop); i++)
        pack_row(w, begin + i, w->j->unpacked + (size_t)i_thread * UNPACKED_MAX);
}

static hl_status pack_tensor(job *j, const plan_row *row, const float *importance, void *to, hl_err *err) {
    const hl_gguf_tensor *t = row->tensor;
    packing               w = {.j = j,
                               .row = row,
                               .importance = importance,
                               .pack = hl_pack_find(row->type, j->engine->kernels.cpu),
                               .n_cols = (size_t)t->shape[t->n_dims - 1],
                               .stop = hl_stop_watched(),
                               .to = to};
    w.n_rows = (size_t)(t->n_elems / w.n_cols);
    w.rows_per_matrix = t->n_dims == 3 ? (size_t)t->shape[1] : w.n_rows;
    w.rows_per_chunk = w.n_cols < CHUNK_WEIGHTS ? CHUNK_WEIGHTS / w.n_cols : 1;
    const size_t n_chunks = (w.n_rows + w.rows_per_chunk - 1) / w.rows_per_chunk;
    if (n_chunks > UINT32_MAX) return hl_fail(err, HL_E_LIMIT, "'%s' has too many rows", t->name);
    hl_pool_enter(j->engine->pool);
    hl_pool_run(j->engine->pool, (uint32_t)n_chunks, pack_chunk, &w);
    hl_pool_leave(j->engine->pool);
    const hl_status status = hl_stop_check("quantize", err);
    if (status != HL_OK) return status;
    if (hl_gguf_is_broken(j->from))
        return hl_fail(err, HL_E_IO, "quantize: the file was changed or cut short");
    if (atomic_load(&w.odd))
        return hl_fail(err, HL_E_FORMAT, "'%s' has weights that are not finite", t->name);
    return HL_OK;
}

static bool is_copied(const plan_row *r) { return r->type == r->tensor->type; }

static hl_status tell(job *j, const plan_row *r, bool is_weighted, hl_err *err) {
    char from[TYPE_TEXT_BYTES], to[TYPE_TEXT_BYTES];
    upper(hl_type_name(r->tensor->type), from);
    upper(hl_type_name(r->type), to);
    j->result.n_tensors++;
    j->result.n_weights += r->tensor->n_elems;
    j->result.n_quantized += !is_copied(r);
    j->result.n_weighted += is_weighted;
    const hl_quantize_step step = {
        .tensor = r->tensor->name,
        .from_type = from,
        .to_type = to,
        .shape = r->tensor->shape,
        .n_dims = r->tensor->n_dims,
        .is_copied = is_copied(r),
        .is_second_best = r->is_second_best,
        .is_weighted = is_weighted,
        .from_bytes = r->tensor->n_bytes,
        .to_bytes = tensor_bytes(r),
        .done_bytes = j->done_bytes,
        .total_bytes = j->total_bytes,
    };
    if (j->p->on_step && !j->p->on_step(j->p->user, &step))
        return hl_fail(err, HL_E_CANCEL, "quantize: cancelled");
    j->done_bytes += step.to_bytes;
    return HL_OK;
}

/* The bytes of one tensor, for whoever writes the file (`to` NULL: nobody does). */
static hl_status make_tensor(void *user, void *to, size_t n_bytes, hl_err *err) {
    const plan_row *r = user;
    job            *j = r->j;
    float          *importance = NULL;
    hl_status       status = hl_stop_check("quantize", err);
    if (status == HL_OK && j->imatrix && !is_copied(r))
        status = hl_imatrix_get(j->imatrix, r->tensor, &importance, err);
    if (status == HL_OK) status = tell(j, r, importance != NULL, err);
    if (status == HL_OK && to && is_copied(r)) memcpy(to, r->tensor->data, n_bytes);
    if (status == HL_OK && to && !is_copied(r)) status = pack_tensor(j, r, importance, to, err);
    hl_free(importance);
    return status;
}

/* ---- the file ---- */

static bool is_replaced(hl_view key) {
    return hl_view_is(key, "general.file_type") || hl_view_is(key, "general.quantization_version") ||
           hl_view_is(key, "general.alignment") || hl_view_has_prefix(key, "split.");
}

static void add_keys(const job *j, hl_gguf_writer *w) {
    for (size_t i = 0; i < hl_gguf_n_values(j->from); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(j->from, i);
        if (!is_replaced(v->key)) hl_gguf_writer_add_value(w, v);
    }
    hl_gguf_writer_add_u32(w, "general.quantization_version", 2);
    hl_gguf_writer_add_u32(w, "general.file_type", hl_mix_file_type(j->mix));
}

static hl_status write_file(job *j, const char *to, hl_err *err) {
    const size_t    n_threads = (size_t)hl_pool_n_threads(j->engine->pool);
    struct stat     st;
    hl_gguf_writer *w = hl_gguf_writer_new();
    j->unpacked = hl_new_aligned(n_threads * UNPACKED_MAX, sizeof *j->unpacked);
    hl_status status = w && j->unpacked ? HL_OK : hl_fail(err, HL_E_NOMEM, "quantize: no memory");
    if (status == HL_OK) {
        add_keys(j, w);
        for (size_t i = 0; i < hl_gguf_n_tensors(j->from); i++) {
            plan_row             *r = &j->rows[i];
            const hl_gguf_tensor *t = r->tensor;
            hl_gguf_writer_add_made(w, t->name, r->type, t->n_dims, t->shape, make_tensor, r);
        }
        for (size_t i = 0; i < hl_gguf_n_numbers(j->from); i++) {
            const hl_gguf_tensor *t = hl_gguf_numbers_at(j->from, i);
            hl_gguf_writer_add_numbers(w, t->name, t->n_elems, t->data);
        }
        status = j->p->to_fd ? hl_gguf_writer_write(w, *j->p->to_fd, to, NULL, NULL, err)
                             : hl_gguf_writer_save(w, to, err);
    }
    hl_gguf_writer_free(w);
    if (status == HL_OK && stat(to, &st) == 0) j->result.to_bytes = (uint64_t)st.st_size;
    return status;
}

static hl_status only_plan(job *j, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < hl_gguf_n_tensors(j->from) && status == HL_OK; i++)
        status = make_tensor(&j->rows[i], NULL, 0, err);
    j->result.to_bytes = j->total_bytes;
    return status;
}

static hl_status check_target(const char *from, const char *to, const hl_quantize_params *p, hl_err *err) {
    struct stat a, b;
    if (stat(to, &b) != 0) return HL_OK;
    if (stat(from, &a) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
        return hl_fail(err, HL_E_ARG, "'%.200s' is the file to be read itself", to);
    if (!S_ISREG(b.st_mode)) return hl_fail(err, HL_E_ARG, "'%.200s' is there and no plain file", to);
    if (!p->replace)
        return hl_fail(err, HL_E_ARG, "'%.200s' is there already: take another name, or say --force", to);
    return HL_OK;
}

static hl_status run(job *j, const char *from, const char *to, hl_err *err) {
    hl_status status = find_mix(j->p->mix, &j->mix, err);
    if (status == HL_OK) status = find_rules(j, err);
    if (status == HL_OK && !j->p->plan_only && !j->p->to_fd) status = check_target(from, to, j->p, err);
    if (status == HL_OK)
        status = j->p->parts ? hl_gguf_open_shards(j->p->parts, j->p->n_parts, &j->from, err)
                             : hl_gguf_open(from, &j->from, err);
    if (status == HL_OK && j->p->imatrix_path) status = hl_imatrix_open(j->p->imatrix_path, &j->imatrix, err);
    if (status == HL_OK && !j->imatrix && hl_mix_needs_importance(j->mix))
        status =
            hl_fail(err, HL_E_ARG, "%s needs an importance matrix (--imatrix FILE)", hl_mix_name(j->mix));
    if (status == HL_OK) status = plan(j, err);
    if (status != HL_OK) return status;
    j->result.from_bytes = hl_gguf_file_bytes(j->from);
    for (size_t i = 0; i < hl_gguf_n_tensors(j->from); i++) j->total_bytes += tensor_bytes(&j->rows[i]);
    return j->p->plan_only ? only_plan(j, err) : write_file(j, to, err);
}

hl_status hl_quantize_file(hl_engine *e, const char *from, const char *to, const hl_quantize_params *p,
                           hl_quantize_result *ret_result, hl_err *err) {
    job             j = {.engine = e, .p = p};
    const hl_status status = run(&j, from, to, err);
    if (status == HL_OK) *ret_result = j.result;
    hl_free(j.rule_types);
    hl_free(j.rule_fits);
    hl_free(j.rows);
    hl_free(j.unpacked);
    hl_imatrix_close(j.imatrix);
    hl_gguf_close(j.from);
    return status;
}
