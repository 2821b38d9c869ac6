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
    /* a token that cannot come surprises nobody */
    const float with_none[] = {-INFINITY, logits[0], logits[1], logits[2], logits[3]};
    p = plain();
    p.typical_p = 0.59f;
    check_draws(&p, with_none, (double[]){0, 0, 1. / 3, 1. / 3, 1. / 3}, 5);
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
        hl_sampler_params params = plain();
        params.top_p = p;
        const size_t n = hl_filter_top_p(some, N, &(hl_filter_ctx){.p = &params});
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

/* ---- the later filters ---- */

static void top_n_sigma_keeps_what_is_near_the_largest(void **state) {
    (void)state;
    /* mean 1.1, deviation 1.3565: one deviation below 3 is 1.64, three are -1.07 */
    const bool        two[5] = {false, true, true, false, false};
    double            want[5];
    hl_sampler_params p = plain();
    p.top_n_sigma = 1;
    softmax(five, 1, want, 5);
    keep_only(want, 5, two);
    check_draws(&p, five, want, 5);
    p.top_n_sigma = 3;
    softmax(five, 1, want, 5);
    check_draws(&p, five, want, 5);
    const float flat[3] = {1, 1, -INFINITY}; /* no deviation: banned tokens do not count */
    double      half[3] = {0.5, 0.5, 0};
    check_draws(&p, flat, half, 3);
}

/* Of 0.644, 0.237 and the rest: with a threshold of 0.2 the first is dropped, with 0.3 only it is above. */
static void xtc_drops_all_top_choices_but_the_least(void **state) {
    (void)state;
    double            all[5], rest[5], want[5];
    const bool        without_first[5] = {true, false, true, true, true};
    hl_sampler_params p = plain();
    p.xtc_probability = 0.25f;
    p.xtc_threshold = 0.2f;
    softmax(five, 1, all, 5);
    softmax(five, 1, rest, 5);
    keep_only(rest, 5, without_first);
    for (int i = 0; i < 5; i++) want[i] = 0.75 * all[i] + 0.25 * rest[i];
    check_draws(&p, five, want, 5);
    p.xtc_threshold = 0.3f;
    check_draws(&p, five, all, 5);
    p.xtc_threshold = 0.6f; /* no two can be above */
    check_draws(&p, five, all, 5);
    p.xtc_threshold = 0.2f;
    p.xtc_probability = 1;
    p.temperature = 0; /* greedy, among what is left */
    hl_sampler *s = make(&p, 5);
    for (int i = 0; i < 50; i++) assert_int_equal(hl_sampler_sample(s, five), 2);
    hl_sampler_free(s);
}

static void the_dynamic_temperature_follows_the_entropy(void **state) {
    (void)state;
    double            want[5], q[5], entropy = 0;
    hl_sampler_params p = plain();
    p.temperature = 0.8f;
    p.dynatemp_range = 0.5f;
    p.dynatemp_exponent = 2;
    softmax(five, 1, q, 5);
    for (int i = 0; i < 5; i++) entropy -= q[i] * log(q[i]);
    const double share = entropy / log(5);
    softmax(five, 0.3 + 1.0 * share * share, want, 5);
    check_draws(&p, five, want, 5);
    const float sure[3] = {100, 0, 0}; /* no entropy, and a range that reaches 0: greedy */
    p.dynatemp_range = 1;
    hl_sampler *s = make(&p, 3);
    for (int i = 0; i < 100; i++) assert_int_equal(hl_sampler_sample(s, sure), 0);
    hl_sampler_free(s);
}

/* Both versions bring the mean surprise of what they draw, among what they left, to tau: the limit mu moves
 * by eta times the difference, so where it stays bounded the mean difference vanishes. */
