/* SPDX-License-Identifier: MIT
 *
 * gbnf_parse.c - the notation of GBNF.
 * from: llama.cpp, grammars/README.md, 2026
 */
#include <string.h>

#include "core/base/stop.h"
#include "engine/grammar/gbnf_priv.h"
#include "engine/grammar/schema.h"

typedef struct gbnf_reader {
    hl_gbnf  *g;
    size_t    at;
    int       depth;
    hl_status status;
} gbnf_reader;

static hl_gbnf_node *fail(gbnf_reader *r, hl_status status, const char *what) {
    const hl_text_place p = hl_utf8_place(r->g->text, r->at);
    if (r->status == HL_OK)
        r->status = hl_fail(r->g->err, status, "grammar, line %zu, column %zu: %s", p.line, p.column, what);
    return NULL;
}

static hl_gbnf_node *no_memory(gbnf_reader *r) {
    return fail(r, r->g->arena.used_bytes > (8 << 20) ? HL_E_FULL : HL_E_NOMEM,
                "no memory for so large a grammar");
}

static hl_gbnf_node *new_node(gbnf_reader *r, hl_gbnf_kind kind) {
    hl_gbnf_node *n = r->status == HL_OK ? hl_arena_get(&r->g->arena, 1, sizeof *n) : NULL;
    if (n) n->kind = kind;
    return n || r->status != HL_OK ? n : no_memory(r);
}

static char peek(const gbnf_reader *r) { return r->at < r->g->text.len ? r->g->text.ptr[r->at] : '\0'; }

static void skip_space(gbnf_reader *r) {
    for (; r->at < r->g->text.len; r->at++) {
        const char c = peek(r);
        if (c == '#')
            while (r->at + 1 < r->g->text.len && r->g->text.ptr[r->at + 1] != '\n') r->at++;
        else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
    }
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static hl_view read_name(gbnf_reader *r) {
    const size_t begin = r->at;
    while (is_name_char(peek(r))) r->at++;
    return (hl_view){r->g->text.ptr + begin, r->at - begin};
}

/* Is here `name ::=`, the beginning of the next rule? */
static bool is_definition(gbnf_reader *r) {
    const size_t at = r->at;
    const bool   named = read_name(r).len > 0;
    skip_space(r);
    const bool is = named && r->g->text.len - r->at >= 3 && memcmp(r->g->text.ptr + r->at, "::=", 3) == 0;
    r->at = at;
    return is;
}

uint32_t hl_gbnf_find_rule(const hl_gbnf *g, hl_view name) {
    for (uint32_t i = 0; i < g->n_rules; i++)
        if (hl_view_eq(g->rules[i].name, name)) return i;
    return HL_PDA_NONE;
}

static uint32_t rule_named(gbnf_reader *r, hl_view name) {
    uint32_t i = hl_gbnf_find_rule(r->g, name);
    if (i != HL_PDA_NONE) return i;
    if (r->g->n_rules == HL_GBNF_MAX_RULES) {
        (void)fail(r, HL_E_FULL, "too many rules");
        return 0;
    }
    i = r->g->n_rules++;
    r->g->rules[i] = (hl_gbnf_rule){.name = name, .used_at = r->at - name.len, .rule = HL_PDA_NONE};
    return i;
}

/* ---- characters ---- */

static uint32_t read_hex(gbnf_reader *r, int n) {
    uint32_t c = 0;
    for (int i = 0; i < n; i++, r->at++) {
        const char h = peek(r);
        if (h >= '0' && h <= '9')
            c = c * 16 + (uint32_t)(h - '0');
        else if ((h | 32) >= 'a' && (h | 32) <= 'f')
            c = c * 16 + (uint32_t)((h | 32) - 'a' + 10);
        else
            (void)fail(r, HL_E_FORMAT, "expected a hexadecimal digit");
    }
    return c;
}

static uint32_t read_char(gbnf_reader *r) {
    uint32_t     c = 0;
    const size_t n = hl_utf8_read(r->g->text.ptr + r->at, r->g->text.len - r->at, &c);
    if (n == 0) {
        (void)fail(r, HL_E_FORMAT, r->at < r->g->text.len ? "no UTF-8" : "the grammar ends here");
        return 0;
    }
    r->at += n;
    if (c != '\\') return c;
    const char e = peek(r);
    r->at++;
    switch (e) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'x': return read_hex(r, 2);
    case 'u': return read_hex(r, 4);
    case 'U': return read_hex(r, 8);
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
    case '^': return (uint8_t)e;
    default: (void)fail(r, HL_E_FORMAT, "unknown escape"); return 0;
    }
}

