/* SPDX-License-Identifier: MIT
 *
 * http_client.c - libcurl, one transfer at a time on the thread that asks.
 */
#include "core/net/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/file.h"
#include "core/base/stop.h"
#include "core/net/open_socket.h"
#include "core/net/retry_after.h"

enum { LOOK_MS = 100, MAX_HEAD_BYTES = 64 << 10 };

typedef struct transfer {
    const hl_http_call *call;
    CURL               *curl;
    hl_str             *body;
    size_t              n_head;      /* bytes of headers so far */
    bool                was_refused; /* by on_body() */
    int                 no_socket;   /* errno of a socket that could not be made */
    char                detail[CURL_ERROR_SIZE];
} transfer;

static size_t take(char *bytes, size_t size, size_t n, void *user) {
    transfer *t = user;
    long      code = 0;
    if (t->call->on_body) (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    if (t->call->on_body && code < 300) {
        t->was_refused = !t->call->on_body(t->call->user, (hl_view){bytes, size * n});
        return t->was_refused ? 0 : size * n;
    }
    hl_str_add(t->body, bytes, size * n);
    return t->body->failed ? 0 : size * n;
}

/* "Name: value\r\n" with this name: the value. */
static bool find_value(hl_view line, const char *name, hl_view *ret) {
    const size_t n = strlen(name);
    if (line.len <= n || strncasecmp(line.ptr, name, n) != 0 || line.ptr[n] != ':') return false;
    size_t from = n + 1, to = line.len;
    while (from < to && (line.ptr[from] == ' ' || line.ptr[from] == '\t')) from++;
    while (to > from && (unsigned char)line.ptr[to - 1] <= ' ') to--;
    *ret = (hl_view){line.ptr + from, to - from};
    return true;
}

static void take_content_type(hl_http_head *head, hl_view value) {
    const size_t n = value.len < sizeof head->content_type ? value.len : sizeof head->content_type - 1;
    for (size_t i = 0; i < n; i++) {
        const char c = value.ptr[i];
        head->content_type[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    head->content_type[n] = '\0';
}

static size_t take_header(char *bytes, size_t size, size_t n, void *user) {
    transfer     *t = user;
    hl_http_head *head = t->call->head;
    const hl_view line = {bytes, size * n};
    hl_view       value;
    t->n_head += line.len;
    if (t->n_head > MAX_HEAD_BYTES) return 0;
    if (!head) return line.len;
    if (line.len > 5 && memcmp(bytes, "HTTP/", 5) == 0) *head = (hl_http_head){.retry_after_ms = -1};
    if (find_value(line, "content-type", &value)) take_content_type(head, value);
    if (find_value(line, "retry-after", &value)) head->retry_after_ms = hl_retry_after_ms(value);
    return line.len;
}

/* One header more. NULL: no memory, and the others are gone, too. */
static struct curl_slist *add_header(struct curl_slist *headers, const char *text) {
    struct curl_slist *more = headers ? curl_slist_append(headers, text) : NULL;
    if (!more) curl_slist_free_all(headers);
    return more;
}

/* The headers of a call, to be freed with curl_slist_free_all(); NULL: no memory. Without an empty "Expect:"
 * curl asks before it sends a long body, and waits a second where nobody answers that. */
static struct curl_slist *make_headers(const hl_http_call *call) {
    struct curl_slist *headers =
        curl_slist_append(NULL, call->body.ptr ? "Content-Type: application/json" : "Accept: */*");
    hl_str line;
    headers = add_header(headers, "Expect:");
    for (size_t i = 0; i < call->n_headers; i++) headers = add_header(headers, call->headers[i]);
    if (!headers || !call->key || !*call->key) return headers;
    hl_str_init(&line, SIZE_MAX);
    hl_str_add_format(&line, "Authorization: Bearer %s", call->key);
    struct curl_slist *all = line.failed ? NULL : curl_slist_append(headers, hl_str_text(&line));
    hl_str_done(&line);
    if (!all) curl_slist_free_all(headers);
    return all;
}

static hl_status explain(CURLcode rc, const transfer *t, hl_err *err) {
    const char *url = t->call->url;
    if (t->was_refused) return hl_fail(err, HL_E_CANCEL, "%s: stopped", url);
    if (rc == CURLE_OUT_OF_MEMORY) return hl_fail(err, HL_E_NOMEM, "%s: no memory", url);
    if (rc == CURLE_COULDNT_CONNECT && hl_errno_io(t->no_socket) == HL_E_BUSY)
        return hl_fail(err, HL_E_BUSY, "%s: %s", url, strerror(t->no_socket));
    if (rc == CURLE_WRITE_ERROR && t->n_head > MAX_HEAD_BYTES)
        return hl_fail(err, HL_E_NET, "%s: its headers have more than %d bytes", url, (int)MAX_HEAD_BYTES);
    if (rc == CURLE_WRITE_ERROR && t->body->failed) return hl_str_check(t->body, "answer", err);
    if (rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_SSL_CACERT_BADFILE)
        return hl_fail(
            err, HL_E_AUTH,
            "%s: the server's certificate is not trusted (%s); SSL_CERT_FILE names the authorities "
            "that are",
            url, *t->detail ? t->detail : curl_easy_strerror(rc));
    return hl_fail(err, HL_E_NET, "%s: %s", url, *t->detail ? t->detail : curl_easy_strerror(rc));
}

static void set_options(transfer *t, struct curl_slist *headers) {
    const hl_http_call *call = t->call;
    CURL               *c = t->curl;
    hl_curl_note_socket_errors(t->curl, &t->no_socket);
    hl_curl_leave_names(t->curl);
    (void)curl_easy_setopt(c, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(c, CURLOPT_PROXY, "");
    if (call->trusts_all) (void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    if (call->trusts_all) (void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    if (call->ca_file) (void)curl_easy_setopt(c, CURLOPT_CAINFO, call->ca_file);
    if (call->unix_path) (void)curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, call->unix_path);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->detail);
    (void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)(call->connect_ms > 0 ? call->connect_ms : 2000));
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)call->total_ms);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (!call->body.ptr) return;
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body.ptr);
}

