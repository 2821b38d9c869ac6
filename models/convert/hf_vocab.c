/* SPDX-License-Identifier: MIT
 *
 * hf_vocab.c - vocabularies of Hugging Face folders.
 *
 * Three kinds: byte-level BPE ("gpt2"), BPE over characters with bytes as a last resort, which GGUF keeps in
 * SentencePiece's form ("llama"), and WordPiece ("bert"). Whatever order the files have things in, a
 * token's id is its place in the list.
 * from: the tokenizers library's file format (its documentation and serializers), SentencePiece's
 *       sentencepiece_model.proto (field numbers), GGUF's names for the keys
 */
#include "models/convert/hf_vocab.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE }; /* as GGUF and SentencePiece count */
enum { MAX_TOKENS = 1 << 22, MAX_MERGES = 1 << 23 };

typedef struct vocab {
    const hl_vocab_source *s;
    hl_arena              *arena;
    hl_gguf_writer        *w;
    size_t                 n;
    hl_view               *tokens; /* [n]; ptr NULL: nobody has this id */
    int32_t               *types;
    float                 *scores;
    hl_err                *err;
} vocab;

static hl_status fail_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "vocabulary: no memory"); }

static hl_status reserve(vocab *v, size_t n) {
    if (n == 0 || n > MAX_TOKENS)
        return hl_fail(v->err, HL_E_FORMAT, "vocabulary: %zu tokens, expected 1..%d", n, MAX_TOKENS);
    v->n = n;
    v->tokens = hl_arena_get(v->arena, n, sizeof *v->tokens);
    v->types = hl_arena_get(v->arena, n, sizeof *v->types);
    v->scores = hl_arena_get(v->arena, n, sizeof *v->scores);
    return v->tokens && v->types && v->scores ? HL_OK : fail_memory(v->err);
}

static hl_view view_of(const json_t *text) {
    return (hl_view){json_string_value(text), json_string_length(text)};
}

static bool read_id(const json_t *v, int64_t *ret) {
    *ret = json_is_integer(v) ? json_integer_value(v) : -1;
    return *ret >= 0 && *ret < MAX_TOKENS;
}

/* ---- tokenizer.json: tokens ---- */

/* Ids of the table and of tokens that were added later. More than the model has rows for are left out:
 * nobody can say them. */
static hl_status take_tokens(vocab *v, const json_t *tokenizer) {
    const json_t *model = json_object_get(tokenizer, "model"), *table = json_object_get(model, "vocab"), *id;
    const char   *text;
    size_t        n_text, i;
    int64_t       at;
    if (!json_is_object(table))
        return hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.vocab: expected an object");
    hl_status status = reserve(v, v->s->n_rows);
    if (status != HL_OK) return status;
    json_object_keylen_foreach((json_t *)(uintptr_t)table, text, n_text, id) {
        if (!read_id(id, &at))
            return hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.vocab: an id that is none");
        if ((size_t)at >= v->n) continue;
        if (v->tokens[at].ptr)
            return hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.vocab: two tokens of id %" PRId64, at);
        v->tokens[at] = (hl_view){text, n_text};
        v->types[at] = NORMAL;
    }
    const json_t *added = json_object_get(tokenizer, "added_tokens"), *a;
    json_array_foreach(added, i, a) {
        const json_t *content = json_object_get(a, "content");
        if (!read_id(json_object_get(a, "id"), &at) || !json_is_string(content))
            return hl_fail(v->err, HL_E_FORMAT,
                           "tokenizer.json: added_tokens[%zu]: expected an id and a content", i);
        if ((size_t)at >= v->n) continue;
        v->tokens[at] = view_of(content);
        v->types[at] = hl_json_bool(a, "special", false) ? CONTROL : USER_DEFINED;
    }
    return HL_OK;
}

