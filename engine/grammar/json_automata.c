/* SPDX-License-Identifier: MIT
 *
 * json_automata.c - white space, texts, numbers and values of JSON as rules.
 * from: RFC 8259
 */
#include "engine/grammar/json_automata.h"

#include <string.h>

#include "core/base/str.h"
#include "engine/grammar/regex.h"

enum {
    INDENT_SPACES = 48,
    INDENT_TABS = 12,
    SHARED_TEXT = 1, /* numbers of automata that are the same in every grammar */
    SHARED_COUNTED_TEXT = 2,
};

void hl_json_automata_init(hl_json_automata *j, hl_pda *pda) {
    *j = (hl_json_automata){pda,         HL_PDA_NONE, HL_PDA_NONE, HL_PDA_NONE, HL_PDA_NONE,
                            HL_PDA_NONE, HL_PDA_NONE, HL_PDA_NONE, {0},         {0}};
}

static uint32_t start_of(const hl_pda *p, uint32_t rule) {
    return rule < p->n_rules ? p->rules[rule].start : 0;
}

static void set_bounds(hl_pda *p, uint32_t rule, uint32_t least, uint32_t most) {
    if (rule >= p->n_rules) return;
    p->rules[rule].least = least;
    p->rules[rule].most = most;
    p->rules[rule].counts = true;
}

static void set_shared(hl_pda *p, uint32_t rule, uint64_t number) {
    if (rule < p->n_rules) p->rules[rule].shared = number;
}

/* ---- white space ---- */

static uint32_t make_space(hl_json_automata *j) {
    hl_pda *p = j->pda;
    if (j->space != HL_PDA_NONE) return j->space;
    const uint32_t rule = j->space = hl_pda_add_rule(p), start = start_of(p, rule);
    uint32_t       at = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, start, ' ', ' ', at);
    hl_pda_accept(p, start);
    hl_pda_accept(p, at);
    const uint32_t line = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, start, '\n', '\n', line);
    hl_pda_accept(p, line);
    const struct {
        char c;
        int  n;
    } indents[] = {{' ', INDENT_SPACES}, {'\t', INDENT_TABS}};
    for (int k = 0; k < 2; k++) {
        at = line;
        for (int i = 0; i < indents[k].n; i++) {
            at = hl_pda_add_text(p, at, &indents[k].c, 1);
            hl_pda_accept(p, at);
        }
    }
    return rule;
}

uint32_t hl_rules_add_space(hl_json_automata *j, uint32_t from) {
    if (hl_json_is_other(j)) return from;
    const uint32_t rule = from < j->pda->n_states ? j->pda->states[from].rule : 0;
    const uint32_t space = make_space(j), to = hl_pda_add_state(j->pda, rule);
    hl_pda_add_call(j->pda, from, space, to);
    return to;
}

uint32_t hl_rules_add_byte(hl_json_automata *j, uint32_t from, char c, bool with_space) {
    const uint32_t to = hl_pda_add_text(j->pda, from, &c, 1);
    return with_space ? hl_rules_add_space(j, to) : to;
}

uint32_t hl_rules_add_colon(hl_json_automata *j, uint32_t from) {
    const uint32_t colon = hl_pda_add_text(j->pda, from, ":", 1);
    if (hl_json_is_other(j)) return colon;
    const uint32_t to = hl_pda_add_text(j->pda, colon, " ", 1);
    hl_pda_add_nothing(j->pda, colon, to);
    return to;
}

/* ---- texts ---- */

static void add_hex(hl_pda *p, uint32_t from, uint32_t to) {
    hl_pda_add_bytes(p, from, '0', '9', to);
    hl_pda_add_bytes(p, from, 'A', 'F', to);
    hl_pda_add_bytes(p, from, 'a', 'f', to);
}

static uint32_t add_hexes(hl_pda *p, uint32_t rule, uint32_t from, int n, uint32_t to) {
    for (int i = 0; i < n; i++) {
        const uint32_t next = i + 1 == n ? to : hl_pda_add_state(p, rule);
        add_hex(p, from, next);
        from = next;
    }
    return to;
}

