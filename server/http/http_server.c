/* SPDX-License-Identifier: MIT
 *
 * http_server.c - connections: from libmicrohttpd's callbacks to handlers and back.
 *
 * All callbacks about a connection run on one event thread (epoll): that of the socket it came by. A
 * connection whose answer is not there yet is suspended and resumed by hl_exchange_wake(), from a worker or
 * from a model's scheduler; libmicrohttpd then calls on_request or the reader of the stream again. A
 * suspended connection is never freed, so whoever may wake it is safe until on_completed(), which takes the
 * generations back first.
 * from: libmicrohttpd 0.9.75, manual and microhttpd.h
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "server/completion.h"
#include "server/server_priv.h"

enum {
    STREAM_BLOCK = 16 << 10,
    CONNECTION_MEMORY = 24 << 10, /* headers and the block that is sent */
    DRAIN_BYTES = 64 << 20,
    LARGE_BODY_BYTES = 2 << 20, /* what was made of it is given back to the system */
    N_WORKERS = 32,
    PIECE_BYTES = 512 << 10, /* of an upload: what a worker writes at a time, at most max_body_mib's least */
    RETRY_S = 1,
};

/* ---- Life of an exchange ---- */

/* Put it aside until it is woken. A resume of what is not suspended is lost, and the suspend after it has no
 * effect (libmicrohttpd 0.9.75, internal_suspend_connection_()): so each suspend gets exactly one resume, by
 * whoever takes the mark away. */
static void park(hl_exchange *x) {
    MHD_suspend_connection(x->connection);
    __atomic_store_n(&x->is_parked, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&x->is_woken, __ATOMIC_SEQ_CST)) hl_exchange_wake(x);
}

void hl_exchange_wake(hl_exchange *x) {
    __atomic_store_n(&x->is_woken, 1, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&x->is_parked, 0, __ATOMIC_SEQ_CST)) MHD_resume_connection(x->connection);
}

/* What woke it is looked at from here on, so this comes first: a wake that is forgotten after the look is
 * lost. */
static void forget_wake(hl_exchange *x) { __atomic_store_n(&x->is_woken, 0, __ATOMIC_SEQ_CST); }

static bool is_gone(const hl_exchange *x) { return __atomic_load_n(&x->is_gone, __ATOMIC_SEQ_CST) != 0; }

/* The watcher looks at it: whoever sees the later state sees the completion, too. */
static void set_state(hl_exchange *x, hl_exchange_state state) {
    __atomic_store_n(&x->state, state, __ATOMIC_SEQ_CST);
}

static uint64_t mix(uint64_t z) { /* splitmix64, Steele, Lea, Flood 2014 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* Whoever knows an id may read what is kept under it, and end the request: no id tells another one. */
static void make_id(hl_server *s, hl_exchange *x) {
    uint64_t random;
    x->number = __atomic_add_fetch(&s->n_ids, 1, __ATOMIC_RELAXED);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = mix(s->id_key + x->number * 0x9e3779b97f4a7c15ULL);
    (void)snprintf(x->id, sizeof x->id, "req_%016llx", (unsigned long long)random);
}

static hl_exchange *exchange_new(hl_server *s, struct MHD_Connection *connection) {
    hl_exchange *x = hl_new(1, sizeof *x);
    if (!x) return NULL;
    x->server = s;
    x->connection = connection;
    x->start_ns = x->sent_ns = hl_clock_ns();
    x->code = 200;
    x->fd = -1;
    make_id(s, x);
    hl_str_init(&x->body, hl_limit(&s->limits.max_body_bytes));
    hl_json_init(&x->out);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info) x->fd = info->connect_fd;
    return x;
}

/* Words of others: cleaned, quoted where they could be taken for more than one, and no longer than a line
 * has room for. */
static void add_words(hl_str *line, const char *key, hl_view words) {
    enum { MOST_BYTES = 300 };
    const bool is_long = words.len > MOST_BYTES;
    hl_str_add_format(line, " %s=", key);
    hl_log_add_value(line, is_long ? (hl_view){words.ptr, MOST_BYTES} : words);
    if (is_long) hl_str_add_format(line, " %s_bytes=%zu", key, words.len);
}

static void add_usage(hl_str *line, const hl_completion *c) {
    hl_usage u = {.prompt_tokens = c->prompt_tokens};
    for (size_t i = 0; i < c->n_choices; i++) {
        const hl_usage *k = &c->choices[i].usage;
        u.prompt_tokens = k->prompt_tokens;
        u.cached_tokens += k->cached_tokens;
        u.answer_tokens += k->answer_tokens;
        u.queue_ns += k->queue_ns;
        u.prompt_ns += k->prompt_ns;
        u.answer_ns += k->answer_ns;
    }
    hl_str_add_format(line,
                      " in_tokens=%d cached_tokens=%d out_tokens=%d queue_ms=%.1f prefill_ms=%.1f "
                      "decode_ms=%.1f",
                      (int)u.prompt_tokens, (int)u.cached_tokens, (int)u.answer_tokens,
                      (double)u.queue_ns / 1e6, (double)u.prompt_ns / 1e6, (double)u.answer_ns / 1e6);
}

