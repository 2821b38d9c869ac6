/* SPDX-License-Identifier: MIT
 *
 * transfers_api.c - /api/pull and /api/push: how far it is, line by line.
 *
 * A client that leaves stops its transfer, unless others wait for the same files: one of those goes on.
 * from: Ollama 0.33 (server/routes.go, api/types.go): fields and words of the lines
 */
#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"

enum { EACH_MS = 100 }; /* no more lines of one file than that */

typedef struct moving {
    hl_exchange *x;
    char        *name;
    bool         insecure, is_push, is_stream;
    int64_t      said_ns;
    char         last[128]; /* the status of the line before */
} moving;

static void free_moving(void *user) {
    moving *m = user;
    hl_free(m->name);
    hl_free(m);
}

static bool on_progress(void *user, const hl_transfer_progress *p) {
    moving       *m = user;
    const int64_t now = hl_clock_ns();
    const bool    is_end = p->total_bytes > 0 && p->done_bytes >= p->total_bytes;
    if (!m->is_stream) return !hl_stop_is_set(&m->x->must_stop);
    if (strcmp(m->last, p->status) == 0 && !is_end && now - m->said_ns < (int64_t)EACH_MS * 1000000)
        return !hl_stop_is_set(&m->x->must_stop);
    (void)snprintf(m->last, sizeof m->last, "%s", p->status);
    m->said_ns = now;
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "status", p->status);
    if (*p->digest) hl_json_add_text(&j, "digest", p->digest);
    if (p->total_bytes > 0) hl_json_add_int(&j, "total", (int64_t)p->total_bytes);
    if (p->total_bytes > 0 && p->done_bytes > 0) hl_json_add_int(&j, "completed", (int64_t)p->done_bytes);
    hl_json_close(&j, '}');
    const bool goes_on = !j.text.failed && hl_feed_add(m->x, hl_str_view(&j.text));
    hl_json_done(&j);
    return goes_on;
}

static hl_status move(hl_exchange *x, void *user, hl_err *err) {
    moving *m = user;
    if (m->is_push) {
        const hl_push_options o = {.insecure = m->insecure, .progress = on_progress, .user = m};
        return hl_host_push(x->server->host, m->name, &o, err);
    }
    const hl_pull_options o = {.insecure = m->insecure, .progress = on_progress, .user = m};
    hl_err                why = {0};
    const hl_status       status = hl_host_pull(x->server->host, m->name, &o, NULL, &why);
    if (status == HL_OK) return HL_OK;
    /* what the registry sends is not the mistake of who asked for it */
    return hl_fail(err, status == HL_E_FORMAT ? HL_E_NET : status, "%s", why.text);
}

static hl_status begin(hl_exchange *x, bool is_push, hl_err *err) {
    json_t     *body = NULL;
    const char *name = NULL;
    bool        insecure = false, stream = true;
    moving     *m = NULL;
    hl_status   status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_ollama_read_name(body, &name, err);
    if (status == HL_OK) status = hl_field_bool(body, "insecure", &insecure, err);
    if (status == HL_OK) status = hl_field_bool(body, "stream", &stream, err);
    if (status == HL_OK) status = hl_host_check_online(x->server->host, name, err);
    if (status == HL_OK) {
        m = hl_new(1, sizeof *m);
        if (m)
            *m = (moving){.x = x,
                          .name = hl_strdup(name),
                          .insecure = insecure,
                          .is_push = is_push,
                          .is_stream = stream};
        if (!m || !m->name) status = hl_fail(err, HL_E_NOMEM, "no memory");
    }
    json_decref(body);
    if (status == HL_OK && stream) {
        hl_feed_start(x, move, m, free_moving);
        return HL_OK;
    }
    if (status == HL_OK) status = move(x, m, err);
    if (m) free_moving(m);
    if (status != HL_OK) return status;
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_text(&x->out, "status", "success");
    hl_json_close(&x->out, '}');
    return HL_OK;
}

hl_status hl_api_pull(hl_exchange *x, hl_err *err) { return begin(x, false, err); }
hl_status hl_api_push(hl_exchange *x, hl_err *err) { return begin(x, true, err); }
