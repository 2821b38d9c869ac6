/* SPDX-License-Identifier: MIT
 *
 * dry_breakers.c - all tokens with one of the usual marks in them: line ends, colons, quotation marks,
 * asterisks.
 * from: llama.cpp's defaults of dry_sequence_breakers, 2026
 */
#include "engine/runner/dry_breakers.h"

#include <string.h>

#include "core/base/mem.h"

void hl_dry_breakers_init(hl_dry_breakers *b) {
    *b = (hl_dry_breakers){0};
    (void)pthread_mutex_init(&b->lock, NULL);
}

void hl_dry_breakers_done(hl_dry_breakers *b) {
    hl_free(b->ids);
    (void)pthread_mutex_destroy(&b->lock);
}

static bool has_mark(const char *piece, size_t n) {
    static const char marks[] = {'\n', ':', '"', '*'};
    for (size_t i = 0; i < n; i++)
        if (memchr(marks, piece[i], sizeof marks)) return true;
    return false;
}

/* Under lock. */
static bool look_for(hl_dry_breakers *b, const hl_tokenizer *t) {
    const int32_t n_vocab = hl_tokenizer_n_vocab(t);
    const size_t  cap = hl_tokenizer_max_piece_bytes(t);
    char         *piece = hl_new(cap, 1);
    int32_t      *ids = hl_new((size_t)n_vocab, sizeof *ids);
    const bool    ok = piece && ids;
    for (int32_t id = 0; ok && id < n_vocab; id++)
        if (has_mark(piece, hl_tokenizer_piece(t, id, false, piece, cap))) ids[b->n++] = id;
    if (ok)
        b->ids = ids;
    else
        hl_free(ids);
    hl_free(piece);
    return ok;
}

hl_status hl_dry_breakers_fill(hl_dry_breakers *b, const hl_tokenizer *t, hl_sampler_params *p, hl_err *err) {
    if (p->dry_multiplier <= 0 || p->dry_breakers) return HL_OK;
    (void)pthread_mutex_lock(&b->lock);
    const bool ok = b->ids || look_for(b, t);
    p->dry_breakers = b->ids;
    p->n_dry_breakers = b->n;
    (void)pthread_mutex_unlock(&b->lock);
    return ok ? HL_OK : hl_fail(err, HL_E_NOMEM, "answer: no memory");
}
