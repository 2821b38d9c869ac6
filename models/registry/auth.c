/* SPDX-License-Identifier: MIT
 *
 * auth.c - what a registry wants before it answers: a password, or a token that another address gives.
 *
 * A password is shown to the registry that it is for, and to an address for tokens only over https (as the
 * registry itself is asked) and within the registry's own domain. A token goes to its registry alone. The key
 * signs one request at a time, which is of no use to anybody who sees it later.
 * from: OCI distribution specification; distribution's "Token Authentication Specification"; RFC 9110,
 * 11.6.1; Ollama (server/auth.go, auth/auth.go): what is signed, and how it is shown
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/base64.h"
#include "core/data/json.h"
#include "core/data/sha256.h"
#include "core/net/url.h"
#include "models/registry/key_file.h"
#include "models/registry/remote.h"

enum { MAX_AUTH_FILE_BYTES = 1 << 20, MAX_TOKEN_BYTES = 64 << 10, MAX_PART_BYTES = 2000 };

typedef struct challenge {
    bool is_basic, is_bearer;
    char realm[MAX_PART_BYTES], service[MAX_PART_BYTES], scope[MAX_PART_BYTES];
} challenge;

/* ---- challenges ---- */

static bool is_scheme(hl_view v, const char *name, hl_view *ret_rest) {
    const size_t n = strlen(name);
    if (v.len < n || strncasecmp(v.ptr, name, n) != 0 || (v.len > n && v.ptr[n] != ' ')) return false;
    *ret_rest = hl_view_trim((hl_view){v.ptr + n, v.len - n});
    return true;
}

/* key="value", key=value: the next one, cut off at the front. */
static bool take_pair(hl_view *v, hl_view *ret_key, char *ret_value, size_t cap) {
    size_t i = 0, n = 0;
    while (i < v->len && (v->ptr[i] == ' ' || v->ptr[i] == ',')) i++;
    const size_t from = i;
    while (i < v->len && v->ptr[i] != '=') i++;
    if (i >= v->len) return false;
    *ret_key = hl_view_trim((hl_view){v->ptr + from, i - from});
    i++;
    const bool is_quoted = i < v->len && v->ptr[i] == '"';
    if (is_quoted) i++;
    while (i < v->len && (is_quoted ? v->ptr[i] != '"' : v->ptr[i] != ',')) {
        if (is_quoted && v->ptr[i] == '\\' && i + 1 < v->len) i++;
        if (n + 1 >= cap) return false;
        ret_value[n++] = v->ptr[i++];
    }
    ret_value[n] = '\0';
    if (is_quoted) i++;
    *v = i < v->len ? (hl_view){v->ptr + i, v->len - i} : (hl_view){0};
    return true;
}

static void read_challenge(const hl_http_reply *a, challenge *ret) {
    hl_view v, rest, key;
    char    value[MAX_PART_BYTES];
    for (size_t i = 0; (v = hl_http_reply_header(a, "WWW-Authenticate", i)).len > 0; i++) {
        if (is_scheme(v, "Basic", &rest)) ret->is_basic = true;
        if (!is_scheme(v, "Bearer", &rest)) continue;
        ret->is_bearer = true;
        while (take_pair(&rest, &key, value, sizeof value)) {
            char *to = hl_view_is(key, "realm")     ? ret->realm
                       : hl_view_is(key, "service") ? ret->service
                       : hl_view_is(key, "scope")   ? ret->scope
                                                    : NULL;
            if (to) memcpy(to, value, sizeof value);
        }
    }
}

/* ---- what we may show ---- */

/* "https://index.docker.io/v1/" is written there for "index.docker.io". */
static bool is_for_host(const char *key, const char *host) {
    const char  *scheme = strstr(key, "://"), *from = scheme ? scheme + 3 : key;
    const size_t n = strcspn(from, "/");
    return n == strlen(host) && strncasecmp(from, host, n) == 0;
}

/* User and password of this registry, as Basic wants them: base64 of "user:password". NULL: there are none.
 * */
static hl_status find_password(const hl_remote *r, char **ret, hl_err *err) {
    char       *text = NULL, *found = NULL;
    size_t      n = 0;
    json_t     *root = NULL, *value;
    const char *key, *path = r->options->auth_file;
    *ret = NULL;
    if (!path || !*path) return HL_OK;
    hl_status status = hl_file_read(path, MAX_AUTH_FILE_BYTES, &text, &n, err);
    if (status == HL_E_NOT_FOUND) return HL_OK;
    if (status == HL_OK) status = hl_json_parse((hl_view){text, n}, path, &root, err);
    if (status == HL_OK) {
        json_object_foreach(json_object_get(root, "auths"), key, value) {
            const char *auth = hl_json_text(value, "auth");
            if (auth && *auth && is_for_host(key, r->host) && !found) found = hl_strdup(auth);
        }
    }
    json_decref(root);
    if (text) explicit_bzero(text, n);
    hl_free(text);
    *ret = found;
    return status;
}

