/* SPDX-License-Identifier: MIT
 *
 * service.c - systemd's two protocols: sockets in the environment, and one datagram for each piece of news.
 */
#include "cli/service.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/config.h"

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

hl_status hl_service_sockets(char *const *envp, int ret_fds[HL_SERVICE_MAX_SOCKETS], size_t *ret_n,
                             hl_err *err) {
    const char *pid = hl_env_get(envp, "LISTEN_PID"), *fds = hl_env_get(envp, "LISTEN_FDS");
    char       *end;
    *ret_n = 0;
    if (!pid || !fds || strtol(pid, NULL, 10) != getpid()) return HL_OK; /* meant for somebody else */
    const long n = strtol(fds, &end, 10);
    if (end == fds || *end || n < 0 || n > HL_SERVICE_MAX_SOCKETS)
        return hl_fail(err, HL_E_ARG, "LISTEN_FDS '%.20s': expected a number up to %d", fds,
                       HL_SERVICE_MAX_SOCKETS);
    for (long i = 0; i < n; i++) ret_fds[i] = FIRST_FD + (int)i;
    *ret_n = (size_t)n;
    return HL_OK;
}

void hl_service_notify(char *const *envp, const char *text) {
    const char        *path = hl_env_get(envp, "NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path) return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') to.sun_path[0] = '\0'; /* an abstract name */
    const socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    const int       fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to, n);
    (void)close(fd);
}
