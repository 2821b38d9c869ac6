/* SPDX-License-Identifier: MIT
 *
 * routes.c - the table of routes, walked.
 */
#include "server/routes.h"

#include <string.h>

#include "core/base/str.h"

static const hl_route routes[] = {
#define HL_ROUTE(method, path, handler, dialect, flags)                                                      \
    {HL_METHOD_##method, path, #handler, hl_api_##handler, HL_API_##dialect, flags},
#include "server/routes.def"
#undef HL_ROUTE
};

const hl_route *hl_route_at(size_t i) { return i < sizeof routes / sizeof *routes ? &routes[i] : NULL; }

static const char *const method_names[HL_N_METHODS] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};

hl_method hl_method_parse(const char *text) {
    int m = 0;
    while (m < HL_N_METHODS && strcmp(text, method_names[m]) != 0) m++;
    return (hl_method)m;
}

const char *hl_method_name(hl_method m) { return m < HL_N_METHODS ? method_names[m] : "?"; }

/* Does the path match? A pattern has at most one "{x}", or one "{x...}" at its end. */
static bool matches(const char *pattern, hl_view path, hl_view *ret_rest) {
    const char  *brace = strchr(pattern, '{');
    const size_t n = brace ? (size_t)(brace - pattern) : strlen(pattern);
    *ret_rest = (hl_view){0};
    if (!brace) return path.len == n && memcmp(path.ptr, pattern, n) == 0;
    const char  *tail = strchr(brace, '}') + 1;
    const size_t n_tail = strlen(tail);
    if (path.len <= n + n_tail || memcmp(path.ptr, pattern, n) != 0 ||
        memcmp(path.ptr + path.len - n_tail, tail, n_tail) != 0)
        return false;
    *ret_rest = (hl_view){path.ptr + n, path.len - n - n_tail};
    return strstr(brace, "...") || !memchr(ret_rest->ptr, '/', ret_rest->len);
}

const hl_route *hl_route_find(hl_method method, hl_view path, hl_view *ret_rest, uint32_t *ret_allowed) {
    const hl_route *found = NULL;
    *ret_allowed = 0;
    *ret_rest = (hl_view){0};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        hl_view rest;
        if (!matches(routes[i].path, path, &rest)) continue;
        *ret_allowed |= 1U << routes[i].method;
        if (routes[i].method == HL_METHOD_GET) *ret_allowed |= 1U << HL_METHOD_HEAD;
        const bool is_like = method == HL_METHOD_HEAD && routes[i].method == HL_METHOD_GET;
        if ((routes[i].method != method && !is_like) || found) continue;
        found = &routes[i];
        *ret_rest = rest;
    }
    return found;
}
