/* SPDX-License-Identifier: MIT
 *
 * transfers.c - libcurl's multi interface, and its redirects followed by our rules.
 */
#include "core/net/transfers.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/net/open_socket.h"
#include "core/net/url.h"

enum {
    LOOK_MS = 100,
    MAX_REDIRECTS = 10,
    MAX_HEADER_BYTES = 128 << 10,
    BODY_BYTES = 64 << 10,
    BUFFER_BYTES = 256 << 10, /* what one look at a socket may bring */
};

struct hl_net {
    hl_net_options options;
    CURLM         *multi;
    size_t         n_active;
};

struct hl_transfer {
    hl_net            *net;
    hl_net_call        call;
    CURL              *curl;
    struct curl_slist *plain, *headers; /* the call's; those of the request under way */
    char              *url, *authorization, *method;
    hl_http_reply      answer;
    int                n_redirects;
    int                no_socket; /* errno of a socket that could not be made */
    bool               is_active, is_over;
    bool               has_head;      /* on_head() was called */
    bool      was_refused, is_secret; /* by the caller's functions; the authorization is still shown */
    hl_status status;
    hl_err    err;
    char      detail[CURL_ERROR_SIZE];
};

hl_status hl_net_new(const hl_net_options *options, hl_net **ret_net, hl_err *err) {
    hl_net *net = hl_new(1, sizeof *net);
    if (net) net->multi = curl_multi_init();
    if (!net || !net->multi) {
        hl_free(net);
        return hl_fail(err, HL_E_NOMEM, "network: no memory");
    }
    net->options = *options;
    *ret_net = net;
    return HL_OK;
}

void hl_net_free(hl_net *net) {
    if (!net) return;
    (void)curl_multi_cleanup(net->multi);
    hl_free(net);
}

/* ---- Answers ---- */

hl_view hl_http_reply_header(const hl_http_reply *a, const char *name, size_t n) {
    const hl_view all = hl_str_view(&a->headers);
    const size_t  n_name = strlen(name);
    for (size_t i = 0; i < all.len;) {
        const char  *line = all.ptr + i, *end = memchr(line, '\n', all.len - i);
        const size_t len = end ? (size_t)(end - line) : all.len - i;
        i += len + 1;
        if (len <= n_name || line[n_name] != ':' || strncasecmp(line, name, n_name) != 0) continue;
        if (n-- == 0) return hl_view_trim((hl_view){line + n_name + 1, len - n_name - 1});
    }
    return (hl_view){0};
}

static int code_of(const hl_transfer *t) {
    long code = 0;
    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    return (int)code;
}

/* The lines of the last response only: a proxy's or a 100 may come before it. */
static size_t take_header(char *bytes, size_t size, size_t n, void *user) {
    hl_transfer *t = user;
    hl_str      *to = &t->answer.headers;
    n *= size;
    if (n >= 5 && memcmp(bytes, "HTTP/", 5) == 0) hl_str_clear(to);
    hl_str_add(to, bytes, n);
    return to->failed ? 0 : n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user) {
    hl_transfer       *t = user;
    const hl_net_call *call = &t->call;
    hl_str            *body = &t->answer.body;
    t->answer.code = code_of(t);
    n *= size;
    if (t->answer.code >= 300 || !call->on_body) {
        const size_t room = body->limit_bytes - body->len;
        hl_str_add(body, bytes, n < room ? n : room);
        if (body->failed) return 0;
        /* of an error, enough was heard; of what was asked for, a part is none */
        return n <= room || t->answer.code >= 300 ? n : 0;
    }
    if (!t->has_head && call->on_head) t->was_refused = !call->on_head(call->user, &t->answer);
    t->has_head = true;
    if (!t->was_refused) t->was_refused = !call->on_body(call->user, (hl_view){bytes, n});
    return t->was_refused ? 0 : n;
}

static size_t give_body(char *buf, size_t size, size_t n, void *user) {
    hl_transfer *t = user;
    const size_t got = t->call.read(t->call.user, buf, size * n);
    if (got != SIZE_MAX) return got;
    t->was_refused = true;
    return CURL_READFUNC_ABORT;
}

/* ---- One request ---- */

