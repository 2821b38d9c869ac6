/* SPDX-License-Identifier: MIT
 *
 * test_prefix_tree.c - what the prefix tree promises: longest matches, exact sharing, the oldest leaf leaves
 * first, no block lost or given back twice under random use.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "engine/kv/kv_host.h"
#include "engine/kv/prefix_tree.h"

enum { BLOCK = HL_KV_PAGE_TOKENS, N_BLOCKS = 24, N_CTX = 8 * BLOCK };

static const hl_kv_shape shape = {HL_KV_CACHE_F32, 1, 1, 4, NULL, 0};

typedef struct setup {
    hl_kv_pool     *pool;
    hl_prefix_tree *tree;
} setup;

static setup open_tree(uint32_t n_blocks) {
    setup x = {0};
    assert_int_equal(hl_kv_pool_new(&hl_kv_host_ops, &shape, n_blocks, &x.pool, NULL), HL_OK);
    assert_int_equal(hl_prefix_tree_new(x.pool, &x.tree, NULL), HL_OK);
    return x;
}

static void close_tree(setup *x) {
    hl_prefix_tree_free(x->tree);
    assert_int_equal(hl_kv_pool_n_free(x->pool), hl_kv_pool_n_blocks(x->pool)); /* nothing is held any more */
    hl_kv_pool_free(x->pool);
}

static void put(setup *x, uint32_t block, int32_t slot, hl_prefix_key token) {
    assert_int_equal(
        hl_kv_block_write(x->pool, block, (size_t)slot * sizeof token, sizeof token, &token, NULL), HL_OK);
}

static hl_prefix_key get(setup *x, uint32_t block, int32_t slot) {
    hl_prefix_key token = 0;
    assert_int_equal(
        hl_kv_block_read(x->pool, block, (size_t)slot * sizeof token, sizeof token, &token, NULL), HL_OK);
    return token;
}

/* "Compute" positions: every slot of a block gets the key it was computed from, so contents can be
 * checked. */
static void compute(setup *x, hl_seq *s, const hl_prefix_key *tokens, int32_t n) {
    assert_true(hl_seq_reserve(s, n));
    for (; s->n_pos < n; s->n_pos++) {
        const uint32_t block = s->blocks[s->n_pos / BLOCK];
        assert_int_equal(hl_kv_block_refs(x->pool, block), 1); /* a shared block is never written */
        put(x, block, s->n_pos % BLOCK, tokens[s->n_pos]);
    }
}

static void check_contents(setup *x, const hl_seq *s, const hl_prefix_key *tokens) {
    for (int32_t i = 0; i < s->n_pos; i++)
        assert_int_equal(get(x, s->blocks[i / BLOCK], i % BLOCK), tokens[i]);
}

/* Add all blocks of a sequence, the last one maybe short, and end it. */
static void remember(setup *x, hl_seq *s, const hl_prefix_key *tokens) {
    hl_prefix_node *node = hl_prefix_tree_root(x->tree);
    for (int32_t at = 0; at < s->n_pos; at += BLOCK) {
        const uint32_t n = s->n_pos - at < BLOCK ? (uint32_t)(s->n_pos - at) : BLOCK;
        node = hl_prefix_tree_add(x->tree, node, tokens + at, n, s, (uint32_t)(at / BLOCK));
        assert_non_null(node);
    }
    hl_seq_done(s);
}

static void learn(setup *x, const hl_prefix_key *tokens, int32_t n) {
    hl_seq s;
    assert_int_equal(hl_seq_init(&s, x->pool, N_CTX, NULL), HL_OK);
    compute(x, &s, tokens, n);
    remember(x, &s, tokens);
}

static int32_t match(setup *x, const hl_prefix_key *tokens, int32_t n, hl_seq *ret) {
    hl_prefix_node *node;
    assert_int_equal(hl_seq_init(ret, x->pool, N_CTX, NULL), HL_OK);
    return hl_prefix_tree_match(x->tree, hl_prefix_tree_root(x->tree), tokens, n, ret, &node);
}