/* Rows of the embedding table without a token: padding. */
static hl_status fill_gaps(vocab *v) {
    for (size_t i = 0; i < v->n; i++) {
        char      text[32];
        const int n = snprintf(text, sizeof text, "[PAD%zu]", i);
        if (v->tokens[i].ptr) continue;
        v->tokens[i] = (hl_view){hl_arena_get_text(v->arena, text, (size_t)n), (size_t)n};
        v->types[i] = UNUSED;
        if (!v->tokens[i].ptr) return fail_memory(v->err);
    }
    return HL_OK;
}

/* ---- names to ids ---- */

typedef struct index_row {
    hl_view text;
    int32_t id;
} index_row;

static int by_text(const void *a, const void *b) {
    const index_row *x = a, *y = b;
    const size_t     n = x->text.len < y->text.len ? x->text.len : y->text.len;
    const int        c = n ? memcmp(x->text.ptr, y->text.ptr, n) : 0;
    return c ? c : x->text.len < y->text.len ? -1 : x->text.len > y->text.len;
}

static index_row *make_index(const vocab *v) {
    index_row *rows = hl_new(v->n, sizeof *rows);
    for (size_t i = 0; rows && i < v->n; i++) rows[i] = (index_row){v->tokens[i], (int32_t)i};
    if (rows) qsort(rows, v->n, sizeof *rows, by_text);
    return rows;
}

static int32_t find_text(const index_row *rows, size_t n, hl_view text) {
    const index_row  key = {text, 0};
    const index_row *found = bsearch(&key, rows, n, sizeof *rows, by_text);
    return found ? found->id : -1;
}

static int32_t find_token(const vocab *v, hl_view text) {
    for (size_t i = 0; i < v->n; i++)
        if (text.ptr && hl_view_eq(v->tokens[i], text)) return (int32_t)i;
    return -1;
}

/* ---- tokenizer.json: merges ---- */

/* "a b", or ["a", "b"]. */
static bool read_merge(const json_t *m, hl_view *ret_a, hl_view *ret_b) {
    if (json_is_array(m) && json_array_size(m) == 2 && json_is_string(json_array_get(m, 0)) &&
        json_is_string(json_array_get(m, 1))) {
        *ret_a = view_of(json_array_get(m, 0));
        *ret_b = view_of(json_array_get(m, 1));
        return true;
    }
    const hl_view all = view_of(m);
    const char   *blank = json_is_string(m) && all.len > 2 ? memchr(all.ptr + 1, ' ', all.len - 2) : NULL;
    if (!blank) return false;
    *ret_a = (hl_view){all.ptr, (size_t)(blank - all.ptr)};
    *ret_b = (hl_view){blank + 1, all.len - ret_a->len - 1};
    return true;
}

static hl_status check_merges(const vocab *v, const json_t *merges) {
    if (!json_is_array(merges) || json_array_size(merges) > MAX_MERGES)
        return hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.merges: expected a list of at most %d",
                       MAX_MERGES);
    return HL_OK;
}

static hl_status write_merges(vocab *v, const json_t *merges) {
    const size_t n = json_array_size(merges);
    hl_status    status = check_merges(v, merges);
    hl_view     *list = status == HL_OK ? hl_arena_get(v->arena, n, sizeof *list) : NULL;
    if (status == HL_OK && !list) status = fail_memory(v->err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        hl_view a, b;
        if (!read_merge(json_array_get(merges, i), &a, &b))
            return hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.merges[%zu]: expected two pieces", i);
        char *text = hl_arena_get(v->arena, a.len + b.len + 2, 1);
        if (!text) return fail_memory(v->err);
        memcpy(text, a.ptr, a.len);
        text[a.len] = ' ';
        memcpy(text + a.len + 1, b.ptr, b.len);
        list[i] = (hl_view){text, a.len + b.len + 1};
    }
    if (status == HL_OK) hl_gguf_writer_add_texts(v->w, "tokenizer.ggml.merges", n, list);
    return status;
}

/* SentencePiece merges by the score of what comes out; the rank of the merge that makes a token is that,
 * turned round. */
