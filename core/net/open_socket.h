/* SPDX-License-Identifier: MIT
 *
 * open_socket.h - for libcurl, which does not say why there was no socket: no descriptor is not a server that
 * cannot be reached.
 *
 * from: CURLOPT_OPENSOCKETFUNCTION(3)
 */
#ifndef HL_CORE_NET_OPEN_SOCKET_H
#define HL_CORE_NET_OPEN_SOCKET_H

#include <curl/curl.h>
#include <errno.h>
#include <sys/socket.h>

/* A CURLOPT_OPENSOCKETFUNCTION. in  user  an int that gets the errno of a failure */
static inline curl_socket_t hl_curl_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *a) {
    (void)purpose;
    const int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (fd < 0) *(int *)user = errno;
    return fd;
}

static inline void hl_curl_note_socket_errors(CURL *c, int *ret_error) {
    (void)curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, hl_curl_open_socket);
    (void)curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, ret_error);
}

#endif