static void fill(hl_prefix_key *tokens, int32_t n, int32_t seed) {
    for (int32_t i = 0; i < n; i++) tokens[i] = hl_prefix_key_of(seed * 1000 + i);
}

static void a_prefix_is_found_to_the_last_token(void **state) {
    (void)state;
    setup         x = open_tree(N_BLOCKS);
    hl_prefix_key a[N_CTX];
    fill(a, N_CTX, 1);
    learn(&x, a, 3 * BLOCK + 20);
    assert_int_equal(hl_prefix_tree_n_blocks(x.tree), 4);
    static const int32_t lengths[] = {1, 5, 63, 64, 65, 100, 128, 191, 192, 193, 211, 212};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        hl_seq s;
        assert_int_equal(match(&x, a, lengths[i], &s), lengths[i]);
        check_contents(&x, &s, a);
        hl_seq_done(&s);
    }
    hl_seq s;
    assert_int_equal(match(&x, a, N_CTX, &s), 3 * BLOCK + 20); /* no more than is there */
    hl_seq_done(&s);
    a[70] = hl_prefix_key_of(5); /* another text from here on */
    assert_int_equal(hl_prefix_tree_probe(x.tree, a, N_CTX), 70);
    assert_int_equal(match(&x, a, N_CTX, &s), 70);
    compute(&x, &s, a, 3 * BLOCK); /* goes on in a block of its own */
    check_contents(&x, &s, a);
    remember(&x, &s, a);
    assert_int_equal(hl_prefix_tree_n_blocks(x.tree), 6);
    close_tree(&x);
}

/* A picture between two texts: its rows are shared by whoever asks about the same one. */
static void rows_of_content_are_shared_like_tokens(void **state) {
    (void)state;
    enum { BEGIN = 20, ROWS = 150 };
    static const char cat[] = "a picture of a cat", dog[] = "a picture of a dog";
    setup             x = open_tree(N_BLOCKS);
    hl_prefix_key     a[N_CTX], b[N_CTX];
    hl_seq            s;
    fill(a, N_CTX, 1);
    hl_prefix_keys_of_content(cat, sizeof cat, ROWS, a + BEGIN);
    for (int32_t i = BEGIN; i < BEGIN + ROWS; i++) {
        assert_true(a[i] & HL_PREFIX_KEY_IS_CONTENT); /* no token's id */
        for (int32_t k = BEGIN; k < i; k++) assert_true(a[k] != a[i]);
    }
    learn(&x, a, 4 * BLOCK);
    memcpy(b, a, sizeof b);
    hl_prefix_keys_of_content(cat, sizeof cat, ROWS, b + BEGIN);
    b[BEGIN + ROWS + 3] = hl_prefix_key_of(77); /* another question */
    assert_int_equal(match(&x, b, N_CTX, &s), BEGIN + ROWS + 3);
    check_contents(&x, &s, b);
    hl_seq_done(&s);
    hl_prefix_keys_of_content(dog, sizeof dog, ROWS, b + BEGIN);
    assert_int_equal(match(&x, b, N_CTX, &s), BEGIN);
    hl_seq_done(&s);
    hl_prefix_keys_of_content(cat, sizeof cat - 2, ROWS, b + BEGIN); /* what was cut is another content */
    assert_int_equal(hl_prefix_tree_probe(x.tree, b, N_CTX), BEGIN);
    close_tree(&x);
}

