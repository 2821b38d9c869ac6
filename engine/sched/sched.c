/* SPDX-License-Identifier: MIT
 *
 * sched.c - the scheduler's front door: made, fed and asked by any thread; one thread of its own does the
 * work.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/admit.h"
#include "engine/build_commit.h"
#include "engine/sched/sched_priv.h"

enum {
    DEFAULT_RUNNING = 16,
    DEFAULT_WAITING = 1024,
    DEFAULT_BATCH = 512,
    DEFAULT_ITL_MS = 150,
    DEFAULT_CONTEXTS = 4,
    MAX_WAITING = 1 << 20,
    MAX_BATCH = 8192,
    FIRST_MIXED_ROWS = 16,
    ENCODER_ROWS = 8, /* of a text, at least: then its block is there for a full batch */
    LOOK_MS = 100
};

/* ---- make ---- */

static hl_status check_range(const char *name, int64_t value, int64_t most, hl_err *err) {
    if (value >= 0 && value <= most) return HL_OK;
    return hl_fail(err, HL_E_ARG, "%s is %" PRId64 ", expected 0 (automatic) or 1..%" PRId64, name, value,
                   most);
}

static int32_t or_default(int32_t value, int32_t when_zero) { return value ? value : when_zero; }

/* A text is read in one pass, and no position lies past those that the model has learned. Nothing is kept, so
 * that exact keys and values cost nothing. */
static void fit_encoder(const hl_model *m, hl_sched_params *p) {
    const int32_t most = (int32_t)m->hp.n_ctx_train;
    if (p->n_ctx > most) {
        hl_event(&m->engine->events, HL_LOG_INFO, "sched", "context-of-encoder", "asked=%d has=%d", p->n_ctx,
                 most);
        p->n_ctx = most;
    }
    if (p->n_batch < p->n_ctx) p->n_batch = p->n_ctx;
    p->kv_type = HL_KV_CACHE_F32;
    p->draft = NULL;
    p->cache_dir = NULL;
}

/* Learned positions: a decoder has as many as it was trained for, too. */
static void fit_positions(const hl_model *m, hl_sched_params *p) {
    const int32_t most = (int32_t)m->hp.n_ctx_train;
    if (!m->pos_embd.data || p->n_ctx <= most) return;
    hl_event(&m->engine->events, HL_LOG_INFO, "sched", "context-of-positions", "asked=%d has=%d", p->n_ctx,
             most);
    p->n_ctx = most;
}

static hl_status fill_params(const hl_model *m, const hl_sched_params *p, hl_sched_params *ret, hl_err *err) {
    const struct {
        const char *name;
        int64_t     value, most;
    } rows[] = {
        {"n_running_cap", p->n_running_cap, HL_MAX_RUNNING},
        {"n_waiting_cap", p->n_waiting_cap, MAX_WAITING},
        {"n_ctx", p->n_ctx, HL_MAX_CTX},
        {"n_batch", p->n_batch, MAX_BATCH},
        {"max_itl_ms", p->max_itl_ms, 60000},
    };
    if (!m->layers) return hl_fail(err, HL_E_ARG, "the model was opened for its vocabulary only");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const hl_status status = check_range(rows[i].name, rows[i].value, rows[i].most, err);
        if (status != HL_OK) return status;
    }
    hl_status status = hl_check_stands_alone(m, err);
    if (status == HL_OK) status = hl_kv_type_check(p->kv_type, err);
    if (status != HL_OK) return status;
    *ret = *p;
    ret->n_running_cap = or_default(p->n_running_cap, DEFAULT_RUNNING);
    ret->n_waiting_cap = or_default(p->n_waiting_cap, DEFAULT_WAITING);
    ret->n_ctx = or_default(p->n_ctx, hl_default_ctx(m));
    ret->n_batch = or_default(p->n_batch, DEFAULT_BATCH);
    ret->max_itl_ms = or_default(p->max_itl_ms, DEFAULT_ITL_MS);
    if (m->arch->is_encoder) fit_encoder(m, ret);
    fit_positions(m, ret);
    return HL_OK;
}

