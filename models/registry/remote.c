/* SPDX-License-Identifier: MIT
 *
 * remote.c - where a registry is, and requests that are tried again.
 */
#define _GNU_SOURCE
#include "models/registry/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/data/json.h"
#include "core/net/retry_after.h"
#include "core/net/url.h"

enum { TRIES = 5, FIRST_WAIT_MS = 200, LONGEST_WAIT_MS = 300000 };

static hl_status make_net(hl_remote *r, hl_err *err) {
    const hl_remote_options *o = r->options;
    r->net_options =
        (hl_net_options){.ca_file = o->ca_file, .stall_ms = o->stall_ms, .max_bytes_s = o->max_bytes_s};
    return hl_net_new(&r->net_options, &r->net, err);
}

static hl_status check_scheme(const hl_remote *r, bool is_https, bool insecure, hl_err *err) {
    if (is_https || insecure) return HL_OK;
    return hl_fail(err, HL_E_ARG,
                   "insecure protocol http: %s would be asked without encryption; --insecure allows it",
                   r->host);
}

hl_status hl_remote_init_url(hl_remote *r, const hl_remote_options *options, const hl_events *events,
                             const char *url, const char *token, bool insecure, hl_err *err) {
    hl_url u;
    hl_str text;
    *r = (hl_remote){.options = options, .events = events, .actions = "pull", .trusts_anybody = insecure};
    hl_status status = hl_url_parse(url, &u, err);
    if (status == HL_OK && !(r->host = hl_strdup(u.host))) status = hl_fail(err, HL_E_NOMEM, "no memory");
    if (status == HL_OK && !(r->base = hl_strdup(url))) status = hl_fail(err, HL_E_NOMEM, "no memory");
    for (size_t n = status == HL_OK ? strlen(r->base) : 0; n > 0 && r->base[n - 1] == '/'; n--)
        r->base[n - 1] = '\0';
    if (status == HL_OK) status = check_scheme(r, u.is_https, insecure, err);
    if (status == HL_OK && token && *token) {
        hl_str_init(&text, SIZE_MAX);
        hl_str_add_format(&text, "Bearer %s", token);
        r->authorization = hl_str_take(&text);
        if (!r->authorization) status = hl_fail(err, HL_E_NOMEM, "no memory");
    }
    hl_url_done(&u);
    return status == HL_OK ? make_net(r, err) : status;
}

hl_status hl_remote_init_registry(hl_remote *r, const hl_remote_options *options, const hl_events *events,
                                  const hl_ref *ref, bool insecure, bool pushes, hl_err *err) {
    char       base[HL_NAME_HOST_BYTES + 16];
    const bool is_http = ref->has_scheme ? ref->is_http : insecure;
    (void)snprintf(base, sizeof base, "%s://%s", is_http ? "http" : "https", ref->name.host);
    hl_status status = hl_remote_init_url(r, options, events, base, NULL, insecure, err);
    if (status != HL_OK) return status;
    (void)snprintf(r->repository, sizeof r->repository, "%s/%s", ref->name.space, ref->name.model);
    if (pushes) r->actions = "pull,push";
    hl_free(r->host);
    r->host = hl_strdup(ref->name.host);
    return r->host ? HL_OK : hl_fail(err, HL_E_NOMEM, "no memory");
}

void hl_remote_done(hl_remote *r) {
    hl_net_free(r->net);
    if (r->authorization) explicit_bzero(r->authorization, strlen(r->authorization));
    hl_free(r->authorization);
    hl_free(r->base);
    hl_free(r->host);
    *r = (hl_remote){0};
}

/* ---- requests ---- */

static hl_status wait_ms(int64_t ms, hl_err *err) {
    hl_status status = HL_OK;
    for (; ms > 0 && status == HL_OK; ms -= 50) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
        status = hl_stop_check("wait for the server", err);
    }
    return status;
}

int64_t hl_remote_asked_wait_ms(const hl_http_reply *a) {
    const int64_t ms = hl_retry_after_ms(hl_http_reply_header(a, "Retry-After", 0));
    return ms < 0 ? 0 : ms < LONGEST_WAIT_MS ? ms : LONGEST_WAIT_MS;
}

