/* SPDX-License-Identifier: MIT
 *
 * go_lexer.c - the tokens of a Go template: text, and what stands between {{ and }}.
 *
 * Trim markers are settled here ("{{- " takes the white space before it away, " -}}" the white space behind
 * it), and so are comments: later stages see neither.
 */
#define _GNU_SOURCE
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/gotemplate/go_ast.h"

typedef struct lexer {
    const hl_gotemplate *t;
    hl_view              s;
    size_t               at;
    size_t               open_at; /* of the action's {{ */
    int                  n_open;  /* parentheses */
    hl_go_token         *tokens;
    size_t               n, cap;
    hl_err              *err;
} lexer;

static bool starts(const lexer *l, size_t at, const char *word) {
    const size_t n = strlen(word);
    return l->s.len >= n && at <= l->s.len - n && memcmp(l->s.ptr + at, word, n) == 0;
}

static bool is_space_at(const lexer *l, size_t at) {
    return at < l->s.len && hl_go_is_space((unsigned char)l->s.ptr[at]);
}

/* The character at `at` and its length; 0 at the end. The source is valid UTF-8. */
static size_t read_char(hl_view s, size_t at, uint32_t *ret_cp) {
    *ret_cp = 0;
    return at < s.len ? hl_utf8_read(s.ptr + at, s.len - at, ret_cp) : 0;
}

static hl_status add(lexer *l, hl_go_token_kind kind, size_t begin, size_t end) {
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        hl_go_token *more = hl_resize(l->tokens, cap, sizeof *more);
        if (!more) return hl_fail(l->err, HL_E_NOMEM, "template: no memory");
        l->tokens = more;
        l->cap = cap;
    }
    l->tokens[l->n++] = (hl_go_token){kind, (uint32_t)begin, {l->s.ptr + begin, end - begin}};
    return HL_OK;
}

static hl_status fail(const lexer *l, size_t at, const char *what) {
    return hl_go_fail_at(l->t, HL_E_FORMAT, (uint32_t)at, l->err, "%s", what);
}

static hl_status fail_char(const lexer *l, size_t at, const char *what) {
    uint32_t     cp = 0;
    const size_t n = read_char(l->s, at, &cp);
    if (n == 0) return fail(l, l->open_at, "this action has no end: expected }}");
    return hl_go_fail_at(l->t, HL_E_FORMAT, (uint32_t)at, l->err, "%s: U+%04X '%.*s'", what, cp,
                         hl_go_is_printable(cp) ? (int)n : 0, l->s.ptr + at);
}

/* How long the right delimiter at `at` is, 0 when there is none; *ret_trims: it has a trim marker. */
static size_t right_delim(const lexer *l, size_t at, bool *ret_trims) {
    *ret_trims = is_space_at(l, at) && starts(l, at + 1, "-}}");
    return *ret_trims ? 4 : starts(l, at, "}}") ? 2 : 0;
}

static void skip_space(lexer *l) {
    while (is_space_at(l, l->at)) l->at++;
}

/* Behind a right delimiter. */
static void leave(lexer *l, size_t n_delim, bool trims) {
    l->at += n_delim;
    if (trims) skip_space(l);
}

static hl_status lex_comment(lexer *l) {
    const char *end =
        memmem(l->s.ptr + l->at + 2, l->s.len - l->at - 2, "*/", 2); /* the two of the beginning are there */
    bool trims = false;
    if (!end) return fail(l, l->at, "a comment without an end: expected */");
    l->at = (size_t)(end - l->s.ptr) + 2;
    const size_t n = right_delim(l, l->at, &trims);
    if (n == 0) return fail(l, l->at, "expected }} right behind the comment");
    leave(l, n, trims);
    return HL_OK;
}

/* Up to the next action or the end; the action's {{ is left for the caller. */
static hl_status lex_text(lexer *l) {
    const char  *hit = memmem(l->s.ptr + l->at, l->s.len - l->at, "{{", 2);
    const size_t begin = l->at, stop = hit ? (size_t)(hit - l->s.ptr) : l->s.len;
    size_t       end = stop;
    if (hit && starts(l, stop + 2, "-") && is_space_at(l, stop + 3))
        while (end > begin && is_space_at(l, end - 1)) end--;
    l->at = stop;
    return end > begin ? add(l, HL_GO_TOK_TEXT, begin, end) : HL_OK;
}

