/* SPDX-License-Identifier: MIT
 *
 * test_sampler.c - the sampling chain: what each filter keeps, how often tokens are drawn, what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/sampler/filters.h"

enum { N_DRAWS = 200000 };

static hl_sampler *make(const hl_sampler_params *p, int32_t n_vocab) {
    hl_sampler *s = NULL;
    hl_err      err = {0};
    if (hl_sampler_new(p, n_vocab, &s, &err) != HL_OK) fail_msg("%s", err.text);
    return s;
}

/* Nothing but temperature 1. */
static hl_sampler_params plain(void) {
    hl_sampler_params p;
    hl_sampler_params_init(&p);
    p.temperature = 1;
    p.top_k = 0;
    p.top_p = 1;
    p.seed = 42;
    return p;
}

/* Draw many times and compare the counts with probabilities by the chi-square statistic. */
static void check_draws(const hl_sampler_params *p, const float *logits, const double *want, int32_t n) {
    hl_sampler *s = make(p, n);
    double      chi = 0;
    int         counts[64] = {0}, n_free = -1;
    assert_true(n <= 64);
    for (int i = 0; i < N_DRAWS; i++) counts[hl_sampler_sample(s, logits)]++;
    for (int32_t i = 0; i < n; i++) {
        if (want[i] == 0) {
            assert_int_equal(counts[i], 0);
            continue;
        }
        const double expected = want[i] * N_DRAWS;
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        n_free++;
    }
    /* Five standard deviations of the chi-square distribution over its mean. */
    assert_true(chi < n_free + 5 * sqrt(2.0 * (n_free > 0 ? n_free : 1)));
    hl_sampler_free(s);
}

static void softmax(const float *logits, double temperature, double *ret, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += ret[i] = exp(logits[i] / temperature);
    for (int i = 0; i < n; i++) ret[i] /= sum;
}

static const float five[] = {1.0f, 3.0f, 2.0f, 0.5f, -1.0f};

static void draws_follow_the_softmax_at_every_temperature(void **state) {
    (void)state;
    static const float temperatures[] = {0.5f, 0.8f, 1.0f, 2.0f};
    for (size_t i = 0; i < 4; i++) {
        hl_sampler_params p = plain();
        double            want[5];
        p.temperature = temperatures[i];
        softmax(five, temperatures[i], want, 5);
        check_draws(&p, five, want, 5);
    }
}

static void keep_only(double *want, int n, const bool *keep) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += keep[i] ? want[i] : 0;
    for (int i = 0; i < n; i++) want[i] = keep[i] ? want[i] / sum : 0;
}

static void top_k_keeps_the_k_largest(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    double            want[5];
    p.top_k = 3;
    softmax(five, 1, want, 5);
    keep_only(want, 5, (bool[]){1, 1, 1, 0, 0});
    check_draws(&p, five, want, 5);
}

static void top_p_keeps_the_smallest_set_that_holds_p(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    double            want[5];
    softmax(five, 1, want, 5); /* .607 + .224 = .831 */
    p.top_p = 0.83f;
    keep_only(want, 5, (bool[]){0, 1, 1, 0, 0});
    check_draws(&p, five, want, 5);
    p.top_p = 0; /* never nothing */
    keep_only(want, 5, (bool[]){0, 1, 0, 0, 0});
    check_draws(&p, five, want, 5);
}

static void top_p_looks_at_what_top_k_left(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    double            want[5];
    softmax(five, 1, want, 5); /* of the two largest, the first has .731 */
    p.top_k = 2;
    p.top_p = 0.73f;
    keep_only(want, 5, (bool[]){0, 1, 0, 0, 0});
    check_draws(&p, five, want, 5);
}

static void min_p_is_relative_to_the_best(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    double            want[5];
    softmax(five, 1, want, 5); /* relative: .135 1 .368 .082 .018 */
    p.min_p = 0.1f;
    keep_only(want, 5, (bool[]){1, 1, 1, 0, 0});
    check_draws(&p, five, want, 5);
}

static void typical_may_drop_the_most_likely_token(void **state) {
    (void)state;
    /* p = .4 .2 .2 .2: entropy 1.33 nats; surprise of the first .92, of the others 1.61 */
    const float       logits[] = {logf(.4f), logf(.2f), logf(.2f), logf(.2f)};
    hl_sampler_params p = plain();
    double            want[] = {0, 1. / 3, 1. / 3, 1. / 3};
    p.typical_p = 0.59f;
    check_draws(&p, logits, want, 4);
    p.temperature = 0;
    check_draws(&p, logits, (double[]){0, 1, 0, 0}, 4);
}

