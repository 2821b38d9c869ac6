/* SPDX-License-Identifier: MIT
 *
 * template.c - the front door: parse once, render often.
 */
#include "engine/template/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/template/tmpl_run.h"

enum { MAX_TEMPLATE_BYTES = 256 << 20 };

hl_status hl_tmpl_fail(const hl_template *t, uint32_t at, hl_err *err, const char *fmt, ...) {
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    uint32_t line = 1, column = 1;
    for (uint32_t i = 0; i < at && i < t->source.len; i++) {
        const unsigned char c = (unsigned char)t->source.ptr[i];
        column += (c & 0xC0) != 0x80; /* characters, not bytes */
        if (c == '\n') {
            line++;
            column = 1;
        }
    }
    return hl_fail(err, HL_E_FORMAT, "template line %u, column %u: %s", line, column, text);
}

static uint32_t hash_text(hl_view text) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++) h = (h ^ (unsigned char)text.ptr[i]) * 16777619u;
    return h;
}

const hl_tsym *hl_tmpl_find_sym(const hl_template *t, hl_view text) {
    const hl_tsym *s = t->syms[hash_text(text) % HL_TMPL_SYM_BUCKETS];
    while (s && !hl_view_eq(s->text, text)) s = s->next;
    return s;
}

const hl_tsym *hl_tmpl_sym(hl_template *t, hl_view text) {
    const hl_tsym *known = hl_tmpl_find_sym(t, text);
    if (known) return known;
    hl_tsym    *s = hl_arena_get(&t->arena, 1, sizeof *s);
    const char *copy = s ? hl_arena_get_text(&t->arena, text.ptr, text.len) : NULL;
    if (!copy) return NULL;
    hl_tsym **bucket = &t->syms[hash_text(text) % HL_TMPL_SYM_BUCKETS];
    *s = (hl_tsym){.next = *bucket, .text = {copy, text.len}};
    return *bucket = s;
}

/* \r\n and \r become \n; one newline at the very end goes. */
static bool copy_source(hl_template *t, hl_view source) {
    char *p = hl_arena_get(&t->arena, source.len + 1, 1);
    if (!p) return false;
    size_t n = 0;
    for (size_t i = 0; i < source.len; i++) {
        const char c = source.ptr[i];
        if (c == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n') continue;
        p[n++] = c == '\r' ? '\n' : c;
    }
    if (n && p[n - 1] == '\n') n--;
    p[n] = '\0';
    t->source = (hl_view){p, n};
    return true;
}

static bool add_known_names(hl_template *t) {
    return (t->sym_loop = hl_tmpl_sym(t, hl_view_of("loop"))) &&
           (t->sym_caller = hl_tmpl_sym(t, hl_view_of("caller"))) &&
           (t->sym_varargs = hl_tmpl_sym(t, hl_view_of("varargs"))) &&
           (t->sym_kwargs = hl_tmpl_sym(t, hl_view_of("kwargs")));
}

hl_status hl_template_parse(hl_view source, const atomic_bool *stop, hl_template **ret_template,
                            hl_err *err) {
    if (source.len > HL_TMPL_MAX_SOURCE_BYTES)
        return hl_fail(err, HL_E_LIMIT, "template of %zu bytes: expected at most %d", source.len,
                       HL_TMPL_MAX_SOURCE_BYTES);
    if (!hl_utf8_is_valid(source.ptr, source.len))
        return hl_fail(err, HL_E_FORMAT, "template is not valid UTF-8");
    hl_template *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_arena_init(&t->arena, MAX_TEMPLATE_BYTES);
    hl_ttoken *tokens = NULL;
    size_t     n_tokens = 0;
    hl_status  status = HL_OK;
    if (!copy_source(t, source) || !add_known_names(t))
        status = hl_fail(err, HL_E_NOMEM, "template: no memory");
    if (status == HL_OK && stop && atomic_load_explicit(stop, memory_order_relaxed))
        status = hl_fail(err, HL_E_CANCEL, "stopped");
    if (status == HL_OK) status = hl_tmpl_lex(t, &tokens, &n_tokens, err);
    if (status == HL_OK) status = hl_tmpl_parse_tokens(t, tokens, n_tokens, err);
    hl_free(tokens);
    if (status == HL_OK)
        *ret_template = t;
    else
        hl_template_free(t);
    return status;
}

void hl_template_free(hl_template *t) {
    if (!t) return;
    hl_arena_done(&t->arena);
    hl_free(t);
}

hl_status hl_template_render(const hl_template *t, const hl_template_input *in, hl_tainted *out,
                             hl_err *err) {
    hl_tscope root = {0}, globals = {0};
    hl_str    text;
    hl_trun   r = {.t = t,
                   .in = in,
                   .now_ms = in->now_ms,
                   .out = &text,
                   .scope = &root,
                   .root = &root,
                   .globals = &globals,
                   .line = 1,
                   .err = err};
    hl_arena_init(&r.arena, HL_TMPL_MAX_ARENA_BYTES);
    hl_str_init(&r.scratch, HL_TMPL_MAX_ARENA_BYTES);
    hl_str_init(&text, out->text.limit_bytes - out->text.len);
    if (hl_trun_block(&r, t->body) != HL_TFLOW_NEXT && r.status == HL_OK)
        r.status = hl_fail(err, HL_E_INTERNAL, "template: left a loop that was not entered");
    if (r.status == HL_OK && text.failed)
        r.status =
            text.len >= text.limit_bytes / 2
                ? hl_fail(err, HL_E_LIMIT, "template: output is longer than %zu bytes", text.limit_bytes)
                : hl_fail(err, HL_E_NOMEM, "template: no memory for the output");
    hl_arena_done(&r.arena);
    hl_str_done(&r.scratch);
    if (r.status == HL_OK) hl_tainted_add(out, hl_str_view(&text), false);
    if (r.status == HL_OK && out->text.failed)
        r.status = hl_fail(err, HL_E_NOMEM, "template: no memory for the output");
    hl_str_done(&text);
    return r.status;
}

json_t *hl_template_number(hl_view digits) {
    hl_str  s;
    json_t *ret = NULL;
    hl_str_init(&s, digits.len + 1);
    hl_str_add_char(&s, (char)HL_TMPL_NUMBER_MARK);
    hl_str_add_view(&s, digits);
    if (!s.failed) ret = json_stringn_nocheck(s.ptr, s.len);
    hl_str_done(&s);
    return ret;
}

bool hl_template_mentions(const hl_template *t, const char *name) {
    return hl_tmpl_find_sym(t, hl_view_of(name)) != NULL;
}
