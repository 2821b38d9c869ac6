/* SPDX-License-Identifier: MIT
 *
 * bench_tokenizer.c - how long a vocabulary takes to load and how fast text becomes ids and text again.
 *
 * bench_tokenizer VOCAB.gguf [TEXT]     TEXT: a file to tokenize; without it, made-up worst cases only
 *
 * One line a text, tab separated, best of RUNS, CPU time of one core:
 *   kind  text  bytes  tokens  load_ms  encode_mb_s  decode_mb_s
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/tokenizer/detokenize.h"
#include "core/base/mem.h"
#include "engine/tokenizer/tokenizer_load.h"

enum { RUNS = 5, MADE_BYTES = 1 << 20, PIECE_BYTES = 1 << 20 };

/* Time this thread computed: other work on the machine does not count. */
static int64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double best_load_ms(const hl_gguf *g, hl_tokenizer **ret_t) {
    double best = 1e30;
    for (int i = 0; i < RUNS; i++) {
        hl_err err = {0};
        hl_tokenizer_free(*ret_t);
        *ret_t = NULL;
        const int64_t t0 = cpu_ns();
        if (hl_tokenizer_new(g, ret_t, &err) != HL_OK) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        const double ms = (double)(cpu_ns() - t0) / 1e6;
        if (ms < best) best = ms;
    }
    return best;
}

static double decode_s(const hl_tokenizer *t, const hl_tokens *ids, char *buf) {
    hl_detokenizer d;
    const int64_t  t0 = cpu_ns();
    hl_detokenizer_init(&d, t, false);
    for (size_t i = 0; i < ids->n; i++) (void)hl_detokenizer_feed(&d, ids->ids[i], buf, PIECE_BYTES);
    return (double)(cpu_ns() - t0) / 1e9;
}

static void bench(const hl_tokenizer *t, double load_ms, const char *name, const char *text, size_t n,
                  char *buf) {
    double    encode = 1e30, decode = 1e30;
    hl_tokens ids = {0};
    hl_err    err = {0};
    for (int i = 0; i < RUNS; i++) {
        ids.n = 0;
        const int64_t t0 = cpu_ns();
        if (hl_tokenizer_encode(t, (hl_view){text, n}, HL_TOKENIZE_SPECIAL, &ids, &err) != HL_OK) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        const double s = (double)(cpu_ns() - t0) / 1e9, d = decode_s(t, &ids, buf);
        if (s < encode) encode = s;
        if (d < decode) decode = d;
    }
    printf("%s\t%s\t%zu\t%zu\t%.2f\t%.1f\t%.1f\n", hl_tokenizer_kind(t), name, n, ids.n, load_ms,
           (double)n / 1e6 / encode, (double)n / 1e6 / decode);
    hl_tokens_done(&ids);
}

static size_t read_file(const char *path, char **ret) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) exit(1);
    const long n = ftell(f);
    rewind(f);
    *ret = hl_new((size_t)n + 1, 1);
    if (!*ret || fread(*ret, 1, (size_t)n, f) != (size_t)n) exit(1);
    (void)fclose(f);
    return (size_t)n;
}

static size_t fill(char *text, const char *unit) {
    const size_t n = strlen(unit);
    size_t       at = 0;
    for (; at + n <= MADE_BYTES; at += n) memcpy(text + at, unit, n);
    return at;
}

int main(int argc, char **argv) {
    static const struct {
        const char *name, *unit;
    } made[] = {
        {"letters", "a"},
        {"capitals", "A"},
        {"spaces", " "},
        {"digits", "7"},
        {"newlines", "\n"},
        {"dots", "."},
        {"han", "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C"},
        {"bad bytes", "\xFF"},
        {"marks", "a\xCC\x81"},
        {"spaces, letter", "                                                       x"},
        {"emoji", "\xF0\x9F\x98\x80"},
        {"less-than", "<"},
    };
    hl_gguf      *g = NULL;
    hl_tokenizer *t = NULL;
    hl_err        err = {0};
    char         *buf = hl_new(PIECE_BYTES, 1), *text = hl_new(MADE_BYTES, 1);
    if (argc < 2 || !buf || !text || hl_gguf_open(argv[1], &g, &err) != HL_OK) {
        fprintf(stderr, "bench_tokenizer VOCAB.gguf [TEXT] %s\n", err.text);
        return 1;
    }
    const double load_ms = best_load_ms(g, &t);
    printf("kind\ttext\tbytes\ttokens\tload_ms\tencode_mb_s\tdecode_mb_s\n");
    if (argc > 2) {
        char        *file = NULL;
        const size_t n = read_file(argv[2], &file);
        bench(t, load_ms, "file", file, n, buf);
        hl_free(file);
    }
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        bench(t, load_ms, made[i].name, text, fill(text, made[i].unit), buf);
    hl_free(buf);
    hl_free(text);
    hl_tokenizer_free(t);
    hl_gguf_close(g);
    return 0;
}
