/* SPDX-License-Identifier: MIT
 *
 * test_tokenizer.c - tokenizers on vocabularies of a few hundred tokens, made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "engine/tokenizer/detokenize.h"
#include "engine/tokenizer/vocab.h"
#include "tests/unit/tokenizer_fixture.h"

typedef struct loaded {
    hl_gguf      *g;
    hl_tokenizer *t;
} loaded;

static loaded load(fix_vocab *f) {
    loaded l = {0};
    hl_err err = {0};
    if (fix_load(f, &l.g, &l.t, &err) != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_tokenizer_free(l.t);
    hl_gguf_close(l.g);
}

enum { HE = 256, LL, HELL, HELLO, SP_W, END, TAG, LONGER_TAG, N_BPE };

static fix_vocab *small_bpe(const char *pre) {
    fix_vocab *f = fix_new("gpt2", pre);
    fix_add_letters(f);
    (void)fix_add(f, "he", 1, 0);
    (void)fix_add(f, "ll", 1, 0);
    (void)fix_add(f, "hell", 1, 0);
    (void)fix_add(f, "hello", 1, 0);
    (void)fix_add(f, "\xC4\xA0w", 1, 0); /* " w" */
    (void)fix_add(f, "<|im_end|>", 3, 0);
    (void)fix_add(f, "<tag>", 4, 0);
    (void)fix_add(f, "<tag>>", 4, 0);
    fix_merge(f, "h e");
    fix_merge(f, "l l");
    fix_merge(f, "he ll");
    fix_merge(f, "hell o");
    fix_merge(f, "\xC4\xA0 w");
    return f;
}

static void check_ids(const hl_tokenizer *t, hl_view text, unsigned flags, const int32_t *want, size_t n) {
    hl_tokens ids = {0};
    hl_err    err = {0};
    if (hl_tokenizer_encode(t, text, flags, &ids, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(ids.n, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(ids.ids[i], want[i]);
    hl_tokens_done(&ids);
}

#define CHECK_IDS(t, text, flags, ...)                                                                       \
    do {                                                                                                     \
        static const int32_t want_[] = {__VA_ARGS__};                                                        \
        check_ids(t, hl_view_of(text), flags, want_, sizeof want_ / sizeof *want_);                          \
    } while (0)

static void letters_merge_in_the_order_of_the_list(void **state) {
    (void)state;
    loaded l = load(small_bpe("gpt-2"));
    CHECK_IDS(l.t, "hello", 0, HELLO);
    CHECK_IDS(l.t, "hell", 0, HELL);
    CHECK_IDS(l.t, "hel", 0, HE, 'l');
    CHECK_IDS(l.t, "lll", 0, LL, 'l'); /* of two equal pairs the left one */
    CHECK_IDS(l.t, "hello w", 0, HELLO, SP_W);
    CHECK_IDS(l.t, "hellohello", 0, HELLO, HELLO);
    check_ids(l.t, (hl_view){NULL, 0}, 0, NULL, 0);
    assert_string_equal(hl_tokenizer_kind(l.t), "bpe/gpt-2");
    unload(l);
}

static void pieces_do_not_merge_into_one_another(void **state) {
    (void)state;
    fix_vocab *f = small_bpe("gpt-2");
    (void)fix_add(f, "o1", 1, 0);
    fix_merge(f, "o 1");
    loaded l = load(f);
    CHECK_IDS(l.t, "hello1", 0, HELLO, '1'); /* letters and digits are cut apart first */
    unload(l);
}

static void control_tokens_are_found_only_where_allowed_and_user_tokens_always(void **state) {
    (void)state;
    loaded l = load(small_bpe("gpt-2"));
    CHECK_IDS(l.t, "hello<|im_end|>he", HL_TOKENIZE_SPECIAL, HELLO, END, HE);
    CHECK_IDS(l.t, "<|im_end|>", 0, '<', '|', 'i', 'm', '_', 'e', 'n', 'd', '|', '>');
    CHECK_IDS(l.t, "he<tag>ll", 0, HE, TAG, LL);
    CHECK_IDS(l.t, "<tag>>", 0, LONGER_TAG); /* the longest */
    CHECK_IDS(l.t, "<tag<tag>", 0, '<', 't', 'a', 'g', TAG);
    unload(l);
}

static void bad_bytes_come_back_as_they_were(void **state) {
    (void)state;
    loaded   l = load(small_bpe("llama3"));
    uint32_t x = 1;
    for (int round = 0; round < 300; round++) {
        char      text[64], out[64];
        hl_tokens ids = {0};
        hl_err    err = {0};
        size_t    n = 0;
        for (size_t i = 0; i < sizeof text; i++) {
            x = x * 1664525u + 1013904223u;
            text[i] = round % 2 ? (char)(x >> 24) : "\xC3\xA9\xE2\x82\xACh \xF0\x9F"[x >> 29];
        }
        assert_int_equal(hl_tokenizer_encode(l.t, (hl_view){text, sizeof text}, 0, &ids, &err), HL_OK);
        for (size_t i = 0; i < ids.n; i++)
            n += hl_tokenizer_piece(l.t, ids.ids[i], false, out + n, sizeof out - n);
        assert_int_equal(n, sizeof text);
        assert_memory_equal(out, text, n);
        hl_tokens_done(&ids);
    }
    unload(l);
}

/* The definition, slow as it is: find the first merge of the list that applies, join its leftmost pair. */
static size_t merge_slowly(const char *text, size_t n, int32_t *ids) {
    static const int32_t rules[][3] = {{'h', 'e', HE}, {'l', 'l', LL}, {HE, LL, HELL}, {HELL, 'o', HELLO}};
    for (size_t i = 0; i < n; i++) ids[i] = text[i];
    for (bool again = true; again;) {
        again = false;
        for (size_t r = 0; r < 4 && !again; r++) {
            for (size_t i = 0; i + 1 < n && !again; i++) {
                if (ids[i] != rules[r][0] || ids[i + 1] != rules[r][1]) continue;
                ids[i] = rules[r][2];
                memmove(&ids[i + 1], &ids[i + 2], (n - i - 2) * sizeof *ids);
                n--;
                again = true;
            }
        }
    }
    return n;
}

static void long_pieces_merge_like_short_ones(void **state) {
    (void)state;
    loaded   l = load(small_bpe("gpt-2"));
    uint32_t x = 7;
    for (size_t n = 1; n < 400; n++) {
        char    text[400];
        int32_t want[400];
        for (size_t i = 0; i < n; i++) {
            x = x * 1664525u + 1013904223u;
            text[i] = "hhellloo"[x >> 29];
        }
        check_ids(l.t, (hl_view){text, n}, 0, want, merge_slowly(text, n, want));
    }
    unload(l);
}

static void a_megabyte_without_a_break_is_no_trouble(void **state) {
    (void)state;
    static const char *const units[] = {"l",         " ",   "7", "\n", "\xFF", "A", "\xE4\xBD\xA0",
                                        "e\xCC\x81", " \n", "."};
    static const char *const rules[] = {
        "gpt-2",    "starcoder",  "llama3",     "qwen2",        "gpt-4o",         "tekken",
        "qwen35",   "falcon",     "default",    "deepseek-llm", "deepseek-coder", "deepseek-v3",
        "minicpm5", "seed-coder", "bloom",      "viking",       "bailingmoe",     "laguna",
        "jais-2",   "youtu",      "exaone-moe", "kimi-k2",      "chameleon"};
    enum { N = 1 << 18 };
    char *text = hl_new(N + 4, 1);
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        loaded l = load(small_bpe(rules[r]));
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            const size_t len = strlen(units[u]);
            hl_tokens    ids = {0};
            hl_err       err = {0};
            size_t       n = 0;
            for (; n + len <= N; n += len) memcpy(text + n, units[u], len);
            text[n] = 'x'; /* not at the end: some rules look for the end */
            if (hl_tokenizer_encode(l.t, (hl_view){text, n + 1}, 0, &ids, &err) != HL_OK)
                fail_msg("%s", err.text);
            assert_int_equal(ids.n, u == 0 ? N / 2 + 1 : n + 1);
            hl_tokens_done(&ids);
        }
        unload(l);
    }
    hl_free(text);
}

static void whole_pieces_that_are_tokens_skip_the_merges_where_the_family_says_so(void **state) {
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        fix_vocab    *f = small_bpe(whole ? "llama3" : "qwen2");
        const int32_t word = fix_add(f, "xyz", 1, 0); /* no merge makes it */
        loaded        l = load(f);
        const int32_t apart[] = {'x', 'y', 'z'};
        check_ids(l.t, hl_view_of("xyz"), 0, whole ? &word : apart, whole ? 1 : 3);
        unload(l);
    }
}

