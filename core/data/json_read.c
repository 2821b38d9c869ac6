/* SPDX-License-Identifier: MIT
 *
 * json_read.c - a JSON reader that knows where it is, and makes jansson's values.
 *
 * jansson's own reader loses letters, and writes past its buffers, when memory ends in the middle of a string
 * (2.14: what lex_save() returns is not looked at); with its values all is well.
 * from: RFC 8259
 */
#include "core/data/json.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"

enum { VALUES_PER_LOOK = 4096, MAX_WORD = 32, MAX_PATH_BYTES = 160 };

/* Where a value stands: in a list (key.ptr NULL) or in an object. */
typedef struct place {
    const struct place *outer;
    hl_view             key;
    size_t              index;
} place;

typedef struct reader {
    const hl_json_rules *rules;
    const char          *what, *begin, *at, *end;
    size_t               n_values;
    int                  depth;
    hl_str               text; /* of the string in hand */
} reader;

static hl_status read_value(reader *r, const place *p, json_t **ret, hl_err *err);

/* ---- errors ---------------------------------------------------------------------------------- */

static void add_place(hl_str *s, const place *p) {
    if (!p) return;
    add_place(s, p->outer);
    if (p->key.ptr)
        hl_str_add_format(s, ".%.*s", (int)(p->key.len < MAX_WORD ? p->key.len : MAX_WORD), p->key.ptr);
    else
        hl_str_add_format(s, "[%zu]", p->index);
}

static hl_status fail_at(const reader *r, const place *p, hl_status status, const char *why, hl_err *err) {
    const size_t        at = (size_t)(r->at - r->begin);
    const hl_text_place in_text = hl_utf8_place((hl_view){r->begin, at}, at);
    hl_str              path;
    hl_str_init(&path, 1 << 16);
    add_place(&path, p);
    (void)hl_fail(err, status, "%s%.*s: line %zu, column %zu: %s", r->what,
                  (int)(path.len < MAX_PATH_BYTES ? path.len : MAX_PATH_BYTES), hl_str_text(&path),
                  in_text.line, in_text.column, why);
    hl_str_done(&path);
    return status;
}

static hl_status no_memory(const reader *r, hl_err *err) {
    return hl_fail(err, HL_E_NOMEM, "%s: no memory", r->what);
}

/* Something else stands where `expected` should. */
static hl_status unexpected(const reader *r, const place *p, const char *expected, hl_err *err) {
    char why[128];
    if (r->at == r->end)
        (void)snprintf(why, sizeof why, "expected %s, found the end", expected);
    else if ((unsigned char)*r->at < 0x20 || (unsigned char)*r->at >= 0x7F)
        (void)snprintf(why, sizeof why, "expected %s, found byte 0x%02X", expected, (unsigned char)*r->at);
    else
        (void)snprintf(why, sizeof why, "expected %s, found '%c'", expected, *r->at);
    return fail_at(r, p, HL_E_FORMAT, why, err);
}

/* ---- strings --------------------------------------------------------------------------------- */

static int hex4(const char *p, const char *end) {
    int value = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int  digit = c >= '0' && c <= '9'   ? c - '0'
                           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                  : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX, at the u; a high half is joined with the low one that follows, and half a pair is U+FFFD. */
static hl_status read_u(reader *r, const place *p, hl_err *err) {
    const int unit = hex4(r->at + 1, r->end);
    if (unit < 0) return fail_at(r, p, HL_E_FORMAT, "expected four hexadecimal digits behind \\u", err);
    r->at += 5;
    uint32_t cp = (uint32_t)unit;
    if (cp >= 0xD800 && cp < 0xDC00 && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        const int low = hex4(r->at + 2, r->end);
        if (low >= 0xDC00 && low < 0xE000) {
            cp = 0x10000 + ((cp - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
            r->at += 6;
        }
    }
    if (r->rules->is_strict && cp >= 0xD800 && cp < 0xE000)
        return fail_at(r, p, HL_E_FORMAT, "half of a surrogate pair", err);
    if (!r->rules->allows_nul && cp == 0) return fail_at(r, p, HL_E_FORMAT, "a NUL character", err);
    hl_str_add_utf8(&r->text, cp);
    return HL_OK;
}

static hl_status read_escape(reader *r, const place *p, hl_err *err) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at < r->end && *r->at == 'u') return read_u(r, p, err);
    const char *hit = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
    if (!hit) return unexpected(r, p, "one of \" \\ / b f n r t u behind \\", err);
    hl_str_add_char(&r->text, to[hit - from]);
    r->at++;
    return HL_OK;
}

/* A string from its opening quote on, into r->text. */
static hl_status read_string(reader *r, const place *p, hl_err *err) {
    hl_str_clear(&r->text);
    r->at++;
    for (;;) {
        const char *from = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20 &&
               (unsigned char)*r->at < 0x80)
            r->at++;
        hl_str_add(&r->text, from, (size_t)(r->at - from));
        if (r->text.failed) return no_memory(r, err);
        if (r->at == r->end) return unexpected(r, p, "a closing quote", err);
        uint32_t cp = 0;
        if (*r->at == '"') {
            r->at++;
            return HL_OK;
        }
        if (*r->at == '\\') {
            const hl_status status = read_escape(r, p, err);
            if (status != HL_OK) return status;
        } else if ((unsigned char)*r->at < 0x20) {
            return unexpected(r, p, "control characters of a string to be escaped", err);
        } else {
            const size_t n = hl_utf8_read(r->at, (size_t)(r->end - r->at), &cp);
            if (n == 0 && r->rules->is_strict)
                return fail_at(r, p, HL_E_FORMAT, "bytes that are no UTF-8", err);
            hl_str_add_utf8(&r->text, n ? cp : 0xFFFD);
            r->at += n ? n : 1;
        }
    }
}

