/* SPDX-License-Identifier: MIT
 *
 * fuzz_request.c - any bytes as a request's body, plain or compressed, for any route; as Host and Origin; and
 * as what a model says: an error with a text or a body whose fields are checked, and JSON on one line.
 *
 * fuzz: max_len=8192 words=server/body_fields.def
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "server/server_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT_BYTES = 1 << 16 };

static const char *const handlers[] = {
#define HL_ROUTE(method, path, handler, dialect, flags) #handler,
#include "server/routes.def"
#undef HL_ROUTE
};

static const char *const encodings[] = {NULL, "gzip", "deflate", "zstd"};

static void read_body(const uint8_t *data, size_t size) {
    const hl_route route = {.name = handlers[data[0] % (sizeof handlers / sizeof *handlers)]};
    hl_exchange    x = {.route = &route, .encoding = encodings[data[1] % 4]};
    json_t        *body = NULL;
    hl_err         err = {0};
    hl_str_init(&x.body, LIMIT_BYTES);
    hl_str_add(&x.body, (const char *)data + 2, size - 2);
    hl_status status = hl_exchange_decode_body(&x, LIMIT_BYTES, &err);
    if (status == HL_OK) status = hl_exchange_read_json(&x, &body, &err);
    if (status != HL_OK && !err.text[0]) abort();
    if (status == HL_OK && !json_is_object(body)) abort();
    if (x.body.len > LIMIT_BYTES) abort();
    if (status == HL_OK) json_decref(body);
    hl_str_done(&x.body);
    hl_free(x.model);
}

static void ask_gate(hl_view text) {
    hl_server s = {.checks_host = true, .origins = (char[]){"https://*.example, http://x"}};
    hl_err    err = {0};
    char     *copy = malloc(text.len + 1);
    if (!copy || pthread_mutex_init(&s.lock, NULL) != 0) abort();
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (hl_gate_check(&s, copy, NULL, &err) != HL_OK && !err.text[0]) abort();
    if (hl_gate_check(&s, NULL, copy, &err) != HL_OK && !err.text[0]) abort();
    (void)pthread_mutex_destroy(&s.lock);
    free(copy);
}

/* A line of NDJSON, and the data of a server-sent event. */
static void write_said(hl_view text) {
    hl_json_out j;
    json_t     *back = NULL;
    hl_err      err = {0};
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_view(&j, "text", text);
    hl_json_close(&j, '}');
    const hl_json_rules rules = {.max_bytes = SIZE_MAX, .max_values = 8, .max_depth = 4, .allows_nul = true};
    if (j.text.failed || memchr(j.text.ptr, '\n', j.text.len) || memchr(j.text.ptr, '\r', j.text.len))
        abort();
    if (hl_json_read(hl_str_view(&j.text), "said", &rules, &back, &err) != HL_OK) abort();
    json_decref(back);
    hl_json_done(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const hl_view text = {(const char *)data, size};
    if (size < 2) return 0;
    read_body(data, size);
    ask_gate(text);
    write_said(text);
    return 0;
}
