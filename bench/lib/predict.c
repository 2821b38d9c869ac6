/* SPDX-License-Identifier: MIT
 *
 * predict.c - memory by the engine's own plan, speed by what was measured.
 */
#include "bench/lib/predict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/gguf/types.h"
#include "hyperlama/experts.h"

/* What rates are filed under in the database: no model is called so. */
#define MACHINE "(this machine)"

enum {
    USUAL_CTX = 4096,
    REGIONS = 5,            /* of a layer, when one token is decoded (ARCHITECTURE.md) */
    REGION_NS = 6000,       /* to begin and end one, and the small work between products */
    KV_SHARE_PERCENT = 40,  /* of a plain read, that attention reads keys and values at */
    STEP_BYTES = 16 << 20,  /* sizes are measured in steps */
    MOST_BYTES = 256 << 20, /* more than any cache */
    MAX_KEPT = 64,
};

typedef struct type_bytes {
    hl_type  type;
    uint64_t n_bytes; /* that one token reads */
} type_bytes;

typedef struct weights {
    type_bytes v[HL_FIT_MAX_TYPES];
    size_t     n;
    uint64_t   embedding; /* of the table, in case that it is the output, too */
    hl_type    embedding_type;
    bool       has_output;
    double     expert_share;
} weights;

static void add_bytes(weights *w, hl_type type, uint64_t n) {
    size_t i = 0;
    while (i < w->n && w->v[i].type != type) i++;
    if (i == HL_FIT_MAX_TYPES) return;
    if (i == w->n) w->v[w->n++] = (type_bytes){type, 0};
    w->v[i].n_bytes += n;
}

static void add_tensor(void *user, const char *name, const char *type_name, const uint64_t *shape,
                       uint32_t n_dims) {
    weights *w = user;
    hl_type  type;
    uint64_t rows = 1;
    if (n_dims < 2 || !hl_type_find(type_name, &type)) return;
    for (uint32_t d = 0; d + 1 < n_dims; d++) rows *= shape[d];
    const uint64_t n_bytes = rows * hl_type_row_bytes(type, (size_t)shape[n_dims - 1]);
    if (strcmp(name, "token_embd.weight") == 0) {
        w->embedding = n_bytes;
        w->embedding_type = type;
        return;
    }
    w->has_output |= strcmp(name, "output.weight") == 0;
    add_bytes(w, type, n_dims == 3 ? (uint64_t)((double)n_bytes * w->expert_share) : n_bytes);
}

static void list_weights(const hl_model *m, const hl_model_info *info, weights *ret) {
    *ret =
        (weights){.expert_share = info->n_experts > 0 ? (double)info->n_experts_used / info->n_experts : 1};
    hl_model_each_tensor(m, add_tensor, ret);
    if (!ret->has_output) add_bytes(ret, ret->embedding_type, ret->embedding);
}

/* ---- rates ---- */

typedef struct rates {
    hl_store       *store; /* NULL: nothing is kept */
    hl_engine      *engine;
    hl_machine      machine;
    hl_bench_result kept[MAX_KEPT]; /* of this machine, newest last */
    char            metrics[MAX_KEPT][24];
    size_t          n_kept, n_stored; /* in the database already */
} rates;

/* What was measured with as many threads and the same instruction sets. */
static void read_kept(rates *r) {
    hl_bench_history *history = NULL;
    if (!r->store || hl_store_list_results(r->store, MACHINE, r->machine.host, 64, &history, NULL) != HL_OK)
        return;
    for (size_t i = 0; i < history->n && r->n_kept < MAX_KEPT; i++) {
        const hl_bench_result *from = &history->results[i];
        if (from->n_threads != hl_engine_n_threads(r->engine) ||
            strcmp(from->isa, hl_engine_setup_text(r->engine)) != 0 || strcmp(from->cpu, r->machine.cpu) != 0)
            continue;
        (void)snprintf(r->metrics[r->n_kept], sizeof r->metrics[0], "%s", from->metric);
        r->kept[r->n_kept] =
            (hl_bench_result){.metric = r->metrics[r->n_kept], .n = from->n, .value = from->value};
        r->n_kept++;
    }
    r->n_stored = r->n_kept;
    hl_bench_history_free(history);
}

static void keep_new(const rates *r) {
    hl_bench_result rows[MAX_KEPT];
    size_t          n = 0;
    for (size_t i = r->n_stored; i < r->n_kept; i++) {
        rows[n] = r->kept[i];
        rows[n].machine = r->machine.host;
        rows[n].cpu = r->machine.cpu;
        rows[n].build = rows[n].commit = rows[n].kv_type = rows[n].digest = "";
        rows[n].isa = hl_engine_setup_text(r->engine);
        rows[n].n_threads = hl_engine_n_threads(r->engine);
        rows[n].date_ms = hl_clock_wall_ms();
        rows[n].model = MACHINE;
        rows[n++].unit = "B/s";
    }
    hl_err ignored; /* it is measured again, then */
    if (r->store && n > 0 && hl_store_add_results(r->store, rows, n, &ignored) != HL_OK) return;
}

static const hl_bench_result *find_kept(const rates *r, const char *metric, int64_t n) {
    for (size_t i = r->n_kept; i-- > 0;)
        if (strcmp(r->kept[i].metric, metric) == 0 && r->kept[i].n == n) return &r->kept[i];
    return NULL;
}

