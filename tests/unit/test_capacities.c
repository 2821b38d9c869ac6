/* SPDX-License-Identifier: MIT
 *
 * test_capacities.c - every line of engine/capacities.def: a file that says more is refused with both
 * numbers, and what does not fit all the same ends the pass in an error, with nothing written past a buffer.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/forward/ffn_chunk.h"
#include "engine/forward/forward_priv.h"
#include "engine_fixture.h"
#include "model_fixture.h"

enum { N_ROWS = 16, N_CTX = 64, N_VOCAB = 300 };

/* ---- what a file may say ---- */

typedef struct number {
    const char *key;
    uint64_t    value;
} number;

/* Sizes from which no other limit is passed when one of them is. */
static const number usual[] = {
    {"block_count", 1},           {"context_length", 64},       {"embedding_length", 1024},
    {"feed_forward_length", 64},  {"attention.head_count", 64}, {"attention.head_count_kv", 1},
    {"attention.key_length", 16}, {"expert_count", 4},          {"expert_used_count", 2},
};

static hl_status load(const char *key, uint64_t value, const number *also, hl_hparams *ret, hl_err *err) {
    char            path[] = "/tmp/hl_limits_XXXXXX";
    char            names[12][64];
    size_t          n = 0;
    hl_gguf        *g = NULL;
    hl_gguf_writer *w = hl_gguf_writer_new();
    assert_true(w);
    make_scratch(path);
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        uint64_t x = usual[i].value;
        if (also && strcmp(usual[i].key, also->key) == 0) x = also->value;
        if (strcmp(usual[i].key, key) == 0 || x == 0) continue;
        (void)snprintf(names[n], sizeof names[n], "llama.%s", usual[i].key);
        hl_gguf_writer_add_u32(w, names[n++], (uint32_t)x);
    }
    (void)snprintf(names[n], sizeof names[n], "llama.%s", key);
    hl_gguf_writer_add_u32(w, names[n], (uint32_t)value);
    if (hl_gguf_writer_save(w, path, err) != HL_OK) fail_msg("%s", err->text);
    hl_gguf_writer_free(w);
    if (hl_gguf_open(path, &g, err) != HL_OK) fail_msg("%s", err->text);
    (void)unlink(path);
    hl_arena arena;
    hl_arena_init(&arena, 1 << 20);
    const hl_status status = hl_hparams_load(g, hl_arch_find(hl_view_of("llama")), &arena, ret, err);
    ret->layers = NULL;
    hl_arena_done(&arena);
    hl_gguf_close(g);
    return status;
}

static void check_refused(const char *key, uint64_t value, const number *also, uint64_t found,
                          uint64_t most) {
    hl_hparams hp;
    hl_err     err = {0};
    char       words[100];
    (void)snprintf(words, sizeof words, "is %llu, but there is room for %llu", (unsigned long long)found,
                   (unsigned long long)most);
    if (load(key, value, also, &hp, &err) != HL_E_FORMAT || !strstr(err.text, words))
        fail_msg("%s = %llu: '%s', expected '%s'", key, (unsigned long long)value, err.text, words);
}

static void a_file_that_says_more_than_there_is_room_for_is_refused(void **state) {
    (void)state;
    const struct {
        const char *name, *key;
        uint64_t    most;
    } rows[] = {
#define HL_LIMIT(name, most, hparam, key, who) {#name, key, most},
#include "engine/capacities.def"
#undef HL_LIMIT
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint64_t over = rows[i].most + 1;
        if (strcmp(rows[i].name, "VOCAB") == 0) continue;  /* is no key */
        if (strcmp(rows[i].name, "WINDOW") == 0) continue; /* not of this family */
        if (strcmp(rows[i].name, "SHARED_FF") == 0) continue;
        if (strcmp(rows[i].name, "TAPS") == 0 || strncmp(rows[i].name, "STATE_", 6) == 0) continue;
        const bool is_kv = strcmp(rows[i].name, "KV_HEADS") == 0,
                   is_heads = strcmp(rows[i].name, "HEADS") == 0;
        const bool is_used = strcmp(rows[i].name, "EXPERTS_USED") == 0,
                   is_rot = strcmp(rows[i].name, "ROT") == 0;
        const number heads = {"attention.head_count", over}, experts = {"expert_count", over};
        if (is_rot) continue; /* a head is as large at least, and is refused first */
        if (is_kv) {          /* as many query heads, which are refused first */
            check_refused(rows[i].key, over, &heads, over, rows[i].most);
            continue;
        }
        check_refused(rows[i].key, over, is_used ? &experts : NULL, over, rows[i].most);
        if (is_heads) check_refused(rows[i].key, UINT32_MAX - 1, NULL, UINT32_MAX - 1, rows[i].most);
    }
}

