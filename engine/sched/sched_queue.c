/* SPDX-License-Identifier: MIT
 *
 * sched_queue.c - who runs: the order of requests, their admission, and who gives way when the cache is full.
 *
 * Of two requests the one of higher priority is better, then the one that came first. Waiting ones are
 * admitted by priority, then by how little their owner got so far (counted in computed rows, so that one
 * owner's hundred requests weigh as much as another's one), then by arrival. An admitted request holds the
 * blocks of its whole prompt from the start; what grows later is a block here and there, and when none is
 * left the worst one gives its back: they stay known to the prefix tree until they are needed, and it begins
 * again where the tree ends.
 * from: virtual token counters, Sheng et al., "Fairness in Serving Large Language Models", 2024
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/sched/sched_priv.h"

/* ---- owners ---- */

/* One more stream of this owner. */
static void enter_owner(hl_sched *s, hl_stream *st) {
    double    least = 0;
    hl_owner *o = s->owners;
    for (; o && o->id != st->req.owner; o = o->next)
        if (o == s->owners || o->n_rows < least) least = o->n_rows;
    if (!o) {
        o = hl_new(1, sizeof *o);
        if (!o) return;
        *o = (hl_owner){.next = s->owners, .id = st->req.owner, .n_rows = least};
        s->owners = o;
    }
    o->n_streams++;
    st->owner = o;
}

static void leave_owner(hl_sched *s, hl_stream *st) {
    hl_owner *o = st->owner;
    st->owner = NULL;
    if (!o || --o->n_streams > 0) return;
    hl_owner **at = &s->owners;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    hl_free(o);
}

/* ---- order ---- */

static bool is_better(const hl_stream *a, const hl_stream *b) {
    return a->req.priority != b->req.priority ? a->req.priority > b->req.priority : a->id < b->id;
}

static bool goes_first(const hl_stream *a, const hl_stream *b) {
    if (a->req.priority != b->req.priority) return a->req.priority > b->req.priority;
    const double sa = hl_stream_service(a), sb = hl_stream_service(b);
    return sa != sb ? sa < sb : a->id < b->id;
}

static void remove_at(hl_stream **list, uint32_t *n, uint32_t i) {
    memmove(list + i, list + i + 1, (--*n - i) * sizeof *list);
}

void hl_sched_take_inbox(hl_sched *s) {
    (void)pthread_mutex_lock(&s->lock);
    hl_stream *st = s->inbox;
    s->inbox = NULL;
    s->inbox_end = &s->inbox;
    (void)pthread_mutex_unlock(&s->lock);
    for (; st; st = st->next) {
        s->waiting[s->n_waiting++] = st;
        enter_owner(s, st);
    }
}