static void bos_and_eos_are_added_where_asked_and_never_twice(void **state) {
    (void)state;
    enum { BOS = N_BPE, EOS };
    fix_vocab *f = small_bpe("gpt-2");
    assert_int_equal(fix_add(f, "<bos>", 3, 0), BOS);
    assert_int_equal(fix_add(f, "<eos>", 3, 0), EOS);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", BOS);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eos_token_id", EOS);
    hl_gguf_writer_add_bool(f->w, "tokenizer.ggml.add_bos_token", true);
    hl_gguf_writer_add_bool(f->w, "tokenizer.ggml.add_eos_token", true);
    loaded l = load(f);
    CHECK_IDS(l.t, "he", HL_TOKENIZE_BOS_EOS, BOS, HE, EOS);
    CHECK_IDS(l.t, "", HL_TOKENIZE_BOS_EOS, BOS, EOS);
    CHECK_IDS(l.t, "he", 0, HE);
    CHECK_IDS(l.t, "<bos>he<eos>", HL_TOKENIZE_BOS_EOS | HL_TOKENIZE_SPECIAL, BOS, HE, EOS);
    CHECK_IDS(l.t, "<bos>", HL_TOKENIZE_BOS | HL_TOKENIZE_SPECIAL, BOS);
    CHECK_IDS(l.t, "he", HL_TOKENIZE_BOS, BOS, HE);
    CHECK_IDS(l.t, "he", HL_TOKENIZE_EOS, HE, EOS);
    assert_true(hl_tokenizer_adds_bos(l.t));
    assert_int_equal(hl_tokenizer_bos(l.t), BOS);
    assert_int_equal(hl_tokenizer_eos(l.t), EOS);
    unload(l);
}

