/* SPDX-License-Identifier: MIT
 *
 * test_chat_json.c - our reader of JSON against jansson's, on texts made of pieces: the same texts are taken,
 * with the same values. Where ours is meant to differ (chat_json.h) is in test_chat.c.
 */
#include "tests/need.h"

#include <string.h>

#include "engine/runner/chat_json.h"

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Pieces of which some texts are right and more are nearly so; no half surrogates, no integers beyond 64
 * bits. */
static const char *const pieces[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"a\"",
                                     "\"b\"",
                                     "\"\"",
                                     "\"k\":",
                                     "true",
                                     "false",
                                     "null",
                                     "0",
                                     "-0",
                                     "7",
                                     "-12",
                                     "1.5",
                                     "[-0.25e2]",
                                     "[1E+3]",
                                     "[2e-1, 3E5]",
                                     "01",
                                     "1.",
                                     ".5",
                                     "-",
                                     "[1e]",
                                     "+1",
                                     " ",
                                     "\n",
                                     "\t\r",
                                     "tru",
                                     "nul",
                                     "\"",
                                     "\\u0041",
                                     "\"\\u00e9\\u00E9\"",
                                     "\"\\uD83D\\uDE00\"",
                                     "\"\\ud83d\\ude00x\"",
                                     "\"\\uABCD\\uabcd\\u09fF\"",
                                     "\"\\n\\t\\\\\\/\\\"\\b\\f\\r\"",
                                     "\"\\x\"",
                                     "\"\\u12\"",
                                     "\"\\u12g4\"",
                                     "\"\xC3\xA9\"",
                                     "\"\x01\"",
                                     "\"a\":1",
                                     "[]",
                                     "{}",
                                     "[1,2]",
                                     "{\"c\":[]}",
                                     "[9223372036854775807]",
                                     "[-9223372036854775808]",
                                     "\"\\u0000\""};

static void check_text(const char *text, size_t n, int *n_taken) {
    hl_err  err = {0};
    json_t *ours = NULL;
    json_t *theirs = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    const hl_status status = hl_chat_json_read((hl_view){text, n}, "x", &ours, &err);
    if ((status == HL_OK) != (theirs != NULL))
        fail_msg("'%.*s': %s, jansson %s it", (int)n, text, status == HL_OK ? "taken" : err.text,
                 theirs ? "takes" : "does not take");
    if (theirs && !json_equal(ours, theirs)) fail_msg("'%.*s' is another value", (int)n, text);
    *n_taken += theirs != NULL;
    json_decref(ours);
    json_decref(theirs);
}

static void texts_of_pieces_are_read_as_jansson_reads_them(void **state) {
    (void)state;
    enum { N_PIECES = sizeof pieces / sizeof pieces[0], N_TEXTS = 200000, MAX_PIECES = 9 };
    uint32_t random = 1;
    int      n_taken = 0;
    for (size_t a = 0; a < N_PIECES; a++) {
        check_text(pieces[a], strlen(pieces[a]), &n_taken);
        for (size_t b = 0; b < N_PIECES; b++) {
            char      text[128];
            const int n = snprintf(text, sizeof text, "[%s,%s]", pieces[a], pieces[b]);
            check_text(text, (size_t)n, &n_taken);
            const int m = snprintf(text, sizeof text, "%s%s", pieces[a], pieces[b]);
            check_text(text, (size_t)m, &n_taken);
        }
    }
    for (int i = 0; i < N_TEXTS; i++) {
        char           text[64 * MAX_PIECES];
        size_t         n = 0;
        const uint32_t n_pieces = 1 + next_random(&random) % MAX_PIECES;
        for (uint32_t k = 0; k < n_pieces; k++) {
            const char *piece = pieces[next_random(&random) % N_PIECES];
            memcpy(text + n, piece, strlen(piece));
            n += strlen(piece);
        }
        check_text(text, n, &n_taken);
    }
    assert_true(n_taken > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts_of_pieces_are_read_as_jansson_reads_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
