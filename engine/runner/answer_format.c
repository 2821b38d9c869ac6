/* SPDX-License-Identifier: MIT
 *
 * answer_format.c - grammars that are kept, and their matchers as constraints.
 */
#include "engine/runner/answer_format.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

/* ---- what is kept ---- */

void hl_formats_init(hl_formats *f) {
    *f = (hl_formats){0};
    (void)pthread_mutex_init(&f->lock, NULL);
}

static void drop(struct hl_kept_format *k) {
    hl_free((void *)(uintptr_t)k->format.text.ptr);
    hl_free((void *)(uintptr_t)k->lead.ptr);
    hl_grammar_unref(k->grammar);
    *k = (struct hl_kept_format){0};
}

void hl_formats_done(hl_formats *f) {
    for (int i = 0; i < HL_FORMATS_KEPT; i++) drop(&f->kept[i]);
    hl_token_trie_free(f->trie);
    (void)pthread_mutex_destroy(&f->lock);
}

static size_t piece(void *user, int32_t id, char *buf, size_t cap) {
    return hl_tokenizer_piece(user, id, true, buf, cap);
}

static enum hl_token_role role(void *user, int32_t id) {
    if (hl_tokenizer_is_eog(user, id)) return HL_TOKEN_END;
    return hl_tokenizer_is_control(user, id) ? HL_TOKEN_CONTROL : HL_TOKEN_TEXT;
}

/* Under lock. */
static hl_status make_trie(hl_formats *f, const hl_tokenizer *t, hl_err *err) {
    const hl_grammar_tokens tokens = {
        .user = (void *)(uintptr_t)t, .n_vocab = hl_tokenizer_n_vocab(t), .piece = piece, .role = role};
    return f->trie ? HL_OK : hl_token_trie_new(&tokens, &f->trie, err);
}

static bool is_same(const struct hl_kept_format *k, const hl_format *format, hl_view lead) {
    return k->format.kind == format->kind && hl_view_eq(k->lead, lead) &&
           hl_view_eq(k->format.text, format->text);
}

/* Under lock. NULL: it is not there. */
static hl_grammar *find(hl_formats *f, const hl_format *format, hl_view lead) {
    for (int i = 0; i < HL_FORMATS_KEPT; i++) {
        if (!is_same(&f->kept[i], format, lead)) continue;
        f->kept[i].used_at = ++f->clock;
        return hl_grammar_ref(f->kept[i].grammar);
    }
    return NULL;
}

/* Under lock. In place of the one that was not used for longest; without memory it is not kept. */
static void keep(hl_formats *f, const hl_format *format, hl_view lead, hl_grammar *g) {
    struct hl_kept_format *oldest = &f->kept[0];
    for (int i = 1; i < HL_FORMATS_KEPT; i++)
        if (f->kept[i].used_at < oldest->used_at) oldest = &f->kept[i];
    char *copy = hl_strndup(format->text.ptr ? format->text.ptr : "", format->text.len);
    char *lead_copy = hl_strndup(lead.ptr ? lead.ptr : "", lead.len);
    if (!copy || !lead_copy) {
        hl_free(copy);
        hl_free(lead_copy);
        return;
    }
    drop(oldest);
    *oldest = (struct hl_kept_format){.format = {format->kind, {copy, format->text.len}},
                                      .lead = {lead_copy, lead.len},
                                      .grammar = hl_grammar_ref(g),
                                      .used_at = ++f->clock};
}

static hl_status get_grammar(hl_formats *f, const hl_format *format, hl_view lead, hl_grammar **ret,
                             hl_err *err) {
    (void)pthread_mutex_lock(&f->lock);
    *ret = find(f, format, lead);
    (void)pthread_mutex_unlock(&f->lock);
    if (*ret) return HL_OK;
    const hl_status status = hl_grammar_compile(format, lead, ret, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&f->lock);
    keep(f, format, lead, *ret);
    (void)pthread_mutex_unlock(&f->lock);
    return HL_OK;
}

