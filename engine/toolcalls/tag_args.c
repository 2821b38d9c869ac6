/* SPDX-License-Identifier: MIT
 *
 * tag_args.c - what comes is collected until it is certain what it is, which is a question of its bytes
 * alone; so nothing depends on the pieces that they come in.
 */
#include "engine/toolcalls/tag_args.h"

#include <string.h>

enum { MAX_LOOK_BYTES = 512, MAX_KEY_BYTES = 256, MAX_VALUE_BYTES = 16 << 20, MAX_NESTING = 32 };

void hl_tag_args_init(hl_tag_args *t, const hl_call_format *f, const json_t *function) {
    *t = (hl_tag_args){.format = f, .function = function};
    hl_str_init(&t->look, 4 * MAX_LOOK_BYTES);
    hl_str_init(&t->key, 2 * MAX_KEY_BYTES);
    hl_str_init(&t->value, MAX_VALUE_BYTES);
    hl_loose_json_init(&t->json, NULL);
}

void hl_tag_args_done(hl_tag_args *t) {
    hl_str_done(&t->look);
    hl_str_done(&t->key);
    hl_str_done(&t->value);
    hl_loose_json_done(&t->json);
}

/* ---- what stands there ------------------------------------------------------------------------ */

typedef enum is_there { NO, MAYBE, YES } is_there;

/* Does the text begin with the mark? MAYBE: it ends too early to say. */
static is_there begins(hl_view text, const char *mark) {
    const size_t n = strlen(mark), have = text.len < n ? text.len : n;
    if (have > 0 && memcmp(text.ptr, mark, have) != 0) return NO;
    return have == n ? YES : MAYBE;
}

static hl_view behind(hl_view v, size_t n) { return (hl_view){v.ptr + n, v.len - n}; }

static hl_view skip_blank(hl_view v) {
    while (v.len > 0 && hl_is_blank(v.ptr[0])) v = behind(v, 1);
    return v;
}

static is_there best(is_there a, is_there b) { return a > b ? a : b; }

/* Another parameter, the end of the call, or of all calls. */
static is_there goes_on(const hl_tag_args *t, hl_view v) {
    const hl_call_format *f = t->format;
    is_there              found = best(begins(v, f->key_open), begins(v, f->call_close));
    for (size_t i = 0; i < HL_FORMAT_WORDS && f->closers[i]; i++)
        found = best(found, begins(v, f->closers[i]));
    return found;
}

/* VALUE_CLOSE, and something behind it that may follow a value. */
static is_there is_value_end(const hl_tag_args *t, hl_view v, size_t *ret_n) {
    char mark[HL_FORMAT_MAX_MARK + MAX_KEY_BYTES + 2];
    (void)snprintf(mark, sizeof mark, "%s%s%s", t->format->value_close,
                   t->format->is_nested ? hl_str_text(&t->key) : "", t->format->is_nested ? ">" : "");
    const is_there found = begins(v, mark);
    *ret_n = strlen(mark);
    if (found != YES || t->format->is_nested) return found;
    return goes_on(t, skip_blank(behind(v, *ret_n)));
}

/* The next parameter, where the end of this one was forgotten. */
static is_there is_next_key(const hl_tag_args *t, hl_view v) {
    const hl_call_format *f = t->format;
    const is_there        found = begins(v, f->key_open);
    if (found != YES || f->is_nested) return f->is_nested ? NO : found;
    const hl_view rest = behind(v, strlen(f->key_open));
    size_t        n = 0;
    while (n < rest.len && n <= MAX_KEY_BYTES && rest.ptr[n] != f->key_close[0]) n++;
    if (n > MAX_KEY_BYTES) return NO;
    if (n == rest.len) return MAYBE;
    hl_view key = {rest.ptr, n};
    if (n > 1 && (key.ptr[0] == '"' || key.ptr[0] == '\'')) {
        const char *end = memchr(key.ptr + 1, key.ptr[0], n - 1);
        key = (hl_view){key.ptr + 1, end ? (size_t)(end - key.ptr - 1) : n - 1};
    }
    return hl_tool_has_param(t->function, key) && !hl_view_eq(key, hl_str_view(&t->key)) ? YES : NO;
}

