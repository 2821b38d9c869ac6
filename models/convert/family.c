/* SPDX-License-Identifier: MIT
 *
 * family.c - which families there are, which rule a tensor falls under, and what rules do to values.
 */
#include "models/convert/family.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const hl_family *const families[] = {
#define HL_FAMILY(name) &hl_family_##name,
#include "models/convert/families.def"
#undef HL_FAMILY
};

const hl_family *hl_family_at(size_t i) {
    return i < sizeof families / sizeof *families ? families[i] : NULL;
}

bool hl_family_sees(const char *name) {
    static const char *const parts[] = {"vision_tower.", "multi_modal_projector.", "vision_model.",
                                        "model.vision_tower.", "model.multi_modal_projector."};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strncmp(name, parts[i], strlen(parts[i])) == 0) return true;
    return false;
}

/* "model.layers.12.mlp.up_proj.weight" -> the same with '#', and 12; -1: no layer. */
static int64_t cut_number(const char *name, char *ret, size_t cap) {
    int64_t layer = -1;
    size_t  n = 0;
    for (const char *p = name; *p && n + 2 < cap;) {
        const size_t digits = layer < 0 && (p == name || p[-1] == '.') ? strspn(p, "0123456789") : 0;
        if (digits > 0 && digits < 6 && p[digits] == '.') {
            layer = strtoll(p, NULL, 10);
            ret[n++] = '#';
            p += digits;
        } else {
            ret[n++] = *p++;
        }
    }
    ret[n] = '\0';
    return layer;
}

const hl_tensor_rule *hl_family_find_rule(const hl_family *f, const char *name, int64_t *ret_layer) {
    const size_t n_prefix = f->prefix ? strlen(f->prefix) : 0;
    char         joined[512], pattern[512];
    /* newer files: model.language_model.layers..., older: language_model.model.layers... */
    if (n_prefix && strncmp(name, f->prefix, n_prefix) == 0) {
        name += n_prefix;
    } else if (n_prefix && strncmp(name, "model.", 6) == 0 && strncmp(name + 6, f->prefix, n_prefix) == 0) {
        (void)snprintf(joined, sizeof joined, "model.%s", name + 6 + n_prefix);
        name = joined;
    }
    *ret_layer = cut_number(name, pattern, sizeof pattern);
    for (const hl_tensor_rule *r = f->rules; r->from; r++)
        if (strcmp(r->from, pattern) == 0) return r;
    return NULL;
}

void hl_rule_name(const hl_tensor_rule *r, int64_t layer, char ret[HL_RULE_NAME_BYTES]) {
    size_t n = 0;
    for (const char *p = r->to; *p && n < HL_RULE_NAME_BYTES; p++)
        n += (size_t)(*p == '#' ? snprintf(ret + n, HL_RULE_NAME_BYTES - n, "%" PRId64, layer)
                                : snprintf(ret + n, HL_RULE_NAME_BYTES - n, "%c", *p));
}

bool hl_rule_pairs_rows(const hl_tensor_rule *r) {
    return r->change == HL_PAIR_ROWS_Q || r->change == HL_PAIR_ROWS_K;
}

uint64_t hl_paired_row(uint64_t row, uint64_t per_head) {
    const uint64_t in_head = row % per_head, half = per_head / 2;
    return row - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1);
}

size_t hl_st_elem_bytes(const hl_st_tensor *t) { return t->type == HL_ST_F32 ? 4 : 2; }

float hl_st_elem(const hl_st_tensor *t, uint64_t i) {
    uint32_t bits = 0;
    float    x;
    if (t->type == HL_ST_F32) {
        memcpy(&x, t->data + 4 * i, 4);
        return x;
    }
    uint16_t half;
    memcpy(&half, t->data + 2 * i, 2);
    if (t->type == HL_ST_BF16) {
        bits = (uint32_t)half << 16;
        memcpy(&x, &bits, 4);
        return x;
    }
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023, sign = (uint32_t)half >> 15;
    x = exponent == 31 ? (fraction ? NAN : INFINITY)
        : exponent     ? ldexpf((float)(1024 + fraction), (int)exponent - 25)
                       : ldexpf((float)fraction, -24);
    return sign ? -x : x;
}