static hl_status add_line(struct curl_slist **list, const char *line, hl_err *err) {
    struct curl_slist *all = curl_slist_append(*list, line);
    if (!all) return hl_fail(err, HL_E_NOMEM, "network: no memory");
    *list = all;
    return HL_OK;
}

/* What the call says stays for the requests after redirects. */
static hl_status copy_headers(hl_transfer *t, hl_err *err) {
    hl_status status = add_line(&t->plain, t->call.may_be_refused ? "Expect: 100-continue" : "Expect:", err);
    for (size_t i = 0; status == HL_OK && t->call.headers && t->call.headers[i]; i++)
        status = add_line(&t->plain, t->call.headers[i], err);
    t->call.headers = NULL;
    return status;
}

static hl_status make_headers(hl_transfer *t, hl_err *err) {
    hl_str    line;
    hl_status status = HL_OK;
    for (const struct curl_slist *l = t->plain; l && status == HL_OK; l = l->next)
        status = add_line(&t->headers, l->data, err);
    if (status != HL_OK || !t->is_secret) return status;
    hl_str_init(&line, SIZE_MAX);
    hl_str_add_format(&line, "Authorization: %s", t->authorization);
    status = line.failed ? hl_fail(err, HL_E_NOMEM, "network: no memory")
                         : add_line(&t->headers, hl_str_text(&line), err);
    hl_str_done(&line);
    return status;
}

static void set_body(hl_transfer *t) {
    const hl_net_call *call = &t->call;
    CURL              *c = t->curl;
    if (call->read) {
        (void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
        (void)curl_easy_setopt(c, CURLOPT_READDATA, t);
        (void)curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->n_read_bytes);
        (void)curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
    } else if (call->body.ptr) {
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body.ptr);
    }
    if (strcmp(t->method, "HEAD") == 0)
        (void)curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else
        (void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method);
}

static void set_options(hl_transfer *t) {
    const hl_net_options *o = &t->net->options;
    CURL                 *c = t->curl;
    const int64_t         stall_ms = o->stall_ms > 0 ? o->stall_ms : 30000;
    hl_curl_note_socket_errors(c, &t->no_socket);
    hl_curl_leave_names(c);
    (void)curl_easy_setopt(c, CURLOPT_URL, t->url);
    (void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(c, CURLOPT_HTTP_VERSION,
                           CURL_HTTP_VERSION_1_1); /* ranges by sockets of their own */
    (void)curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->detail);
    (void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_ms > 0 ? o->connect_ms : 15000));
    (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)((stall_ms + 999) / 1000));
    (void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    (void)curl_easy_setopt(c, CURLOPT_USERAGENT, o->user_agent ? o->user_agent : "hyperlama/" HL_VERSION);
    if (o->ca_file && *o->ca_file) (void)curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
    if (t->call.trusts_anybody) {
        (void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    (void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(c, CURLOPT_PRIVATE, t);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
    set_body(t);
}

/* The rate is shared by those that are under way when it is set. */
static void share_rate(hl_net *net, hl_transfer *t) {
    if (net->options.max_bytes_s <= 0) return;
    const int64_t each = net->options.max_bytes_s / (int64_t)(net->n_active > 0 ? net->n_active : 1);
    (void)curl_easy_setopt(t->curl, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)(each > 0 ? each : 1));
    (void)curl_easy_setopt(t->curl, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)(each > 0 ? each : 1));
}

static void leave(hl_transfer *t) {
    if (!t->is_active) return;
    (void)curl_multi_remove_handle(t->net->multi, t->curl);
    t->is_active = false;
    t->net->n_active--;
}

static hl_status enter(hl_transfer *t, hl_err *err) {
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    hl_status status = make_headers(t, err);
    if (status != HL_OK) return status;
    curl_easy_reset(t->curl);
    set_options(t);
    t->net->n_active++;
    share_rate(t->net, t);
    t->is_active = true;
    if (curl_multi_add_handle(t->net->multi, t->curl) == CURLM_OK) return HL_OK;
    t->is_active = false;
    t->net->n_active--;
    return hl_fail(err, HL_E_NOMEM, "network: no memory");
}

hl_status hl_transfer_start(hl_net *net, const hl_net_call *call, hl_transfer **ret_transfer, hl_err *err) {
    hl_url       u;
    hl_transfer *t = NULL;
    hl_status    status = hl_url_parse(call->url, &u, err);
    hl_url_done(&u);
    if (status != HL_OK) return status;
    t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "network: no memory");
    t->net = net;
    t->call = *call;
    hl_str_init(&t->answer.headers, MAX_HEADER_BYTES);
    hl_str_init(&t->answer.body, call->body_limit ? call->body_limit : BODY_BYTES);
    t->curl = curl_easy_init();
    t->url = hl_strdup(call->url);
    t->method = hl_strdup(call->method);
    t->authorization = call->authorization ? hl_strdup(call->authorization) : NULL;
    t->is_secret = t->authorization != NULL;
    if (!t->curl || !t->url || !t->method || (call->authorization && !t->authorization))
        status = hl_fail(err, HL_E_NOMEM, "network: no memory");
    if (status == HL_OK) status = copy_headers(t, err);
    if (status == HL_OK) status = enter(t, err);
    if (status != HL_OK) {
        hl_transfer_free(t);
        return status;
    }
    t->answer.url = t->url;
    *ret_transfer = t;
    return HL_OK;
}

