/* SPDX-License-Identifier: MIT
 *
 * schema_text.c - texts: patterns, formats, lengths and lists of words, joined.
 */
#include <string.h>

#include "engine/grammar/regex.h"
#include "engine/grammar/schema_priv.h"

typedef struct format_row {
    const char *name, *re;
} format_row;

static const format_row formats[] = {
#define HL_JSON_FORMAT(name, re) {name, re},
#include "engine/grammar/formats.def"
#undef HL_JSON_FORMAT
};

static hl_status format_dfa(hl_schema_ctx *x, const hl_schema_demand *want, hl_code_dfa *ret) {
    const char *name = json_string_value(want->value);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(name, formats[i].name) != 0) continue;
        const hl_status status = hl_regex_compile(hl_view_of(formats[i].re), true, ret, x->err);
        return status == HL_OK ? HL_OK : hl_schema_fail(x, status, want->path, "%s", x->err->text);
    }
    return hl_schema_fail(x, HL_E_ARG, want->path, "the format '%s' cannot be enforced", name);
}

static hl_status words_dfa(hl_schema_ctx *x, const json_t *values, hl_code_dfa *ret) {
    size_t   n = 0, i;
    json_t  *v;
    hl_view *words = hl_arena_get(&x->arena, json_array_size(values) + 1, sizeof *words);
    if (!words) return hl_schema_no_memory(x);
    json_array_foreach(values, i, v) if (json_is_string(v)) words[n++] =
        (hl_view){json_string_value(v), json_string_length(v)};
    return hl_code_dfa_words(words, n, ret, x->err);
}

static hl_status narrow_by(hl_schema_ctx *x, const hl_schema_demand *want, hl_code_dfa *d) {
    const hl_code_dfa *pattern = NULL;
    hl_code_dfa        other = {0};
    hl_status          status = HL_OK;
    switch (want->kind) {
    case HL_TEXT_PATTERN:
    case HL_TEXT_NOT_PATTERN:
        status = hl_schema_find_pattern(x, want->value, want->path, &pattern);
        if (status == HL_OK)
            status = hl_code_dfa_narrow(d, pattern, want->kind == HL_TEXT_NOT_PATTERN, x->err);
        return status;
    case HL_TEXT_FORMAT: status = format_dfa(x, want, &other); break;
    default: status = words_dfa(x, want->value, &other); break;
    }
    if (status == HL_OK) status = hl_code_dfa_narrow(d, &other, want->kind == HL_TEXT_NOT_ENUM, x->err);
    hl_code_dfa_done(&other);
    return status;
}

hl_status hl_schema_text_dfa(hl_schema_ctx *x, const hl_schema_case *c, bool with_lengths, bool *ret_any,
                             hl_code_dfa *ret) {
    const bool has_lengths = c->least_chars > 0 || c->most_chars != UINT32_MAX;
    *ret_any = !c->texts && (!has_lengths || !with_lengths);
    *ret = (hl_code_dfa){0};
    if (*ret_any) return HL_OK;
    hl_status               status = hl_code_dfa_lengths(0, UINT32_MAX, ret, x->err);
    const hl_schema_demand *d = c->texts;
    for (; d && status == HL_OK; d = d->next) {
        status = narrow_by(x, d, ret);
        if (status == HL_E_FULL && !strstr(x->err->text, "schema, #")) {
            const hl_err why = *x->err;
            hl_schema_fail(x, status, d->path, "%s", why.text);
        }
    }
    if (status == HL_OK && has_lengths && !hl_code_dfa_has_lengths(ret, c->least_chars, c->most_chars)) {
        hl_code_dfa lengths;
        status = hl_code_dfa_lengths(c->least_chars, c->most_chars, &lengths, x->err);
        if (status == HL_OK) status = hl_code_dfa_narrow(ret, &lengths, false, x->err);
        if (status == HL_E_FULL && c->texts)
            hl_schema_fail(x, status, c->texts->path, "together with minLength and maxLength: %s",
                           x->err->text);
        hl_code_dfa_done(&lengths);
    }
    if (status != HL_OK) hl_code_dfa_done(ret);
    return status;
}
