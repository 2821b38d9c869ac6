/* SPDX-License-Identifier: MIT
 *
 * tmpl_lexer.c - from template source to tokens.
 *
 * Text and tags alternate. White space around tags follows the settings chat templates are written
 * for: a block or comment tag alone on its line takes the blanks before it and the newline after it
 * (lstrip_blocks, trim_blocks); '-' takes all white space on its side, '+' keeps what is there.
 * from: Jinja 3.1 documentation, "Whitespace Control", checked against jinja2 3.1.6
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/template/tmpl_ast.h"
#include "engine/template/tmpl_int.h"

typedef struct lexer {
    hl_template   *t;
    hl_err        *err;
    const char    *s; /* source, newlines normalized */
    size_t         n, at;
    uint32_t       line;
    bool           at_line_start; /* the last token ended in a newline, or nothing came yet */
    hl_tmpl_token *tokens;
    size_t         n_tokens, cap;
    char           braces[HL_TMPL_MAX_NESTING]; /* closing braces still expected */
    size_t         n_braces;
} lexer;

static size_t space_at(const lexer *l, size_t at) {
    uint32_t     cp = 0;
    const size_t len = at < l->n ? hl_utf8_read(l->s + at, l->n - at, &cp) : 0;
    return len && hl_tmpl_char_is_space(cp) ? len : 0;
}

static size_t skip_space(const lexer *l, size_t at) {
    for (size_t len; (len = space_at(l, at)) > 0;) at += len;
    return at;
}

static bool starts_with(const lexer *l, size_t at, const char *text) {
    const size_t n = strlen(text);
    return at <= l->n && l->n - at >= n && memcmp(l->s + at, text, n) == 0;
}

/* Everything up to `to` is consumed. */
static void advance(lexer *l, size_t to) {
    for (size_t i = l->at; i < to; i++) l->line += l->s[i] == '\n';
    if (to > l->at) l->at_line_start = l->s[to - 1] == '\n';
    l->at = to;
}

static hl_status add_token(lexer *l, hl_tmpl_token_kind kind, hl_view text, size_t at, hl_tmpl_token **ret) {
    const hl_status status = hl_tmpl_step(l->t, l->err);
    if (status != HL_OK) return status;
    if (l->n_tokens == l->cap) {
        const size_t   cap = l->cap ? l->cap * 2 : 256;
        hl_tmpl_token *p = hl_resize(l->tokens, cap, sizeof *p);
        if (!p) return hl_fail(l->err, HL_E_NOMEM, "template: no memory for %zu tokens", cap);
        l->tokens = p;
        l->cap = cap;
    }
    hl_tmpl_token *tok = &l->tokens[l->n_tokens++];
    *tok = (hl_tmpl_token){.kind = (uint8_t)kind, .line = l->line, .at = (uint32_t)at, .text = text};
    if (ret) *ret = tok;
    return HL_OK;
}

/* The tag's begin is at `begin`, its white space sign (or 0) at begin + 2: where does the text end? */
static size_t trimmed_end(const lexer *l, size_t begin, char sign, bool is_block) {
    if (sign == '-') {
        const hl_view kept = hl_tmpl_str_strip((hl_view){l->s + l->at, begin - l->at}, false, true);
        return l->at + kept.len;
    }
    if (sign == '+' || !is_block) return begin;
    size_t line = begin;
    while (line > l->at && l->s[line - 1] != '\n') line--;
    if (line == l->at && !l->at_line_start) return begin;
    return skip_space(l, line) >= begin ? line : begin;
}

static char sign_at(const lexer *l, size_t at) {
    return at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : 0;
}

/* Does "{% raw %}" (or endraw) start here? Returns where its content begins, 0 when not.
 * A plain endraw takes the newline behind it along, a plain raw does not. */
static size_t match_raw(const lexer *l, size_t at, const char *word) {
    if (!starts_with(l, at, "{%")) return 0;
    at += 2 + (sign_at(l, at + 2) != 0);
    at = skip_space(l, at);
    if (!starts_with(l, at, word)) return 0;
    at = skip_space(l, at + strlen(word));
    const bool is_end = word[0] == 'e';
    if (starts_with(l, at, "-%}")) return skip_space(l, at + 3);
    if (is_end && starts_with(l, at, "+%}")) return at + 3;
    if (!starts_with(l, at, "%}")) return 0;
    at += 2;
    return is_end && starts_with(l, at, "\n") ? at + 1 : at;
}

static hl_status lex_raw(lexer *l, size_t begin, size_t content) {
    advance(l, content);
    for (size_t i = content; i < l->n; i++) {
        const size_t after = l->s[i] == '{' ? match_raw(l, i, "endraw") : 0;
        if (after == 0) continue;
        const size_t end = trimmed_end(l, i, sign_at(l, i + 2), true);
        hl_status    status = HL_OK;
        if (end > content)
            status =
                add_token(l, HL_TMPL_TOKEN_DATA, (hl_view){l->s + content, end - content}, content, NULL);
        advance(l, after);
        return status;
    }
    return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "'{%% raw %%}' has no '{%% endraw %%}'");
}

