/* SPDX-License-Identifier: MIT
 *
 * tmpl_arith.c - operators between two values.
 *
 * Integers have 64 bits; what Python would carry on with as a longer one is an error here.
 */
#include <math.h>
#include <string.h>

#include "engine/template/tmpl_run.h"

static bool fail_types(hl_trun *r, const char *op, hl_tv a, hl_tv b) {
    if (a.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, a);
    if (b.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, b);
    return hl_trun_fail(r, "unsupported operands for %s: %s and %s", op, hl_tv_type_name(a),
                        hl_tv_type_name(b));
}

static bool add_text(hl_trun *r, hl_tv a, hl_tv b, hl_tv *ret) {
    const bool markup = (a.flags | b.flags) & HL_TF_MARKUP;
    if (markup && !(a.flags & HL_TF_MARKUP) && !hl_tstr_escape(r, hl_tv_view(a), &a)) return false;
    if (markup && !(b.flags & HL_TF_MARKUP) && !hl_tstr_escape(r, hl_tv_view(b), &b)) return false;
    if (!hl_tv_join(r, hl_tv_view(a), hl_tv_view(b), ret)) return false;
    ret->flags = markup ? HL_TF_MARKUP : 0;
    return true;
}

static bool add_seqs(hl_trun *r, hl_tv a, hl_tv b, hl_tv *ret) {
    const size_t n_a = a.u.seq->n, n_b = b.u.seq->n;
    if (!hl_tv_new_seq(r, (hl_tkind)a.kind, n_a + n_b, ret)) return false;
    if (n_a) memcpy(ret->u.seq->items, a.u.seq->items, n_a * sizeof(hl_tv));
    if (n_b) memcpy(ret->u.seq->items + n_a, b.u.seq->items, n_b * sizeof(hl_tv));
    return true;
}

static bool repeat(hl_trun *r, hl_tv what, int64_t times, hl_tv *ret) {
    const size_t n = what.kind == HL_TK_STR ? what.len : what.u.seq->n;
    const size_t unit = what.kind == HL_TK_STR ? 1 : sizeof(hl_tv);
    if (times < 0 || n == 0) times = 0;
    if (n && (uint64_t)times > HL_TMPL_MAX_ARENA_BYTES / unit / n)
        return hl_trun_fail_limit(r, "a repetition is too long");
    if (!hl_trun_steps(r, n * (uint64_t)times / 16)) return false;
    if (what.kind == HL_TK_STR) {
        const size_t mark = hl_trun_begin(r);
        for (int64_t i = 0; i < times; i++) hl_trun_add(r, &r->scratch, hl_tv_view(what));
        if (!hl_trun_end(r, mark, ret)) return false;
        ret->flags = what.flags;
        return true;
    }
    if (!hl_tv_new_seq(r, (hl_tkind)what.kind, n * (size_t)times, ret)) return false;
    for (int64_t i = 0; i < times; i++)
        memcpy(ret->u.seq->items + (size_t)i * n, what.u.seq->items, n * sizeof(hl_tv));
    return true;
}

static bool int_power(hl_trun *r, int64_t base, int64_t exponent, hl_tv *ret) {
    int64_t x = 1;
    if (exponent < 0) {
        if (base == 0) return hl_trun_fail(r, "0 cannot be raised to a negative power");
        *ret = hl_tv_float(pow((double)base, (double)exponent));
        return true;
    }
    if (base == 1 || base == 0 || base == -1) exponent = exponent ? 2 - (exponent & 1) : 0;
    for (; exponent > 0; exponent--)
        if (__builtin_mul_overflow(x, base, &x)) return hl_trun_fail(r, "integer overflow");
    *ret = hl_tv_int(x);
    return true;
}