static void answers_end_at_eos_and_at_every_token_named_like_an_end(void **state) {
    (void)state;
    enum { EOS = N_BPE, USER_END };
    fix_vocab *f = small_bpe("gpt-2");
    (void)fix_add(f, "<eos>", 3, 0);
    (void)fix_add(f, "<|eot_id|>", 4, 0); /* the file calls it text; it is not */
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eos_token_id", EOS);
    loaded l = load(f);
    assert_true(hl_tokenizer_is_eog(l.t, EOS));
    assert_true(hl_tokenizer_is_eog(l.t, END));
    assert_true(hl_tokenizer_is_eog(l.t, USER_END));
    assert_false(hl_tokenizer_is_eog(l.t, HELLO));
    assert_false(hl_tokenizer_is_eog(l.t, -1));
    assert_false(hl_tokenizer_is_eog(l.t, 1 << 20));
    assert_true(hl_tokenizer_is_control(l.t, USER_END));
    CHECK_IDS(l.t, "<|eot_id|>", HL_TOKENIZE_SPECIAL, USER_END);
    CHECK_IDS(l.t, "|eot", 0, '|', 'e', 'o', 't');
    unload(l);
}

static void tokens_are_found_by_their_spelling(void **state) {
    (void)state;
    loaded l = load(small_bpe("gpt-2"));
    char   buf[16];
    assert_int_equal(hl_tokenizer_find(l.t, hl_view_of("hello")), HELLO);
    assert_int_equal(hl_tokenizer_find(l.t, hl_view_of("hallo")), -1);
    assert_int_equal(hl_tokenizer_find(l.t, (hl_view){NULL, 0}), -1);
    assert_true(hl_view_is(hl_tokenizer_spelling(l.t, SP_W), "\xC4\xA0w"));
    assert_int_equal(hl_tokenizer_spelling(l.t, N_BPE).len, 0);
    assert_int_equal(hl_tokenizer_piece(l.t, SP_W, false, buf, sizeof buf), 2);
    assert_memory_equal(buf, " w", 2);
    assert_int_equal(hl_tokenizer_piece(l.t, HELLO, false, buf, 2), 5); /* how much room it wants */
    assert_int_equal(hl_tokenizer_piece(l.t, END, false, buf, sizeof buf), 0);
    assert_int_equal(hl_tokenizer_piece(l.t, END, true, buf, sizeof buf), 10);
    assert_int_equal(hl_tokenizer_piece(l.t, -5, true, buf, sizeof buf), 0);
    assert_int_equal(hl_tokenizer_n_vocab(l.t), N_BPE);
    unload(l);
}

/* --- SentencePiece --- */

enum { UNK, S_BOS, S_EOS, FIRST_BYTE, SPACE = FIRST_BYTE + 256, A, B, AB, SP_A, SP_AB, DOT, N_SPM };

static fix_vocab *small_spm(bool bytes) {
    fix_vocab *f = fix_new("llama", NULL);
    (void)fix_add(f, "<unk>", 2, 0);
    (void)fix_add(f, "<s>", 3, 0);
    (void)fix_add(f, "</s>", 3, 0);
    if (bytes)
        fix_add_bytes(f);
    else
        for (int i = 0; i < 256; i++) (void)fix_add(f, "", 5, 0);
    (void)fix_add(f, "\xE2\x96\x81", 1, -10);
    (void)fix_add(f, "a", 1, -11);
    (void)fix_add(f, "b", 1, -12);
    (void)fix_add(f, "ab", 1, -1);
    (void)fix_add(f,
                  "\xE2\x96\x81"
                  "a",
                  1, -2);
    (void)fix_add(f,
                  "\xE2\x96\x81"
                  "ab",
                  1, -3);
    (void)fix_add(f, ".", 1, -13);
    return f;
}

static void sentence_pieces_merge_by_score_behind_a_space_put_in_front(void **state) {
    (void)state;
    loaded l = load(small_spm(true));
    CHECK_IDS(l.t, "ab", 0, SP_AB);
    CHECK_IDS(l.t, "a", 0, SP_A);
    CHECK_IDS(l.t, "abb a", 0, SP_AB, B, SP_A);
    CHECK_IDS(l.t, " ab", 0, SPACE, SP_AB);
    CHECK_IDS(l.t, "", 0 | HL_TOKENIZE_BOS_EOS, S_BOS); /* nothing to put a space in front of */
    CHECK_IDS(l.t, "ab</s>ab", HL_TOKENIZE_BOS_EOS | HL_TOKENIZE_SPECIAL, S_BOS, SP_AB, S_EOS, SP_AB);
    assert_string_equal(hl_tokenizer_kind(l.t), "spm");
    unload(l);
}

static void unknown_characters_become_bytes_or_the_unknown_token(void **state) {
    (void)state;
    loaded l = load(small_spm(true));
    CHECK_IDS(l.t, "a\xC3\xA9\xFF", 0, SP_A, FIRST_BYTE + 0xC3, FIRST_BYTE + 0xA9, FIRST_BYTE + 0xFF);
    CHECK_IDS(l.t, "<s>", 0, SPACE, FIRST_BYTE + '<', FIRST_BYTE + 's', FIRST_BYTE + '>');
    CHECK_IDS(l.t, "<0x41>", 0, SPACE, FIRST_BYTE + '<', FIRST_BYTE + '0', FIRST_BYTE + 'x', FIRST_BYTE + '4',
              FIRST_BYTE + '1', FIRST_BYTE + '>');
    unload(l);
    l = load(small_spm(false));
    CHECK_IDS(l.t, "a\xC3\xA9", 0, SP_A, UNK);
    unload(l);
}