static hl_status score_by_merges(vocab *v, const json_t *merges) {
    hl_status  status = check_merges(v, merges);
    index_row *rows = status == HL_OK ? make_index(v) : NULL;
    hl_str     text;
    if (status == HL_OK && !rows) status = fail_memory(v->err);
    hl_str_init(&text, 1 << 20);
    for (size_t i = 0; i < json_array_size(merges) && status == HL_OK; i++) {
        hl_view a, b;
        if (!read_merge(json_array_get(merges, i), &a, &b)) {
            status =
                hl_fail(v->err, HL_E_FORMAT, "tokenizer.json: model.merges[%zu]: expected two pieces", i);
            break;
        }
        hl_str_clear(&text);
        hl_str_add_view(&text, a);
        hl_str_add_view(&text, b);
        const int32_t id = find_text(rows, v->n, hl_str_view(&text));
        if (id >= 0 && v->scores[id] == 0) v->scores[id] = -(float)(i + 1);
    }
    hl_str_done(&text);
    hl_free(rows);
    return status;
}

/* ---- kinds ---- */

static bool is_byte(hl_view t) {
    return t.len == 6 && memcmp(t.ptr, "<0x", 3) == 0 && t.ptr[5] == '>' &&
           strspn(t.ptr + 3, "0123456789ABCDEFabcdef") >= 2;
}

static void mark_bytes(vocab *v) {
    for (size_t i = 0; i < v->n; i++)
        if (v->types[i] == NORMAL && is_byte(v->tokens[i])) v->types[i] = BYTE;
}

static void add_signature(hl_str *s, const json_t *step) {
    const char   *type = hl_json_text(step, "type");
    const json_t *steps = json_object_get(step, "pretokenizers"), *one;
    const json_t *pattern = json_object_get(step, "pattern");
    size_t        i;
    if (!type) return;
    if (strcmp(type, "Sequence") == 0) {
        json_array_foreach(steps, i, one) if (i < 16 && !hl_json_text(one, "pretokenizers")) {
            const char *inner = hl_json_text(one, "type"); /* sequences do not stand in sequences */
            if (!inner || strcmp(inner, "Sequence") != 0) add_signature(s, one);
        }
        return;
    }
    if (strcmp(type, "ByteLevel") == 0 && !hl_json_bool(step, "use_regex", true)) return;
    if (s->len > 0) hl_str_add_char(s, '\001');
    if (strcmp(type, "ByteLevel") == 0)
        hl_str_add_char(s, 'B');
    else if (strcmp(type, "Digits") == 0)
        hl_str_add_text(s, hl_json_bool(step, "individual_digits", false) ? "D1" : "D");
    else if (strcmp(type, "Split") == 0 && hl_json_text(pattern, "Regex"))
        hl_str_add_format(s, "S:%s", hl_json_text(pattern, "Regex"));
    else
        hl_str_add_format(s, "?%s", type);
}

/* The name of `tokenizer.ggml.pre` for a pre_tokenizer; NULL: not known. merges_all: a piece that is a
 * token is merged all the same ("ignore_merges" is not set). */
static const char *name_pretokenizer(const json_t *pre_tokenizer, bool merges_all) {
    static const struct {
        const char *signature, *name, *merging;
    } rows[] = {
#define HL_PRE(signature, name, merging) {signature, name, merging},
#include "models/convert/hf_pretokenizers.def"
#undef HL_PRE
    };
    const char *found = NULL;
    hl_str      s;
    hl_str_init(&s, 1 << 16);
    add_signature(&s, pre_tokenizer);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !found && !s.failed; i++)
        if (strcmp(hl_str_text(&s), rows[i].signature) == 0)
            found = merges_all ? rows[i].merging : rows[i].name;
    hl_str_done(&s);
    return found;
}

