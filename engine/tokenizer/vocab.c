/* SPDX-License-Identifier: MIT
 *
 * vocab.c - read the token list, hash the texts.
 */
#include "engine/tokenizer/vocab.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/stop.h"

/* A GGUF string is an u64 length and its bytes, so texts of one array lie this far apart. */
enum { STRING_HEAD_BYTES = 8, TOKENS_PER_LOOK = 1024 };

static const char READING[] = "read the vocabulary";

static uint64_t mix(uint64_t a, uint64_t b) {
    const unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t read64(const char *p) {
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static uint64_t read32(const char *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Keys that no file can know: with known ones, a file could be made of words that all have one hash. */
static void draw_keys(uint64_t keys[2]) {
    if (getrandom(keys, 2 * sizeof *keys, GRND_NONBLOCK) != 2 * sizeof *keys) {
        keys[0] = (uint64_t)hl_clock_ns() * 0x9E3779B97F4A7C15u;
        keys[1] = mix(keys[0], (uint64_t)(uintptr_t)keys ^ 0xD6E8FEB86659FD93u);
    }
    keys[0] |= 1; /* odd: texts of different lengths begin differently */
}

/* Multiply-and-fold over 16 bytes at a time; the last block overlaps the one before it. */
uint64_t hl_vocab_hash(const hl_vocab *v, const char *p, size_t n) {
    const uint64_t k0 = v->hash_keys[0], k1 = v->hash_keys[1];
    uint64_t       h = n * k0, a, b;
    if (n >= 8) {
        const char *const end = p + n;
        for (; end - p > 16; p += 16) h = mix(read64(p) ^ k1, read64(p + 8) ^ h);
        a = end - p >= 8 ? read64(p) : read64(end - 16);
        b = read64(end - 8);
    } else if (n >= 4) {
        a = read32(p);
        b = read32(p + n - 4);
    } else {
        a = n ? (uint64_t)(unsigned char)p[0] | (uint64_t)(unsigned char)p[n / 2] << 8 |
                    (uint64_t)(unsigned char)p[n - 1] << 16
              : 0;
        b = 0;
    }
    return mix(mix(a ^ k1, b ^ h), k0);
}

hl_view hl_vocab_text(const hl_vocab *v, int32_t id) {
    const uint32_t at = v->starts[id];
    return (hl_view){v->base + at, v->starts[id + 1] - at - STRING_HEAD_BYTES};
}

float hl_vocab_score(const hl_vocab *v, int32_t id) {
    float f = 0;
    if (v->scores) memcpy(&f, v->scores + 4 * (size_t)id, sizeof f);
    return f;
}

int32_t hl_vocab_find(const hl_vocab *v, const char *text, size_t n) {
    if (n == 0 || n > v->longest) return -1;
    const uint64_t h = hl_vocab_hash(v, text, n);
    const uint32_t tag = (uint32_t)(h >> 32) >> v->id_bits;
    for (uint32_t i = (uint32_t)h & v->mask; v->slots[i]; i = (i + 1) & v->mask) {
        if (v->slots[i] >> v->id_bits != tag) continue;
        const int32_t id = (int32_t)(v->slots[i] & ((1u << v->id_bits) - 1)) - 1;
        const hl_view t = hl_vocab_text(v, id);
        if (t.len == n && memcmp(t.ptr, text, n) == 0) return id;
    }
    return -1;
}

static void insert(hl_vocab *v, int32_t id, uint64_t h, hl_view text) {
    const uint32_t tag = (uint32_t)(h >> 32) >> v->id_bits;
    const uint32_t slot = tag << v->id_bits | (uint32_t)(id + 1);
    uint32_t       i = (uint32_t)h & v->mask;
    for (; v->slots[i]; i = (i + 1) & v->mask) {
        if (v->slots[i] >> v->id_bits != tag) continue;
        const hl_view t = hl_vocab_text(v, (int32_t)(v->slots[i] & ((1u << v->id_bits) - 1)) - 1);
        if (t.len != text.len || memcmp(t.ptr, text.ptr, t.len) != 0) continue;
        v->n_duplicates++;
        break;
    }
    v->slots[i] = slot;
}

/* Hash a few texts ahead of the insertion, so that the table's cache misses overlap. */
static hl_status insert_all(hl_vocab *v, hl_err *err) {
    enum { AHEAD = 32 };
    uint64_t hashes[AHEAD];
    for (int32_t first = 0; first < v->n; first += AHEAD) {
        const hl_status status = hl_stop_check(READING, err);
        if (status != HL_OK) return status;
        const int32_t end = v->n - first < AHEAD ? v->n : first + AHEAD;
        for (int32_t id = first; id < end; id++) {
            const hl_view t = hl_vocab_text(v, id);
            hashes[id - first] = hl_vocab_hash(v, t.ptr, t.len);
            __builtin_prefetch(&v->slots[(uint32_t)hashes[id - first] & v->mask], 1);
        }
        for (int32_t id = first; id < end; id++) {
            const hl_view t = hl_vocab_text(v, id);
            if (t.len) insert(v, id, hashes[id - first], t);
        }
    }
    return HL_OK;
}

static hl_status load_texts(hl_vocab *v, const hl_gguf_value *tokens, hl_err *err) {
    hl_gguf_strings it;
    hl_view         text = {0};
    if (!hl_gguf_strings_init(&it, tokens))
        return hl_fail(err, HL_E_FORMAT, "key 'tokenizer.ggml.tokens': expected an array of strings");
    for (int32_t id = 0; id < v->n; id++) {
        const hl_status status = id % TOKENS_PER_LOOK == 0 ? hl_stop_check(READING, err) : HL_OK;
        if (status != HL_OK) return status;
        if (!hl_gguf_strings_next(&it, &text))
            return hl_fail(err, HL_E_FORMAT,
                           "key 'tokenizer.ggml.tokens': ends after %" PRId32 " of %" PRId32 " tokens", id,
                           v->n);
        if (id == 0) v->base = text.ptr;
        if (text.len > HL_TOKEN_MAX_BYTES)
            return hl_fail(err, HL_E_FORMAT, "token %" PRId32 " has %zu bytes, expected at most %d", id,
                           text.len, HL_TOKEN_MAX_BYTES);
        const ptrdiff_t at = text.ptr - v->base;
        if (at < 0 || (uint64_t)at > UINT32_MAX - 2 * HL_TOKEN_MAX_BYTES)
            return hl_fail(err, HL_E_FORMAT, "the texts of the vocabulary take more than 4 GiB");
        v->starts[id] = (uint32_t)at;
        v->starts[id + 1] = (uint32_t)at + (uint32_t)text.len + STRING_HEAD_BYTES;
        if (text.len > v->longest) v->longest = (uint32_t)text.len;
    }
    return HL_OK;
}

/* Elements of four bytes, as nearly all files have them, without a call for each. */
static int64_t kind_at(const hl_gguf_value *kinds, bool wide, int32_t i) {
    int64_t kind = -1;
    if (wide) {
        const uint8_t *p = kinds->data + 4 * (size_t)i;
        kind = (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
    } else if (!hl_gguf_elem_i64(kinds, (uint64_t)i, &kind)) {
        kind = -1;
    }
    return kind;
}

static hl_status load_kinds(hl_vocab *v, const hl_gguf *g, hl_err *err) {
    memset(v->kinds, HL_TOKEN_NORMAL, (size_t)v->n);
    const hl_gguf_value *kinds = hl_gguf_find(g, "tokenizer.ggml.token_type");
    if (!kinds) return HL_OK;
    if (kinds->kind != HL_GGUF_ARRAY || kinds->n != (uint64_t)v->n)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'tokenizer.ggml.token_type': %" PRIu64 " elements, expected an array of %" PRId32,
                       kinds->n, v->n);
    int64_t first = 0;
    if (!hl_gguf_elem_i64(kinds, 0, &first))
        return hl_fail(err, HL_E_FORMAT, "key 'tokenizer.ggml.token_type': expected integers");
    const bool wide = kinds->elem_kind == HL_GGUF_I32 || kinds->elem_kind == HL_GGUF_U32;
    for (int32_t id = 0; id < v->n; id++) {
        const int64_t kind = kind_at(kinds, wide, id);
        if (kind < HL_TOKEN_UNDEFINED || kind > HL_TOKEN_BYTE)
            return hl_fail(err, HL_E_FORMAT, "token %" PRId32 " is of type %" PRId64 ", expected %d..%d", id,
                           kind, HL_TOKEN_UNDEFINED, HL_TOKEN_BYTE);
        v->kinds[id] = (uint8_t)kind;
    }
    return HL_OK;
}

static hl_status load_scores(hl_vocab *v, const hl_gguf *g, hl_err *err) {
    const hl_gguf_value *scores = hl_gguf_find(g, "tokenizer.ggml.scores");
    if (!scores) return HL_OK;
    if (scores->kind != HL_GGUF_ARRAY || scores->elem_kind != HL_GGUF_F32 || scores->n != (uint64_t)v->n)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'tokenizer.ggml.scores': %" PRIu64 " elements, expected an array of %" PRId32
                       " f32",
                       scores->n, v->n);
    v->scores = scores->data;
    return HL_OK;
}

hl_status hl_vocab_load(hl_vocab *v, const hl_gguf *g, hl_err *err) {
    *v = (hl_vocab){0};
    const hl_gguf_value *tokens = hl_gguf_find(g, "tokenizer.ggml.tokens");
    if (!tokens) return hl_fail(err, HL_E_FORMAT, "key 'tokenizer.ggml.tokens' is missing");
    if (tokens->kind != HL_GGUF_ARRAY || tokens->n == 0 || tokens->n > HL_VOCAB_MAX_TOKENS)
        return hl_fail(err, HL_E_FORMAT,
                       "key 'tokenizer.ggml.tokens': %" PRIu64 " elements, expected an array of 1..%d",
                       tokens->n, HL_VOCAB_MAX_TOKENS);
    v->n = (int32_t)tokens->n;
    draw_keys(v->hash_keys);
    while (1u << v->id_bits <= (uint32_t)v->n) v->id_bits++;
    uint32_t n_slots = 8;
    while (n_slots < 2 * (uint32_t)v->n) n_slots *= 2; /* at most half full */
    v->mask = n_slots - 1;
    v->starts = hl_new((size_t)v->n + 1, sizeof *v->starts);
    v->kinds = hl_new((size_t)v->n, sizeof *v->kinds);
    v->slots = hl_new((size_t)v->mask + 1, sizeof *v->slots);
    if (!v->starts || !v->kinds || !v->slots)
        return hl_fail(err, HL_E_NOMEM, "no memory for a vocabulary of %" PRId32 " tokens", v->n);

    hl_status status = load_texts(v, tokens, err);
    if (status == HL_OK) status = load_kinds(v, g, err);
    if (status == HL_OK) status = load_scores(v, g, err);
    if (status == HL_OK) status = insert_all(v, err);
    return status;
}

void hl_vocab_done(hl_vocab *v) {
    hl_free(v->starts);
    hl_free(v->kinds);
    hl_free(v->slots);
    *v = (hl_vocab){0};
}
