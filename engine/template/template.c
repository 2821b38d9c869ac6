/* SPDX-License-Identifier: MIT
 *
 * template.c - the front door: parse once, render often.
 */
#include "engine/template/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "engine/template/tmpl_run.h"

enum { MAX_TEMPLATE_BYTES = 256 << 20 };

hl_status hl_tmpl_fail(const hl_template *t, uint32_t at, hl_err *err, const char *fmt, ...) {
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const hl_text_place p = hl_utf8_place(t->source, at);
    return hl_fail(err, HL_E_FORMAT, "template line %zu, column %zu: %s", p.line, p.column, text);
}

/* The place of a name in the table, free or not. */
static hl_tmpl_symbol **find_slot(const hl_template *t, hl_view text, uint32_t hash) {
    size_t at = hash & (t->n_sym_slots - 1);
    while (t->syms[at] && (t->syms[at]->hash != hash || !hl_view_eq(t->syms[at]->text, text)))
        at = (at + 1) & (t->n_sym_slots - 1);
    return &t->syms[at];
}

static bool grow_syms(hl_template *t) {
    const size_t           n_old = t->n_sym_slots, n = n_old ? n_old * 2 : 64;
    hl_tmpl_symbol **const old = t->syms;
    hl_tmpl_symbol       **slots = hl_new(n, sizeof(hl_tmpl_symbol *));
    if (!slots) return false;
    t->syms = slots;
    t->n_sym_slots = n;
    for (size_t i = 0; i < n_old; i++)
        if (old[i]) *find_slot(t, old[i]->text, old[i]->hash) = old[i];
    hl_free((void *)old);
    return true;
}

static uint32_t hash_name(const hl_template *t, hl_view text) {
    return (uint32_t)hl_hash_bytes(t->hash_keys, text.ptr, text.len);
}

const hl_tmpl_symbol *hl_tmpl_find_sym(const hl_template *t, hl_view text) {
    return *find_slot(t, text, hash_name(t, text));
}

hl_tmpl_symbol *hl_tmpl_sym(hl_template *t, hl_view text) {
    if (t->n_syms * 2 >= t->n_sym_slots && !grow_syms(t)) return NULL;
    const uint32_t   hash = hash_name(t, text);
    hl_tmpl_symbol **slot = find_slot(t, text, hash);
    if (*slot) return *slot;
    if (!(*slot = hl_arena_get(&t->arena, 1, sizeof **slot))) return NULL;
    **slot = (hl_tmpl_symbol){.text = text, .hash = hash};
    t->n_syms++;
    return *slot;
}

hl_status hl_tmpl_step(hl_template *t, hl_err *err) {
    return ++t->n_steps % 4096 ? HL_OK : hl_stop_check("read the template", err);
}

/* \r\n and \r become \n; one newline at the very end goes. Behind it is room for each string without its
 * escapes, and for each once more, joined to those beside it. */
static bool copy_source(hl_template *t, hl_view source) {
    char *p = hl_arena_get(&t->arena, source.len + 1, 3);
    if (!p) return false;
    t->text = p;
    t->text_bytes = (source.len + 1) * 3;
    t->literals = p + source.len + 1;
    size_t n = 0;
    for (size_t i = 0; i < source.len; i++) {
        const char c = source.ptr[i];
        if (c == '\r' && i + 1 < source.len && source.ptr[i + 1] == '\n') continue;
        p[n++] = c == '\r' ? '\n' : c;
    }
    if (n && p[n - 1] == '\n') n--;
    t->source = (hl_view){p, n};
    return true;
}

hl_view hl_tmpl_keep(hl_template *t, const char *begin, hl_view more) {
    if (more.len) memcpy(t->literals, more.ptr, more.len);
    t->literals += more.len;
    return (hl_view){begin, (size_t)(t->literals - begin)};
}

