/* SPDX-License-Identifier: MIT
 *
 * test_experts.c - models whose experts stay in the file: the order in which they leave, what of them is
 * taken to be in memory, which plans fit, and logits that are the same to the bit.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "engine/admit.h"
#include "engine/expert_pages.h"
#include "engine_fixture.h"
#include "model_fixture.h"

enum { N_VOCAB = 300, N_TOKENS = 70 };

/* ---- the order of last uses ---- */

static void the_oldest_leaves_first(void **state) {
    (void)state;
    hl_lru l;
    hl_err err = {0};
    assert_int_equal(hl_lru_init(&l, 5, &err), HL_OK);
    assert_int_equal(hl_lru_take_oldest(&l), UINT32_MAX);
    for (uint32_t i = 0; i < 5; i++) assert_true(hl_lru_use(&l, i));
    assert_int_equal(l.n, 5);
    assert_false(hl_lru_use(&l, 0)); /* the oldest becomes the newest */
    assert_false(hl_lru_use(&l, 0));
    assert_false(hl_lru_use(&l, 3)); /* from the middle */
    static const uint32_t want[] = {1, 2, 4, 0, 3};
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(hl_lru_take_oldest(&l), want[i]);
    assert_int_equal(hl_lru_take_oldest(&l), UINT32_MAX);
    assert_int_equal(l.n, 0);
    assert_true(hl_lru_use(&l, 4)); /* it had left */
    assert_int_equal(hl_lru_take_oldest(&l), 4);
    hl_lru_done(&l);
    hl_lru_done(&l);
}

static void one_slot_is_enough(void **state) {
    (void)state;
    hl_lru l;
    hl_err err = {0};
    assert_int_equal(hl_lru_init(&l, 1, &err), HL_OK);
    assert_true(hl_lru_use(&l, 0));
    assert_false(hl_lru_use(&l, 0));
    assert_int_equal(l.n, 1);
    assert_int_equal(hl_lru_take_oldest(&l), 0);
    assert_int_equal(hl_lru_take_oldest(&l), UINT32_MAX);
    hl_lru_done(&l);
}

/* Against a list that is searched. */
static void any_order_of_uses_is_kept(void **state) {
    (void)state;
    enum { SLOTS = 37, STEPS = 20000 };
    hl_lru   l;
    hl_err   err = {0};
    uint32_t list[SLOTS], n = 0, random = 5;
    assert_int_equal(hl_lru_init(&l, SLOTS, &err), HL_OK);
    for (int i = 0; i < STEPS; i++) {
        random = random * 1664525u + 1013904223u;
        const uint32_t slot = (random >> 16) % SLOTS;
        if (random >> 30 == 0) {
            const uint32_t want = n ? list[0] : UINT32_MAX;
            assert_int_equal(hl_lru_take_oldest(&l), want);
            if (n) memmove(list, list + 1, --n * sizeof *list);
        } else {
            uint32_t at = 0;
            while (at < n && list[at] != slot) at++;
            assert_int_equal(hl_lru_use(&l, slot), at == n);
            if (at < n) memmove(list + at, list + at + 1, (--n - at) * sizeof *list);
            list[n++] = slot;
        }
        assert_int_equal(l.n, n);
    }
    hl_lru_done(&l);
}

/* ---- models ---- */

typedef struct setup {
    hl_engine *e;
    hl_model  *m;
} setup;

static setup open_shape(const mf_shape *s, int32_t n_threads) {
    char   path[] = "/tmp/hl_experts_XXXXXX";
    hl_err err = {0};
    setup  x = {.e = new_engine(n_threads, NULL, 0)};
    close(mkstemp(path));
    mf_must_write(path, s);
    const char *const paths[] = {path};
    if (hl_model_open(x.e, paths, 1, NULL, &x.m, &err) != HL_OK) fail_msg("%s", err.text);
    unlink(path);
    return x;
}

