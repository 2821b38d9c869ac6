/* SPDX-License-Identifier: MIT
 *
 * special.c - the trie of special tokens.
 */
#include "engine/tokenizer/special.h"

#include "core/base/stop.h"

typedef struct hl_special_node {
    struct hl_special_node *child;   /* first of the next bytes */
    struct hl_special_node *sibling; /* another byte at this place */
    int32_t                 id;      /* token that ends here; -1 */
    unsigned char           byte;
} hl_special_node;

/* More nodes than this is no vocabulary: 16 Mi tokens of 1 node each. */
enum { MAX_TRIE_BYTES = 1 << 29, TOKENS_PER_LOOK = 1024, BYTES_PER_LOOK = 1024 };

static hl_special_node *step(hl_special *s, hl_special_node **list, unsigned char c) {
    for (hl_special_node *n = *list; n; n = n->sibling)
        if (n->byte == c) return n;
    hl_special_node *n = hl_arena_get(&s->arena, 1, sizeof *n);
    if (!n) return NULL;
    *n = (hl_special_node){.sibling = *list, .id = -1, .byte = c};
    return *list = n;
}

static bool add(hl_special *s, int32_t id, hl_view text) {
    hl_special_node **list = &s->roots[(unsigned char)text.ptr[0]];
    for (size_t i = 0;; i++) {
        hl_special_node *n = step(s, list, (unsigned char)text.ptr[i]);
        if (!n) return false;
        if (i + 1 == text.len) {
            n->id = id;
            return true;
        }
        list = &n->child;
    }
}

hl_status hl_special_load(hl_special *s, const hl_vocab *v, hl_err *err) {
    *s = (hl_special){.vocab = v};
    hl_arena_init(&s->arena, MAX_TRIE_BYTES);
    for (int32_t id = 0; id < v->n; id++) {
        const hl_status status =
            id % TOKENS_PER_LOOK == 0 ? hl_stop_check("read the vocabulary", err) : HL_OK;
        if (status != HL_OK) return status;
        const uint8_t kind = v->kinds[id];
        if (kind != HL_TOKEN_CONTROL && kind != HL_TOKEN_UNKNOWN && kind != HL_TOKEN_USER) continue;
        const hl_view text = hl_vocab_text(v, id);
        if (text.len == 0 || text.len > HL_SPECIAL_MAX_BYTES) continue;
        if (!add(s, id, text)) return hl_fail(err, HL_E_NOMEM, "no memory for the special tokens");
        s->any = true;
        if (kind != HL_TOKEN_USER) continue;
        s->any_user = true;
        s->starts_user[(unsigned char)text.ptr[0]] = true;
    }
    return HL_OK;
}

void hl_special_done(hl_special *s) {
    hl_arena_done(&s->arena);
    *s = (hl_special){0};
}

static bool is_allowed(const hl_special *s, const hl_special_rule *r, int32_t id, size_t at, size_t n) {
    if (s->vocab->kinds[id] == HL_TOKEN_USER) return true;
    return r->with_control && !hl_spans_touch(r->tainted, r->n_tainted, at, at + n);
}

static int32_t longest_at(const hl_special *s, hl_view text, size_t at, const hl_special_rule *r,
                          size_t *ret_n) {
    int32_t                found = -1;
    const hl_special_node *node = s->roots[(unsigned char)text.ptr[at]];
    for (size_t n = 1; at + n <= text.len; n++) {
        const unsigned char c = (unsigned char)text.ptr[at + n - 1];
        while (node && node->byte != c) node = node->sibling;
        if (!node) break;
        if (node->id >= 0 && is_allowed(s, r, node->id, at, n)) {
            found = node->id;
            *ret_n = n;
        }
        node = node->child;
    }
    return found;
}

/* In text[from, end), as hl_special_find(). */
static int32_t find_before(const hl_special *s, hl_view text, size_t from, size_t end,
                           const hl_special_rule *rule, size_t *ret_at, size_t *ret_n) {
    const bool with_control = rule->with_control;
    for (size_t at = from; at < end; at++) {
        const unsigned char c = (unsigned char)text.ptr[at];
        if (with_control ? !s->roots[c] : !s->starts_user[c]) continue;
        const int32_t id = longest_at(s, text, at, rule, ret_n);
        if (id < 0) continue;
        *ret_at = at;
        return id;
    }
    return -1;
}

int32_t hl_special_find(const hl_special *s, hl_view text, size_t from, const hl_special_rule *rule,
                        size_t *ret_at, size_t *ret_n) {
    if (rule->with_control ? !s->any : !s->any_user) return -1;
    for (size_t at = from; at < text.len && !hl_stop_asked(); at += BYTES_PER_LOOK) {
        const size_t  end = text.len - at < BYTES_PER_LOOK ? text.len : at + BYTES_PER_LOOK;
        const int32_t id = find_before(s, text, at, end, rule, ret_at, ret_n);
        if (id >= 0) return id;
    }
    return -1;
}
