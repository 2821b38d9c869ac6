/* SPDX-License-Identifier: MIT
 *
 * ask_server.h - a running server, as commands ask it.
 */
#ifndef HL_CLI_ASK_SERVER_H
#define HL_CLI_ASK_SERVER_H

#include "cli/app.h"
#include "core/data/json.h"

/* Ask the server that server.host names, with the key in HYPERLAMA_API_KEY (or OLLAMA_API_KEY), if any; over
 * HTTPS with the authorities in SSL_CERT_FILE, if that is set.
 *
 * in     body  JSON; NULL: none
 * out    *ret_answer  its JSON; NULL when it has none. json_decref()
 * fails  HL_E_NET  no server answers there: says how to start one
 *        with the status that its error stands for, and its words; HL_E_FORMAT  its answer is no JSON */
HL_MUST_CHECK hl_status hl_ask_server(const hl_app *app, const char *method, const char *path,
                                      const char *body, json_t **ret_answer, hl_err *err);

#endif