void hl_transfer_free(hl_transfer *t) {
    if (!t) return;
    leave(t);
    if (t->curl) curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->plain);
    hl_str_done(&t->answer.headers);
    hl_str_done(&t->answer.body);
    if (t->authorization) explicit_bzero(t->authorization, strlen(t->authorization));
    hl_free(t->authorization);
    hl_free(t->url);
    hl_free(t->method);
    hl_free(t);
}

bool                 hl_transfer_is_over(const hl_transfer *t) { return t->is_over; }
const hl_http_reply *hl_transfer_reply(const hl_transfer *t) { return &t->answer; }

hl_status hl_transfer_status(const hl_transfer *t, hl_err *err) {
    if (t->status == HL_OK) return HL_OK;
    return hl_fail(err, t->status, "%s", t->err.text);
}

/* ---- The end of a request ---- */

static void end(hl_transfer *t, hl_status status, const char *why) {
    hl_str shown;
    hl_str_init(&shown, SIZE_MAX);
    hl_url_add_shown(&shown, t->url);
    t->is_over = true;
    t->status = status;
    if (status != HL_OK) (void)hl_fail(&t->err, status, "%.300s: %s", hl_str_text(&shown), why);
    hl_str_done(&shown);
}

static void end_failed(hl_transfer *t, CURLcode rc) {
    const hl_str *body = &t->answer.body;
    const char   *why = *t->detail ? t->detail : curl_easy_strerror(rc);
    if (t->was_refused)
        end(t, HL_E_CANCEL, "stopped");
    else if (rc == CURLE_COULDNT_CONNECT && hl_errno_io(t->no_socket) == HL_E_BUSY)
        end(t, HL_E_BUSY, strerror(t->no_socket));
    else if (rc == CURLE_OUT_OF_MEMORY || body->lacks_memory || t->answer.headers.lacks_memory)
        end(t, HL_E_NOMEM, "no memory");
    else if (rc == CURLE_WRITE_ERROR && t->answer.headers.failed)
        end(t, HL_E_LIMIT, "its headers are too long");
    else if (rc == CURLE_WRITE_ERROR)
        end(t, HL_E_LIMIT, "the answer is longer than it may be");
    else if (rc == CURLE_OPERATION_TIMEDOUT && t->answer.headers.len > 0)
        end(t, HL_E_NET, "nothing came for too long");
    else if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE) {
        hl_str s;
        hl_str_init(&s, SIZE_MAX);
        hl_str_add_format(&s,
                          "%s; authorities of your own go into SSL_CERT_FILE (or registry.ca_file), and "
                          "--insecure with https:// in front of the name trusts anybody",
                          why);
        end(t, HL_E_NET, hl_str_text(&s));
        hl_str_done(&s);
    } else if (rc == CURLE_SSL_CONNECT_ERROR) {
        hl_str s;
        hl_str_init(&s, SIZE_MAX);
        hl_str_add_format(
            &s, "%s; if the server speaks plain http, say http:// in front of the name, and --insecure", why);
        end(t, HL_E_NET, hl_str_text(&s));
        hl_str_done(&s);
    } else
        end(t, HL_E_NET, why);
}