/* A word may be followed by these only. */
static bool at_word_end(const lexer *l, size_t at) {
    if (at >= l->s.len || is_space_at(l, at) || starts(l, at, "}}")) return true;
    return strchr(".,|:()", l->s.ptr[at]) && l->s.ptr[at] != '\0';
}

static size_t word_end(const lexer *l, size_t at) {
    uint32_t cp = 0;
    for (size_t n = 0; (n = read_char(l->s, at, &cp)) > 0 && hl_go_is_word(cp);) at += n;
    return at;
}

static hl_go_token_kind keyword_of(hl_view word) {
    static const char *const words[] = {"block", "break", "continue", "define",   "else", "end",
                                        "if",    "nil",   "range",    "template", "with"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (hl_view_is(word, words[i])) return (hl_go_token_kind)(HL_GO_TOK_BLOCK + (int)i);
    return HL_GO_TOK_NAME;
}

static hl_status lex_word(lexer *l, hl_go_token_kind kind, size_t begin) {
    const size_t end = word_end(l, begin + (kind == HL_GO_TOK_VARIABLE ? 1 : 0));
    if (!at_word_end(l, end)) return fail_char(l, end, "a character that cannot follow a name");
    if (kind == HL_GO_TOK_NAME) kind = keyword_of((hl_view){l->s.ptr + begin, end - begin});
    l->at = end;
    return add(l, kind, begin, end);
}

static hl_status lex_quoted(lexer *l, hl_go_token_kind kind) {
    const size_t begin = l->at;
    const char   quote = l->s.ptr[begin];
    for (size_t i = begin + 1; i < l->s.len; i++) {
        const char c = l->s.ptr[i];
        if (c == quote) {
            l->at = i + 1;
            return add(l, kind, begin, l->at);
        }
        if (kind == HL_GO_TOK_RAW) continue;
        if (c == '\\') i++;
        if (i < l->s.len && l->s.ptr[i] == '\n') break;
    }
    return fail(l, begin, "a constant without its closing quote");
}

static size_t skip_any(hl_view s, size_t at, const char *set) {
    while (at < s.len && s.ptr[at] && strchr(set, s.ptr[at])) at++;
    return at;
}

static bool is_one_of(hl_view s, size_t at, const char *set) {
    return at < s.len && s.ptr[at] && strchr(set, s.ptr[at]);
}

size_t hl_go_lex_number(hl_view s, size_t at) {
    const char *digits = "0123456789_", *exponent = "eE";
    if (is_one_of(s, at, "+-")) at++;
    if (is_one_of(s, at, "0")) {
        at++;
        const char *more = is_one_of(s, at, "xX")   ? "0123456789abcdefABCDEF_"
                           : is_one_of(s, at, "oO") ? "01234567_"
                           : is_one_of(s, at, "bB") ? "01_"
                                                    : NULL;
        if (more) {
            exponent = is_one_of(s, at, "xX") ? "pP" : "";
            digits = more;
            at++;
        }
    }
    at = skip_any(s, at, digits);
    if (is_one_of(s, at, ".")) at = skip_any(s, at + 1, digits);
    if (is_one_of(s, at, exponent)) {
        at++;
        if (is_one_of(s, at, "+-")) at++;
        at = skip_any(s, at, "0123456789_");
    }
    return is_one_of(s, at, "i") ? at + 1 : at;
}

static hl_status lex_number(lexer *l) {
    const size_t begin = l->at;
    uint32_t     cp = 0;
    l->at = hl_go_lex_number(l->s, begin);
    bool is_bad = read_char(l->s, l->at, &cp) > 0 && hl_go_is_word(cp);
    if (!is_bad && (cp == '+' || cp == '-')) { /* complex: 1+2i */
        l->at = hl_go_lex_number(l->s, l->at);
        is_bad = l->s.ptr[l->at - 1] != 'i' || (read_char(l->s, l->at, &cp) > 0 && hl_go_is_word(cp));
    }
    if (is_bad) return fail(l, begin, "a malformed number");
    return add(l, HL_GO_TOK_NUMBER, begin, l->at);
}

static hl_status lex_spaces(lexer *l) {
    const size_t begin = l->at;
    skip_space(l);
    if (starts(l, l->at, "-}}")) l->at--; /* the last one belongs to the trim marker */
    return l->at > begin ? add(l, HL_GO_TOK_SPACE, begin, l->at) : HL_OK;
}

static hl_status lex_one(lexer *l, hl_go_token_kind kind, size_t n) {
    l->at += n;
    return add(l, kind, l->at - n, l->at);
}

static hl_status lex_paren(lexer *l, char c) {
    l->n_open += c == '(' ? 1 : -1;
    if (l->n_open < 0) return fail(l, l->at, "')' without a '('");
    return lex_one(l, c == '(' ? HL_GO_TOK_OPEN : HL_GO_TOK_CLOSE, 1);
}

static hl_status lex_dot(lexer *l) {
    const size_t next = l->at + 1;
    if (next < l->s.len && l->s.ptr[next] >= '0' && l->s.ptr[next] <= '9') return lex_number(l);
    if (at_word_end(l, next)) return lex_one(l, HL_GO_TOK_DOT, 1);
    return lex_word(l, HL_GO_TOK_FIELD, next);
}

/* One token of an action; *ret_left: it was the right delimiter. */
static hl_status lex_inside(lexer *l, bool *ret_left) {
    bool         trims = false;
    const size_t n_delim = right_delim(l, l->at, &trims);
    uint32_t     cp = 0;
    if (n_delim) {
        const size_t at = l->at;
        if (l->n_open > 0) return fail(l, l->at, "'(' without a ')'");
        leave(l, n_delim, trims);
        *ret_left = true;
        return add(l, HL_GO_TOK_RIGHT, at, at + n_delim);
    }
    const size_t n_char = read_char(l->s, l->at, &cp);
    if (n_char == 0) return fail(l, l->open_at, "this action has no end: expected }}");
    switch (cp) {
    case ' ':
    case '\t':
    case '\r':
    case '\n': return lex_spaces(l);
    case '=': return lex_one(l, HL_GO_TOK_ASSIGN, 1);
    case ':':
        return starts(l, l->at, ":=") ? lex_one(l, HL_GO_TOK_DECLARE, 2) : fail(l, l->at, "expected :=");
    case '|': return lex_one(l, HL_GO_TOK_PIPE, 1);
    case ',': return lex_one(l, HL_GO_TOK_COMMA, 1);
    case '"': return lex_quoted(l, HL_GO_TOK_STRING);
    case '`': return lex_quoted(l, HL_GO_TOK_RAW);
    case '\'': return lex_quoted(l, HL_GO_TOK_CHAR);
    case '$': return lex_word(l, HL_GO_TOK_VARIABLE, l->at);
    case '.': return lex_dot(l);
    case '(':
    case ')': return lex_paren(l, (char)cp);
    default: break;
    }
    if (cp == '+' || cp == '-' || (cp >= '0' && cp <= '9')) return lex_number(l);
    if (hl_go_is_word(cp)) return lex_word(l, HL_GO_TOK_NAME, l->at);
    if (cp > ' ' && cp < 0x7F) return lex_one(l, HL_GO_TOK_OTHER, 1);
    return fail_char(l, l->at, "a character that means nothing in an action");
}

/* From {{ to behind }}. */
static hl_status lex_action(lexer *l) {
    const size_t begin = l->at;
    const bool   trims = starts(l, begin + 2, "-") && is_space_at(l, begin + 3);
    bool         has_left = false;
    l->open_at = begin;
    l->n_open = 0;
    l->at += trims ? 4 : 2;
    if (starts(l, l->at, "/*")) return lex_comment(l);
    hl_status status = add(l, HL_GO_TOK_LEFT, begin, l->at);
    while (status == HL_OK && !has_left) status = lex_inside(l, &has_left);
    return status;
}

hl_status hl_go_lex(const hl_gotemplate *t, hl_go_token **ret_tokens, size_t *ret_n, hl_err *err) {
    lexer     l = {.t = t, .s = t->source, .err = err};
    hl_status status = HL_OK;
    for (size_t i = 0; status == HL_OK && l.at < l.s.len; i++) {
        if (i % 256 == 0) status = hl_stop_check("read the template", err);
        if (status == HL_OK) status = lex_text(&l);
        if (status == HL_OK && l.at < l.s.len) status = lex_action(&l);
    }
    if (status == HL_OK) status = add(&l, HL_GO_TOK_EOF, l.s.len, l.s.len);
    if (status != HL_OK) {
        hl_free(l.tokens);
        return status;
    }
    *ret_tokens = l.tokens;
    *ret_n = l.n;
    return HL_OK;
}
