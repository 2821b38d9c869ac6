/* SPDX-License-Identifier: MIT
 *
 * text_logprobs.c - tokens, token_logprobs, top_logprobs and text_offset, each list written as tokens come.
 *
 * The tokens themselves stand in k->logprobs, so that whoever streams sees that there is something.
 */
#include "server/api/text_logprobs.h"

#include <math.h>

#include "core/base/mem.h"

enum { MAX_LIST_BYTES = 256 << 20 };

typedef struct lists { /* of one choice */
    hl_json_out values, top, offsets;
    int64_t     n_chars; /* of the text so far: where the next token begins */
} lists;

static int64_t count_chars(hl_view v) {
    int64_t n = 0;
    for (size_t i = 0; i < v.len; i++) n += (v.ptr[i] & 0xc0) != 0x80; /* not inside a character */
    return n;
}

static lists *lists_of(hl_completion *c, const hl_choice *k) {
    lists *all = c->data;
    if (!all) {
        all = c->data = hl_new(c->n_choices, sizeof *all);
        for (size_t i = 0; all && i < c->n_choices; i++) {
            hl_str_init(&all[i].values.text, MAX_LIST_BYTES);
            hl_str_init(&all[i].top.text, MAX_LIST_BYTES);
            hl_str_init(&all[i].offsets.text, MAX_LIST_BYTES);
            if (c->does_echo && !c->request.want_prompt_logprobs) /* else they are in the lists */
                all[i].n_chars = count_chars(c->choices[i].prompt);
        }
    }
    return all ? &all[k - c->choices] : NULL;
}

static double shown(float logprob) { return logprob > -9999.0f ? (double)logprob : -9999.0; }

static void add_pair(hl_json_out *j, hl_view piece, float logprob) {
    if (j->needs_comma) hl_str_add_char(&j->text, ',');
    hl_str_add_json(&j->text, piece);
    hl_str_add_char(&j->text, ':');
    j->needs_comma = false;
    hl_json_add_real(j, NULL, shown(logprob));
}

/* The most likely ones and, if it is none of them, the one that was chosen. */
static void add_top(const hl_completion *c, hl_json_out *j, const hl_token_event *ev) {
    char          own_buf[HL_PIECE_BYTES], buf[HL_PIECE_BYTES];
    const hl_view own = hl_event_piece(c, ev, own_buf);
    bool          is_there = false;
    hl_json_open(j, NULL, '{');
    for (size_t i = 0; i < ev->n_top; i++) {
        const hl_view piece = hl_event_top_piece(c, ev, i, buf);
        add_pair(j, piece, ev->top[i].logprob);
        is_there |= ev->top_texts ? hl_view_eq(piece, own) : ev->top[i].token == ev->token;
    }
    if (!is_there) add_pair(j, own, ev->logprob);
    hl_json_close(j, '}');
}

void hl_text_logprobs_add(hl_completion *c, hl_choice *k, const hl_token_event *ev) {
    char          buf[HL_PIECE_BYTES];
    const hl_view piece = hl_event_piece(c, ev, buf);
    lists        *l = lists_of(c, k);
    if (!l) {
        k->logprobs.failed = k->logprobs.lacks_memory = true;
        return;
    }
    hl_json_out tokens = {.text = k->logprobs, .needs_comma = k->logprobs.len > 0};
    hl_json_add_view(&tokens, NULL, piece);
    k->logprobs = tokens.text;
    if (isnan(ev->logprob)) { /* the first of all: nothing stands in front of it */
        hl_json_add_raw(&l->values, NULL, "null");
        hl_json_add_raw(&l->top, NULL, "null");
    } else {
        hl_json_add_real(&l->values, NULL, shown(ev->logprob));
        add_top(c, &l->top, ev);
    }
    hl_json_add_int(&l->offsets, NULL, l->n_chars);
    l->n_chars += count_chars(piece);
}

static void write_list(hl_json_out *j, const char *key, hl_str *list) {
    hl_json_open(j, key, '[');
    hl_json_add_raw(j, NULL, hl_str_text(list));
    hl_json_close(j, ']');
    if (list->failed) j->text.failed = j->text.lacks_memory = true;
    hl_str_clear(list);
}

void hl_text_logprobs_write(hl_completion *c, hl_choice *k, hl_json_out *j) {
    lists *l = k->logprobs.len > 0 ? lists_of(c, k) : NULL;
    if (!l) {
        hl_json_add_text(j, "logprobs", NULL);
        if (k->logprobs.failed) j->text.failed = j->text.lacks_memory = true;
        return;
    }
    hl_json_open(j, "logprobs", '{');
    write_list(j, "tokens", &k->logprobs);
    write_list(j, "token_logprobs", &l->values.text);
    write_list(j, "top_logprobs", &l->top.text);
    write_list(j, "text_offset", &l->offsets.text);
    hl_json_close(j, '}');
    l->values.needs_comma = l->top.needs_comma = l->offsets.needs_comma = false;
}

void hl_text_logprobs_done(hl_completion *c) {
    lists *all = c->data;
    for (size_t i = 0; all && i < c->n_choices; i++) {
        hl_json_done(&all[i].values);
        hl_json_done(&all[i].top);
        hl_json_done(&all[i].offsets);
    }
    hl_free(all);
}
