/* SPDX-License-Identifier: MIT
 *
 * loose_json.c - byte by byte: a state, a stack of bits, and what is not certain yet.
 */
#include "engine/toolcalls/loose_json.h"

#include <string.h>

enum { MAX_KEY_BYTES = 1024, MAX_WORD_BYTES = 64 << 10, MAX_GAP_BYTES = 64 << 10 };

void hl_loose_json_init(hl_loose_json *l, const char *quote) {
    *l = (hl_loose_json){.quote = quote};
    hl_str_init(&l->key, MAX_KEY_BYTES);
    hl_str_init(&l->word, MAX_WORD_BYTES);
    hl_str_init(&l->gap, MAX_GAP_BYTES);
}

void hl_loose_json_done(hl_loose_json *l) {
    hl_str_done(&l->key);
    hl_str_done(&l->word);
    hl_str_done(&l->gap);
}

/* ---- writing ---------------------------------------------------------------------------------- */

void hl_json_add_byte(hl_str *out, char c) {
    static const char short_forms[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    const unsigned char b = (unsigned char)c;
    if (c == '"' || c == '\\') {
        hl_str_add_char(out, '\\');
        hl_str_add_char(out, c);
    } else if (b < sizeof short_forms && short_forms[b]) {
        hl_str_add_char(out, '\\');
        hl_str_add_char(out, short_forms[b]);
    } else if (b < 0x20) {
        hl_str_add_format(out, "\\u%04x", b);
    } else {
        hl_str_add_char(out, c);
    }
}

/* A key is remembered, too. */
static void put_byte(hl_loose_json *l, hl_str *out, char c) {
    hl_json_add_byte(out, c);
    if (l->is_key) hl_json_add_byte(&l->key, c);
}

static void put_raw(hl_loose_json *l, hl_str *out, const char *text, size_t n) {
    hl_str_add(out, text, n);
    if (l->is_key) hl_str_add(&l->key, text, n);
}

/* The comma in front of a key or value, now that one follows. */
static void put_comma(hl_loose_json *l, hl_str *out) {
    if (l->has_comma) hl_str_add_char(out, ',');
    hl_str_add_view(out, hl_str_view(&l->gap));
    hl_str_clear(&l->gap);
    l->has_comma = false;
}

static void put_blank(hl_loose_json *l, hl_str *out, char c) {
    hl_str_add_char(l->has_comma ? &l->gap : out, c);
}

bool hl_is_json_number(hl_view v) {
    size_t i = 0, n = v.len;
    if (i < n && v.ptr[i] == '-') i++;
    const size_t first = i;
    while (i < n && v.ptr[i] >= '0' && v.ptr[i] <= '9') i++;
    if (i == first || (v.ptr[first] == '0' && i > first + 1)) return false;
    if (i < n && v.ptr[i] == '.') {
        const size_t dot = i++;
        while (i < n && v.ptr[i] >= '0' && v.ptr[i] <= '9') i++;
        if (i == dot + 1) return false;
    }
    if (i < n && (v.ptr[i] == 'e' || v.ptr[i] == 'E')) {
        if (++i < n && (v.ptr[i] == '+' || v.ptr[i] == '-')) i++;
        const size_t digits = i;
        while (i < n && v.ptr[i] >= '0' && v.ptr[i] <= '9') i++;
        if (i == digits) return false;
    }
    return i == n;
}

/* What a bare word means; NULL: only itself. */
static const char *literal_of(hl_view word) {
    static const struct {
        const char *word, *json;
    } known[] = {{"true", "true"},     {"false", "false"},    {"null", "null"},     {"True", "true"},
                 {"False", "false"},   {"None", "null"},      {"NaN", "null"},      {"nan", "null"},
                 {"Infinity", "null"}, {"-Infinity", "null"}, {"undefined", "null"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (hl_view_is(word, known[i].word)) return known[i].json;
    return NULL;
}

static void put_word(hl_loose_json *l, hl_str *out) {
    const hl_view word = hl_view_trim(hl_str_view(&l->word));
    const char   *literal = l->is_key ? NULL : literal_of(word);
    if (literal) {
        hl_str_add_text(out, literal);
    } else if (!l->is_key && hl_is_json_number(word)) {
        hl_str_add_view(out, word);
    } else {
        put_raw(l, out, "\"", 1);
        for (size_t i = 0; i < word.len; i++) put_byte(l, out, word.ptr[i]);
        put_raw(l, out, "\"", 1);
    }
    hl_str_clear(&l->word);
}

/* ---- structure -------------------------------------------------------------------------------- */

static bool in_object(const hl_loose_json *l) {
    const int top = l->depth - 1;
    return top >= 0 && (l->objects[top / 64] >> (top % 64) & 1);
}

static hl_loose_step end_value(hl_loose_json *l) {
    if (l->is_key) {
        l->is_key = false;
        l->state = HL_LOOSE_COLON;
        return HL_LOOSE_MORE;
    }
    l->state = HL_LOOSE_AFTER;
    return l->depth == 0 ? HL_LOOSE_DONE : HL_LOOSE_MORE;
}

static hl_loose_step open_level(hl_loose_json *l, bool object, hl_str *out) {
    if (l->depth == HL_LOOSE_MAX_DEPTH) return HL_LOOSE_BROKEN;
    const int      at = l->depth++;
    const uint64_t bit = UINT64_C(1) << (at % 64);
    l->objects[at / 64] = object ? l->objects[at / 64] | bit : l->objects[at / 64] & ~bit;
    put_comma(l, out);
    hl_str_add_char(out, object ? '{' : '[');
    l->state = object ? HL_LOOSE_KEY : HL_LOOSE_VALUE;
    return HL_LOOSE_MORE;
}

static hl_loose_step close_level(hl_loose_json *l, hl_str *out) {
    l->has_comma = false; /* one too many */
    put_comma(l, out);
    hl_str_add_char(out, in_object(l) ? '}' : ']');
    l->depth--;
    return end_value(l);
}

static hl_loose_step open_string(hl_loose_json *l, char quote, hl_str *out) {
    put_comma(l, out);
    if (l->is_key) hl_str_clear(&l->key);
    put_raw(l, out, "\"", 1);
    l->ends = quote;
    l->state = HL_LOOSE_STRING;
    return HL_LOOSE_MORE;
}

static hl_loose_step close_string(hl_loose_json *l, hl_str *out) {
    put_raw(l, out, "\"", 1);
    return end_value(l);
}

static hl_loose_step open_word(hl_loose_json *l, char c, hl_str *out) {
    put_comma(l, out);
    if (l->is_key) hl_str_clear(&l->key);
    hl_str_clear(&l->word);
    hl_str_add_char(&l->word, c);
    l->state = HL_LOOSE_WORD;
    return HL_LOOSE_MORE;
}

/* A key or a value begins. */
static hl_loose_step begin(hl_loose_json *l, char c, hl_str *out) {
    if (l->quote && c == l->quote[0]) {
        put_comma(l, out);
        if (l->is_key) hl_str_clear(&l->key);
        l->n_quote = 1;
        l->state = HL_LOOSE_QUOTE;
        return HL_LOOSE_MORE;
    }
    if (c == '"' || c == '\'') return open_string(l, c, out);
    if (strchr("{}[]():,=", c)) return HL_LOOSE_BROKEN; /* the terminator, too */
    return open_word(l, c, out);
}

static hl_loose_step on_value(hl_loose_json *l, char c, hl_str *out) {
    if (hl_is_blank(c)) {
        put_blank(l, out, c);
        return HL_LOOSE_MORE;
    }
    if (c == '{' || c == '[') return open_level(l, c == '{', out);
    if (l->depth > 0 && !in_object(l)) {
        if (c == ']') return close_level(l, out);
        if (c == ',') return HL_LOOSE_MORE;              /* one too many */
    } else if (l->depth > 0 && (c == '}' || c == ',')) { /* a key without a value */
        hl_str_add_text(out, "null");
        (void)end_value(l);
        return hl_loose_json_feed(l, c, out);
    }
    return begin(l, c, out);
}

static hl_loose_step on_key(hl_loose_json *l, char c, hl_str *out) {
    if (hl_is_blank(c)) {
        put_blank(l, out, c);
        return HL_LOOSE_MORE;
    }
    if (c == '}') return close_level(l, out);
    if (c == ',' || (c == '{' && !l->has_comma)) return HL_LOOSE_MORE; /* one too many */
    l->is_key = true;
    const hl_loose_step step = begin(l, c, out);
    if (step == HL_LOOSE_BROKEN) l->is_key = false;
    return step;
}

static hl_loose_step on_after(hl_loose_json *l, char c, hl_str *out) {
    if (l->depth == 0) return HL_LOOSE_BEHIND;
    if (hl_is_blank(c)) {
        put_blank(l, out, c);
    } else if (c == ',') {
        l->has_comma = true;
        l->state = in_object(l) ? HL_LOOSE_KEY : HL_LOOSE_VALUE;
    } else if (c == (in_object(l) ? '}' : ']')) {
        return close_level(l, out);
    } else {
        return HL_LOOSE_BROKEN;
    }
    return HL_LOOSE_MORE;
}

/* ---- strings ---------------------------------------------------------------------------------- */

static hl_loose_step on_string(hl_loose_json *l, char c, hl_str *out) {
    if (c == l->ends) return close_string(l, out);
    if (c == '\\')
        l->state = HL_LOOSE_ESCAPE;
    else
        put_byte(l, out, c);
    return HL_LOOSE_MORE;
}

static hl_loose_step on_escape(hl_loose_json *l, char c, hl_str *out) {
    const char both[2] = {'\\', c};
    l->state = HL_LOOSE_STRING;
    if (c == 'u' || c == 'x') { /* \x41 is Python's */
        hl_str_clear(&l->word);
        l->n_digits = c == 'u' ? 4 : 2;
        l->state = HL_LOOSE_HEX;
    } else if (c && strchr("\"\\/bfnrt", c)) {
        put_raw(l, out, both, 2);
    } else if (c == '\'') {
        put_byte(l, out, c);
    } else { /* a backslash that stands for itself */
        put_raw(l, out, "\\\\", 2);
        put_byte(l, out, c);
    }
    return HL_LOOSE_MORE;
}

static void end_hex(hl_loose_json *l, hl_str *out) {
    const bool is_whole = (int)l->word.len == l->n_digits;
    put_raw(l, out, is_whole ? "\\u" : l->n_digits == 4 ? "\\\\u" : "\\\\x", is_whole ? 2 : 3);
    if (is_whole && l->n_digits == 2) put_raw(l, out, "00", 2);
    put_raw(l, out, hl_str_text(&l->word), l->word.len);
    hl_str_clear(&l->word);
    l->state = HL_LOOSE_STRING;
}

static hl_loose_step on_hex(hl_loose_json *l, char c, hl_str *out) {
    const bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (is_digit) hl_str_add_char(&l->word, c);
    if (!is_digit || (int)l->word.len == l->n_digits) end_hex(l, out);
    return is_digit ? HL_LOOSE_MORE : on_string(l, c, out);
}

/* The first byte of a quote stands nowhere else in it; so what did not become one begins none, but for the
 * byte in hand. */
static hl_loose_step on_quote(hl_loose_json *l, char c, hl_str *out) {
    const bool is_open = l->state == HL_LOOSE_QUOTED;
    if (c == l->quote[l->n_quote]) {
        if (l->quote[++l->n_quote]) return HL_LOOSE_MORE;
        l->n_quote = 0;
        if (is_open) return close_string(l, out);
        put_raw(l, out, "\"", 1);
        l->state = HL_LOOSE_QUOTED;
        return HL_LOOSE_MORE;
    }
    if (!is_open) return HL_LOOSE_BROKEN;
    for (size_t i = 0; i < l->n_quote; i++) put_byte(l, out, l->quote[i]);
    l->n_quote = 0;
    if (c == l->quote[0])
        l->n_quote = 1;
    else
        put_byte(l, out, c);
    return HL_LOOSE_MORE;
}

/* Words go on over blanks ("New York" without quotes), unless they are something already. */
static hl_loose_step on_word(hl_loose_json *l, char c, hl_str *out) {
    const hl_view word = hl_str_view(&l->word);
    const bool    means_something = literal_of(word) || hl_is_json_number(word);
    if (!strchr(",:{}[]()=\"", c) && !(hl_is_blank(c) && means_something && !l->is_key)) {
        hl_str_add_char(&l->word, c);
        return l->word.failed ? HL_LOOSE_BROKEN : HL_LOOSE_MORE;
    }
    put_word(l, out);
    const hl_loose_step step = end_value(l);
    return step == HL_LOOSE_DONE ? HL_LOOSE_BEHIND : hl_loose_json_feed(l, c, out);
}

/* ---- front door ------------------------------------------------------------------------------- */

hl_loose_step hl_loose_json_feed(hl_loose_json *l, char c, hl_str *out) {
    switch (l->state) {
    case HL_LOOSE_VALUE: return on_value(l, c, out);
    case HL_LOOSE_KEY: return on_key(l, c, out);
    case HL_LOOSE_AFTER: return on_after(l, c, out);
    case HL_LOOSE_STRING: return on_string(l, c, out);
    case HL_LOOSE_ESCAPE: return on_escape(l, c, out);
    case HL_LOOSE_HEX: return on_hex(l, c, out);
    case HL_LOOSE_QUOTE:
    case HL_LOOSE_QUOTED: return on_quote(l, c, out);
    case HL_LOOSE_WORD: return on_word(l, c, out);
    case HL_LOOSE_COLON: break;
    }
    if (c != ':' && !hl_is_blank(c)) return HL_LOOSE_BROKEN;
    hl_str_add_char(out, c);
    if (c == ':') l->state = HL_LOOSE_VALUE;
    return HL_LOOSE_MORE;
}

/* The string or word that is open. */
static void complete_text(hl_loose_json *l, hl_str *out) {
    const bool was_string = l->state == HL_LOOSE_STRING || l->state == HL_LOOSE_ESCAPE ||
                            l->state == HL_LOOSE_HEX || l->state == HL_LOOSE_QUOTED;
    if (l->state == HL_LOOSE_HEX) end_hex(l, out);
    if (l->state == HL_LOOSE_ESCAPE) put_raw(l, out, "\\\\", 2);
    if (l->state == HL_LOOSE_QUOTE) put_raw(l, out, "\"\"", 2);
    if (l->state == HL_LOOSE_WORD) put_word(l, out);
    if (was_string) put_raw(l, out, "\"", 1);
    if (was_string || l->state == HL_LOOSE_QUOTE || l->state == HL_LOOSE_WORD) (void)end_value(l);
}

void hl_loose_json_complete(hl_loose_json *l, hl_str *out) {
    complete_text(l, out);
    if (l->state == HL_LOOSE_COLON) hl_str_add_char(out, ':');
    if (l->state == HL_LOOSE_COLON || (l->state == HL_LOOSE_VALUE && (l->depth == 0 || in_object(l))))
        hl_str_add_text(out, "null");
    while (l->depth > 0) (void)close_level(l, out);
    l->state = HL_LOOSE_AFTER;
}

bool hl_loose_json_convert(hl_view text, hl_str *out) {
    hl_loose_json l;
    hl_str        json;
    hl_loose_step step = HL_LOOSE_MORE;
    const hl_view v = hl_view_trim(text);
    size_t        i = 0;
    hl_loose_json_init(&l, NULL);
    hl_str_init(&json, SIZE_MAX);
    while (i < v.len && step == HL_LOOSE_MORE) step = hl_loose_json_feed(&l, v.ptr[i++], &json);
    if (step == HL_LOOSE_MORE && l.state == HL_LOOSE_WORD && l.depth == 0) {
        put_word(&l, &json);
        step = HL_LOOSE_DONE;
    }
    const bool is_one = step == HL_LOOSE_DONE && i == v.len && !json.failed;
    if (is_one) hl_str_add_view(out, hl_str_view(&json));
    hl_str_done(&json);
    hl_loose_json_done(&l);
    return is_one;
}