static void zero_temperature_takes_the_largest_and_of_equals_the_lowest_id(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    p.temperature = 0;
    hl_sampler *s = make(&p, 5);
    assert_int_equal(hl_sampler_sample(s, five), 1);
    assert_int_equal(hl_sampler_sample(s, (float[]){0, 7, 7, 7, 1}), 1);
    hl_sampler_free(s);
}

static void the_same_seed_draws_the_same_tokens(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    hl_sampler       *a = make(&p, 5), *b = make(&p, 5);
    p.seed = 43;
    hl_sampler *c = make(&p, 5);
    int         n_other = 0;
    for (int i = 0; i < 1000; i++) {
        const int32_t id = hl_sampler_sample(a, five);
        assert_int_equal(id, hl_sampler_sample(b, five));
        n_other += id != hl_sampler_sample(c, five);
    }
    assert_true(n_other > 100);
    hl_sampler_free(a);
    hl_sampler_free(b);
    hl_sampler_free(c);
}

static void a_negative_seed_is_chosen_and_can_be_asked_for(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    p.seed = -1;
    hl_sampler *a = make(&p, 5);
    p.seed = hl_sampler_seed(a);
    assert_true(p.seed >= 0);
    hl_sampler *b = make(&p, 5);
    for (int i = 0; i < 100; i++) assert_int_equal(hl_sampler_sample(a, five), hl_sampler_sample(b, five));
    hl_sampler_free(a);
    hl_sampler_free(b);
}

static void penalties_count_the_window_only(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    p.temperature = 0;
    p.repeat_last_n = 2;
    p.frequency_penalty = 1.0f;
    hl_sampler *s = make(&p, 5);
    assert_int_equal(hl_sampler_sample(s, five), 1); /* 3 against 2 */
    hl_sampler_accept(s, 1);
    hl_sampler_accept(s, 1);
    assert_int_equal(hl_sampler_sample(s, five), 2); /* 3 - 2 against 2 */
    hl_sampler_accept(s, 4);
    hl_sampler_accept(s, 4);
    assert_int_equal(hl_sampler_sample(s, five), 1); /* forgotten */
    hl_sampler_free(s);
}

static void penalties_over_the_whole_context_forget_nothing(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    p.temperature = 0;
    p.repeat_last_n = -1;
    p.presence_penalty = 2.5f;
    hl_sampler *s = make(&p, 5);
    hl_sampler_accept(s, 1);
    for (int i = 0; i < 1000; i++) hl_sampler_accept(s, 4);
    assert_int_equal(hl_sampler_sample(s, five), 2);
    hl_sampler_accept(s, -1); /* out of range: not counted */
    hl_sampler_accept(s, 5);
    hl_sampler_free(s);
}

static void the_repeat_penalty_pushes_both_signs_down(void **state) {
    (void)state;
    hl_penalties      pen;
    hl_sampler_params p = plain();
    float             logits[] = {2, -2, 5};
    hl_err            err = {0};
    p.repeat_penalty = 2;
    assert_int_equal(hl_penalties_init(&pen, &p, 3, &err), HL_OK);
    hl_penalties_count(&pen, 0);
    hl_penalties_count(&pen, 1);
    hl_penalties_apply(&pen, logits);
    assert_float_equal(logits[0], 1, 0);
    assert_float_equal(logits[1], -4, 0);
    assert_float_equal(logits[2], 5, 0);
    hl_penalties_done(&pen);
}

static void a_bias_of_minus_infinity_bans_a_token(void **state) {
    (void)state;
    const hl_logit_bias bias[] = {{1, -INFINITY}, {4, 10}};
    hl_sampler_params   p = plain();
    p.temperature = 0;
    p.bias = bias;
    p.n_bias = 1;
    hl_sampler *s = make(&p, 5);
    assert_int_equal(hl_sampler_sample(s, five), 2);
    hl_sampler_free(s);
    p.n_bias = 2;
    s = make(&p, 5);
    assert_int_equal(hl_sampler_sample(s, five), 4);
    hl_sampler_free(s);
}

