/* SPDX-License-Identifier: MIT
 *
 * service.h - what a service manager (systemd) gives to a program that it starts, and wants to be told.
 *
 * from: sd_listen_fds(3), sd_notify(3): the protocols are stable, and need no library
 */
#ifndef HL_CLI_SERVICE_H
#define HL_CLI_SERVICE_H

#include "hyperlama/base.h"

enum { HL_SERVICE_MAX_SOCKETS = 16 };

/* The sockets that were opened for us: LISTEN_FDS, when LISTEN_PID is this process.
 * out    ret_fds, *ret_n  0: none
 * fails  HL_E_ARG  more than we take, or no number */
HL_MUST_CHECK hl_status hl_service_sockets(char *const *envp, int ret_fds[HL_SERVICE_MAX_SOCKETS],
                                           size_t *ret_n, hl_err *err);

/* Tell who watches us (NOTIFY_SOCKET): "READY=1", "STOPPING=1". Without one nothing happens; whether anybody
 * hears it is not our concern. */
void hl_service_notify(char *const *envp, const char *text);

#endif