static void equal_blocks_are_kept_once(void **state) {
    (void)state;
    setup         x = open_tree(N_BLOCKS);
    hl_prefix_key a[N_CTX];
    fill(a, N_CTX, 1);
    hl_seq s[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hl_seq_init(&s[i], x.pool, N_CTX, NULL), HL_OK);
        compute(&x, &s[i], a, 2 * BLOCK);
    }
    assert_int_equal(hl_kv_pool_n_free(x.pool), N_BLOCKS - 6);
    for (int i = 0; i < 3; i++) {
        hl_prefix_node *node = hl_prefix_tree_root(x.tree);
        for (uint32_t b = 0; b < 2; b++)
            node = hl_prefix_tree_add(x.tree, node, a + b * BLOCK, BLOCK, &s[i], b);
        check_contents(&x, &s[i], a);
    }
    assert_int_equal(hl_kv_pool_n_free(x.pool), N_BLOCKS - 2);
    for (int i = 0; i < 3; i++) hl_seq_done(&s[i]);
    close_tree(&x);
}

static void a_longer_end_takes_the_place_of_a_shorter_one(void **state) {
    (void)state;
    setup         x = open_tree(N_BLOCKS);
    hl_prefix_key a[N_CTX];
    fill(a, N_CTX, 1);
    learn(&x, a, 10);
    learn(&x, a, 30);
    learn(&x, a, 20); /* known */
    assert_int_equal(hl_prefix_tree_n_blocks(x.tree), 1);
    assert_int_equal(hl_prefix_tree_probe(x.tree, a, N_CTX), 30);
    learn(&x, a, 2 * BLOCK);
    assert_int_equal(hl_prefix_tree_n_blocks(x.tree), 2);
    close_tree(&x);
}

static void the_least_recently_used_leaf_leaves_first(void **state) {
    (void)state;
    setup         x = open_tree(N_BLOCKS);
    hl_prefix_key t[4][N_CTX];
    for (int i = 0; i < 4; i++) {
        fill(t[i], N_CTX, i + 1);
        learn(&x, t[i], 3 * BLOCK);
    }
    hl_seq s;
    assert_int_equal(match(&x, t[0], N_CTX, &s), 3 * BLOCK); /* held by a sequence */
    hl_seq s1;
    assert_int_equal(match(&x, t[1], N_CTX, &s1), 3 * BLOCK); /* used, but not held */
    hl_seq_done(&s1);
    assert_int_equal(hl_prefix_tree_n_evictable(x.tree), 9);
    for (int i = 0; i < 3; i++) {
        assert_true(hl_prefix_tree_evict(x.tree));
        assert_int_equal(hl_prefix_tree_probe(x.tree, t[2], N_CTX), (2 - i) * BLOCK); /* from the end */
    }
    for (int i = 0; i < 3; i++) assert_true(hl_prefix_tree_evict(x.tree));
    assert_int_equal(hl_prefix_tree_probe(x.tree, t[3], N_CTX), 0);
    assert_int_equal(hl_prefix_tree_probe(x.tree, t[1], N_CTX), 3 * BLOCK);
    for (int i = 0; i < 3; i++) assert_true(hl_prefix_tree_evict(x.tree));
    assert_false(hl_prefix_tree_evict(x.tree)); /* what is left is held */
    assert_int_equal(hl_prefix_tree_probe(x.tree, t[0], N_CTX), 3 * BLOCK);
    hl_seq_done(&s);
    assert_true(hl_prefix_tree_evict(x.tree));
    close_tree(&x);
}

static void a_pinned_prefix_stays(void **state) {
    (void)state;
    setup           x = open_tree(N_BLOCKS);
    hl_prefix_key   a[N_CTX];
    hl_prefix_node *node = NULL;
    hl_seq          s;
    fill(a, N_CTX, 1);
    learn(&x, a, 4 * BLOCK);
    assert_int_equal(hl_seq_init(&s, x.pool, N_CTX, NULL), HL_OK);
    assert_int_equal(hl_prefix_tree_match(x.tree, hl_prefix_tree_root(x.tree), a, 2 * BLOCK, &s, &node),
                     2 * BLOCK);
    hl_seq_done(&s);
    hl_prefix_node_pin(node);
    assert_int_equal(hl_prefix_tree_n_evictable(x.tree), 2);
    while (hl_prefix_tree_evict(x.tree)) continue;
    assert_int_equal(hl_prefix_tree_probe(x.tree, a, N_CTX), 2 * BLOCK);
    hl_prefix_node_unpin(node);
    assert_int_equal(hl_prefix_tree_n_evictable(x.tree), 2);
    close_tree(&x);
}

