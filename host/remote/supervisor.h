/* SPDX-License-Identifier: MIT
 *
 * supervisor.h - an engine of another program that we start, watch and stop (docs/engines.md).
 */
#ifndef HL_HOST_REMOTE_SUPERVISOR_H
#define HL_HOST_REMOTE_SUPERVISOR_H

#include "core/base/events.h"
#include "host/remote/profiles.h"

/* The word by which the program knows that it is to be a guard (cli/guard.h): argv[1]. */
#define HL_GUARD_WORD "--guard-engine"

typedef struct hl_engine_process hl_engine_process;

typedef struct hl_launch {
    const hl_profile *profile;
    const char       *model; /* what {model} stands for */
    const char       *name;  /* by which it is asked */
    const char
        *log_path; /* of what it says; the folder is there. While another engine has it: NAME-2.log, ... */
    const char      *program; /* that becomes a guard by HL_GUARD_WORD: /proc/self/exe */
    char *const     *envp;
    const hl_events *events; /* NULL is allowed */
} hl_launch;

/* Start an engine and wait until it can be asked. hl_stop_watch()'s flag ends that.
 *
 * out    ret_process  lives until hl_engine_stop(); the process ends with us in any case
 * fails  HL_E_NET     it ended before it could be asked, or start_s were over: with the last line of its log
 *        HL_E_IO      its program is not in PATH, or cannot be started
 *        HL_E_CANCEL, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_engine_start(const hl_launch *l, hl_engine_process **ret_process, hl_err *err);
void                    hl_engine_stop(hl_engine_process *p); /* NULL is allowed; waits for its end */

/* Its OpenAI interface: "http://127.0.0.1:PORT/v1". */
const char *hl_engine_url(const hl_engine_process *p);
/* Does it still run? Any thread. */
bool hl_engine_is_alive(hl_engine_process *p);

#endif
