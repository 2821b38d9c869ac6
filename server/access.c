/* SPDX-License-Identifier: MIT
 *
 * access.c - keys: whoever asks, what they may do, and how their requests stand to those of others.
 *
 * The keys of the database are held in memory and looked at again every second, and at once when somebody
 * shows one that is not among them, or there is none yet; so a new key counts immediately, a revoked one for
 * a second more. A database that cannot be read leaves the keys as they were.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/data/sha256.h"
#include "server/server_priv.h"

/* Under lock. */
static hl_status read_keys(hl_access *a, hl_err *err) {
    hl_key         *keys = NULL;
    size_t          n = 0;
    const hl_status status = hl_keyring_list(a->ring, &keys, &n, err);
    if (status != HL_OK) return status;
    hl_free(a->keys);
    a->keys = keys;
    a->n_keys = n;
    return HL_OK;
}

hl_status hl_access_start(hl_server *s, hl_err *err) {
    hl_access *a = &s->access;
    (void)pthread_mutex_init(&a->lock, NULL);
    hl_status status = hl_host_open_keyring(s->host, &a->ring, err);
    if (status == HL_OK) (void)hl_keyring_has_changed(a->ring);
    if (status == HL_OK) status = read_keys(a, err);
    return status;
}

void hl_access_stop(hl_server *s) {
    hl_access *a = &s->access;
    hl_keyring_close(a->ring);
    hl_free(a->keys);
    (void)pthread_mutex_destroy(&a->lock);
}

/* Under lock. */
static void look_again(hl_server *s) {
    hl_access   *a = &s->access;
    hl_err       why = {0};
    const size_t n_before = a->n_keys;
    if (!hl_keyring_has_changed(a->ring)) return;
    if (read_keys(a, &why) != HL_OK)
        hl_event(s->events, HL_LOG_WARN, "server", "keys-unreadable",
                 "why=\"%s\" action=\"keys stay as they were\"", why.text);
    else if (a->n_keys != n_before)
        hl_event(s->events, HL_LOG_INFO, "server", "keys", "n=%zu before=%zu", a->n_keys, n_before);
}

void hl_access_refresh(hl_server *s) {
    (void)pthread_mutex_lock(&s->access.lock);
    look_again(s);
    (void)pthread_mutex_unlock(&s->access.lock);
}

bool hl_access_has_keys(hl_server *s) {
    (void)pthread_mutex_lock(&s->access.lock);
    const bool any = s->access.n_keys > 0;
    (void)pthread_mutex_unlock(&s->access.lock);
    return any;
}

/* All rows are compared, each in a time that says nothing. */
static const hl_key *find_sum(const hl_access *a, const char *sum) {
    const hl_key *found = NULL;
    for (size_t i = 0; i < a->n_keys; i++)
        if (hl_sha256_is_same(a->keys[i].sha256, sum)) found = &a->keys[i];
    return found;
}

static const hl_key *find_key(const hl_access *a, const char *text) {
    char sum[HL_SHA256_HEX_BYTES];
    if (!text || !*text || hl_sha256_of(text, strlen(text), sum, NULL) != HL_OK) return NULL;
    return find_sum(a, sum);
}

/* RFC 6750, 2.1 */
static const char *bearer_of(const char *authorization) {
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0) return NULL;
    return authorization + 7 + strspn(authorization + 7, " ");
}

/* Whoever sends both means one of them. */
static const hl_key *find_either(const hl_access *a, const char *one, const char *other) {
    const hl_key *k = find_key(a, one);
    return k ? k : find_key(a, other);
}

static hl_key_scope scope_of(const hl_route *r) {
    return r->flags & HL_R_ADMIN ? HL_KEY_ADMIN : r->flags & HL_R_MANAGE ? HL_KEY_MANAGE : HL_KEY_USE;
}

/* Its requests have one owner, whose number needs no table: two keys have the same one in 2^64 cases. */
static void sign(hl_exchange *x, const hl_key *k) {
    char head[17] = "";
    memcpy(head, k->sha256, 16);
    memcpy(x->key_name, k->name, sizeof x->key_name);
    x->owner = strtoull(head, NULL, 16);
    if (x->owner == 0) x->owner = 1; /* 0: nobody's */
    (void)snprintf(x->keeper, sizeof x->keeper, "%s/%s", k->name, head);
    x->priority = k->priority;
}

static hl_status check_locked(hl_exchange *x, const char *shown[2], unsigned *ret_code, hl_err *err) {
    hl_server *s = x->server;
    hl_access *a = &s->access;
    bool       must = hl_limit(&s->limits.require_keys) || !s->may_lack_keys;
    if (a->n_keys == 0) look_again(s); /* from the first one on nobody is answered without one */
    if (a->n_keys == 0 && !must)
        must = hl_keyring_had_keys(a->ring); /* a database that is gone opens nothing */
    if (!must && a->n_keys == 0) return HL_OK;
    const hl_key *k = find_either(a, shown[0], shown[1]);
    if (!k && (shown[0] || shown[1])) {
        look_again(s);
        k = find_either(a, shown[0], shown[1]);
    }
    if (!k) {
        *ret_code = 401;
        return hl_fail(
            err, HL_E_AUTH,
            shown[0] || shown[1]
                ? "this key is not known here, or was revoked"
                : "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY (hyperlama keys add)");
    }
    sign(x, k);
    const hl_key_scope needed = scope_of(x->route);
    if (k->scope >= needed) return HL_OK;
    *ret_code = 403;
    return hl_fail(err, HL_E_AUTH, "key '%s' may %s, and this needs one that may %s", k->name,
                   hl_key_scope_name(k->scope), hl_key_scope_name(needed));
}

hl_status hl_access_check(hl_exchange *x, const char *authorization, const char *x_api_key,
                          unsigned *ret_code, hl_err *err) {
    const char *shown[2] = {x_api_key, bearer_of(authorization)};
    if (x->route->flags & HL_R_OPEN) return HL_OK;
    (void)pthread_mutex_lock(&x->server->access.lock);
    const hl_status status = check_locked(x, shown, ret_code, err);
    (void)pthread_mutex_unlock(&x->server->access.lock);
    return status;
}

hl_status hl_access_read_priority(hl_exchange *x, const char *text, hl_err *err) {
    char *end;
    if (!text) return HL_OK;
    const long n = strtol(text, &end, 10);
    if (end == text || *end || n < -HL_KEY_PRIORITY_MOST || n > HL_KEY_PRIORITY_MOST)
        return hl_fail(err, HL_E_ARG, "x-request-priority '%.40s': expected a number of %d..%d", text,
                       -HL_KEY_PRIORITY_MOST, HL_KEY_PRIORITY_MOST);
    if (!x->key_name[0] || n < x->priority) x->priority = (int32_t)n;
    return HL_OK;
}

hl_status hl_access_check_queue(hl_exchange *x, hl_err *err) {
    hl_server   *s = x->server;
    const size_t most = hl_limit(&s->limits.max_queue_per_key);
    size_t       n = 0;
    if (!x->key_name[0]) return HL_OK;
    (void)pthread_mutex_lock(&s->lock);
    for (const hl_exchange *y = s->exchanges; y; y = y->next)
        n += y->owner == x->owner && __atomic_load_n(&y->state, __ATOMIC_ACQUIRE) != HL_X_RECEIVING;
    (void)pthread_mutex_unlock(&s->lock);
    if (n < most) return HL_OK;
    return hl_fail(err, HL_E_BUSY,
                   "server busy, please try again.  %zu requests of key '%s' wait or are being answered "
                   "(server.max_queue_per_key = %zu)",
                   n, x->key_name, most);
}
