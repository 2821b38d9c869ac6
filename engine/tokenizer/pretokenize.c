/* SPDX-License-Identifier: MIT
 *
 * pretokenize.c - run the patterns of a rule, one inside the pieces of the other.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/tokenizer/pretokenize.h"

#include <pcre2.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"

enum { JIT_STACK_MIN_BYTES = 64 << 10, JIT_STACK_MAX_BYTES = 64 << 20 };

static const hl_pretokenizer pretokenizers[] = {
#define WHOLE                              HL_PRE_WHOLE
#define BOS                                HL_PRE_BOS
#define HL_PRETOKENIZER(name, rule, flags) {name, &hl_split_##rule, flags},
#include "engine/tokenizer/pretokenizers.def"
#undef HL_PRETOKENIZER
};

hl_status hl_pretokenizer_find(hl_view name, const hl_pretokenizer **ret, hl_err *err) {
    const size_t n = sizeof pretokenizers / sizeof *pretokenizers;
    for (size_t i = 0; i < n; i++) {
        if (!hl_view_is(name, pretokenizers[i].name)) continue;
        *ret = &pretokenizers[i];
        return HL_OK;
    }
    char   rules[HL_ERR_TEXT_BYTES / 2];
    size_t len = 0;
    rules[0] = '\0';
    for (size_t i = 0; i < n; i++) { /* the first name of each rule: all names would not fit an error */
        if (i > 0 && pretokenizers[i].rule == pretokenizers[i - 1].rule) continue;
        const size_t add = strlen(pretokenizers[i].name);
        if (len + add + 2 > sizeof rules) break;
        if (len) rules[len++] = ' ';
        memcpy(rules + len, pretokenizers[i].name, add + 1);
        len += add;
    }
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "pre-tokenizer '%.*s' (tokenizer.ggml.pre) is not supported; "
                   "supported are %s and their aliases",
                   (int)(name.len < 64 ? name.len : 64), name.ptr, rules);
}

static void *pcre_new(size_t n, void *user) {
    (void)user;
    return hl_new(1, n);
}

static void pcre_free(void *p, void *user) {
    (void)user;
    hl_free(p);
}

static hl_status compile(const char *pattern, void **ret_code, hl_err *err) {
    pcre2_general_context *memory = pcre2_general_context_create(pcre_new, pcre_free, NULL);
    pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
    pcre2_code            *code = NULL;
    int                    error = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE             at = 0;
    if (context)
        code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &at, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(memory);
    if (!code && (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED))
        return hl_fail(err, HL_E_NOMEM, "no memory for a split pattern");
    if (!code) return hl_fail(err, HL_E_INTERNAL, "split pattern: error %d at offset %zu", error, (size_t)at);
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    *ret_code = code;
    return HL_OK;
}

hl_status hl_splitter_init(hl_splitter *s, const hl_split_rule *rule, hl_err *err) {
    *s = (hl_splitter){.rule = rule};
    for (; rule->patterns[s->n_codes]; s->n_codes++) {
        const hl_status status = compile(rule->patterns[s->n_codes], &s->codes[s->n_codes], err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

void hl_splitter_done(hl_splitter *s) {
    for (size_t i = 0; i < s->n_codes; i++) pcre2_code_free(s->codes[i]);
    *s = (hl_splitter){0};
}

void hl_split_state_done(hl_split_state *st) {
    pcre2_match_data_free(st->match);
    pcre2_match_context_free(st->context);
    pcre2_jit_stack_free(st->jit_stack);
    *st = (hl_split_state){0};
}

static hl_status no_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "no memory to split a text"); }

static hl_status make_match(hl_split_state *st, hl_err *err) {
    if (st->match) return HL_OK;
    pcre2_general_context *memory = pcre2_general_context_create(pcre_new, pcre_free, NULL);
    if (memory) st->match = pcre2_match_data_create(1, memory);
    pcre2_general_context_free(memory);
    return st->match ? HL_OK : no_memory(err);
}

/* The 32 KiB on the machine stack were not enough: happens to no rule that we know. */
static bool make_stack(hl_split_state *st) {
    if (st->jit_stack) return false; /* even that was not enough */
    pcre2_general_context *memory = pcre2_general_context_create(pcre_new, pcre_free, NULL);
    if (!memory) return false;
    if (!st->context) st->context = pcre2_match_context_create(memory);
    st->jit_stack = pcre2_jit_stack_create(JIT_STACK_MIN_BYTES, JIT_STACK_MAX_BYTES, memory);
    pcre2_general_context_free(memory);
    if (!st->context || !st->jit_stack) return false;
    pcre2_set_match_limit(st->context, UINT32_MAX);
    pcre2_jit_stack_assign(st->context, NULL, st->jit_stack);
    return true;
}

typedef struct cutting {
    const hl_splitter *splitter;
    hl_split_state    *state;
    const char        *text;
    hl_piece_fn       *fn;
    void              *user;
} cutting;

/* Find the next match of `code` in piece[from, n). *ret_found is false when there is none. */
static hl_status next_match(hl_split_state *st, const pcre2_code *code, const char *piece, size_t n,
                            size_t from, bool *ret_found, hl_err *err) {
    for (;;) {
        const int rc = pcre2_match(code, (PCRE2_SPTR)piece, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY,
                                   st->match, st->context);
        *ret_found = rc >= 0;
        if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH) return HL_OK;
        if (rc == PCRE2_ERROR_NOMEMORY || rc == PCRE2_ERROR_HEAPLIMIT) return no_memory(err);
        if (make_stack(st)) continue;
        return hl_fail(err, HL_E_INTERNAL, "split pattern: matching failed with error %d", rc);
    }
}

/* Depth is bounded by HL_SPLIT_MAX_PATTERNS. */
static hl_status cut(const cutting *c, size_t i_code, size_t at, size_t n, hl_err *err) {
    if (i_code == c->splitter->n_codes) return c->fn(c->user, at, n, err);
    size_t done = 0;
    while (done < n) {
        bool      found = false;
        hl_status status =
            next_match(c->state, c->splitter->codes[i_code], c->text + at, n, done, &found, err);
        if (status != HL_OK) return status;
        size_t start = n, end = n;
        if (found) {
            const PCRE2_SIZE *span = pcre2_get_ovector_pointer(c->state->match);
            start = span[0];
            end = span[1];
        }
        if (start > done) status = cut(c, i_code + 1, at + done, start - done, err);
        if (status == HL_OK && end > start) status = cut(c, i_code + 1, at + start, end - start, err);
        if (status != HL_OK) return status;
        done = end;
    }
    return HL_OK;
}

hl_status hl_split(const hl_splitter *s, hl_split_state *st, const char *text, size_t n, hl_piece_fn *fn,
                   void *user, hl_err *err) {
    const hl_status status = make_match(st, err);
    if (status != HL_OK) return status;
    const cutting c = {.splitter = s, .state = st, .text = text, .fn = fn, .user = user};
    return cut(&c, 0, 0, n, err);
}