static void the_space_in_front_can_be_switched_off(void **state) {
    (void)state;
    fix_vocab *f = small_spm(true);
    hl_gguf_writer_add_bool(f->w, "tokenizer.ggml.add_space_prefix", false);
    loaded l = load(f);
    CHECK_IDS(l.t, "ab", 0, AB);
    CHECK_IDS(l.t, "ab ab", 0, AB, SP_AB);
    unload(l);
}

static void tokens_across_a_space_are_still_made(void **state) {
    (void)state;
    fix_vocab    *f = small_spm(true);
    const int32_t across = fix_add(f, "b\xE2\x96\x81", 1, 0);
    const int32_t more = fix_add(f,
                                 "b\xE2\x96\x81"
                                 "ab",
                                 1, 0);
    loaded        l = load(f);
    check_ids(l.t, hl_view_of("b b"), 0, (int32_t[]){SPACE, across, B}, 3);
    check_ids(l.t, hl_view_of("b ab"), 0, (int32_t[]){SPACE, more}, 2);
    unload(l);
}

static void raw_text_merges_by_the_list_line_by_line(void **state) {
    (void)state;
    enum { FIRST = 4, RAW_SPACE = FIRST + 256, RAW_A, RAW_B, RAW_AB, RAW_SP_AB, BREAK, TWO_BREAKS, ACROSS };
    static const char *const texts[] = {"\xE2\x96\x81",
                                        "a",
                                        "b",
                                        "ab",
                                        "\xE2\x96\x81"
                                        "ab",
                                        "\n",
                                        "\n\n",
                                        "b\n"};
    fix_vocab               *f = fix_new("gemma4", NULL);
    (void)fix_add(f, "<pad>", 3, 0);
    (void)fix_add(f, "<eos>", 3, 0);
    (void)fix_add(f, "<bos>", 3, 0);
    (void)fix_add(f, "<unk>", 2, 0);
    fix_add_bytes(f);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) (void)fix_add(f, texts[i], 1, 0);
    fix_merge(f, "a b");
    fix_merge(f, "\xE2\x96\x81 ab");
    fix_merge(f, "\n \n");
    fix_merge(f, "b \n");
    loaded l = load(f);
    CHECK_IDS(l.t, "ab ab", 0, RAW_AB, RAW_SP_AB);
    CHECK_IDS(l.t, "a  b", 0, RAW_A, RAW_SPACE, RAW_SPACE, RAW_B);
    CHECK_IDS(l.t, "ab\n\n\nb\n", 0, RAW_AB, TWO_BREAKS, BREAK, RAW_B, BREAK); /* none reaches over a line */
    CHECK_IDS(l.t, "\xC3\xA9", HL_TOKENIZE_BOS_EOS, 2, FIRST + 0xC3, FIRST + 0xA9);
    assert_string_equal(hl_tokenizer_kind(l.t), "bpe/gemma4");
    char piece[8];
    assert_int_equal(hl_tokenizer_piece(l.t, RAW_SP_AB, false, piece, sizeof piece), 3);
    assert_memory_equal(piece, " ab", 3);
    unload(l);
}

/* --- text again --- */

static hl_str spell(const hl_tokenizer *t, const int32_t *ids, size_t n, bool with_special) {
    hl_detokenizer *d = NULL;
    hl_str          out;
    char            buf[256];
    hl_str_init(&out, 1 << 16);
    assert_int_equal(hl_detokenizer_new(t, with_special, &d, NULL), HL_OK);
    assert_true(hl_tokenizer_max_piece_bytes(t) <= sizeof buf);
    for (size_t i = 0; i < n; i++) {
        const size_t len = hl_detokenizer_feed(d, ids[i], buf, sizeof buf);
        assert_true(hl_utf8_is_valid(buf, len));
        hl_str_add(&out, buf, len);
    }
    hl_str_add(&out, buf, hl_detokenizer_finish(d, buf, sizeof buf));
    hl_detokenizer_free(d);
    return out;
}

#define CHECK_TEXT(t, want, with_special, ...)                                                               \
    do {                                                                                                     \
        static const int32_t ids_[] = {__VA_ARGS__};                                                         \
        hl_str               out_ = spell(t, ids_, sizeof ids_ / sizeof *ids_, with_special);                \
        assert_string_equal(hl_str_text(&out_), want);                                                       \
        hl_str_done(&out_);                                                                                  \
    } while (0)

#define BYTE(b) (FIRST_BYTE + (b))

static void streamed_text_holds_whole_characters_only(void **state) {
    (void)state;
    loaded         l = load(small_spm(true));
    hl_detokenizer d;
    char           buf[64];
    hl_detokenizer_init(&d, l.t, false);
    assert_int_equal(hl_detokenizer_feed(&d, BYTE(0xF0), buf, sizeof buf), 0);
    assert_int_equal(hl_detokenizer_feed(&d, BYTE(0x9F), buf, sizeof buf), 0);
    assert_int_equal(hl_detokenizer_feed(&d, BYTE(0x98), buf, sizeof buf), 0);
    assert_int_equal(hl_detokenizer_feed(&d, BYTE(0x80), buf, sizeof buf), 4);
    assert_memory_equal(buf, "\xF0\x9F\x98\x80", 4);
    assert_int_equal(hl_detokenizer_finish(&d, buf, sizeof buf), 0);
    unload(l);
}

