/* SPDX-License-Identifier: MIT
 *
 * chat.c - render messages with a template, and make ids of the result.
 *
 * A template's own markers become control tokens; the same words inside a message must not. Before
 * rendering, a noncharacter (U+FDD0) is put into every spelling of a control token that stands in the
 * messages, and where it comes out of the template the text is cut, so that the two halves are tokenized
 * as plain text.
 */
#define _GNU_SOURCE
#include "engine/runner/chat.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"

enum { PROMPT_LIMIT_BYTES = 64 << 20, JSON_LIMIT_DEPTH = 64 };

static const char seam[] = "\xEF\xB7\x90"; /* U+FDD0 */

static hl_status load_json(const char *text, const char *what, json_t **ret, hl_err *err) {
    json_error_t e;
    json_t      *j = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!j) return hl_fail(err, HL_E_FORMAT, "%s: line %d column %d: %s", what, e.line, e.column, e.text);
    if (!json_is_array(j)) {
        json_decref(j);
        return hl_fail(err, HL_E_FORMAT, "%s: expected a JSON array", what);
    }
    *ret = j;
    return HL_OK;
}

static hl_status check_messages(const json_t *messages, hl_err *err) {
    size_t  i = 0;
    json_t *m = NULL;
    json_array_foreach(messages, i, m) {
        if (!json_is_object(m)) return hl_fail(err, HL_E_FORMAT, "messages[%zu]: expected an object", i);
        if (!json_is_string(json_object_get(m, "role")))
            return hl_fail(err, HL_E_FORMAT, "messages[%zu].role: expected a string", i);
    }
    return HL_OK;
}

/* ---- control tokens spelled out in messages --------------------------------------------------- */

/* Put a seam behind the first character of every control token's spelling in `text`. */
static hl_status add_seams(const hl_tokenizer *t, hl_view text, hl_str *out, bool *ret_changed, hl_err *err) {
    hl_tokens       ids = {0};
    const hl_status status = hl_tokenizer_encode(t, text, HL_TOKENIZE_SPECIAL, &ids, err);
    bool            has_control = false;
    for (size_t i = 0; i < ids.n; i++)
        has_control |= hl_tokenizer_is_control(t, ids.ids[i]) || hl_tokenizer_is_eog(t, ids.ids[i]);
    *ret_changed = has_control;
    if (status != HL_OK || !has_control) {
        hl_tokens_done(&ids);
        return status;
    }
    size_t at = 0;
    for (size_t i = 0; i < ids.n; i++) {
        if (!hl_tokenizer_is_control(t, ids.ids[i]) && !hl_tokenizer_is_eog(t, ids.ids[i])) continue;
        const hl_view word = hl_tokenizer_spelling(t, ids.ids[i]);
        const char   *hit = word.len ? memmem(text.ptr + at, text.len - at, word.ptr, word.len) : NULL;
        if (!hit) continue;
        uint32_t     cp = 0;
        const size_t first = hl_utf8_read(hit, word.len, &cp);
        const size_t end = (size_t)(hit - text.ptr) + (first ? first : 1);
        hl_str_add(out, text.ptr + at, end - at);
        hl_str_add_text(out, seam);
        at = end;
    }
    hl_str_add(out, text.ptr + at, text.len - at);
    hl_tokens_done(&ids);
    return out->failed ? hl_fail(err, HL_E_NOMEM, "prompt: no memory") : HL_OK;
}

/* A copy of a JSON value with seams in all its strings. */
static hl_status seam_value(const hl_tokenizer *t, const json_t *from, int depth, json_t **ret, hl_err *err) {
    hl_status status = HL_OK;
    if (depth > JSON_LIMIT_DEPTH)
        return hl_fail(err, HL_E_LIMIT, "messages are nested deeper than %d", JSON_LIMIT_DEPTH);
    if (json_is_string(from)) {
        hl_str s;
        bool   changed = false;
        hl_str_init(&s, PROMPT_LIMIT_BYTES);
        status =
            add_seams(t, (hl_view){json_string_value(from), json_string_length(from)}, &s, &changed, err);
        if (status == HL_OK) *ret = changed ? json_stringn_nocheck(s.ptr, s.len) : json_copy((json_t *)from);
        hl_str_done(&s);
    } else if (json_is_array(from)) {
        *ret = json_array();
        for (size_t i = 0; i < json_array_size(from) && status == HL_OK; i++) {
            json_t *v = NULL;
            status = seam_value(t, json_array_get(from, i), depth + 1, &v, err);
            if (status == HL_OK && json_array_append_new(*ret, v) != 0)
                status = hl_fail(err, HL_E_NOMEM, "no memory");
        }
    } else if (json_is_object(from)) {
        const char *key = NULL;
        json_t     *v = NULL;
        *ret = json_object();
        json_object_foreach((json_t *)from, key, v) {
            json_t *copy = NULL;
            status = seam_value(t, v, depth + 1, &copy, err);
            if (status == HL_OK && json_object_set_new_nocheck(*ret, key, copy) != 0)
                status = hl_fail(err, HL_E_NOMEM, "no memory");
            if (status != HL_OK) break;
        }
    } else {
        *ret = json_copy((json_t *)from);
    }
    if (status == HL_OK && !*ret) status = hl_fail(err, HL_E_NOMEM, "prompt: no memory");
    if (status != HL_OK && *ret) {
        json_decref(*ret);
        *ret = NULL;
    }
    return status;
}

