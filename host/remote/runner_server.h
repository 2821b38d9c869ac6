/* SPDX-License-Identifier: MIT
 *
 * runner_server.h - a runner whose answers come from a hyperlama server (server/api/own_runner.c): one that
 * has the same models folder, so that a name means the same model there and here.
 */
#ifndef HL_HOST_REMOTE_RUNNER_SERVER_H
#define HL_HOST_REMOTE_RUNNER_SERVER_H

#include "host/options.h"
#include "hyperlama/runner.h"

/* Does a server of our version answer at `address` (as server.host has it) that has this models folder?
 * in     fingerprint  hl_host_fingerprint()
 * out    ret_url  its base URL */
bool hl_server_find(const char *address, const char *fingerprint, char *ret_url, size_t cap);

/* Have the server load a model, and make a runner that asks it.
 *
 * in     url      hl_server_find()
 *        model    a stored model's name, copied
 *        options  under which it is loaded: only those that count at loading are looked at
 *        keep_ms  how long the server keeps it after each answer; HL_KEEP_... of host/resident.h
 * out    ret_load_ns  what loading took there
 * fails  HL_E_NET  the server is gone; as hl_host_find(), hl_host_acquire(), in the server's words */
HL_MUST_CHECK hl_status hl_runner_server_new(const char *url, const char *model, const hl_options *options,
                                             int64_t keep_ms, hl_runner **ret_runner, int64_t *ret_load_ns,
                                             hl_err *err);

#endif
