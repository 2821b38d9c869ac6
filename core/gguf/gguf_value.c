/* SPDX-License-Identifier: MIT
 *
 * gguf_value.c - typed access to key/value pairs, with the conversions that lose nothing.
 */
#include "core/gguf/gguf_priv.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    size_t      n_bytes;
} kinds[] = {
    [HL_GGUF_U8] = {"u8", 1},       [HL_GGUF_I8] = {"i8", 1},     [HL_GGUF_U16] = {"u16", 2},
    [HL_GGUF_I16] = {"i16", 2},     [HL_GGUF_U32] = {"u32", 4},   [HL_GGUF_I32] = {"i32", 4},
    [HL_GGUF_F32] = {"f32", 4},     [HL_GGUF_BOOL] = {"bool", 1}, [HL_GGUF_STRING] = {"string", 0},
    [HL_GGUF_ARRAY] = {"array", 0}, [HL_GGUF_U64] = {"u64", 8},   [HL_GGUF_I64] = {"i64", 8},
    [HL_GGUF_F64] = {"f64", 8},
};

size_t      hl_gguf_kind_bytes(hl_gguf_kind kind) { return kinds[kind].n_bytes; }
const char *hl_gguf_kind_name(hl_gguf_kind kind) { return kinds[kind].name; }

static uint64_t load_le(const uint8_t *p, size_t n_bytes) {
    uint64_t x = 0;
    for (size_t i = n_bytes; i-- > 0;) x = x << 8 | p[i];
    return x;
}

/* An element of integer or bool kind as sign and magnitude bits: *ret_negative tells how to read them. */
static bool load_int(hl_gguf_kind kind, const uint8_t *p, uint64_t *ret_bits, bool *ret_negative) {
    const size_t n = kinds[kind].n_bytes;
    switch (kind) {
    case HL_GGUF_U8:
    case HL_GGUF_U16:
    case HL_GGUF_U32:
    case HL_GGUF_U64:
    case HL_GGUF_BOOL:
        *ret_bits = load_le(p, n);
        *ret_negative = false;
        return true;
    case HL_GGUF_I8:
    case HL_GGUF_I16:
    case HL_GGUF_I32:
    case HL_GGUF_I64: {
        uint64_t x = load_le(p, n);
        *ret_negative = x >> (8 * n - 1);
        if (*ret_negative && n < 8) x |= UINT64_MAX << (8 * n);
        *ret_bits = x;
        return true;
    }
    default: return false;
    }
}

static bool load_float(hl_gguf_kind kind, const uint8_t *p, double *ret) {
    if (kind == HL_GGUF_F32) {
        const uint32_t bits = (uint32_t)load_le(p, 4);
        float          f;
        memcpy(&f, &bits, 4);
        *ret = (double)f;
        return true;
    }
    if (kind == HL_GGUF_F64) {
        const uint64_t bits = load_le(p, 8);
        memcpy(ret, &bits, 8);
        return true;
    }
    return false;
}

bool hl_gguf_value_u64(const hl_gguf_value *v, uint64_t *ret) {
    uint64_t bits = 0;
    bool     negative = false;
    if (v->kind == HL_GGUF_BOOL || !load_int(v->kind, v->data, &bits, &negative) || negative) return false;
    *ret = bits;
    return true;
}

static hl_status find(const hl_gguf *g, const char *key, const hl_gguf_value **ret_v, hl_err *err) {
    *ret_v = hl_gguf_find(g, key);
    return *ret_v ? HL_OK : hl_fail(err, HL_E_NOT_FOUND, "key '%s' is missing", key);
}

static hl_status fail_kind(const hl_gguf_value *v, const char *key, const char *want, hl_err *err) {
    return hl_fail(err, HL_E_FORMAT, "key '%s' is %s, expected %s", key, hl_gguf_kind_name(v->kind), want);
}

static hl_status get_uint(const hl_gguf *g, const char *key, uint64_t max, uint64_t *ret, hl_err *err) {
    const hl_gguf_value *v = NULL;
    const hl_status      status = find(g, key, &v, err);
    if (status != HL_OK) return status;
    uint64_t bits = 0;
    bool     negative = false;
    if (v->kind == HL_GGUF_BOOL || !load_int(v->kind, v->data, &bits, &negative))
        return fail_kind(v, key, "an unsigned integer", err);
    if (negative)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %" PRId64 ", expected 0..%" PRIu64, key, (int64_t)bits,
                       max);
    if (bits > max)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %" PRIu64 ", expected 0..%" PRIu64, key, bits, max);
    *ret = bits;
    return HL_OK;
}