static void nothing_is_chosen_where_a_logit_is_no_number(void **state) {
    enum { N = 83 };
    static const int   ks[] = {0, 1, 2, 40, N};
    static const float typical[] = {1, 0.9f};
    float              logits[N], none[N];
    (void)state;
    for (int i = 0; i < N; i++) logits[i] = i == 50 ? INFINITY : i % 7 ? (float)(i % 11) : -INFINITY;
    for (int i = 0; i < N; i++) none[i] = -INFINITY;
    for (size_t i = 0; i < 5 * 2 * 2; i++) {
        hl_sampler_params p = plain();
        p.top_k = ks[i / 4];
        p.temperature = i % 2 ? 0 : 1;
        p.typical_p = typical[i / 2 % 2];
        p.top_p = 0.9f;
        p.min_p = 0.1f;
        hl_sampler *s = make(&p, N);
        assert_int_equal(hl_sampler_sample(s, logits), 50);
        assert_int_equal(hl_sampler_sample(s, none), -1);
        for (int at = 0; at < N; at++) {
            const float was = logits[at];
            logits[at] = NAN;
            assert_int_equal(hl_sampler_sample(s, logits), -1);
            logits[at] = was;
        }
        hl_sampler_free(s);
    }
}

static void nothing_is_chosen_where_bias_leaves_nothing(void **state) {
    const hl_logit_bias bias[] = {{0, INFINITY}, {1, -INFINITY}};
    const float         second[] = {-INFINITY, 3}; /* -infinity + infinity is NaN */
    (void)state;
    for (int i = 0; i < 2; i++) {
        hl_sampler_params p = plain();
        p.temperature = (float)i;
        p.bias = bias;
        p.n_bias = 2;
        hl_sampler *s = make(&p, 2);
        assert_int_equal(hl_sampler_sample(s, (const float[]){1, 3}), 0);
        assert_int_equal(hl_sampler_sample(s, second), -1);
        hl_sampler_free(s);
        p.bias = bias + 1;
        p.n_bias = 1;
        s = make(&p, 2);
        assert_int_equal(hl_sampler_sample(s, second), -1);
        hl_sampler_free(s);
    }
}

static void sampling_allocates_nothing(void **state) {
    (void)state;
    hl_sampler_params p = plain();
    p.top_k = 2;
    p.typical_p = 0.9f;
    p.repeat_penalty = 1.1f;
    hl_sampler  *s = make(&p, 5);
    const size_t before = hl_mem_n_allocs();
    for (int i = 0; i < 100; i++) hl_sampler_accept(s, hl_sampler_sample(s, five));
    assert_int_equal(hl_mem_n_allocs(), before);
    hl_sampler_free(s);
}

static void parameters_out_of_range_are_named(void **state) {
    (void)state;
    struct {
        size_t      at;
        const char *name;
        float       bad;
    } rows[] = {
        {offsetof(hl_sampler_params, temperature), "temperature", -1},
        {offsetof(hl_sampler_params, temperature), "temperature", NAN},
        {offsetof(hl_sampler_params, top_p), "top_p", 1.5f},
        {offsetof(hl_sampler_params, min_p), "min_p", -0.1f},
        {offsetof(hl_sampler_params, typical_p), "typical_p", 2},
        {offsetof(hl_sampler_params, repeat_penalty), "repeat_penalty", 0},
        {offsetof(hl_sampler_params, presence_penalty), "presence_penalty", INFINITY},
        {offsetof(hl_sampler_params, frequency_penalty), "frequency_penalty", NAN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_sampler_params p = plain();
        hl_sampler       *s = NULL;
        hl_err            err = {0};
        memcpy((char *)&p + rows[i].at, &rows[i].bad, sizeof(float));
        assert_int_equal(hl_sampler_new(&p, 5, &s, &err), HL_E_ARG);
        assert_non_null(strstr(err.text, rows[i].name));
        assert_null(s);
    }
    const hl_logit_bias bias = {5, 1};
    hl_sampler_params   p = plain();
    hl_sampler         *s = NULL;
    hl_err              err = {0};
    p.bias = &bias;
    p.n_bias = 1;
    assert_int_equal(hl_sampler_new(&p, 5, &s, &err), HL_E_ARG);
    p = plain();
    p.repeat_last_n = -2;
    assert_int_equal(hl_sampler_new(&p, 5, &s, &err), HL_E_ARG);
    assert_string_equal(err.text, "repeat_last_n is -2, expected -1..16777216");
}

static void every_failed_allocation_is_reported(void **state) {
    (void)state;
    const hl_logit_bias bias = {1, 1};
    hl_sampler_params   p = plain();
    p.repeat_penalty = 1.1f;
    p.bias = &bias;
    p.n_bias = 1;
    for (size_t k = 0;; k++) {
        hl_sampler *s = NULL;
        hl_err      err = {0};
        hl_mem_fail_after(k, SIZE_MAX);
        const hl_status status = hl_sampler_new(&p, 5, &s, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        hl_sampler_free(s);
        if (status == HL_OK) break;
        assert_int_equal(status, HL_E_NOMEM);
        assert_true(k < 20);
    }
}

static int by_logit(const void *a, const void *b) {
    const hl_candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id - y->id;
}

/* Compare with sorting everything, on large sets with many equal logits. */
static void selection_keeps_what_a_full_sort_would(void **state) {
    (void)state;
    enum { N = 5000 };
    static float        logits[N];
    static hl_candidate all[N], some[N];
    hl_random           r;
    hl_random_init(&r, 7);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < N; i++) {
            const double x = hl_random_next(&r) * 20 - 10;
            logits[i] = (float)(round % 2 ? x : floor(x));
        }
        assert_int_equal(hl_top_k(all, logits, N, 0), N);
        qsort(all, N, sizeof *all, by_logit);
        const int32_t k = 1 + round * 37;
        assert_int_equal(hl_top_k(some, logits, N, k), (size_t)k);
        qsort(some, (size_t)k, sizeof *some, by_logit);
        for (int32_t i = 0; i < k; i++) assert_int_equal(some[i].id, all[i].id);

        const double sum = hl_weigh(all, N, 1);
        const float  p = 0.01f + 0.024f * (float)round;
        double       held = 0;
        size_t       n_want = 0;
        while (n_want < N && held < p * sum) held += all[n_want++].weight;
        (void)hl_top_k(some, logits, N, 0);
        const size_t n = hl_top_p(some, N, p);
        assert_true(n + 1 >= n_want && n <= n_want + 1); /* the sums are added in another order */
        qsort(some, n, sizeof *some, by_logit);
        for (size_t i = 0; i < n; i++) assert_int_equal(some[i].id, all[i].id);
    }
}