hl_status hl_formats_match(hl_formats *f, const hl_tokenizer *t, const hl_format *format, hl_view lead,
                           hl_matcher **ret_matcher, hl_err *err) {
    hl_grammar *g = NULL;
    hl_status   status = get_grammar(f, format, lead, &g, err);
    if (status != HL_OK) return status;
    (void)pthread_mutex_lock(&f->lock);
    status = make_trie(f, t, err);
    (void)pthread_mutex_unlock(&f->lock);
    if (status == HL_OK) status = hl_matcher_new(g, f->trie, ret_matcher, err);
    hl_grammar_unref(g);
    return status;
}

/* ---- in front of the answer ---- */

static void add_marker(hl_str *s, const char *term, const char *marker) {
    hl_str_add_format(s, "%s \"", term);
    for (; *marker; marker++) {
        if (*marker == '"' || *marker == '\\') hl_str_add_char(s, '\\');
        hl_str_add_char(s, *marker);
    }
    hl_str_add_text(s, "\" ");
}

/* gpt-oss: reasoning and the answer are messages of their own. */
static const char harmony_reasoning[] =
    "root ::= (%mark \"<|channel|>\" \"analysis\" %mark \"<|message|>\" %free \"<|end|>\" %mark \"<|end|>\" "
    "%mark \"<|start|>\" \"assistant\")? ";
static const char harmony_header[] = "%mark \"<|channel|>\" \"final\" %mark \"<|message|>\" ";

void hl_format_write_lead(const hl_answer_form *form, bool may_think, bool has_header, hl_str *s) {
    const char *open = form->format ? hl_call_format_think_open(form->format) : "<think>";
    const char *close = form->format ? hl_call_format_think_close(form->format) : "</think>";
    const bool  thinks = form->splits_thinking && form->starts_thinking;
    if (form->format && form->format->has_channels) {
        hl_str_add_text(s, harmony_reasoning);
        if (!has_header) hl_str_add_text(s, harmony_header);
        hl_str_add_text(s, "%answer");
        return;
    }
    if (!thinks && !may_think) return;
    hl_str_add_text(s, "root ::= (");
    if (!thinks) add_marker(s, "[ \\n]{0,2} %mark", open);
    add_marker(s, "%free", close);
    add_marker(s, "%mark", close);
    hl_str_add_format(s, "[\\r\\n\\t]{0,4})%s %%answer", thinks ? "" : "?");
}

/* ---- one answer ---- */

static const uint32_t *allowed(void *self) {
    const hl_answer_format *f = self;
    const hl_constraint    *limit = f->limit ? &f->limit->constraint : NULL;
    const uint32_t         *forced = limit ? limit->allowed(limit->self) : NULL;
    return forced ? forced : hl_matcher_allowed(f->matcher);
}

static void accept(void *self, int32_t token) {
    const hl_answer_format *f = self;
    if (f->limit) f->limit->constraint.accept(f->limit->constraint.self, token);
    (void)hl_matcher_accept(f->matcher, token); /* else it allows nothing from now on, and the answer fails */
}

static bool is_done(void *self) { return hl_matcher_is_done(((const hl_answer_format *)self)->matcher); }

/* The end of reasoning that is forced goes before the format's own. */
static const hl_constraint *forcing(const hl_answer_format *f) {
    return f->limit && f->limit->is_forcing ? &f->limit->constraint : NULL;
}

static size_t draft(void *self, int32_t *ids, size_t cap) {
    const hl_answer_format *f = self;
    const hl_constraint    *k = forcing(f);
    return k ? k->draft(k->self, ids, cap) : hl_matcher_forced_tokens(f->matcher, ids, cap);
}

static size_t fits(void *self, const int32_t *ids, size_t n) {
    const hl_answer_format *f = self;
    const hl_constraint    *k = forcing(f);
    return k ? k->fits(k->self, ids, n) : hl_matcher_fits(f->matcher, ids, n);
}

void hl_answer_format_init(hl_answer_format *f, hl_matcher *matcher, hl_think_limit *limit) {
    *f = (hl_answer_format){.matcher = matcher, .limit = limit};
    f->constraint = (hl_constraint){
        .self = f, .allowed = allowed, .accept = accept, .is_done = is_done, .draft = draft, .fits = fits};
}

void hl_answer_format_done(hl_answer_format *f) {
    hl_matcher_free(f->matcher);
    *f = (hl_answer_format){0};
}
