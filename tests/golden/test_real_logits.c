/* SPDX-License-Identifier: MIT
 *
 * test_real_logits.c - real models, teacher-forced over the tokens that the reference chose.
 *
 * Truth is the file with all weights dequantized to f32 (NAME_exact.txt). The reference itself, which
 * rounds activations to 8 bits as we do, is some way off (NAME.txt): we must not be further off than
 * that. See tests/golden/logits/ORIGIN.md. Skipped when the models are not there.
 */
#include "tests/need.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hyperlama/engine.h"
#include "hyperlama/sampler.h" /* hl_logprob */

enum { MAX_LINE = 1 << 16, MAX_IDS = 2048, N_TOP = 20, MAX_GEN = 64 };

typedef struct score {
    double   sum_abs; /* |logprob - exact| over the exact top 20 */
    double   sum_kl;  /* sum p (ln p - ln q) over the exact top 20 and the rest as one */
    uint64_t n_top, n_rows, n_same;
} score;

static char line_a[MAX_LINE], line_b[MAX_LINE];

static bool next_line(FILE *f, char *line) {
    do {
        if (!fgets(line, MAX_LINE, f)) return false;
    } while (line[0] == '#');
    return true;
}

static size_t parse_ids(const char *line, int32_t *ret) {
    size_t n = 0;
    char  *at = strchr(line, ' ');
    for (char *end = NULL; at && n < MAX_IDS; at = end) {
        const long id = strtol(at, &end, 10);
        if (end == at) break;
        ret[n++] = (int32_t)id;
    }
    return n;
}

static size_t parse_top(const char *line, hl_logprob *ret) {
    size_t n = 0;
    char  *at = strchr(line, ' ');
    for (char *end = NULL; at && n < N_TOP; at = end, n++) {
        ret[n].token = (int32_t)strtol(at, &end, 10);
        if (end == at) break;
        ret[n].logprob = strtof(end, &end);
    }
    return n;
}

/* Compare a distribution, given as a function of the token, with the exact row. */
static void add(score *s, const hl_logprob *exact, size_t n, const float *got, int32_t best) {
    s->n_rows++;
    s->n_same += exact[0].token == best;
    double rest_p = 1, rest_q = 1; /* all other tokens count as one */
    for (size_t i = 0; i < n; i++) {
        if (isnan(got[i])) continue; /* not in the reference's own top 20 */
        const double d = (double)exact[i].logprob - (double)got[i];
        s->sum_abs += fabs(d);
        s->sum_kl += exp((double)exact[i].logprob) * d;
        s->n_top++;
        rest_p -= exp((double)exact[i].logprob);
        rest_q -= exp((double)got[i]);
    }
    if (rest_p > 1e-4 && rest_q > 1e-4)
        s->sum_kl += rest_p * log(rest_p / rest_q); /* else below the record's digits */
}

static void add_reference(score *s, const hl_logprob *exact, size_t n, const hl_logprob *ref, size_t n_ref) {
    float got[N_TOP];
    for (size_t i = 0; i < n; i++) {
        got[i] = NAN;
        for (size_t j = 0; j < n_ref; j++)
            if (ref[j].token == exact[i].token) got[i] = ref[j].logprob;
    }
    add(s, exact, n, got, ref[0].token);
}

/* Over the same tokens as the reference, so that both are judged by the same. */
static void add_ours(score *s, const hl_logprob *exact, size_t n, const hl_logprob *ref, size_t n_ref,
                     const float *logits, int32_t n_vocab) {
    float   got[N_TOP];
    int32_t best = 0;
    double  sum = 0;
    for (int32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best]) best = i;
    for (int32_t i = 0; i < n_vocab; i++) sum += exp((double)logits[i] - (double)logits[best]);
    const double log_sum = log(sum) + (double)logits[best];
    for (size_t i = 0; i < n; i++) {
        got[i] = NAN;
        for (size_t j = 0; j < n_ref; j++)
            if (ref[j].token == exact[i].token) got[i] = (float)((double)logits[exact[i].token] - log_sum);
    }
    add(s, exact, n, got, best);
}

static FILE *open_record(const char *name, const char *suffix) {
    char path[256];
    (void)snprintf(path, sizeof path, "tests/golden/logits/%s%s.txt", name, suffix);
    return fopen(path, "r");
}

