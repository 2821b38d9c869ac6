/* SPDX-License-Identifier: MIT
 *
 * hparams_keys.c - one key of a model, checked.
 *
 * Writers leave "unset" in three ways: the key is absent, it is 0, or (for ids) it is 4294967295. All
 * three mean the default here. Keys may be arrays with one value per layer, which may be longer than the
 * number of layers; values differ only where the family says so (arch.h: by_layer).
 * from: the key list of the GGUF specification, August 2026
 */
#include "engine/hparams_keys.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const hl_gguf_value *hl_key_find(hl_key_reader *r, const char *suffix, char *ret_key, size_t cap) {
    (void)snprintf(ret_key, cap, "%s.%s", r->arch, suffix);
    return r->status == HL_OK ? hl_gguf_find(r->g, ret_key) : NULL;
}

/* A per-layer array counts as one number when its first n_layers elements are equal. */
static bool read_number(hl_key_reader *r, const char *key, const hl_gguf_value *v, double *ret) {
    const uint64_t n = v->kind == HL_GGUF_ARRAY ? v->n : 1;
    double         first = 0;
    if (v->kind == HL_GGUF_ARRAY && (n < r->n_layers || n == 0)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': %" PRIu64 " values, expected one per layer (%u)",
                            key, n, r->n_layers);
        return false;
    }
    for (uint64_t i = 0; i < (v->kind == HL_GGUF_ARRAY ? r->n_layers : 1u); i++) {
        double x = 0;
        if (!hl_gguf_elem_f64(v, i, &x)) {
            r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a number", key);
            return false;
        }
        if (i > 0 && x != first) {
            r->status = hl_fail(r->err, HL_E_UNSUPPORTED,
                                "key '%s': layer %" PRIu64
                                " has %g and layer 0 has %g; layers of '%s' must not differ in it",
                                key, i, x, first, r->arch);
            return false;
        }
        first = x;
    }
    *ret = first;
    return true;
}

/* A whole number; how large it may be says check_limits(). */
uint32_t hl_key_u32(hl_key_reader *r, const char *suffix, uint32_t fallback) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v || !read_number(r, key, v, &x) || x == 0 || x == 4294967295.0) return fallback;
    if (!(x >= 1 && x <= UINT32_MAX) || x != floor(x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %g, expected a whole number from 1 on", key, x);
        return fallback;
    }
    return (uint32_t)x;
}

uint32_t hl_key_need_u32(hl_key_reader *r, const char *suffix) {
    const uint32_t x = hl_key_u32(r, suffix, 0);
    if (x == 0 && r->status == HL_OK)
        r->status =
            hl_fail(r->err, HL_E_FORMAT, "key '%s.%s' is missing or 0, expected a whole number from 1 on",
                    r->arch, suffix);
    return x;
}

/* The field of hl_layer_params that begins at `at`. */
static uint32_t *field_of(hl_hparams *hp, uint32_t i_layer, size_t at) {
    return (uint32_t *)(void *)((uint8_t *)&hp->layers[i_layer] + at);
}

/* Whether a key gives different numbers to different layers. */
static bool differs(const hl_key_reader *r, const hl_gguf_value *v) {
    double first = 0, x = 0;
    if (!v || v->kind != HL_GGUF_ARRAY || v->n < r->n_layers || !hl_gguf_elem_f64(v, 0, &first)) return false;
    for (uint32_t i = 1; i < r->n_layers; i++)
        if (!hl_gguf_elem_f64(v, i, &x) || x != first) return true;
    return false;
}

/* A whole number for each layer; where the file has none, what stands in the field already is the default. */
void hl_key_each(hl_key_reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    if (!(r->by_layer & by_layer) || !differs(r, v)) {
        const uint32_t all = hl_key_u32(r, suffix, 0);
        for (uint32_t i = 0; i < r->n_layers && all > 0; i++) *field_of(hp, i, at) = all;
        return;
    }
    for (uint32_t i = 0; i < r->n_layers; i++) {
        double       x = 0;
        const double least = r->may_be_0 & by_layer ? 0 : 1;
        if (!hl_gguf_elem_f64(v, i, &x) || !(x >= least && x < UINT32_MAX) || x != floor(x)) {
            r->status = hl_fail(r->err, HL_E_FORMAT,
                                "key '%s': layer %u has %g, expected a whole number from 1 on", key, i, x);
            return;
        }
        *field_of(hp, i, at) = (uint32_t)x;
    }
}

void hl_key_need_each(hl_key_reader *r, const char *suffix, uint32_t by_layer, hl_hparams *hp, size_t at) {
    hl_key_each(r, suffix, by_layer, hp, at);
    for (uint32_t i = 0; i < r->n_layers; i++)
        if (*field_of(hp, i, at) > 0) return;
    (void)hl_key_need_u32(r, suffix);
}

float hl_key_f32(hl_key_reader *r, const char *suffix, float fallback) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v || !read_number(r, key, v, &x) || x == 0) return fallback;
    if (!isfinite((float)x)) {
        r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s' is %g, expected a finite number", key, x);
        return fallback;
    }
    return (float)x;
}

void hl_key_fail(hl_key_reader *r, const char *what, double found, const char *expected) {
    if (r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %g, expected %s", r->arch, what, found, expected);
}

/* One of `most` at most: see capacities.def. */
void hl_key_check_limit(hl_key_reader *r, const char *suffix, uint32_t value, uint32_t most) {
    if (value > most && r->status == HL_OK)
        r->status = hl_fail(r->err, HL_E_FORMAT, "%s.%s is %u, but there is room for %u", r->arch, suffix,
                            value, most);
}

bool hl_key_bool(hl_key_reader *r, const char *suffix, bool fallback) {
    char                 key[128];
    const hl_gguf_value *v = hl_key_find(r, suffix, key, sizeof key);
    double               x = 0;
    if (!v) return fallback;
    if (v->kind == HL_GGUF_BOOL) return v->data[0] != 0;
    if (v->kind != HL_GGUF_ARRAY && hl_gguf_elem_f64(v, 0, &x)) return x != 0;
    r->status = hl_fail(r->err, HL_E_FORMAT, "key '%s': expected true or false", key);
    return fallback;
}

bool hl_key_f32_of_layer(hl_key_reader *r, const char *key, uint32_t i_layer, float *ret) {
    const hl_gguf_value *v = r->status == HL_OK ? hl_gguf_find(r->g, key) : NULL;
    double               x = 0;
    const bool           is_list = v && v->kind == HL_GGUF_ARRAY;
    if (!v) return false;
    if ((is_list && v->n <= i_layer) || !hl_gguf_elem_f64(v, is_list ? i_layer : 0, &x) ||
        !isfinite((float)x)) {
        r->status =
            hl_fail(r->err, HL_E_FORMAT, "key '%s': expected a finite number for layer %u", key, i_layer);
        return false;
    }
    *ret = (float)x;
    return true;
}