static hl_status lex_comment(lexer *l, size_t begin) {
    const char *p = memmem(l->s + begin + 2, l->n - begin - 2, "#}", 2);
    /* a sign right behind "{#" belongs to the opening: "{#-#}" is a whole comment */
    if (!p) return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "comment '{#' has no '#}'");
    const size_t end = (size_t)(p - l->s);
    size_t       after = end + 2;
    const char   sign = end > begin + 2 + (sign_at(l, begin + 2) != 0) ? l->s[end - 1] : 0;
    if (sign == '-')
        after = skip_space(l, after);
    else if (sign != '+' && starts_with(l, after, "\n"))
        after++;
    advance(l, after);
    return HL_OK;
}

static size_t name_end(const lexer *l, size_t at) {
    for (bool first = true; at < l->n; first = false) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(l->s + at, l->n - at, &cp);
        if (len == 0 || !(first ? hl_tmpl_char_is_name_start(cp) : hl_tmpl_char_is_name(cp))) break;
        at += len;
    }
    return at;
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

/* Digits of a base, with single underscores between them. */
static size_t digits_end(const lexer *l, size_t at, int base) {
    while (at < l->n && (digit_value(l->s[at]) < base ||
                         (l->s[at] == '_' && at + 1 < l->n && digit_value(l->s[at + 1]) < base)))
        at++;
    return at;
}

/* A decimal integer begins with no 0, or is nothing but zeros: "012" is 0 and 12, an error further on. */
static size_t decimal_end(const lexer *l, size_t at) { return digits_end(l, at, l->s[at] == '0' ? 1 : 10); }

static hl_status lex_int(lexer *l, size_t begin, size_t end, int base) {
    const size_t  first = begin + (base == 10 ? 0 : 2);
    const hl_view digits = {l->s + first, end - first};
    int64_t       value = 0;
    bool          fits = true, ok = true;
    for (size_t i = first; i < end && fits; i++)
        if (l->s[i] != '_')
            fits = !__builtin_mul_overflow(value, (int64_t)base, &value) &&
                   !__builtin_add_overflow(value, (int64_t)digit_value(l->s[i]), &value);
    hl_tmpl_value number = hl_tmpl_int(value);
    if (!fits) hl_tmpl_int_of_literal(&l->t->arena, digits, (unsigned)base, &number, &ok);
    if (!ok)
        return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "an integer of more than %d digits",
                            HL_TMPL_MAX_INT_DIGITS);
    if (number.kind == HL_TMPL_VALUE_MISSING)
        return hl_fail(l->err, HL_E_NOMEM, "template: no memory for an integer");
    hl_tmpl_token *tok = NULL;
    hl_status status = add_token(l, HL_TMPL_TOKEN_INT, (hl_view){l->s + begin, end - begin}, begin, &tok);
    if (status == HL_OK) tok->number = number;
    return status;
}

static hl_status lex_float(lexer *l, size_t begin, size_t end) {
    hl_tmpl_token *tok = NULL;
    double         f = 0;
    bool           ok = false;
    if (!hl_tmpl_str_read_float((hl_view){l->s + begin, end - begin}, &f, &ok))
        return hl_fail(l->err, HL_E_NOMEM, "template: no memory for a number");
    if (!ok)
        return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "'%.*s' is no number",
                            HL_TMPL_ARG(((hl_view){l->s + begin, end - begin})));
    hl_status status = add_token(l, HL_TMPL_TOKEN_FLOAT, (hl_view){l->s + begin, end - begin}, begin, &tok);
    if (status == HL_OK) tok->number = hl_tmpl_float(f);
    return status;
}

/* Where a float that begins here ends; `at` when it is none. */
static size_t float_end(const lexer *l, size_t at) {
    size_t end = digits_end(l, at, 10);
    bool   is_float = false;
    if (end + 1 < l->n && l->s[end] == '.' && digit_value(l->s[end + 1]) < 10) {
        end = digits_end(l, end + 1, 10);
        is_float = true;
    }
    if (end + 1 < l->n && (l->s[end] | 32) == 'e') {
        const size_t e = end + 1 + (l->s[end + 1] == '+' || l->s[end + 1] == '-');
        if (e < l->n && digit_value(l->s[e]) < 10) {
            end = digits_end(l, e, 10);
            is_float = true;
        }
    }
    return is_float ? end : at;
}

