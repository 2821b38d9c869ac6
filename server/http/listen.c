/* SPDX-License-Identifier: MIT
 *
 * listen.c - where we listen: addresses, "localhost" in both families, a Unix socket, sockets that a service
 * manager has opened; and who it is that has the address already.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/data/json.h"
#include "core/net/http_client.h"
#include "server/server_priv.h"
#include "core/base/file.h"

enum { BACKLOG = 512, TRIES = 8, ASK_MS = 1500, MOST_ANSWER_BYTES = 1 << 16 };
static const char UNIX_SCHEME[] = "unix:";

typedef struct address {
    struct sockaddr_storage a;
    socklen_t               n;
} address;

/* ---- Texts to addresses ---- */

/* "host:port", "host", ":port", "[::1]:port", with or without a scheme. */
static hl_status split_address(const char *text, bool is_tls, char host[256], char port[8], hl_err *err) {
    const char *scheme = strstr(text, "://"), *from = scheme ? scheme + 3 : text;
    if (strncmp(text, "https://", 8) == 0 && !is_tls)
        return hl_fail(err, HL_E_ARG, "server.host '%.100s': HTTPS needs server.tls_cert and server.tls_key",
                       text);
    const char *otherwise = !scheme ? "11434" : strncmp(text, "https", 5) == 0 ? "443" : "80";
    if (strlen(from) >= 256) return hl_fail(err, HL_E_ARG, "server.host: too long");
    (void)snprintf(host, 256, "%s", from);
    host[strcspn(host, "/")] = '\0';
    (void)snprintf(port, 8, "%s", otherwise);
    char      *colon = strrchr(host, ':');
    const bool is_bracketed = host[0] == '[',
               is_bare_ip6 = !is_bracketed && colon && strchr(host, ':') != colon;
    if (colon && !is_bare_ip6 && (!is_bracketed || colon[-1] == ']')) {
        char               *rest;
        const unsigned long n = strtoul(colon + 1, &rest, 10);
        if (rest == colon + 1 || *rest || n > 65535)
            return hl_fail(err, HL_E_ARG, "server.host '%.100s': the port is no number of 0..65535", text);
        (void)snprintf(port, 8, "%lu", n);
        *colon = '\0';
    }
    const size_t n = strlen(host);
    if (is_bracketed && n >= 2 && host[n - 1] == ']') {
        host[n - 1] = '\0';
        memmove(host, host + 1, n - 1);
    }
    if (!*host) memcpy(host, "127.0.0.1", 10);
    return HL_OK;
}

static bool is_of_this_machine(const address *a) {
    if (a->a.ss_family == AF_UNIX) return true;
    if (a->a.ss_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)&a->a)->sin_addr.s_addr) >> 24) == 127;
    return a->a.ss_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&a->a)->sin6_addr);
}

static uint16_t *port_of(address *a) {
    return a->a.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)&a->a)->sin6_port
                                      : &((struct sockaddr_in *)&a->a)->sin_port;
}

static hl_status resolve(const char *text, const char *host, const char *port, address *ret, hl_err *err) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    const int       rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0) return hl_fail(err, HL_E_ARG, "server.host '%.100s': %s", text, gai_strerror(rc));
    memcpy(&ret->a, found->ai_addr, found->ai_addrlen);
    ret->n = found->ai_addrlen;
    freeaddrinfo(found);
    return HL_OK;
}

