/* SPDX-License-Identifier: MIT
 *
 * server.c - start, and stop.
 */
#include "server/server.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "server/server_priv.h"

static void server_free(hl_server *s) {
    (void)pthread_cond_destroy(&s->is_empty);
    (void)pthread_mutex_destroy(&s->lock);
    hl_metrics_free(s->metrics);
    hl_free(s);
}

static hl_server *server_new(void) {
    hl_server *s = hl_new(1, sizeof *s);
    if (!s) return NULL;
    s->wake_fd = s->epoll_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->is_empty, &attr);
    (void)pthread_condattr_destroy(&attr);
    s->metrics = hl_metrics_new();
    if (s->metrics) return s;
    server_free(s);
    return NULL;
}

hl_status hl_server_start(hl_host *host, const hl_config *config, const hl_events *events,
                          const char *version, const int *given, size_t n_given, hl_server **ret_server,
                          hl_err *err) {
    hl_server *s = server_new();
    if (!s) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    s->host = host;
    s->config = config;
    s->events = events;
    s->version = version;
    s->max_body_bytes = (size_t)hl_config_int(config, HL_SETTING_server_max_body_mib) << 20;
    s->max_queue = (size_t)hl_config_int(config, HL_SETTING_server_max_queue);
    if (getrandom(&s->id_key, sizeof s->id_key, 0) != (ssize_t)sizeof s->id_key)
        s->id_key = (uint64_t)hl_clock_ns(); /* ids are names, not secrets */
    hl_status status = hl_access_start(s, err);
    if (status == HL_OK) status = hl_http_start(s, given, n_given, err);
    if (status != HL_OK) {
        hl_http_stop(s, 0);
        hl_access_stop(s);
        server_free(s);
        return status;
    }
    hl_event(events, HL_LOG_INFO, "server", "listen", "address=\"%s\"", s->address);
    *ret_server = s;
    return HL_OK;
}

const char *hl_server_address(const hl_server *s) { return s->address; }

void hl_server_stop(hl_server *s, int64_t drain_ms) {
    if (!s) return;
    hl_http_stop(s, drain_ms);
    hl_access_stop(s);
    hl_event(s->events, HL_LOG_INFO, "server", "stop", "address=\"%s\"", s->address);
    server_free(s);
}