static void bytes_that_never_become_a_character_are_replaced(void **state) {
    (void)state;
    loaded l = load(small_spm(true));
    CHECK_TEXT(l.t,
               "\xEF\xBF\xBD"
               "a",
               false, BYTE(0xE2), BYTE(0x82), A); /* one for what began well */
    CHECK_TEXT(l.t, "\xEF\xBF\xBD\xEF\xBF\xBD", false, BYTE(0xFF), BYTE(0x80));
    CHECK_TEXT(l.t, "a\xEF\xBF\xBD", false, A, BYTE(0xE2));
    CHECK_TEXT(l.t, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false, BYTE(0xED), BYTE(0xA0),
               BYTE(0x80)); /* surrogate */
    CHECK_TEXT(l.t, "\xEF\xBF\xBD\xC3\xA9", false, BYTE(0xC3), BYTE(0xC3), BYTE(0xA9));
    unload(l);
}

static void characters_at_the_ends_of_their_ranges_are_whole(void **state) {
    (void)state;
    loaded l = load(small_spm(true));
    CHECK_TEXT(l.t, "\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", false, BYTE(0xED), BYTE(0x9F), BYTE(0xBF),
               BYTE(0xEE), BYTE(0x80), BYTE(0x80), BYTE(0xEF), BYTE(0xBF), BYTE(0xBF));
    CHECK_TEXT(l.t, "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", false, BYTE(0xF0), BYTE(0x90), BYTE(0x80), BYTE(0x80),
               BYTE(0xF4), BYTE(0x8F), BYTE(0xBF), BYTE(0xBF));
    CHECK_TEXT(l.t, "\xC2\x80\xDF\xBF\xE0\xA0\x80", false, BYTE(0xC2), BYTE(0x80), BYTE(0xDF), BYTE(0xBF),
               BYTE(0xE0), BYTE(0xA0), BYTE(0x80));
    CHECK_TEXT(l.t, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false, BYTE(0xE0), BYTE(0x9F),
               BYTE(0xF4), BYTE(0x90)); /* overlong, past U+10FFFF */
    unload(l);
}

static void bytes_may_be_spelled_in_small_letters(void **state) {
    (void)state;
    fix_vocab    *f = small_spm(true);
    const int32_t small = fix_add(f, "<0xe9>", 6, 0);
    loaded        l = load(f);
    char          buf[8];
    assert_int_equal(hl_tokenizer_piece(l.t, small, false, buf, sizeof buf), 1);
    assert_int_equal((unsigned char)buf[0], 0xE9);
    unload(l);
}

/* Each byte of a token may come out as U+FFFD, and so may what was held before it. */
static void room_for_the_longest_piece_is_enough(void **state) {
    (void)state;
    fix_vocab     *f = small_bpe("gpt-2");
    const int32_t  bad = fix_add(f, "\xC3\xBF\xC3\xBF\xC3\xBF\xC3\xBF\xC3\xBF\xC3\xBF\xC3\xBF\xC3\xBF", 1, 0);
    loaded         l = load(f);
    const size_t   cap = hl_tokenizer_max_piece_bytes(l.t);
    char          *buf = hl_new(cap, 1);
    hl_detokenizer d;
    hl_detokenizer_init(&d, l.t, false);
    assert_int_equal(hl_detokenizer_feed(&d, 0xF0, buf, cap), 0);
    assert_int_equal(hl_detokenizer_feed(&d, bad, buf, cap), 3 + 8 * 3); /* eight bytes 0xFF */
    hl_free(buf);
    unload(l);
}

static void the_space_in_front_is_dropped_once(void **state) {
    (void)state;
    loaded l = load(small_spm(true));
    CHECK_TEXT(l.t, "ab a", false, S_BOS, SP_AB, SP_A);
    CHECK_TEXT(l.t, "<s>ab", true, S_BOS, SP_AB);
    CHECK_TEXT(l.t, " a", false, SPACE, SP_A);
    CHECK_TEXT(l.t, "a ab", false, A, SP_AB);
    unload(l);
}

static void a_small_buffer_is_never_overrun(void **state) {
    (void)state;
    loaded         l = load(small_bpe("gpt-2"));
    hl_detokenizer d;
    char           buf[8];
    for (size_t cap = 0; cap < 6; cap++) {
        memset(buf, '#', sizeof buf);
        hl_detokenizer_init(&d, l.t, false);
        const size_t n = hl_detokenizer_feed(&d, HELLO, buf, cap);
        assert_true(n <= cap);
        assert_int_equal(buf[cap], '#');
    }
    unload(l);
}

/* --- unigram --- */

static void check_refused(fix_vocab *f, hl_status want, const char *words) {
    hl_gguf        *g = NULL;
    hl_tokenizer   *t = NULL;
    hl_err          err = {0};
    const hl_status status = fix_load(f, &g, &t, &err);
    if (status != want || !strstr(err.text, words)) fail_msg("status %d, '%s'", status, err.text);
    assert_null(t);
    hl_gguf_close(g);
}