static hl_status take_bytes_bpe(vocab *v, const json_t *tokenizer) {
    const json_t *model = json_object_get(tokenizer, "model");
    const char   *pre = name_pretokenizer(json_object_get(tokenizer, "pre_tokenizer"),
                                          !hl_json_bool(model, "ignore_merges", false));
    if (!pre)
        return hl_fail(
            v->err, HL_E_UNSUPPORTED,
            "tokenizer.json: its pre_tokenizer is none of those that are known here: texts would be cut "
            "otherwise than the model has learnt");
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.model", hl_view_of("gpt2"));
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.pre", hl_view_of(pre));
    return write_merges(v, json_object_get(model, "merges"));
}

/* Is there a step of this kind, in a sequence or alone? */
static const json_t *find_step(const json_t *step, const char *list, const char *type) {
    const char   *own = hl_json_text(step, "type");
    const json_t *one;
    size_t        i;
    if (own && strcmp(own, type) == 0) return step;
    json_array_foreach(json_object_get(step, list), i, one) {
        own = hl_json_text(one, "type");
        if (own && strcmp(own, type) == 0) return one;
    }
    return NULL;
}

static hl_status take_characters_bpe(vocab *v, const json_t *tokenizer) {
    const json_t *normalizer = json_object_get(tokenizer, "normalizer");
    const json_t *space =
        find_step(json_object_get(tokenizer, "pre_tokenizer"), "pretokenizers", "Metaspace");
    const char *scheme = hl_json_text(space, "prepend_scheme");
    const bool  prepends =
        find_step(normalizer, "normalizers", "Prepend") ||
        (space && (scheme ? strcmp(scheme, "never") != 0 : hl_json_bool(space, "add_prefix_space", true)));
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.model", hl_view_of("llama"));
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.pre", hl_view_of("default"));
    hl_gguf_writer_add_bool(v->w, "tokenizer.ggml.add_space_prefix", prepends);
    mark_bytes(v);
    return score_by_merges(v, json_object_get(json_object_get(tokenizer, "model"), "merges"));
}

/* GGUF marks where a word begins, WordPiece where one goes on. */
static hl_status take_wordpiece(vocab *v, const json_t *tokenizer) {
    const json_t *model = json_object_get(tokenizer, "model"),
                 *normalizer = json_object_get(tokenizer, "normalizer");
    const char *mark = hl_json_text(model, "continuing_subword_prefix");
    if (!hl_json_bool(normalizer, "lowercase", true))
        return hl_fail(v->err, HL_E_UNSUPPORTED,
                       "tokenizer.json: a WordPiece vocabulary with upper and lower case; "
                       "supported: lower case only");
    if (mark && strcmp(mark, "##") != 0)
        return hl_fail(v->err, HL_E_UNSUPPORTED,
                       "tokenizer.json: continuing_subword_prefix is '%.20s', expected ##", mark);
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.model", hl_view_of("bert"));
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.pre", hl_view_of("default"));
    for (size_t i = 0; i < v->n; i++) {
        const hl_view t = v->tokens[i];
        if (t.len > 1 && t.ptr[0] == '[' && t.ptr[t.len - 1] == ']') continue;
        if (t.len > 2 && memcmp(t.ptr, "##", 2) == 0) {
            v->tokens[i] = (hl_view){t.ptr + 2, t.len - 2};
            continue;
        }
        char *text = hl_arena_get(v->arena, t.len + 4, 1);
        if (!text) return fail_memory(v->err);
        memcpy(text, "\xe2\x96\x81", 3);
        if (t.len) memcpy(text + 3, t.ptr, t.len);
        v->tokens[i] = (hl_view){text, t.len + 3};
    }
    return HL_OK;
}

