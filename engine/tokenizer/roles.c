/* SPDX-License-Identifier: MIT
 *
 * roles.c - which tokens begin, end and pad: by id from the file, by name where files leave it out.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/tokenizer/tokenizer_ops.h"

/* DeepSeek writes its marks with full-width bars. */
#define DEEPSEEK(words) ("<\xEF\xBD\x9C" words "\xEF\xBD\x9C>")

/* Tokens that end an answer in any chat format we know, whatever the file says. */
static const char *const END_NAMES[] = {
    "<|eot_id|>", /* Llama 3 */
    "<|eom_id|>",
    "<|eot|>", /* Llama 4 */
    "<|eom|>",
    "<|im_end|>", /* ChatML */
    "<|end|>",    /* Phi 3 */
    "<|return|>", /* gpt-oss */
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>", /* Gemma */
    "<turn|>",       /* Gemma 4 */
    "<|endoftext|>",
    "<|end_of_text|>", /* Granite */
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>", /* Command R */
    "<end_of_utterance>",    /* SmolVLM */
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "< EOT >",
    DEEPSEEK("end\xE2\x96\x81of\xE2\x96\x81sentence"),
};

/* Padding of code models: an answer that writes them is over. */
static const char *const FILL_NAMES[] = {
    "<|fim_pad|>",   "<fim-pad>",  "<fim_pad>",  "<|fim_repo|>",
    "<|repo_name|>", "<fim-repo>", "<reponame>", "<|file_sep|>",
};

/* Marks around the gap of a code model. They end nothing, but a text may not forge them either. */
#define DEEPSEEK_GAP(word) DEEPSEEK("fim\xE2\x96\x81" word)
#define CODELLAMA(word)    "\xE2\x96\x81<" word ">"
static const char *const GAP_NAMES[] = {
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    DEEPSEEK_GAP("begin"),
    "<PRE>",
    CODELLAMA("PRE"),
    "<|code_prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    DEEPSEEK_GAP("hole"),
    "<SUF>",
    CODELLAMA("SUF"),
    "<|code_suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    DEEPSEEK_GAP("end"),
    "<MID>",
    CODELLAMA("MID"),
    "<|code_middle|>",
};

static int32_t find_name(const hl_vocab *v, const char *name) { return hl_vocab_find(v, name, strlen(name)); }

/* The id that the file gives a role: -1 for none, as for what 32-bit files write then (-1, 2^32 - 1). */
static hl_status read_id(const hl_tokenizer *t, const hl_gguf *g, const char *key, int32_t absent,
                         int32_t *ret, hl_err *err) {
    const hl_gguf_value *v = hl_gguf_find(g, key);
    *ret = v || absent >= t->vocab.n ? -1 : absent;
    if (!v || (v->kind == HL_GGUF_I32 && memcmp(v->data, "\xFF\xFF\xFF\xFF", 4) == 0)) return HL_OK;
    uint64_t        id = 0;
    const hl_status status = hl_gguf_get_u64(g, key, &id, err);
    if (status != HL_OK || id == UINT32_MAX) return status;
    if (id >= (uint64_t)t->vocab.n)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %" PRIu64 ", expected less than %" PRId32 " (tokens)",
                       key, id, t->vocab.n);
    *ret = (int32_t)id;
    return HL_OK;
}

/* A bad id is a slip of a converter: the model is used without the role, and a warning says so. */
static hl_status get_id(hl_tokenizer *t, const hl_gguf *g, const char *key, int32_t absent, int32_t *ret,
                        hl_err *err) {
    hl_err why = {0};
    if (read_id(t, g, key, absent, ret, &why) == HL_OK) return HL_OK;
    return hl_tokenizer_warn(t, err, "%.300s; the model is used without this token", why.text);
}

static hl_status get_switch(hl_tokenizer *t, const hl_gguf *g, const char *key, bool absent, bool *ret,
                            hl_err *err) {
    hl_err why = {0};
    *ret = absent;
    if (!hl_gguf_find(g, key) || hl_gguf_get_bool(g, key, ret, &why) == HL_OK) return HL_OK;
    *ret = absent;
    return hl_tokenizer_warn(t, err, "%.300s; taken as %s", why.text, absent ? "true" : "false");
}

/* "<s>", "[EOS]": what nobody writes by chance. A line end or a full stop that ends answers stays a
 * letter. */
static bool is_mark(hl_view text) {
    if (text.len < 3) return false;
    const char first = text.ptr[0], last = text.ptr[text.len - 1];
    return (first == '<' && last == '>') || (first == '[' && last == ']');
}

/* Files without token types, or with wrong ones: what begins or ends a text by its id is no part of texts. */
static void mark_control(hl_tokenizer *t, int32_t id) {
    if (id < 0 || !is_mark(hl_vocab_text(&t->vocab, id))) return;
    const uint8_t kind = t->vocab.kinds[id];
    if (kind == HL_TOKEN_NORMAL || kind == HL_TOKEN_USER) t->vocab.kinds[id] = HL_TOKEN_CONTROL;
}

static void mark_end(hl_tokenizer *t, int32_t id) {
    if (id < 0) return;
    t->is_eog[id] = 1;
    mark_control(t, id);
}

static void mark_names(hl_tokenizer *t, const char *const *names, size_t n, bool is_end) {
    for (size_t i = 0; i < n; i++) {
        const int32_t id = find_name(&t->vocab, names[i]);
        if (id < 0) continue;
        if (is_end) t->is_eog[id] = 1;
        if (t->vocab.kinds[id] != HL_TOKEN_UNKNOWN) t->vocab.kinds[id] = HL_TOKEN_CONTROL;
    }
}