/* Behind \u: a character of 16 bits, or two halves of a larger one. */
static void add_unicode(hl_pda *p, uint32_t rule, uint32_t from, uint32_t to) {
    const uint32_t plain = hl_pda_add_state(p, rule), d = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, from, '0', '9', plain);
    hl_pda_add_bytes(p, from, 'A', 'C', plain);
    hl_pda_add_bytes(p, from, 'E', 'F', plain);
    hl_pda_add_bytes(p, from, 'a', 'c', plain);
    hl_pda_add_bytes(p, from, 'e', 'f', plain);
    add_hexes(p, rule, plain, 3, to);
    hl_pda_add_bytes(p, from, 'D', 'D', d);
    hl_pda_add_bytes(p, from, 'd', 'd', d);
    const uint32_t low = hl_pda_add_state(p, rule), high = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, d, '0', '7', low);
    add_hexes(p, rule, low, 2, to);
    hl_pda_add_bytes(p, d, '8', '9', high);
    hl_pda_add_bytes(p, d, 'A', 'B', high);
    hl_pda_add_bytes(p, d, 'a', 'b', high);
    const uint32_t half = add_hexes(p, rule, high, 2, hl_pda_add_state(p, rule));
    const uint32_t u = hl_pda_add_text(p, half, "\\u", 2), second = hl_pda_add_state(p, rule),
                   last = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, u, 'D', 'D', second);
    hl_pda_add_bytes(p, u, 'd', 'd', second);
    hl_pda_add_bytes(p, second, 'C', 'F', last);
    hl_pda_add_bytes(p, second, 'c', 'f', last);
    add_hexes(p, rule, last, 2, to);
}

static uint32_t make_text(hl_json_automata *j, bool counts, uint32_t least, uint32_t most) {
    hl_pda        *p = j->pda;
    const uint32_t rule = hl_pda_add_rule(p), loop = hl_pda_add_text(p, start_of(p, rule), "\"", 1);
    const uint32_t end = hl_pda_add_state(p, rule), escape = hl_pda_add_state(p, rule);
    hl_pda_add_chars(p, loop, 0x20, 0x21, loop, counts);
    hl_pda_add_chars(p, loop, 0x23, 0x5B, loop, counts);
    hl_pda_add_chars(p, loop, 0x5D, HL_CODE_MAX, loop, counts);
    hl_pda_add_bytes(p, loop, '\\', '\\', escape);
    if (counts) hl_pda_mark_counts(p);
    for (const char *c = "\"\\/bfnrt"; *c; c++) hl_pda_add_bytes(p, escape, (uint8_t)*c, (uint8_t)*c, loop);
    add_unicode(p, rule, hl_pda_add_text(p, escape, "u", 1), loop);
    hl_pda_add_bytes(p, loop, '"', '"', end);
    if (counts) hl_pda_mark_past_least(p);
    hl_pda_accept(p, end);
    if (counts) set_bounds(p, rule, least, most);
    if (counts && rule < p->n_rules) p->rules[rule].counts_text = true;
    set_shared(p, rule, counts ? SHARED_COUNTED_TEXT : SHARED_TEXT);
    return rule;
}

/* Of another dialect, by the number of characters. */
static uint32_t make_other_text(hl_json_automata *j, uint32_t least, uint32_t most) {
    hl_code_dfa     d = {0};
    const hl_status status = hl_code_dfa_lengths(least, most, &d, NULL);
    const uint32_t  rule = status == HL_OK ? hl_rules_text_of(j, &d) : 0;
    hl_pda_fail(j->pda, status, "states");
    hl_code_dfa_done(&d);
    return rule;
}

static uint32_t any_text(hl_json_automata *j) {
    if (j->text == HL_PDA_NONE)
        j->text =
            hl_json_is_other(j) ? make_other_text(j, 0, UINT32_MAX) : make_text(j, false, 0, UINT32_MAX);
    return j->text;
}

