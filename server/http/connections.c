/* SPDX-License-Identifier: MIT
 *
 * connections.c - connections between requests: one whose next request takes too long to begin is cut.
 *
 * libmicrohttpd's time-out begins again with each byte, so whoever sends a header byte by byte would keep a
 * connection for ever. Here the whole time counts, up to the end of the headers: server.header_s, and where
 * one waits for a client's next request, server.idle_s more.
 *
 * Nor does it always see that a client has closed: its epoll is edge-triggered, and where part of a request
 * and the end came before it first read, no other edge follows. So those that wait are looked at here, too.
 */
#define _GNU_SOURCE /* POLLRDHUP */
#include <microhttpd.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/server_priv.h"

struct hl_connection {
    struct hl_connection *next, *previous;
    int                   fd;
    int64_t               cut_ns;   /* no request was there by then: it is over; 0: one is there */
    bool                  has_left; /* its client had closed when it was last looked at */
};

enum { LOOK_AT_ONCE = 64, DESCRIPTORS_KEPT = 64, CONNECTIONS_LEAST = 8 };

static int64_t s_to_ns(size_t s) { return (int64_t)s * 1000000000; }

static void add(hl_server *s, struct MHD_Connection *connection, void **socket_context) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    hl_connection *c = hl_new(1, sizeof *c); /* without memory nobody looks at it */
    *socket_context = c;
    if (!c) return;
    c->fd = info ? info->connect_fd : -1;
    c->cut_ns = hl_clock_ns() + s_to_ns(hl_limit(&s->limits.header_s));
    (void)pthread_mutex_lock(&s->connections_lock);
    c->next = s->connections;
    if (c->next) c->next->previous = c;
    s->connections = c;
    (void)pthread_mutex_unlock(&s->connections_lock);
}

/* Its socket is still open. */
static void drop(hl_server *s, hl_connection *c) {
    if (!c) return;
    (void)pthread_mutex_lock(&s->connections_lock);
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next) c->next->previous = c->previous;
    (void)pthread_mutex_unlock(&s->connections_lock);
    hl_free(c);
}

void hl_connections_note(void *server, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what) {
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        add(server, connection, socket_context);
    else
        drop(server, *socket_context);
}

static void set_cut(hl_server *s, struct MHD_Connection *connection, int64_t cut_ns) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    hl_connection *c = info ? info->socket_context : NULL;
    if (!c) return;
    (void)pthread_mutex_lock(&s->connections_lock);
    c->cut_ns = cut_ns;
    (void)pthread_mutex_unlock(&s->connections_lock);
}

void hl_connection_begin(hl_server *s, struct MHD_Connection *connection) { set_cut(s, connection, 0); }

void hl_connection_end(hl_server *s, struct MHD_Connection *connection) {
    const size_t most_s = hl_limit(&s->limits.header_s) + hl_limit(&s->limits.idle_s);
    set_cut(s, connection, hl_clock_ns() + s_to_ns(most_s));
}

void hl_connections_cut(hl_server *s) {
    const int64_t now = hl_clock_ns();
    size_t        n = 0;
    (void)pthread_mutex_lock(&s->connections_lock);
    for (hl_connection *c = s->connections; c; c = c->next) {
        if (c->cut_ns == 0 || now < c->cut_ns) continue;
        (void)shutdown(c->fd, SHUT_RDWR); /* the event thread closes it */
        c->cut_ns = 0;
        n++;
    }
    (void)pthread_mutex_unlock(&s->connections_lock);
    if (n > 0)
        hl_event(s->events, HL_LOG_INFO, "server", "connections-cut",
                 "n=%zu why=\"no whole request within server.header_s\"", n);
}

/* Under the lock. One that had closed the last time, too: whatever it sent before was read meanwhile. */
static void cut_left(hl_connection *const *c, struct pollfd *fds, size_t n) {
    if (poll(fds, n, 0) <= 0) return;
    for (size_t i = 0; i < n; i++) {
        const bool has_left = (fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        if (has_left && c[i]->has_left) {
            (void)shutdown(c[i]->fd, SHUT_RDWR); /* an edge: the event thread closes it */
            c[i]->cut_ns = 0;
        }
        c[i]->has_left = has_left;
    }
}

bool hl_connections_look(hl_server *s) {
    hl_connection *looked_at[LOOK_AT_ONCE];
    struct pollfd  fds[LOOK_AT_ONCE];
    size_t         n = 0;
    bool           are_some = false;
    (void)pthread_mutex_lock(&s->connections_lock);
    for (hl_connection *c = s->connections; c; c = c->next) {
        if (c->cut_ns == 0) continue;
        are_some = true;
        looked_at[n] = c;
        fds[n++] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
        if (n < LOOK_AT_ONCE) continue;
        cut_left(looked_at, fds, n);
        n = 0;
    }
    cut_left(looked_at, fds, n);
    (void)pthread_mutex_unlock(&s->connections_lock);
    return are_some;
}

unsigned hl_connections_most(hl_server *s, size_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return (unsigned)wanted;
    if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < wanted + DESCRIPTORS_KEPT) {
        limit.rlim_cur =
            limit.rlim_max < wanted + DESCRIPTORS_KEPT ? limit.rlim_max : wanted + DESCRIPTORS_KEPT;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return (unsigned)wanted;
    }
    if (limit.rlim_cur >= wanted + DESCRIPTORS_KEPT) return (unsigned)wanted;
    const size_t room = (size_t)limit.rlim_cur / 2; /* the rest: models, bodies, the database, downloads */
    const size_t kept =
        limit.rlim_cur > 2 * DESCRIPTORS_KEPT ? (size_t)limit.rlim_cur - DESCRIPTORS_KEPT : room;
    const size_t most = kept < CONNECTIONS_LEAST ? CONNECTIONS_LEAST : kept < wanted ? kept : wanted;
    if (most < wanted)
        hl_event(s->events, HL_LOG_WARN, "server", "few-descriptors",
                 "limit=%zu max_connections=%zu instead_of=%zu action=\"raise RLIMIT_NOFILE (ulimit -n)\"",
                 (size_t)limit.rlim_cur, most, wanted);
    return (unsigned)most;
}