/* What a draft takes; one that is a part of the model's passes takes buffers of these beside it. */
static uint64_t plan_draft(const hl_sched *s) {
    if (!s->p.draft || !s->p.draft->layers) return 0;
    return hl_draft_weights_bytes(s->model, s->p.draft) +
           (s->draft_file ? 0 : hl_draft_model_plan(s->p.draft, (uint32_t)s->p.n_running_cap, s->p.n_ctx));
}

/* Blocks of the cache, and the plan that goes with them. */
static hl_status plan_blocks(hl_sched *s, uint32_t *ret_blocks, uint32_t *ret_states, hl_err *err) {
    const uint64_t block = hl_forward_block_bytes(s->model, s->drafting, s->p.kv_type);
    const uint64_t one = ((uint64_t)s->p.n_ctx + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS;
    uint64_t       n = s->p.kv_budget_bytes / block;
    hl_memory_plan plan = {
        .weights_bytes = hl_model_weights_bytes(s->model),
        .draft_bytes = plan_draft(s),
        .available_bytes = hl_model_available(s->model, s->p.draft),
    };
    const uint64_t left =
        plan.available_bytes > plan.draft_bytes ? plan.available_bytes - plan.draft_bytes : 0;
    const uint32_t n_states =
        hl_sched_plan_states(s, plan.available_bytes == 0   ? UINT64_MAX
                                : left > plan.weights_bytes ? (left - plan.weights_bytes) / 2
                                                            : 0);
    const uint64_t state_bytes = (uint64_t)n_states * hl_forward_state_bytes(s->model);
    if (s->p.kv_budget_bytes > 0 && n_states > 0)
        n = s->p.kv_budget_bytes > state_bytes ? (s->p.kv_budget_bytes - state_bytes) / block : 0;
    if (s->p.kv_budget_bytes > 0 && n == 0 && n_states > 0)
        return hl_fail(
            err, HL_E_NOMEM,
            "a key/value cache of %" PRIu64 " KiB is too small: %u states of recurrent layers take "
            "%" PRIu64 " KiB, and a block of %d tokens %" PRIu64 " KiB",
            s->p.kv_budget_bytes >> 10, n_states, state_bytes >> 10, HL_KV_PAGE_TOKENS, block >> 10);
    if (s->p.kv_budget_bytes > 0 && n == 0)
        return hl_fail(err, HL_E_NOMEM,
                       "a key/value cache of %" PRIu64 " KiB holds no block: one of %d tokens takes %" PRIu64
                       " KiB",
                       s->p.kv_budget_bytes >> 10, HL_KV_PAGE_TOKENS, block >> 10);
    if (n == 0) { /* one conversation may be as long as the model was trained for */
        const uint64_t longest =
            ((uint64_t)s->model->hp.n_ctx_train + HL_KV_PAGE_TOKENS - 1) / HL_KV_PAGE_TOKENS;
        n = DEFAULT_CONTEXTS * one > longest ? DEFAULT_CONTEXTS * one : longest;
        if (s->model->arch->is_encoder) n += (uint64_t)s->p.n_batch / ENCODER_ROWS;
        const uint64_t half = left / 2 / block;
        if (plan.available_bytes > 0 && n > half) n = half > one ? half : one;
    }
    if (n > UINT32_MAX / 2) n = UINT32_MAX / 2;
    s->n_ctx_cap = s->p.n_ctx;
    const uint64_t most =
        n * HL_KV_PAGE_TOKENS < s->model->hp.n_ctx_train ? n * HL_KV_PAGE_TOKENS : s->model->hp.n_ctx_train;
    if (most > (uint64_t)s->n_ctx_cap && !s->model->arch->is_encoder) s->n_ctx_cap = (int32_t)most;
    s->logits_bytes = (size_t)s->n_out_cap * s->model->hp.n_vocab * sizeof *s->logits;
    s->states_bytes = (size_t)s->n_rows_cap * s->model->hp.n_embd * sizeof *s->states;
    plan.scratch_bytes = hl_forward_plan(s->model, s->n_rows_cap, s->n_ctx_cap) + s->logits_bytes +
                         s->states_bytes + hl_sched_plan_block(s);
    plan.kv_bytes = n * block + state_bytes;
    *ret_blocks = (uint32_t)n;
    *ret_states = n_states;
    hl_sched_share_states(s, n_states);
    const hl_status status = hl_memory_admit(s->model, s->p.draft, &plan, s->p.n_ctx, err);
    if (status == HL_OK) s->plan = plan;
    return status;
}

/* Whose keys and values stand beside the model's in saved blocks. */
static void name_draft(const hl_sched *s, char *ret, size_t cap) {
    ret[0] = '\0';
    if (!s->drafting || s->drafting->hp.n_kv_layers == s->model->hp.n_kv_layers) return;
    if (s->draft_file)
        (void)snprintf(ret, cap, "drafts:%zx ", hl_gguf_file_bytes(s->drafting->gguf));
    else
        (void)snprintf(ret, cap, "drafts ");
}

/* A cache that cannot be had is no reason not to answer. */
static void open_disk(hl_sched *s) {
    hl_err                  err = {0};
    char                    build[192], drafts[32];
    const hl_kv_disk_params p = {
        .dir = s->p.cache_dir,
        .quota_bytes = s->p.cache_quota_bytes,
        .weights = s->p.cache_key,
        .build = build,
        .events = &s->model->engine->events,
    };
    /* Two commits of one version may compute other bits: neither takes the other's for its own. Nor do
     * contexts that turn by another table. */
    const bool is_long = hl_rope_is_long(s->model, s->n_ctx_cap);
    name_draft(s, drafts, sizeof drafts);
    (void)snprintf(build, sizeof build, "%s %s %s%s%s", HL_VERSION, hl_engine_setup_text(s->model->engine),
                   is_long ? "long " : "", drafts, hl_build_commit());
    if (hl_kv_disk_open(&p, s->pool, &s->disk, &err) != HL_OK)
        hl_event(p.events, HL_LOG_WARN, "sched", "no-disk-cache", "why=\"%s\" action=\"nothing is saved\"",
                 err.text);
}

float *hl_sched_map_floats(size_t n_bytes) {
    void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static hl_status take_memory(hl_sched *s, hl_err *err) {
    uint32_t  n_blocks = 0, n_states = 0;
    hl_status status = hl_sched_find_block(s, err);
    if (status == HL_OK) status = plan_blocks(s, &n_blocks, &n_states, err);
    if (status == HL_OK)
        status = hl_forward_kv_new(s->model, s->drafting, s->p.kv_type, n_blocks, n_states, &s->pool, err);
    if (status == HL_OK) s->state_pool = hl_kv_pool_states(s->pool);
    if (status == HL_OK) status = hl_prefix_tree_new(s->pool, &s->tree, err);
    if (status == HL_OK) status = hl_forward_new(s->model, s->n_rows_cap, s->n_ctx_cap, &s->forward, err);
    if (status == HL_OK && s->p.cache_dir && s->p.cache_key) open_disk(s);
    if (status == HL_OK && s->p.draft && !s->draft_file)
        status = hl_draft_model_new(s->p.draft, s->model, (uint32_t)s->p.n_running_cap, s->p.n_ctx,
                                    &s->draft_model, err);
    if (status == HL_OK) status = hl_sched_take_block(s, err);
    if (status != HL_OK) return status;
    s->stats.kv_tokens = (int64_t)n_blocks * HL_KV_PAGE_TOKENS;
    s->stats.kv_budget_bytes = (uint64_t)n_blocks * hl_kv_pool_block_bytes(s->pool) +
                               (uint64_t)n_states * hl_forward_state_bytes(s->model);
    s->logits = hl_sched_map_floats(s->logits_bytes);
    s->states = hl_sched_map_floats(s->states_bytes);
    s->tokens = hl_new(s->n_rows_cap, sizeof *s->tokens);
    s->pos = hl_new(s->n_rows_cap, sizeof *s->pos);
    s->seqs = hl_new(s->n_rows_cap, sizeof(hl_seq *));
    s->out_rows = hl_new(s->n_rows_cap, sizeof *s->out_rows);
    if (s->state_pool) s->state_out = hl_new(s->n_rows_cap, sizeof *s->state_out);
    s->running = hl_new((size_t)s->p.n_running_cap, sizeof(hl_stream *));
    s->waiting = hl_new((size_t)s->p.n_waiting_cap + (size_t)s->p.n_running_cap, sizeof(hl_stream *));
    s->proposals = hl_new((size_t)s->p.n_running_cap * (1 + HL_MAX_BRANCHES), sizeof *s->proposals);
    s->proposed = hl_new((size_t)s->p.n_running_cap * (1 + HL_MAX_BRANCHES), sizeof *s->proposed);
    if (!s->logits || !s->states || !s->tokens || !s->pos || !s->seqs || !s->out_rows || !s->running ||
        (s->state_pool && !s->state_out) || !s->waiting || !s->proposals || !s->proposed)
        return hl_fail(err, HL_E_NOMEM, "scheduler: no memory");
    return HL_OK;
}

static void *run_thread(void *arg);

hl_status hl_sched_new(hl_model *m, const hl_sched_params *p, hl_sched **ret_sched, hl_err *err) {
    static const hl_sched_params defaults;
    hl_sched                    *s = hl_new(1, sizeof *s);
    if (!s) return hl_fail(err, HL_E_NOMEM, "scheduler: no memory");
    s->model = m;
    s->inbox_end = &s->inbox;
    s->job_inbox_end = &s->job_inbox;
    s->next_id = 1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->kv_lock, NULL);
    hl_sched_cond_init(&s->wake);
    hl_status status = fill_params(m, p ? p : &defaults, &s->p, err);
    if (status == HL_OK) status = hl_lora_mix_init(&s->mix, m->loras, NULL, 0, err);
    if (status == HL_OK) {
        s->n_out_cap = (uint32_t)s->p.n_running_cap + HL_MAX_DRAFT_ROWS;
        s->n_rows_cap = (uint32_t)s->p.n_batch > s->n_out_cap ? (uint32_t)s->p.n_batch : s->n_out_cap;
        s->prefill_alone = s->p.n_batch;
        s->prefill_mixed = FIRST_MIXED_ROWS;
        status = take_memory(s, err);
    }
    if (status == HL_OK && pthread_create(&s->thread, NULL, run_thread, s) != 0)
        status = hl_fail(err, HL_E_NOMEM, "scheduler: no memory, or no right, for one thread more");
    if (status != HL_OK) {
        hl_sched_free(s);
        return status;
    }
    s->has_thread = true;
    *ret_sched = s;
    return HL_OK;
}

void hl_sched_free(hl_sched *s) {
    if (!s) return;
    if (s->has_thread) {
        (void)pthread_mutex_lock(&s->lock);
        s->quit = true;
        atomic_store(&s->stop_pass, true);
        (void)pthread_cond_signal(&s->wake);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
    }
    hl_memory_release(s->model, s->p.draft, &s->plan);
    hl_kv_disk_close(s->disk);
    hl_prefix_tree_free(s->tree);
    hl_draft_model_free(s->draft_model);
    hl_sched_free_block(s);
    hl_forward_free(s->forward);
    hl_kv_pool_free(s->pool);
    if (s->logits) (void)munmap(s->logits, s->logits_bytes);
    if (s->states) (void)munmap(s->states, s->states_bytes);
    hl_free(s->tokens);
    hl_free(s->pos);
    hl_free(s->seqs);
    hl_free(s->out_rows);
    hl_free(s->state_out);
    hl_free(s->running);
    hl_free(s->waiting);
    hl_free(s->proposals);
    hl_free(s->proposed);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->kv_lock);
    (void)pthread_mutex_destroy(&s->lock);
    hl_free(s);
}

