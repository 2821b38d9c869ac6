/* SPDX-License-Identifier: MIT
 *
 * tokenizer_fixture.h - vocabularies small enough to read, written to a file and loaded from it.
 */
#ifndef HL_TESTS_UNIT_TOKENIZER_FIXTURE_H
#define HL_TESTS_UNIT_TOKENIZER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"
#include "engine/tokenizer/tokenizer_load.h"

enum { FIX_MAX_TOKENS = 600 };

typedef struct fix_vocab {
    hl_gguf_writer *w;
    hl_view         texts[FIX_MAX_TOKENS], merges[FIX_MAX_TOKENS];
    int32_t         kinds[FIX_MAX_TOKENS];
    float           scores[FIX_MAX_TOKENS];
    char            room[FIX_MAX_TOKENS * 16]; /* texts that are no literals */
    size_t          n, n_merges, n_room;
} fix_vocab;

static inline fix_vocab *fix_new(const char *model, const char *pre) {
    fix_vocab *f = hl_new(1, sizeof *f);
    f->w = hl_gguf_writer_new();
    hl_gguf_writer_add_text(f->w, "tokenizer.ggml.model", hl_view_of(model));
    if (pre) hl_gguf_writer_add_text(f->w, "tokenizer.ggml.pre", hl_view_of(pre));
    return f;
}

static inline int32_t fix_add(fix_vocab *f, const char *text, int32_t kind, float score) {
    f->texts[f->n] = hl_view_of(text);
    f->kinds[f->n] = kind;
    f->scores[f->n] = score;
    return (int32_t)f->n++;
}

static inline void fix_merge(fix_vocab *f, const char *merge) {
    f->merges[f->n_merges++] = hl_view_of(merge);
}

static inline const char *fix_keep(fix_vocab *f, const char *text, size_t n) {
    char *p = f->room + f->n_room;
    memcpy(p, text, n);
    f->n_room += n + 1;
    return p;
}

/* A letter of the byte alphabet for each of the 256 bytes: id of byte b is fix_byte(b). */
static inline void fix_add_letters(fix_vocab *f) {
    for (uint32_t b = 0, other = 0x100; b < 256; b++) {
        const bool     same = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
        const uint32_t cp = same ? b : other++;
        char           text[2] = {(char)cp, 0};
        size_t         n = 1;
        if (cp >= 0x80) {
            text[0] = (char)(0xC0 | cp >> 6);
            text[1] = (char)(0x80 | (cp & 63));
            n = 2;
        }
        (void)fix_add(f, fix_keep(f, text, n), 1, 0);
    }
}

static inline void fix_add_bytes(fix_vocab *f) { /* <0x00> ... <0xFF> */
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        (void)snprintf(text, sizeof text, "<0x%02X>", b);
        (void)fix_add(f, fix_keep(f, text, 6), 6, 0);
    }
}

/* Write it, open it, load it; frees `f`. *ret_g is to be closed when it is not NULL. */
static inline hl_status fix_load(fix_vocab *f, hl_gguf **ret_g, hl_tokenizer **ret_t, hl_err *err) {
    char path[] = "/tmp/hl_tokenizer_XXXXXX";
    hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.tokens", f->n, f->texts);
    hl_gguf_writer_add_array(f->w, "tokenizer.ggml.token_type", HL_GGUF_I32, f->n, f->kinds);
    hl_gguf_writer_add_array(f->w, "tokenizer.ggml.scores", HL_GGUF_F32, f->n, f->scores);
    if (f->n_merges) hl_gguf_writer_add_texts(f->w, "tokenizer.ggml.merges", f->n_merges, f->merges);
    const int fd = mkstemp(path);
    if (fd >= 0) (void)close(fd);
    hl_status status = hl_gguf_writer_save(f->w, path, err);
    if (status == HL_OK) status = hl_gguf_open(path, ret_g, err);
    (void)unlink(path);
    hl_gguf_writer_free(f->w);
    hl_free(f);
    return status == HL_OK ? hl_tokenizer_new(*ret_g, ret_t, err) : status;
}

#endif
