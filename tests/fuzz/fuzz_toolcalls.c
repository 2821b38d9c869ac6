/* SPDX-License-Identifier: MIT
 *
 * fuzz_toolcalls.c - any bytes as a model's reply, in every format of calls.
 *
 * The first byte chooses the format, the second whether reasoning is told apart and open, and how large the
 * pieces are, and the third whether the reply was cut. Whole and in pieces the same must come out; a call is
 * a name, arguments and an end, and the arguments of one that was not cut are a JSON object.
 *
 * fuzz: max_len=4096 words=engine/toolcalls/call_formats.def,engine/toolcalls/call_reader.c
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/data/json.h"
#include "engine/toolcalls/reply_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_INPUT = 1 << 16 };

typedef struct seen {
    hl_str all, arguments;
    char   last; /* kind of the last part */
    bool   is_in_call;
} seen;

static json_t *any_number(hl_view digits) {
    (void)digits;
    return json_integer(0);
}

static void check_arguments(const hl_str *s) {
    static const hl_json_rules rules = {.max_bytes = SIZE_MAX,
                                        .max_values = SIZE_MAX,
                                        .max_depth = 200,
                                        .allows_nul = true,
                                        .number = any_number};
    json_t                    *json = NULL;
    if (hl_json_read(hl_str_view(s), "arguments", &rules, &json, NULL) != HL_OK || !json_is_object(json))
        abort();
    json_decref(json);
}

static bool take(void *user, const hl_reply_part *p) {
    seen *s = user;
    if (p->is_hidden) return true;
    const bool is_of_call = p->kind == HL_REPLY_ARGUMENTS || p->kind == HL_REPLY_CALL_END;
    if (is_of_call != s->is_in_call) abort();
    if (p->kind == HL_REPLY_CALL) {
        if (p->text.len == 0) abort();
        s->is_in_call = true;
        hl_str_clear(&s->arguments);
    }
    if (p->kind == HL_REPLY_ARGUMENTS) hl_str_add_view(&s->arguments, p->text);
    if (p->kind == HL_REPLY_CALL_END) {
        s->is_in_call = false;
        if (!p->is_cut) check_arguments(&s->arguments);
    }
    const char kind = (char)('0' + (int)p->kind);
    if (kind != s->last || p->kind == HL_REPLY_CALL) hl_str_add_char(&s->all, kind);
    s->last = kind;
    hl_str_add_view(&s->all, p->text);
    return true;
}

static void run(const uint8_t *data, size_t n, size_t size, const json_t *tools, seen *s) {
    size_t n_formats = 0;
    while (hl_call_format_at(n_formats)) n_formats++;
    hl_reply_parser *p = malloc(sizeof *p);
    *s = (seen){0};
    hl_str_init(&s->all, SIZE_MAX);
    hl_str_init(&s->arguments, SIZE_MAX);
    if (!p) abort();
    hl_reply_parser_init(p, hl_call_format_at(data[0] % n_formats), tools, data[1] & 1, (data[1] & 3) == 3,
                         take, s);
    for (size_t at = 3; at < n; at += size) {
        const size_t k = n - at < size ? n - at : size;
        if (!hl_reply_parser_feed(p, (hl_view){(const char *)data + at, k}, false)) abort();
    }
    if (!hl_reply_parser_finish(p, data[2] & 1) || s->is_in_call) abort();
    hl_reply_parser_done(p);
    free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static json_t *tools;
    seen           whole, pieces;
    if (!tools)
        tools = json_loads(
            "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"s\":{\"type\":\"string\"},"
            "\"n\":{"
            "\"type\":\"integer\"},\"l\":{\"type\":\"array\"},\"o\":{\"type\":[\"object\",\"null\"]},\"b\":{"
            "\"type\":\"boolean\"},\"x\":{}}}}},{\"function\":{\"name\":\"g\"}}]",
            0, NULL);
    if (!tools) abort();
    if (n < 4 || n > MAX_INPUT) return 0;
    run(data, n, n, tools, &whole);
    run(data, n, (size_t)(data[1] >> 2) % 7 + 1, tools, &pieces);
    if (!hl_view_eq(hl_str_view(&whole.all), hl_str_view(&pieces.all))) abort();
    hl_str_done(&whole.all);
    hl_str_done(&whole.arguments);
    hl_str_done(&pieces.all);
    hl_str_done(&pieces.arguments);
    return 0;
}
