/* SPDX-License-Identifier: MIT
 *
 * open_socket.h - for libcurl, which does not say why there was no socket: no descriptor is not a server that
 * cannot be reached; and which waits for names.
 *
 * from: CURLOPT_OPENSOCKETFUNCTION(3), CURLOPT_QUICK_EXIT(3)
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

/* A name server that says nothing holds nobody: curl looks names up on a thread of its own, and would wait
 * for its end, which no limit of time reaches, be the transfer over or cancelled. It ends by itself. */
static inline void hl_curl_leave_names(CURL *c) {
#if LIBCURL_VERSION_NUM >= 0x075700
    (void)curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#else
    (void)c;
#endif
}

static inline void hl_curl_note_socket_errors(CURL *c, int *ret_error) {
    (void)curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, hl_curl_open_socket);
    (void)curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, ret_error);
}

#endif