static hl_status lex_number(lexer *l) {
    const size_t begin = l->at;
    const bool   after_dot = begin > 0 && l->s[begin - 1] == '.';
    const size_t float_stop = after_dot ? begin : float_end(l, begin);
    int          base = 10;
    if (l->s[begin] == '0' && begin + 2 < l->n) {
        const char   c = (char)(l->s[begin + 1] | 32);
        const size_t first = begin + 2 + (l->s[begin + 2] == '_');
        base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
        if (base != 10 && (first >= l->n || digit_value(l->s[first]) >= base)) base = 10;
    }
    const size_t    end = float_stop > begin ? float_stop
                          : base == 10       ? decimal_end(l, begin)
                                             : digits_end(l, begin + 2, base);
    const hl_status status = float_stop > begin ? lex_float(l, begin, end) : lex_int(l, begin, end, base);
    advance(l, end);
    return status;
}

/* One escape at *i (behind the backslash); appends its character to `to`. False when malformed. */
static bool add_escape(hl_str *to, const char *s, size_t end, size_t *i) {
    static const char plain[] = "n\nt\tr\rb\bf\fv\va\a\\\\''\"\"";
    const char        c = s[(*i)++];
    if (c == '\n') return true; /* a continued line */
    for (const char *p = plain; *p; p += 2)
        if (*p == c) {
            hl_str_add_char(to, p[1]);
            return true;
        }
    uint32_t cp = 0;
    if (c >= '0' && c <= '7') {
        cp = (uint32_t)(c - '0');
        for (int k = 0; k < 2 && *i < end && s[*i] >= '0' && s[*i] <= '7'; k++)
            cp = cp * 8 + (uint32_t)(s[(*i)++] - '0');
        hl_str_add_utf8(to, cp);
        return true;
    }
    const int n_hex = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (n_hex == 0) { /* unknown escapes stay as they are; \N{NAME} is not supported */
        if (c == 'N') return false;
        hl_str_add_char(to, '\\');
        hl_str_add_char(to, c);
        return true;
    }
    for (int k = 0; k < n_hex; k++, (*i)++) {
        if (*i >= end || digit_value(s[*i]) > 15) return false;
        cp = cp * 16 + (uint32_t)digit_value(s[*i]);
    }
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000)) return false;
    hl_str_add_utf8(to, cp);
    return true;
}

static hl_status unescape(lexer *l, size_t begin, size_t end, hl_view *ret) {
    hl_str    to;
    hl_status status = HL_OK;
    hl_str_init(&to, end - begin + 8);
    for (size_t i = begin; i < end && status == HL_OK;) {
        const size_t at = i;
        if (l->s[i++] != '\\')
            hl_str_add_char(&to, l->s[i - 1]);
        else if (i >= end || !add_escape(&to, l->s, end, &i))
            status = hl_tmpl_fail(l->t, (uint32_t)at, l->err, "bad escape in a string: '%.*s'",
                                  (int)(end - at < 10 ? end - at : 10), l->s + at);
    }
    if (status == HL_OK && to.failed)
        status = hl_fail(l->err, HL_E_NOMEM, "template: no memory for a string");
    if (status == HL_OK) *ret = hl_tmpl_keep(l->t, l->t->literals, hl_str_view(&to));
    hl_str_done(&to);
    return status;
}

static hl_status lex_string(lexer *l) {
    const size_t begin = l->at;
    const char   quote = l->s[begin];
    size_t       end = begin + 1;
    bool         has_escape = false;
    while (end < l->n && l->s[end] != quote) {
        has_escape |= l->s[end] == '\\';
        end += l->s[end] == '\\' ? 2 : 1;
    }
    if (end >= l->n) return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "string has no closing %c", quote);
    hl_view   text = {l->s + begin + 1, end - begin - 1};
    hl_status status = has_escape ? unescape(l, begin + 1, end, &text) : HL_OK;
    if (status == HL_OK) status = add_token(l, HL_TMPL_TOKEN_STRING, text, begin, NULL);
    advance(l, end + 1);
    return status;
}

static hl_status lex_operator(lexer *l) {
    static const char *const two[] = {"//", "**", "==", "!=", ">=", "<="};
    const size_t             begin = l->at;
    const char               c = l->s[begin];
    uint16_t                 op = 0;
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++)
        if (starts_with(l, begin, two[i])) op = HL_TMPL_OP2(two[i][0], two[i][1]);
    if (op == 0 && c != '\0' && strchr("+-/*%~[](){}><=.:|,;", c)) op = (unsigned char)c;
    if (op == 0) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(l->s + begin, l->n - begin, &cp);
        return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "unexpected character '%.*s'",
                            (int)(len ? len : 1), l->s + begin);
    }
    if (c == '(' || c == '[' || c == '{') {
        if (l->n_braces == sizeof l->braces)
            return hl_fail(l->err, HL_E_LIMIT, "template line %u: braces nested deeper than %d", l->line,
                           HL_TMPL_MAX_NESTING);
        l->braces[l->n_braces++] = c == '(' ? ')' : (char)(c + 2);
    } else if (c == ')' || c == ']' || c == '}') {
        if (l->n_braces == 0) return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "unexpected '%c'", c);
        if (l->braces[--l->n_braces] != c)
            return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "unexpected '%c', expected '%c'", c,
                                l->braces[l->n_braces]);
    }
    hl_tmpl_token *tok = NULL;
    const size_t   len = op > 0xFF ? 2 : 1;
    hl_status      status = add_token(l, HL_TMPL_TOKEN_OP, (hl_view){l->s + begin, len}, begin, &tok);
    if (status == HL_OK) tok->op = op;
    advance(l, begin + len);
    return status;
}