/* The end of the call, where the end of the value was forgotten. */
static is_there is_call_end(const hl_tag_args *t, hl_view v) {
    const hl_call_format *f = t->format;
    const is_there        found = begins(v, f->call_close);
    if (found != YES || !f->closers[0]) return found;
    return begins(skip_blank(behind(v, strlen(f->call_close))), f->closers[0]);
}

/* Does the value end where `look` begins? YES: *ret_n bytes belong to its end. */
static is_there ends_value(const hl_tag_args *t, bool is_last, size_t *ret_n) {
    const hl_view  v = hl_str_view(&t->look);
    const size_t   n_skip = t->format->is_framed && v.len > 0 && v.ptr[0] == '\n';
    const hl_view  at = behind(v, n_skip);
    size_t         n_close = 0;
    const is_there close = is_value_end(t, at, &n_close);
    const is_there key = is_next_key(t, at), end = is_call_end(t, at);
    *ret_n = n_skip;
    if (close == YES || (is_last && close == MAYBE && at.len >= n_close)) {
        *ret_n += n_close;
        return YES;
    }
    if (key == YES || end == YES) return YES;
    if (is_last) return at.len == 0 ? YES : NO; /* the line end in front of a close tag that did not come */
    if (v.len > MAX_LOOK_BYTES) return NO;
    return best(best(close, key), end);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void drop_look(hl_tag_args *t, size_t n) {
    memmove(t->look.ptr, t->look.ptr + n, t->look.len - n);
    t->look.len -= n;
    t->look.ptr[t->look.len] = '\0';
}

static void add_text(hl_view v, hl_str *out) {
    hl_str_add_char(out, '"');
    for (size_t i = 0; i < v.len; i++) hl_json_add_byte(out, v.ptr[i]);
    hl_str_add_char(out, '"');
}

/* Quotes around the key go; behind them may stand string="true", as DeepSeek has it. */
static void begin_value(hl_tag_args *t, hl_str *out) {
    const hl_view v = hl_view_trim(hl_str_view(&t->key));
    hl_view       key = v;
    const char   *end =
        v.len > 1 && (v.ptr[0] == '"' || v.ptr[0] == '\'') ? memchr(v.ptr + 1, v.ptr[0], v.len - 1) : NULL;
    if (end) key = (hl_view){v.ptr + 1, (size_t)(end - v.ptr - 1)};
    t->types = hl_tool_param_types(t->function, key);
    if (end && strstr(end, "string=\"true\"")) t->types = HL_VALUE_STRING;
    if (end && strstr(end, "string=\"false\"")) t->types = HL_VALUE_ANY & ~(unsigned)HL_VALUE_STRING;
    hl_str_add_text(out, t->n_params++ > 0 ? ", " : "{");
    add_text(key, out);
    hl_str_add_text(out, ": ");
    if (end) { /* the key alone is what the close tag may repeat */
        memmove(t->key.ptr, key.ptr, key.len);
        t->key.len = key.len;
        t->key.ptr[key.len] = '\0';
    }
    hl_str_clear(&t->value);
    t->is_copied = t->types == HL_VALUE_STRING && !t->format->is_nested && !t->format->has_entities;
    t->has_begun = false;
    if (t->is_copied) hl_str_add_char(out, '"');
    t->state = t->format->value_open ? HL_TAG_GAP : HL_TAG_VALUE;
}

static void add_value_byte(hl_tag_args *t, char c, hl_str *out) {
    const bool is_frame = t->format->is_framed && !t->has_begun && c == '\n';
    t->has_begun = true;
    if (is_frame) return;
    if (t->is_copied)
        hl_json_add_byte(out, c);
    else
        hl_str_add_char(&t->value, c);
}

/* Entities and CDATA become what they stand for, in place. */
static void decode_entities(hl_str *s) {
    static const struct {
        const char *name;
        char        c;
    } known[] = {{"&lt;", '<'},   {"&gt;", '>'},    {"&amp;", '&'},
                 {"&quot;", '"'}, {"&apos;", '\''}, {"&#39;", '\''}};
    static const char open[] = "<![CDATA[", close[] = "]]>";
    const hl_view     v = hl_view_trim(hl_str_view(s));
    size_t            n = 0;
    if (hl_view_has_prefix(v, open) && v.len >= sizeof open + sizeof close - 2 &&
        memcmp(v.ptr + v.len - 3, close, 3) == 0) {
        memmove(s->ptr, v.ptr + sizeof open - 1, n = v.len - (sizeof open + sizeof close - 2));
        s->ptr[s->len = n] = '\0';
        return;
    }
    for (size_t i = 0; i < s->len;) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known &&
               begins((hl_view){s->ptr + i, s->len - i}, known[k].name) != YES)
            k++;
        const bool is_known = k < sizeof known / sizeof *known;
        s->ptr[n++] = is_known ? known[k].c : s->ptr[i];
        i += is_known ? strlen(known[k].name) : 1;
    }
    if (s->ptr) s->ptr[s->len = n] = '\0';
}