/* Until the transfer has ended; CURLE_ABORTED_BY_CALLBACK: somebody asked to stop. */
static CURLcode run(CURLM *m, const hl_http_call *call) {
    int n_running = 1, n_left = 0;
    while (n_running > 0) {
        if (call->is_over ? call->is_over(call->user) : hl_stop_asked()) return CURLE_ABORTED_BY_CALLBACK;
        if (curl_multi_perform(m, &n_running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
        if (n_running > 0 && curl_multi_poll(m, NULL, 0, LOOK_MS, NULL) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
    }
    const CURLMsg *end = curl_multi_info_read(m, &n_left);
    return end ? end->data.result : CURLE_OUT_OF_MEMORY;
}

hl_status hl_http_ask(const hl_http_call *call, hl_str *ret_body, int *ret_code, hl_err *err) {
    transfer           t = {.call = call, .curl = curl_easy_init(), .body = ret_body};
    CURLM             *m = curl_multi_init();
    struct curl_slist *headers = t.curl ? make_headers(call) : NULL;
    CURLcode           rc = CURLE_OUT_OF_MEMORY;
    long               code = 0;
    if (m && headers) {
        set_options(&t, headers);
        if (curl_multi_add_handle(m, t.curl) == CURLM_OK) {
            rc = run(m, call);
            (void)curl_multi_remove_handle(m, t.curl);
        }
        (void)curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &code);
        if (code > 0) *ret_code = (int)code;
    }
    hl_status status = HL_OK;
    if (rc == CURLE_ABORTED_BY_CALLBACK)
        status = hl_fail(err, HL_E_CANCEL, "%s: stopped", call->url);
    else if (rc != CURLE_OK)
        status = explain(rc, &t, err);
    curl_slist_free_all(headers);
    curl_easy_cleanup(t.curl);
    (void)curl_multi_cleanup(m);
    return status;
}

const char *hl_http_unix_path(const char *address) {
    if (strncmp(address, "unix:", 5) != 0) return NULL;
    return address + (strncmp(address + 5, "//", 2) == 0 ? 7 : 5);
}

hl_status hl_http_base_url(const char *address, char *ret, size_t cap, hl_err *err) {
    if (hl_http_unix_path(address)) address = "http://localhost";
    const char  *scheme = strstr(address, "://"), *host = scheme ? scheme + 3 : address;
    const size_t n = strcspn(host, "/");
    const char  *bracket = memchr(host, ']', n), *from = bracket ? bracket : host, *colon = NULL;
    int          n_colons = 0;
    for (const char *p = from; p < host + n; p++)
        if (*p == ':') colon = p, n_colons++;
    const bool   is_bare_ip6 = !bracket && n_colons > 1;
    const size_t n_host = colon && !is_bare_ip6 ? (size_t)(colon - host) : n;
    const char  *name = host;
    size_t       n_name = n_host;
    if (n_host == 0 || (n_host == 7 && memcmp(host, "0.0.0.0", 7) == 0)) name = "127.0.0.1", n_name = 9;
    if ((n_host == 4 && memcmp(host, "[::]", 4) == 0) || (is_bare_ip6 && n_host == 2))
        name = "[::1]", n_name = 5;
    const char *port = colon && !is_bare_ip6 ? colon : scheme ? "" : ":11434";
    const int   n_port = colon && !is_bare_ip6 ? (int)(host + n - colon) : (int)strlen(port);
    const bool  brackets = is_bare_ip6 && name[0] != '[';
    const int   written = snprintf(ret, cap, "%.*s%s%.*s%s%.*s", scheme ? (int)(host - address) : 7,
                                 scheme ? address : "http://", brackets ? "[" : "", (int)n_name, name,
                                 brackets ? "]" : "", n_port, port);
    if (written < 0 || (size_t)written >= cap) return hl_fail(err, HL_E_LIMIT, "server.host: too long");
    return HL_OK;
}
