/* SPDX-License-Identifier: MIT
 *
 * routes.h - which handler answers a method and a path.
 */
#ifndef HL_SERVER_ROUTES_H
#define HL_SERVER_ROUTES_H

#include "hyperlama/base.h"

struct hl_exchange;

typedef enum hl_method {
    HL_METHOD_GET,
    HL_METHOD_HEAD,
    HL_METHOD_POST,
    HL_METHOD_PUT,
    HL_METHOD_DELETE,
    HL_METHOD_OPTIONS,
    HL_N_METHODS /* another one */
} hl_method;

/* Whose client asks: it decides the shape of errors. */
typedef enum hl_api_dialect { HL_API_own, HL_API_ollama, HL_API_openai, HL_API_anthropic } hl_api_dialect;

enum {
    HL_R_INLINE = 1,
    HL_R_BODY = 2,
    HL_R_MANAGE = 4,
    HL_R_ADMIN = 8,
    HL_R_OPEN = 16,
    HL_R_LONG = 32,
    HL_R_UPLOAD = 64,
    HL_R_TRANSFER = 128,
};

/* Answer the exchange: put a whole response in it, or start a completion (exchange.h, completion.h).
 * fails  with the status that becomes the response's, in the route's dialect */
typedef hl_status hl_api_fn(struct hl_exchange *x, hl_err *err);

typedef struct hl_route {
    hl_method      method;
    const char    *path;
    const char    *name; /* of the handler: for the log */
    hl_api_fn     *fn;
    hl_api_dialect dialect;
    uint32_t       flags;
} hl_route;

/* The route of a method and a path, which is decoded and has no query. HEAD finds what GET does,
 * where it has no route of its own.
 *
 * out    ret_rest     what "{x...}" or "{x}" stands for; empty without one
 *        ret_allowed  bits 1 << hl_method of what the path does have
 * returns NULL: none; *ret_allowed is 0 when there is no such path */
const hl_route *hl_route_find(hl_method method, hl_view path, hl_view *ret_rest, uint32_t *ret_allowed);

/* Route i of the table; NULL past the last. */
const hl_route *hl_route_at(size_t i);

hl_method   hl_method_parse(const char *text);
const char *hl_method_name(hl_method m);

#define HL_ROUTE(method, path, handler, dialect, flags) hl_api_fn hl_api_##handler;
#include "server/routes.def"
#undef HL_ROUTE

#endif