static hl_gbnf_node *read_text(gbnf_reader *r) {
    hl_gbnf_node *n = new_node(r, HL_GBNF_TEXT);
    hl_str        s;
    hl_str_init(&s, HL_GBNF_MAX_BYTES);
    r->at++;
    while (r->status == HL_OK && peek(r) != '"') {
        if (r->at >= r->g->text.len) (void)fail(r, HL_E_FORMAT, "a text is not closed");
        const uint32_t c = r->status == HL_OK ? read_char(r) : 0;
        if (r->status == HL_OK) hl_str_add_utf8(&s, c);
    }
    r->at++;
    if (n && r->status == HL_OK) {
        n->text.ptr = hl_arena_get_text(&r->g->arena, hl_str_text(&s), s.len);
        n->text.len = s.len;
        if (!n->text.ptr || s.failed) n = no_memory(r);
    }
    hl_str_done(&s);
    return n;
}

/* [a-z], [^...]: read twice, first for the number of ranges. */
static hl_gbnf_node *read_set(gbnf_reader *r) {
    hl_gbnf_node *n = new_node(r, HL_GBNF_SET);
    const size_t  begin = ++r->at;
    size_t        end = begin;
    bool          negated = peek(r) == '^';
    while (end < r->g->text.len && r->g->text.ptr[end] != ']') end += r->g->text.ptr[end] == '\\' ? 2 : 1;
    if (!n || end >= r->g->text.len) return n ? fail(r, HL_E_FORMAT, "a class is not closed") : NULL;
    hl_code_range *ranges = hl_arena_get(&r->g->arena, 2 * (end - begin) + 4, sizeof *ranges);
    uint32_t       k = 0;
    if (!ranges) return no_memory(r);
    r->at += negated;
    while (r->status == HL_OK && peek(r) != ']') {
        const uint32_t lo = read_char(r);
        uint32_t       hi = lo;
        if (r->status == HL_OK && peek(r) == '-' && r->at + 1 < r->g->text.len &&
            r->g->text.ptr[r->at + 1] != ']') {
            r->at++;
            hi = read_char(r);
        }
        if (hi < lo) (void)fail(r, HL_E_FORMAT, "a range of a class runs backwards");
        ranges[k++] = (hl_code_range){lo, hi};
    }
    r->at++;
    k = hl_code_ranges_merge(ranges, k);
    n->ranges = ranges;
    n->n_ranges = k;
    if (!negated) return n;
    uint32_t from = 0, m = 0;
    for (uint32_t i = 0; i < k; i++) {
        if (ranges[i].lo > from) ranges[k + m++] = (hl_code_range){from, ranges[i].lo - 1};
        from = ranges[i].hi + 1;
    }
    if (from <= HL_CODE_MAX) ranges[k + m++] = (hl_code_range){from, HL_CODE_MAX};
    n->ranges = ranges + k;
    n->n_ranges = m;
    return n;
}

static hl_gbnf_node *any_char(gbnf_reader *r) {
    hl_gbnf_node  *n = new_node(r, HL_GBNF_SET);
    hl_code_range *all = n ? hl_arena_get(&r->g->arena, 1, sizeof *all) : NULL;
    if (n && !all) return no_memory(r);
    if (!n) return NULL;
    *all = (hl_code_range){0, HL_CODE_MAX};
    n->ranges = all;
    n->n_ranges = 1;
    r->at++;
    return n;
}

/* ---- our own terms ---- */

/* Where the JSON value that begins here ends. */
static size_t end_of_value(hl_view t, size_t at) {
    size_t depth = 0;
    bool   quoted = false;
    for (; at < t.len; at++) {
        const char c = t.ptr[at];
        if (quoted) {
            if (c == '\\') at++;
            quoted = quoted && c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth-- <= 1) return at + 1;
        } else if (depth == 0 && !is_name_char(c)) {
            return at;
        }
    }
    return t.len;
}