/* How it ended, in one word. */
static const char *end_of(const hl_exchange *x) {
    const hl_completion *c = x->completion;
    if (is_gone(x)) return "gone";
    if (x->has_failed || (c && c->status != HL_OK) || x->feed.status != HL_OK) return "error";
    if (!c || c->n_choices == 0) return "ok";
    return hl_end_word(c->choices[c->n_choices - 1].usage.end);
}

/* The access log: one line for each request. */
static void log_request(hl_exchange *x) {
    const hl_completion *c = x->completion;
    const hl_events     *events = x->server->events;
    hl_str               line;
    if (x->was_logged) return;
    x->was_logged = true;
    if (!events || !events->fn || __atomic_load_n(&events->level, __ATOMIC_RELAXED) < HL_LOG_INFO) return;
    hl_str_init(&line, SIZE_MAX);
    hl_str_add_format(&line, "id=%s key=%s method=%s route=%s status=%u end=%s ms=%.1f", x->id,
                      x->key_name[0] ? x->key_name : "-", hl_method_name(x->method),
                      x->route ? x->route->name : "none", x->code, end_of(x),
                      (double)(hl_clock_ns() - x->start_ns) / 1e6);
    if (c) add_usage(&line, c);
    if (c && c->model) add_words(&line, "model", hl_view_of(c->model));
    add_words(&line, "path", hl_view_of(x->path));
    hl_event(events, HL_LOG_INFO, "server", "request", "%s", hl_str_text(&line));
    hl_str_done(&line);
}

