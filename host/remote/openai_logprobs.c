/* SPDX-License-Identifier: MIT
 *
 * openai_logprobs.c - two forms of one thing: logprobs.content (or refusal) of chats, logprobs.tokens of
 * plain text.
 *
 * from: OpenAI's API reference (August 2026); llama-server gives the first form for both
 */
#include "host/remote/openai_logprobs.h"

#include <math.h>

/* What a model says instead of an answer has a list of its own. */
static const json_t *content_of(const json_t *logprobs) {
    const json_t *content = json_object_get(logprobs, "content");
    return json_is_array(content) ? content : json_object_get(logprobs, "refusal");
}

size_t hl_remote_n_tokens(const json_t *logprobs) {
    const json_t *content = content_of(logprobs);
    return json_array_size(json_is_array(content) ? content : json_object_get(logprobs, "tokens"));
}

static float logprob_of(const json_t *v) { return json_is_number(v) ? (float)json_number_value(v) : NAN; }

static hl_view text_of(const json_t *v) {
    return json_is_string(v) ? (hl_view){json_string_value(v), json_string_length(v)} : hl_view_of("");
}

/* "bytes", where they are there and fit, since a token may be a part of a character; else "token". */
static hl_view read_bytes(const json_t *entry, char *bytes, size_t cap, size_t *n_used) {
    const json_t *list = json_object_get(entry, "bytes");
    const size_t  n = json_array_size(list);
    char         *at = bytes + *n_used;
    if (n == 0 || n > cap - *n_used) return text_of(json_object_get(entry, "token"));
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 255)
            return text_of(json_object_get(entry, "token"));
        at[i] = (char)json_integer_value(v);
    }
    *n_used += n;
    return (hl_view){at, n};
}

static void add_top(hl_remote_token *t, hl_view text, const json_t *logprob) {
    if (t->ev.n_top == HL_REMOTE_MOST_TOP) return;
    t->texts[t->ev.n_top] = text;
    t->top[t->ev.n_top++] = (hl_logprob){.token = -1, .logprob = logprob_of(logprob)};
}

static void read_entry(const json_t *entry, hl_remote_token *t) {
    size_t        n_used = 0;
    const json_t *top = json_object_get(entry, "top_logprobs");
    t->ev.token_text = read_bytes(entry, t->bytes, sizeof t->bytes, &n_used);
    t->ev.logprob = logprob_of(json_object_get(entry, "logprob"));
    for (size_t k = 0; k < json_array_size(top); k++) {
        const json_t *one = json_array_get(top, k);
        add_top(t, read_bytes(one, t->bytes, sizeof t->bytes, &n_used), json_object_get(one, "logprob"));
    }
}

static void read_row(const json_t *logprobs, size_t i, hl_remote_token *t) {
    const char   *text = NULL;
    const json_t *logprob = NULL, *top = json_array_get(json_object_get(logprobs, "top_logprobs"), i);
    t->ev.token_text = text_of(json_array_get(json_object_get(logprobs, "tokens"), i));
    t->ev.logprob = logprob_of(json_array_get(json_object_get(logprobs, "token_logprobs"), i));
    json_object_foreach((json_t *)(uintptr_t)top, text, logprob) add_top(t, hl_view_of(text), logprob);
}

void hl_remote_read_token(const json_t *logprobs, size_t i, hl_remote_token *ret) {
    const json_t *content = content_of(logprobs);
    ret->ev = (hl_token_event){.token = -1};
    if (json_is_array(content))
        read_entry(json_array_get(content, i), ret);
    else
        read_row(logprobs, i, ret);
    ret->ev.top = ret->top;
    ret->ev.top_texts = ret->texts;
}