static hl_gbnf_node *read_json(gbnf_reader *r, hl_json_automata *j) {
    static const hl_schema_rules rules = {0};
    hl_gbnf_node                *n = new_node(r, HL_GBNF_VALUE);
    json_t                      *schema = NULL;
    skip_space(r);
    const size_t begin = r->at;
    r->at = end_of_value(r->g->text, begin);
    if (!n) return NULL;
    r->status = hl_json_parse_any((hl_view){r->g->text.ptr + begin, r->at - begin}, "grammar: %json", &schema,
                                  r->g->err);
    if (r->status == HL_OK) r->status = hl_schema_compile(schema, &rules, j, &n->index, r->g->err);
    json_decref(schema);
    return n;
}

/* %quoted "Q" schema: texts are between two Q, as they are; %raw "END" schema: a text that END follows. */
static hl_gbnf_node *read_other(gbnf_reader *r, bool is_quoted) {
    hl_json_automata *j = &r->g->other;
    skip_space(r);
    hl_gbnf_node *text = peek(r) == '"' ? read_text(r) : NULL;
    if (r->status != HL_OK) return NULL;
    if (!text || text->text.len == 0) return fail(r, HL_E_FORMAT, "expected a text that is not empty");
    const hl_view quote = is_quoted ? text->text : (hl_view){0};
    if (!hl_view_eq(j->avoid, text->text) || !hl_view_eq(j->quote, quote)) {
        hl_json_automata_init(j, r->g->j->pda);
        j->quote = quote;
        j->avoid = text->text;
    }
    return read_json(r, j);
}

static hl_gbnf_node *read_free(gbnf_reader *r) {
    hl_gbnf_node  *n = new_node(r, HL_GBNF_FREE);
    hl_gbnf_node **last = n ? &n->child : NULL;
    skip_space(r);
    while (last && r->status == HL_OK && peek(r) == '"') {
        *last = read_text(r);
        if (!*last || (*last)->text.len == 0)
            return fail(r, HL_E_FORMAT, "expected a text that is not empty");
        last = &(*last)->next;
        skip_space(r);
    }
    return n;
}

static hl_gbnf_node *read_own(gbnf_reader *r) {
    r->at++;
    const hl_view name = read_name(r);
    if (hl_view_is(name, "json")) return read_json(r, r->g->j);
    if (hl_view_is(name, "quoted") || hl_view_is(name, "raw")) return read_other(r, name.len > 3);
    if (hl_view_is(name, "free")) return read_free(r);
    if (hl_view_is(name, "answer") && r->g->answer != HL_PDA_NONE) {
        hl_gbnf_node *answer = new_node(r, HL_GBNF_VALUE);
        if (answer) answer->index = r->g->answer;
        return answer;
    }
    skip_space(r);
    if (!hl_view_is(name, "mark") || peek(r) != '"')
        return fail(r, HL_E_FORMAT, "expected %json, %free, %quoted, %raw or %mark \"text\"");
    hl_gbnf_node *n = read_text(r);
    if (n) n->kind = HL_GBNF_MARK;
    return n;
}

/* ---- terms ---- */

static hl_gbnf_node *read_choice(gbnf_reader *r);

static hl_gbnf_node *read_group(gbnf_reader *r) {
    r->at++;
    if (++r->depth > HL_GBNF_MAX_DEPTH) return fail(r, HL_E_FULL, "too many brackets in one another");
    hl_gbnf_node *n = read_choice(r);
    r->depth--;
    if (r->status == HL_OK && peek(r) != ')') return fail(r, HL_E_FORMAT, "expected ')'");
    r->at++;
    return n;
}

static hl_gbnf_node *read_ref(gbnf_reader *r) {
    hl_gbnf_node *n = new_node(r, HL_GBNF_REF);
    const hl_view name = read_name(r);
    if (n) n->index = rule_named(r, name);
    return n;
}

static hl_gbnf_node *read_atom(gbnf_reader *r) {
    const char c = peek(r);
    if (c == '"') return read_text(r);
    if (c == '[') return read_set(r);
    if (c == '(') return read_group(r);
    if (c == '.') return any_char(r);
    if (c == '%') return read_own(r);
    if (is_name_char(c)) return read_ref(r);
    return fail(r, HL_E_FORMAT, "expected a text, a class, a name, '(' or '.'");
}

static bool read_number(gbnf_reader *r, uint32_t *ret) {
    const size_t begin = r->at;
    uint32_t     n = 0;
    for (; peek(r) >= '0' && peek(r) <= '9'; r->at++)
        if (n < 10000000) n = n * 10 + (uint32_t)(peek(r) - '0');
    *ret = n;
    return r->at > begin;
}

