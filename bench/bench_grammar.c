/* SPDX-License-Identifier: MIT
 *
 * bench_grammar.c - what a format costs: reading a vocabulary, compiling, and the mask of each token.
 *
 * bench_grammar VOCAB.gguf     any GGUF file with a vocabulary
 *
 * One line a format, tab separated, CPU time of one core: name, compile_us, first_us (the first mask of a new
 * grammar), then of all tokens of random answers, with masks that nobody kept and once more: median, p99, max
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/token_trie.h"
#include "engine/tokenizer/tokenizer_load.h"

enum { ANSWERS = 20, MOST_TOKENS = 400, N_PROPERTIES = 200 };

static int64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void stop(const char *why) {
    (void)fprintf(stderr, "%s\n", why);
    exit(1);
}

static size_t piece(void *user, int32_t id, char *buf, size_t cap) {
    return hl_tokenizer_piece(user, id, true, buf, cap);
}

static enum hl_token_role role(void *user, int32_t id) {
    if (hl_tokenizer_is_eog(user, id)) return HL_TOKEN_END;
    return hl_tokenizer_is_control(user, id) ? HL_TOKEN_CONTROL : HL_TOKEN_TEXT;
}

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* One of the allowed tokens: of many, what a model could say is as likely as anything. */
static int32_t pick(const uint32_t *mask, int32_t n_vocab, uint64_t *seed) {
    for (int tries = 0; tries < 64; tries++) {
        const int32_t id = (int32_t)(next_random(seed) % (uint32_t)n_vocab);
        if (mask[id / 32] >> (id % 32) & 1) return id;
    }
    const int32_t from = (int32_t)(next_random(seed) % (uint32_t)n_vocab);
    for (int32_t i = 0; i < n_vocab; i++) {
        const int32_t id = (from + i) % n_vocab;
        if (mask[id / 32] >> (id % 32) & 1) return id;
    }
    return -1;
}