static void no_memory_for_a_node_leaves_the_sequence_its_block(void **state) {
    (void)state;
    setup         x = open_tree(N_BLOCKS);
    hl_prefix_key a[N_CTX];
    hl_seq        s;
    fill(a, N_CTX, 1);
    assert_int_equal(hl_seq_init(&s, x.pool, N_CTX, NULL), HL_OK);
    compute(&x, &s, a, BLOCK);
    hl_mem_fail_after(0, 1);
    assert_null(hl_prefix_tree_add(x.tree, hl_prefix_tree_root(x.tree), a, BLOCK, &s, 0));
    hl_mem_fail_after(SIZE_MAX, 0);
    check_contents(&x, &s, a);
    hl_seq_done(&s);
    close_tree(&x);
}

/* Random texts that share beginnings, in a pool that is far too small: contents stay right, nothing is
 * lost. */
static void random_use_loses_no_block_and_mixes_no_contents(void **state) {
    (void)state;
    setup    x = open_tree(N_BLOCKS);
    uint32_t random = 12345;
    for (int round = 0; round < 3000; round++) {
        hl_prefix_key tokens[N_CTX];
        random = random * 1664525 + 1013904223;
        const int32_t n = 1 + (int32_t)(random >> 8) % (N_CTX - 1);
        for (int32_t i = 0; i < n; i++) { /* few texts, and they part at few places */
            if (i % 50 == 0) random = random * 1664525 + 1013904223;
            tokens[i] = hl_prefix_key_of((int32_t)(random >> 30) * 100000 + i);
        }
        hl_seq        s;
        const int32_t have = match(&x, tokens, n, &s);
        check_contents(&x, &s, tokens);
        assert_int_equal(have, s.n_pos);
        while (!hl_seq_reserve(&s, n))
            if (!hl_prefix_tree_evict(x.tree)) break;
        if (s.n_blocks * BLOCK >= (uint32_t)n) {
            compute(&x, &s, tokens, n);
            check_contents(&x, &s, tokens);
            remember(&x, &s, tokens);
        } else {
            hl_seq_done(&s);
        }
        assert_int_equal(hl_kv_pool_n_free(x.pool) + hl_prefix_tree_n_blocks(x.tree), N_BLOCKS);
    }
    close_tree(&x);
}

/* A pass over a sequence and its forks, as attention.c writes it: what the sequence computes below a fork's
 * begin is the fork's too. */
static void compute_with_forks(setup *x, hl_seq *s, const hl_prefix_key *tokens, int32_t n) {
    for (int32_t pos = s->n_pos; pos < n; pos++) {
        const uint32_t i = (uint32_t)pos / BLOCK;
        put(x, s->blocks[i], pos % BLOCK, tokens[pos]);
        for (const hl_seq *t = s->forks; t; t = t->next_fork)
            if (pos < t->n_pos && t->blocks[i] != s->blocks[i])
                put(x, t->blocks[i], pos % BLOCK, tokens[pos]);
    }
}

/* Random forks of random depths in a small pool: each keeps its contents, one of them goes on, no block is
 * lost. */
