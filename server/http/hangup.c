/* SPDX-License-Identifier: MIT
 *
 * hangup.c - what happens while nothing is sent: clients that leave, pings, models whose time is over.
 *
 * libmicrohttpd does not look at a suspended connection, so a client that leaves while its request waits or
 * its prompt is read would be noticed only with the first token. A second epoll set looks for the end of each
 * request's socket. As everywhere in HTTP/1.1 servers, a client that closes its half counts as gone.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "host/resident.h"
#include "server/completion.h"
#include "server/server_priv.h"

enum { N_EVENTS = 64, LOOK_MS = 1000, LOOK_OFTEN_MS = 100, EXPIRE_MOST_MS = 1000, WAKE = 1 };
static const int64_t PING_NS = 10LL * 1000000000;

/* Under lock: is it still there? Events may be older than the exchange's end, and than the beginning of
 * another one in the same memory: so they carry its number, not its address. */
static hl_exchange *find(const hl_server *s, uint64_t number) {
    hl_exchange *x = s->exchanges;
    while (x && x->number != number) x = x->next;
    return x;
}

void hl_exchange_end(hl_exchange *x) {
    __atomic_store_n(&x->is_gone, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&x->must_stop, 1, __ATOMIC_SEQ_CST);
    const hl_exchange_state state = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST);
    if (state == HL_X_RECEIVING) { /* libmicrohttpd does not see an end that comes with the last bytes */
        (void)shutdown(x->fd, SHUT_RDWR);
        return;
    }
    if (state == HL_X_WORKING) { /* or it waits, without a worker, for a model */
        hl_host_stop_waiting(x->server->host, &x->load_wait);
        return;
    }
    if (state >= HL_X_ANSWERING && x->completion) hl_completion_cancel(x->completion);
    hl_exchange_wake(x);
}

hl_exchange *hl_exchange_hold(hl_server *s, hl_view id) {
    (void)pthread_mutex_lock(&s->lock);
    for (hl_exchange *x = s->exchanges; x; x = x->next)
        if (hl_view_is(id, x->id)) return x;
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

void hl_exchange_let_go(hl_server *s) { (void)pthread_mutex_unlock(&s->lock); }

/* The mark first: whoever begins to answer looks at it after its state is set. */
void hl_exchange_cancel(hl_exchange *x) {
    __atomic_store_n(&x->is_cancelled, 1, __ATOMIC_SEQ_CST);
    const hl_exchange_state state = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST);
    if (state == HL_X_WORKING) { /* vectors are made, a model is loaded or waited for, a prompt is rendered */
        __atomic_store_n(&x->must_stop, 1, __ATOMIC_SEQ_CST);
        hl_host_stop_waiting(x->server->host, &x->load_wait);
    }
    if (state >= HL_X_ANSWERING && x->completion) hl_completion_cancel(x->completion);
    if (state >= HL_X_ANSWERING && x->feed.work) __atomic_store_n(&x->must_stop, 1, __ATOMIC_SEQ_CST);
}

void hl_exchange_answer_now(hl_exchange *x) {
    const hl_exchange_state state = __atomic_load_n(&x->state, __ATOMIC_SEQ_CST);
    if (state >= HL_X_ANSWERING && x->completion) hl_completion_answer_now(x->completion);
}