/* ---- the thread ---- */

/* Where only paused requests are left, look now and then: a signal handler that cancels all cannot wake
 * anybody. */
static void wait_for_paused(hl_sched *s, int64_t due_ns) {
    const int64_t   look_ns = hl_clock_ns() + (int64_t)LOOK_MS * 1000000;
    const int64_t   until = due_ns && due_ns < look_ns ? due_ns : look_ns;
    struct timespec t = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    (void)pthread_cond_timedwait(&s->wake, &s->lock, &t);
}

/* Wait until there is something to do; false: the end. */
static bool wait_for_work(hl_sched *s) {
    int64_t due_ns = 0;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->quit && !s->inbox && !s->job_inbox && !atomic_load(&s->cancel_all) &&
           !hl_sched_has_work(s, &due_ns)) {
        if (s->n_waiting > 0)
            wait_for_paused(s, due_ns);
        else
            (void)pthread_cond_wait(&s->wake, &s->lock);
    }
    const bool go_on = !s->quit;
    (void)pthread_mutex_unlock(&s->lock);
    return go_on;
}

static void mark_all_cancelled(hl_sched *s) {
    (void)pthread_mutex_lock(&s->lock);
    for (hl_stream *st = s->live; st; st = st->next_live) atomic_store(&st->cancel, true);
    hl_embed_cancel_all(s);
    atomic_store(&s->cancel_all, false);
    (void)pthread_mutex_unlock(&s->lock);
}