static void run_prompt(hl_session *s, FILE *exact, FILE *ref, int32_t n_vocab, score *ours, score *theirs) {
    static int32_t ids[MAX_IDS], gen[MAX_IDS];
    hl_err         err = {0};
    assert_true(next_line(exact, line_a) && next_line(ref, line_b));
    const size_t n_ids = parse_ids(line_a, ids);
    assert_true(next_line(exact, line_a) && next_line(ref, line_b));
    const size_t n_gen = parse_ids(line_a, gen);
    assert_string_equal(line_a, line_b);
    hl_session_truncate(s, 0);
    assert_int_equal(hl_session_eval(s, ids, n_ids, &err), HL_OK);
    for (size_t i = 0; i < n_gen; i++) {
        hl_logprob want[N_TOP], have[N_TOP];
        assert_true(next_line(exact, line_a) && next_line(ref, line_b));
        const size_t n = parse_top(line_a, want);
        const size_t n_ref = parse_top(line_b, have);
        /* All rows behind the first in one pass: the bits are those of single passes. */
        if (i == 1) assert_int_equal(hl_session_eval_rows(s, gen, n_gen - 1, n_gen - 1, &err), HL_OK);
        add_ours(ours, want, n, have, n_ref, i == 0 ? hl_session_logits(s) : hl_session_logits_at(s, i - 1),
                 n_vocab);
        add_reference(theirs, want, n, have, n_ref);
    }
}

static void print_score(const char *who, const score *s) {
    print_message("  %-9s mean difference %.4f, KL %.5f, same first token %.2f %%\n", who,
                  s->sum_abs / (double)s->n_top, s->sum_kl / (double)s->n_rows,
                  100.0 * (double)s->n_same / (double)s->n_rows);
}

static void check_model(const char *file, const char *name) {
    char path[1024];
    need_model(file, path);
    hl_err        err = {0};
    hl_engine    *e = NULL;
    hl_model     *m = NULL;
    hl_session   *s = NULL;
    const char   *p = path;
    hl_model_info info;
    assert_int_equal(hl_engine_new(&(hl_engine_params){.cpu = test_cpu()}, &e, &err), HL_OK);
    if (hl_model_open(e, &p, 1, NULL, &m, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_session_new(m, &(hl_session_params){.n_ctx = 2048, .n_rows_cap = MAX_GEN}, &s, &err),
                     HL_OK);
    hl_model_get_info(m, &info);
    FILE *exact = open_record(name, "_exact");
    FILE *ref = open_record(name, "");
    assert_non_null(exact);
    assert_non_null(ref);
    score ours = {0}, theirs = {0};
    while (next_line(exact, line_a) && next_line(ref, line_b)) {
        assert_memory_equal(line_a, "prompt ", 7);
        run_prompt(s, exact, ref, info.n_vocab, &ours, &theirs);
    }
    print_message("%s, %d rows against the exact distribution:\n", name, (int)ours.n_rows);
    print_score("hyperlama", &ours);
    print_score("reference", &theirs);
    (void)fclose(exact);
    (void)fclose(ref);
    hl_session_free(s);
    hl_model_close(m);
    hl_engine_free(e);
    assert_true(ours.n_rows >= 1000);
    assert_true(ours.sum_abs / (double)ours.n_top <= 1.05 * theirs.sum_abs / (double)theirs.n_top);
    assert_true(ours.sum_kl / (double)ours.n_rows <= 1.2 * theirs.sum_kl / (double)theirs.n_rows);
    assert_true((double)ours.n_same >= (double)theirs.n_same - 0.005 * (double)theirs.n_rows);
}

static void smollm2_is_as_close_to_the_truth_as_the_reference(void **state) {
    (void)state;
    check_model("smollm2-135m-q4_1.gguf", "smollm2");
}

static void gemma3_is_as_close_to_the_truth_as_the_reference(void **state) {
    (void)state;
    check_model("gemma3-270m-q4_k_m.gguf", "gemma3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2_is_as_close_to_the_truth_as_the_reference),
        cmocka_unit_test(gemma3_is_as_close_to_the_truth_as_the_reference),
    };
    return cmocka_run_group_tests_name("real_logits", tests, NULL, NULL);
}
