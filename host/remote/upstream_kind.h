/* SPDX-License-Identifier: MIT
 *
 * upstream_kind.h - what a server can do beyond the protocol: asked once, where it matters.
 */
#ifndef HL_HOST_REMOTE_UPSTREAM_KIND_H
#define HL_HOST_REMOTE_UPSTREAM_KIND_H

#include "core/net/http_client.h"
#include "host/remote/upstreams.h"

/* Does this server go on from a last message that is the assistant's? Programs that do are known by
 * `owned_by` of their list of models; others would begin a new answer, and nobody would see it. Only a yes is
 * remembered.
 *
 * in     call         that is to be made: its key, headers, time to connect and is_over count here, too, and
 *                     its head is filled
 *        ret_refusal  initialised
 * out    *ret_code, ret_refusal  where it answers with a status of 300 or more: what it says. Nobody knows
 *                     then whether it does, and HL_OK is returned; else both are as they were
 * fails  HL_E_UNSUPPORTED  it is none of them: with its name
 *        HL_E_NET          it does not answer, or with a list in which no model is
 *        HL_E_CANCEL, HL_E_NOMEM, HL_E_LIMIT */
HL_MUST_CHECK hl_status hl_upstream_check_continues(hl_upstreams *u, size_t i, const hl_http_call *call,
                                                    hl_str *ret_refusal, int *ret_code, hl_err *err);

#endif
