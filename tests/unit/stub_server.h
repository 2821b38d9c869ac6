/* SPDX-License-Identifier: MIT
 *
 * stub_server.h - a socket that listens on loopback, and requests that are read from it: what servers of
 * tests begin with.
 */
#ifndef HL_TESTS_UNIT_STUB_SERVER_H
#define HL_TESTS_UNIT_STUB_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* fails -1 */
static inline int stub_listen(char url[64]) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          n = sizeof a;
    const int          fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0)
        return -1;
    (void)snprintf(url, 64, "http://127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

/* Headers and body into buf, with a zero behind. False: the client left before. */
static inline bool stub_read_request(int fd, char *buf, size_t cap) {
    size_t n = 0, n_body = 0;
    char  *end = NULL;
    while (!end || n < (size_t)(end - buf) + 4 + n_body) {
        const ssize_t got = read(fd, buf + n, cap - n - 1);
        if (got <= 0) return false;
        n += (size_t)got;
        buf[n] = '\0';
        const char *length = strstr(buf, "Content-Length: ");
        end = strstr(buf, "\r\n\r\n");
        if (length) n_body = strtoul(length + 16, NULL, 10);
    }
    return true;
}

static inline bool stub_send(int fd, const char *text) {
    for (size_t n = strlen(text); n > 0;) {
        const ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        text += sent;
        n -= (size_t)sent;
    }
    return true;
}

#endif