/* A value made of tags: MARK<NAME> ... MARK</NAME>, where MARK is key_open without its '<'. Tags named item
 * are a list's, others an object's. */
static void add_nested(const hl_tag_args *t, hl_view v, unsigned types, int depth, hl_str *out) {
    const char  *open = t->format->key_open;
    const size_t n_open = strlen(open);
    const char  *ends = t->format->value_close;
    char         close[HL_FORMAT_MAX_MARK + MAX_KEY_BYTES + 2];
    bool         is_list = false;
    size_t       n = 0;
    for (hl_view rest = skip_blank(v); begins(rest, open) == YES && depth < MAX_NESTING; n++) {
        const char *name = rest.ptr + n_open, *name_end = memchr(name, '>', rest.len - n_open);
        if (!name_end || name_end - name > MAX_KEY_BYTES) break;
        const size_t n_name = (size_t)(name_end - name);
        (void)snprintf(close, sizeof close, "%s%.*s>", ends, (int)n_name, name);
        hl_view body = {name_end + 1, (size_t)(rest.ptr + rest.len - name_end - 1)};
        size_t  at = 0;
        while (at < body.len && begins(behind(body, at), close) != YES) at++;
        if (n == 0) hl_str_add_char(out, (is_list = hl_view_is((hl_view){name, n_name}, "item")) ? '[' : '{');
        if (n > 0) hl_str_add_text(out, ", ");
        if (!is_list) {
            add_text((hl_view){name, n_name}, out);
            hl_str_add_text(out, ": ");
        }
        add_nested(t, (hl_view){body.ptr, at}, HL_VALUE_ANY, depth + 1, out);
        const size_t n_close = strlen(close);
        rest = skip_blank(behind(body, at + n_close < body.len ? at + n_close : body.len));
    }
    if (n > 0)
        hl_str_add_char(out, is_list ? ']' : '}');
    else
        hl_tool_add_value(v, types, out);
}

static void end_value(hl_tag_args *t, hl_str *out) {
    if (t->format->has_entities) decode_entities(&t->value);
    if (t->is_copied)
        hl_str_add_char(out, '"');
    else if (t->format->is_nested)
        add_nested(t, hl_str_view(&t->value), t->types, 0, out);
    else
        hl_tool_add_value(hl_str_view(&t->value), t->types, out);
    out->failed |= t->value.failed;
    hl_str_clear(&t->value);
    t->state = HL_TAG_BETWEEN;
}

/* ---- states ----------------------------------------------------------------------------------- */

static void begin_json(hl_tag_args *t) {
    hl_loose_json_done(&t->json);
    hl_loose_json_init(&t->json, NULL);
    t->state = HL_TAG_JSON;
}

/* What is neither a tag nor anything else is left out. True: the call has ended. */
static bool take_between(hl_tag_args *t, hl_str *out, bool *ret_waits) {
    const hl_call_format *f = t->format;
    const hl_view         v = hl_str_view(&t->look);
    const is_there        key = begins(v, f->key_open), end = begins(v, f->call_close);
    is_there              all = NO;
    for (size_t i = 0; i < HL_FORMAT_WORDS && f->closers[i]; i++) all = best(all, begins(v, f->closers[i]));
    *ret_waits = false;
    if (end == YES || all == YES) { /* closers are for whoever reads on */
        if (end == YES) drop_look(t, strlen(f->call_close));
        if (t->n_params == 0) hl_str_add_char(out, '{');
        hl_str_add_char(out, '}');
        return true;
    }
    if (key == YES && end == NO && all == NO) {
        drop_look(t, strlen(f->key_open));
        hl_str_clear(&t->key);
        t->state = HL_TAG_KEY;
    } else if (key == MAYBE || end == MAYBE || all == MAYBE) {
        *ret_waits = true;
    } else if (v.ptr[0] == '{' && t->n_params == 0) {
        begin_json(t);
    } else {
        drop_look(t, 1);
    }
    return false;
}