/* ---- rendering -------------------------------------------------------------------------------- */

static void set_token(json_t *context, const char *key, const hl_tokenizer *t, int32_t id) {
    const hl_view v = t && id >= 0 ? hl_tokenizer_spelling(t, id) : (hl_view){"", 0};
    (void)json_object_set_new(context, key, json_stringn_nocheck(v.ptr ? v.ptr : "", v.len));
}

/* A model without a template: the messages' texts, one after another. */
static void join_contents(const json_t *messages, hl_str *out) {
    size_t  i = 0;
    json_t *m = NULL;
    json_array_foreach(messages, i, m) {
        const json_t *c = json_object_get(m, "content");
        if (!json_is_string(c)) continue;
        if (out->len) hl_str_add_char(out, '\n');
        hl_str_add(out, json_string_value(c), json_string_length(c));
    }
}

static hl_status make_context(const hl_tokenizer *t, const hl_request *req, json_t *messages, json_t **ret,
                              hl_err *err) {
    json_t *c = json_object();
    if (!c || json_object_set(c, "messages", messages) != 0) {
        json_decref(c);
        return hl_fail(err, HL_E_NOMEM, "prompt: no memory");
    }
    (void)json_object_set_new(c, "add_generation_prompt", json_true());
    set_token(c, "bos_token", t, t ? hl_tokenizer_bos(t) : -1);
    set_token(c, "eos_token", t, t ? hl_tokenizer_eos(t) : -1);
    if (req->think != HL_THINK_DEFAULT) {
        (void)json_object_set_new(c, "enable_thinking", json_boolean(req->think == HL_THINK_ON));
        (void)json_object_set_new(c, "thinking", json_boolean(req->think == HL_THINK_ON));
    }
    if (req->tools_json) {
        json_t         *tools = NULL;
        const hl_status status = load_json(req->tools_json, "tools", &tools, err);
        if (status != HL_OK) {
            json_decref(c);
            return status;
        }
        (void)json_object_set_new(c, "tools", tools);
    }
    *ret = c;
    return HL_OK;
}

static hl_status render_template(const hl_template *tmpl, const json_t *context, int64_t now_ms, hl_str *out,
                                 hl_err *err) {
    hl_tainted text;
    hl_tainted_init(&text, PROMPT_LIMIT_BYTES);
    const hl_template_input in = {.context = context, .now_ms = now_ms};
    const hl_status         status = hl_template_render(tmpl, &in, &text, err);
    if (status == HL_OK) hl_str_add_view(out, hl_str_view(&text.text));
    hl_tainted_done(&text);
    return status;
}

/* Render into `out`; with seams when `with_seams` (only useful with a tokenizer). */
static hl_status render(const hl_tokenizer *t, const hl_template *tmpl, const hl_request *req,
                        bool with_seams, hl_str *out, hl_err *err) {
    json_t   *messages = NULL;
    json_t   *context = NULL;
    hl_status status = load_json(req->messages_json, "messages", &messages, err);
    if (status == HL_OK) status = check_messages(messages, err);
    if (status == HL_OK && with_seams && t) {
        json_t *copy = NULL;
        status = seam_value(t, messages, 0, &copy, err);
        if (status == HL_OK) {
            json_decref(messages);
            messages = copy;
        }
    }
    if (status == HL_OK && !tmpl) {
        join_contents(messages, out);
    } else if (status == HL_OK) {
        status = make_context(t, req, messages, &context, err);
        if (status == HL_OK)
            status = render_template(tmpl, context, req->now_ms ? req->now_ms : hl_clock_wall_ms(), out, err);
    }
    if (status == HL_OK && out->failed)
        status = hl_fail(err, HL_E_LIMIT, "prompt: over %d bytes, or no memory", PROMPT_LIMIT_BYTES);
    json_decref(context);
    json_decref(messages);
    return status;
}

hl_status hl_model_template_parse(const hl_model *m, hl_template **ret, hl_err *err) {
    const hl_view source = m ? hl_model_chat_template(m) : (hl_view){0};
    *ret = NULL;
    if (source.len == 0) return HL_OK;
    const hl_status status = hl_template_parse(source, ret, err);
    return status == HL_OK ? HL_OK : hl_fail_within(err, "the model's chat template");
}

/* The template of a request: its own (then *ret_own must be freed) or the model's. */
static hl_status choose_template(const hl_model *m, const hl_template *cached, const hl_request *req,
                                 const hl_template **ret, hl_template **ret_own, hl_err *err) {
    *ret_own = NULL;
    *ret = cached;
    hl_status status = HL_OK;
    if (req->template_text)
        status = hl_template_parse(hl_view_of(req->template_text), ret_own, err);
    else if (!cached)
        status = hl_model_template_parse(m, ret_own, err);
    if (*ret_own) *ret = *ret_own;
    return status;
}