static void a_default_is_held_to_the_same_limit(void **state) {
    hl_hparams   hp;
    hl_err       err = {0};
    const number no_length = {"attention.key_length", 0};
    (void)state;
    assert_int_equal(load("attention.head_count", 2, &no_length, &hp, &err), HL_OK); /* 1024 / 2 */
    assert_int_equal(hp.most.head_dim, 512);
    check_refused("attention.head_count", 1, &no_length, 1024, 576);
    const number no_expert_ff = {"feed_forward_length", 0};
    assert_int_equal(load("expert_feed_forward_length", 96, &no_expert_ff, &hp, &err), HL_OK);
    check_refused("feed_forward_length", (1 << 20) + 1, NULL, (1 << 20) + 1, 1 << 20);
}

static void sizes_that_do_not_agree_are_refused_by_their_key(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint64_t    value;
        const char *words; /* NULL: taken */
    } rows[] = {
        {"rope.dimension_count", 16, NULL},
        {"rope.dimension_count", 2, NULL},
        {"rope.dimension_count", 3, "an even number up to the head size"},
        {"rope.dimension_count", 15, "an even number up to the head size"},
        {"rope.dimension_count", 18, "an even number up to the head size"},
        {"attention.value_length", 16, NULL},
        {"attention.value_length", 8, NULL},
        {"attention.value_length", 32, NULL},
        {"attention.head_count_kv", 64, NULL},
        {"attention.head_count_kv", 32, NULL},
        {"attention.head_count_kv", 3, "a multiple of attention.head_count_kv"},
        {"attention.head_count_kv", 128, "a multiple of attention.head_count_kv"},
        {"expert_used_count", 4, NULL},
        {"expert_used_count", 5, "at most expert_count"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_hparams      hp;
        hl_err          err = {0};
        const hl_status status = load(rows[i].key, rows[i].value, NULL, &hp, &err);
        if (status != (rows[i].words ? HL_E_FORMAT : HL_OK) ||
            (rows[i].words && !strstr(err.text, rows[i].words)))
            fail_msg("%s = %llu: '%s'", rows[i].key, (unsigned long long)rows[i].value, err.text);
    }
}

