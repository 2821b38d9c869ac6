/* SPDX-License-Identifier: MIT
 *
 * show_info.c - keys of a GGUF file as JSON, each of its own kind.
 *
 * from: Ollama 0.33 (server/routes.go): what it leaves out, and that lists of more than five are emptied
 */
#include "server/api/show_info.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 5 };

/* The fewest digits that read back as the same float: 1e-05, as clients know it from Ollama. */
static void add_f32(hl_json_out *j, const char *key, float x) {
    char text[40] = "null";
    for (int digits = 1; digits <= 9 && isfinite(x); digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x) break;
    }
    hl_json_add_raw(j, key, text);
}

static void add_number(hl_json_out *j, const char *key, const hl_gguf_value *v, hl_gguf_kind kind,
                       uint64_t i) {
    hl_gguf_value one = *v;
    double        x = 0;
    int64_t       n = 0;
    char          text[24];
    one.elem_kind = kind;
    if (kind == HL_GGUF_F32 && hl_gguf_elem_f64(&one, i, &x)) {
        add_f32(j, key, (float)x);
    } else if (kind == HL_GGUF_F64 && hl_gguf_elem_f64(&one, i, &x)) {
        hl_json_add_real(j, key, x);
    } else if (!hl_gguf_elem_i64(&one, i, &n)) {
        hl_json_add_text(j, key, NULL);
    } else if (kind == HL_GGUF_BOOL) {
        hl_json_add_bool(j, key, n != 0);
    } else if (kind == HL_GGUF_U64) {
        (void)snprintf(text, sizeof text, "%" PRIu64, (uint64_t)n);
        hl_json_add_raw(j, key, text);
    } else {
        hl_json_add_int(j, key, n);
    }
}

static void add_list(hl_json_out *j, const char *key, const hl_gguf_value *v, bool verbose) {
    hl_gguf_strings it;
    hl_view         text = {0};
    hl_json_open(j, key, '[');
    if (v->n <= MAX_LIST || verbose) {
        const bool is_text = hl_gguf_strings_init(&it, v);
        for (uint64_t i = 0; i < v->n && !j->text.failed; i++) {
            if (!is_text)
                add_number(j, NULL, v, v->elem_kind, i);
            else if (hl_gguf_strings_next(&it, &text))
                hl_json_add_view(j, NULL, text);
        }
    }
    hl_json_close(j, ']');
}

static void add_value(hl_json_out *j, const char *key, const hl_gguf *g, const hl_gguf_value *v,
                      bool verbose) {
    hl_view text = {0};
    if (v->kind == HL_GGUF_ARRAY) {
        add_list(j, key, v, verbose);
    } else if (v->kind == HL_GGUF_STRING) {
        if (hl_gguf_get_text(g, key, &text, NULL) == HL_OK) hl_json_add_view(j, key, text);
    } else {
        hl_gguf_value one = *v;
        one.kind = HL_GGUF_ARRAY;
        one.n = 1;
        add_number(j, key, &one, v->kind, 0);
    }
}

void hl_show_add_info(hl_json_out *j, const char *as, const hl_gguf *g, bool verbose, const char *basename) {
    bool has_basename = false;
    hl_json_open(j, as, '{');
    for (size_t i = 0; i < hl_gguf_n_values(g); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(g, i);
        char                 key[256];
        if (v->key.len >= sizeof key || memchr(v->key.ptr, 0, v->key.len)) continue;
        memcpy(key, v->key.ptr, v->key.len);
        key[v->key.len] = '\0';
        has_basename |= strcmp(key, "general.basename") == 0;
        if (strcmp(key, "tokenizer.chat_template") != 0 && strcmp(key, "general.name") != 0)
            add_value(j, key, g, v, verbose);
    }
    if (basename && !has_basename) hl_json_add_text(j, "general.basename", basename);
    hl_json_close(j, '}');
}

void hl_show_add_tensors(hl_json_out *j, const hl_gguf *g) {
    hl_json_open(j, "tensors", '[');
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        char                  type[32] = "";
        const char           *name = hl_type_name(t->type);
        for (size_t k = 0; name[k] && k + 1 < sizeof type; k++)
            type[k] = (char)toupper((unsigned char)name[k]);
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "name", t->name);
        hl_json_add_text(j, "type", type);
        hl_json_open(j, "shape", '[');
        for (uint32_t d = t->n_dims; d-- > 0;) hl_json_add_int(j, NULL, (int64_t)t->shape[d]);
        hl_json_close(j, ']');
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
}