/* Where the tag's end mark at l->at leads; 0 when there is none here. */
static size_t match_tag_end(const lexer *l, bool is_block) {
    const char *end = is_block ? "%}" : "}}";
    size_t      at = l->at;
    const char  sign = sign_at(l, at);
    if (sign == '+' && !is_block) return 0;
    if (sign) at++;
    if (!starts_with(l, at, end)) return 0;
    at += 2;
    if (sign == '-') return skip_space(l, at);
    return is_block && !sign && starts_with(l, at, "\n") ? at + 1 : at;
}

static hl_status lex_tag(lexer *l, size_t begin, bool is_block) {
    hl_status status = add_token(l, is_block ? HL_TMPL_TOKEN_BLOCK_BEGIN : HL_TMPL_TOKEN_VAR_BEGIN,
                                 (hl_view){0}, begin, NULL);
    advance(l, begin + 2 + (sign_at(l, begin + 2) != 0));
    l->n_braces = 0;
    while (status == HL_OK) {
        advance(l, skip_space(l, l->at));
        if (l->at >= l->n)
            return hl_tmpl_fail(l->t, (uint32_t)begin, l->err, "tag '%s' has no '%s'", is_block ? "{%" : "{{",
                                is_block ? "%}" : "}}");
        const size_t after = l->n_braces == 0 ? match_tag_end(l, is_block) : 0;
        if (after) {
            status = add_token(l, is_block ? HL_TMPL_TOKEN_BLOCK_END : HL_TMPL_TOKEN_VAR_END, (hl_view){0},
                               l->at, NULL);
            advance(l, after);
            return status;
        }
        const char   c = l->s[l->at];
        const size_t end = name_end(l, l->at);
        if (end > l->at) {
            status = add_token(l, HL_TMPL_TOKEN_NAME, (hl_view){l->s + l->at, end - l->at}, l->at, NULL);
            advance(l, end);
        } else if (c >= '0' && c <= '9') {
            status = lex_number(l);
        } else {
            status = c == '\'' || c == '"' ? lex_string(l) : lex_operator(l);
        }
    }
    return status;
}

static size_t find_tag(const lexer *l) {
    size_t at = l->at;
    for (;; at++) {
        const char *p = at < l->n ? memchr(l->s + at, '{', l->n - at) : NULL;
        if (!p) return l->n;
        at = (size_t)(p - l->s);
        if (at + 1 < l->n && (p[1] == '{' || p[1] == '%' || p[1] == '#')) return at;
    }
}

static hl_status lex_all(lexer *l) {
    hl_status status = HL_OK;
    while (status == HL_OK && l->at < l->n) {
        const size_t begin = find_tag(l);
        size_t       end = begin;
        const char   c = begin < l->n ? l->s[begin + 1] : 0;
        if (c) end = trimmed_end(l, begin, sign_at(l, begin + 2), c != '{');
        if (end > l->at)
            status = add_token(l, HL_TMPL_TOKEN_DATA, (hl_view){l->s + l->at, end - l->at}, l->at, NULL);
        if (status != HL_OK || !c) break;
        advance(l, begin);
        const size_t raw = c == '%' ? match_raw(l, begin, "raw") : 0;
        status = c == '#' ? lex_comment(l, begin)
                 : raw    ? lex_raw(l, begin, raw)
                          : lex_tag(l, begin, c == '%');
    }
    return status == HL_OK ? add_token(l, HL_TMPL_TOKEN_EOF, (hl_view){0}, l->n, NULL) : status;
}

hl_status hl_tmpl_lex(hl_template *t, hl_tmpl_token **ret_tokens, size_t *ret_n, hl_err *err) {
    lexer l = {.t = t, .err = err, .s = t->source.ptr, .n = t->source.len, .line = 1, .at_line_start = true};
    const hl_status status = lex_all(&l);
    if (status != HL_OK) {
        hl_free(l.tokens);
        return status;
    }
    *ret_tokens = l.tokens;
    *ret_n = l.n_tokens;
    return HL_OK;
}