/* What a file may say of one size: numbers of several kinds, one for each layer, or nonsense. */
static void a_size_is_a_whole_number_however_it_is_written(void **state) {
    (void)state;
    enum { FLOAT, TEXT, ARRAY };
    static const struct {
        const char *key;
        int         kind;
        float       value;
        uint32_t    n, list[4];
        const char *words; /* NULL: it is 64 */
    } rows[] = {
        {"llama.feed_forward_length", FLOAT, 64, 0, {0}, NULL},
        {"llama.feed_forward_length", FLOAT, 64.5f, 0, {0}, "is 64.5, expected a whole number from 1 on"},
        {"llama.feed_forward_length", FLOAT, -64, 0, {0}, "is -64, expected a whole number from 1 on"},
        {"llama.feed_forward_length", FLOAT, 1e12f, 0, {0}, "expected a whole number from 1 on"},
        {"llama.feed_forward_length", FLOAT, NAN, 0, {0}, "expected a whole number from 1 on"},
        {"llama.feed_forward_length", FLOAT, 0, 0, {0}, "is missing or 0"},
        {"llama.feed_forward_length", TEXT, 0, 0, {0}, "expected a number"},
        {"llama.feed_forward_length", ARRAY, 0, 2, {64, 64}, NULL},
        {"llama.feed_forward_length", ARRAY, 0, 3, {64, 64, 9}, NULL}, /* of a layer that is not there */
        {"llama.feed_forward_length", ARRAY, 0, 1, {64}, "1 values, expected one per layer (2)"},
        {"llama.attention.layer_norm_rms_epsilon",
         FLOAT,
         INFINITY,
         0,
         {0},
         "is inf, expected a finite number"},
        {"llama.attention.layer_norm_rms_epsilon", TEXT, 0, 0, {0}, "expected a number"},
        {"llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-6f, 0, {0}, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char            path[] = "/tmp/hl_sizes_XXXXXX";
        hl_hparams      hp;
        hl_err          err = {0};
        hl_gguf        *g = NULL;
        hl_gguf_writer *w = hl_gguf_writer_new();
        assert_true(w);
        make_scratch(path);
        hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
        hl_gguf_writer_add_u32(w, "llama.block_count", 2);
        hl_gguf_writer_add_u32(w, "llama.context_length", 64);
        hl_gguf_writer_add_u32(w, "llama.embedding_length", 64);
        hl_gguf_writer_add_u32(w, "llama.attention.head_count", 4);
        if (strstr(rows[i].key, "epsilon")) hl_gguf_writer_add_u32(w, "llama.feed_forward_length", 64);
        if (rows[i].kind == FLOAT) hl_gguf_writer_add_f32(w, rows[i].key, rows[i].value);
        if (rows[i].kind == TEXT) hl_gguf_writer_add_text(w, rows[i].key, hl_view_of("64"));
        if (rows[i].kind == ARRAY)
            hl_gguf_writer_add_array(w, rows[i].key, HL_GGUF_U32, rows[i].n, rows[i].list);
        if (hl_gguf_writer_save(w, path, &err) != HL_OK) fail_msg("%s", err.text);
        hl_gguf_writer_free(w);
        if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
        (void)unlink(path);
        hl_arena arena;
        hl_arena_init(&arena, 1 << 20);
        const hl_status status = hl_hparams_load(g, hl_arch_find(hl_view_of("llama")), &arena, &hp, &err);
        if (rows[i].words && (status != HL_E_FORMAT || !strstr(err.text, rows[i].words)))
            fail_msg("row %zu: '%s', expected '%s'", i, err.text, rows[i].words);
        if (!rows[i].words && status != HL_OK) fail_msg("row %zu: %s", i, err.text);
        if (!rows[i].words) assert_int_equal(hp.layers[1].n_ff, 64);
        hl_arena_done(&arena);
        hl_gguf_close(g);
    }
}

/* ---- what does not fit all the same ---- */

typedef struct setup {
    hl_engine  *e;
    hl_model   *m;
    hl_kv_pool *pool;
    hl_seq      seq;
    hl_pass    *f;
    int32_t     tokens[N_ROWS + 1], pos[N_ROWS + 1];
    hl_seq     *seqs[N_ROWS + 1];
    uint32_t    out[N_ROWS + 1];
    float      *logits; /* [1][N_VOCAB] */
    hl_batch    b;
} setup;

static void open_pass(setup *s, int32_t bits, uint32_t group, uint32_t n_experts) {
    char        path[] = "/tmp/hl_rooms_XXXXXX";
    const char *p = path;
    hl_err      err = {0};
    mf_shape    shape = {.n_vocab = N_VOCAB,
                         .n_embd = 64,
                         .n_heads = 2 * group,
                         .n_kv_heads = 2,
                         .head_dim = 16,
                         .n_ff = 64,
                         .n_layers = 2,
                         .n_experts = n_experts,
                         .n_experts_used = n_experts / 2,
                         .type = HL_TYPE_q8_0};
    *s = (setup){0};
    make_scratch(path);
    mf_must_write(path, &shape);
    s->e = new_engine(1, "scalar", bits);
    if (hl_model_open(s->e, &p, 1, NULL, &s->m, &err) != HL_OK) fail_msg("%s", err.text);
    (void)unlink(path);
    const hl_kv_shape kv = {HL_KV_CACHE_F16, 2, 2, 16, NULL, 0};
    assert_int_equal(hl_kv_pool_new(&hl_kv_host_ops, &kv, 4, &s->pool, &err), HL_OK);
    assert_int_equal(hl_seq_init(&s->seq, s->pool, 4 * HL_KV_PAGE_TOKENS, &err), HL_OK);
    assert_true(hl_seq_reserve(&s->seq, N_CTX));
    assert_int_equal(hl_pass_new(s->m, N_ROWS, N_CTX, &s->f, &err), HL_OK);
    for (int32_t i = 0; i <= N_ROWS; i++) {
        s->tokens[i] = i + 3;
        s->pos[i] = i;
        s->seqs[i] = &s->seq;
    }
    s->out[0] = N_ROWS - 1;
    s->logits = hl_new(N_VOCAB, sizeof *s->logits);
    s->b = (hl_batch){.n_rows = N_ROWS,
                      .tokens = s->tokens,
                      .pos = s->pos,
                      .seqs = s->seqs,
                      .n_out = 1,
                      .out_rows = s->out};
}

static void close_pass(setup *s) {
    hl_pass_free(s->f);
    hl_seq_done(&s->seq);
    hl_kv_pool_free(s->pool);
    hl_model_close(s->m);
    hl_engine_free(s->e);
    hl_free(s->logits);
}

static void expect_breach(setup *s, hl_room room, size_t found, size_t has) {
    static const char *const whats[] = {
#define HL_ROOM(name, what, who, why) what,
#include "engine/capacities.def"
#undef HL_ROOM
    };
    hl_err err = {0};
    char   words[200];
    (void)snprintf(words, sizeof words, "forward pass: %s: %zu, but there is room for %zu", whats[room],
                   found, has);
    const hl_status status = hl_pass_eval(s->f, &s->b, NULL, s->logits, &err);
    if (status != HL_E_INTERNAL || strcmp(err.text, words) != 0)
        fail_msg("status %d, '%s', expected '%s'", status, err.text, words);
}

/* Each undone: the pass is good before and after. */
static void good(setup *s) {
    hl_err err = {0};
    if (hl_pass_eval(s->f, &s->b, NULL, s->logits, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_pass_check_row(s->f, &s->b, 0, &err), HL_OK);
}

static void a_batch_that_does_not_fit_ends_the_pass(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 2, 0);
    good(&s);
    s.b.n_rows = N_ROWS + 1;
    expect_breach(&s, HL_ROOM_BATCH_ROWS, N_ROWS + 1, N_ROWS);
    s.b.n_rows = N_ROWS;
    s.out[0] = N_ROWS;
    expect_breach(&s, HL_ROOM_BATCH_ROWS, N_ROWS + 1, N_ROWS);
    s.out[0] = 0;
    s.tokens[3] = N_VOCAB;
    expect_breach(&s, HL_ROOM_BATCH_TOKEN, N_VOCAB + 1, N_VOCAB);
    s.tokens[3] = -1;
    expect_breach(&s, HL_ROOM_BATCH_TOKEN, (size_t)UINT32_MAX + 1, N_VOCAB);
    s.tokens[3] = 0;
    s.pos[5] = N_CTX;
    expect_breach(&s, HL_ROOM_BATCH_POSITION, N_CTX + 1, N_CTX);
    s.pos[5] = -1;
    expect_breach(&s, HL_ROOM_BATCH_POSITION, (size_t)UINT32_MAX + 1, N_CTX);
    s.pos[5] = 5;
    good(&s);
    hl_seq_truncate(&s.seq, 0);
    expect_breach(&s, HL_ROOM_BATCH_POSITION, 1, 0);
    assert_true(hl_seq_reserve(&s.seq, N_CTX));
    good(&s);
    close_pass(&s);
}

static void a_shape_that_does_not_fit_ends_the_pass(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 2, 0);
    hl_layer *l = &s.m->layers[0];
    l->w[HL_W_K].n_rows++;
    expect_breach(&s, HL_ROOM_LINEAR_RESULTS, 33, 32);
    l->w[HL_W_K].n_rows--;
    l->w[HL_W_O].n_cols += 32;
    expect_breach(&s, HL_ROOM_LINEAR_COLUMNS, 96, 64);
    l->w[HL_W_O].n_cols -= 32;
    s.m->out.n_rows++;
    expect_breach(&s, HL_ROOM_LINEAR_RESULTS, N_VOCAB + 1, N_VOCAB);
    s.m->out.n_rows--;
    s.f->act_ff.n_values--;
    expect_breach(&s, HL_ROOM_ACT_VALUES, N_ROWS * 64, N_ROWS * 64 - 1);
    s.f->act_ff.n_values++;
    s.f->threads[0].matmul.n_bytes--;
    expect_breach(&s, HL_ROOM_MATMUL_SCRATCH, hl_matmul_scratch_bytes(64, 0),
                  hl_matmul_scratch_bytes(64, 0) - 1);
    s.f->threads[0].matmul.n_bytes++;
    s.f->n_splits_cap = 0;
    expect_breach(&s, HL_ROOM_ITEM_SPLITS, 1, 0);
    s.f->n_splits_cap = 2;
    good(&s);
    close_pass(&s);
    open_pass(&s, 16, 2, 0);
    good(&s);
    s.f->threads[0].matmul.n_bytes--;
    expect_breach(&s, HL_ROOM_MATMUL_SCRATCH, hl_matmul_scratch_bytes(64, N_ROWS),
                  hl_matmul_scratch_bytes(64, N_ROWS) - 1);
    close_pass(&s);
}