static hl_status set_authorization(hl_remote *r, const char *scheme, const char *value, hl_err *err) {
    hl_str text;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return hl_fail(err, HL_E_FORMAT, "%s: what should authorize us has a blank in it", r->host);
    hl_str_init(&text, SIZE_MAX);
    hl_str_add_format(&text, "%s %s", scheme, value);
    char *all = hl_str_take(&text);
    if (!all) return hl_fail(err, HL_E_NOMEM, "no memory");
    if (r->authorization) explicit_bzero(r->authorization, strlen(r->authorization));
    hl_free(r->authorization);
    r->authorization = all;
    return HL_OK;
}

/* ---- tokens ---- */

/* The last two parts of a host's name; an address is all of it. */
static const char *domain_of(const char *host) {
    const char *last = strrchr(host, '.'), *from = host;
    if (!last || (last[1] >= '0' && last[1] <= '9')) return host;
    for (const char *c = host; c < last; c++)
        if (*c == '.') from = c + 1;
    return from;
}

static void add_scopes(hl_str *url, const hl_remote *r, const char *scope) {
    char own[MAX_PART_BYTES];
    if (!*scope && r->repository[0]) {
        (void)snprintf(own, sizeof own, "repository:%s:%s", r->repository, r->actions);
        scope = own;
    }
    while (*scope) {
        const size_t n = strcspn(scope, " ");
        if (n > 0) {
            hl_str_add_text(url, "&scope=");
            hl_url_add_escaped(url, (hl_view){scope, n});
        }
        scope += n;
        scope += strspn(scope, " ");
    }
}

/* With `is_signed` the parameters that a signature needs, in the order of their names. */
static hl_status make_token_url(const hl_remote *r, const challenge *c, bool is_signed, hl_str *url,
                                hl_err *err) {
    hl_str_add_text(url, c->realm);
    hl_str_add_char(url, strchr(c->realm, '?') ? '&' : '?');
    if (is_signed) {
        unsigned char nonce[16];
        if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce)
            return hl_fail(err, HL_E_IO, "no random bytes");
        hl_str_add_text(url, "nonce=");
        for (size_t i = 0; i < sizeof nonce; i++) hl_str_add_format(url, "%02x", nonce[i]);
        add_scopes(url, r, c->scope);
        hl_str_add_text(url, "&");
    }
    hl_str_add_text(url, "service=");
    hl_url_add_escaped(url, hl_view_of(c->service));
    if (is_signed)
        hl_str_add_format(url, "&ts=%" PRId64, hl_clock_wall_ms() / 1000);
    else
        add_scopes(url, r, c->scope);
    return hl_str_check(url, "URL of a token", err);
}

/* "<public key>:<signature of method, URL and the sum of an empty body>" */
static hl_status sign(const hl_remote *r, const char *url, hl_str *out, hl_err *err) {
    unsigned char secret[HL_ED25519_KEY_BYTES], signature[HL_ED25519_SIGNATURE_BYTES];
    char          empty[HL_SHA256_HEX_BYTES];
    hl_str        words;
    hl_status     status = hl_key_load(r->options->key_file, secret, err);
    if (status == HL_OK) status = hl_sha256_of("", 0, empty, err);
    if (status != HL_OK) return status;
    hl_str_init(&words, SIZE_MAX);
    hl_str_add_format(&words, "GET,%s,", url);
    hl_str_add_base64(&words, empty, strlen(empty));
    status = hl_str_check(&words, "signature", err);
    if (status == HL_OK) status = hl_ed25519_sign(secret, hl_str_view(&words), signature, err);
    if (status == HL_OK) status = hl_key_add_public(secret, out, err);
    if (status == HL_OK) {
        hl_str_add_char(out, ':');
        hl_str_add_base64(out, signature, sizeof signature);
        status = hl_str_check(out, "signature", err);
    }
    explicit_bzero(secret, sizeof secret);
    hl_str_done(&words);
    return status;
}

