/* SPDX-License-Identifier: MIT
 *
 * test_mirostat.c - mirostat puts only what it may keep in order, and draws what it would have drawn from a
 * vocabulary that is wholly in order.
 */
#include "tests/need.h"

#include <math.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/sampler/filters.h"

enum { MAX = 5000, ZIPF_TOKENS = 100 };

/* As the paper says it: all in order first. */
static int32_t draw_by_the_book(hl_mirostat *m, hl_candidate *c, size_t n, const hl_sampler_params *p,
                                hl_random *r) {
    double sum = hl_weigh(c, n, p->temperature), top = 0, bottom = 0;
    size_t kept = 1;
    if (!(sum > 0)) return -1;
    for (size_t i = 0; i < n; i++) c[i].key = c[i].logit;
    hl_sort_by_key(c, n);
    if (p->mirostat == 2) {
        while (kept < n && -log2(c[kept].weight / sum) <= m->mu) kept++;
    } else {
        for (size_t i = 0; i + 1 < n && i + 1 < ZIPF_TOKENS && c[i + 1].weight > 0; i++) {
            const double t = log((double)(i + 2) / (double)(i + 1));
            top += t * log((double)c[i].weight / (double)c[i + 1].weight);
            bottom += t * t;
        }
        const double s = bottom > 0 ? top / bottom : 0, e = s - 1;
        const double room = fabs(e) < 1e-9 ? log((double)n) : (1 - pow((double)n, -e)) / e;
        const double k = s > 0 ? pow(pow(2, m->mu) / room, 1 / s) : (double)n;
        kept = !(k > 1) ? 1 : k >= (double)n ? n : (size_t)k;
    }
    sum = 0;
    for (size_t i = 0; i < kept; i++) sum += c[i].weight;
    const int32_t id = hl_draw(c, kept, sum, hl_random_next(r));
    for (size_t i = 0; i < kept; i++)
        if (c[i].id == id)
            m->mu -= (double)p->mirostat_eta * (-log2(c[i].weight / sum) - (double)p->mirostat_tau);
    return id;
}

static float logit_of(int kind, size_t i, double u) {
    switch (kind) {
    case 0: return -1.1f * logf((float)(i * 7 % MAX + 1)); /* words of a language */
    case 1: return (float)(12 * u);
    case 2: return (float)(int)(6 * u); /* many that are equal */
    case 3: return 3;                   /* all are */
    case 4: return u < 0.5 ? -INFINITY : (float)(60 * u);
    default: return (float)(8 * sqrt(-2 * log(u + 1e-12)) * cos(40 * u));
    }
}

static void it_draws_what_an_ordered_vocabulary_gives(void **state) {
    (void)state;
    static hl_candidate a[MAX], b[MAX];
    static const size_t sizes[] = {1, 2, 16, 17, 99, 100, 101, 777, MAX};
    static const float  taus[] = {0, 0.5f, 3, 5, 8, 30};
    hl_random           numbers;
    hl_random_init(&numbers, 3);
    for (int version = 1; version <= 2; version++) {
        for (int kind = 0; kind < 6; kind++) {
            for (size_t t = 0; t < 6; t++) {
                hl_sampler_params p;
                hl_mirostat       m1, m2;
                hl_random         r1, r2;
                hl_sampler_params_init(&p);
                p.mirostat = version;
                p.mirostat_tau = taus[t];
                p.temperature = kind == 1 ? 0.3f : 1;
                hl_mirostat_init(&m1, &p);
                m2 = m1;
                hl_random_init(&r1, 9);
                r2 = r1;
                for (size_t step = 0; step < 27; step++) {
                    const size_t n = sizes[step % 9];
                    for (size_t i = 0; i < n; i++)
                        a[i] = (hl_candidate){.id = (int32_t)i,
                                              .logit = logit_of(kind, i, hl_random_next(&numbers))};
                    memcpy(b, a, sizeof a);
                    assert_int_equal(hl_mirostat_draw(&m1, a, n, &p, &r1),
                                     draw_by_the_book(&m2, b, n, &p, &r2));
                    assert_memory_equal(&m1.mu, &m2.mu, sizeof m1.mu);
                }
            }
        }
    }
}

static void the_best_come_first_and_in_order(void **state) {
    (void)state;
    static hl_candidate a[MAX], b[MAX];
    hl_random           numbers;
    hl_random_init(&numbers, 5);
    for (size_t n = 0; n < 300; n += n < 40 ? 1 : 37) {
        for (size_t k = 0; k <= n; k += k < 20 ? 1 : 13) {
            for (size_t i = 0; i < n; i++)
                a[i] = (hl_candidate){.id = (int32_t)i, .key = (float)(int)(50 * hl_random_next(&numbers))};
            memcpy(b, a, sizeof a);
            hl_sort_best_by_key(a, n, k);
            hl_sort_by_key(b, n);
            for (size_t i = 0; i < k; i++) assert_int_equal(a[i].id, b[i].id);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_draws_what_an_ordered_vocabulary_gives),
        cmocka_unit_test(the_best_come_first_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