static void mirostat_keeps_the_surprise_at_tau(void **state) {
    (void)state;
    enum { N = 2000, STEPS = 3000 };
    static hl_candidate c[N];
    for (int version = 1; version <= 2; version++) {
        for (int tau = 2; tau <= 5; tau++) {
            hl_sampler_params p = plain();
            hl_mirostat       m;
            hl_random         r;
            double            begun = 0;
            int32_t           highest = 0;
            p.mirostat = version;
            p.mirostat_tau = (float)tau;
            hl_mirostat_init(&m, &p);
            assert_true(m.mu == 2 * tau);
            hl_random_init(&r, 1);
            for (int i = 0; i < STEPS; i++) {
                if (i == STEPS / 3) begun = m.mu;
                for (int k = 0; k < N; k++) /* as words of a language are; in no order */
                    c[k] = (hl_candidate){.id = k * 7 % N, .logit = -1.1f * logf((float)(k * 7 % N + 1))};
                const int32_t id = hl_mirostat_draw(&m, c, N, &p, &r);
                if (i > STEPS / 3 && id > highest) highest = id;
            }
            assert_true(fabs(m.mu - begun) / ((double)p.mirostat_eta * STEPS * 2 / 3) < 0.02);
            assert_true(m.mu > 0 && m.mu < 20);
            assert_in_range(highest, 1, tau <= 3 ? 40 : 400); /* it does cut */
        }
    }
    hl_sampler_params p = plain();
    p.mirostat = 2;
    p.top_k = 1; /* has no say */
    hl_sampler *s = make(&p, 5);
    int         n_other = 0;
    for (int i = 0; i < 100; i++) n_other += hl_sampler_sample(s, five) != 1;
    assert_true(n_other > 10);
    p.temperature = 0; /* greedy */
    hl_sampler_free(s);
    s = make(&p, 5);
    for (int i = 0; i < 100; i++) assert_int_equal(hl_sampler_sample(s, five), 1);
    hl_sampler_free(s);
}

/* What dry.c finds in one pass, looked for in all pairs. */
static void dry_plainly(const int32_t *text, int n, int32_t breaker, const hl_sampler_params *p,
                        float *logits) {
    int longest[8] = {0};
    for (int i = 1; i < n; i++) { /* text[i] followed */
        int k = 0;
        while (k < i && text[i - 1 - k] == text[n - 1 - k] && text[n - 1 - k] != breaker) k++;
        if (k >= p->dry_allowed_length && k > longest[text[i]]) longest[text[i]] = k;
    }
    for (int id = 0; id < 8; id++)
        if (longest[id] > 0)
            logits[id] -= p->dry_multiplier * powf(p->dry_base, (float)(longest[id] - p->dry_allowed_length));
}

static void dry_agrees_with_a_look_at_all_pairs(void **state) {
    (void)state;
    enum { N = 300 };
    const int32_t     breaker = 7;
    int32_t           text[N];
    uint32_t          random = 3;
    hl_sampler_params p = plain();
    p.dry_multiplier = 0.8f;
    p.dry_base = 1.3f;
    p.dry_breakers = &breaker;
    p.n_dry_breakers = 1;
    for (int window = 0; window < 2; window++) {
        hl_dry d;
        int    n_changed = 0;
        p.dry_penalty_last_n = window ? 40 : -1;
        assert_int_equal(hl_dry_init(&d, &p, 8, NULL), HL_OK);
        for (int n = 0; n < N; n++) {
            random = random * 1664525 + 1013904223;
            text[n] =
                random >> 30 == 0 || n < 20 ? (int32_t)(random >> 16) % 8 : text[n - 11]; /* repeats itself */
            hl_dry_count(&d, text[n]);
            const int first = window && n + 1 > 40 ? n + 1 - 40 : 0;
            float     got[8] = {0}, want[8] = {0};
            hl_dry_apply(&d, got);
            dry_plainly(text + first, n + 1 - first, breaker, &p, want);
            for (int id = 0; id < 8; id++) {
                assert_true(fabsf(got[id] - want[id]) <= 1e-5f * fabsf(want[id]));
                n_changed += want[id] != 0;
            }
        }
        assert_true(n_changed > 100);
        hl_dry_done(&d);
    }
}

typedef struct odd_only {
    uint32_t bits[1];
    int32_t  n_accepted, last;
} odd_only;

static const uint32_t *allow_odd(void *self) { return ((odd_only *)self)->bits; }

static void note_accepted(void *self, int32_t token) {
    odd_only *o = self;
    o->n_accepted++;
    o->last = token;
}

