/* SPDX-License-Identifier: MIT
 *
 * connections.c - connections between requests: one whose next request takes too long to begin is cut.
 *
 * libmicrohttpd's time-out begins again with each byte, so whoever sends a header byte by byte would keep a
 * connection for ever. Here the whole time counts, up to the end of the headers: server.header_s, and where
 * one waits for a client's next request, server.idle_s more.
 */
#include <microhttpd.h>
#include <sys/socket.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/server_priv.h"

struct hl_connection {
    struct hl_connection *next, *previous;
    int                   fd;
    int64_t               cut_ns; /* no request was there by then: it is over; 0: one is there */
};

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