static void a_group_of_heads_that_was_not_cut_ends_the_pass(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 100, 0);
    good(&s);
    s.f->tile_queries = 128; /* by which groups are cut */
    expect_breach(&s, HL_ROOM_TILE_QUERIES, 100, HL_ATTEND_MAX_QUERIES);
    s.f->tile_queries = 64;
    good(&s);
    close_pass(&s);
}

static void experts_that_do_not_fit_end_the_pass(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 2, 8);
    good(&s);
    s.f->n_rows_cap--;
    s.b.n_rows--;
    s.out[0]--;
    good(&s);
    s.b.n_rows++;
    expect_breach(&s, HL_ROOM_BATCH_ROWS, N_ROWS, N_ROWS - 1);
    s.f->n_rows_cap++;
    s.f->act_ff.n_values--;
    expect_breach(&s, HL_ROOM_ACT_VALUES, N_ROWS * 4 * 64, N_ROWS * 4 * 64 - 1);
    close_pass(&s);
}

static void expect_noted(setup *s, hl_room room, size_t found, size_t has) {
    assert_true(hl_pass_stopped(s->f));
    assert_int_equal(s->f->breach.what, room);
    assert_int_equal(s->f->breach.found, found);
    assert_int_equal(s->f->breach.room, has);
    good(s); /* the next pass is a new one */
}