uint32_t hl_rules_text_of_length(hl_json_automata *j, uint32_t least, uint32_t most) {
    if (least == 0 && most == UINT32_MAX) return any_text(j);
    return hl_json_is_other(j) ? make_other_text(j, least, most) : make_text(j, true, least, most);
}

static char short_escape(uint32_t c) {
    switch (c) {
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '"': return '"';
    case '\\': return '\\';
    default: return 0;
    }
}

/* A character that must be escaped, behind its backslash. */
static void add_escaped(hl_pda *p, uint32_t from, uint32_t c, uint32_t to) {
    const char s = short_escape(c);
    if (s) {
        hl_pda_add_bytes(p, from, (uint8_t)s, (uint8_t)s, to);
        return;
    }
    const char     head[] = {'u', '0', '0', (char)('0' + c / 16)};
    const uint32_t at = hl_pda_add_text(p, from, head, 4);
    const char     digits[] = "0123456789abcdef";
    hl_pda_add_bytes(p, at, (uint8_t)digits[c % 16], (uint8_t)digits[c % 16], to);
    if (c % 16 > 9)
        hl_pda_add_bytes(p, at, (uint8_t)(digits[c % 16] - 32), (uint8_t)(digits[c % 16] - 32), to);
}

/* The characters of an edge as JSON writes them: as they are, or behind a backslash. */
static void add_text_edge(hl_pda *p, uint32_t from, uint32_t *escape, const hl_code_edge *e, uint32_t to) {
    const struct { uint32_t lo, hi; } plain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, HL_CODE_MAX}};
    for (int i = 0; i < 3; i++) {
        const uint32_t lo = e->lo > plain[i].lo ? e->lo : plain[i].lo,
                       hi = e->hi < plain[i].hi ? e->hi : plain[i].hi;
        if (lo <= hi) hl_pda_add_chars(p, from, lo, hi, to, false);
    }
    for (uint32_t c = e->lo; c <= e->hi && c <= '\\'; c++) {
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        if (*escape == HL_PDA_NONE) *escape = hl_pda_add_text(p, from, "\\", 1);
        add_escaped(p, *escape, c, to);
    }
}

/* States of a rule for those of an automaton, which follow one another from *ret_first on. */
static uint32_t add_states(hl_pda *p, const hl_code_dfa *d, uint32_t *ret_first) {
    const uint32_t rule = hl_pda_add_rule(p);
    *ret_first = p->n_states;
    for (uint32_t s = 0; s < d->n_states; s++) (void)hl_pda_add_state(p, rule);
    return rule;
}

/* Texts in which the dialect's `avoid` does not stand. */
static hl_status without_end(const hl_json_automata *j, const hl_code_dfa *d, hl_code_dfa *ret) {
    hl_str      re;
    hl_code_dfa ends = {0};
    hl_str_init(&re, 1 << 16);
    for (size_t i = 0; i < j->avoid.len; i++) {
        if (strchr("\\^$.|?*+()[]{}/", j->avoid.ptr[i])) hl_str_add_char(&re, '\\');
        hl_str_add_char(&re, j->avoid.ptr[i]);
    }
    hl_status status = hl_str_check(&re, "grammar", NULL);
    if (status == HL_OK) status = hl_regex_compile(hl_str_view(&re), false, &ends, NULL);
    if (status == HL_OK) status = hl_code_dfa_join(d, &ends, true, ret, NULL);
    hl_code_dfa_done(&ends);
    hl_str_done(&re);
    return status;
}

