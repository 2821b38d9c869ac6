/* SPDX-License-Identifier: MIT
 *
 * regex_parse.c - regular expressions in ECMA-262's notation.
 * from: ECMA-262 2024, section 22.2.1
 */
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/grammar/regex_priv.h"

typedef struct regex_reader {
    hl_view        text;
    size_t         at;
    int            depth;
    hl_regex_tree *tree;
    hl_err        *err;
    hl_status      status;
} regex_reader;

void hl_regex_tree_done(hl_regex_tree *t) {
    hl_free(t->nodes);
    hl_free(t->ranges);
    *t = (hl_regex_tree){0};
}

static uint32_t fail(regex_reader *r, hl_status status, const char *what) {
    if (r->status == HL_OK)
        r->status = hl_fail(r->err, status, "regular expression, byte %zu: %s", r->at + 1, what);
    return HL_DFA_NONE;
}

static uint32_t add_node(regex_reader *r, hl_regex_node n) {
    hl_regex_tree *t = r->tree;
    if (r->status != HL_OK) return HL_DFA_NONE;
    if (t->n_nodes == HL_REGEX_MAX_NODES) return fail(r, HL_E_FULL, "it is too long");
    if (t->n_nodes == t->nodes_cap) {
        const uint32_t cap = t->nodes_cap ? 2 * t->nodes_cap : 64;
        hl_regex_node *more = hl_resize(t->nodes, cap, sizeof *more);
        if (!more) return fail(r, HL_E_NOMEM, "no memory");
        t->nodes = more;
        t->nodes_cap = cap;
    }
    t->nodes[t->n_nodes] = n;
    return t->n_nodes++;
}

static void add_range(regex_reader *r, uint32_t lo, uint32_t hi) {
    hl_regex_tree *t = r->tree;
    if (r->status != HL_OK) return;
    if (t->n_ranges == HL_REGEX_MAX_RANGES) {
        (void)fail(r, HL_E_FULL, "its classes are too large");
        return;
    }
    if (t->n_ranges == t->ranges_cap) {
        const uint32_t cap = t->ranges_cap ? 2 * t->ranges_cap : 64;
        hl_code_range *more = hl_resize(t->ranges, cap, sizeof *more);
        if (!more) {
            (void)fail(r, HL_E_NOMEM, "no memory");
            return;
        }
        t->ranges = more;
        t->ranges_cap = cap;
    }
    t->ranges[t->n_ranges++] = (hl_code_range){lo, hi};
}

/* ---- classes ---- */