static bool read_repeat(gbnf_reader *r, uint32_t *least, uint32_t *most) {
    const char c = peek(r);
    *least = c == '+';
    *most = c == '?' ? 1 : UINT32_MAX;
    if (c != '*' && c != '+' && c != '?' && c != '{') return false;
    r->at++;
    if (c != '{') return true;
    skip_space(r);
    if (!read_number(r, least) && peek(r) != ',') (void)fail(r, HL_E_FORMAT, "expected a number");
    *most = *least;
    skip_space(r);
    if (peek(r) == ',') {
        r->at++;
        skip_space(r);
        if (!read_number(r, most)) *most = UINT32_MAX;
        skip_space(r);
    }
    if (peek(r) != '}') (void)fail(r, HL_E_FORMAT, "expected '}'");
    if (*most < *least) (void)fail(r, HL_E_FORMAT, "a repeat has more at least than at most");
    r->at++;
    return true;
}

static hl_gbnf_node *read_chain(gbnf_reader *r) {
    hl_gbnf_node  *chain = new_node(r, HL_GBNF_CHAIN);
    hl_gbnf_node **last = chain ? &chain->child : NULL;
    for (skip_space(r); last && r->status == HL_OK && r->at < r->g->text.len; skip_space(r)) {
        if (peek(r) == '|' || peek(r) == ')' || (r->depth == 0 && is_definition(r))) break;
        hl_gbnf_node *n = read_atom(r);
        uint32_t      least, most;
        while (r->status == HL_OK && (skip_space(r), read_repeat(r, &least, &most))) {
            hl_gbnf_node *repeat = new_node(r, HL_GBNF_REPEAT);
            if (!repeat) return NULL;
            repeat->child = n;
            repeat->least = least;
            repeat->most = most;
            n = repeat;
        }
        if (r->status != HL_OK || !n) return NULL;
        *last = n;
        last = &n->next;
    }
    return chain;
}

static hl_gbnf_node *read_choice(gbnf_reader *r) {
    hl_gbnf_node  *choice = new_node(r, HL_GBNF_CHOICE);
    hl_gbnf_node **last = choice ? &choice->child : NULL;
    while (last && r->status == HL_OK) {
        *last = read_chain(r);
        if (!*last) return NULL;
        last = &(*last)->next;
        if (peek(r) != '|') break;
        r->at++;
    }
    return choice;
}

static void read_rule(gbnf_reader *r) {
    if (!is_definition(r)) {
        (void)fail(r, HL_E_FORMAT, "expected a rule: name ::= ...");
        return;
    }
    const hl_view  name = read_name(r);
    const uint32_t i = rule_named(r, name);
    skip_space(r);
    r->at += 3;
    if (r->status != HL_OK) return;
    if (r->g->rules[i].body) {
        (void)fail(r, HL_E_FORMAT, "the rule is defined twice");
        return;
    }
    hl_gbnf_node *body = read_choice(r);
    if (r->status == HL_OK && r->at < r->g->text.len && !is_definition(r))
        (void)fail(r, HL_E_FORMAT, "a ')' too many");
    r->g->rules[i].body = body;
}

hl_status hl_gbnf_parse(hl_gbnf *g) {
    gbnf_reader r = {.g = g};
    if (g->text.len > HL_GBNF_MAX_BYTES)
        return hl_fail(g->err, HL_E_FULL, "grammar: %zu bytes, at most %d", g->text.len, HL_GBNF_MAX_BYTES);
    for (skip_space(&r); r.status == HL_OK && r.at < g->text.len; skip_space(&r)) {
        read_rule(&r);
        if (r.status == HL_OK) r.status = hl_stop_check("grammar", g->err);
    }
    for (uint32_t i = 0; i < g->n_rules && r.status == HL_OK; i++) {
        const hl_view name = g->rules[i].name;
        r.at = g->rules[i].used_at;
        const hl_text_place p = hl_utf8_place(g->text, r.at);
        if (!g->rules[i].body)
            r.status = hl_fail(g->err, HL_E_FORMAT, "grammar, line %zu: there is no rule '%.*s'", p.line,
                               (int)name.len, name.ptr);
    }
    if (r.status == HL_OK && hl_gbnf_find_rule(g, hl_view_of("root")) == HL_PDA_NONE)
        return hl_fail(g->err, HL_E_FORMAT, "grammar: there is no rule 'root'");
    return r.status;
}
