/* SPDX-License-Identifier: MIT
 *
 * runner_openai.h - a runner whose answers come from servers that speak OpenAI's protocol: llama-server,
 * vLLM,
 * MAX, another machine's hyperlama, or a service.
 */
#ifndef HL_HOST_REMOTE_RUNNER_OPENAI_H
#define HL_HOST_REMOTE_RUNNER_OPENAI_H

#include "host/remote/supervisor.h"
#include "host/remote/upstreams.h"
#include "hyperlama/runner.h"

/* Make a runner that asks these servers. Nothing is asked yet.
 *
 * A request goes to another server, or to the same one again, where the first does not answer, is busy or
 * broken (408, 429, 5xx) - as long as no token of it has come. After that its failure is the answer's.
 *
 * in     process  the engine that answers there, stopped with the runner; NULL: nobody we have started
 * owns   both are the runner's from now on, also after a failure
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_runner_openai_new(hl_upstreams *upstreams, hl_engine_process *process,
                                             hl_runner **ret_runner, hl_err *err);

#endif