hl_status hl_gguf_get_u32(const hl_gguf *g, const char *key, uint32_t *ret, hl_err *err) {
    uint64_t        x = 0;
    const hl_status status = get_uint(g, key, UINT32_MAX, &x, err);
    if (status == HL_OK) *ret = (uint32_t)x;
    return status;
}

hl_status hl_gguf_get_u64(const hl_gguf *g, const char *key, uint64_t *ret, hl_err *err) {
    return get_uint(g, key, UINT64_MAX, ret, err);
}

hl_status hl_gguf_get_f32(const hl_gguf *g, const char *key, float *ret, hl_err *err) {
    const hl_gguf_value *v = NULL;
    const hl_status      status = find(g, key, &v, err);
    if (status != HL_OK) return status;
    double   x = 0;
    uint64_t bits = 0;
    bool     negative = false;
    if (!load_float(v->kind, v->data, &x)) {
        if (v->kind == HL_GGUF_BOOL || !load_int(v->kind, v->data, &bits, &negative))
            return fail_kind(v, key, "a number", err);
        x = negative ? (double)(int64_t)bits : (double)bits;
    }
    if (x > 3.4028234663852886e38 || x < -3.4028234663852886e38) /* infinities too; NaN passes on as NaN */
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %g, expected a 32-bit float", key, x);
    *ret = (float)x;
    return HL_OK;
}

hl_status hl_gguf_get_bool(const hl_gguf *g, const char *key, bool *ret, hl_err *err) {
    const hl_gguf_value *v = NULL;
    const hl_status      status = find(g, key, &v, err);
    if (status != HL_OK) return status;
    uint64_t bits = 0;
    bool     negative = false;
    if (!load_int(v->kind, v->data, &bits, &negative)) return fail_kind(v, key, "bool", err);
    if (bits > 1)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is %" PRId64 ", expected 0 or 1", key, (int64_t)bits);
    *ret = bits != 0;
    return HL_OK;
}

hl_status hl_gguf_get_text(const hl_gguf *g, const char *key, hl_view *ret, hl_err *err) {
    const hl_gguf_value *v = NULL;
    const hl_status      status = find(g, key, &v, err);
    if (status != HL_OK) return status;
    if (v->kind != HL_GGUF_STRING) return fail_kind(v, key, "string", err);
    *ret = (hl_view){(const char *)v->data + 8, (size_t)load_le(v->data, 8)};
    return HL_OK;
}

bool hl_gguf_elem_i64(const hl_gguf_value *v, uint64_t i, int64_t *ret) {
    uint64_t     bits = 0;
    bool         negative = false;
    const size_t each = kinds[v->elem_kind].n_bytes;
    if (i >= v->n || !load_int(v->elem_kind, v->data + i * each, &bits, &negative)) return false;
    if (!negative && bits > INT64_MAX) return false;
    *ret = (int64_t)bits;
    return true;
}

bool hl_gguf_elem_f64(const hl_gguf_value *v, uint64_t i, double *ret) {
    uint64_t     bits = 0;
    bool         negative = false;
    const size_t each = kinds[v->elem_kind].n_bytes;
    if (i >= v->n) return false;
    if (load_float(v->elem_kind, v->data + i * each, ret)) return true;
    if (v->elem_kind == HL_GGUF_BOOL || !load_int(v->elem_kind, v->data + i * each, &bits, &negative))
        return false;
    *ret = negative ? (double)(int64_t)bits : (double)bits;
    return true;
}

bool hl_gguf_strings_init(hl_gguf_strings *it, const hl_gguf_value *v) {
    *it = (hl_gguf_strings){0};
    if (!v || v->kind != HL_GGUF_ARRAY || v->elem_kind != HL_GGUF_STRING) return false;
    *it = (hl_gguf_strings){v->data, v->n};
    return true;
}

bool hl_gguf_strings_next(hl_gguf_strings *it, hl_view *ret) {
    if (it->n_left == 0) return false;
    const size_t n = (size_t)load_le(it->at, 8);
    *ret = (hl_view){(const char *)it->at + 8, n};
    it->at += 8 + n;
    it->n_left--;
    return true;
}