static void leave_queue(hl_sched *s) {
    (void)pthread_mutex_lock(&s->lock);
    s->n_queued--;
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- leaving ---- */

void hl_sched_publish(hl_sched *s, hl_stream *st) {
    enum { BLOCK = HL_KV_PAGE_TOKENS };
    while ((st->n_cached + 1) * BLOCK <= (uint32_t)st->seq.n_pos) {
        hl_prefix_node *n = hl_prefix_tree_add(s->tree, st->node, st->keys + st->n_cached * BLOCK, BLOCK,
                                               &st->seq, st->n_cached);
        if (!n) return;
        st->node = n;
        st->n_cached++;
        const uint32_t state = hl_sched_checkpoint_behind(s, st, st->n_cached * BLOCK);
        if (state != HL_NO_STATE) hl_prefix_node_set_state(s->tree, n, state);
    }
}

/* The last block, of which there are fewer tokens, and the state behind it. */
static void publish_rest(hl_sched *s, hl_stream *st) {
    const uint32_t  rest = (uint32_t)st->seq.n_pos - st->n_cached * HL_KV_PAGE_TOKENS;
    hl_prefix_node *n = st->node;
    uint32_t        n_tokens = 0;
    if (rest >= HL_KV_PAGE_TOKENS) return; /* whole blocks could not be published */
    if (rest > 0)
        n = hl_prefix_tree_add(s->tree, st->node, st->keys + st->n_cached * HL_KV_PAGE_TOKENS, rest, &st->seq,
                               st->n_cached);
    if (!s->state_pool || !n || st->seq.state == HL_NO_STATE) return;
    (void)hl_prefix_node_keys(n, &n_tokens);
    if (n_tokens == (rest > 0 ? rest : HL_KV_PAGE_TOKENS)) /* else the tree knows how it goes on */
        hl_prefix_node_set_state(s->tree, n, st->seq.state);
}

/* Give all blocks back; the tree keeps what it can use again. */
static void give_up_blocks(hl_sched *s, hl_stream *st) {
    hl_seq_join(&st->seq, NULL);
    hl_sched_publish(s, st);
    hl_sched_save(s, st);
    publish_rest(s, st);
    hl_sched_drop_border(s, st);
    hl_seq_truncate(&st->seq, 0);
    st->asked_disk = false;
    st->n_restoring = 0;
    if (st->draft.model_seq.blocks) hl_seq_truncate(&st->draft.model_seq, 0);
    st->node = hl_prefix_tree_root(s->tree);
    st->n_cached = 0;
}

void hl_sched_remove(hl_sched *s, hl_stream *st) {
    give_up_blocks(s, st);
    leave_owner(s, st);
    for (uint32_t i = 0; i < s->n_running; i++)
        if (s->running[i] == st) {
            remove_at(s->running, &s->n_running, i);
            return;
        }
}

/* From the running ones to the waiting ones, without blocks. */
static void put_back(hl_sched *s, hl_stream *st) {
    give_up_blocks(s, st);
    for (uint32_t i = 0; i < s->n_running; i++)
        if (s->running[i] == st) {
            remove_at(s->running, &s->n_running, i);
            break;
        }
    st->gave_way = true;
    st->step.n_rows = 0;
    hl_spec_begin_step(&st->draft.spec);
    s->waiting[s->n_waiting++] = st;
    (void)pthread_mutex_lock(&s->lock);
    s->n_queued++;
    (void)pthread_mutex_unlock(&s->lock);
}

void hl_sched_preempt(hl_sched *s, hl_stream *st) {
    hl_event(&s->model->engine->events, HL_LOG_DEBUG, "sched", "preempt", "id=%llu held_tokens=%d",
             (unsigned long long)st->id, st->seq.n_pos);
    put_back(s, st);
    st->usage.preemptions++;
    (void)pthread_mutex_lock(&s->lock);
    s->stats.n_preempted++;
    (void)pthread_mutex_unlock(&s->lock);
}

/* A paused one costs nobody anything: its slot and blocks are free, and it goes on from what the tree still
 * has. */
void hl_sched_park(hl_sched *s) {
    for (uint32_t i = s->n_running; i-- > 0;)
        if (atomic_load_explicit(&s->running[i]->paused, memory_order_relaxed)) put_back(s, s->running[i]);
}

static hl_end why_ended(const hl_stream *st, int64_t now) {
    if (atomic_load_explicit(&st->cancel, memory_order_relaxed)) return HL_END_CANCEL;
    return st->deadline_ns && now >= st->deadline_ns ? HL_END_TIMEOUT : HL_END_NONE;
}

void hl_sched_end_cancelled(hl_sched *s) {
    const int64_t now = hl_clock_ns();
    for (uint32_t i = s->n_waiting; i-- > 0;) {
        hl_stream   *st = s->waiting[i];
        const hl_end why = why_ended(st, now);
        if (why == HL_END_NONE) continue;
        remove_at(s->waiting, &s->n_waiting, i);
        leave_queue(s);
        leave_owner(s, st);
        hl_stream_end(s, st, why, HL_OK, NULL);
    }
    for (uint32_t i = s->n_running; i-- > 0;) {
        hl_stream   *st = s->running[i];
        const hl_end why = why_ended(st, now);
        if (why == HL_END_NONE) continue;
        hl_sched_remove(s, st);
        hl_stream_end(s, st, why, HL_OK, NULL);
    }
}

/* ---- room ---- */

/* From those that nobody uses, then from texts to be embedded, which begin again. */
static bool reserve_evicting(hl_sched *s, hl_stream *st, int32_t n_pos) {
    while (!hl_seq_reserve(&st->seq, n_pos))
        if (!hl_prefix_tree_evict(s->tree) && !hl_embed_give_way(s)) return false;
    return true;
}

bool hl_sched_reserve(hl_sched *s, hl_stream *st, int32_t n_pos) {
    while (!reserve_evicting(s, st, n_pos)) {
        hl_stream *worst = s->running[s->n_running - 1];
        if (worst == st) return false;
        hl_sched_preempt(s, worst);
    }
    return true;
}

/* Say where a prompt that must be read, most of it, leaves a long neighbour that was read: a date in a system
 * text, a list in another order. Shorter ones have in common what templates begin with. */
static void note_break(hl_sched *s, hl_stream *st) {
    enum { LONG_TOKENS = 256 };
    const hl_tokenizer *t = s->model->tokenizer;
    const int32_t       last = (int32_t)st->n_ids - 1;
    hl_prefix_key       was;
    int32_t             at;
    hl_str              text;
    if (st->gave_way || last - st->seq.n_pos < LONG_TOKENS) return;
    if (!hl_prefix_tree_find_break(s->tree, st->keys, last, &at, &was)) return;
    if (at < HL_KV_PAGE_TOKENS || at < st->seq.n_pos || (was & HL_PREFIX_KEY_IS_CONTENT)) return;
    st->usage.break_at = at;
    st->usage.break_was = (int32_t)was;
    st->usage.break_is = st->ids[at];
    hl_str_init(&text, 4096);
    hl_str_add_text(&text, "was=");
    hl_str_add_json(&text, t ? hl_tokenizer_spelling(t, (int32_t)was) : (hl_view){0});
    hl_str_add_text(&text, " is=");
    hl_str_add_json(&text, t ? hl_tokenizer_spelling(t, st->ids[at]) : (hl_view){0});
    hl_event(&s->model->engine->events, HL_LOG_INFO, "sched", "prefix-break",
             "at=%d tokens=%u was_id=%d is_id=%d %s", at, st->n_ids, (int)was, st->ids[at],
             hl_str_text(&text));
    hl_str_done(&text);
}

/* Share what the tree has and hold the blocks of the whole prompt. False: not now; nothing is held. */
static bool take_blocks(hl_sched *s, hl_stream *st) {
    const uint32_t need = st->n_ids / HL_KV_PAGE_TOKENS + 1;
    const int32_t  n = hl_prefix_tree_match(s->tree, hl_prefix_tree_root(s->tree), st->keys,
                                            hl_stream_most_cached(st), &st->seq, &st->node);
    st->n_cached = (uint32_t)n / HL_KV_PAGE_TOKENS;
    if (s->state_pool)
        hl_sched_note_parting(
            s, st, (uint32_t)hl_prefix_tree_probe_tokens(s->tree, st->keys, (int32_t)st->n_ids - 1));
    const uint32_t room = hl_kv_pool_n_free(s->pool) + hl_prefix_tree_n_evictable(s->tree);
    const uint32_t spare = s->n_running; /* a block for each to grow */
    if (need - st->seq.n_blocks + spare <= room || s->n_running == 0) {
        const int32_t all = (int32_t)st->n_ids + 1 < st->req.n_ctx ? (int32_t)st->n_ids + 1 : st->req.n_ctx;
        if (reserve_evicting(s, st, all)) {
            hl_stream_count_cached(st, n);
            (void)hl_sched_restore(s, st, s->n_running > 0);
            note_break(s, st);
            return true;
        }
    }
    hl_seq_truncate(&st->seq, 0);
    st->node = hl_prefix_tree_root(s->tree);
    st->n_cached = 0;
    st->asked_disk = false;
    return false;
}

/* Where in `waiting`; n_waiting: nobody can go on. */
static uint32_t find_next(const hl_sched *s) {
    uint32_t best = s->n_waiting;
    for (uint32_t i = 0; i < s->n_waiting; i++) {
        if (atomic_load_explicit(&s->waiting[i]->paused, memory_order_relaxed)) continue;
        if (best == s->n_waiting || goes_first(s->waiting[i], s->waiting[best])) best = i;
    }
    return best;
}

bool hl_sched_has_work(const hl_sched *s, int64_t *ret_due_ns) {
    const int64_t now = hl_clock_ns();
    int64_t       due = 0;
    for (uint32_t i = 0; i < s->n_waiting; i++) {
        const hl_stream *st = s->waiting[i];
        if (!atomic_load(&st->paused) || why_ended(st, now) != HL_END_NONE) return true;
        if (st->deadline_ns && (due == 0 || st->deadline_ns < due)) due = st->deadline_ns;
    }
    *ret_due_ns = due;
    return s->n_running > 0 || s->jobs;
}

static void start(hl_sched *s, hl_stream *st) {
    uint32_t at = s->n_running++;
    while (at > 0 && is_better(st, s->running[at - 1])) {
        s->running[at] = s->running[at - 1];
        at--;
    }
    s->running[at] = st;
    if (st->began_ns != 0) return;
    st->began_ns = hl_clock_ns();
    st->usage.queue_ns = st->began_ns - st->arrived_ns;
}

void hl_sched_admit(hl_sched *s) {
    while (s->n_running < s->n_running_most) {
        const uint32_t i = find_next(s);
        if (i == s->n_waiting) return;
        hl_stream *st = s->waiting[i];
        const bool fits = take_blocks(s, st);
        if (!fits && s->n_running > 0) return;
        if (!fits && hl_sched_wait_saved(s)) continue; /* blocks that wait to be written are in its way */
        remove_at(s->waiting, &s->n_waiting, i);
        leave_queue(s);
        if (fits) {
            start(s, st);
            continue;
        }
        hl_err          err = {0}; /* nothing else runs: it never will fit */
        const hl_status status = hl_fail(
            &err, HL_E_FULL, "%u tokens do not fit the key/value cache: %u of its %u blocks are pinned",
            st->n_ids, hl_prefix_tree_n_blocks(s->tree), hl_kv_pool_n_blocks(s->pool));
        leave_owner(s, st);
        hl_stream_end(s, st, HL_END_NONE, status, &err);
    }
}
