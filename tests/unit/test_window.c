/* SPDX-License-Identifier: MIT
 *
 * test_window.c - which layers see a window only, as files say it, and files that say it badly.
 */
#include "tests/need.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/arena.h"
#include "core/base/str.h"
#include "core/gguf/gguf_priv.h"
#include "core/gguf/gguf_writer.h"
#include "engine/model_priv.h"

enum { N_LAYERS = 4 };
static const char key[] = "gemma4.attention.sliding_window_pattern";

/* Make a file, read its sizes; the pattern comes from `write` (NULL: none). */
static hl_status load(void (*write)(hl_gguf_writer *w), uint32_t window, char ret_windows[N_LAYERS + 1],
                      hl_err *err) {
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_gguf        *g = NULL;
    uint8_t        *data = NULL;
    size_t          n = 0;
    hl_hparams      hp;
    hl_arena        arena;
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("gemma4"));
    hl_gguf_writer_add_u32(w, "gemma4.block_count", N_LAYERS);
    hl_gguf_writer_add_u32(w, "gemma4.embedding_length", 64);
    hl_gguf_writer_add_u32(w, "gemma4.feed_forward_length", 64);
    hl_gguf_writer_add_u32(w, "gemma4.attention.head_count", 4);
    hl_gguf_writer_add_u32(w, "gemma4.attention.sliding_window", window);
    if (write) write(w);
    if (hl_gguf_writer_build(w, &data, &n, err) != HL_OK) fail_msg("%s", err->text);
    hl_gguf_writer_free(w);
    if (hl_gguf_open_memory(data, n, &g, err) != HL_OK) fail_msg("%s", err->text);
    hl_arena_init(&arena, 1 << 20);
    const hl_status status = hl_hparams_load(g, hl_arch_find(hl_view_of("gemma4")), &arena, &hp, err);
    for (uint32_t i = 0; i < N_LAYERS && status == HL_OK; i++)
        ret_windows[i] = hp.layers[i].window == window && window ? 'w' : hp.layers[i].window ? '?' : '-';
    ret_windows[N_LAYERS] = 0;
    hl_arena_done(&arena);
    hl_gguf_close(g);
    hl_free(data);
    return status;
}

static void three(hl_gguf_writer *w) { hl_gguf_writer_add_u32(w, key, 3); }
static void one(hl_gguf_writer *w) { hl_gguf_writer_add_u32(w, key, 1); }
static void zero(hl_gguf_writer *w) { hl_gguf_writer_add_u32(w, key, 0); }
static void half(hl_gguf_writer *w) { hl_gguf_writer_add_f32(w, key, 2.5f); }
static void negative(hl_gguf_writer *w) { hl_gguf_writer_add_number(w, key, HL_GGUF_I32, UINT32_MAX); }
static void huge(hl_gguf_writer *w) { hl_gguf_writer_add_u64(w, key, (uint64_t)1 << 40); }
static void words(hl_gguf_writer *w) { hl_gguf_writer_add_text(w, key, hl_view_of("every second")); }
static void bools(hl_gguf_writer *w) {
    hl_gguf_writer_add_array(w, key, HL_GGUF_BOOL, 4, (const uint8_t[]){1, 0, 0, 1});
}
static void numbers(hl_gguf_writer *w) {
    hl_gguf_writer_add_array(w, key, HL_GGUF_U32, 4, (const uint32_t[]){0, 7, 1, 0});
}
static void more(hl_gguf_writer *w) {
    hl_gguf_writer_add_array(w, key, HL_GGUF_BOOL, 6, (const uint8_t[]){0, 1, 1, 0, 1, 1});
}
static void few(hl_gguf_writer *w) {
    hl_gguf_writer_add_array(w, key, HL_GGUF_BOOL, 3, (const uint8_t[]){1, 1, 1});
}
static void none(hl_gguf_writer *w) { hl_gguf_writer_add_array(w, key, HL_GGUF_U32, 0, NULL); }
static void parts(hl_gguf_writer *w) {
    hl_gguf_writer_add_array(w, key, HL_GGUF_F32, 4, (const float[]){0, 1, 0.5f, 0});
}
static void texts(hl_gguf_writer *w) {
    hl_gguf_writer_add_texts(
        w, key, 4, (const hl_view[]){hl_view_of("a"), hl_view_of("b"), hl_view_of("c"), hl_view_of("d")});
}

static void patterns_say_which_layers_have_a_window(void **state) {
    (void)state;
    static const struct {
        void (*write)(hl_gguf_writer *w);
        const char *want;
    } rows[] = {{NULL, "wwww"},  {three, "ww-w"},   {one, "----"}, {zero, "wwww"},
                {bools, "w--w"}, {numbers, "-ww-"}, {more, "-ww-"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char   windows[N_LAYERS + 1];
        hl_err err = {0};
        if (load(rows[i].write, 512, windows, &err) != HL_OK) fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(windows, rows[i].want);
        /* windows without a width are none that anybody could know */
        const hl_status status = load(rows[i].write, 0, windows, &err);
        if (strchr(rows[i].want, 'w')) {
            assert_int_equal(status, HL_E_FORMAT);
            assert_non_null(strstr(err.text, "sliding_window' is missing or 0"));
        }
    }
}

static void patterns_that_are_none_are_refused(void **state) {
    (void)state;
    static const char whole[] =
        "key 'gemma4.attention.sliding_window_pattern': expected a whole number, or one per layer";
    static const struct {
        void (*write)(hl_gguf_writer *w);
        const char *want;
    } rows[] = {
        {half, whole},
        {negative, whole},
        {huge, whole},
        {words, whole},
        {parts, whole},
        {texts, whole},
        {few, "key 'gemma4.attention.sliding_window_pattern': 3 values, expected one per layer (4)"},
        {none, "key 'gemma4.attention.sliding_window_pattern': 0 values, expected one per layer (4)"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char   windows[N_LAYERS + 1];
        hl_err err = {0};
        if (load(rows[i].write, 512, windows, &err) != HL_E_FORMAT) fail_msg("row %zu passes", i);
        assert_string_equal(err.text, rows[i].want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_say_which_layers_have_a_window),
        cmocka_unit_test(patterns_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