/* A map whose first unit leads byte 'A' to a leaf with the text at `value`; `units` may be cut. */
static fix_vocab *unigram(uint32_t value, const char *texts, size_t n_texts, size_t n_units) {
    uint8_t        map[4 + 4 * 512 + 4096] = {0};
    const uint32_t n_bytes = (uint32_t)(4 * n_units), root = 256u << 10;
    const uint32_t letter = 'A' | 0x100 | 1u << 10; /* its leaf is its neighbour */
    fix_vocab     *f = fix_new("t5", NULL);
    memcpy(map, &n_bytes, 4);
    memcpy(map + 4, &root, 4);
    memcpy(map + 4 + 4 * (256 ^ 'A'), &letter, 4);
    value |= 0x80000000u;
    memcpy(map + 4 + 4 * ((256 ^ 'A') ^ 1), &value, 4);
    memcpy(map + 4 + 4 * n_units, texts, n_texts);
    hl_gguf_writer_add_array(f->w, "tokenizer.ggml.precompiled_charsmap", HL_GGUF_U8, 4 + n_bytes + n_texts,
                             map);
    (void)fix_add(f, "<pad>", HL_TOKEN_CONTROL, 0);
    (void)fix_add(f, "</s>", HL_TOKEN_CONTROL, 0);
    (void)fix_add(f, "<unk>", HL_TOKEN_UNKNOWN, 0);
    (void)fix_add(f, "\xE2\x96\x81", HL_TOKEN_NORMAL, -3);
    (void)fix_add(f, "a", HL_TOKEN_NORMAL, -2);
    (void)fix_add(f, "b", HL_TOKEN_NORMAL, -2);
    (void)fix_add(f, "ab", HL_TOKEN_NORMAL, -4.5f);  /* worse than its letters */
    (void)fix_add(f, "aba", HL_TOKEN_NORMAL, -5.5f); /* better */
    return f;
}
enum { U_EOS = 1, U_UNK, U_SPACE, U_A, U_B, U_AB, U_ABA };

static void unigram_takes_the_largest_sum_of_scores(void **state) {
    (void)state;
    loaded l = load(unigram(0, "b", 2, 512));
    CHECK_IDS(l.t, "ab", 0, U_SPACE, U_A, U_B);
    CHECK_IDS(l.t, "aba", 0, U_SPACE, U_ABA);
    CHECK_IDS(l.t, "aA  A ", 0, U_SPACE, U_A, U_B, U_SPACE, U_B);
    CHECK_IDS(l.t, "axyzb", HL_TOKENIZE_BOS_EOS, U_SPACE, U_A, U_UNK, U_B, U_EOS);
    unload(l);
}

static void a_map_that_points_outside_is_refused(void **state) {
    (void)state;
    char long_text[600];
    memset(long_text, 'x', sizeof long_text);
    long_text[599] = '\0';
    check_refused(unigram(2, "b", 2, 512), HL_E_FORMAT, "at 2 is outside of its 2 bytes");
    check_refused(unigram(0x7FFFFFFF, "b", 2, 512), HL_E_FORMAT, "outside");
    check_refused(unigram(0, long_text, 600, 512), HL_E_FORMAT, "or has 256 bytes or more");
    check_refused(unigram(0, "b", 1, 512), HL_E_FORMAT, "does not end in NUL");
    check_refused(unigram(0, "", 0, 512), HL_E_FORMAT, "texts behind it");
    fix_vocab *f = unigram(0, "b", 2, 512);
    f->scores[4] = NAN;
    check_refused(f, HL_E_FORMAT, "'tokenizer.ggml.scores' is nan for token 4");
    loaded l = load(unigram(0, "b", 2, 256)); /* the walk ends behind the last unit */
    CHECK_IDS(l.t, "Aa", 0, U_SPACE, U_UNK, U_A);
    unload(l);
}

/* --- refusals --- */

static void unknown_kinds_are_named_with_those_we_have(void **state) {
    (void)state;
    check_refused(fix_new("rwkv", NULL), HL_E_UNSUPPORTED, "'rwkv'");
    check_refused(fix_new("rwkv", NULL), HL_E_UNSUPPORTED, "gpt2, llama, bert, gemma4 and t5");
    check_refused(fix_new("no_vocab", NULL), HL_E_NOT_FOUND, "no vocabulary");
    check_refused(small_bpe("klingon"), HL_E_UNSUPPORTED, "'klingon'");
    check_refused(small_bpe("klingon"), HL_E_UNSUPPORTED, "deepseek-v3");
}

static void inconsistent_vocabularies_are_refused(void **state) {
    (void)state;
    fix_vocab *f = small_bpe("gpt-2");
    (void)fix_add(f, "x1", 99, 0);
    check_refused(f, HL_E_FORMAT, "token 264 is of type 99");
    f = fix_new("gpt2", "gpt-2"); /* merges are missing */
    (void)fix_add(f, "a", 1, 0);
    check_refused(f, HL_E_FORMAT, "tokenizer.ggml.merges");
    check_refused(fix_new("llama", NULL), HL_E_FORMAT, "tokenizer.ggml.tokens");
}

static void check_warnings(const hl_tokenizer *t, const char *const *want, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const char *have = hl_tokenizer_warning(t, i);
        if (!have || !strstr(have, want[i])) fail_msg("warning %zu: '%s', expected '%s'", i, have, want[i]);
    }
    assert_null(hl_tokenizer_warning(t, n));
}