static bool is_redirect(int code) {
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/* Go where the answer says. The authorization comes along only within its origin. */
static hl_status follow(hl_transfer *t, hl_err *err) {
    char         *to = NULL;
    hl_url        old = {0}, new = {0};
    const hl_view location = hl_http_reply_header(&t->answer, "Location", 0);
    hl_str        text;
    if (++t->n_redirects > MAX_REDIRECTS)
        return hl_fail(err, HL_E_NET, "it redirected more than %d times", MAX_REDIRECTS);
    hl_str_init(&text, HL_URL_MOST_BYTES);
    hl_str_add_view(&text, location);
    hl_status status = hl_url_parse(t->url, &old, err);
    if (status == HL_OK) status = hl_str_check(&text, "Location", err);
    if (status == HL_OK) status = hl_url_resolve(t->url, hl_str_text(&text), &to, err);
    if (status == HL_OK) status = hl_url_parse(to, &new, err);
    if (status == HL_OK && old.is_https && !new.is_https)
        status = hl_fail(err, HL_E_NET, "it redirected from https to http (%s): refused", new.host);
    if (status == HL_OK) {
        if (strcmp(old.origin, new.origin) != 0) t->is_secret = false;
        if (t->answer.code == 303 && strcmp(t->method, "HEAD") != 0) {
            (void)memcpy(t->method, "GET", 4); /* every method has three letters at least */
            t->call.body = (hl_view){0};
            t->call.read = NULL;
        }
        hl_free(t->url);
        t->url = to;
        t->answer.url = to;
        to = NULL;
        hl_str_clear(&t->answer.headers);
        hl_str_clear(&t->answer.body);
        t->answer.code = 0;
        status = enter(t, err);
    }
    hl_free(to);
    hl_url_done(&old);
    hl_url_done(&new);
    hl_str_done(&text);
    return status;
}

static void finish(hl_transfer *t, CURLcode rc) {
    hl_err err = {0};
    t->answer.code = code_of(t);
    leave(t);
    if (rc != CURLE_OK) {
        end_failed(t, rc);
        return;
    }
    const hl_view location = hl_http_reply_header(&t->answer, "Location", 0);
    if (!t->call.stays && is_redirect(t->answer.code) && location.len > 0) {
        const hl_status status = follow(t, &err);
        if (status != HL_OK) end(t, status == HL_E_ARG ? HL_E_NET : status, err.text);
        return;
    }
    end(t, HL_OK, "");
}

hl_status hl_net_step(hl_net *net, int wait_ms, hl_err *err) {
    int n_running = 0, n_left = 0;
    if (curl_multi_perform(net->multi, &n_running) != CURLM_OK)
        return hl_fail(err, HL_E_NOMEM, "network: no memory");
    bool any = false;
    for (const CURLMsg *m; (m = curl_multi_info_read(net->multi, &n_left));) {
        hl_transfer *t = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode rc = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        finish(t, rc);
        any = true;
    }
    if (any || n_running == 0) return HL_OK; /* there is something to look at first */
    return curl_multi_poll(net->multi, NULL, 0, wait_ms, NULL) == CURLM_OK
               ? HL_OK
               : hl_fail(err, HL_E_NOMEM, "network: no memory");
}

hl_status hl_net_ask(hl_net *net, const hl_net_call *call, hl_transfer **ret_transfer, hl_err *err) {
    hl_transfer *t = NULL;
    hl_status    status = hl_transfer_start(net, call, &t, err);
    while (status == HL_OK && !t->is_over) {
        status = hl_stop_check("network", err);
        if (status == HL_OK) status = hl_net_step(net, LOOK_MS, err);
    }
    if (status == HL_OK) status = hl_transfer_status(t, err);
    if (status != HL_OK) {
        hl_transfer_free(t);
        return status;
    }
    *ret_transfer = t;
    return HL_OK;
}