/* On a worker: giving a model back may unload it. */
static void exchange_free(void *user) {
    hl_exchange *x = user;
    hl_server   *s = x->server;
    if (x->completion) hl_completion_settle(x->completion);
    log_request(x);
    hl_completion_free(x->completion);
    hl_upload_free(x->upload);
    hl_feed_done(&x->feed);
    hl_str_done(&x->body);
    hl_json_done(&x->out);
    const bool was_large = x->n_received > LARGE_BODY_BYTES;
    hl_free(x->path);
    hl_free(x->model);
    hl_free(x);
    if (was_large) hl_mem_give_back();
    (void)pthread_mutex_lock(&s->lock);
    if (--s->n_exchanges == 0) (void)pthread_cond_broadcast(&s->is_empty);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Nobody else has it. */
static void conclude(hl_exchange *x) {
    if (x->completion) hl_completion_end(x->completion);
    if (is_gone(x)) (void)__atomic_fetch_add(&x->server->counts.cancelled, 1, __ATOMIC_RELAXED);
    if (!x->completion || hl_completion_has_ended(x->completion)) log_request(x); /* else the worker does */
    if (!x->completion && !x->upload && !x->feed.work) {
        exchange_free(x);
        return;
    }
    x->job = (hl_job){.fn = exchange_free, .user = x};
    hl_workers_post(x->server->workers, &x->job);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode how) {
    hl_exchange *x = *con_cls;
    *con_cls = NULL;
    hl_connection_end(cls, connection);
    if (!x) return;
    hl_hangup_remove(x->server, x);
    /* Off the list: nobody else's now. One that left when it had all is not gone; one whose handler gave up
     * for that is, whatever its socket still took. */
    const int left = how != MHD_REQUEST_TERMINATED_COMPLETED_OK || (is_gone(x) && x->has_failed);
    __atomic_store_n(&x->is_gone, left, __ATOMIC_SEQ_CST); /* what runs aside may look at it */
    (void)pthread_mutex_lock(&x->server->lock);
    const bool is_orphan = x->is_orphan = hl_exchange_is_aside(x);
    (void)pthread_mutex_unlock(&x->server->lock);
    if (!is_orphan) conclude(x);
}

/* ---- Responses ---- */

static void add_common_headers(hl_exchange *x, struct MHD_Response *r) {
    const char *origin = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Origin");
    const bool  is_json = !x->content_type;
    (void)MHD_add_response_header(r, "Content-Type",
                                  is_json ? "application/json; charset=utf-8" : x->content_type);
    (void)MHD_add_response_header(r, "request-id", x->id);
    (void)MHD_add_response_header(r, "x-request-id", x->id);
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (origin && hl_gate_allows_origin(x->server, origin)) {
        (void)MHD_add_response_header(r, "Access-Control-Allow-Origin", origin);
        (void)MHD_add_response_header(r, "Access-Control-Expose-Headers", "request-id, x-request-id");
        (void)MHD_add_response_header(r, "Vary", "Origin");
    }
    if (x->code == 401) (void)MHD_add_response_header(r, "WWW-Authenticate", "Bearer realm=\"hyperlama\"");
    if (x->code == 503 || x->code == 429) {
        char          seconds[24];
        const int64_t ms = x->refusal.retry_ms > 0 ? x->refusal.retry_ms : 1000 * RETRY_S;
        (void)snprintf(seconds, sizeof seconds, "%" PRId64, (ms + 999) / 1000);
        (void)MHD_add_response_header(r, "Retry-After", seconds);
    }
}

static enum MHD_Result queue(hl_exchange *x, struct MHD_Response *r) {
    if (!r) return MHD_NO;
    add_common_headers(x, r);
    set_state(x, HL_X_ANSWERED);
    const enum MHD_Result result = MHD_queue_response(x->connection, x->code, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result respond_whole(hl_exchange *x) {
    if (x->out.text.failed && !x->has_failed) {
        hl_err err = {0};
        hl_exchange_fail(x, hl_str_check(&x->out.text, "response", &err), &err);
    }
    if (x->code >= 400) (void)__atomic_fetch_add(&x->server->counts.errors, 1, __ATOMIC_RELAXED);
    return queue(x, MHD_create_response_from_buffer(x->out.text.len, x->out.text.ptr ? x->out.text.ptr : "",
                                                    MHD_RESPMEM_PERSISTENT));
}

/* The stream's bytes, as the socket takes them. */
static ssize_t read_stream(void *cls, uint64_t pos, char *buf, size_t max) {
    hl_exchange *x = cls;
    (void)pos;
    for (;;) {
        hl_str *out = &x->out.text;
        if (is_gone(x) || out->failed) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (x->n_sent < out->len) {
            const size_t n = out->len - x->n_sent < max ? out->len - x->n_sent : max;
            memcpy(buf, out->ptr + x->n_sent, n);
            x->n_sent += n;
            __atomic_store_n(&x->sent_ns, hl_clock_ns(), __ATOMIC_RELAXED);
            return (ssize_t)n;
        }
        hl_json_clear(&x->out);
        x->n_sent = 0;
        forget_wake(x);
        if (is_gone(x)) continue;
        const bool is_over = hl_completion_pump(x->completion, STREAM_BLOCK);
        if (out->len > 0) continue;
        if (is_over) return MHD_CONTENT_READER_END_OF_STREAM;
        if (hl_hangup_take_ping(x->server, x) && x->completion->dialect->ping) {
            hl_str_add_text(out, x->completion->dialect->ping);
            continue;
        }
        hl_completion_watch(x->completion);
        park(x);
        return 0;
    }
}

static enum MHD_Result respond_stream(hl_exchange *x) {
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, x, NULL);
    x->content_type = x->completion->dialect->stream_type;
    if (r) (void)MHD_add_response_header(r, "Cache-Control", "no-cache");
    return queue(x, r);
}

/* As read_stream(), of lines that a worker makes. */
static ssize_t read_feed(void *cls, uint64_t pos, char *buf, size_t max) {
    hl_exchange *x = cls;
    hl_str      *out = &x->out.text;
    (void)pos;
    for (;;) {
        if (is_gone(x) || out->failed) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (x->n_sent < out->len) {
            const size_t n = out->len - x->n_sent < max ? out->len - x->n_sent : max;
            memcpy(buf, out->ptr + x->n_sent, n);
            x->n_sent += n;
            return (ssize_t)n;
        }
        hl_json_clear(&x->out);
        x->n_sent = 0;
        forget_wake(x);
        const bool is_over = !hl_exchange_is_aside(x); /* first: nothing comes after that */
        hl_feed_take(x, out);
        if (is_over) hl_feed_end(x, &x->out);
        if (out->len > 0 || out->failed) continue;
        if (is_over) return MHD_CONTENT_READER_END_OF_STREAM;
        if (is_gone(x)) continue;
        park(x);
        return 0;
    }
}

static enum MHD_Result respond_feed(hl_exchange *x) {
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_feed, x, NULL);
    return queue(x, r);
}

/* Has the stream something to send: its first event, or a ping that is due? */
static bool may_stream(hl_exchange *x) {
    hl_completion *c = x->completion;
    if (x->out.text.len > 0) return true;
    if (!c->dialect->ping || !hl_hangup_take_ping(x->server, x)) return false;
    hl_completion_begin(c);
    if (x->out.text.len == 0) hl_str_add_text(&x->out.text, c->dialect->ping);
    return true;
}

/* A completion of which nothing is sent yet: again whenever there are new events. A stream's headers go out
 * with its first event, so that what fails before it is answered with its status. */
static enum MHD_Result go_on_completion(hl_exchange *x) {
    hl_completion *c = x->completion;
    const bool     is_over = hl_completion_pump(c, c->is_stream ? STREAM_BLOCK : SIZE_MAX);
    const bool     is_stream = c->is_stream && (c->has_begun || c->status == HL_OK);
    if (is_over && !is_stream && c->status != HL_OK) hl_exchange_fail(x, c->status, &c->err);
    if (is_over && !is_stream) return respond_whole(x);
    if (is_stream && (is_over || may_stream(x))) return respond_stream(x);
    hl_completion_watch(c);
    park(x);
    return MHD_YES;
}

/* The same of a feed. */
static enum MHD_Result go_on_feed(hl_exchange *x) {
    const bool is_over = !hl_exchange_is_aside(x); /* first: nothing comes after that */
    hl_feed_take(x, &x->out.text);
    if (is_over && x->out.text.len == 0 && x->feed.status != HL_OK) {
        hl_exchange_fail(x, x->feed.status, &x->feed.err);
        return respond_whole(x);
    }
    if (is_over || x->out.text.len > 0 || x->out.text.failed) return respond_feed(x);
    park(x);
    return MHD_YES;
}

static enum MHD_Result go_on(hl_exchange *x) {
    forget_wake(x);
    if (is_gone(x)) return MHD_NO;
    return x->feed.work ? go_on_feed(x) : go_on_completion(x);
}

static enum MHD_Result answer(hl_exchange *x) {
    hl_completion *c = x->completion;
    if (is_gone(x) && !x->has_failed) return MHD_NO;
    if (x->has_failed || (!x->feed.work && (!c || c->n_choices == 0))) return respond_whole(x);
    __atomic_store_n(&x->sent_ns, hl_clock_ns(), __ATOMIC_RELAXED);
    set_state(x, HL_X_ANSWERING);
    const bool is_cancelled = __atomic_load_n(&x->is_cancelled, __ATOMIC_SEQ_CST);
    if (is_cancelled && !x->feed.work) hl_completion_cancel(c);
    if (x->feed.work) hl_exchange_step_aside(x, hl_feed_run);
    return go_on(x);
}

/* ---- Handlers ---- */

static void run_handler(hl_exchange *x) {
    hl_err    err = {0};
    hl_status status = HL_OK; /* what comes in pieces is the handler's to look at */
    if (!(x->route->flags & HL_R_UPLOAD))
        status = hl_exchange_decode_body(x, hl_limit(&x->server->limits.max_body_bytes), &err);
    if (status == HL_OK) status = x->route->fn(x, &err);
    if (status == HL_E_BUSY && x->load_wait.weights[0] && __atomic_load_n(&x->is_cancelled, __ATOMIC_SEQ_CST))
        status = HL_E_CANCEL; /* it does not wait for the model any more */
    status = hl_exchange_name_cancel(x, status, &err);
    if (status != HL_OK) hl_exchange_fail(x, status, &err);
}

static hl_workers *workers_of(const hl_exchange *x) {
    const hl_server *s = x->server;
    if (x->route->flags & HL_R_TRANSFER) return s->transfer_workers;
    return x->route->flags & HL_R_LONG ? s->long_workers : s->workers;
}

/* On whatever thread has loaded something, with the host's lock held. */
static void run_again(void *user) {
    hl_exchange *x = user;
    (void)__atomic_sub_fetch(&x->server->n_parked, 1, __ATOMIC_RELAXED);
    hl_workers_post_again(workers_of(x), &x->job);
}

/* Others load: that may take long, and no worker waits for it. It is as if the handler had not run. */
static void wait_for_load(hl_exchange *x) {
    hl_completion_free(x->completion);
    x->completion = NULL;
    hl_json_clear(&x->out);
    x->has_failed = false;
    x->code = 200;
    x->content_type = NULL;
    x->overflow_tokens = x->overflow_ctx = 0;
    x->load_wait.wake = run_again;
    x->load_wait.user = x;
    (void)__atomic_add_fetch(&x->server->n_parked, 1, __ATOMIC_RELAXED);
    hl_host_wait(x->server->host, &x->load_wait); /* another worker may have it from here on */
}

static void run_job(void *user) {
    hl_exchange *x = user;
    x->load_wait.weights[0] = '\0';
    (void)hl_stop_watch(&x->must_stop);
    run_handler(x);
    (void)hl_stop_watch(NULL);
    if (x->has_failed && x->load_wait.weights[0] && !hl_stop_is_set(&x->must_stop)) {
        wait_for_load(x);
        return;
    }
    /* Under the lock, which on_completed() takes before x is gone: somebody else may have woken it
     * already. */
    hl_server *s = x->server;
    (void)pthread_mutex_lock(&s->lock);
    __atomic_store_n(&x->state, HL_X_READY, __ATOMIC_RELEASE);
    hl_exchange_wake(x);
    (void)pthread_mutex_unlock(&s->lock);
}

bool hl_exchange_is_aside(const hl_exchange *x) {
    return __atomic_load_n(&x->is_aside, __ATOMIC_SEQ_CST) != 0;
}

/* Its connection may have gone meanwhile: then nobody else has it any more. */
static void run_aside(void *user) {
    hl_exchange *x = user;
    hl_server   *s = x->server;
    x->work_aside(x);
    (void)pthread_mutex_lock(&s->lock);
    __atomic_store_n(&x->is_aside, 0, __ATOMIC_SEQ_CST);
    const bool is_orphan = x->is_orphan;
    if (!is_orphan) hl_exchange_wake(x);
    (void)pthread_mutex_unlock(&s->lock);
    if (is_orphan) conclude(x);
}

void hl_exchange_step_aside(hl_exchange *x, void (*fn)(hl_exchange *x)) {
    x->work_aside = fn;
    __atomic_store_n(&x->is_aside, 1, __ATOMIC_SEQ_CST);
    x->job = (hl_job){.fn = run_aside, .user = x};
    hl_workers_post(workers_of(x), &x->job);
}

static enum MHD_Result refuse_work(hl_exchange *x, hl_status status, const hl_err *err) {
    (void)__atomic_fetch_add(&x->server->counts.refused, 1, __ATOMIC_RELAXED);
    hl_exchange_fail(x, status, err);
    return respond_whole(x);
}

static bool is_full(const hl_server *s, hl_workers *workers) {
    return hl_workers_n_queued(workers) + __atomic_load_n(&s->n_parked, __ATOMIC_RELAXED) >=
           hl_limit(&s->limits.max_queue);
}

bool hl_server_is_full(const hl_server *s) { return is_full(s, s->workers); }

static enum MHD_Result begin_work(hl_exchange *x) {
    hl_server *s = x->server;
    hl_err     err = {0};
    if (x->route->flags & HL_R_INLINE) {
        run_handler(x);
        return answer(x);
    }
    hl_status   status = hl_access_check_queue(x, &err);
    hl_workers *workers = workers_of(x);
    if (status == HL_OK && is_full(s, workers))
        status = hl_fail(&err, HL_E_BUSY,
                         "server busy, please try again.  maximum pending requests exceeded "
                         "(server.max_queue = %zu)",
                         hl_limit(&s->limits.max_queue));
    if (status != HL_OK) return refuse_work(x, status, &err);
    if (!hl_hangup_begin_work(s, x))
        return refuse_work(x, hl_fail(&err, HL_E_BUSY, "the server is stopping"), &err);
    x->job = (hl_job){.fn = run_job, .user = x};
    park(x);
    hl_workers_post(workers, &x->job);
    return MHD_YES;
}

/* ---- Bodies of any length ---- */

static bool is_upload(const hl_exchange *x) { return x->route && x->route->flags & HL_R_UPLOAD; }

static void run_piece(void *user) {
    hl_exchange *x = user;
    hl_server   *s = x->server;
    hl_err       err = {0};
    (void)hl_stop_watch(&x->is_gone);
    const hl_status status = x->route->fn(x, &err);
    (void)hl_stop_watch(NULL);
    if (status != HL_OK) hl_exchange_fail(x, status, &err);
    hl_str_clear(&x->body);
    (void)pthread_mutex_lock(&s->lock); /* as in run_job() */
    __atomic_store_n(&x->state, HL_X_RECEIVING, __ATOMIC_RELEASE);
    hl_exchange_wake(x);
    (void)pthread_mutex_unlock(&s->lock);
}

/* The socket is not read while a worker has a piece: so a fast sender takes no memory. */
static enum MHD_Result take_piece(hl_exchange *x, const char *data, size_t *n_data) {
    hl_server *s = x->server;
    if (!x->is_listed && !hl_hangup_add(s, x)) return MHD_NO;
    if (is_gone(x)) return MHD_NO;
    /* libmicrohttpd (0.9.75) goes on with the chunks that it has, though it was told to wait: they wait */
    if (__atomic_load_n(&x->state, __ATOMIC_ACQUIRE) == HL_X_WORKING) return MHD_YES;
    if (!x->has_failed) hl_str_add(&x->body, data, *n_data); /* else it is read to its end, to be told why */
    x->n_received += *n_data;
    *n_data = 0;
    if (x->has_failed || x->body.len < PIECE_BYTES) return MHD_YES;
    forget_wake(x);
    if (!hl_hangup_begin_work(s, x)) return MHD_NO;
    x->job = (hl_job){.fn = run_piece, .user = x};
    park(x);
    hl_workers_post(workers_of(x), &x->job);
    return MHD_YES;
}

/* ---- What comes in ---- */

/* "//v1//models/" and "/v1/v1/messages" are what clients make of odd base URLs. */
static char *clean_path(const char *url) {
    char *path = hl_strdup(url);
    if (!path) return NULL;
    char *to = path;
    for (const char *from = path; *from; from++)
        if (!(from[0] == '/' && from[1] == '/')) *to++ = *from;
    if (to > path + 1 && to[-1] == '/') to--;
    *to = '\0';
    if (strncmp(path, "/v1/v1/", 7) == 0) memmove(path, path + 3, strlen(path + 3) + 1);
    return path;
}

/* Without "/v1", as some write their base URL. */
static const hl_route *find_route(hl_exchange *x, uint32_t *ret_allowed) {
    const hl_route *r = hl_route_find(x->method, hl_view_of(x->path), &x->rest, ret_allowed);
    if (*ret_allowed || hl_view_has_prefix(hl_view_of(x->path), "/api/")) return r;
    const size_t n = strlen(x->path);
    char        *with = hl_new(n + 4, 1);
    if (!with) return NULL;
    memcpy(with, "/v1", 3);
    memcpy(with + 3, x->path, n + 1);
    r = hl_route_find(x->method, hl_view_of(with), &x->rest, ret_allowed);
    if (!*ret_allowed) {
        hl_free(with);
        return NULL; /* an unknown path is called what it was */
    }
    hl_free(x->path);
    x->path = with;
    return r;
}

static enum MHD_Result refuse(hl_exchange *x, unsigned code, hl_status status, const char *why) {
    hl_err err = {0};
    hl_exchange_fail_as(x, code, hl_fail(&err, status, "%s", why), &err);
    return respond_whole(x);
}

static const char *header(const hl_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result respond_methods(hl_exchange *x, uint32_t allowed) {
    char   allow[80] = "";
    size_t n = 0;
    for (int m = 0; m < HL_N_METHODS && n < sizeof allow; m++)
        if (allowed & (1U << m))
            n += (size_t)snprintf(allow + n, sizeof allow - n, "%s%s", n ? ", " : "",
                                  hl_method_name((hl_method)m));
    const bool is_options = x->method == HL_METHOD_OPTIONS;
    hl_err     err = {0};
    if (is_options)
        x->code = 204;
    else
        hl_exchange_fail_as(x, 405, hl_fail(&err, HL_E_ARG, "method not allowed; this path has %s", allow),
                            &err);
    struct MHD_Response *r = MHD_create_response_from_buffer(
        x->out.text.len, x->out.text.ptr ? x->out.text.ptr : "", MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    (void)MHD_add_response_header(r, "Allow", allow);
    const char *headers = header(x, "Access-Control-Request-Headers"), *origin = header(x, "Origin");
    if (is_options && origin && hl_gate_allows_origin(x->server, origin)) {
        (void)MHD_add_response_header(r, "Access-Control-Allow-Methods", allow);
        (void)MHD_add_response_header(r, "Access-Control-Allow-Headers", headers ? headers : "*");
        (void)MHD_add_response_header(r, "Access-Control-Max-Age", "43200");
        /* Chrome asks it of pages of the public network, before they may ask this machine */
        const char *private = header(x, "Access-Control-Request-Private-Network");
        if (private && strcmp(private, "true") == 0)
            (void)MHD_add_response_header(r, "Access-Control-Allow-Private-Network", "true");
    }
    return queue(x, r);
}

const char *hl_exchange_query(const hl_exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* The same before the body is there. A client that is still sending may not see an answer, so what comes is
 * read to its end, and kept nowhere, unless it is long or the client waits for a word first. */
static enum MHD_Result refuse_early(hl_exchange *x, unsigned code, hl_status status, const char *why) {
    hl_err      err = {0};
    const char *length = header(x, "Content-Length");
    const bool  has_body = header(x, "Transfer-Encoding") || (length && strtoull(length, NULL, 10) > 0);
    if (!has_body || header(x, "Expect") || (length && strtoull(length, NULL, 10) > DRAIN_BYTES))
        return refuse(x, code, status, why);
    hl_exchange_fail_as(x, code, hl_fail(&err, status, "%s", why), &err);
    return MHD_YES;
}

/* What can be said before the body is there. */
static enum MHD_Result begin(hl_exchange *x, const char *url, const char *method) {
    hl_server  *s = x->server;
    hl_err      err = {0};
    const char *length = header(x, "Content-Length");
    uint32_t    allowed = 0;
    x->method = hl_method_parse(method);
    x->path = clean_path(url);
    if (!x->path) return MHD_NO;
    (void)__atomic_fetch_add(&s->counts.requests, 1, __ATOMIC_RELAXED);
    x->route = find_route(x, &allowed);
    if (hl_gate_check(s, header(x, "Host"), header(x, "Origin"), &err) != HL_OK)
        return refuse_early(x, 403, HL_E_AUTH, err.text);
    if (hl_framing_check(x->connection, &err) != HL_OK) return refuse(x, 400, HL_E_FORMAT, err.text);
    if (!allowed) return refuse_early(x, 404, HL_E_NOT_FOUND, "404 page not found");
    if (!x->route) return respond_methods(x, allowed);
    unsigned code = 400;
    if (hl_access_check(x, header(x, "Authorization"), header(x, "x-api-key"), &code, &err) != HL_OK)
        return refuse_early(x, code, HL_E_AUTH, err.text);
    if (hl_access_read_priority(x, header(x, "x-request-priority"), &err) != HL_OK)
        return refuse_early(x, 400, HL_E_ARG, err.text);
    /* A client that is still sending does not see an answer: a little too much is read to its end first. */
    const uint64_t n_bytes = length ? strtoull(length, NULL, 10) : 0;
    const size_t   most = hl_limit(&s->limits.max_body_bytes);
    x->n_announced = length ? n_bytes : UINT64_MAX;
    if (n_bytes > most + DRAIN_BYTES && !is_upload(x)) {
        (void)hl_fail(&err, HL_E_LIMIT, "body: %.20s bytes, at most %zu MiB (server.max_body_mib)", length,
                      most >> 20);
        return refuse(x, 413, HL_E_LIMIT, err.text);
    }
    x->encoding = header(x, "Content-Encoding");
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *n_data,
                                  void **con_cls) {
    hl_server   *s = cls;
    hl_exchange *x = *con_cls;
    (void)version;
    if (!x) {
        x = exchange_new(s, connection);
        if (!x) return MHD_NO;
        *con_cls = x;
        hl_connection_begin(s, connection);
        (void)pthread_mutex_lock(&s->lock);
        s->n_exchanges++;
        (void)pthread_mutex_unlock(&s->lock);
        return begin(x, url, method);
    }
    if (*n_data > 0 && is_upload(x)) return take_piece(x, data, n_data);
    if (*n_data > 0) {
        if (!x->is_listed && !hl_hangup_add(s, x)) return MHD_NO;
        if (!x->body.failed && !x->has_failed) hl_str_add(&x->body, data, *n_data);
        x->n_received += *n_data;
        if (x->has_failed && x->n_received > DRAIN_BYTES) return MHD_NO;
        if (x->n_received > hl_limit(&s->limits.max_body_bytes) + DRAIN_BYTES) return MHD_NO;
        *n_data = 0;
        return MHD_YES;
    }
    switch (__atomic_load_n(&x->state, __ATOMIC_ACQUIRE)) {
    case HL_X_RECEIVING:
        if (x->has_failed) return respond_whole(x);
        if (x->body.failed)
            return x->body.lacks_memory ? refuse(x, 503, HL_E_NOMEM, "body: no memory")
                                        : refuse(x, 413, HL_E_LIMIT, "body: too long (server.max_body_mib)");
        x->is_last = true;
        return begin_work(x);
    case HL_X_READY: return answer(x);
    case HL_X_ANSWERING: return go_on(x);
    default: return MHD_YES;
    }
}

/* The path as it was sent, with %XX decoded; what is malformed stays, and so does what would end the text. */
static size_t unescape(void *cls, struct MHD_Connection *c, char *s) {
    (void)cls;
    (void)c;
    return strstr(s, "%00") ? strlen(s) : MHD_http_unescape(s);
}

/* ---- The event threads ---- */

static void on_log(void *cls, const char *fmt, va_list args) {
    hl_server *s = cls;
    char       text[sizeof s->last_words];
    (void)vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    hl_event(s->events, HL_LOG_DEBUG, "server", "http", "why=\"%s\"", text);
    (void)pthread_mutex_lock(&s->lock);
    memcpy(s->last_words, text, sizeof text);
    (void)pthread_mutex_unlock(&s->lock);
}

static hl_status fail_start(hl_server *s, bool is_tls, hl_err *err) {
    char text[sizeof s->last_words];
    (void)pthread_mutex_lock(&s->lock);
    memcpy(text, s->last_words, sizeof text);
    (void)pthread_mutex_unlock(&s->lock);
    if (is_tls) return hl_fail(err, HL_E_FORMAT, "server.tls_cert, server.tls_key: %s", text);
    return hl_fail(err, HL_E_NOMEM, "listen on %s: the event loop cannot start: %s", s->address, text);
}

/* One for each socket that we listen on; it gets a copy of the socket for its own. */
static hl_status start_daemon(hl_server *s, const hl_listener *l, const hl_config *config, const hl_tls *tls,
                              hl_daemon **ret, hl_err *err) {
    const bool                  is_tls = tls->cert && !l->is_unix;
    const struct MHD_OptionItem plain = {MHD_OPTION_END, 0, NULL};
    struct MHD_OptionItem       options[] = {
              {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->cert},
              {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
              {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
              plain};
    hl_daemon *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    const int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0)
        d->mhd = MHD_start_daemon(
            MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                (is_tls ? MHD_USE_TLS : 0U),
            0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_log, s, MHD_OPTION_LISTEN_SOCKET, fd,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, hl_connections_note,
            s, MHD_OPTION_UNESCAPE_CALLBACK, unescape, s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
            (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned)hl_config_int(config, HL_SETTING_server_idle_s), MHD_OPTION_CONNECTION_LIMIT,
            hl_connections_most(s, (size_t)hl_config_int(config, HL_SETTING_server_max_connections)),
            MHD_OPTION_ARRAY, is_tls ? options : &options[3], MHD_OPTION_END);
    if (d->mhd) {
        *ret = d;
        return HL_OK;
    }
    if (fd >= 0) (void)close(fd);
    hl_free(d);
    return fail_start(s, is_tls, err);
}

/* It takes no more connections; those that it has go on. */
static void stop_accepting(const hl_daemon *d) {
    const int fd = MHD_quiesce_daemon(d->mhd);
    if (fd >= 0) (void)close(fd);
}

static void stop_daemon(hl_daemon *d) {
    if (!d) return;
    MHD_stop_daemon(d->mhd);
    hl_free(d);
}

static void retire(hl_server *s, hl_daemon *d) {
    if (!d) return;
    stop_accepting(d);
    d->since_ns = hl_clock_ns();
    d->next = s->retired;
    s->retired = d;
}

/* Connections that were accepted while it was told to stop have shown by then. */
static bool is_drained(const hl_daemon *d) {
    enum { SETTLE_MS = 1000 };
    const union MHD_DaemonInfo *n = MHD_get_daemon_info(d->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return n && n->num_connections == 0 && hl_clock_ns() - d->since_ns > (int64_t)SETTLE_MS * 1000000;
}

/* Those that a restart left: all, or those whose connections have ended. */
static hl_daemon *take_retired(hl_server *s, bool only_drained) {
    hl_daemon *taken = NULL;
    (void)pthread_mutex_lock(&s->daemons_lock);
    for (hl_daemon **at = &s->retired; *at;) {
        hl_daemon *d = *at;
        if (only_drained && !is_drained(d)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        d->next = taken;
        taken = d;
    }
    (void)pthread_mutex_unlock(&s->daemons_lock);
    return taken;
}

static void stop_daemons(hl_daemon *list) {
    while (list) {
        hl_daemon *d = list;
        list = d->next;
        stop_daemon(d);
    }
}

void hl_http_sweep(hl_server *s) { stop_daemons(take_retired(s, true)); }

hl_status hl_http_restart(hl_server *s, const hl_config *config, hl_err *err) {
    hl_daemon *fresh[HL_MAX_LISTENERS] = {0};
    hl_tls     tls;
    hl_status  status = hl_tls_read(config, &tls, err);
    if (status == HL_OK && s->is_tls != (tls.cert != NULL))
        status = hl_fail(err, HL_E_ARG, "server.tls_cert: TLS is switched on and off by a restart");
    for (size_t i = 0; i < s->n_listeners && status == HL_OK; i++)
        status = start_daemon(s, &s->listeners[i], config, &tls, &fresh[i], err);
    hl_tls_done(&tls);
    (void)pthread_mutex_lock(&s->daemons_lock);
    for (size_t i = 0; i < s->n_listeners; i++) {
        retire(s, status == HL_OK ? s->listeners[i].daemon : fresh[i]);
        if (status == HL_OK) s->listeners[i].daemon = fresh[i];
    }
    (void)pthread_mutex_unlock(&s->daemons_lock);
    return status;
}

hl_status hl_http_start(hl_server *s, const int *given, size_t n_given, hl_err *err) {
    if (*hl_config_text(s->config, HL_SETTING_server_tls_cert)) s->is_tls = true;
    hl_status status = hl_listen_open(s, given, n_given, err);
    if (status == HL_OK) status = hl_workers_new(N_WORKERS, &s->workers, err);
    if (status == HL_OK) status = hl_workers_new(N_WORKERS, &s->long_workers, err);
    if (status == HL_OK) status = hl_workers_new(N_WORKERS, &s->transfer_workers, err);
    if (status == HL_OK) status = hl_hangup_start(s, err);
    if (status == HL_OK) status = hl_http_restart(s, s->config, err);
    return status;
}

/* ---- The end ---- */

static void wait_until_empty(hl_server *s, int64_t until_ns) {
    struct timespec t = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    int             rc = 0;
    (void)pthread_mutex_lock(&s->lock);
    while (s->n_exchanges > 0 && rc != ETIMEDOUT)
        rc = until_ns == INT64_MAX ? pthread_cond_wait(&s->is_empty, &s->lock)
                                   : pthread_cond_timedwait(&s->is_empty, &s->lock, &t);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Those that are being received need a client's help to end; the daemon ends them. Those that are suspended
 * must not be there any more when it stops. */
static bool has_suspended(hl_server *s) {
    bool any = false;
    (void)pthread_mutex_lock(&s->lock);
    for (const hl_exchange *x = s->exchanges; x && !any; x = x->next)
        any = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST) != HL_X_RECEIVING;
    (void)pthread_mutex_unlock(&s->lock);
    return any;
}

static void end_all(hl_server *s) {
    (void)pthread_mutex_lock(&s->lock);
    for (hl_exchange *x = s->exchanges; x; x = x->next) {
        hl_exchange_end(x);
        /* a client that does not read could keep its answer, and us, for ever. While x is listed, its socket
         * is open */
        if (__atomic_load_n(&x->state, __ATOMIC_SEQ_CST) == HL_X_ANSWERED) (void)shutdown(x->fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

/* Answers end as far as they came, and whoever reads is told. */
static void cancel_all(hl_server *s) {
    (void)pthread_mutex_lock(&s->lock);
    for (hl_exchange *x = s->exchanges; x; x = x->next) hl_exchange_cancel(x);
    (void)pthread_mutex_unlock(&s->lock);
}

static void wait_for_suspended(hl_server *s, int64_t ms) {
    enum { LOOK_MS = 20 };
    const int64_t until = hl_clock_ns() + ms * 1000000;
    while (has_suspended(s) && hl_clock_ns() < until) wait_until_empty(s, hl_clock_ns() + LOOK_MS * 1000000);
}

void hl_http_stop(hl_server *s, int64_t drain_ms) {
    enum { LOOK_MS = 20, FAREWELL_MS = 3000 };
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->listeners[i].daemon) stop_accepting(s->listeners[i].daemon);
    (void)pthread_mutex_lock(&s->lock);
    s->is_stopping = true; /* connections that are there may bring more requests */
    (void)pthread_mutex_unlock(&s->lock);
    wait_for_suspended(s, drain_ms);
    cancel_all(s);
    wait_for_suspended(s, FAREWELL_MS);
    while (has_suspended(s)) {
        end_all(s);
        wait_until_empty(s, hl_clock_ns() + LOOK_MS * 1000000);
    }
    for (size_t i = 0; i < s->n_listeners; i++) stop_daemon(s->listeners[i].daemon);
    stop_daemons(take_retired(s, false));
    hl_hangup_stop(s);
    if (s->workers) wait_until_empty(s, INT64_MAX);
    hl_workers_free(s->long_workers);
    hl_workers_free(s->transfer_workers);
    hl_workers_free(s->workers);
    hl_listen_close(s);
}