/* As they stand there, between the dialect's quotes. */
static uint32_t other_text_of(hl_json_automata *j, const hl_code_dfa *d) {
    hl_pda         *p = j->pda;
    hl_code_dfa     own = {0};
    const hl_status status = without_end(j, d, &own);
    const uint32_t  plain = status == HL_OK ? hl_rules_plain(j, &own) : 0;
    hl_pda_fail(p, status, "states");
    hl_code_dfa_done(&own);
    if (j->quote.len == 0) return plain;
    const uint32_t rule = hl_pda_add_rule(p), behind = hl_pda_add_state(p, rule);
    hl_pda_add_call(p, hl_pda_add_mark(p, start_of(p, rule), j->quote.ptr, j->quote.len), plain, behind);
    hl_pda_accept(p, hl_pda_add_mark(p, behind, j->quote.ptr, j->quote.len));
    return rule;
}

uint32_t hl_rules_text_of(hl_json_automata *j, const hl_code_dfa *d) {
    if (hl_json_is_other(j)) return other_text_of(j, d);
    hl_pda        *p = j->pda;
    uint32_t       first = 0;
    const uint32_t rule = add_states(p, d, &first), end = hl_pda_add_state(p, rule);
    hl_pda_add_bytes(p, start_of(p, rule), '"', '"', first);
    for (uint32_t s = 0; s < d->n_states && p->failed == HL_OK; s++) {
        uint32_t escape = HL_PDA_NONE;
        for (uint32_t e = d->first[s]; e < d->first[s + 1]; e++)
            add_text_edge(p, first + s, &escape, &d->edges[e], first + d->edges[e].to);
        if (d->accepts[s]) hl_pda_add_bytes(p, first + s, '"', '"', end);
    }
    hl_pda_accept(p, end);
    return rule;
}

uint32_t hl_rules_plain(hl_json_automata *j, const hl_code_dfa *d) {
    hl_pda        *p = j->pda;
    uint32_t       first = 0;
    const uint32_t rule = add_states(p, d, &first);
    hl_pda_add_nothing(p, start_of(p, rule), first);
    for (uint32_t s = 0; s < d->n_states && p->failed == HL_OK; s++) {
        for (uint32_t e = d->first[s]; e < d->first[s + 1]; e++)
            hl_pda_add_chars(p, first + s, d->edges[e].lo, d->edges[e].hi, first + d->edges[e].to, false);
        if (d->accepts[s]) hl_pda_accept(p, first + s);
    }
    return rule;
}

#define BARE_NAME_RE "[A-Za-z_$][A-Za-z0-9_$-]*"

uint32_t hl_rules_name_of(hl_json_automata *j, const hl_code_dfa *d) {
    if (!hl_json_is_other(j)) return d ? hl_rules_text_of(j, d) : any_text(j);
    hl_code_dfa bare = {0}, both = {0};
    hl_status   status = hl_regex_compile(hl_view_of(BARE_NAME_RE), true, &bare, NULL);
    if (status == HL_OK && d) status = hl_code_dfa_join(&bare, d, false, &both, NULL);
    const uint32_t rule = status == HL_OK ? hl_rules_plain(j, d ? &both : &bare) : 0;
    hl_pda_fail(j->pda, status, "states");
    hl_code_dfa_done(&bare);
    hl_code_dfa_done(&both);
    return rule;
}

static uint32_t add_quoted(hl_pda *p, uint32_t from, hl_view text) {
    static const char digits[] = "0123456789abcdef";
    from = hl_pda_add_text(p, from, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = (uint8_t)text.ptr[i];
        const char    s = short_escape(c), pair[] = {'\\', s},
                   code[] = {'\\', 'u', '0', '0', digits[c / 16], digits[c % 16]};
        if (s)
            from = hl_pda_add_text(p, from, pair, 2);
        else if (c < 0x20)
            from = hl_pda_add_text(p, from, code, 6);
        else
            from = hl_pda_add_text(p, from, (const char *)&c, 1);
    }
    return hl_pda_add_text(p, from, "\"", 1);
}

/* What is no bare name is in JSON's quotes in every dialect. */
uint32_t hl_rules_add_name(hl_json_automata *j, uint32_t from, hl_view name) {
    bool is_bare = hl_json_is_other(j) && name.len > 0;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        is_bare = is_bare && ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '$' ||
                              (i > 0 && ((c >= '0' && c <= '9') || c == '-')));
    }
    return is_bare ? hl_pda_add_text(j->pda, from, name.ptr, name.len) : add_quoted(j->pda, from, name);
}