static void a_bad_special_id_costs_its_role_and_no_more(void **state) {
    (void)state;
    static const char *const want[] = {
        "'tokenizer.ggml.bos_token_id' is 5000, expected less than 264 (tokens); the model is used without",
        "'tokenizer.ggml.eos_token_id'", "'tokenizer.ggml.add_bos_token'",
        "'tokenizer.ggml.eot_token_id' is 264"};
    fix_vocab *f = small_bpe("llama3");
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", 5000);
    hl_gguf_writer_add_text(f->w, "tokenizer.ggml.eos_token_id", hl_view_of("two"));
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eot_token_id", N_BPE); /* one past the last */
    hl_gguf_writer_add_text(f->w, "tokenizer.ggml.add_bos_token", hl_view_of("yes"));
    loaded l = load(f);
    check_warnings(l.t, want, 4);
    assert_int_equal(hl_tokenizer_bos(l.t), -1);
    assert_int_equal(hl_tokenizer_eos(l.t), -1);
    assert_false(hl_tokenizer_adds_bos(l.t));
    assert_true(hl_tokenizer_is_eog(l.t, END)); /* by its name */
    CHECK_IDS(l.t, "hello", HL_TOKENIZE_BOS_EOS, HELLO);
    unload(l);
}

static void a_pre_tokenizer_that_is_not_named_is_a_warning(void **state) {
    (void)state;
    static const char *const want[] = {"does not name its pre-tokenizer (tokenizer.ggml.pre)"};
    loaded                   l = load(small_bpe(""));
    check_warnings(l.t, want, 1);
    assert_string_equal(hl_tokenizer_kind(l.t), "bpe/default");
    unload(l);
    l = load(small_bpe(NULL));
    check_warnings(l.t, want, 1);
    unload(l);
    l = load(small_bpe("default")); /* the file says so */
    check_warnings(l.t, NULL, 0);
    unload(l);
}

static void merges_that_are_no_pairs_are_left_out_and_counted(void **state) {
    (void)state;
    static const char *const want[] = {"3 of 8 merges"};
    fix_vocab               *f = small_bpe("gpt-2");
    fix_merge(f, "nospace");
    fix_merge(f, " front");
    fix_merge(f, "back ");
    loaded l = load(f);
    check_warnings(l.t, want, 1);
    CHECK_IDS(l.t, "hello", 0, HELLO);
    unload(l);
}

/* Files without token types, or with wrong ones. */
static void what_ends_by_its_id_is_no_text_when_it_is_spelled_like_a_mark(void **state) {
    (void)state;
    enum { BOS = N_BPE, EOS, EOT };
    fix_vocab *f = small_bpe("gpt-2");
    (void)fix_add(f, "<bos>", 1, 0);
    (void)fix_add(f, "[end]", 4, 0);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", BOS);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eos_token_id", EOS);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.eot_token_id", '.'); /* a letter that ends answers */
    loaded l = load(f);
    CHECK_IDS(l.t, "<bos>he[end].", HL_TOKENIZE_SPECIAL, BOS, HE, EOS, '.');
    CHECK_IDS(l.t, "[end].", 0, '[', 'e', 'n', 'd', ']', '.');
    assert_true(hl_tokenizer_is_control(l.t, EOS));
    assert_true(hl_tokenizer_is_eog(l.t, '.'));
    assert_false(hl_tokenizer_is_control(l.t, '.'));
    unload(l);
}

static void ids_that_say_none_are_none(void **state) {
    (void)state;
    fix_vocab *f = small_spm(true);
    hl_gguf_writer_add_u32(f->w, "tokenizer.ggml.bos_token_id", UINT32_MAX);
    loaded l = load(f);
    assert_int_equal(hl_tokenizer_bos(l.t), -1);
    assert_false(hl_tokenizer_adds_bos(l.t));
    unload(l);
}

static void merges_that_make_no_token_are_passed_over(void **state) {
    (void)state;
    fix_vocab *f = small_bpe("gpt-2");
    fix_merge(f, "q q");
    fix_merge(f, "h e"); /* twice: the first counts */
    loaded l = load(f);
    CHECK_IDS(l.t, "qqhe", 0, 'q', 'q', HE);
    unload(l);
}

/* As tokenizer.json has it; measured on SmolLM2, which lacks 21 bytes. */
static void a_byte_without_a_token_is_left_out_before_its_neighbours_merge(void **state) {
    (void)state;
    fix_vocab    *f = small_bpe("gpt-2");
    const int32_t two = fix_add(f, "!!", 1, 0);
    fix_merge(f, "! !");
    f->texts[0x01] = hl_view_of("another");
    f->texts[0xF0] = hl_view_of("one");
    loaded l = load(f);
    check_ids(l.t, hl_view_of("!\x01!"), 0, &two, 1);
    check_ids(l.t, hl_view_of("\x01"), 0, NULL, 0);
    CHECK_IDS(l.t, "\xF0\x9F\x98\x80", 0, 0x9F, 0x98, 0x80);
    CHECK_IDS(l.t, "!\x02!", 0, '!', 0x02, '!');
    unload(l);
}

static void of_equal_spellings_the_last_one_counts(void **state) {
    (void)state;
    fix_vocab    *f = small_bpe("gpt-2");
    const int32_t again = fix_add(f, "hello", 1, 0);
    loaded        l = load(f);
    assert_int_equal(hl_tokenizer_find(l.t, hl_view_of("hello")), again);
    check_ids(l.t, hl_view_of("hello"), 0, &again, 1);
    unload(l);
}