static void look_at_events(hl_server *s, const struct epoll_event *events, int n) {
    (void)pthread_mutex_lock(&s->lock);
    for (int i = 0; i < n; i++) {
        hl_exchange *x = find(s, events[i].data.u64);
        if (x) hl_exchange_end(x);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void wake_silent(hl_server *s) {
    const int64_t now = hl_clock_ns();
    (void)pthread_mutex_lock(&s->lock);
    for (hl_exchange *x = s->exchanges; x; x = x->next) {
        if (__atomic_load_n(&x->state, __ATOMIC_ACQUIRE) < HL_X_ANSWERING || !x->completion) continue;
        if (now - __atomic_load_n(&x->sent_ns, __ATOMIC_RELAXED) >= PING_NS) hl_exchange_wake(x);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

bool hl_hangup_take_ping(const hl_server *s, const hl_exchange *x) {
    (void)s;
    return hl_clock_ns() - x->sent_ns >= PING_NS;
}

static void *watch(void *user) {
    hl_server         *s = user;
    struct epoll_event events[N_EVENTS];
    int64_t            looked_ns = 0, looked_often_ns = 0;
    bool               do_wait = false; /* connections for their requests */
    while (!__atomic_load_n(&s->is_ending, __ATOMIC_ACQUIRE)) {
        const int n = epoll_wait(s->epoll_fd, events, N_EVENTS, do_wait ? LOOK_OFTEN_MS : LOOK_MS);
        if (n > 0) look_at_events(s, events, n);
        if (hl_clock_ns() - looked_often_ns >= (int64_t)LOOK_OFTEN_MS * 1000000) {
            do_wait = hl_connections_look(s);
            looked_often_ns = hl_clock_ns();
        }
        if (hl_clock_ns() - looked_ns < (int64_t)EXPIRE_MOST_MS * 1000000) continue;
        looked_ns = hl_clock_ns();
        wake_silent(s);
        hl_connections_cut(s);
        hl_access_refresh(s);
        hl_http_sweep(s);
        hl_pins_sweep(s, NULL);
        (void)hl_host_expire(s->host);
    }
    return NULL;
}

hl_status hl_hangup_start(hl_server *s, hl_err *err) {
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0};
    if (s->epoll_fd < 0 || s->wake_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &ev) != 0 ||
        pthread_create(&s->watcher, NULL, watch, s) != 0)
        return hl_fail(err, HL_E_IO, "server: the watching thread cannot start");
    s->has_watcher = true;
    return HL_OK;
}

void hl_hangup_stop(hl_server *s) {
    const uint64_t one = WAKE;
    __atomic_store_n(&s->is_ending, true, __ATOMIC_RELEASE);
    if (s->wake_fd >= 0 && write(s->wake_fd, &one, sizeof one) < 0) { /* it looks every second anyway */
    }
    if (s->has_watcher) (void)pthread_join(s->watcher, NULL);
    s->has_watcher = false;
    if (s->epoll_fd >= 0) (void)close(s->epoll_fd);
    if (s->wake_fd >= 0) (void)close(s->wake_fd);
    s->epoll_fd = s->wake_fd = -1;
}

bool hl_hangup_add(hl_server *s, hl_exchange *x) {
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = x->number};
    (void)pthread_mutex_lock(&s->lock);
    const bool may_come = !s->is_stopping;
    if (may_come) {
        x->next = s->exchanges;
        if (x->next) x->next->previous = x;
        s->exchanges = x;
        x->is_listed = true;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (may_come && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, x->fd, &ev) != 0 && errno == EEXIST)
        (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, x->fd, &ev);
    return may_come;
}

bool hl_hangup_begin_work(hl_server *s, hl_exchange *x) {
    if (!x->is_listed && !hl_hangup_add(s, x)) return false;
    (void)pthread_mutex_lock(&s->lock);
    const bool may_work = !s->is_stopping;
    if (may_work) __atomic_store_n(&x->state, HL_X_WORKING, __ATOMIC_SEQ_CST);
    (void)pthread_mutex_unlock(&s->lock);
    return may_work;
}

void hl_hangup_remove(hl_server *s, hl_exchange *x) {
    if (!x->is_listed) return;
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, x->fd, NULL);
    (void)pthread_mutex_lock(&s->lock);
    if (x->previous)
        x->previous->next = x->next;
    else
        s->exchanges = x->next;
    if (x->next) x->next->previous = x->previous;
    x->is_listed = false;
    (void)pthread_mutex_unlock(&s->lock);
}
