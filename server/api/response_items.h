/* SPDX-License-Identifier: MIT
 *
 * response_items.h - the items that /v1/responses reads, keeps and hands back, and the messages they mean.
 *
 * from: OpenAI's API reference and the types of its clients (August 2026)
 */
#ifndef HL_SERVER_API_RESPONSE_ITEMS_H
#define HL_SERVER_API_RESPONSE_ITEMS_H

#include "core/data/json.h"
#include "models/models.h"

enum { HL_RESPONSE_ID_BYTES = 32 };

/* Where kept answers are found, and whose. */
typedef struct hl_keeper {
    hl_store   *store;
    const char *owner; /* the name of a key; "": nobody's */
} hl_keeper;

/* A request's input, a text or a list, as a list of whole items: each has a type, an id, and its texts as
 * parts.
 *
 * in     input  NULL: none
 *        tag    ids that are made begin with it, "msg_TAG_0"
 *        k  where references to kept items are looked up
 * owns   json_decref(*ret)
 * fails  HL_E_ARG, HL_E_UNSUPPORTED with the place; HL_E_NOT_FOUND a reference; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_response_read_items(const json_t *input, const char *tag, const hl_keeper *k,
                                               json_t **ret, hl_err *err);

/* Append what was said up to a kept answer: all its predecessors' items and its own, in order.
 * fails  HL_E_NOT_FOUND  it, or one before it, is not kept any more; HL_E_FORMAT, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_response_add_history(const hl_keeper *k, const char *id, json_t *items,
                                                hl_err *err);

/* Append the messages that items mean: reasoning and calls become part of the assistant's turn that they
 * belong to. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_response_add_messages(const json_t *items, json_t *messages, hl_err *err);

/* Flat tools as templates know them; those that a server would have to run are left out, and counted.
 * owns   json_decref(*ret)
 * fails  HL_E_ARG a function without a name; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_response_read_tools(const json_t *tools, json_t **ret, size_t *ret_n_left_out,
                                               hl_err *err);

#endif