static void a_text_too_long_is_refused_before_it_is_read(void **state) {
    (void)state;
    loaded    l = load(small_bpe("gpt-2"));
    hl_tokens ids = {0};
    hl_err    err = {0};
    assert_int_equal(hl_tokenizer_encode(l.t, (hl_view){"", (1u << 30) + 1}, 0, &ids, &err), HL_E_LIMIT);
    unload(l);
}

static void every_failed_allocation_is_reported(void **state) {
    (void)state;
    static const char text[] = "hello <|im_end|> hellohellohellohellohellohellohellohello \xFF <tag> w";
    for (int spm = 0; spm < 2; spm++) {
        loaded l = load(spm ? small_spm(true) : small_bpe("gpt-2"));
        for (size_t k = 0;; k++) {
            hl_tokenizer *t = NULL;
            hl_tokens     ids = {0};
            hl_err        err = {0};
            const int32_t mark = 77;
            assert_int_equal(hl_tokens_add(&ids, &mark, 1, &err), HL_OK);
            hl_mem_fail_after(k, SIZE_MAX);
            hl_status status = hl_tokenizer_new(l.g, &t, &err);
            if (status == HL_OK)
                status = hl_tokenizer_encode(t, hl_view_of(text), HL_TOKENIZE_SPECIAL, &ids, &err);
            hl_mem_fail_after(SIZE_MAX, 0);
            hl_tokenizer_free(t);
            const bool done = status == HL_OK;
            if (!done) assert_int_equal(status, HL_E_NOMEM);
            assert_true(done ? ids.n > 10 : ids.n == 1);
            assert_int_equal(ids.ids[0], 77); /* what was there stays */
            hl_tokens_done(&ids);
            if (done) break;
            assert_true(k < 200);
        }
        unload(l);
    }
}

/* Ids begin at 0: also that of a merge's result. */
static void the_first_token_of_a_vocabulary_is_one_like_others(void **state) {
    (void)state;
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    hl_tokens     ids = {0};
    hl_err        err = {0};
    fix_vocab    *f = fix_new("gpt2", "gpt-2");
    const int32_t first = fix_add(f, "he", 1, 0);
    fix_add_letters(f);
    fix_merge(f, "h e");
    assert_int_equal(first, 0);
    if (fix_load(f, &g, &t, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_tokenizer_encode(t, hl_view_of("hehe"), 0, &ids, &err), HL_OK);
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.ids[0], 0);
    assert_int_equal(ids.ids[1], 0);
    hl_tokens_done(&ids);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_token_of_a_vocabulary_is_one_like_others),
        cmocka_unit_test(letters_merge_in_the_order_of_the_list),
        cmocka_unit_test(pieces_do_not_merge_into_one_another),
        cmocka_unit_test(control_tokens_are_found_only_where_allowed_and_user_tokens_always),
        cmocka_unit_test(bad_bytes_come_back_as_they_were),
        cmocka_unit_test(long_pieces_merge_like_short_ones),
        cmocka_unit_test(a_megabyte_without_a_break_is_no_trouble),
        cmocka_unit_test(whole_pieces_that_are_tokens_skip_the_merges_where_the_family_says_so),
        cmocka_unit_test(bos_and_eos_are_added_where_asked_and_never_twice),
        cmocka_unit_test(answers_end_at_eos_and_at_every_token_named_like_an_end),
        cmocka_unit_test(tokens_are_found_by_their_spelling),
        cmocka_unit_test(raw_text_merges_by_the_list_line_by_line),
        cmocka_unit_test(sentence_pieces_merge_by_score_behind_a_space_put_in_front),
        cmocka_unit_test(unknown_characters_become_bytes_or_the_unknown_token),
        cmocka_unit_test(the_space_in_front_can_be_switched_off),
        cmocka_unit_test(tokens_across_a_space_are_still_made),
        cmocka_unit_test(streamed_text_holds_whole_characters_only),
        cmocka_unit_test(bytes_that_never_become_a_character_are_replaced),
        cmocka_unit_test(characters_at_the_ends_of_their_ranges_are_whole),
        cmocka_unit_test(bytes_may_be_spelled_in_small_letters),
        cmocka_unit_test(room_for_the_longest_piece_is_enough),
        cmocka_unit_test(the_space_in_front_is_dropped_once),
        cmocka_unit_test(a_small_buffer_is_never_overrun),
        cmocka_unit_test(unknown_kinds_are_named_with_those_we_have),
        cmocka_unit_test(inconsistent_vocabularies_are_refused),
        cmocka_unit_test(a_bad_special_id_costs_its_role_and_no_more),
        cmocka_unit_test(a_pre_tokenizer_that_is_not_named_is_a_warning),
        cmocka_unit_test(merges_that_are_no_pairs_are_left_out_and_counted),
        cmocka_unit_test(what_ends_by_its_id_is_no_text_when_it_is_spelled_like_a_mark),
        cmocka_unit_test(ids_that_say_none_are_none),
        cmocka_unit_test(merges_that_make_no_token_are_passed_over),
        cmocka_unit_test(a_byte_without_a_token_is_left_out_before_its_neighbours_merge),
        cmocka_unit_test(of_equal_spellings_the_last_one_counts),
        cmocka_unit_test(a_text_too_long_is_refused_before_it_is_read),
        cmocka_unit_test(unigram_takes_the_largest_sum_of_scores),
        cmocka_unit_test(a_map_that_points_outside_is_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