static void close_setup(setup *x) {
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

static mf_shape shape_of(uint32_t n_experts, uint32_t n_used, uint32_t n_layers) {
    return (mf_shape){.n_vocab = N_VOCAB,
                      .n_embd = 64,
                      .n_heads = 2,
                      .n_kv_heads = 1,
                      .head_dim = 32,
                      .n_ff = 96,
                      .n_layers = n_layers,
                      .n_experts = n_experts,
                      .n_experts_used = n_used,
                      .type = HL_TYPE_q8_0};
}

/* Of q8_0: 34 bytes for 32 values. */
static uint64_t bytes_of_expert(const mf_shape *s) { return 3 * (uint64_t)s->n_ff * s->n_embd / 32 * 34; }

static void what_is_held_stays_within_what_is_kept(void **state) {
    (void)state;
    const mf_shape s = shape_of(6, 2, 3);
    const uint64_t one = bytes_of_expert(&s);
    setup          x = open_shape(&s, 1);
    hl_experts    *e = x.m->experts;
    assert_int_equal(hl_model_experts_bytes(x.m), 18 * one);
    assert_int_equal(hl_experts_layer_bytes(e), 6 * one);
    assert_int_equal(hl_model_experts_kept(x.m), 0);
    hl_experts_need(e, &x.m->layers[0], 0, 1); /* all are kept: nobody counts */
    hl_experts_let_go(e, x.m, 1);
    assert_int_equal(hl_experts_held(e), 0);
    hl_model_keep_experts(x.m, 0); /* nothing is no amount */
    assert_int_equal(hl_model_experts_kept(x.m), 0);

    hl_model_keep_experts(x.m, 3 * one + 1);
    assert_int_equal(hl_model_experts_kept(x.m), 3 * one + 1);
    for (uint32_t i = 0; i < 3; i++) {
        hl_experts_need(e, &x.m->layers[i], i, 5);
        hl_experts_let_go(e, x.m, 1);
        assert_int_equal(hl_experts_held(e), (i + 1) * one);
    }
    hl_experts_need(e, &x.m->layers[2], 2, 5); /* again: counted once */
    hl_experts_let_go(e, x.m, 1);
    assert_int_equal(hl_experts_held(e), 3 * one);
    hl_experts_need(e, &x.m->layers[0], 0, 0);
    hl_experts_let_go(e, x.m, 1);
    assert_int_equal(hl_experts_held(e), 3 * one);

    for (uint32_t i = 0; i < 6; i++) hl_experts_need(e, &x.m->layers[1], 1, i);
    hl_experts_let_go(e, x.m, 6); /* those of this pass stay, though they are more than is kept */
    assert_int_equal(hl_experts_held(e), 6 * one);
    hl_experts_need(e, &x.m->layers[2], 2, 0);
    hl_experts_let_go(e, x.m, 1);
    assert_int_equal(hl_experts_held(e), 3 * one);
    hl_model_keep_experts(x.m, 1);
    hl_experts_let_go(e, x.m, 0);
    assert_int_equal(hl_experts_held(e), 0);
    close_setup(&x);
}

static void a_dense_model_has_no_experts(void **state) {
    (void)state;
    const mf_shape s = shape_of(0, 0, 2);
    setup          x = open_shape(&s, 1);
    assert_null(x.m->experts);
    assert_int_equal(hl_model_experts_bytes(x.m), 0);
    hl_model_keep_experts(x.m, 100);
    assert_int_equal(hl_model_experts_kept(x.m), 0);
    close_setup(&x);
}

/* ---- plans ---- */

static void plans_fit_with_their_experts_or_without(void **state) {
    (void)state;
    const mf_shape s = shape_of(4, 2, 3);
    setup          x = open_shape(&s, 1);
    const uint64_t one = bytes_of_expert(&s), weights = hl_model_weights_bytes(x.m);
    const uint64_t dense = weights - 12 * one, own = 1000 + 200 + 30;
    hl_memory_plan p = {.weights_bytes = weights, .kv_bytes = 1000, .scratch_bytes = 200, .draft_bytes = 30};
    const struct {
        uint64_t      available;
        hl_memory_fit want;
    } cases[] = {{0, HL_FITS}, /* unknown */
                 {own + weights, HL_FITS},
                 {own + weights - 1, HL_FITS_FROM_DISK},
                 {own + dense + 4 * one, HL_FITS_FROM_DISK}, /* a layer's experts */
                 {own + dense + 4 * one - 1, HL_FITS_NOT},
                 {own, HL_FITS_NOT},
                 {own - 1, HL_FITS_NOT},
                 {1, HL_FITS_NOT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        p.available_bytes = cases[i].available;
        assert_int_equal(hl_memory_judge(x.m, &p), cases[i].want);
    }
    hl_memory_plan huge = p; /* sums that wrap */
    huge.available_bytes = own + weights;
    huge.kv_bytes = huge.scratch_bytes = UINT64_MAX - 5;
    assert_int_equal(hl_memory_judge(x.m, &huge), HL_FITS_NOT);

    hl_err err = {0};
    p.available_bytes = own + weights - 1;
    x.e->planned_weights_bytes = 7; /* another model's: it is unloaded before experts stay on disk */
    assert_int_equal(hl_memory_judge(x.m, &p), HL_FITS_NOT);
    assert_int_equal(hl_memory_admit(x.m, NULL, &p, 64, &err), HL_E_NOMEM);
    assert_int_equal(hl_model_experts_kept(x.m), 0);
    x.e->planned_weights_bytes = 0;
    assert_int_equal(hl_memory_admit(x.m, NULL, &p, 64, &err), HL_OK);
    assert_int_equal(hl_model_experts_kept(x.m), 12 * one - 1);
    assert_int_equal(hl_memory_judge(x.m, &p), HL_FITS_FROM_DISK); /* its own weights are no others' */
    hl_memory_release(x.m, NULL, &p);
    assert_int_equal(x.e->planned_weights_bytes, 0);
    close_setup(&x);
}

/* ---- answers ---- */

/* Logits behind a text that is read in passes of `step` tokens. */
static void compute(const mf_shape *s, int32_t n_threads, uint64_t kept, size_t step, float *ret) {
    setup       x = open_shape(s, n_threads);
    hl_session *session = NULL;
    hl_err      err = {0};
    int32_t     tokens[N_TOKENS];
    for (int i = 0; i < N_TOKENS; i++) tokens[i] = i * 7 % 256;
    hl_model_keep_experts(x.m, kept);
    assert_int_equal(hl_session_new(x.m, &(hl_session_params){.n_ctx = 128}, &session, &err), HL_OK);
    for (size_t at = 0; at < N_TOKENS; at += step) {
        const size_t n = N_TOKENS - at < step ? N_TOKENS - at : step;
        if (hl_session_eval(session, tokens + at, n, &err) != HL_OK) fail_msg("%s", err.text);
    }
    if (kept) assert_true(hl_experts_held(x.m->experts) > 0);
    memcpy(ret, hl_session_logits(session), N_VOCAB * sizeof *ret);
    hl_session_free(session);
    close_setup(&x);
}

static void logits_are_the_same_to_the_bit(void **state) {
    (void)state;
    static const uint32_t shapes[][3] = {{1, 1, 1}, {4, 2, 2}, {7, 7, 3}, {13, 3, 2}};
    static const uint64_t kept[] = {1, 10000, 1 << 20};
    static const size_t   steps[] = {1, 33, N_TOKENS};
    float                 want[N_VOCAB], got[N_VOCAB];
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const mf_shape s = shape_of(shapes[i][0], shapes[i][1], shapes[i][2]);
        compute(&s, 1, 0, N_TOKENS, want);
        for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
            compute(&s, k == 1 ? 2 : 1, kept[k], steps[k], got);
            assert_memory_equal(got, want, sizeof want);
        }
    }
}