static bool add_known_names(hl_template *t) {
    return (t->sym_loop = hl_tmpl_sym(t, hl_view_of("loop"))) &&
           (t->sym_caller = hl_tmpl_sym(t, hl_view_of("caller"))) &&
           (t->sym_varargs = hl_tmpl_sym(t, hl_view_of("varargs"))) &&
           (t->sym_kwargs = hl_tmpl_sym(t, hl_view_of("kwargs")));
}

hl_status hl_template_parse(hl_view source, hl_template **ret_template, hl_err *err) {
    if (source.len > HL_TMPL_MAX_SOURCE_BYTES)
        return hl_fail(err, HL_E_LIMIT, "template of %zu bytes: expected at most %d", source.len,
                       HL_TMPL_MAX_SOURCE_BYTES);
    if (!hl_utf8_is_valid(source.ptr, source.len))
        return hl_fail(err, HL_E_FORMAT, "template is not valid UTF-8");
    hl_template *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_arena_init(&t->arena, MAX_TEMPLATE_BYTES);
    t->hash_keys = hl_hash_draw_keys();
    hl_tmpl_token *tokens = NULL;
    size_t         n_tokens = 0;
    hl_status      status = HL_OK;
    if (!copy_source(t, source) || !add_known_names(t))
        status = hl_fail(err, HL_E_NOMEM, "template: no memory");
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
    hl_free((void *)t->syms);
    hl_free(t);
}

static hl_status check_output(hl_tmpl_run *r) {
    if (r->status != HL_OK || !r->out->failed) return r->status;
    return r->status = r->out->is_full
                           ? hl_fail(r->err, HL_E_LIMIT, "template: output is longer than %zu bytes",
                                     r->out->into->text.limit_bytes)
                           : hl_fail(r->err, HL_E_NOMEM, "template: no memory for the output");
}

/* One rendering with `r` ready but for its memory. */
static hl_status run(hl_tmpl_run *r, hl_tainted *to) {
    const size_t len = to->text.len, n_tainted = to->n_tainted;
    const size_t last_end = n_tainted ? to->tainted[n_tainted - 1].end : 0;
    hl_tmpl_out  out = {.into = to};
    hl_arena_init(&r->arena, HL_TMPL_MAX_ARENA_BYTES);
    hl_tmpl_out_init(&r->scratch, HL_TMPL_MAX_TEXT_BYTES);
    r->out = &out;
    if (hl_tmpl_run_block(r, r->t->body) != HL_TMPL_FLOW_NEXT && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_INTERNAL, "template: left a loop that was not entered");
    const hl_status status = check_output(r);
    hl_tmpl_out_done(&r->scratch);
    hl_arena_done(&r->arena);
    if (status == HL_OK) return HL_OK;
    to->text.len = len; /* nothing half-written stays behind */
    to->text.failed = false;
    if (to->text.ptr) to->text.ptr[len] = '\0';
    to->n_tainted = n_tainted;
    if (n_tainted) to->tainted[n_tainted - 1].end = last_end;
    return status;
}

hl_status hl_template_render(const hl_template *t, const hl_template_input *in, hl_tainted *out,
                             hl_err *err) {
    hl_tmpl_scope root = {0}, globals = {0};
    hl_tmpl_run   r = {.t = t,
                       .in = in,
                       .now_ms = in->now_ms,
                       .scope = &root,
                       .root = &root,
                       .globals = &globals,
                       .line = 1,
                       .err = err};
    return run(&r, out);
}

static json_t *marked_string(int mark, hl_view text) {
    hl_str  s;
    json_t *ret = NULL;
    hl_str_init(&s, text.len + 1);
    hl_str_add_char(&s, (char)mark);
    hl_str_add_view(&s, text);
    if (!s.failed) ret = json_stringn_nocheck(s.ptr, s.len);
    hl_str_done(&s);
    return ret;
}

json_t *hl_template_number(hl_view digits) { return marked_string(HL_TMPL_NUMBER_MARK, digits); }
json_t *hl_template_word(hl_view word) { return marked_string(HL_TMPL_WORD_MARK, word); }

bool hl_template_mentions(const hl_template *t, const char *name) {
    return hl_tmpl_find_sym(t, hl_view_of(name)) != NULL;
}