static int compare(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void walk(hl_grammar *g, hl_token_trie *trie, double *ret_us) {
    static int64_t ns[ANSWERS * MOST_TOKENS];
    size_t         n = 0;
    for (uint64_t answer = 1; answer <= ANSWERS; answer++) {
        hl_matcher *m = NULL;
        uint64_t    seed = answer;
        if (hl_matcher_new(g, trie, &m, NULL) != HL_OK) stop("no matcher");
        for (int i = 0; i < MOST_TOKENS && !hl_matcher_is_done(m); i++) {
            const int64_t   t0 = cpu_ns();
            const uint32_t *mask = hl_matcher_allowed(m);
            ns[n++] = cpu_ns() - t0;
            const int32_t id = pick(mask, trie->n_vocab, &seed);
            if (id < 0 || !hl_matcher_accept(m, id)) break;
        }
        hl_matcher_free(m);
    }
    qsort(ns, n, sizeof *ns, compare);
    ret_us[0] = (double)ns[n / 2] / 1e3;
    ret_us[1] = (double)ns[n * 99 / 100] / 1e3;
    ret_us[2] = (double)ns[n - 1] / 1e3;
}

static void bench(hl_token_trie *trie, const char *name, hl_format_kind kind, const char *text) {
    const hl_format f = {kind, hl_view_of(text)};
    hl_grammar     *g = NULL;
    hl_matcher     *m = NULL;
    hl_err          err = {0};
    double          cold[3], warm[3];
    int64_t         t0 = cpu_ns();
    if (hl_grammar_compile(&f, (hl_view){0}, &g, &err) != HL_OK) stop(err.text);
    const double compile = (double)(cpu_ns() - t0) / 1e3;
    t0 = cpu_ns();
    if (hl_matcher_new(g, trie, &m, &err) != HL_OK) stop(err.text); /* it looks at the first mask */
    const double first = (double)(cpu_ns() - t0) / 1e3;
    hl_matcher_free(m);
    walk(g, trie, cold);
    walk(g, trie, warm);
    (void)printf("%s\t%.0f\t%.0f\t%.1f\t%.1f\t%.0f\t%.1f\t%.1f\t%.0f\n", name, compile, first, cold[0],
                 cold[1], cold[2], warm[0], warm[1], warm[2]);
    hl_grammar_unref(g);
}

static char *many_properties(bool is_required) {
    hl_str s;
    hl_str_init(&s, 1 << 20);
    hl_str_add_text(&s, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (int i = 0; i < N_PROPERTIES; i++)
        hl_str_add_format(&s, "%s\"property_number_%d\":{\"type\":\"%s\"}", i ? "," : "", i,
                          i % 3 ? "string" : "integer");
    hl_str_add_text(&s, "},\"required\":[");
    for (int i = 0; i < N_PROPERTIES && is_required; i++)
        hl_str_add_format(&s, "%s\"property_number_%d\"", i ? "," : "", i);
    hl_str_add_text(&s, "]}");
    return hl_str_take(&s);
}

static const char tool[] = "{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"search_flights\"},"
                           "\"arguments\":{\"type\":\"object\",\"properties\":{"
                           "\"from\":{\"type\":\"string\",\"description\":\"IATA "
                           "code\",\"pattern\":\"^[A-Z]{3}$\"},\"to\":{\"type\":\"string\",\"pattern\":"
                           "\"^[A-Z]{3}$\"},\"date\":{\"type\":\"string\",\"format\":\"date\"},\"adults\":{"
                           "\"type\":\"integer\",\"minimum\":1,\"maximum\":9},"
                           "\"cabin\":{\"enum\":[\"economy\",\"premium\",\"business\",\"first\"]},\"notes\":{"
                           "\"type\":\"string\",\"maxLength\":200},"
                           "\"stops\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":4},"
                           "\"flexible\":{\"type\":\"boolean\"}},"
                           "\"required\":[\"from\",\"to\",\"date\"],\"additionalProperties\":false}},"
                           "\"required\":[\"name\",\"arguments\"]}";

int main(int argc, char **argv) {
    hl_gguf      *file = NULL;
    hl_tokenizer *t = NULL;
    hl_err        err = {0};
    if (argc != 2) stop("usage: bench_grammar VOCAB.gguf");
    if (hl_gguf_open(argv[1], &file, &err) != HL_OK || hl_tokenizer_new(file, &t, &err) != HL_OK)
        stop(err.text);
    const hl_grammar_tokens tokens = {
        .user = t, .n_vocab = hl_tokenizer_n_vocab(t), .piece = piece, .role = role};
    hl_token_trie *trie = NULL;
    const int64_t  t0 = cpu_ns();
    if (hl_token_trie_new(&tokens, &trie, &err) != HL_OK) stop(err.text);
    (void)printf("# %d tokens, %u nodes, read in %.1f ms\n", tokens.n_vocab, trie->n_nodes,
                 (double)(cpu_ns() - t0) / 1e6);
    (void)printf("# name\tcompile_us\tfirst_us\tcold: median\tp99\tmax\tkept: median\tp99\tmax\n");
    char *required = many_properties(true), *optional = many_properties(false);
    bench(trie, "json", HL_FORMAT_JSON, "");
    bench(trie, "tool", HL_FORMAT_SCHEMA, tool);
    bench(trie, "200-required", HL_FORMAT_SCHEMA, required);
    bench(trie, "200-optional", HL_FORMAT_SCHEMA, optional);
    bench(trie, "max-length", HL_FORMAT_SCHEMA,
          "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":40},\"minItems\":20}");
    bench(trie, "any-of", HL_FORMAT_SCHEMA,
          "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\",\"pattern\":\"^[a-z "
          "]*$\"},{\"type\":\"number\"},"
          "{\"type\":\"object\"}]},\"minItems\":20}");
    bench(trie, "gbnf-lines", HL_FORMAT_GBNF, "root ::= (\"- \" [^\\n]{1,60} \"\\n\"){3,30}");
    bench(trie, "free-text", HL_FORMAT_GBNF,
          "root ::= %free \"<tool_call>\" (%mark \"<tool_call>\" %json {\"type\":\"object\"} %mark "
          "\"</tool_call>\" %free "
          "\"<tool_call>\")*");
    hl_free(required);
    hl_free(optional);
    hl_token_trie_free(trie);
    hl_tokenizer_free(t);
    hl_gguf_close(file);
    return 0;
}
