/* SPDX-License-Identifier: MIT
 *
 * tokenizer.c - load, free, and the questions about single tokens.
 */
#include "hyperlama/tokenizer.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/tokenizer/spm.h"
#include "engine/tokenizer/tokenizer_ops.h"

hl_status hl_tokenizer_warn(hl_tokenizer *t, hl_err *err, const char *fmt, ...) {
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    if (t->n_warnings == HL_TOKENIZER_MAX_WARNINGS) return HL_OK;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    char *kept = hl_strdup(text);
    if (!kept) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    t->warnings[t->n_warnings++] = kept;
    return HL_OK;
}

static const struct {
    const char             *name;
    const hl_tokenizer_ops *ops;
} kinds[] = {
#define HL_TOKENIZER(ops, name) {name, &hl_tokenizer_##ops##_ops},
#include "engine/tokenizer/tokenizers.def"
#undef HL_TOKENIZER
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static hl_status fail_unknown(hl_view name, const char *key, hl_err *err) {
    hl_str known;
    hl_str_init(&known, 256);
    for (size_t i = 0; i < N_KINDS; i++)
        hl_str_add_format(&known, "%s%s", i == 0 ? "" : i + 1 == N_KINDS ? " and " : ", ", kinds[i].name);
    const hl_status status =
        hl_fail(err, HL_E_UNSUPPORTED, "tokenizer '%.*s' (%s) is not supported; supported are %s",
                (int)(name.len < 64 ? name.len : 64), name.ptr, key, hl_str_text(&known));
    hl_str_done(&known);
    return status;
}

static hl_status find_kind(const hl_gguf *g, const hl_tokenizer_ops **ret, hl_err *err) {
    static const char key[] = "tokenizer.ggml.model";
    hl_view           name = {0};
    if (!hl_gguf_find(g, key))
        return hl_fail(err, HL_E_NOT_FOUND, "the file has no vocabulary ('%s' is absent)", key);
    const hl_status status = hl_gguf_get_text(g, key, &name, err);
    if (status != HL_OK) return status;
    if (hl_view_is(name, "none") || hl_view_is(name, "no_vocab"))
        return hl_fail(err, HL_E_NOT_FOUND, "the file has no vocabulary ('%s' is '%.*s')", key, (int)name.len,
                       name.ptr);
    for (size_t i = 0; i < N_KINDS; i++) {
        if (!hl_view_is(name, kinds[i].name)) continue;
        *ret = kinds[i].ops;
        return HL_OK;
    }
    return fail_unknown(name, key, err);
}

hl_status hl_tokenizer_new(const hl_gguf *g, hl_tokenizer **ret_tokenizer, hl_err *err) {
    const hl_tokenizer_ops *ops = NULL;
    hl_status               status = find_kind(g, &ops, err);
    if (status != HL_OK) return status;
    hl_tokenizer *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "no memory for a tokenizer");
    t->ops = ops;
    status = hl_vocab_load(&t->vocab, g, err);
    if (status == HL_OK) status = ops->load(t, g, err);
    if (status == HL_OK) status = hl_tokenizer_load_roles(t, g, err);
    if (status == HL_OK) status = hl_special_load(&t->special, &t->vocab, err);
    if (status != HL_OK) {
        hl_tokenizer_free(t);
        return status;
    }
    *ret_tokenizer = t;
    return HL_OK;
}

void hl_tokenizer_free(hl_tokenizer *t) {
    if (!t) return;
    hl_special_done(&t->special);
    t->ops->done(t);
    hl_vocab_done(&t->vocab);
    for (size_t i = 0; i < t->n_warnings; i++) hl_free(t->warnings[i]);
    hl_free(t->is_eog);
    hl_free(t->eats_space);
    hl_free(t);
}

static bool in_range(const hl_tokenizer *t, int32_t id) { return id >= 0 && id < t->vocab.n; }

int32_t hl_tokenizer_n_vocab(const hl_tokenizer *t) { return t->vocab.n; }
int32_t hl_tokenizer_bos(const hl_tokenizer *t) { return t->bos; }
int32_t hl_tokenizer_eos(const hl_tokenizer *t) { return t->eos; }
bool    hl_tokenizer_is_eog(const hl_tokenizer *t, int32_t id) { return in_range(t, id) && t->is_eog[id]; }
bool    hl_tokenizer_adds_bos(const hl_tokenizer *t) { return t->add_bos; }

const char *hl_tokenizer_kind(const hl_tokenizer *t) { return t->kind; }

const char *hl_tokenizer_warning(const hl_tokenizer *t, size_t i) {
    return i < t->n_warnings ? t->warnings[i] : NULL;
}

static bool is_hidden(uint8_t kind) {
    return kind == HL_TOKEN_CONTROL || kind == HL_TOKEN_UNKNOWN || kind == HL_TOKEN_UNUSED ||
           kind == HL_TOKEN_UNDEFINED;
}

bool hl_tokenizer_is_control(const hl_tokenizer *t, int32_t id) {
    return in_range(t, id) && is_hidden(t->vocab.kinds[id]);
}

hl_view hl_tokenizer_spelling(const hl_tokenizer *t, int32_t id) {
    return in_range(t, id) ? hl_vocab_text(&t->vocab, id) : (hl_view){"", 0};
}

int32_t hl_tokenizer_find(const hl_tokenizer *t, hl_view spelling) {
    return hl_vocab_find(&t->vocab, spelling.ptr, spelling.len);
}

size_t hl_tokenizer_piece(const hl_tokenizer *t, int32_t id, bool with_special, char *buf, size_t cap) {
    if (!in_range(t, id)) return 0;
    const hl_view text = hl_vocab_text(&t->vocab, id);
    const uint8_t kind = t->vocab.kinds[id];
    const bool    hidden = is_hidden(kind);
    if (hidden && !with_special) return 0;
    if (hidden || kind == HL_TOKEN_USER) { /* spelled as it stands in a text */
        if (cap) memcpy(buf, text.ptr, text.len < cap ? text.len : cap);
        return text.len;
    }
    const int byte = kind == HL_TOKEN_BYTE ? hl_spm_byte(text) : -1;
    if (byte >= 0) {
        if (cap) buf[0] = (char)byte;
        return 1;
    }
    return t->ops->unspell(t, text, buf, cap);
}

void hl_tokens_done(hl_tokens *list) {
    hl_free(list->ids);
    *list = (hl_tokens){0};
}

hl_status hl_tokens_add(hl_tokens *list, const int32_t *ids, size_t n, hl_err *err) {
    size_t need = 0;
    if (!hl_add_size(list->n, n, &need)) return hl_fail(err, HL_E_NOMEM, "no memory for %zu tokens", n);
    if (need > list->cap) {
        size_t cap = list->cap < 32 ? 64 : 2 * list->cap;
        if (cap < need) cap = need;
        int32_t *p = hl_resize(list->ids, cap, sizeof *p);
        if (!p) return hl_fail(err, HL_E_NOMEM, "no memory for %zu tokens", need);
        list->ids = p;
        list->cap = cap;
    }
    if (n) memcpy(list->ids + list->n, ids, n * sizeof *ids);
    list->n = need;
    return HL_OK;
}