static void take_key(hl_tag_args *t, hl_str *out) {
    const size_t n_close = strlen(t->format->key_close);
    hl_str_add_char(&t->key, t->look.ptr[0]);
    drop_look(t, 1);
    if (t->key.len >= n_close &&
        memcmp(t->key.ptr + t->key.len - n_close, t->format->key_close, n_close) == 0) {
        t->key.len -= n_close;
        t->key.ptr[t->key.len] = '\0';
        begin_value(t, out);
    } else if (t->key.len > MAX_KEY_BYTES) {
        begin_value(t, out);
    }
}

static void take_gap(hl_tag_args *t, bool *ret_waits) {
    const hl_view  v = hl_str_view(&t->look);
    const is_there open = begins(v, t->format->value_open);
    if (open == YES) {
        drop_look(t, strlen(t->format->value_open));
        t->state = HL_TAG_VALUE;
    } else if (open == MAYBE) {
        *ret_waits = true;
    } else if (hl_is_blank(v.ptr[0])) {
        drop_look(t, 1);
    } else {
        t->state = HL_TAG_VALUE;
    }
}

static void take_value(hl_tag_args *t, hl_str *out, bool *ret_waits) {
    size_t         n = 0;
    const is_there end = ends_value(t, false, &n);
    if (end == YES) {
        drop_look(t, n);
        end_value(t, out);
    } else if (end == MAYBE) {
        *ret_waits = true;
    } else {
        add_value_byte(t, t->look.ptr[0], out);
        drop_look(t, 1);
    }
}

/* True: the object has ended, and the call with it; its close tag is a stray one. */
static bool take_json(hl_tag_args *t, hl_str *out) {
    const hl_loose_step step = hl_loose_json_feed(&t->json, t->look.ptr[0], out);
    if (step == HL_LOOSE_BROKEN) hl_loose_json_complete(&t->json, out);
    if (step == HL_LOOSE_DONE || step == HL_LOOSE_MORE) drop_look(t, 1);
    return step != HL_LOOSE_MORE;
}

bool hl_tag_args_feed(hl_tag_args *t, char c, hl_str *out) {
    bool waits = false, has_ended = false;
    hl_str_add_char(&t->look, c);
    if (t->look.failed) return true;
    while (t->look.len > 0 && !waits && !has_ended) {
        switch (t->state) {
        case HL_TAG_BETWEEN: has_ended = take_between(t, out, &waits); break;
        case HL_TAG_KEY: take_key(t, out); break;
        case HL_TAG_GAP: take_gap(t, &waits); break;
        case HL_TAG_VALUE: take_value(t, out, &waits); break;
        case HL_TAG_JSON: has_ended = take_json(t, out); break;
        }
    }
    return has_ended;
}

/* A value whose end tag did not come: what stands there, without the beginning of a tag. */
static void complete_value(hl_tag_args *t, hl_str *out) {
    size_t n = 0;
    while (t->look.len > 0 && ends_value(t, true, &n) != YES) {
        if (ends_value(t, false, &n) == MAYBE && t->look.len < strlen(t->format->value_close) + 1 &&
            memchr(t->look.ptr, '<', t->look.len))
            break;
        add_value_byte(t, t->look.ptr[0], out);
        drop_look(t, 1);
    }
    end_value(t, out);
}

void hl_tag_args_complete(hl_tag_args *t, hl_str *out) {
    if (t->state == HL_TAG_JSON) {
        hl_loose_json_complete(&t->json, out);
        return;
    }
    if (t->state == HL_TAG_VALUE || t->state == HL_TAG_GAP) complete_value(t, out);
    if (t->n_params == 0) hl_str_add_char(out, '{');
    hl_str_add_char(out, '}');
}