hl_status hl_chat_render(const hl_model *m, const hl_request *req, char **ret_text, hl_err *err) {
    const hl_template *tmpl = NULL;
    hl_template       *own = NULL;
    hl_str             out;
    hl_str_init(&out, PROMPT_LIMIT_BYTES);
    hl_status status = HL_OK;
    if (!req->messages_json) {
        hl_str_add_view(&out, req->prompt);
    } else {
        status = choose_template(m, NULL, req, &tmpl, &own, err);
        if (status == HL_OK) status = render(m ? hl_model_tokenizer(m) : NULL, tmpl, req, false, &out, err);
    }
    if (status == HL_OK) {
        hl_str_add_view(&out, req->answer_prefix);
        *ret_text = hl_str_take(&out);
        if (!*ret_text) status = hl_fail(err, HL_E_NOMEM, "prompt: no memory");
    }
    hl_template_free(own);
    hl_str_done(&out);
    return status;
}

void hl_text_free(char *text) { hl_free(text); }

/* ---- ids -------------------------------------------------------------------------------------- */

/* Tokenize text that may have seams: each half by itself. BOS only in front of the first. */
static hl_status encode_seamed(const hl_tokenizer *t, hl_view text, unsigned flags, hl_tokens *ids,
                               hl_err *err) {
    hl_status status = HL_OK;
    for (;;) {
        const char  *hit = text.len ? memmem(text.ptr, text.len, seam, sizeof seam - 1) : NULL;
        const size_t n = hit ? (size_t)(hit - text.ptr) : text.len;
        status = hl_tokenizer_encode(t, (hl_view){text.ptr, n}, flags, ids, err);
        if (status != HL_OK || !hit) return status;
        text = (hl_view){hit + sizeof seam - 1, text.len - n - (sizeof seam - 1)};
        flags &= ~(unsigned)HL_TOKENIZE_BOS;
    }
}

static bool ends_with_open_think(const hl_str *s) {
    hl_view v = hl_view_trim(hl_str_view(s));
    return v.len >= 7 && memcmp(v.ptr + v.len - 7, "<think>", 7) == 0;
}

static hl_status encode_plain(const hl_tokenizer *t, const hl_request *req, hl_tokens *ids, hl_err *err) {
    hl_str text;
    if (req->prompt.len > PROMPT_LIMIT_BYTES || req->answer_prefix.len > PROMPT_LIMIT_BYTES - req->prompt.len)
        return hl_fail(err, HL_E_LIMIT, "a prompt of %zu bytes, expected at most %d",
                       req->prompt.len + req->answer_prefix.len, PROMPT_LIMIT_BYTES);
    hl_str_init(&text, PROMPT_LIMIT_BYTES);
    hl_str_add_view(&text, req->prompt);
    hl_str_add_view(&text, req->answer_prefix);
    const hl_status status =
        text.failed ? hl_fail(err, HL_E_NOMEM, "prompt: no memory")
                    : hl_tokenizer_encode(t, hl_str_view(&text),
                                          HL_TOKENIZE_BOS | (req->raw ? HL_TOKENIZE_SPECIAL : 0), ids, err);
    hl_str_done(&text);
    return status;
}

hl_status hl_prompt_make(const hl_model *m, const hl_template *cached, const hl_request *req,
                         hl_prompt *ret_prompt, hl_err *err) {
    const hl_tokenizer *t = hl_model_tokenizer(m);
    *ret_prompt = (hl_prompt){0};
    if (!t) return hl_fail(err, HL_E_UNSUPPORTED, "the model has no vocabulary: it cannot read text");
    if (!req->messages_json) return encode_plain(t, req, &ret_prompt->ids, err);
    const hl_template *tmpl = NULL;
    hl_template       *own = NULL;
    hl_str             text;
    hl_str_init(&text, PROMPT_LIMIT_BYTES);
    hl_status status = choose_template(m, cached, req, &tmpl, &own, err);
    if (status == HL_OK) status = render(t, tmpl, req, true, &text, err);
    if (status == HL_OK) {
        ret_prompt->splits_thinking = tmpl != NULL;
        ret_prompt->starts_thinking = tmpl && ends_with_open_think(&text);
        hl_str_add_view(&text, req->answer_prefix);
        /* Without a template nothing in the text is a marker. */
        status = encode_seamed(t, hl_str_view(&text), HL_TOKENIZE_BOS | (tmpl ? HL_TOKENIZE_SPECIAL : 0),
                               &ret_prompt->ids, err);
    }
    hl_template_free(own);
    hl_str_done(&text);
    return status;
}

void hl_prompt_done(hl_prompt *p) { hl_tokens_done(&p->ids); }

hl_status hl_chat_count(const hl_model *m, const hl_request *req, int32_t *ret_tokens, hl_err *err) {
    hl_prompt       p;
    const hl_status status = hl_prompt_make(m, NULL, req, &p, err);
    if (status == HL_OK) *ret_tokens = (int32_t)p.ids.n;
    hl_prompt_done(&p);
    return status;
}
