/* SPDX-License-Identifier: MIT
 *
 * runner_server.h - a runner whose answers come from a hyperlama server (server/api/own_runner.c): one that
 * has the same models folder, so that a name means the same model there and here.
 */
#ifndef HL_HOST_REMOTE_RUNNER_SERVER_H
#define HL_HOST_REMOTE_RUNNER_SERVER_H

#include "host/options.h"
#include "hyperlama/runner.h"

/* How a server is reached. */
typedef struct hl_server_place {
    char        url[500];       /* the base; "": there is none */
    char        unix_path[108]; /* the socket that is asked instead of the URL's host; "": no */
    char        key[128];       /* shown with each request; "": none */
    const char *ca_file;        /* of authorities to trust, the caller's; NULL: the system's */
} hl_server_place;

/* Does a server of our version answer at `address` (as server.host has it) that has this models folder?
 * in     key, ca_file  NULL: none
 *        fingerprint  hl_host_fingerprint()
 * out    ret_code  what it answered: 401 without the right key; 0: nothing. NULL is allowed */
bool hl_server_find(const char *address, const char *key, const char *ca_file, const char *fingerprint,
                    hl_server_place *ret_place, int *ret_code);

/* Have the server load a model, and make a runner that asks it.
 *
 * in     place    hl_server_find(), copied
 *        model    a stored model's name, copied
 *        options  under which it is loaded: only those that count at loading are looked at
 *        keep_ms  how long the server keeps it after each answer; HL_KEEP_... of host/resident.h
 * out    ret_load_ns  what loading took there
 * fails  HL_E_NET  the server is gone; as hl_host_find(), hl_host_acquire(), in the server's words */
HL_MUST_CHECK hl_status hl_runner_server_new(const hl_server_place *place, const char *model,
                                             const hl_options *options, int64_t keep_ms,
                                             hl_runner **ret_runner, int64_t *ret_load_ns, hl_err *err);

#endif
