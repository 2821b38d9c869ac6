/* SPDX-License-Identifier: MIT
 *
 * think_limit.c - counts tokens of reasoning as the sampler accepts them, and closes it when they are enough.
 */
#include "engine/runner/think_limit.h"

#include <string.h>

#include "core/base/mem.h"

static bool drop_part(void *user, const hl_reply_part *part) {
    (void)user, (void)part;
    return true;
}

static bool is_enough(hl_think_limit *l) {
    if (!hl_reply_parser_is_thinking(&l->text)) return false;
    return atomic_load(&l->now) || (l->most >= 0 && l->n_thought >= l->most);
}

static const uint32_t *allowed(void *self) {
    hl_think_limit *l = self;
    if (!l->is_forcing && is_enough(l)) {
        l->is_forcing = true;
        l->n_forced = 0;
        l->n_close = l->n_first;
        l->n_first = l->close.n;
    }
    if (!l->is_forcing) return l->inner ? l->inner->allowed(l->inner->self) : NULL;
    const int32_t id = l->close.ids[l->n_forced];
    l->mask[id / 32] = UINT32_C(1) << (id % 32);
    return l->mask;
}

static void follow_text(hl_think_limit *l, int32_t token) {
    const bool was_thinking = hl_reply_parser_is_thinking(&l->text);
    if (!hl_reply_parser_may_think(&l->text)) return; /* for good */
    const bool   is_hidden = hl_tokenizer_is_control(l->tokenizer, token);
    const size_t n = hl_tokenizer_piece(l->tokenizer, token, true, l->piece, l->piece_cap);
    (void)hl_reply_parser_feed(&l->text, (hl_view){l->piece, n}, is_hidden);
    l->n_thought += was_thinking && hl_reply_parser_is_thinking(&l->text);
}

static void accept(void *self, int32_t token) {
    hl_think_limit *l = self;
    follow_text(l, token);
    if (!l->is_forcing) {
        if (l->inner) l->inner->accept(l->inner->self, token);
        return;
    }
    l->mask[token / 32] = 0;
    l->is_forcing = ++l->n_forced < l->n_close;
}

static bool is_done(void *self) {
    const hl_think_limit *l = self;
    return l->inner && l->inner->is_done && l->inner->is_done(l->inner->self);
}

/* The rest of what must come, as one pass. */
static size_t draft(void *self, int32_t *ids, size_t cap) {
    const hl_think_limit *l = self;
    if (!l->is_forcing) return l->inner && l->inner->draft ? l->inner->draft(l->inner->self, ids, cap) : 0;
    size_t n = l->n_close - l->n_forced;
    if (n > cap) n = cap;
    memcpy(ids, l->close.ids + l->n_forced, n * sizeof *ids);
    return n;
}

static size_t fits(void *self, const int32_t *ids, size_t n) {
    const hl_think_limit *l = self;
    if (!l->is_forcing) return l->inner && l->inner->fits ? l->inner->fits(l->inner->self, ids, n) : n;
    size_t k = 0;
    while (k < n && l->n_forced + k < l->n_close && ids[k] == l->close.ids[l->n_forced + k]) k++;
    return l->n_forced + k < l->n_close ? k : n; /* what follows is the answer's affair */
}

/* The end, and of it what comes the first time. */
static hl_status encode_end(hl_think_limit *l, const hl_answer_form *form, hl_err *err) {
    const char *const first = hl_call_format_think_end(form->format, form->tools != NULL);
    const char *const all = hl_call_format_think_end(form->format, false);
    hl_tokens         some = {0};
    hl_status status = hl_tokenizer_encode(l->tokenizer, hl_view_of(first), HL_TOKENIZE_SPECIAL, &some, err);
    if (status == HL_OK)
        status = hl_tokenizer_encode(l->tokenizer, hl_view_of(all), HL_TOKENIZE_SPECIAL, &l->close, err);
    l->n_first = some.n < l->close.n ? some.n : l->close.n;
    hl_tokens_done(&some);
    return status;
}

hl_status hl_think_limit_init(hl_think_limit *l, const hl_tokenizer *t, int32_t most,
                              const hl_answer_form *form, const hl_constraint *inner, hl_err *err) {
    l->constraint = (hl_constraint){
        .self = l, .allowed = allowed, .accept = accept, .is_done = is_done, .draft = draft, .fits = fits};
    l->inner = inner;
    l->tokenizer = t;
    l->most = most;
    hl_reply_parser_init(&l->text, form->format, form->tools, true, form->starts_thinking, drop_part, NULL);
    l->piece_cap = hl_tokenizer_max_piece_bytes(t);
    l->piece = hl_new(l->piece_cap, 1);
    l->mask = hl_new(((size_t)hl_tokenizer_n_vocab(t) + 31) / 32, sizeof *l->mask);
    if (!l->piece || !l->mask) return hl_fail(err, HL_E_NOMEM, "reasoning: no memory");
    return encode_end(l, form, err);
}

void hl_think_limit_done(hl_think_limit *l) {
    hl_reply_parser_done(&l->text);
    hl_tokens_done(&l->close);
    hl_free(l->piece);
    hl_free(l->mask);
}
