/* SPDX-License-Identifier: MIT
 *
 * preload.c - server.preload and server.pinned: models that are loaded before somebody asks.
 *
 * A worker loads one after the other while the server answers already; what cannot be loaded is told of in
 * the log, and loaded by whoever asks for it.
 */
#include <string.h>

#include "core/base/stop.h"
#include "core/base/str.h"
#include "host/options.h"
#include "host/resident.h"
#include "server/server_priv.h"

static hl_status load(const hl_server *s, const char *name, bool is_pinned, hl_err *err) {
    hl_options   options;
    hl_source   *source = NULL;
    hl_resident *resident = NULL;
    hl_status    status = hl_host_find_stored(s->host, name, HL_OPEN_FOR_LOAD, &source, err);
    if (status != HL_OK) return status;
    hl_options_init(&options);
    hl_options_read_settings(&options, s->config);
    hl_options_read_stored(&options, source->stored, s->events);
    status = hl_host_acquire(s->host, source, &options, &resident, err);
    if (status == HL_OK && is_pinned) hl_host_pin(s->host, resident, true);
    hl_host_release(s->host, resident, HL_KEEP_DEFAULT);
    hl_options_done(&options);
    hl_source_free(source);
    return status;
}

static void load_all(const hl_server *s, const char *list, bool is_pinned) {
    for (const char *at = list; *at && !hl_stop_asked(); at += *at == ',') {
        const size_t  n = strcspn(at, ",");
        const hl_view word = hl_view_trim((hl_view){at, n});
        hl_err        err = {0};
        char          name[HL_NAME_TEXT_BYTES];
        at += n;
        if (word.len == 0) continue;
        (void)snprintf(name, sizeof name, "%.*s", (int)word.len, word.ptr);
        if (load(s, name, is_pinned, &err) != HL_OK)
            hl_event(s->events, HL_LOG_WARN, "server", "preload-failed", "model=\"%s\" why=\"%s\"", name,
                     err.text);
    }
}

static void preload(void *user) {
    hl_server *s = user;
    (void)hl_stop_watch(&s->ends_preload);
    load_all(s, hl_config_text(s->config, HL_SETTING_server_pinned), true);
    load_all(s, hl_config_text(s->config, HL_SETTING_server_preload), false);
    (void)hl_stop_watch(NULL);
    __atomic_store_n(&s->is_preloading, 0, __ATOMIC_RELAXED);
}

void hl_preload_start(hl_server *s) {
    s->preload = (hl_job){.fn = preload, .user = s};
    if (hl_config_text(s->config, HL_SETTING_server_pinned)[0] ||
        hl_config_text(s->config, HL_SETTING_server_preload)[0]) {
        __atomic_store_n(&s->is_preloading, 1, __ATOMIC_RELAXED);
        hl_workers_post(s->workers, &s->preload);
    }
}
