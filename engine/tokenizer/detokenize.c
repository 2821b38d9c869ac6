/* SPDX-License-Identifier: MIT
 *
 * detokenize.c - ids to text, whole characters only.
 */
#include "engine/tokenizer/detokenize.h"

#include <string.h>

#include "core/base/mem.h"
#include "engine/tokenizer/tokenizer_state.h"

enum { REPLACEMENT_BYTES = 3 };

/* How the bytes at p begin: a whole character, one that needs more bytes than there are, or none.
 * *ret_len: bytes of the character, or of what looked like one (at least 1). */
typedef enum utf8_state { UTF8_WHOLE, UTF8_SHORT, UTF8_BAD } utf8_state;

static utf8_state utf8_look(const unsigned char *p, size_t n, size_t *ret_len) {
    const unsigned char c = p[0];
    *ret_len = 1;
    if (c < 0x80) return UTF8_WHOLE;
    if (c < 0xC2 || c > 0xF4) return UTF8_BAD;
    const size_t  len = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    unsigned char low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;  /* overlong */
    unsigned char high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF; /* surrogates, past U+10FFFF */
    for (; *ret_len < len; (*ret_len)++) {
        if (*ret_len == n) return UTF8_SHORT;
        if (p[*ret_len] < low || p[*ret_len] > high) return UTF8_BAD;
        low = 0x80;
        high = 0xBF;
    }
    return UTF8_WHOLE;
}

typedef struct writer {
    char  *buf;
    size_t n, cap;
} writer;

static void put(writer *w, const void *bytes, size_t n) {
    if (n > w->cap - w->n) return; /* the caller's buffer is too small: see hl_tokenizer_max_piece_bytes() */
    memcpy(w->buf + w->n, bytes, n);
    w->n += n;
}

void hl_detokenizer_init(hl_detokenizer *d, const hl_tokenizer *t, bool with_special) {
    *d = (hl_detokenizer){.tokenizer = t, .with_special = with_special, .at_start = t->add_space_prefix};
}

hl_status hl_detokenizer_new(const hl_tokenizer *t, bool with_special, hl_detokenizer **ret_detokenizer,
                             hl_err *err) {
    hl_detokenizer *d = hl_new(1, sizeof *d);
    if (!d) return hl_fail(err, HL_E_NOMEM, "detokenizer: no memory");
    hl_detokenizer_init(d, t, with_special);
    *ret_detokenizer = d;
    return HL_OK;
}

void hl_detokenizer_free(hl_detokenizer *d) { hl_free(d); }

/* Write what is whole of p[0, n); keep the beginning of a character, unless `last`. */
static void put_text(hl_detokenizer *d, writer *w, const unsigned char *p, size_t n, bool last) {
    d->n_held = 0;
    for (size_t i = 0; i < n;) {
        size_t           len = 0;
        const utf8_state state = utf8_look(p + i, n - i, &len);
        if (state == UTF8_WHOLE) {
            put(w, p + i, len);
        } else if (state == UTF8_SHORT && !last) {
            memcpy(d->held, p + i, len);
            d->n_held = (uint32_t)len;
        } else {
            put(w, "\xEF\xBF\xBD", REPLACEMENT_BYTES);
        }
        i += len;
    }
}

size_t hl_detokenizer_feed(hl_detokenizer *d, int32_t id, char *buf, size_t cap) {
    unsigned char bytes[sizeof d->held + HL_TOKEN_MAX_BYTES];
    writer        w = {.buf = buf, .cap = cap};
    const size_t  n_held = d->n_held;
    memcpy(bytes, d->held, n_held);
    unsigned char *piece = bytes + n_held;
    size_t n = hl_tokenizer_piece(d->tokenizer, id, d->with_special, (char *)piece, HL_TOKEN_MAX_BYTES);
    if (n == 0) return 0;
    if (d->at_start && !hl_tokenizer_is_control(d->tokenizer, id)) {
        d->at_start = false;
        if (piece[0] == ' ') memmove(piece, piece + 1, --n);
    }
    put_text(d, &w, bytes, n_held + n, false);
    return w.n;
}

size_t hl_detokenizer_finish(hl_detokenizer *d, char *buf, size_t cap) {
    unsigned char held[sizeof d->held];
    writer        w = {.buf = buf, .cap = cap};
    const size_t  n = d->n_held;
    memcpy(held, d->held, n);
    put_text(d, &w, held, n, true);
    return w.n;
}

size_t hl_tokenizer_max_piece_bytes(const hl_tokenizer *t) {
    return REPLACEMENT_BYTES * ((size_t)t->vocab.longest + sizeof((hl_detokenizer *)0)->held);
}