/* What no batch and no matrix brings about: a part of the pass that asks for more than it said. */
static void parts_of_a_pass_are_held_to_what_they_said(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 2, 0);
    good(&s);
    hl_matrix      *w = &s.m->layers[0].w[HL_W_Q];
    const hl_linear plain = {.w = w, .x = hl_act_of(&s.f->act, 0, 1, 64), .y = s.f->qkv, .y_cols = w->n_rows};
    hl_linear       linears[9] = {plain, plain, plain, plain, plain, plain, plain, plain, plain};
    hl_linear_run(s.f, linears, 9);
    expect_noted(&s, HL_ROOM_REGION_LINEARS, 9, 6);
    linears[0].x.n_tokens = N_ROWS + 1;
    hl_linear_run(s.f, linears, 1);
    expect_noted(&s, HL_ROOM_LINEAR_ROWS, N_ROWS + 1, N_ROWS);
    const hl_glu glu = {.gate = w, .up = w};
    hl_glu_chunk(s.f, &glu, &linears[0].x, 0, 32, 0);
    expect_noted(&s, HL_ROOM_GLU_TOKENS, N_ROWS + 1, N_ROWS);
    close_pass(&s);
}

static void heads_larger_than_kernels_know_end_the_pass(void **state) {
    setup s;
    (void)state;
    open_pass(&s, 8, 2, 0);
    good(&s);
    hl_layer_params *p = &s.m->hp.layers[0];
    const uint32_t   room = p->head_room;
    p->head_room = HL_ATTEND_MAX_HEAD_DIM + 16;
    expect_breach(&s, HL_ROOM_HEAD_DIM, HL_ATTEND_MAX_HEAD_DIM + 16, HL_ATTEND_MAX_HEAD_DIM);
    p->head_room = room;
    good(&s);
    close_pass(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_says_more_than_there_is_room_for_is_refused),
        cmocka_unit_test(a_default_is_held_to_the_same_limit),
        cmocka_unit_test(a_size_is_a_whole_number_however_it_is_written),
        cmocka_unit_test(sizes_that_do_not_agree_are_refused_by_their_key),
        cmocka_unit_test(a_batch_that_does_not_fit_ends_the_pass),
        cmocka_unit_test(a_shape_that_does_not_fit_ends_the_pass),
        cmocka_unit_test(a_group_of_heads_that_was_not_cut_ends_the_pass),
        cmocka_unit_test(experts_that_do_not_fit_end_the_pass),
        cmocka_unit_test(parts_of_a_pass_are_held_to_what_they_said),
        cmocka_unit_test(heads_larger_than_kernels_know_end_the_pass),
    };
    return cmocka_run_group_tests_name("capacities", tests, NULL, NULL);
}
