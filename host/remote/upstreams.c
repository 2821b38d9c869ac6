/* SPDX-License-Identifier: MIT
 *
 * upstreams.c - reading a remote model's record, and choosing among its servers.
 *
 * Which server has a prompt's beginning in its cache nobody tells us: we remember whom we sent it to, by
 * hashes of its beginnings of 512, 1024, 1536, ... bytes. That is how routers of inference servers do it,
 * too (the approximate prefix cache of the Gateway API inference extension, November 2026).
 */
#include "host/remote/upstreams.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/clock.h"
#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/json.h"
#include "core/net/url.h"

enum {
    STRIDE_BYTES = 512, /* of beginnings that are remembered */
    MOST_STRIDES = 128,
    MUCH_MORE =
        4, /* requests that a server may have more than the least busy one for the sake of its cache */
    FIRST_REST_MS = 1000,
    LONGEST_REST_MS = 60000,
    MOST_REST_MS = 3600 * 1000, /* that a server can ask for */
};

/* ---- The record ---- */

/* A base URL that may be asked: http or https, a host, no user, no question mark. */
static hl_status check_url(const char *url, hl_err *err) {
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;
    if (!host)
        return hl_fail(err, HL_E_ARG, "'%.200s' is no URL of a server, expected http://... or https://...",
                       url);
    const size_t n = strcspn(host, "/");
    if (memchr(host, '@', n))
        return hl_fail(err, HL_E_ARG,
                       "a server's URL holds no user and password (they would be shown): use key_env or "
                       "key_file");
    if (n == 0) return hl_fail(err, HL_E_ARG, "'%.200s' names no host", url);
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127 || *p == '?' || *p == '#' || *p == '\\')
            return hl_fail(err, HL_E_ARG,
                           "'%.200s': white space, '?', '#' and '\\' have no place in a base URL", url);
    hl_url          u;
    const hl_status status = hl_url_parse(url, &u, err); /* ports, addresses */
    hl_url_done(&u);
    return status;
}

static hl_status copy_text(const char *text, char **ret, hl_err *err) {
    *ret = hl_strdup(text);
    return *ret ? HL_OK : hl_fail(err, HL_E_NOMEM, "remote model: no memory");
}

/* A field that may be absent; *ret stays NULL then. */
static hl_status read_text(const json_t *o, const char *key, char **ret, hl_err *err) {
    const json_t *v = json_object_get(o, key);
    if (!v) return HL_OK;
    if (!json_is_string(v) || !*json_string_value(v))
        return hl_fail(err, HL_E_FORMAT, "remote model: %s is not a text", key);
    return copy_text(json_string_value(v), ret, err);
}

static hl_status read_key_file(const char *path, char **ret, hl_err *err) {
    char     *text = NULL;
    size_t    n = 0;
    hl_status status = hl_file_read(path, 4096, &text, &n, err);
    if (status == HL_E_NOT_FOUND) status = HL_E_IO; /* the model is there */
    if (status != HL_OK) return hl_fail_within(err, status, "remote model: key_file");
    const hl_view key = hl_view_trim((hl_view){text, n});
    *ret = hl_strndup(key.ptr, key.len);
    hl_free(text);
    return *ret ? HL_OK : hl_fail(err, HL_E_NOMEM, "remote model: no memory");
}

/* A key goes into a header: a line end in it would be another header. */
static hl_status check_key(const char *key, hl_err *err) {
    if (!*key) return hl_fail(err, HL_E_FORMAT, "remote model: its key is empty");
    for (const char *p = key; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return hl_fail(err, HL_E_FORMAT, "remote model: its key holds white space or control characters");
    return HL_OK;
}

static hl_status read_key(const json_t *o, char *const *envp, hl_upstream *u, hl_err *err) {
    char     *name = NULL, *path = NULL;
    hl_status status = read_text(o, "key_env", &name, err);
    if (status == HL_OK) status = read_text(o, "key_file", &path, err);
    if (status == HL_OK && json_object_get(o, "key"))
        status = hl_fail(
            err, HL_E_FORMAT,
            "remote model: 'key' would be kept in clear: use key_env (a variable's name) or key_file");
    if (status == HL_OK && name) {
        const char *key = hl_env_get(envp, name);
        status = key ? copy_text(key, &u->key, err)
                     : hl_fail(err, HL_E_IO,
                               "remote model: the variable %.100s, which holds its key, is not set", name);
    } else if (status == HL_OK && path) {
        status = read_key_file(path, &u->key, err);
    }
    if (status == HL_OK && u->key) status = check_key(u->key, err);
    hl_free(name);
    hl_free(path);
    return status;
}

static bool is_header_text(const char *text) {
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127) return false;
    return true;
}

