/* SPDX-License-Identifier: MIT
 *
 * upstream_kind.h - what a server can do beyond the protocol: asked once, where it matters.
 */
#ifndef HL_HOST_REMOTE_UPSTREAM_KIND_H
#define HL_HOST_REMOTE_UPSTREAM_KIND_H

#include "host/remote/upstreams.h"

/* Does this server go on from a last message that is the assistant's? Programs that do are known by
 * `owned_by` of their list of models; others would begin a new answer, and nobody would see it.
 *
 * fails  HL_E_UNSUPPORTED  it is none of them: with its name
 *        HL_E_NET          it does not answer */
HL_MUST_CHECK hl_status hl_upstream_check_continues(hl_upstreams *u, size_t i, hl_err *err);

#endif