static void end_all(hl_sched *s) {
    hl_sched_take_inbox(s);
    hl_embed_take_inbox(s);
    mark_all_cancelled(s);
    hl_sched_end_cancelled(s);
    hl_embed_end_cancelled(s);
}

static void *run_thread(void *arg) {
    hl_sched *s = arg;
    (void)pthread_mutex_lock(&s->kv_lock);
    while (true) {
        (void)pthread_mutex_unlock(&s->kv_lock);
        const bool go_on = wait_for_work(s);
        (void)pthread_mutex_lock(&s->kv_lock);
        if (!go_on) break;
        if (atomic_load(&s->cancel_all)) mark_all_cancelled(s);
        hl_sched_take_saved(s);
        hl_sched_take_inbox(s);
        hl_embed_take_inbox(s);
        hl_sched_end_cancelled(s);
        hl_embed_end_cancelled(s);
        hl_sched_park(s);
        hl_sched_admit(s);
        hl_sched_step(s);
        hl_sched_note_state(s);
    }
    end_all(s);
    (void)pthread_mutex_unlock(&s->kv_lock);
    return NULL;
}

/* ---- requests ---- */

void hl_sched_request_init(hl_sched_request *r) {
    *r = (hl_sched_request){.max_tokens = -1};
    hl_sampler_params_init(&r->sampling);
}