/* Two sessions of one model at once, each on a thread of its own. */
typedef struct reader {
    hl_model *m;
    float     logits[N_VOCAB];
    bool      is_ok;
} reader;

static void *read_text(void *arg) {
    reader     *r = arg;
    hl_session *session = NULL;
    hl_err      err = {0};
    bool        ok = hl_session_new(r->m, &(hl_session_params){.n_ctx = 128}, &session, &err) == HL_OK;
    for (int32_t i = 0; i < N_TOKENS && ok; i++)
        ok = hl_session_eval(session, &(int32_t){i * 7 % 256}, 1, &err) == HL_OK;
    if (ok) memcpy(r->logits, hl_session_logits(session), sizeof r->logits);
    r->is_ok = ok;
    hl_session_free(session);
    return NULL;
}

static void sessions_share_what_is_kept(void **state) {
    (void)state;
    const mf_shape s = shape_of(8, 2, 3);
    setup          x = open_shape(&s, 1);
    float          want[N_VOCAB];
    reader         r[2] = {{.m = x.m}, {.m = x.m}};
    pthread_t      threads[2];
    compute(&s, 1, 0, N_TOKENS, want);
    hl_model_keep_experts(x.m, 5 * bytes_of_expert(&s));
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_text, &r[i]), 0);
    for (int i = 0; i < 2; i++) (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_true(r[i].is_ok);
        assert_memory_equal(r[i].logits, want, sizeof want);
    }
    assert_true(hl_experts_held(x.m->experts) <= 5 * bytes_of_expert(&s));
    close_setup(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_leaves_first),
        cmocka_unit_test(one_slot_is_enough),
        cmocka_unit_test(any_order_of_uses_is_kept),
        cmocka_unit_test(what_is_held_stays_within_what_is_kept),
        cmocka_unit_test(a_dense_model_has_no_experts),
        cmocka_unit_test(plans_fit_with_their_experts_or_without),
        cmocka_unit_test(logits_are_the_same_to_the_bit),
        cmocka_unit_test(sessions_share_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