/* "</s>" ends a text where "<s>" begins one; Gemma has the two as tags of HTML. */
static void mark_sentence_end(hl_tokenizer *t) {
    static const char *const name[] = {"</s>"};
    const int32_t            start = find_name(&t->vocab, "<s>");
    if (start >= 0 && t->vocab.kinds[start] == HL_TOKEN_CONTROL) mark_names(t, name, 1, true);
}

static hl_status find_ends(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    static const char *const keys[] = {
        "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
        "tokenizer.ggml.fim_sep_token_id",
    };
    mark_names(t, END_NAMES, sizeof END_NAMES / sizeof *END_NAMES, true);
    mark_names(t, FILL_NAMES, sizeof FILL_NAMES / sizeof *FILL_NAMES, true);
    mark_names(t, GAP_NAMES, sizeof GAP_NAMES / sizeof *GAP_NAMES, false);
    mark_sentence_end(t);
    mark_control(t, t->bos);
    mark_end(t, t->eos);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int32_t         id = -1;
        const hl_status status = get_id(t, g, keys[i], -1, &id, err);
        if (status != HL_OK) return status;
        mark_end(t, id);
    }
    const hl_gguf_value *more = hl_gguf_find(g, "tokenizer.ggml.eos_token_ids");
    for (uint64_t i = 0; more && i < more->n && i < 1024; i++) {
        int64_t id = -1;
        if (hl_gguf_elem_i64(more, i, &id) && id >= 0 && id < t->vocab.n) mark_end(t, (int32_t)id);
    }
    /* gpt-oss: <|end|> closes a message, <|return|> and <|call|> close the answer. */
    const int32_t end = find_name(&t->vocab, "<|end|>");
    if (end >= 0 && end != t->eos && find_name(&t->vocab, "<|return|>") >= 0 &&
        find_name(&t->vocab, "<|call|>") >= 0)
        t->is_eog[end] = 0;
    return HL_OK;
}

static bool name_contains(const hl_gguf *g, const char *what) {
    hl_view name = {0};
    if (!hl_gguf_find(g, "general.name") || hl_gguf_get_text(g, "general.name", &name, NULL) != HL_OK)
        return false;
    const size_t n = strlen(what);
    for (size_t at = 0; at + n <= name.len; at++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)name.ptr[at + i]) == what[i]) i++;
        if (i == n) return true;
    }
    return false;
}

/* Phi 3 was trained with special tokens that swallow the white space behind them; only its name tells. */
static hl_status find_space_eaters(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
    if (!name_contains(g, "phi-3") && !name_contains(g, "phi3")) return HL_OK;
    t->eats_space = hl_new((size_t)t->vocab.n, 1);
    if (!t->eats_space) return hl_fail(err, HL_E_NOMEM, "no memory for the special tokens");
    for (int32_t id = 0; id < t->vocab.n; id++) {
        const uint8_t kind = t->vocab.kinds[id];
        t->eats_space[id] = kind == HL_TOKEN_CONTROL || kind == HL_TOKEN_USER || kind == HL_TOKEN_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const int32_t id = find_name(&t->vocab, plain[i]);
        if (id >= 0) t->eats_space[id] = 0;
    }
    return HL_OK;
}

static const char *choose_key(const hl_gguf *g, const char *other, const char *usual) {
    return other && hl_gguf_find(g, other) ? other : usual;
}

hl_status hl_tokenizer_load_roles(hl_tokenizer *t, const hl_gguf *g, hl_err *err) {
    const hl_tokenizer_ops *ops = t->ops;
    t->is_eog = hl_new((size_t)t->vocab.n, 1);
    if (!t->is_eog) return hl_fail(err, HL_E_NOMEM, "no memory for the special tokens");
    const char *bos_key = choose_key(g, ops->bos_key, "tokenizer.ggml.bos_token_id");
    const char *eos_key = choose_key(g, ops->eos_key, "tokenizer.ggml.eos_token_id");
    hl_status   status = get_id(t, g, bos_key, ops->bos, &t->bos, err);
    if (status == HL_OK) status = get_id(t, g, eos_key, ops->eos, &t->eos, err);
    if (status == HL_OK) status = get_id(t, g, "tokenizer.ggml.unknown_token_id", ops->unk, &t->unk, err);
    if (status == HL_OK) status = get_id(t, g, "tokenizer.ggml.seperator_token_id", t->eos, &t->sep, err);
    if (status == HL_OK) status = get_switch(t, g, "tokenizer.ggml.add_sep_token", false, &t->add_sep, err);
    if (status == HL_OK)
        status = get_switch(t, g, "tokenizer.ggml.add_bos_token", t->begins, &t->add_bos, err);
    if (status == HL_OK) status = get_switch(t, g, "tokenizer.ggml.add_eos_token", t->ends, &t->add_eos, err);
    if (status == HL_OK)
        status = get_switch(t, g, "tokenizer.ggml.add_space_prefix", ops->may_prefix_space,
                            &t->add_space_prefix, err);
    if (status == HL_OK) status = find_ends(t, g, err);
    if (status == HL_OK) status = find_space_eaters(t, g, err);
    if (!ops->may_prefix_space) t->add_space_prefix = false;
    t->add_bos = t->add_bos && t->bos >= 0;
    t->add_eos = t->add_eos && t->eos >= 0;
    t->add_sep = t->add_sep && t->sep >= 0;
    return status;
}