static void a_constraint_decides_what_may_come(void **state) {
    (void)state;
    odd_only            o = {.bits = {0x0a}}; /* tokens 1 and 3 */
    const hl_constraint constraint = {.self = &o, .allowed = allow_odd, .accept = note_accepted};
    const bool          odd[5] = {false, true, false, true, false};
    double              want[5];
    hl_sampler_params   p = plain();
    p.constraint = &constraint;
    softmax(five, 1, want, 5);
    keep_only(want, 5, odd);
    check_draws(&p, five, want, 5);
    p.temperature = 0;
    hl_sampler *s = make(&p, 5);
    hl_sampler_see(s, 2); /* the prompt is not the constraint's */
    assert_int_equal(hl_sampler_sample(s, five), 1);
    assert_int_equal(o.n_accepted, 0);
    hl_sampler_accept(s, 1);
    assert_int_equal(o.n_accepted, 1);
    assert_int_equal(o.last, 1);
    o.bits[0] = 0x08;
    assert_int_equal(hl_sampler_sample(s, five), 3);
    o.bits[0] = 0;
    assert_int_equal(hl_sampler_sample(s, five), -1);
    hl_sampler_free(s);
}

/* What the authors' reference code gives, seeded by theirs: 53 bits of each. A seed is a promise. */
static void the_generator_gives_the_published_numbers(void **state) {
    (void)state;
    static const struct {
        uint64_t seed, first[4], thousandth;
    } rows[] = {
        {0, {0xa62ebac292164, 0xc3b4de7b8701a, 0xb81fbf23d934f, 0x5dd7f18777cb}, 0x6ec601f4065ec},
        {1, {0x19f8ba0fede078, 0x17e8482652c7fc, 0x3346faaeaf55e, 0x17e10233e0b9aa}, 0x125aa4201f3c3b},
        {UINT64_MAX, {0xad99f19d291c4, 0x1cd0b10865cb4b, 0x1c7d36b4902339, 0x8c1e3292aa655}, 0xdccfeb1e23e6a},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_random r;
        hl_random_init(&r, rows[i].seed);
        for (int k = 0; k < 1000; k++) {
            const uint64_t x = (uint64_t)(hl_random_next(&r) * 0x1p53);
            if (k < 4) assert_true(x == rows[i].first[k]);
            if (k == 999) assert_true(x == rows[i].thousandth);
        }
    }
}

static void tokens_that_the_vocabulary_does_not_have_are_refused(void **state) {
    (void)state;
    static const struct {
        int32_t     token;
        float       bias;
        bool        is_breaker;
        int32_t     n_vocab;
        const char *words; /* NULL: taken */
    } rows[] = {
        {0, 1, false, 5, NULL},
        {4, 1, false, 5, NULL},
        {5, 1, false, 5, "logit_bias of token 5, expected 0..4"},
        {-1, 1, false, 5, "logit_bias of token -1, expected 0..4"},
        {3, NAN, false, 5, "logit_bias of token 3 is not a number"},
        {3, -INFINITY, false, 5, NULL},
        {0, 0, true, 5, NULL},
        {4, 0, true, 5, NULL},
        {5, 0, true, 5, "dry_breakers has token 5, expected 0..4"},
        {-1, 0, true, 5, "dry_breakers has token -1, expected 0..4"},
        {0, 0, true, 0, "a vocabulary of 0 tokens, expected at least 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_sampler_params   p = plain();
        hl_sampler         *s = NULL;
        hl_err              err = {0};
        const hl_logit_bias bias = {.token = rows[i].token, .bias = rows[i].bias};
        p.bias = &bias;
        p.n_bias = !rows[i].is_breaker;
        p.dry_breakers = &rows[i].token;
        p.n_dry_breakers = rows[i].is_breaker;
        const hl_status status = hl_sampler_new(&p, rows[i].n_vocab, &s, &err);
        if (status != (rows[i].words ? HL_E_ARG : HL_OK) ||
            (rows[i].words && !strstr(err.text, rows[i].words)))
            fail_msg("row %zu: '%s'", i, err.text);
        hl_sampler_free(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_that_the_vocabulary_does_not_have_are_refused),
        cmocka_unit_test(the_generator_gives_the_published_numbers),
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
        cmocka_unit_test(top_n_sigma_keeps_what_is_near_the_largest),
        cmocka_unit_test(xtc_drops_all_top_choices_but_the_least),
        cmocka_unit_test(the_dynamic_temperature_follows_the_entropy),
        cmocka_unit_test(mirostat_keeps_the_surprise_at_tau),
        cmocka_unit_test(dry_agrees_with_a_look_at_all_pairs),
        cmocka_unit_test(a_constraint_decides_what_may_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