bool hl_remote_read_range(const hl_http_reply *a, uint64_t *ret_from, uint64_t *ret_to, uint64_t *ret_size) {
    hl_view v = hl_http_reply_header(a, "Content-Range", 0);
    *ret_size = UINT64_MAX;
    if (!hl_view_take(&v, "bytes ") || !hl_view_take_u64(&v, ret_from) || !hl_view_take(&v, "-") ||
        !hl_view_take_u64(&v, ret_to) || !hl_view_take(&v, "/"))
        return false;
    return *ret_from <= *ret_to && (hl_view_is(v, "*") || hl_view_take_u64(&v, ret_size));
}

uint64_t hl_remote_read_length(const hl_http_reply *a) {
    hl_view  v = hl_http_reply_header(a, "Content-Length", 0);
    uint64_t n;
    return hl_view_take_u64(&v, &n) && v.len == 0 ? n : UINT64_MAX;
}

bool hl_remote_is_encoded(const hl_http_reply *a) {
    const hl_view encoding = hl_http_reply_header(a, "Content-Encoding", 0);
    return encoding.len > 0 && !hl_view_is(encoding, "identity");
}

hl_status hl_remote_fail(const hl_http_reply *a, const char *what, hl_err *err) {
    json_t         *root = NULL;
    const char     *said = NULL;
    const int       code = a->code;
    const hl_status status = code == 404                  ? HL_E_NOT_FOUND
                             : code == 401 || code == 403 ? HL_E_AUTH
                             : code == 413                ? HL_E_LIMIT
                                                          : HL_E_NET;
    if (hl_json_parse(hl_str_view(&a->body), "answer", &root, NULL) == HL_OK) {
        const json_t *first = json_array_get(json_object_get(root, "errors"), 0); /* OCI's form */
        said = hl_json_text(first, "message");
        if (!said) said = hl_json_text(root, "error");
        if (!said) said = hl_json_text(root, "message");
    }
    const int64_t wait_ms = hl_remote_asked_wait_ms(a);
    char          advice[64] = "";
    if (wait_ms > 0)
        (void)snprintf(advice, sizeof advice, "; it asks to come back in %" PRId64 " s", wait_ms / 1000);
    (void)hl_fail(err, status, "%s: the server answered %d%s%.200s%s", what, code, said ? ": " : "",
                  said ? said : "", advice);
    json_decref(root);
    return status;
}

static bool may_try_again(int code) { return code == 408 || code == 425 || code == 429 || code >= 500; }

hl_status hl_remote_ask(hl_remote *r, const hl_net_call *call, hl_transfer **ret_transfer, hl_err *err) {
    hl_net_call again = *call;
    int64_t     pause_ms = FIRST_WAIT_MS;
    bool        was_refused = false;
    for (int i = 1;; i++, pause_ms *= 3) {
        hl_transfer *t = NULL;
        hl_err       why = {0};
        again.authorization = r->authorization;
        again.trusts_anybody = r->trusts_anybody;
        hl_status            status = hl_net_ask(r->net, &again, &t, &why);
        const hl_http_reply *a = t ? hl_transfer_reply(t) : NULL;
        int64_t              asked_ms = 0;
        if (status == HL_OK && (a->code == 401 || (a->code == 403 && r->repository[0])) && !was_refused) {
            was_refused = true;
            status = hl_remote_renew(r, a, err);
            hl_transfer_free(t);
            if (status != HL_OK) return status;
            continue;
        }
        if (status == HL_OK && a->code == 401 &&
            strncmp(r->authorization ? r->authorization : "", "Basic", 5) == 0)
            status =
                hl_fail(&why, HL_E_AUTH, "%s: user name or password are wrong (registry.auth_file)", r->host);
        if (status == HL_OK && !may_try_again(a->code)) {
            *ret_transfer = t;
            return HL_OK;
        }
        if (status == HL_OK) {
            status = hl_remote_fail(a, r->host, &why);
            asked_ms = hl_remote_asked_wait_ms(a);
        }
        hl_transfer_free(t);
        /* bytes that were read from somewhere cannot be sent again */
        if (status != HL_E_NET || i >= TRIES || call->read) return hl_fail(err, status, "%s", why.text);
        hl_event(r->events, asked_ms ? HL_LOG_WARN : HL_LOG_DEBUG, "models", "request-retry", "why=\"%s\"",
                 why.text);
        status = wait_ms(asked_ms > pause_ms ? asked_ms : pause_ms, err);
        if (status != HL_OK) return status;
    }
}