static hl_status take_tokenizer_json(vocab *v) {
    const json_t *tokenizer = v->s->tokenizer, *model = json_object_get(tokenizer, "model");
    const char   *type = hl_json_text(model, "type");
    const bool    is_wordpiece = type && strcmp(type, "WordPiece") == 0;
    if (type && !is_wordpiece && strcmp(type, "BPE") != 0)
        return hl_fail(v->err, HL_E_UNSUPPORTED,
                       "tokenizer.json: model.type is '%.40s'; supported: BPE, WordPiece", type);
    hl_status status = take_tokens(v, tokenizer);
    if (status == HL_OK) status = fill_gaps(v);
    if (status != HL_OK) return status;
    if (is_wordpiece) return take_wordpiece(v, tokenizer);
    const bool has_bytes = hl_json_bool(model, "byte_fallback", false);
    return has_bytes ? take_characters_bpe(v, tokenizer) : take_bytes_bpe(v, tokenizer);
}

/* ---- tokenizer.model: SentencePiece's protocol buffer ---- */

typedef struct proto {
    const uint8_t *at, *end;
} proto;

static bool read_varint(proto *p, uint64_t *ret) {
    *ret = 0;
    for (int shift = 0; shift < 64 && p->at < p->end; shift += 7) {
        const uint8_t b = *p->at++;
        *ret |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) return true;
    }
    return false;
}

typedef struct proto_field {
    uint32_t number, wire;
    uint64_t value; /* of a varint or fixed32 */
    proto    bytes;
} proto_field;

static bool read_field(proto *p, proto_field *ret) {
    uint64_t key, n;
    if (!read_varint(p, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return false;
    *ret = (proto_field){.number = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7)};
    if (ret->wire == 0) return read_varint(p, &ret->value);
    if (ret->wire == 2) {
        if (!read_varint(p, &n) || n > (uint64_t)(p->end - p->at)) return false;
        ret->bytes = (proto){p->at, p->at + n};
        p->at += n;
        return true;
    }
    const size_t size = ret->wire == 5 ? 4 : ret->wire == 1 ? 8 : 0;
    if (size == 0 || (size_t)(p->end - p->at) < size) return false;
    for (size_t i = 0; i < size; i++) ret->value |= (uint64_t)p->at[i] << (8 * i);
    p->at += size;
    return true;
}

static bool read_piece(proto p, hl_view *text, float *score, int32_t *type) {
    proto_field f;
    *type = NORMAL;
    *score = 0;
    *text = (hl_view){"", 0};
    while (p.at < p.end) {
        if (!read_field(&p, &f)) return false;
        if (f.number == 1 && f.wire == 2)
            *text = (hl_view){(const char *)f.bytes.at, (size_t)(f.bytes.end - f.bytes.at)};
        if (f.number == 2 && f.wire == 5) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(score, &bits, sizeof *score);
        }
        if (f.number == 3 && f.wire == 0)
            *type = f.value >= NORMAL && f.value <= BYTE ? (int32_t)f.value : NORMAL;
    }
    return hl_utf8_is_valid(text->ptr, text->len);
}

/* One varint of a message in a field of the model; `otherwise` where it is absent. */
static int64_t read_setting(proto p, uint32_t message, uint32_t number, int64_t otherwise) {
    proto_field f, g;
    while (p.at < p.end && read_field(&p, &f)) {
        proto in = f.bytes;
        if (f.number != message || f.wire != 2) continue;
        while (in.at < in.end && read_field(&in, &g))
            if (g.number == number && g.wire == 0) otherwise = (int64_t)g.value;
    }
    return otherwise;
}

/* Tokens that were added to the pieces later, of tokenizer.json or tokenizer_config.json. */
static void take_added(vocab *v) {
    const json_t *added = json_object_get(v->s->tokenizer, "added_tokens"), *a;
    size_t        i;
    int64_t       at;
    json_array_foreach(added, i, a) {
        const json_t *content = json_object_get(a, "content");
        if (!read_id(json_object_get(a, "id"), &at) || (size_t)at >= v->n || !json_is_string(content))
            continue;
        if (v->types[at] == BYTE || v->types[at] == UNKNOWN) continue;
        v->tokens[at] = view_of(content);
        v->types[at] = hl_json_bool(a, "special", false) ? CONTROL : USER_DEFINED;
    }
}

