/* SPDX-License-Identifier: MIT
 *
 * python_call.c - keywords and values, one after another.
 */
#include "engine/toolcalls/python_call.h"

#include <string.h>

enum { MAX_WORD_BYTES = 4096 };

void hl_python_call_init(hl_python_call *p, const json_t *function) {
    *p = (hl_python_call){.function = function};
    hl_str_init(&p->word, MAX_WORD_BYTES);
    hl_loose_json_init(&p->value, NULL);
}

void hl_python_call_done(hl_python_call *p) {
    hl_str_done(&p->word);
    hl_loose_json_done(&p->value);
}

static bool is_word_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static void begin_value(hl_python_call *p, hl_view key, hl_str *out) {
    hl_str_add_text(out, p->n_args++ > 0 ? ", \"" : "{\"");
    for (size_t i = 0; i < key.len; i++) hl_json_add_byte(out, key.ptr[i]);
    hl_str_add_text(out, "\": ");
    hl_loose_json_done(&p->value);
    hl_loose_json_init(&p->value, NULL);
    p->state = HL_PYTHON_VALUE;
}

static void end_args(hl_python_call *p, hl_str *out) { hl_str_add_text(out, p->n_args > 0 ? "}" : "{}"); }

static hl_loose_step on_value(hl_python_call *p, char c, hl_str *out) {
    const hl_loose_step step = hl_loose_json_feed(&p->value, c, out);
    if (step == HL_LOOSE_DONE) p->state = HL_PYTHON_BEHIND;
    if (step != HL_LOOSE_BEHIND) return step == HL_LOOSE_BROKEN ? HL_LOOSE_BROKEN : HL_LOOSE_MORE;
    p->state = HL_PYTHON_BEHIND;
    return hl_python_call_feed(p, c, out);
}

/* What looked like a keyword is a value, and the property's name is found by its place. */
static hl_loose_step on_positional(hl_python_call *p, char c, hl_str *out) {
    const char *key = hl_tool_param_at(p->function, p->n_args);
    if (!key) return HL_LOOSE_BROKEN;
    begin_value(p, hl_view_of(key), out);
    for (size_t i = 0; i < p->word.len; i++) (void)hl_loose_json_feed(&p->value, p->word.ptr[i], out);
    return on_value(p, c, out);
}

static hl_loose_step on_word(hl_python_call *p, char c, hl_str *out) {
    if (c == '=') {
        begin_value(p, hl_view_trim(hl_str_view(&p->word)), out);
        return HL_LOOSE_MORE;
    }
    const bool had_blank = p->word.len > 0 && hl_is_blank(p->word.ptr[p->word.len - 1]);
    if (!(is_word_byte(c) && !had_blank) && !hl_is_blank(c)) return on_positional(p, c, out);
    hl_str_add_char(&p->word, c);
    return p->word.failed ? HL_LOOSE_BROKEN : HL_LOOSE_MORE;
}

hl_loose_step hl_python_call_feed(hl_python_call *p, char c, hl_str *out) {
    const bool is_open = p->state == HL_PYTHON_ARG || p->state == HL_PYTHON_BEHIND;
    if (p->state == HL_PYTHON_VALUE) return on_value(p, c, out);
    if (p->state == HL_PYTHON_WORD) return on_word(p, c, out);
    if (is_open && hl_is_blank(c)) return HL_LOOSE_MORE;
    if (c == ')') {
        end_args(p, out);
        return HL_LOOSE_DONE;
    }
    if (c == ',') {
        p->state = HL_PYTHON_ARG;
        return HL_LOOSE_MORE;
    }
    if (p->state == HL_PYTHON_BEHIND) return HL_LOOSE_BROKEN;
    hl_str_clear(&p->word);
    if (!is_word_byte(c)) return on_positional(p, c, out);
    p->state = HL_PYTHON_WORD;
    hl_str_add_char(&p->word, c);
    return HL_LOOSE_MORE;
}

void hl_python_call_complete(hl_python_call *p, hl_str *out) {
    if (p->state == HL_PYTHON_VALUE) hl_loose_json_complete(&p->value, out);
    end_args(p, out);
}