static hl_status submit(hl_sched *s, const hl_sched_request *r, hl_waiter *w, uint64_t *ret_id, hl_err *err) {
    hl_stream      *st = NULL;
    const hl_status status = hl_stream_new(s, r, &st, err);
    if (status != HL_OK) return status;
    st->waiter = w;
    (void)pthread_mutex_lock(&s->lock);
    const uint32_t n_queued = s->n_queued;
    const bool     quit = s->quit;
    if (!quit && n_queued < (uint32_t)s->p.n_waiting_cap) {
        *ret_id = st->id = s->next_id++;
        if (!s->live && s->n_jobs == 0) atomic_store(&s->cancel_all, false); /* it was meant for others */
        st->next_live = s->live;
        s->live = st;
        *s->inbox_end = st;
        s->inbox_end = &st->next;
        s->n_queued++;
        st = NULL;
        (void)pthread_cond_signal(&s->wake);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!st) return HL_OK;
    hl_stream_free(st);
    if (quit) return hl_fail(err, HL_E_BUSY, "the scheduler is ending");
    return hl_fail(err, HL_E_BUSY, "%u requests wait already, the limit is %d; try again later", n_queued,
                   s->p.n_waiting_cap);
}

hl_status hl_sched_submit(hl_sched *s, const hl_sched_request *r, uint64_t *ret_id, hl_err *err) {
    return submit(s, r, NULL, ret_id, err);
}

/* Until the request ended; a stop that the caller's thread watches for cancels it. */
static void wait_for_end(hl_sched *s, uint64_t id, hl_waiter *w) {
    const volatile int *watched = hl_stop_watched();
    while (!hl_waiter_wait(w, watched)) {
        hl_sched_cancel(s, id);
        watched = NULL;
    }
}