/* HL_E_AUTH: it was refused, which another way may mend. */
static hl_status ask_for_token(hl_remote *r, const char *url, const char *authorization, hl_err *err) {
    hl_transfer      *t = NULL;
    json_t           *root = NULL;
    const hl_net_call call = {.method = "GET",
                              .url = url,
                              .authorization = authorization,
                              .body_limit = MAX_TOKEN_BYTES,
                              .trusts_anybody = r->trusts_anybody};
    hl_status         status = hl_net_ask(r->net, &call, &t, err);
    if (status != HL_OK) return status;
    const hl_http_reply *a = hl_transfer_reply(t);
    if (a->code != 200) {
        status = hl_remote_fail(a, "a token was asked for", err);
        if (a->code >= 400 && a->code < 500) status = hl_fail_within(err, HL_E_AUTH, "%s", r->host);
    }
    if (status == HL_OK) status = hl_json_parse(hl_str_view(&a->body), "token", &root, err);
    if (status == HL_OK) {
        const char *token = hl_json_text(root, "token");
        if (!token || !*token) token = hl_json_text(root, "access_token");
        status = token && *token ? set_authorization(r, "Bearer", token, err)
                                 : hl_fail(err, HL_E_AUTH, "%s: the answer has no token in it", r->host);
    }
    json_decref(root);
    hl_transfer_free(t);
    return status;
}

typedef enum token_way { WITH_PASSWORD, WITH_KEY, WITH_NOTHING } token_way;

static hl_status try_way(hl_remote *r, const challenge *c, token_way way, const char *password, hl_err *err) {
    hl_str url, shown;
    hl_str_init(&url, HL_URL_MOST_BYTES);
    hl_str_init(&shown, SIZE_MAX);
    hl_status status = make_token_url(r, c, way == WITH_KEY, &url, err);
    if (status == HL_OK && way == WITH_KEY) status = sign(r, hl_str_text(&url), &shown, err);
    if (way == WITH_PASSWORD) hl_str_add_format(&shown, "Basic %s", password);
    if (status == HL_OK)
        status = ask_for_token(r, hl_str_text(&url), way == WITH_NOTHING ? NULL : hl_str_text(&shown), err);
    if (shown.ptr) explicit_bzero(shown.ptr, shown.cap);
    hl_str_done(&shown);
    hl_str_done(&url);
    return status;
}

/* With the password that is there for this registry; else without anything, then with the key - the other way
 * round at the registries that know nothing else. Elsewhere than in the registry's domain nothing is shown.
 * */
static hl_status get_token(hl_remote *r, const challenge *c, const char *password, hl_err *err) {
    hl_url    base = {0}, realm = {0};
    hl_status status = hl_url_parse(r->base, &base, err);
    if (status == HL_OK) status = hl_url_parse(c->realm, &realm, err);
    if (status == HL_OK && base.is_https && !realm.is_https)
        status = hl_fail(err, HL_E_AUTH, "it sends us for a token to an address without https");
    if (status == HL_OK) {
        const bool is_near = strcmp(domain_of(base.host), domain_of(realm.host)) == 0;
        const bool has_key = r->options->key_file && *r->options->key_file;
        if (password && is_near) {
            status = try_way(r, c, WITH_PASSWORD, password, err);
        } else {
            status = try_way(r, c, WITH_NOTHING, NULL, err);
            if (status == HL_E_AUTH && is_near && has_key) status = try_way(r, c, WITH_KEY, NULL, err);
        }
    }
    hl_url_done(&base);
    hl_url_done(&realm);
    return status;
}

hl_status hl_remote_renew(hl_remote *r, const hl_http_reply *a, hl_err *err) {
    challenge  c = {0};
    char      *password = NULL;
    const bool had_some = r->authorization != NULL;
    read_challenge(a, &c);
    hl_status status = find_password(r, &password, err);
    if (status != HL_OK) return status;
    if (c.is_bearer && c.realm[0])
        status = get_token(r, &c, password, err);
    else if (c.is_basic && password && !had_some)
        status = set_authorization(r, "Basic", password, err);
    else if (c.is_basic)
        status = hl_fail(
            err, HL_E_AUTH,
            password ? "%s: user name or password are wrong (registry.auth_file)"
                     : "%s: it wants a user name and a password: registry.auth_file names a file with "
                       "them, as Docker's config.json has them",
            r->host);
    else if (a->code == 403)
        status = hl_fail(err, HL_E_AUTH, "%s: access is denied (403)", r->host);
    else if (!r->repository[0])
        status = hl_fail(err, HL_E_AUTH, "%s: it wants a token that may read this, in HF_TOKEN%s", r->host,
                         had_some ? "; the one that is there may not" : "");
    else
        status = hl_fail(err, HL_E_AUTH, "%s: it refuses us, and does not say what it wants", r->host);
    if (password) explicit_bzero(password, strlen(password));
    hl_free(password);
    return status;
}
