/* SPDX-License-Identifier: MIT
 *
 * server.h - the front door: answer HTTP clients until told to stop.
 *
 * One event thread serves all connections of a socket; workers do what may wait; tokens come from the models'
 * schedulers.
 */
#ifndef HL_SERVER_SERVER_H
#define HL_SERVER_SERVER_H

#include "host/host.h"

typedef struct hl_server hl_server;

/* Listen on server.host and answer. The settings are read now.
 *
 * in     host, config, events  must outlive the server; events may be NULL
 *        version               what /api/version says beside Ollama's number
 *        given                 [n_given] sockets to listen on instead, from a service manager; the server's
 *                              from here on
 * fails  HL_E_ARG   the address is malformed, or not of this machine alone, and there are no keys
 *        HL_E_BUSY  somebody listens there already: says who where that is known
 *        HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_server_start(hl_host *host, const hl_config *config, const hl_events *events,
                                        const char *version, const int *given, size_t n_given,
                                        hl_server **ret_server, hl_err *err);

/* Where it listens, as URLs: "http://127.0.0.1:11434", "unix:/run/hyperlama.sock", more than one with
 * " and ". With port 0 in the settings, the port it got. */
const char *hl_server_address(const hl_server *s);

/* Take over what can change while it runs, and the certificates as they are now; no connection is dropped.
 * in     config  only looked at
 * fails  HL_E_ARG, HL_E_FORMAT, HL_E_NOT_FOUND, HL_E_IO  the certificate and its key: all is as it was */
HL_MUST_CHECK hl_status hl_server_reload(hl_server *s, const hl_config *config, hl_err *err);
bool                    hl_server_can_change(hl_setting id); /* by a reload */

/* Have /ready say no from now on, so that routers send nothing more; all else goes on. */
void hl_server_leave(hl_server *s);

/* Take no new connections, let answers end for up to drain_ms, then end those that are left. Frees the
 * server; NULL is allowed. */
void hl_server_stop(hl_server *s, int64_t drain_ms);

#endif