static hl_status take_spm(vocab *v) {
    enum { BPE = 2, TRAINER = 2, NORMALIZER = 3 };
    const proto all = {(const uint8_t *)v->s->spm.ptr, (const uint8_t *)v->s->spm.ptr + v->s->spm.len};
    proto       p = all;
    proto_field f;
    size_t      n = 0;
    hl_status   status = reserve(v, v->s->n_rows);
    if (status != HL_OK) return status;
    while (p.at < p.end) {
        hl_view text;
        float   score;
        int32_t type;
        if (!read_field(&p, &f))
            return hl_fail(v->err, HL_E_FORMAT, "tokenizer.model: cut short or malformed");
        if (f.number != 1 || f.wire != 2) continue;
        if (!read_piece(f.bytes, &text, &score, &type))
            return hl_fail(v->err, HL_E_FORMAT, "tokenizer.model: piece %zu is malformed", n);
        if (n < v->n) {
            v->tokens[n] = text;
            v->scores[n] = score;
            v->types[n] = type;
        }
        n++;
    }
    if (n == 0)
        return hl_fail(v->err, HL_E_FORMAT, "tokenizer.model: no pieces: expected SentencePiece's format");
    if (read_setting(all, TRAINER, 3, 1) != BPE)
        return hl_fail(v->err, HL_E_UNSUPPORTED, "tokenizer.model: its kind is not BPE; supported: BPE");
    take_added(v);
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.model", hl_view_of("llama"));
    hl_gguf_writer_add_text(v->w, "tokenizer.ggml.pre", hl_view_of("default"));
    hl_gguf_writer_add_bool(v->w, "tokenizer.ggml.add_space_prefix",
                            read_setting(all, NORMALIZER, 3, 1) != 0);
    return fill_gaps(v);
}

/* ---- special tokens ---- */