/* Append "http://127.0.0.1:11434" or "unix:/run/x.sock" to the address that people are told. */
static void name_address(hl_server *s, const address *a, bool is_tls) {
    const size_t at = strlen(s->address), room = sizeof s->address - at;
    const char *and = at ? " and " : "";
    char host[80], port[8];
    if (a->a.ss_family == AF_UNIX)
        (void)snprintf(s->address + at, room, "%s%s%s", and, UNIX_SCHEME,
                       ((const struct sockaddr_un *)&a->a)->sun_path);
    else if (getnameinfo((const struct sockaddr *)&a->a, a->n, host, sizeof host, port, sizeof port,
                         NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)snprintf(s->address + at, room, strchr(host, ':') ? "%shttp%s://[%s]:%s" : "%shttp%s://%s:%s",
                       and, is_tls ? "s" : "", host, port);
}

/* ---- Who is there already ---- */

/* "hyperlama 0.1.0" or "Ollama 0.33.0" of what /api/version says; empty: it is neither. */
static void name_program(hl_view answer, int code, char *ret, size_t cap) {
    json_t *j = NULL;
    *ret = '\0';
    if (code == 401) (void)snprintf(ret, cap, "a server that asks for a key");
    if (code != 200 || hl_json_parse(answer, "version", &j, NULL) != HL_OK) return;
    const char *ours = hl_json_text(j, "hyperlama"), *theirs = hl_json_text(j, "version");
    if (ours || theirs)
        (void)snprintf(ret, cap, "%s %.40s", ours ? "hyperlama" : "Ollama", ours ? ours : theirs);
    json_decref(j);
}

/* in     base       "http://127.0.0.1:11434"
 *        unix_path  NULL: none */
static hl_status fail_in_use(const char *where, const char *base, const char *unix_path, hl_err *err) {
    char               url[400], who[80] = "";
    hl_str             answer;
    const hl_http_call call = {.method = "GET",
                               .url = url,
                               .unix_path = unix_path,
                               .trusts_all = true,
                               .connect_ms = ASK_MS,
                               .total_ms = ASK_MS};
    hl_str_init(&answer, MOST_ANSWER_BYTES);
    hl_status status = HL_E_NET;
    for (int is_tls = 0; is_tls < (unix_path ? 1 : 2) && status != HL_OK; is_tls++) {
        int code = 0;
        hl_str_clear(&answer);
        (void)snprintf(url, sizeof url, "http%s%s/api/version", is_tls ? "s" : "", strchr(base, ':'));
        status = hl_http_ask(&call, &answer, &code, NULL);
        if (status == HL_OK) name_program(hl_str_view(&answer), code, who, sizeof who);
    }
    hl_str_done(&answer);
    return hl_fail(err, HL_E_BUSY,
                   "listen on %s: %s %s: stop it, or set server.host (or OLLAMA_HOST) to another address",
                   where, *who ? who : "another program",
                   *who ? "answers there already" : "has this address");
}

static hl_status fail_listen(const address *a, const char *where, hl_err *err) {
    char base[300];
    if (errno != EADDRINUSE)
        return hl_fail(err, hl_errno_io(errno), "listen on %s: %s", where, strerror(errno));
    if (a->a.ss_family == AF_UNIX)
        return fail_in_use(where, "http://localhost", ((const struct sockaddr_un *)&a->a)->sun_path, err);
    if (hl_http_base_url(where, base, sizeof base, NULL) != HL_OK)
        (void)snprintf(base, sizeof base, "http://-");
    return fail_in_use(where, base, NULL, err);
}

/* ---- Sockets ---- */

/* Of the given address; -1 and errno. */
static int open_stream(const address *a) {
    const int one = 1;
    const int fd = socket(a->a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    bool ok = true;
    if (a->a.ss_family != AF_UNIX) ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0;
    if (ok && a->a.ss_family == AF_INET6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0;
    if (ok && bind(fd, (const struct sockaddr *)&a->a, a->n) == 0 && listen(fd, BACKLOG) == 0) return fd;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static hl_status add_listener(hl_server *s, int fd, hl_err *err) {
    address a = {.n = sizeof a.a};
    if (s->n_listeners == HL_MAX_LISTENERS) {
        (void)close(fd);
        return hl_fail(err, HL_E_LIMIT, "more than %d sockets to listen on", HL_MAX_LISTENERS);
    }
    hl_listener *l = &s->listeners[s->n_listeners++];
    *l = (hl_listener){.fd = fd};
    if (getsockname(fd, (struct sockaddr *)&a.a, &a.n) != 0)
        return hl_fail(err, hl_errno_io(errno), "listen: %s", strerror(errno));
    l->is_unix = a.a.ss_family == AF_UNIX;
    s->is_local = (s->n_listeners == 1 || s->is_local) && is_of_this_machine(&a);
    name_address(s, &a, s->is_tls && !l->is_unix);
    return HL_OK;
}

/* Whoever reaches us must be asked for a key, or be allowed to do without. */
static hl_status check_reach(hl_server *s, const char *where, bool is_local, hl_err *err) {
    s->may_lack_keys = is_local || hl_config_bool(s->config, HL_SETTING_server_allow_remote);
    if (s->may_lack_keys || hl_access_has_keys(s) ||
        hl_config_bool(s->config, HL_SETTING_server_require_keys))
        return HL_OK;
    return hl_fail(err, HL_E_ARG,
                   "server.host '%.100s' can be reached from other machines, and there are no keys to ask "
                   "for: make one (hyperlama keys add NAME), or allow everybody with "
                   "server.allow_remote = yes",
                   where);
}

static hl_status open_one(hl_server *s, const address *a, const char *where, hl_err *err) {
    const int fd = open_stream(a);
    return fd >= 0 ? add_listener(s, fd, err) : fail_listen(a, where, err);
}

/* A machine may lack one of the families. */
static bool lacks_family(void) { return errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT; }

/* Both loopbacks on one port: clients take either, as their resolver likes. */
static hl_status open_localhost(hl_server *s, const char *port, hl_err *err) {
    const uint16_t wanted = htons((uint16_t)strtoul(port, NULL, 10));
    int            fds[2] = {-1, -1};
    char           where[64] = "";
    address        a[2] = {{.n = sizeof(struct sockaddr_in)}, {.n = sizeof(struct sockaddr_in6)}};
    *(struct sockaddr_in *)&a[0].a = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = wanted, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *(struct sockaddr_in6 *)&a[1].a =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = wanted, .sin6_addr = in6addr_loopback};
    for (int i = 0, n_tries = 0; i < 2; i++) {
        fds[i] = open_stream(&a[i]);
        if (fds[i] >= 0 && i == 0) {
            address got = {.n = sizeof got.a};
            if (getsockname(fds[0], (struct sockaddr *)&got.a, &got.n) == 0) *port_of(&a[1]) = *port_of(&got);
        }
        if (fds[i] >= 0 || (lacks_family() && (i == 0 || fds[0] >= 0))) continue;
        const int error = errno;
        if (fds[0] >= 0) (void)close(fds[0]);
        fds[0] = -1;
        if (i == 1 && wanted == 0 && error == EADDRINUSE && ++n_tries < TRIES) { /* free in one family only */
            i = -1;
            continue;
        }
        errno = error;
        (void)snprintf(where, sizeof where, i == 0 ? "127.0.0.1:%s" : "[::1]:%s", port);
        return fail_listen(&a[i], where, err);
    }
    hl_status status = HL_OK;
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0 && status == HL_OK) status = add_listener(s, fds[i], err);
    return status;
}

static hl_status open_tcp(hl_server *s, const char *text, hl_err *err) {
    char      host[256], port[8], where[300];
    address   a = {0};
    hl_status status = split_address(text, s->is_tls, host, port, err);
    if (status == HL_OK && strcasecmp(host, "localhost") == 0) {
        status = check_reach(s, text, true, err);
        return status == HL_OK ? open_localhost(s, port, err) : status;
    }
    if (status == HL_OK) status = resolve(text, host, port, &a, err);
    if (status == HL_OK) status = check_reach(s, text, is_of_this_machine(&a), err);
    if (status != HL_OK) return status;
    (void)snprintf(where, sizeof where, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return open_one(s, &a, where, err);
}

/* Nobody listens on it any more: left by a server that was killed. */
static bool is_stale(const address *a) {
    struct stat st;
    const char *path = ((const struct sockaddr_un *)&a->a)->sun_path;
    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    const bool stale = connect(fd, (const struct sockaddr *)&a->a, a->n) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

/* For this user alone: who else may, says the service manager's socket, or a group that owns the folder. */
static hl_status open_unix(hl_server *s, const char *text, hl_err *err) {
    address             a = {.n = sizeof(struct sockaddr_un)};
    struct sockaddr_un *u = (struct sockaddr_un *)&a.a;
    const char         *path = text + sizeof UNIX_SCHEME - 1;
    u->sun_family = AF_UNIX;
    if (path[0] == '/' && path[1] == '/') path += 2; /* unix:///run/x.sock */
    if (path[0] != '/' || strlen(path) >= sizeof u->sun_path)
        return hl_fail(err, HL_E_ARG,
                       "server.host '%.200s': expected unix: and an absolute path of up to %zu bytes", text,
                       sizeof u->sun_path - 1);
    memcpy(u->sun_path, path, strlen(path) + 1);
    hl_status status = check_reach(s, text, true, err);
    if (status != HL_OK) return status;
    const mode_t mask = umask(0177);
    int          fd = open_stream(&a);
    if (fd < 0 && errno == EADDRINUSE) {
        if (is_stale(&a) && unlink(path) == 0)
            fd = open_stream(&a);
        else
            errno = EADDRINUSE;
    }
    const int error = errno;
    (void)umask(mask);
    errno = error;
    status = fd >= 0 ? add_listener(s, fd, err) : fail_listen(&a, text, err);
    if (status == HL_OK) memcpy(s->unix_path, path, strlen(path) + 1);
    return status;
}

/* Sockets of a service manager: it has decided where they are, and they stay its own. */
static hl_status take_given(hl_server *s, const int *fds, size_t n, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        int       is_listening = 0, type = 0;
        socklen_t len = sizeof is_listening, type_len = sizeof type;
        if (getsockopt(fds[i], SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 || !is_listening ||
            getsockopt(fds[i], SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 || type != SOCK_STREAM)
            return hl_fail(err, HL_E_ARG,
                           "descriptor %d from the service manager: expected a listening stream socket",
                           fds[i]);
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(fds[i], F_SETFL, fcntl(fds[i], F_GETFL) | O_NONBLOCK);
        status = add_listener(s, fds[i], err);
    }
    return status == HL_OK ? check_reach(s, s->address, s->is_local, err) : status;
}

hl_status hl_listen_open(hl_server *s, const int *given, size_t n_given, hl_err *err) {
    const char *text = hl_config_text(s->config, HL_SETTING_server_host);
    hl_status   status = n_given > 0 ? take_given(s, given, n_given, err)
                         : strncmp(text, UNIX_SCHEME, sizeof UNIX_SCHEME - 1) == 0 ? open_unix(s, text, err)
                                                                                   : open_tcp(s, text, err);
    for (size_t i = 0; i < s->n_listeners; i++) s->checks_host |= s->is_local && !s->listeners[i].is_unix;
    return status;
}

void hl_listen_close(hl_server *s) {
    for (size_t i = 0; i < s->n_listeners; i++) (void)close(s->listeners[i].fd);
    s->n_listeners = 0;
    if (s->unix_path[0]) (void)unlink(s->unix_path);
    s->unix_path[0] = '\0';
}