static void forks_share_what_they_have_in_common_and_lose_no_block(void **state) {
    (void)state;
    enum { N_FORKS = 3, N_GUESSES = 15 };
    setup    x = open_tree(10);
    uint32_t random = 99, n_refused = 0;
    hl_seq   s, forks[N_FORKS];
    for (int i = 0; i < N_FORKS; i++) assert_int_equal(hl_seq_init(&forks[i], x.pool, N_CTX, NULL), HL_OK);
    for (int round = 0; round < 300; round++) {
        static hl_prefix_key own[N_CTX], other[N_FORKS][N_CTX];
        assert_int_equal(hl_seq_init(&s, x.pool, N_CTX, NULL), HL_OK);
        random = random * 1664525 + 1013904223;
        const int32_t n_begin = 1 + (int32_t)(random >> 8) % (6 * BLOCK);
        fill(own, N_CTX, round);
        compute(&x, &s, own, n_begin);
        while (s.n_pos + N_GUESSES + 1 < 7 * BLOCK) {
            random = random * 1664525 + 1013904223;
            const int32_t n_guesses = (int32_t)(random >> 8) % N_GUESSES, before = s.n_pos;
            int           n_forks = 0;
            assert_true(hl_seq_reserve(&s, before + 1 + n_guesses));
            for (int i = 0; i < N_FORKS; i++) {
                random = random * 1664525 + 1013904223;
                const int32_t shared = before + 1 + (int32_t)(random >> 8) % (n_guesses + 1);
                if (!hl_seq_fork(&s, &forks[n_forks], shared)) {
                    n_refused++;
                    assert_int_equal(forks[n_forks].n_blocks, 0);
                    break;
                }
                memcpy(other[n_forks], own, sizeof own);
                for (int32_t k = shared; k < N_CTX; k++)
                    other[n_forks][k] = hl_prefix_key_of(1000000 * (i + 1) + (int32_t)(random >> 12));
                const bool has_room = hl_seq_reserve(&forks[n_forks], shared + 5);
                n_forks++;
                if (!has_room) {
                    n_refused++;
                    break;
                }
            }
            compute_with_forks(&x, &s, own, before + 1 + n_guesses);
            int kept = -1;
            for (int i = 0; i < n_forks; i++) {
                if (forks[i].n_blocks * BLOCK < (uint32_t)forks[i].n_pos + 5) continue;
                for (int32_t end = forks[i].n_pos + 5; forks[i].n_pos < end; forks[i].n_pos++)
                    put(&x, forks[i].blocks[forks[i].n_pos / BLOCK], forks[i].n_pos % BLOCK,
                        other[i][forks[i].n_pos]);
                check_contents(&x, &forks[i], other[i]);
                if (random >> 30 == (uint32_t)i) kept = i;
            }
            const int32_t n_now =
                kept < 0 ? before + 1 + (int32_t)(random >> 4) % (n_guesses + 1) : forks[kept].n_pos;
            hl_seq_join(&s, kept < 0 ? NULL : &forks[kept]);
            if (kept >= 0) memcpy(own, other[kept], sizeof own);
            s.n_pos = n_now;
            hl_seq_truncate(&s, n_now);
            check_contents(&x, &s, own);
            assert_int_equal(hl_kv_pool_n_free(x.pool), 10 - s.n_blocks);
            for (uint32_t i = 0; i < s.n_blocks; i++)
                assert_int_equal(hl_kv_block_refs(x.pool, s.blocks[i]), 1);
        }
        hl_seq_done(&s);
    }
    assert_true(n_refused > 0);
    for (int i = 0; i < N_FORKS; i++) hl_seq_done(&forks[i]);
    close_tree(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_found_to_the_last_token),
        cmocka_unit_test(rows_of_content_are_shared_like_tokens),
        cmocka_unit_test(equal_blocks_are_kept_once),
        cmocka_unit_test(a_longer_end_takes_the_place_of_a_shorter_one),
        cmocka_unit_test(the_least_recently_used_leaf_leaves_first),
        cmocka_unit_test(a_pinned_prefix_stays),
        cmocka_unit_test(no_memory_for_a_node_leaves_the_sequence_its_block),
        cmocka_unit_test(random_use_loses_no_block_and_mixes_no_contents),
        cmocka_unit_test(forks_share_what_they_have_in_common_and_lose_no_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