/* Those that would be kept in clear, and those that are not ours to set. */
static bool is_refused_header(const char *name) {
    static const char *const names[] = {
        "authorization",  "proxy-authorization", "x-api-key",         "api-key",    "cookie", "host",
        "content-length", "content-type",        "transfer-encoding", "connection", "expect", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

/* Every field is one that we know: a misspelled key would be asked without. */
static hl_status check_fields(const json_t *o, const char *const *known, hl_err *err) {
    const char *name = NULL;
    json_t     *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)o, name, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], name) != 0) i++;
        if (!known[i])
            return hl_fail(err, HL_E_FORMAT, "remote model: '%.100s' is no field of its record", name);
    }
    return HL_OK;
}

static hl_status read_headers(const json_t *o, hl_upstream *u, hl_err *err) {
    const json_t *headers = json_object_get(o, "headers"), *value = NULL;
    const char   *name = NULL;
    if (!headers) return HL_OK;
    if (!json_is_object(headers) || json_object_size(headers) > HL_MOST_HEADERS)
        return hl_fail(err, HL_E_FORMAT, "remote model: headers is not an object of at most %d texts",
                       (int)HL_MOST_HEADERS);
    json_object_foreach((json_t *)(uintptr_t)headers, name, value) {
        hl_str line;
        if (is_refused_header(name))
            return hl_fail(err, HL_E_FORMAT,
                           "remote model: headers.%.100s is not taken: keys go into key_env or key_file",
                           name);
        if (!*name || !json_is_string(value) || strpbrk(name, ": \t") || !is_header_text(name) ||
            !is_header_text(json_string_value(value)))
            return hl_fail(err, HL_E_FORMAT, "remote model: headers.%.100s is no header", name);
        hl_str_init(&line, 8192);
        hl_str_add_format(&line, "%s: %s", name, json_string_value(value));
        const hl_status status = hl_str_check(&line, "headers", err);
        if (status == HL_OK) u->headers[u->n_headers] = hl_str_take(&line);
        hl_str_done(&line);
        if (status != HL_OK) return status;
        if (!u->headers[u->n_headers]) return hl_fail(err, HL_E_NOMEM, "remote model: no memory");
        u->n_headers++;
    }
    return HL_OK;
}

static hl_status read_upstream(const json_t *o, char *const *envp, hl_upstream *u, hl_err *err) {
    static const char *const fields[] = {"url",      "model",   "key",     "key_env",
                                         "key_file", "ca_file", "headers", NULL};
    if (!json_is_object(o)) return hl_fail(err, HL_E_FORMAT, "remote model: an upstream is not an object");
    hl_status status = check_fields(o, fields, err);
    if (status == HL_OK) status = read_text(o, "url", &u->url, err);
    if (status == HL_OK && !u->url)
        status = hl_fail(err, HL_E_FORMAT, "remote model: an upstream has no url");
    if (status == HL_OK) status = check_url(u->url, err);
    if (status == HL_OK) status = read_text(o, "model", &u->model, err);
    if (status == HL_OK && !u->model)
        status = hl_fail(err, HL_E_FORMAT, "remote model: an upstream names no model");
    if (status == HL_OK) status = read_text(o, "ca_file", &u->ca_file, err);
    if (status == HL_OK) status = read_key(o, envp, u, err);
    if (status == HL_OK) status = read_headers(o, u, err);
    for (size_t n = u->url ? strlen(u->url) : 0; n > 0 && u->url[n - 1] == '/'; n--) u->url[n - 1] = '\0';
    return status;
}