/* ---- numbers --------------------------------------------------------------------------------- */

static size_t skip_digits(reader *r) {
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return (size_t)(r->at - from);
}

/* *ret stays NULL for what 64 bits or a double do not hold. False: no memory. */
static bool make_number(hl_view digits, bool is_integer, json_t **ret) {
    char          small[64], *large = NULL, *copy = small;
    struct lconv *locale = localeconv(); /* a program around us may have set one: strtod() obeys it */
    if (digits.len >= sizeof small) copy = large = hl_alloc(digits.len + 1);
    if (!copy) return false;
    memcpy(copy, digits.ptr, digits.len);
    copy[digits.len] = '\0';
    bool fits = true;
    if (is_integer) {
        errno = 0;
        const long long value = strtoll(copy, NULL, 10);
        fits = errno == 0;
        if (fits) *ret = json_integer(value);
    } else {
        char *point = strchr(copy, '.');
        if (point && strlen(locale->decimal_point) == 1) *point = *locale->decimal_point;
        const double value = strtod(copy, NULL);
        fits = isfinite(value); /* too small is zero */
        if (fits) *ret = json_real(value);
    }
    hl_free(large);
    return *ret || !fits;
}

static hl_status read_number(reader *r, const place *p, json_t **ret, hl_err *err) {
    const char *from = r->at;
    bool        is_integer = true;
    if (*r->at == '-') r->at++;
    const bool   zero = r->at < r->end && *r->at == '0';
    const size_t n_digits = skip_digits(r);
    if (n_digits == 0) return unexpected(r, p, "a digit", err);
    if (zero && n_digits > 1) {
        r->at = from;
        return fail_at(r, p, HL_E_FORMAT, "a number does not begin with a zero", err);
    }
    if (r->at < r->end && *r->at == '.') {
        is_integer = false;
        r->at++;
        if (skip_digits(r) == 0) return unexpected(r, p, "a digit", err);
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        is_integer = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (skip_digits(r) == 0) return unexpected(r, p, "a digit", err);
    }
    const hl_view digits = {from, (size_t)(r->at - from)};
    hl_status     status = make_number(digits, is_integer, ret) ? HL_OK : no_memory(r, err);
    if (status != HL_OK || *ret) return status;
    if (!r->rules->number) {
        r->at = from;
        return fail_at(r, p, HL_E_FORMAT, "the number is too large", err);
    }
    *ret = r->rules->number(digits);
    return *ret ? HL_OK : no_memory(r, err);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void skip_white(reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

/* Behind an item: true when another one follows. */
static hl_status read_separator(reader *r, const place *p, char close, bool *ret_more, hl_err *err) {
    skip_white(r);
    *ret_more = r->at < r->end && *r->at == ',';
    if (!*ret_more && (r->at == r->end || *r->at != close))
        return unexpected(r, p, close == ']' ? "',' or ']'" : "',' or '}'", err);
    r->at++;
    skip_white(r);
    return HL_OK;
}

static hl_status read_array(reader *r, const place *p, json_t **ret, hl_err *err) {
    json_t *list = json_array();
    if (!list) return no_memory(r, err);
    hl_status status = HL_OK;
    place     here = {.outer = p};
    r->at++;
    skip_white(r);
    bool more = r->at == r->end || *r->at != ']';
    if (!more) r->at++;
    for (; status == HL_OK && more; here.index++) {
        json_t *item = NULL;
        status = read_value(r, &here, &item, err);
        if (status == HL_OK && json_array_append_new(list, item) != 0) status = no_memory(r, err);
        if (status == HL_OK) status = read_separator(r, p, ']', &more, err);
    }
    if (status == HL_OK)
        *ret = list;
    else
        json_decref(list);
    return status;
}

static hl_status read_member(reader *r, const place *p, json_t *object, hl_err *err) {
    json_t *value = NULL;
    if (r->at == r->end || *r->at != '"') return unexpected(r, p, "a key in quotes", err);
    hl_status status = read_string(r, p, err);
    if (status != HL_OK) return status;
    char *key = hl_strndup(hl_str_text(&r->text), r->text.len);
    if (!key) return no_memory(r, err);
    const place here = {.outer = p, .key = {key, r->text.len}};
    if (r->rules->refuses_doubles && json_object_getn(object, key, here.key.len))
        status = fail_at(r, &here, HL_E_FORMAT, "this key comes twice", err);
    skip_white(r);
    if (status == HL_OK && (r->at == r->end || *r->at != ':')) status = unexpected(r, &here, "':'", err);
    if (status == HL_OK) {
        r->at++;
        skip_white(r);
        status = read_value(r, &here, &value, err);
    }
    if (status == HL_OK && json_object_setn_new_nocheck(object, key, here.key.len, value) != 0)
        status = no_memory(r, err);
    hl_free(key);
    return status;
}

static hl_status read_object(reader *r, const place *p, json_t **ret, hl_err *err) {
    json_t *object = json_object();
    if (!object) return no_memory(r, err);
    hl_status status = HL_OK;
    r->at++;
    skip_white(r);
    bool more = r->at == r->end || *r->at != '}';
    if (!more) r->at++;
    while (status == HL_OK && more) {
        status = read_member(r, p, object, err);
        if (status == HL_OK) status = read_separator(r, p, '}', &more, err);
    }
    if (status == HL_OK)
        *ret = object;
    else
        json_decref(object);
    return status;
}

static bool read_word(reader *r, const char *word) {
    const size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0) return false;
    r->at += n;
    return true;
}

static hl_status too_deep(const reader *r, const place *p, hl_err *err) {
    char why[64];
    (void)snprintf(why, sizeof why, "nested deeper than %d", r->rules->max_depth);
    return fail_at(r, p, HL_E_LIMIT, why, err);
}

static hl_status count_value(reader *r, const place *p, hl_err *err) {
    char why[64];
    if (++r->n_values > r->rules->max_values) {
        (void)snprintf(why, sizeof why, "more than %zu values", r->rules->max_values);
        return fail_at(r, p, HL_E_LIMIT, why, err);
    }
    return r->n_values % VALUES_PER_LOOK == 0 ? hl_stop_check(r->what, err) : HL_OK;
}

static hl_status read_value(reader *r, const place *p, json_t **ret, hl_err *err) {
    hl_status status = count_value(r, p, err);
    if (status != HL_OK) return status;
    const char c = r->at < r->end ? *r->at : '\0';
    if (c == '{' || c == '[') {
        if (r->depth == r->rules->max_depth) return too_deep(r, p, err);
        r->depth++;
        status = c == '{' ? read_object(r, p, ret, err) : read_array(r, p, ret, err);
        r->depth--;
        return status;
    }
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, p, ret, err);
    if (c == '"') {
        status = read_string(r, p, err);
        if (status == HL_OK) *ret = json_stringn_nocheck(hl_str_text(&r->text), r->text.len);
    } else if (read_word(r, "true")) {
        *ret = json_true();
    } else if (read_word(r, "false")) {
        *ret = json_false();
    } else if (read_word(r, "null")) {
        *ret = json_null();
    } else {
        return unexpected(r, p, "a value", err);
    }
    return status == HL_OK && !*ret ? no_memory(r, err) : status;
}

hl_status hl_json_read(hl_view text, const char *what, const hl_json_rules *rules, json_t **ret,
                       hl_err *err) {
    if (text.len > rules->max_bytes)
        return hl_fail(err, HL_E_LIMIT, "%s: %zu bytes of JSON, expected at most %zu", what, text.len,
                       rules->max_bytes);
    json_t *value = NULL;
    reader  r = {.rules = rules, .what = what, .begin = text.ptr, .at = text.ptr, .end = text.ptr + text.len};
    hl_str_init(&r.text, 3 * rules->max_bytes);
    if (text.len == 0) r.begin = r.at = r.end = "";
    skip_white(&r);
    hl_status status = read_value(&r, NULL, &value, err);
    skip_white(&r);
    if (status == HL_OK && r.at < r.end) status = unexpected(&r, NULL, "the end", err);
    hl_str_done(&r.text);
    if (status == HL_OK)
        *ret = value;
    else
        json_decref(value);
    return status;
}