static void add_kept(rates *r, const char *metric, int64_t n, double value) {
    if (r->n_kept == MAX_KEPT) return;
    (void)snprintf(r->metrics[r->n_kept], sizeof r->metrics[0], "%s", metric);
    r->kept[r->n_kept] = (hl_bench_result){.metric = r->metrics[r->n_kept], .n = n, .value = value};
    r->n_kept++;
}

static hl_status read_rate(rates *r, double *ret, hl_err *err) {
    const hl_bench_result *kept = find_kept(r, "read", 0);
    hl_machine_limits      limits;
    if (kept) {
        *ret = kept->value;
        return HL_OK;
    }
    const hl_status status = hl_engine_measure(r->engine, &limits, err);
    if (status != HL_OK) return status;
    *ret = limits.read_bytes_per_s;
    add_kept(r, "read", 0, *ret);
    return HL_OK;
}

/* At what rate weights of a type are multiplied, where a token reads n_bytes in all. */
static hl_status weight_rate(rates *r, hl_type type, uint64_t n_bytes, double *ret, hl_err *err) {
    const uint64_t steps =
        n_bytes > MOST_BYTES ? MOST_BYTES / STEP_BYTES : (n_bytes + STEP_BYTES - 1) / STEP_BYTES;
    const hl_bench_result *kept = find_kept(r, hl_type_name(type), (int64_t)steps);
    if (kept) {
        *ret = kept->value;
        return HL_OK;
    }
    const hl_status status =
        hl_engine_measure_weights(r->engine, hl_type_name(type), steps * STEP_BYTES, ret, err);
    if (status == HL_OK) add_kept(r, hl_type_name(type), (int64_t)steps, *ret);
    return status;
}

static hl_status seconds_of_weights(rates *r, const weights *w, double *ret_s, hl_err *err) {
    uint64_t  all = 0;
    hl_status status = HL_OK;
    *ret_s = 0;
    for (size_t i = 0; i < w->n; i++) all += w->v[i].n_bytes;
    for (size_t i = 0; i < w->n && status == HL_OK; i++) {
        double rate = 0;
        status = weight_rate(r, w->v[i].type, all, &rate, err);
        if (status == HL_OK && rate > 0) *ret_s += (double)w->v[i].n_bytes / rate;
    }
    return status;
}

/* ---- rows ---- */

static hl_status add_row(hl_fit *f, hl_host *h, const hl_model *m, int32_t n_ctx, double weights_s,
                         hl_err *err) {
    hl_session_params p;
    hl_fit_row       *row = &f->rows[f->n_rows];
    hl_host_session_params(h, NULL, &p);
    p.n_ctx = n_ctx;
    *row = (hl_fit_row){.n_ctx = n_ctx};
    const hl_status status = hl_session_plan(m, &p, &row->plan, err);
    if (status != HL_OK) return status;
    const hl_memory_fit fit = hl_memory_judge(m, &row->plan);
    row->fits = fit != HL_FITS_NOT;
    row->from_disk = fit == HL_FITS_FROM_DISK;
    f->available_bytes = row->plan.available_bytes;
    const double base_s = weights_s + (double)f->info.n_layers * REGIONS * REGION_NS * 1e-9;
    const double kv_s = (double)row->plan.kv_bytes / (f->read_bytes_per_s * KV_SHARE_PERCENT / 100);
    if (!f->info.is_encoder && weights_s > 0 && !row->from_disk) {
        row->first_per_s = 1 / base_s;
        row->last_per_s = 1 / (base_s + kv_s);
    }
    f->n_rows++;
    return HL_OK;
}

static hl_status add_rows(hl_fit *f, hl_host *h, const hl_model *m, int32_t asked, double weights_s,
                          hl_err *err) {
    const int32_t most = f->info.n_ctx_train > 0 ? f->info.n_ctx_train : USUAL_CTX;
    hl_status     status = HL_OK;
    if (asked > 0) return add_row(f, h, m, asked, weights_s, err);
    for (int32_t n = 2048; n < most && status == HL_OK && f->n_rows + 1 < HL_FIT_MAX_ROWS; n *= 2)
        status = add_row(f, h, m, n, weights_s, err);
    return status == HL_OK ? add_row(f, h, m, most, weights_s, err) : status;
}

hl_status hl_fit_model(hl_host *h, const hl_model *model, const hl_fit_options *o, hl_fit *ret, hl_err *err) {
    rates  *r = hl_new(1, sizeof *r);
    weights w;
    double  weights_s = 0;
    hl_fit  f = {0};
    if (!r) return hl_fail(err, HL_E_NOMEM, "fit: no memory");
    hl_model_get_info(model, &f.info);
    hl_machine_init(&r->machine);
    hl_status status = hl_host_engine(h, -1, &r->engine, err);
    if (status == HL_OK && hl_host_store(h, &r->store, NULL) != HL_OK) r->store = NULL;
    if (status == HL_OK && !o->measure) read_kept(r);
    list_weights(model, &f.info, &w);
    if (status == HL_OK) status = read_rate(r, &f.read_bytes_per_s, err);
    if (status == HL_OK) status = seconds_of_weights(r, &w, &weights_s, err);
    if (status == HL_OK) keep_new(r);
    if (status == HL_OK) status = add_rows(&f, h, model, o->n_ctx, weights_s, err);
    hl_free(r);
    if (status == HL_OK) *ret = f;
    return status;
}