hl_status hl_sched_run(hl_sched *s, const hl_sched_request *r, hl_usage *ret_usage, hl_err *err) {
    hl_waiter w;
    uint64_t  id = 0;
    hl_waiter_init(&w);
    hl_status status = submit(s, r, &w, &id, err);
    if (status == HL_OK) {
        wait_for_end(s, id, &w);
        status = w.status;
        if (ret_usage) *ret_usage = w.usage;
        if (status != HL_OK && err) *err = w.err;
    }
    hl_waiter_free(&w);
    return status;
}

/* Of a request that is not done; under lock. NULL: there is none. */
static hl_stream *find_live(hl_sched *s, uint64_t id) {
    hl_stream *st = s->live;
    while (st && st->id != id) st = st->next_live;
    return st;
}

void hl_sched_cancel(hl_sched *s, uint64_t id) {
    (void)pthread_mutex_lock(&s->lock);
    hl_stream *st = find_live(s, id);
    if (st) atomic_store(&st->cancel, true);
    if (st && s->solo_id == id) atomic_store(&s->stop_pass, true);
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

void hl_sched_pause(hl_sched *s, uint64_t id, bool paused) {
    (void)pthread_mutex_lock(&s->lock);
    hl_stream *st = find_live(s, id);
    if (st) atomic_store(&st->paused, paused);
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->lock);
}

void hl_sched_cancel_all(hl_sched *s) {
    atomic_store(&s->cancel_all, true);
    atomic_store(&s->stop_pass, true);
}

int32_t hl_sched_n_ctx(const hl_sched *s) { return s->p.n_ctx; }
int32_t hl_sched_n_ctx_cap(const hl_sched *s) { return s->n_ctx_cap; }

/* ---- pins ---- */

/* fn for the last node of the whole blocks of tokens[0, n). */
static hl_status with_node(hl_sched *s, const int32_t *tokens, size_t n, void (*fn)(hl_prefix_node *),
                           hl_err *err) {
    hl_seq          seq;
    hl_prefix_node *node = NULL;
    const int32_t   whole = (int32_t)(n - n % HL_KV_PAGE_TOKENS);
    if (n > (size_t)s->n_ctx_cap || whole == 0)
        return hl_fail(err, HL_E_ARG, "%zu tokens to keep, expected %d..%d", n, HL_KV_PAGE_TOKENS,
                       s->n_ctx_cap);
    hl_prefix_key *keys = hl_new((size_t)whole, sizeof *keys);
    if (!keys) return hl_fail(err, HL_E_NOMEM, "no memory for the keys of %d tokens", whole);
    const hl_status status = hl_seq_init(&seq, s->pool, whole, err);
    if (status != HL_OK) {
        hl_free(keys);
        return status;
    }
    for (int32_t i = 0; i < whole; i++) keys[i] = hl_prefix_key_of(tokens[i]);
    hl_lora_mark_keys(hl_lora_mix_of(&s->mix), keys, (size_t)whole);
    (void)pthread_mutex_lock(&s->kv_lock);
    const int32_t have =
        hl_prefix_tree_match(s->tree, hl_prefix_tree_root(s->tree), keys, whole, &seq, &node);
    if (have == whole) fn(node);
    hl_seq_done(&seq);
    (void)pthread_mutex_unlock(&s->kv_lock);
    hl_free(keys);
    if (have == whole) return HL_OK;
    return hl_fail(err, HL_E_NOT_FOUND, "%d of %d tokens are in the cache: run them first", have, whole);
}

hl_status hl_sched_pin(hl_sched *s, const int32_t *tokens, size_t n, hl_err *err) {
    return with_node(s, tokens, n, hl_prefix_node_pin, err);
}

hl_status hl_sched_unpin(hl_sched *s, const int32_t *tokens, size_t n, hl_err *err) {
    return with_node(s, tokens, n, hl_prefix_node_unpin, err);
}

void hl_sched_get_stats(hl_sched *s, hl_sched_stats *ret_stats) {
    (void)pthread_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    (void)pthread_mutex_unlock(&s->lock);
    if (!s->disk) return;
    hl_kv_disk_stats d;
    hl_kv_disk_get_stats(s->disk, &d);
    ret_stats->disk_saved_blocks = d.n_saved;
    ret_stats->disk_loaded_blocks = d.n_loaded;
}