/* ---- numbers and values ---- */

hl_status hl_rules_number(hl_json_automata *j, bool is_integer, uint32_t *ret_rule, hl_err *err) {
    uint32_t   *rule = is_integer ? &j->integer : &j->number;
    hl_code_dfa d;
    if (*rule == HL_PDA_NONE) {
        const char     *re = is_integer ? HL_JSON_INTEGER_RE : HL_JSON_NUMBER_RE;
        const hl_status status = hl_regex_compile(hl_view_of(re), true, &d, err);
        if (status != HL_OK) return status;
        *rule = hl_rules_plain(j, &d);
        hl_code_dfa_done(&d);
    }
    *ret_rule = *rule;
    return HL_OK;
}

hl_status hl_rules_object(hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    hl_pda *p = j->pda;
    *ret_rule = j->object;
    if (j->object != HL_PDA_NONE) return HL_OK;
    const uint32_t  rule = *ret_rule = j->object = hl_pda_add_rule(p);
    uint32_t        value = 0;
    const hl_status status = hl_rules_value(j, &value, err);
    const uint32_t  open = hl_rules_add_byte(j, start_of(p, rule), '{', true);
    const uint32_t  named = hl_pda_add_state(p, rule), behind = hl_pda_add_state(p, rule),
                   end = hl_pda_add_state(p, rule);
    const uint32_t name = hl_rules_name_of(j, NULL);
    hl_pda_add_call(p, open, name, named);
    hl_pda_add_call(p, hl_rules_add_colon(j, named), value, behind);
    hl_pda_add_call(p, hl_rules_add_byte(j, behind, ',', true), name, named);
    hl_pda_add_bytes(p, hl_rules_add_space(j, behind), '}', '}', end);
    hl_pda_add_bytes(p, open, '}', '}', end);
    hl_pda_accept(p, end);
    return status;
}

hl_status hl_rules_array(hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    hl_pda *p = j->pda;
    *ret_rule = j->array;
    if (j->array != HL_PDA_NONE) return HL_OK;
    const uint32_t  rule = *ret_rule = j->array = hl_pda_add_rule(p);
    uint32_t        value = 0;
    const hl_status status = hl_rules_value(j, &value, err);
    const uint32_t  open = hl_rules_add_byte(j, start_of(p, rule), '[', true);
    const uint32_t  behind = hl_pda_add_state(p, rule), end = hl_pda_add_state(p, rule);
    hl_pda_add_call(p, open, value, behind);
    hl_pda_add_call(p, hl_rules_add_byte(j, behind, ',', true), value, behind);
    hl_pda_add_bytes(p, hl_rules_add_space(j, behind), ']', ']', end);
    hl_pda_add_bytes(p, open, ']', ']', end);
    hl_pda_accept(p, end);
    return status;
}

hl_status hl_rules_value(hl_json_automata *j, uint32_t *ret_rule, hl_err *err) {
    hl_pda *p = j->pda;
    *ret_rule = j->value;
    if (j->value != HL_PDA_NONE) return HL_OK;
    const uint32_t rule = *ret_rule = j->value = hl_pda_add_rule(p);
    const uint32_t start = start_of(p, rule), end = hl_pda_add_state(p, rule);
    uint32_t       parts[4] = {0};
    hl_status      status = hl_rules_object(j, &parts[0], err);
    if (status == HL_OK) status = hl_rules_array(j, &parts[1], err);
    if (status == HL_OK) status = hl_rules_number(j, false, &parts[2], err);
    parts[3] = any_text(j);
    for (int i = 0; i < 4; i++) hl_pda_add_call(p, start, parts[i], end);
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++)
        hl_pda_add_nothing(p, hl_pda_add_text(p, start, words[i], i == 1 ? 5 : 4), end);
    hl_pda_accept(p, end);
    return status;
}
