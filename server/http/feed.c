/* SPDX-License-Identifier: MIT
 *
 * feed.c - lines that a worker makes and the event thread sends.
 */
#include "core/base/stop.h"
#include "server/api/errors.h"
#include "server/server_priv.h"

/* A client that reads nothing for that many bytes of progress is as good as gone. */
enum { PENDING_BYTES = 4 << 20 };

void hl_feed_start(hl_exchange *x, hl_feed_fn *work, void *user, void (*free_user)(void *user)) {
    hl_feed *f = &x->feed;
    f->work = work;
    f->user = user;
    f->free_user = free_user;
    (void)pthread_mutex_init(&f->lock, NULL);
    hl_str_init(&f->pending, PENDING_BYTES);
    x->content_type = "application/x-ndjson";
}

bool hl_feed_add(hl_exchange *x, hl_view json) {
    hl_feed *f = &x->feed;
    (void)pthread_mutex_lock(&f->lock);
    hl_str_add_view(&f->pending, json);
    hl_str_add_char(&f->pending, '\n');
    const bool goes_on = !f->pending.failed && !hl_stop_is_set(&x->must_stop);
    (void)pthread_mutex_unlock(&f->lock);
    hl_exchange_wake(x);
    return goes_on;
}

hl_status hl_exchange_name_cancel(const hl_exchange *x, hl_status status, hl_err *err) {
    if (status != HL_E_CANCEL || !__atomic_load_n(&x->is_cancelled, __ATOMIC_SEQ_CST)) return status;
    return hl_fail(err, HL_E_CANCEL, "the request was cancelled");
}

void hl_feed_run(hl_exchange *x) {
    hl_feed *f = &x->feed;
    (void)hl_stop_watch(&x->must_stop);
    f->status = hl_exchange_name_cancel(x, f->work(x, f->user, &f->err), &f->err);
    (void)hl_stop_watch(NULL);
}

void hl_feed_end(hl_exchange *x, hl_json_out *ret_out) {
    hl_feed *f = &x->feed;
    if (f->status == HL_OK || f->is_ended) return;
    f->is_ended = true;
    ret_out->needs_comma = false;
    hl_error_write(x, f->status, &f->err, ret_out);
    hl_str_add_char(&ret_out->text, '\n');
}

void hl_feed_take(hl_exchange *x, hl_str *ret_out) {
    hl_feed *f = &x->feed;
    (void)pthread_mutex_lock(&f->lock);
    hl_str_add_view(ret_out, hl_str_view(&f->pending));
    if (f->pending.failed)
        ret_out->failed = true;
    else
        hl_str_clear(&f->pending);
    (void)pthread_mutex_unlock(&f->lock);
}

void hl_feed_done(hl_feed *f) {
    if (!f->work) return;
    if (f->free_user) f->free_user(f->user);
    hl_str_done(&f->pending);
    (void)pthread_mutex_destroy(&f->lock);
}
