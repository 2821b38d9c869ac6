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
    (void)pthread_mutex_destroy(&s->daemons_lock);
    (void)pthread_mutex_destroy(&s->connections_lock);
    (void)pthread_mutex_destroy(&s->pins_lock);
    hl_free(s->origins);
    hl_free(s);
}

static hl_server *server_new(void) {
    hl_server *s = hl_new(1, sizeof *s);
    if (!s) return NULL;
    s->wake_fd = s->epoll_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->daemons_lock, NULL);
    (void)pthread_mutex_init(&s->connections_lock, NULL);
    (void)pthread_mutex_init(&s->pins_lock, NULL);
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

/* Of the settings, those that can change while it runs. */
static const hl_setting changeable[] = {
    HL_SETTING_server_origins,   HL_SETTING_server_require_keys, HL_SETTING_server_max_queue_per_key,
    HL_SETTING_server_max_queue, HL_SETTING_server_max_body_mib, HL_SETTING_server_max_connections,
    HL_SETTING_server_header_s,  HL_SETTING_server_idle_s,       HL_SETTING_server_drain_s,
    HL_SETTING_server_leave_s,   HL_SETTING_server_tls_cert,     HL_SETTING_server_tls_key,
};

bool hl_server_can_change(hl_setting id) {
    size_t i = 0;
    while (i < sizeof changeable / sizeof *changeable && changeable[i] != id) i++;
    return i < sizeof changeable / sizeof *changeable;
}

static void put(size_t *limit, int64_t value) { __atomic_store_n(limit, (size_t)value, __ATOMIC_RELAXED); }

static hl_status take_settings(hl_server *s, const hl_config *c, hl_err *err) {
    char *origins = hl_strdup(hl_config_text(c, HL_SETTING_server_origins));
    if (!origins) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    put(&s->limits.max_body_bytes, hl_config_int(c, HL_SETTING_server_max_body_mib) << 20);
    put(&s->limits.max_queue, hl_config_int(c, HL_SETTING_server_max_queue));
    put(&s->limits.max_queue_per_key, hl_config_int(c, HL_SETTING_server_max_queue_per_key));
    put(&s->limits.header_s, hl_config_int(c, HL_SETTING_server_header_s));
    put(&s->limits.idle_s, hl_config_int(c, HL_SETTING_server_idle_s));
    put(&s->limits.require_keys, hl_config_int(c, HL_SETTING_server_require_keys));
    (void)pthread_mutex_lock(&s->lock);
    char *old = s->origins;
    s->origins = origins;
    (void)pthread_mutex_unlock(&s->lock);
    hl_free(old);
    return HL_OK;
}

hl_status hl_server_reload(hl_server *s, const hl_config *config, hl_err *err) {
    const hl_status status = hl_http_restart(s, config, err);
    return status == HL_OK ? take_settings(s, config, err) : status;
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
    if (getrandom(&s->id_key, sizeof s->id_key, 0) != (ssize_t)sizeof s->id_key)
        s->id_key = (uint64_t)hl_clock_ns(); /* only where the system gives no random numbers for ids */
    const char *home = hl_host_read_only_home(host);
    s->is_not_keeping = home != NULL; /* before there are threads */
    hl_status status = take_settings(s, config, err);
    if (status == HL_OK) status = hl_access_start(s, err);
    if (status == HL_OK) status = hl_http_start(s, given, n_given, err);
    if (status != HL_OK) {
        hl_http_stop(s, 0);
        hl_access_stop(s);
        server_free(s);
        return status;
    }
    if (home)
        hl_event(
            events, HL_LOG_WARN, "server", "home-read-only",
            "path=\"%s\" why=\"it cannot be written\" action=\"answers and prompts are not kept there, and "
            "models not changed\"",
            home);
    hl_event(events, HL_LOG_INFO, "server", "listen", "address=\"%s\"", s->address);
    hl_preload_start(s);
    *ret_server = s;
    return HL_OK;
}

const char *hl_server_address(const hl_server *s) { return s->address; }

void hl_server_leave(hl_server *s) {
    __atomic_store_n(&s->is_leaving, 1, __ATOMIC_RELAXED);
    hl_event(s->events, HL_LOG_INFO, "server", "leave", "address=\"%s\"", s->address);
}

void hl_server_stop(hl_server *s, int64_t drain_ms) {
    if (!s) return;
    __atomic_store_n(&s->ends_preload, 1, __ATOMIC_RELAXED);
    hl_http_stop(s, drain_ms);
    hl_pins_free(s);
    hl_access_stop(s);
    hl_event(s->events, HL_LOG_INFO, "server", "stop", "address=\"%s\"", s->address);
    server_free(s);
}