/* "<s>", or {"content": "<s>"}. */
static int32_t find_special(const vocab *v, const char *key) {
    const json_t *value = json_object_get(v->s->settings, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    return json_is_string(value) ? find_token(v, view_of(value)) : -1;
}

static int32_t id_of(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    int64_t       id = -1;
    if (json_is_array(value)) value = json_array_get(value, 0);
    return read_id(value, &id) ? (int32_t)id : -1;
}

static int32_t choose_id(const vocab *v, const char *token, const char *id_key) {
    int32_t id = find_special(v, token);
    if (id < 0) id = id_of(v->s->config, id_key);
    if (id < 0) id = id_of(v->s->generation, id_key);
    return (size_t)id < v->n ? id : -1;
}

static void write_id(vocab *v, const char *key, int32_t id) {
    if (id >= 0) hl_gguf_writer_add_u32(v->w, key, (uint32_t)id);
}

/* The post-processor of a single text: does it begin and end with a special token? */
static void read_ends(const vocab *v, int *ret_begins, int *ret_ends) {
    const json_t *post = json_object_get(v->s->tokenizer, "post_processor");
    const json_t *template_ = find_step(post, "processors", "TemplateProcessing");
    const json_t *single = json_object_get(template_, "single");
    *ret_begins = *ret_ends = -1;
    if (find_step(post, "processors", "BertProcessing") || find_step(post, "processors", "RobertaProcessing"))
        *ret_begins = *ret_ends = 1;
    if (json_array_size(single) > 0) {
        *ret_begins = json_object_get(json_array_get(single, 0), "SpecialToken") != NULL;
        *ret_ends =
            json_object_get(json_array_get(single, json_array_size(single) - 1), "SpecialToken") != NULL;
    }
    const json_t *bos = json_object_get(v->s->settings, "add_bos_token"),
                 *eos = json_object_get(v->s->settings, "add_eos_token");
    if (json_is_boolean(bos)) *ret_begins = json_is_true(bos);
    if (json_is_boolean(eos)) *ret_ends = json_is_true(eos);
}

static void write_specials(vocab *v) {
    const json_t *more = json_object_get(v->s->generation, "eos_token_id");
    int           begins, ends;
    write_id(v, "tokenizer.ggml.bos_token_id", choose_id(v, "bos_token", "bos_token_id"));
    write_id(v, "tokenizer.ggml.eos_token_id", choose_id(v, "eos_token", "eos_token_id"));
    write_id(v, "tokenizer.ggml.unknown_token_id", find_special(v, "unk_token"));
    write_id(v, "tokenizer.ggml.padding_token_id", choose_id(v, "pad_token", "pad_token_id"));
    if (v->s->is_encoder) {
        write_id(v, "tokenizer.ggml.cls_token_id", find_special(v, "cls_token"));
        write_id(v, "tokenizer.ggml.seperator_token_id",
                 find_special(v, "sep_token")); /* spelled so in GGUF */
        write_id(v, "tokenizer.ggml.mask_token_id", find_special(v, "mask_token"));
    }
    if (json_array_size(more) > 1 && json_array_size(more) < 64) {
        int32_t       ids[64];
        size_t        n = 0, i;
        int64_t       id;
        const json_t *one;
        json_array_foreach(more, i, one) if (read_id(one, &id) && (size_t)id < v->n) ids[n++] = (int32_t)id;
        hl_gguf_writer_add_array(v->w, "tokenizer.ggml.eos_token_ids", HL_GGUF_I32, n, ids);
    }
    read_ends(v, &begins, &ends);
    if (begins >= 0) hl_gguf_writer_add_bool(v->w, "tokenizer.ggml.add_bos_token", begins == 1);
    if (ends >= 0) hl_gguf_writer_add_bool(v->w, "tokenizer.ggml.add_eos_token", ends == 1);
}

static void write_templates(vocab *v) {
    const json_t *t = json_object_get(v->s->settings, "chat_template"), *one;
    size_t        i;
    if (v->s->template_text.len) {
        hl_gguf_writer_add_text(v->w, "tokenizer.chat_template", v->s->template_text);
        return;
    }
    if (json_is_string(t)) hl_gguf_writer_add_text(v->w, "tokenizer.chat_template", view_of(t));
    json_array_foreach(t, i, one) {
        const char   *name = hl_json_text(one, "name");
        const json_t *text = json_object_get(one, "template");
        char          key[128];
        if (!name || !json_is_string(text) || i > 16 || strlen(name) > 60) continue;
        (void)snprintf(key, sizeof key, "tokenizer.chat_template%s%s",
                       strcmp(name, "default") == 0 ? "" : ".", strcmp(name, "default") == 0 ? "" : name);
        hl_gguf_writer_add_text(v->w, key, view_of(text));
    }
}

hl_status hl_vocab_write(const hl_vocab_source *s, hl_arena *arena, hl_gguf_writer *w, hl_err *err) {
    vocab     v = {.s = s, .arena = arena, .w = w, .err = err};
    hl_status status = HL_OK;
    if (s->spm.len)
        status = take_spm(&v);
    else if (s->tokenizer)
        status = take_tokenizer_json(&v);
    else
        return hl_fail(err, HL_E_NOT_FOUND,
                       "neither tokenizer.json nor tokenizer.model: the folder has no vocabulary");
    if (status != HL_OK) return status;
    hl_gguf_writer_add_texts(w, "tokenizer.ggml.tokens", v.n, v.tokens);
    hl_gguf_writer_add_array(w, "tokenizer.ggml.token_type", HL_GGUF_I32, v.n, v.types);
    if (s->spm.len ||
        (!s->is_encoder && hl_json_bool(json_object_get(s->tokenizer, "model"), "byte_fallback", false)))
        hl_gguf_writer_add_array(w, "tokenizer.ggml.scores", HL_GGUF_F32, v.n, v.scores);
    write_specials(&v);
    write_templates(&v);
    return HL_OK;
}