static void logprobs_are_those_of_the_whole_distribution(void **state) {
    (void)state;
    double     want[5];
    hl_logprob top[7];
    softmax(five, 1, want, 5);
    const float own = hl_logprobs_top(five, 5, 3, 7, top);
    assert_float_equal(own, log(want[3]), 1e-6);
    static const int32_t order[] = {1, 2, 0, 3, 4};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(top[i].token, order[i]);
        assert_float_equal(top[i].logprob, log(want[order[i]]), 1e-6);
    }
    assert_int_equal(top[5].token, -1);
    const float equal[] = {1, 2, 2, 2};
    (void)hl_logprobs_top(equal, 4, 0, 2, top);
    assert_int_equal(top[0].token, 1);
    assert_int_equal(top[1].token, 2);
}

static void there_are_no_logprobs_without_numbers(void **state) {
    static const float rows[][2] = {{-INFINITY, NAN}, {1, NAN}, {NAN, 1}, {-INFINITY, -INFINITY}};
    hl_logprob         top[3];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_true(isnan(hl_logprobs_top(rows[i], 2, 0, 3, top)));
        for (size_t k = 0; k < 3; k++) assert_true(top[k].token == -1 && isnan(top[k].logprob));
    }
    assert_true(hl_logprobs_top((const float[]){-INFINITY, 1}, 2, 0, 0, NULL) == -INFINITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_follow_the_softmax_at_every_temperature),
        cmocka_unit_test(top_k_keeps_the_k_largest),
        cmocka_unit_test(top_p_keeps_the_smallest_set_that_holds_p),
        cmocka_unit_test(top_p_looks_at_what_top_k_left),
        cmocka_unit_test(min_p_is_relative_to_the_best),
        cmocka_unit_test(typical_may_drop_the_most_likely_token),
        cmocka_unit_test(zero_temperature_takes_the_largest_and_of_equals_the_lowest_id),
        cmocka_unit_test(the_same_seed_draws_the_same_tokens),
        cmocka_unit_test(a_negative_seed_is_chosen_and_can_be_asked_for),
        cmocka_unit_test(penalties_count_the_window_only),
        cmocka_unit_test(penalties_over_the_whole_context_forget_nothing),
        cmocka_unit_test(the_repeat_penalty_pushes_both_signs_down),
        cmocka_unit_test(a_bias_of_minus_infinity_bans_a_token),
        cmocka_unit_test(nothing_is_chosen_where_a_logit_is_no_number),
        cmocka_unit_test(nothing_is_chosen_where_bias_leaves_nothing),
        cmocka_unit_test(sampling_allocates_nothing),
        cmocka_unit_test(parameters_out_of_range_are_named),
        cmocka_unit_test(every_failed_allocation_is_reported),
        cmocka_unit_test(selection_keeps_what_a_full_sort_would),
        cmocka_unit_test(logprobs_are_those_of_the_whole_distribution),
        cmocka_unit_test(there_are_no_logprobs_without_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