static hl_status read_number(const json_t *o, const char *key, int64_t least, int64_t most, int64_t otherwise,
                             int64_t *ret, hl_err *err) {
    const json_t *v = json_object_get(o, key);
    *ret = otherwise;
    if (!v) return HL_OK;
    if (!json_is_integer(v) || json_integer_value(v) < least || json_integer_value(v) > most)
        return hl_fail(err, HL_E_FORMAT, "remote model: %s is no whole number from %lld to %lld", key,
                       (long long)least, (long long)most);
    *ret = json_integer_value(v);
    return HL_OK;
}

static hl_status read_record(const json_t *o, char *const *envp, hl_upstreams *u, hl_err *err) {
    const json_t *list = json_object_get(o, "upstreams");
    int64_t       n_ctx = 0, n_attempts = 0;
    enum { DAY_MS = 24 * 3600 * 1000 };
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > HL_MOST_UPSTREAMS)
        return hl_fail(err, HL_E_FORMAT, "remote model: upstreams is no list of 1 to %d servers",
                       (int)HL_MOST_UPSTREAMS);
    static const char *const fields[] = {"upstreams",      "engine",     "model",
                                         "context_length", "connect_ms", "first_token_ms",
                                         "idle_ms",        "attempts",   NULL};
    hl_status                status = check_fields(o, fields, err);
    if (status == HL_OK) status = read_number(o, "context_length", 1, INT32_MAX, 0, &n_ctx, err);
    if (status == HL_OK) status = read_number(o, "connect_ms", 1, DAY_MS, 5000, &u->connect_ms, err);
    if (status == HL_OK)
        status = read_number(o, "first_token_ms", 1, DAY_MS, 600000, &u->first_token_ms, err);
    if (status == HL_OK) status = read_number(o, "idle_ms", 1, DAY_MS, 300000, &u->idle_ms, err);
    if (status == HL_OK) status = read_number(o, "attempts", 1, 10, 3, &n_attempts, err);
    u->n_ctx = (int32_t)n_ctx;
    u->n_attempts = (int32_t)n_attempts;
    for (size_t i = 0; i < json_array_size(list) && status == HL_OK; i++)
        status = read_upstream(json_array_get(list, i), envp, &u->each[u->n++], err);
    return status;
}

hl_status hl_upstreams_new(const char *json, char *const *envp, const hl_events *events, hl_upstreams **ret,
                           hl_err *err) {
    json_t       *o = NULL;
    hl_upstreams *u = hl_new(1, sizeof *u);
    if (!u) return hl_fail(err, HL_E_NOMEM, "remote model: no memory");
    (void)pthread_mutex_init(&u->lock, NULL);
    u->events = events;
    u->keys = hl_hash_draw_keys();
    hl_status status = hl_json_parse(hl_view_of(json), "remote model", &o, err);
    if (status == HL_OK && !json_is_object(o))
        status = hl_fail(err, HL_E_FORMAT, "remote model: its record is no object");
    if (status == HL_OK) status = read_record(o, envp, u, err);
    json_decref(o);
    if (status == HL_OK)
        *ret = u;
    else
        hl_upstreams_free(u);
    return status;
}

void hl_upstreams_free(hl_upstreams *u) {
    if (!u) return;
    for (size_t i = 0; i < u->n; i++) {
        hl_upstream *s = &u->each[i];
        for (size_t k = 0; k < s->n_headers; k++) hl_free(s->headers[k]);
        hl_free(s->url);
        hl_free(s->model);
        hl_free(s->key);
        hl_free(s->ca_file);
    }
    (void)pthread_mutex_destroy(&u->lock);
    hl_free(u);
}

/* ---- Choosing, under the lock ---- */