static bool int_arith(hl_trun *r, hl_top op, int64_t a, int64_t b, hl_tv *ret) {
    int64_t x = 0;
    bool    overflow = false;
    switch (op) {
    case HL_TOP_ADD: overflow = __builtin_add_overflow(a, b, &x); break;
    case HL_TOP_SUB: overflow = __builtin_sub_overflow(a, b, &x); break;
    case HL_TOP_MUL: overflow = __builtin_mul_overflow(a, b, &x); break;
    case HL_TOP_POW: return int_power(r, a, b, ret);
    default:
        if (b == 0) return hl_trun_fail(r, "division by zero");
        if (op == HL_TOP_DIV) {
            *ret = hl_tv_float((double)a / (double)b);
            return true;
        }
        overflow = a == INT64_MIN && b == -1;
        if (overflow) break;
        x = op == HL_TOP_MOD ? a % b : a / b; /* C rounds toward zero, Python down */
        if (a % b != 0 && (a < 0) != (b < 0)) x += op == HL_TOP_MOD ? b : -1;
    }
    if (overflow) return hl_trun_fail(r, "integer overflow");
    *ret = hl_tv_int(x);
    return true;
}

static bool float_arith(hl_trun *r, hl_top op, double a, double b, hl_tv *ret) {
    double x = 0;
    switch (op) {
    case HL_TOP_ADD: x = a + b; break;
    case HL_TOP_SUB: x = a - b; break;
    case HL_TOP_MUL: x = a * b; break;
    case HL_TOP_POW:
        if (a == 0 && b < 0) return hl_trun_fail(r, "0 cannot be raised to a negative power");
        x = pow(a, b);
        break;
    default:
        if (b == 0) return hl_trun_fail(r, "division by zero");
        if (op == HL_TOP_DIV) {
            x = a / b;
            break;
        }
        x = fmod(a, b);
        if (x != 0 && (x < 0) != (b < 0)) x += b;
        if (op == HL_TOP_FLOORDIV)
            x = floor((a - x) / b + 0.5);
        else if (x == 0)
            x = copysign(0.0, b);
    }
    *ret = hl_tv_float(x);
    return true;
}

static bool is_repeatable(hl_tv v) {
    return v.kind == HL_TK_STR || v.kind == HL_TK_LIST || v.kind == HL_TK_TUPLE;
}

static bool arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret) {
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (op == HL_TOP_ADD && a.kind == HL_TK_STR && b.kind == HL_TK_STR) return add_text(r, a, b, ret);
    if (hl_tv_is_int(a) && hl_tv_is_int(b)) return int_arith(r, op, hl_tv_as_int(a), hl_tv_as_int(b), ret);
    if (hl_tv_is_number(a) && hl_tv_is_number(b))
        return float_arith(r, op, hl_tv_as_float(a), hl_tv_as_float(b), ret);
    if (op == HL_TOP_ADD && a.kind == b.kind && (a.kind == HL_TK_LIST || a.kind == HL_TK_TUPLE))
        return add_seqs(r, a, b, ret);
    if (op == HL_TOP_MUL && is_repeatable(a) && hl_tv_is_int(b)) return repeat(r, a, hl_tv_as_int(b), ret);
    if (op == HL_TOP_MUL && hl_tv_is_int(a) && is_repeatable(b)) return repeat(r, b, hl_tv_as_int(a), ret);
    if (op == HL_TOP_MOD && a.kind == HL_TK_STR && b.kind != HL_TK_UNDEFINED)
        return hl_tstr_percent(r, a, b, ret);
    return fail_types(r, names[op], a, b);
}

bool hl_tv_arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret) {
    hl_tv result;
    if (!arith(r, op, a, b, &result)) return false;
    *ret = result.kind == HL_TK_STR ? result : hl_tv_made_of(result, a.flags | b.flags);
    return true;
}

bool hl_tv_test_op(hl_trun *r, hl_top op, hl_tv a, hl_tv b, bool *ret) {
    static const char *const names[] = {"<", "<=", ">", ">="};
    int                      order = 0;
    if (op == HL_TOP_EQ || op == HL_TOP_NE) {
        if (!hl_tv_equal(r, a, b, ret)) return false;
        *ret ^= op == HL_TOP_NE;
        return true;
    }
    if (op == HL_TOP_IN || op == HL_TOP_NOT_IN) {
        if (!hl_tv_contains(r, a, b, ret)) return false;
        *ret ^= op == HL_TOP_NOT_IN;
        return true;
    }
    if (!hl_tv_compare(r, names[op - HL_TOP_LT], a, b, &order)) return false;
    *ret = order != 2 && (op == HL_TOP_LT   ? order < 0
                          : op == HL_TOP_LE ? order <= 0
                          : op == HL_TOP_GT ? order > 0
                                            : order >= 0);
    return true;
}
