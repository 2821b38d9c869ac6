/* SPDX-License-Identifier: MIT
 *
 * gate.c - who may ask: the Host header and the Origin of browsers.
 *
 * A page from anywhere may send requests to 127.0.0.1, and a name of its author's may resolve to it (DNS
 * rebinding); so where only this machine can reach us, a Host that is neither an address nor a name of this
 * machine is refused, and an Origin must be a local one or be allowed by server.origins.
 * from: Ollama 0.33 (server/routes.go, envconfig): the same hosts and origins
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/server_priv.h"

static bool ends_with(const char *text, size_t n, const char *end) {
    const size_t n_end = strlen(end);
    return n >= n_end && strncasecmp(text + n - n_end, end, n_end) == 0;
}

static bool is_name(const char *text, size_t n, const char *name) {
    return strlen(name) == n && strncasecmp(text, name, n) == 0;
}

static bool is_address(const char *text, size_t n) {
    char          buf[80];
    unsigned char a[16];
    if (n >= sizeof buf) return false;
    memcpy(buf, text, n);
    buf[n] = '\0';
    return inet_pton(AF_INET, buf, a) == 1 || inet_pton(AF_INET6, buf, a) == 1;
}

/* The host of "host", "host:port" or "[::1]:port"; NULL when there is more. */
static const char *host_of(const char *text, size_t n, size_t *ret_n) {
    const char *end = n > 0 && text[0] == '[' ? memchr(text, ']', n) : NULL;
    const char *host = end ? text + 1 : text, *rest = end ? end + 1 : text;
    if (!end)
        while (rest < text + n && *rest != ':') rest++;
    *ret_n = (size_t)((end ? end : rest) - host);
    const size_t n_rest = n - (size_t)(rest - text);
    const bool   is_port = n_rest == 0 || (rest[0] == ':' && strspn(rest + 1, "0123456789") == n_rest - 1);
    return is_port ? host : NULL;
}

static bool is_local_host(const char *text) {
    char        own[256] = "";
    size_t      n;
    const char *host = host_of(text, strlen(text), &n);
    if (!host) return false;
    if (n == 0 || is_address(host, n) || is_name(host, n, "localhost")) return true;
    if (ends_with(host, n, ".localhost") || ends_with(host, n, ".local") || ends_with(host, n, ".internal"))
        return true;
    return gethostname(own, sizeof own - 1) == 0 && is_name(host, n, own);
}

/* One star in the pattern stands for any text. */
static bool matches(const char *pattern, size_t n_pattern, const char *text) {
    const char  *star = memchr(pattern, '*', n_pattern);
    const size_t n = strlen(text);
    if (!star) return n == n_pattern && strncasecmp(pattern, text, n) == 0;
    const size_t n_before = (size_t)(star - pattern), n_after = n_pattern - n_before - 1;
    return n >= n_before + n_after && strncasecmp(pattern, text, n_before) == 0 &&
           strncasecmp(star + 1, text + n - n_after, n_after) == 0;
}

static bool is_local_origin(const char *origin) {
    static const char *const schemes[] = {"app://", "file://", "tauri://", "vscode-webview://",
                                          "vscode-file://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(origin, schemes[i], strlen(schemes[i])) == 0) return true;
    const char *at = strstr(origin, "://");
    if (!at || !(strncasecmp(origin, "http://", 7) == 0 || strncasecmp(origin, "https://", 8) == 0))
        return false;
    size_t      n;
    const char *host = host_of(at + 3, strlen(at + 3), &n);
    if (!host) return false;
    return is_name(host, n, "localhost") || is_name(host, n, "127.0.0.1") || is_name(host, n, "0.0.0.0") ||
           is_name(host, n, "::1");
}

static bool is_listed(const char *list, const char *origin) {
    while (*list) {
        const size_t n = strcspn(list, ", ");
        if (n > 0 && matches(list, n, origin)) return true;
        list += n;
        list += strspn(list, ", ");
    }
    return false;
}

bool hl_gate_allows_origin(hl_server *s, const char *origin) {
    if (is_local_origin(origin)) return true;
    (void)pthread_mutex_lock(&s->lock);
    const bool is_allowed = is_listed(s->origins, origin);
    (void)pthread_mutex_unlock(&s->lock);
    return is_allowed;
}

hl_status hl_gate_check(hl_server *s, const char *host, const char *origin, hl_err *err) {
    if (s->checks_host && host && !is_local_host(host))
        return hl_fail(err, HL_E_AUTH, "Host '%.100s' is no name of this machine", host);
    if (origin &&
        !hl_gate_allows_origin(s, origin)) /* "null", too: any page can make a frame that sends it */
        return hl_fail(err, HL_E_AUTH,
                       "Origin '%.100s' may not ask here: allow it with server.origins (or OLLAMA_ORIGINS)",
                       origin);
    return HL_OK;
}