static int compare_ranges(const void *a, const void *b) {
    const hl_code_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

uint32_t hl_code_ranges_merge(hl_code_range *r, uint32_t n) {
    uint32_t k = 0;
    if (n > 1) qsort(r, n, sizeof *r, compare_ranges);
    for (uint32_t i = 0; i < n; i++) {
        if (k > 0 && r[i].lo <= r[k - 1].hi + 1) {
            if (r[i].hi > r[k - 1].hi) r[k - 1].hi = r[i].hi;
        } else {
            r[k++] = r[i];
        }
    }
    return k;
}

/* The ranges from `first` on, sorted; or all other characters. */
static void close_ranges(regex_reader *r, uint32_t first, bool negated) {
    hl_regex_tree *t = r->tree;
    if (r->status != HL_OK) return;
    if (t->n_ranges > first) /* else there may be no list yet */
        t->n_ranges = first + hl_code_ranges_merge(t->ranges + first, t->n_ranges - first);
    if (!negated) return;
    const uint32_t n = t->n_ranges - first;
    uint32_t       from = 0;
    for (uint32_t i = 0; i < n; i++) { /* behind the old ones, then moved over them */
        const hl_code_range x = t->ranges[first + i];
        if (x.lo > from) add_range(r, from, x.lo - 1);
        from = x.hi + 1;
    }
    if (from <= HL_CODE_MAX) add_range(r, from, HL_CODE_MAX);
    if (r->status != HL_OK) return;
    const uint32_t n_new = t->n_ranges - first - n;
    memmove(t->ranges + first, t->ranges + first + n, n_new * sizeof *t->ranges);
    t->n_ranges = first + n_new;
}

static void add_digits(regex_reader *r) { add_range(r, '0', '9'); }

static void add_word(regex_reader *r) {
    add_range(r, '0', '9');
    add_range(r, 'A', 'Z');
    add_range(r, '_', '_');
    add_range(r, 'a', 'z');
}

static void add_space(regex_reader *r) { /* WhiteSpace and LineTerminator */
    static const hl_code_range spaces[] = {
        {9, 13},          {32, 32},         {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) add_range(r, spaces[i].lo, spaces[i].hi);
}

static uint32_t set_from(regex_reader *r, uint32_t first, bool negated) {
    close_ranges(r, first, negated);
    return add_node(r, (hl_regex_node){.kind = HL_REGEX_SET,
                                       .child = HL_DFA_NONE,
                                       .next = HL_DFA_NONE,
                                       .first = first,
                                       .n = r->tree->n_ranges - first});
}

/* General categories by their short names: "L", "Lu", "Nd"; and the long names of the common ones. */
static bool has_category(const char *name, utf8proc_category_t c) {
    static const char *const longer[][2] = {{"Letter", "L"},
                                            {"Uppercase_Letter", "Lu"},
                                            {"Lowercase_Letter", "Ll"},
                                            {"Mark", "M"},
                                            {"Number", "N"},
                                            {"Decimal_Number", "Nd"},
                                            {"Punctuation", "P"},
                                            {"Symbol", "S"},
                                            {"Separator", "Z"},
                                            {"digit", "Nd"},
                                            {"alpha", "L"}};
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++)
        if (strcmp(name, longer[i][0]) == 0) name = longer[i][1];
    static const char names[][3] = {"Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd",
                                    "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
                                    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};
    const size_t      n = strlen(name);
    return (n == 1 || n == 2) && strncmp(names[c], name, n) == 0;
}

static bool is_category_name(const char *name) {
    for (int c = 0; c < 30; c++)
        if (has_category(name, (utf8proc_category_t)c)) return true;
    return false;
}

static void add_category(regex_reader *r, bool negated) {
    char   name[40];
    size_t n = 0;
    if (r->at >= r->text.len || r->text.ptr[r->at] != '{') {
        (void)fail(r, HL_E_FORMAT, "expected '{' behind \\p");
        return;
    }
    while (++r->at < r->text.len && r->text.ptr[r->at] != '}' && n + 1 < sizeof name)
        name[n++] = r->text.ptr[r->at];
    name[n] = '\0';
    if (r->at >= r->text.len || r->text.ptr[r->at] != '}' || !is_category_name(name)) {
        (void)fail(r, HL_E_ARG, "\\p{...} knows general categories alone (L, Lu, Nd, ...)");
        return;
    }
    r->at++;
    for (uint32_t c = 0, from = 0; c <= HL_CODE_MAX + 1; c++) {
        const bool in =
            c <= HL_CODE_MAX && has_category(name, utf8proc_category((utf8proc_int32_t)c)) != negated;
        if (!in && from < c) add_range(r, from, c - 1);
        if (!in) from = c + 1;
        if (c % 65536 == 0 && hl_stop_asked()) (void)fail(r, HL_E_CANCEL, "stopped");
    }
}

static uint32_t read_hex(regex_reader *r, size_t n) {
    uint32_t c = 0;
    for (size_t i = 0; i < n; i++, r->at++) {
        const char h = r->at < r->text.len ? r->text.ptr[r->at] : 0;
        if (h >= '0' && h <= '9')
            c = c * 16 + (uint32_t)(h - '0');
        else if ((h | 32) >= 'a' && (h | 32) <= 'f')
            c = c * 16 + (uint32_t)((h | 32) - 'a' + 10);
        else
            return fail(r, HL_E_FORMAT, "expected a hexadecimal digit");
    }
    return c;
}

/* \uXXXX, \u{X...}, and two of the first for a character beyond 16 bits. */
static uint32_t read_unicode(regex_reader *r) {
    if (r->at < r->text.len && r->text.ptr[r->at] == '{') {
        size_t n = 0;
        r->at++;
        while (r->at + n < r->text.len && r->text.ptr[r->at + n] != '}') n++;
        if (n == 0 || n > 6) return fail(r, HL_E_FORMAT, "\\u{...} needs 1 to 6 digits");
        const uint32_t c = read_hex(r, n);
        r->at++;
        return c <= HL_CODE_MAX ? c : fail(r, HL_E_FORMAT, "\\u{...} is no character");
    }
    const uint32_t c = read_hex(r, 4);
    const bool     is_high = r->status == HL_OK && c >= 0xD800 && c < 0xDC00;
    if (!is_high || r->at + 1 >= r->text.len || r->text.ptr[r->at] != '\\' || r->text.ptr[r->at + 1] != 'u')
        return c;
    r->at += 2;
    const uint32_t low = read_hex(r, 4);
    if (r->status != HL_OK) return c;
    if (low < 0xDC00 || low > 0xDFFF) return fail(r, HL_E_FORMAT, "half a surrogate pair");
    return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
}

/* Behind a backslash: a class is added to the ranges and HL_DFA_NONE returned, else the character is. */
static uint32_t read_escape(regex_reader *r, bool in_class) {
    if (r->at >= r->text.len) return fail(r, HL_E_FORMAT, "nothing behind the backslash");
    const char     c = r->text.ptr[r->at++];
    const uint32_t first = r->tree->n_ranges;
    switch (c) {
    case 'd':
    case 'D': add_digits(r); break;
    case 'w':
    case 'W': add_word(r); break;
    case 's':
    case 'S': add_space(r); break;
    case 'p':
    case 'P': add_category(r, c == 'P'); return HL_DFA_NONE;
    case 't': return '\t';
    case 'n': return '\n';
    case 'r': return '\r';
    case 'f': return '\f';
    case 'v': return '\v';
    case '0': return 0;
    case 'x': return read_hex(r, 2);
    case 'u': return read_unicode(r);
    case 'c':
        if (r->at >= r->text.len) return fail(r, HL_E_FORMAT, "nothing behind \\c");
        return (uint32_t)r->text.ptr[r->at++] & 31;
    case 'b':
        if (in_class) return '\b';
        return fail(r, HL_E_ARG, "\\b cannot be enforced");
    case 'B': return fail(r, HL_E_ARG, "\\B cannot be enforced");
    case 'k': return fail(r, HL_E_ARG, "back references cannot be enforced");
    default:
        if (c >= '1' && c <= '9') return fail(r, HL_E_ARG, "back references cannot be enforced");
        if (c == 'A' || c == 'Z' || c == 'z' || c == 'G')
            return fail(r, HL_E_ARG, "use ^ and $ for the ends of the text");
        r->at--;
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(r->text.ptr + r->at, r->text.len - r->at, &cp);
        if (n == 0) return fail(r, HL_E_FORMAT, "no UTF-8");
        r->at += n;
        return cp;
    }
    close_ranges(r, first, c == 'D' || c == 'W' || c == 'S');
    return HL_DFA_NONE;
}

static uint32_t read_char(regex_reader *r) {
    uint32_t     c = 0;
    const size_t n = hl_utf8_read(r->text.ptr + r->at, r->text.len - r->at, &c);
    if (n == 0) return fail(r, HL_E_FORMAT, "no UTF-8");
    r->at += n;
    return c;
}

/* One member of a class: a character, or HL_DFA_NONE for a class that was added. */
static uint32_t read_member(regex_reader *r) {
    if (r->text.ptr[r->at] != '\\') return read_char(r);
    r->at++;
    return read_escape(r, true);
}

static uint32_t read_class(regex_reader *r) {
    const uint32_t first = r->tree->n_ranges;
    bool           negated = false;
    if (r->at < r->text.len && r->text.ptr[r->at] == '^') negated = true, r->at++;
    while (r->status == HL_OK) {
        if (r->at >= r->text.len) return fail(r, HL_E_FORMAT, "a class is not closed with ']'");
        if (r->text.ptr[r->at] == ']') break;
        const uint32_t lo = read_member(r);
        if (r->status != HL_OK) return HL_DFA_NONE;
        const bool is_range =
            r->at + 1 < r->text.len && r->text.ptr[r->at] == '-' && r->text.ptr[r->at + 1] != ']';
        if (lo == HL_DFA_NONE) continue;
        if (!is_range) {
            add_range(r, lo, lo);
            continue;
        }
        r->at++;
        const uint32_t hi = read_member(r);
        if (r->status != HL_OK) return HL_DFA_NONE;
        if (hi == HL_DFA_NONE) { /* a dash in front of a class is a dash */
            add_range(r, lo, lo);
            add_range(r, '-', '-');
        } else if (hi < lo) {
            return fail(r, HL_E_FORMAT, "a range of a class runs backwards");
        } else {
            add_range(r, lo, hi);
        }
    }
    r->at++;
    return set_from(r, first, negated);
}

/* ---- terms ---- */

static uint32_t read_choice(regex_reader *r);

static uint32_t node_of_char(regex_reader *r, uint32_t c) {
    const uint32_t first = r->tree->n_ranges;
    add_range(r, c, c);
    return add_node(
        r, (hl_regex_node){
               .kind = HL_REGEX_SET, .child = HL_DFA_NONE, .next = HL_DFA_NONE, .first = first, .n = 1});
}

static uint32_t read_dot(regex_reader *r) {
    const uint32_t first = r->tree->n_ranges;
    add_range(r, '\n', '\n');
    add_range(r, '\r', '\r');
    add_range(r, 0x2028, 0x2029);
    return set_from(r, first, true);
}

static bool starts(const regex_reader *r, const char *with) {
    const size_t n = strlen(with);
    return r->text.len - r->at >= n && memcmp(r->text.ptr + r->at, with, n) == 0;
}

static uint32_t read_group(regex_reader *r) {
    if (starts(r, "?:")) {
        r->at += 2;
    } else if (starts(r, "?=") || starts(r, "?!")) {
        return fail(r, HL_E_ARG, "lookahead can be enforced at the beginning of the whole pattern alone");
    } else if (starts(r, "?<=") || starts(r, "?<!")) {
        return fail(r, HL_E_ARG, "lookbehind cannot be enforced");
    } else if (starts(r, "?<") || starts(r, "?P<")) {
        while (r->at < r->text.len && r->text.ptr[r->at] != '>') r->at++;
        r->at++;
    } else if (starts(r, "?")) {
        return fail(r, HL_E_ARG, "flags and other extensions of groups cannot be enforced");
    }
    if (++r->depth > HL_REGEX_MAX_DEPTH) return fail(r, HL_E_FULL, "its groups are too deep");
    const uint32_t n = read_choice(r);
    r->depth--;
    if (r->status != HL_OK) return HL_DFA_NONE;
    if (r->at >= r->text.len || r->text.ptr[r->at] != ')')
        return fail(r, HL_E_FORMAT, "a group is not closed with ')'");
    r->at++;
    return n;
}

static uint32_t read_atom(regex_reader *r) {
    const char c = r->text.ptr[r->at];
    if (c == '(') return r->at++, read_group(r);
    if (c == '[') return r->at++, read_class(r);
    if (c == '.') return r->at++, read_dot(r);
    if (c == '^') return r->at++, node_of_char(r, HL_REGEX_BEGIN);
    if (c == '$') return r->at++, node_of_char(r, HL_REGEX_END);
    if (c == '*' || c == '+' || c == '?') return fail(r, HL_E_FORMAT, "nothing to repeat");
    if (c != '\\') {
        const uint32_t cp = read_char(r);
        return r->status == HL_OK ? node_of_char(r, cp) : HL_DFA_NONE;
    }
    r->at++;
    const uint32_t first = r->tree->n_ranges, cp = read_escape(r, false);
    if (r->status != HL_OK) return HL_DFA_NONE;
    return cp == HL_DFA_NONE ? set_from(r, first, false) : node_of_char(r, cp);
}

static bool read_number(const regex_reader *r, size_t *at, uint32_t *ret) {
    uint32_t     n = 0;
    const size_t begin = *at;
    for (; *at < r->text.len && r->text.ptr[*at] >= '0' && r->text.ptr[*at] <= '9'; ++*at)
        if (n < 1000000) n = n * 10 + (uint32_t)(r->text.ptr[*at] - '0');
    *ret = n;
    return *at > begin;
}

/* {n}, {n,}, {n,m}; anything else in braces is text. */
static bool read_braces(regex_reader *r, uint32_t *ret_least, uint32_t *ret_most) {
    size_t at = r->at + 1;
    if (!read_number(r, &at, ret_least)) return false;
    *ret_most = *ret_least;
    if (at < r->text.len && r->text.ptr[at] == ',') {
        at++;
        if (!read_number(r, &at, ret_most)) *ret_most = UINT32_MAX;
    }
    if (at >= r->text.len || r->text.ptr[at] != '}') return false;
    r->at = at + 1;
    return true;
}

static bool read_quantifier(regex_reader *r, uint32_t *ret_least, uint32_t *ret_most) {
    const char c = r->at < r->text.len ? r->text.ptr[r->at] : 0;
    *ret_least = c == '+';
    *ret_most = c == '?' ? 1 : UINT32_MAX;
    if (c == '{') {
        if (!read_braces(r, ret_least, ret_most)) return false;
    } else if (c == '*' || c == '+' || c == '?') {
        r->at++;
    } else {
        return false;
    }
    if (r->at < r->text.len && r->text.ptr[r->at] == '?') r->at++; /* lazy ones match the same texts */
    if (*ret_least > *ret_most) (void)fail(r, HL_E_FORMAT, "a repeat has more at least than at most");
    return true;
}

static uint32_t read_chain(regex_reader *r) {
    uint32_t first = HL_DFA_NONE, last = HL_DFA_NONE;
    while (r->status == HL_OK && r->at < r->text.len && r->text.ptr[r->at] != '|' &&
           r->text.ptr[r->at] != ')') {
        uint32_t n = read_atom(r), least, most;
        while (r->status == HL_OK && read_quantifier(r, &least, &most))
            n = add_node(
                r,
                (hl_regex_node){
                    .kind = HL_REGEX_REPEAT, .child = n, .next = HL_DFA_NONE, .least = least, .most = most});
        if (r->status != HL_OK) return HL_DFA_NONE;
        /* A group's node may have a sibling already: each link of a chain is a repeat of one. */
        n = add_node(r, (hl_regex_node){
                            .kind = HL_REGEX_REPEAT, .child = n, .next = HL_DFA_NONE, .least = 1, .most = 1});
        if (r->status != HL_OK) return HL_DFA_NONE;
        if (first == HL_DFA_NONE)
            first = n;
        else
            r->tree->nodes[last].next = n;
        last = n;
    }
    return add_node(r, (hl_regex_node){.kind = first == HL_DFA_NONE ? HL_REGEX_EMPTY : HL_REGEX_CHAIN,
                                       .child = first,
                                       .next = HL_DFA_NONE});
}

static uint32_t read_choice(regex_reader *r) {
    uint32_t first = read_chain(r), last = first;
    if (r->status != HL_OK || r->at >= r->text.len || r->text.ptr[r->at] != '|') return first;
    while (r->status == HL_OK && r->at < r->text.len && r->text.ptr[r->at] == '|') {
        r->at++;
        const uint32_t n = read_chain(r);
        if (r->status == HL_OK) r->tree->nodes[last].next = n;
        last = n;
    }
    return add_node(r, (hl_regex_node){.kind = HL_REGEX_CHOICE, .child = first, .next = HL_DFA_NONE});
}

/* (?=...) and (?!...) in front of all: what the text must be, too. */
static void read_looks(regex_reader *r) {
    hl_regex_tree *t = r->tree;
    while (r->status == HL_OK && (starts(r, "(?=") || starts(r, "(?!"))) {
        const bool negated = r->text.ptr[r->at + 2] == '!';
        if (t->n_looks == HL_REGEX_MAX_LOOKS) (void)fail(r, HL_E_FULL, "too many lookaheads");
        r->at += 3;
        const uint32_t n = read_choice(r);
        if (r->status != HL_OK) return;
        if (r->at >= r->text.len || r->text.ptr[r->at] != ')')
            (void)fail(r, HL_E_FORMAT, "a group is not closed with ')'");
        if (r->status != HL_OK) return;
        r->at++;
        t->looks[t->n_looks].negated = negated;
        t->looks[t->n_looks++].node = n;
    }
}

hl_status hl_regex_parse(hl_view text, hl_regex_tree *ret, hl_err *err) {
    regex_reader r = {.text = text, .tree = ret, .err = err};
    *ret = (hl_regex_tree){0};
    const bool begins = text.len > 0 && text.ptr[0] == '^';
    r.at = begins;
    read_looks(&r);
    const bool has_looks = ret->n_looks > 0;
    if (!has_looks) r.at = 0;
    ret->root = read_choice(&r);
    if (r.status == HL_OK && r.at < text.len) (void)fail(&r, HL_E_FORMAT, "a ')' without its '('");
    if (r.status == HL_OK && has_looks && ret->nodes[ret->root].kind == HL_REGEX_CHOICE)
        (void)fail(&r, HL_E_ARG, "lookahead in one of several alternatives cannot be enforced");
    if (r.status == HL_OK && has_looks && !begins)
        (void)fail(&r, HL_E_ARG, "lookahead can be enforced behind ^ alone, at the beginning of the pattern");
    return r.status;
}