/* Hashes of the beginnings of 1, 2, .. strides; each from the one before, so that all take one walk. */
static size_t hash_beginnings(const hl_upstreams *u, hl_view prompt, uint64_t ret[MOST_STRIDES]) {
    size_t   n = 0;
    uint64_t h = 0;
    while (n < MOST_STRIDES && (n + 1) * STRIDE_BYTES <= prompt.len) {
        h = hl_hash_number(u->keys, h ^ hl_hash_bytes(u->keys, prompt.ptr + n * STRIDE_BYTES, STRIDE_BYTES));
        ret[n++] = h;
    }
    return n;
}

enum { N_SEEN = sizeof((hl_upstreams *)0)->seen / sizeof((hl_upstreams *)0)->seen[0] };

/* Who has read the longest beginning of it; n: nobody has read any. */
static size_t find_reader(const hl_upstreams *u, const uint64_t *hashes, size_t n, uint32_t candidates) {
    while (n-- > 0) {
        const uint64_t h = hashes[n];
        const size_t   by = u->seen[h % N_SEEN].by;
        if (by > 0 && u->seen[h % N_SEEN].hash == h && candidates >> (by - 1) & 1) return by - 1;
    }
    return u->n;
}

/* Those that may be asked: not tried, and not left alone; where all are left alone, the one whose time is
 * over first. */
static uint32_t find_candidates(const hl_upstreams *u, uint32_t tried) {
    const int64_t now = hl_clock_ns();
    uint32_t      up = 0;
    size_t        first = u->n;
    for (size_t i = 0; i < u->n; i++) {
        if (tried >> i & 1) continue;
        if (u->each[i].down_until_ns <= now) up |= 1u << i;
        if (first == u->n || u->each[i].down_until_ns < u->each[first].down_until_ns) first = i;
    }
    return up ? up : first < u->n ? 1u << first : 0;
}

hl_status hl_upstreams_pick(hl_upstreams *u, hl_view prompt, uint32_t tried, size_t *ret_i, hl_err *err) {
    uint64_t     hashes[MOST_STRIDES];
    const size_t n = hash_beginnings(u, prompt, hashes);
    (void)pthread_mutex_lock(&u->lock);
    const uint32_t candidates = find_candidates(u, tried);
    size_t         least = u->n;
    for (size_t i = 0; i < u->n; i++) {
        if (!(candidates >> i & 1)) continue;
        if (least == u->n || u->each[i].n_running < u->each[least].n_running) least = i;
    }
    size_t by = find_reader(u, hashes, n, candidates);
    if (least < u->n && (by == u->n || u->each[by].n_running > u->each[least].n_running + MUCH_MORE))
        by = least;
    if (by < u->n) {
        u->each[by].n_running++;
        for (size_t i = 0; i < n; i++) {
            u->seen[hashes[i] % N_SEEN].hash = hashes[i];
            u->seen[hashes[i] % N_SEEN].by = (uint8_t)(by + 1);
        }
    }
    (void)pthread_mutex_unlock(&u->lock);
    if (by == u->n) return hl_fail(err, HL_E_NET, "no other server is left to ask");
    *ret_i = by;
    return HL_OK;
}

void hl_upstreams_done(hl_upstreams *u, size_t i, bool failed, int64_t wait_ms) {
    hl_upstream *s = &u->each[i];
    int64_t      rest_ms = FIRST_REST_MS;
    (void)pthread_mutex_lock(&u->lock);
    s->n_running--;
    s->n_failures = failed ? s->n_failures + 1 : 0;
    for (int32_t k = 1; k < s->n_failures && rest_ms < LONGEST_REST_MS; k++) rest_ms *= 2;
    if (rest_ms > LONGEST_REST_MS) rest_ms = LONGEST_REST_MS;
    if (wait_ms > rest_ms) rest_ms = wait_ms < MOST_REST_MS ? wait_ms : MOST_REST_MS;
    s->down_until_ns = failed ? hl_clock_ns() + rest_ms * 1000000 : 0;
    (void)pthread_mutex_unlock(&u->lock);
    if (failed && u->n > 1)
        hl_event(u->events, HL_LOG_WARN, "host", "upstream-down", "url=\"%s\" rest_ms=%lld", s->url,
                 (long long)rest_ms);
}
