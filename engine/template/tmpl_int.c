/* SPDX-License-Identifier: MIT
 *
 * tmpl_int.c - integers longer than 64 bits, by the methods of school.
 *
 * A magnitude is an array of limbs, base 2^32, the lowest first, none of them zero at the top.
 */
#include "engine/template/tmpl_int.h"

#include <math.h>
#include <string.h>

struct hl_tmpl_big {
    bool     negative;
    uint32_t n;
    uint32_t limbs[];
};

/* An integer on its way through an operation. */
typedef struct number {
    bool            negative;
    size_t          n;
    const uint32_t *d;
    uint32_t        small[2]; /* d, when it fits */
} number;

static size_t trimmed(const uint32_t *d, size_t n) {
    while (n && d[n - 1] == 0) n--;
    return n;
}

static void load(hl_tmpl_value v, number *to) {
    if (v.kind == HL_TMPL_VALUE_BIG) {
        *to = (number){.negative = v.u.big->negative, .n = v.u.big->n, .d = v.u.big->limbs};
        return;
    }
    const int64_t  i = hl_tmpl_as_int(v);
    const uint64_t x = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    *to = (number){.negative = i < 0, .small = {(uint32_t)x, (uint32_t)(x >> 32)}};
    to->n = trimmed(to->small, 2);
    to->d = NULL;
}

static const uint32_t *limbs(const number *x) { return x->d ? x->d : x->small; }

/* As an integer of 64 bits, if it fits. */
static bool fits(bool negative, const uint32_t *d, size_t n, int64_t *ret) {
    const uint64_t x = (n > 0 ? d[0] : 0) | (uint64_t)(n > 1 ? d[1] : 0) << 32;
    if (n > 2 || x > (uint64_t)INT64_MAX + negative) return false;
    *ret = (int64_t)(negative ? 0 - x : x);
    return true;
}

static hl_tmpl_value *store_in(hl_tmpl_big *big, bool negative, const uint32_t *d, size_t n,
                               hl_tmpl_value *ret) {
    big->negative = negative;
    big->n = (uint32_t)n;
    memcpy(big->limbs, d, n * sizeof *d);
    *ret = (hl_tmpl_value){.kind = HL_TMPL_VALUE_BIG, .u.big = big};
    return ret;
}

static bool store(hl_tmpl_run *r, bool negative, const uint32_t *d, size_t n, hl_tmpl_value *ret) {
    int64_t small = 0;
    n = trimmed(d, n);
    if (fits(negative, d, n, &small)) {
        *ret = hl_tmpl_int(small);
        return true;
    }
    if (n > HL_TMPL_MAX_LIMBS) return hl_tmpl_run_fail_limit(r, "an integer is too large");
    hl_tmpl_big *big = hl_tmpl_run_get(r, 1, sizeof *big + n * sizeof *d);
    return big && store_in(big, negative, d, n, ret);
}

static uint32_t *new_limbs(hl_tmpl_run *r, size_t n) {
    return hl_tmpl_run_get(r, n ? n : 1, sizeof(uint32_t));
}

/* ---- magnitudes ---------------------------------------------------------------------------- */

static int compare(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b) {
    if (n_a != n_b) return n_a < n_b ? -1 : 1;
    for (size_t i = n_a; i-- > 0;)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

static void add(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, uint32_t *to) {
    uint64_t carry = 0; /* n_a >= n_b; `to` has n_a + 1 */
    for (size_t i = 0; i < n_a; i++) {
        carry += (uint64_t)a[i] + (i < n_b ? b[i] : 0);
        to[i] = (uint32_t)carry;
        carry >>= 32;
    }
    to[n_a] = (uint32_t)carry;
}

static void subtract(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, uint32_t *to) {
    int64_t borrow = 0; /* a >= b; `to` has n_a */
    for (size_t i = 0; i < n_a; i++) {
        borrow += (int64_t)a[i] - (i < n_b ? b[i] : 0);
        to[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
}

static void multiply(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, uint32_t *to) {
    memset(to, 0, (n_a + n_b) * sizeof *to);
    for (size_t i = 0; i < n_a; i++) {
        uint64_t carry = 0;
        for (size_t k = 0; k < n_b; k++) {
            carry += (uint64_t)a[i] * b[k] + to[i + k];
            to[i + k] = (uint32_t)carry;
            carry >>= 32;
        }
        to[i + n_b] = (uint32_t)carry;
    }
}

/* d = d * by + more; d has room for n + 1. */
static size_t multiply_add(uint32_t *d, size_t n, uint32_t by, uint32_t more) {
    uint64_t carry = more;
    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)d[i] * by;
        d[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) d[n++] = (uint32_t)carry;
    return n;
}

/* d = d / by; returns the rest. */
static uint32_t divide_by(uint32_t *d, size_t n, uint32_t by) {
    uint64_t rest = 0;
    for (size_t i = n; i-- > 0;) {
        rest = rest << 32 | d[i];
        d[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return (uint32_t)rest;
}

static void shift_left(const uint32_t *d, size_t n, unsigned bits,
                       uint32_t *to) { /* bits < 32; n + 1 in `to` */
    uint64_t carry = 0;
    for (size_t i = 0; i < n; i++) {
        carry |= (uint64_t)d[i] << bits;
        to[i] = (uint32_t)carry;
        carry >>= 32;
    }
    to[n] = (uint32_t)carry;
}

/* Long division: u (n_u + 1 limbs, shifted so that v's top bit is set) by v; the quotient goes to q, the rest
 * stays in u. from: Knuth, The Art of Computer Programming, volume 2, algorithm D */
static void divide_shifted(uint32_t *u, size_t n_u, const uint32_t *v, size_t n_v, uint32_t *q) {
    for (size_t j = n_u - n_v + 1; j-- > 0;) {
        const uint64_t top = (uint64_t)u[j + n_v] << 32 | u[j + n_v - 1];
        uint64_t       trial = top / v[n_v - 1], rest = top % v[n_v - 1];
        while (trial >> 32 || (n_v > 1 && trial * v[n_v - 2] > (rest << 32 | u[j + n_v - 2]))) {
            trial--;
            rest += v[n_v - 1];
            if (rest >> 32) break;
        }
        int64_t  borrow = 0;
        uint64_t carry = 0;
        for (size_t i = 0; i < n_v; i++) {
            carry += trial * v[i];
            borrow += (int64_t)u[i + j] - (uint32_t)carry;
            u[i + j] = (uint32_t)borrow;
            carry >>= 32;
            borrow >>= 32;
        }
        borrow += (int64_t)u[j + n_v] - (int64_t)carry;
        u[j + n_v] = (uint32_t)borrow;
        q[j] = (uint32_t)trial;
        if (borrow >= 0) continue;
        q[j]--; /* one too many: add v back */
        carry = 0;
        for (size_t i = 0; i < n_v; i++) {
            carry += (uint64_t)u[i + j] + v[i];
            u[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        u[j + n_v] += (uint32_t)carry;
    }
}

/* Quotient and rest of magnitudes, in memory of the rendering. */
static bool divide(hl_tmpl_run *r, const number *a, const number *b, uint32_t **ret_q, size_t *ret_n_q,
                   uint32_t **ret_rest, size_t *ret_n_rest) {
    const unsigned shift = (unsigned)__builtin_clz(limbs(b)[b->n - 1]);
    uint32_t      *u = new_limbs(r, a->n + 1), *v = new_limbs(r, b->n + 1), *q = new_limbs(r, a->n + 1);
    if (!u || !v || !q || !hl_tmpl_run_steps(r, a->n * b->n / 16)) return false;
    shift_left(limbs(a), a->n, shift, u);
    shift_left(limbs(b), b->n, shift, v);
    if (a->n >= b->n) divide_shifted(u, a->n, v, b->n, q);
    for (size_t i = 0; i < a->n; i++) u[i] = (uint32_t)(((uint64_t)u[i + 1] << 32 | u[i]) >> shift);
    u[a->n] = 0;
    *ret_q = q;
    *ret_n_q = trimmed(q, a->n + 1);
    *ret_rest = u;
    *ret_n_rest = trimmed(u, a->n + 1);
    return true;
}

/* ---- signs --------------------------------------------------------------------------------- */

static bool add_numbers(hl_tmpl_run *r, const number *a, const number *b, hl_tmpl_value *ret) {
    const int order = compare(limbs(a), a->n, limbs(b), b->n);
    if (order < 0) {
        const number *c = a;
        a = b;
        b = c;
    }
    uint32_t *d = new_limbs(r, a->n + 1);
    if (!d || !hl_tmpl_run_steps(r, a->n / 8)) return false;
    if (a->negative == b->negative)
        add(limbs(a), a->n, limbs(b), b->n, d);
    else
        subtract(limbs(a), a->n, limbs(b), b->n, d);
    return store(r, a->negative, d, a->n + 1, ret);
}

static bool multiply_numbers(hl_tmpl_run *r, const number *a, const number *b, hl_tmpl_value *ret) {
    if (a->n + b->n > HL_TMPL_MAX_LIMBS + 1) return hl_tmpl_run_fail_limit(r, "an integer is too large");
    uint32_t *d = new_limbs(r, a->n + b->n);
    if (!d || !hl_tmpl_run_steps(r, a->n * b->n / 16)) return false;
    multiply(limbs(a), a->n, limbs(b), b->n, d);
    return store(r, a->negative != b->negative, d, a->n + b->n, ret);
}

/* Rounds down, as Python does; the rest has the sign of b. */
static bool divide_numbers(hl_tmpl_run *r, hl_tmpl_op op, const number *a, const number *b,
                           hl_tmpl_value *ret) {
    uint32_t *q = NULL, *rest = NULL;
    size_t    n_q = 0, n_rest = 0;
    if (!divide(r, a, b, &q, &n_q, &rest, &n_rest)) return false;
    const bool mixed = a->negative != b->negative, inexact = n_rest > 0;
    if (op == HL_TMPL_OP_FLOORDIV) {
        if (mixed && inexact)
            n_q = multiply_add(q, n_q, 1, 1); /* a->n + 1 limbs are enough: |q| + 1 <= |a| + 1 */
        return store(r, mixed, q, n_q, ret);
    }
    if (!mixed || !inexact) return store(r, a->negative, rest, n_rest, ret);
    uint32_t *d = new_limbs(r, b->n);
    if (!d) return false;
    subtract(limbs(b), b->n, rest, n_rest, d);
    return store(r, b->negative, d, b->n, ret);
}

static size_t bit_length(const uint32_t *d, size_t n) {
    return n ? n * 32 - (size_t)__builtin_clz(d[n - 1]) : 0;
}

/* 64 bits from bit `at` on, and whether any bit below is set. */
static uint64_t bits_from(const uint32_t *d, size_t n, size_t at, bool *ret_below) {
    unsigned __int128 window = 0;
    const size_t      first = at / 32;
    for (size_t i = 0; i < 3 && first + i < n; i++) window |= (unsigned __int128)d[first + i] << (32 * i);
    *ret_below = (d && first < n && (d[first] & (((uint32_t)1 << at % 32) - 1)) != 0);
    for (size_t i = 0; i < first && i < n && !*ret_below; i++) *ret_below = d[i] != 0;
    return (uint64_t)(window >> at % 32);
}

/* Rounded to the nearest double, halves to even; infinite past the largest. `inexact`: there is more
 * below. */
static double to_double(const uint32_t *d, size_t n, bool inexact) {
    const size_t bits = bit_length(d, n);
    bool         below = false;
    if (bits <= 64 && !inexact) {
        const uint64_t x = (n > 0 ? d[0] : 0) | (uint64_t)(n > 1 ? d[1] : 0) << 32;
        return (double)x;
    }
    const size_t at = bits > 64 ? bits - 64 : 0;
    uint64_t     x = bits_from(d, n, at, &below);
    if (bits < 64) x <<= 64 - bits;
    x |= below || inexact; /* sticky: far below what rounding keeps */
    return ldexp((double)x, (int)bits - 64);
}

bool hl_tmpl_int_to_float(hl_tmpl_run *r, hl_tmpl_value a, double *ret) {
    number x;
    load(a, &x);
    const double f = to_double(limbs(&x), x.n, false);
    if (isinf(f)) return hl_tmpl_run_fail(r, "the integer is too large for a float");
    *ret = x.negative ? -f : f;
    return true;
}

/* a / b, correctly rounded: a quotient of at least 66 bits, and whether it has a rest. */
static bool true_divide(hl_tmpl_run *r, const number *a, const number *b, hl_tmpl_value *ret) {
    const int64_t n_a = (int64_t)bit_length(limbs(a), a->n), n_b = (int64_t)bit_length(limbs(b), b->n);
    if (a->n == 0) {
        *ret = hl_tmpl_float(a->negative != b->negative ? -0.0 : 0.0);
        if (!a->negative && b->negative) ret->u.f = -0.0;
        return true;
    }
    if (n_a - n_b > 1025) return hl_tmpl_run_fail(r, "integer division result too large for a float");
    const int64_t wanted = n_b - n_a + 70;
    const size_t  n_shift = wanted > 0 ? (size_t)(wanted + 31) / 32 : 0;
    if (n_shift > HL_TMPL_MAX_LIMBS) return hl_tmpl_run_fail_limit(r, "an integer is too large");
    uint32_t *d = new_limbs(r, a->n + n_shift), *q = NULL, *rest = NULL;
    size_t    n_q = 0, n_rest = 0;
    if (!d) return false;
    memcpy(d + n_shift, limbs(a), a->n * sizeof *d);
    const number shifted = {.n = a->n + n_shift, .d = d};
    if (!divide(r, &shifted, b, &q, &n_q, &rest, &n_rest)) return false;
    /* a subnormal result would be rounded twice; none is large enough to matter here but it must not be
     * wrong */
    const size_t  q_bits = bit_length(q, n_q);
    bool          below = false;
    uint64_t      x = bits_from(q, n_q, q_bits - 64, &below);
    int64_t       exponent = (int64_t)q_bits - 64 - (int64_t)n_shift * 32;
    const int64_t least = exponent + 63 < -1022 ? -1074 - exponent : 11; /* bits to drop */
    below |= n_rest > 0;
    double f = 0;
    if (least <= 64) {
        const uint64_t unit = least == 64 ? 0 : (uint64_t)1 << least;
        const uint64_t low = least == 64 ? x : x & (unit - 1), half = (uint64_t)1 << (least - 1);
        uint64_t       kept = least == 64 ? 0 : x >> least;
        if (low > half || (low == half && (below || (kept & 1)))) kept++;
        f = ldexp((double)kept, (int)(exponent + least));
    }
    if (isinf(f)) return hl_tmpl_run_fail(r, "integer division result too large for a float");
    *ret = hl_tmpl_float(a->negative != b->negative ? -f : f);
    return true;
}

static bool power(hl_tmpl_run *r, hl_tmpl_value base, hl_tmpl_value exponent, hl_tmpl_value *ret) {
    const bool is_unit =
        base.kind != HL_TMPL_VALUE_BIG && hl_tmpl_as_int(base) >= -1 && hl_tmpl_as_int(base) <= 1;
    if (hl_tmpl_int_is_negative(exponent)) {
        double b = 0, e = 0;
        if (base.kind != HL_TMPL_VALUE_BIG && hl_tmpl_as_int(base) == 0)
            return hl_tmpl_run_fail(r, "0 cannot be raised to a negative power");
        if (!hl_tmpl_int_to_float(r, base, &b) || !hl_tmpl_int_to_float(r, exponent, &e)) return false;
        *ret = hl_tmpl_float(pow(b, e));
        return true;
    }
    if (is_unit) {
        number e;
        load(exponent, &e);
        const bool    odd = e.n && (limbs(&e)[0] & 1);
        const int64_t b = hl_tmpl_as_int(base);
        *ret = hl_tmpl_int(e.n == 0 || b == 1 || (b == -1 && !odd) ? 1 : b);
        return true;
    }
    if (exponent.kind == HL_TMPL_VALUE_BIG || hl_tmpl_as_int(exponent) > (int64_t)HL_TMPL_MAX_LIMBS * 32)
        return hl_tmpl_run_fail_limit(r, "an integer is too large");
    hl_tmpl_value result = hl_tmpl_int(1);
    for (int64_t e = hl_tmpl_as_int(exponent); e > 0;) {
        if ((e & 1) && !hl_tmpl_int_arith(r, HL_TMPL_OP_MUL, result, base, &result)) return false;
        e >>= 1;
        if (e && !hl_tmpl_int_arith(r, HL_TMPL_OP_MUL, base, base, &base)) return false;
    }
    *ret = result;
    return true;
}

static bool small_arith(hl_tmpl_op op, int64_t a, int64_t b, hl_tmpl_value *ret) {
    int64_t x = 0;
    switch (op) {
    case HL_TMPL_OP_ADD:
        if (__builtin_add_overflow(a, b, &x)) return false;
        break;
    case HL_TMPL_OP_SUB:
        if (__builtin_sub_overflow(a, b, &x)) return false;
        break;
    case HL_TMPL_OP_MUL:
        if (__builtin_mul_overflow(a, b, &x)) return false;
        break;
    case HL_TMPL_OP_DIV: {
        const int64_t exact = (int64_t)1 << 53;
        if (a > exact || a < -exact || b > exact || b < -exact) return false;
        *ret = hl_tmpl_float((double)a / (double)b);
        return true;
    }
    case HL_TMPL_OP_FLOORDIV:
    case HL_TMPL_OP_MOD:
        if (a == INT64_MIN && b == -1) return false;
        x = op == HL_TMPL_OP_MOD ? a % b : a / b; /* C rounds toward zero, Python down */
        if (a % b != 0 && (a < 0) != (b < 0)) x += op == HL_TMPL_OP_MOD ? b : -1;
        break;
    default: return false;
    }
    *ret = hl_tmpl_int(x);
    return true;
}

bool hl_tmpl_int_arith(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret) {
    const bool divides = op == HL_TMPL_OP_DIV || op == HL_TMPL_OP_FLOORDIV || op == HL_TMPL_OP_MOD;
    if (divides && b.kind != HL_TMPL_VALUE_BIG && hl_tmpl_as_int(b) == 0)
        return hl_tmpl_run_fail(r, "division by zero");
    if (op == HL_TMPL_OP_POW) return power(r, a, b, ret);
    if (a.kind != HL_TMPL_VALUE_BIG && b.kind != HL_TMPL_VALUE_BIG &&
        small_arith(op, hl_tmpl_as_int(a), hl_tmpl_as_int(b), ret))
        return true;
    number x, y;
    load(a, &x);
    load(b, &y);
    switch (op) {
    case HL_TMPL_OP_SUB: y.negative = !y.negative; return add_numbers(r, &x, &y, ret);
    case HL_TMPL_OP_ADD: return add_numbers(r, &x, &y, ret);
    case HL_TMPL_OP_MUL: return multiply_numbers(r, &x, &y, ret);
    case HL_TMPL_OP_DIV: return true_divide(r, &x, &y, ret);
    default: return divide_numbers(r, op, &x, &y, ret);
    }
}

bool hl_tmpl_int_is_negative(hl_tmpl_value a) {
    return a.kind == HL_TMPL_VALUE_BIG ? a.u.big->negative : hl_tmpl_as_int(a) < 0;
}

int hl_tmpl_int_compare(hl_tmpl_value a, hl_tmpl_value b) {
    number x, y;
    load(a, &x);
    load(b, &y);
    if (x.negative != y.negative) return x.negative ? -1 : 1;
    const int order = compare(limbs(&x), x.n, limbs(&y), y.n);
    return x.negative ? -order : order;
}

/* The magnitude of a finite float, without its fraction. Returns the number of limbs, at most 33. */
static size_t split_float(double f, uint32_t to[34]) {
    int      exponent = 0;
    uint64_t x = (uint64_t)ldexp(frexp(fabs(f), &exponent), 53); /* |f| = x * 2^(exponent - 53) */
    exponent -= 53;
    memset(to, 0, 34 * sizeof *to);
    if (exponent < 0) {
        x = exponent > -64 ? x >> -exponent : 0;
        exponent = 0;
    }
    const size_t            first = (size_t)exponent / 32;
    const unsigned __int128 wide = (unsigned __int128)x << exponent % 32;
    for (size_t i = 0; i < 3 && first + i < 34; i++) to[first + i] = (uint32_t)(wide >> (32 * i));
    return trimmed(to, 34);
}

bool hl_tmpl_int_from_float(hl_tmpl_run *r, double f, hl_tmpl_value *ret) {
    uint32_t     d[34];
    const size_t n = split_float(f, d);
    return store(r, f < 0, d, n, ret);
}

int hl_tmpl_int_compare_float(hl_tmpl_value a, double f) {
    number   x;
    uint32_t d[34];
    if (isnan(f)) return 2;
    if (isinf(f)) return f > 0 ? -1 : 1;
    load(a, &x);
    const bool negative = f < 0;
    if (x.n == 0) return (f < 0) - (f > 0);
    if (f == 0 || x.negative != negative) return x.negative ? -1 : 1;
    const size_t n = split_float(f, d);
    int          order = compare(limbs(&x), x.n, d, n);
    if (order == 0 && f != trunc(f)) order = -1; /* |a| is less by the fraction */
    return negative ? -order : order;
}

size_t hl_tmpl_int_bits(hl_tmpl_value a, bool set_only) {
    number x;
    size_t n = 0;
    load(a, &x);
    if (!set_only) return bit_length(limbs(&x), x.n);
    for (size_t i = 0; i < x.n; i++) n += (size_t)__builtin_popcount(limbs(&x)[i]);
    return n;
}

int64_t hl_tmpl_int_clamp(hl_tmpl_value a) {
    if (a.kind != HL_TMPL_VALUE_BIG) return hl_tmpl_as_int(a);
    return a.u.big->negative ? INT64_MIN : INT64_MAX;
}

uint64_t hl_tmpl_int_hash(hl_tmpl_run *r, hl_tmpl_value a) {
    if (a.kind != HL_TMPL_VALUE_BIG) return hl_hash_number(r->t->hash_keys, (uint64_t)hl_tmpl_as_int(a));
    return hl_hash_bytes(r->t->hash_keys, a.u.big->limbs, a.u.big->n * sizeof a.u.big->limbs[0]) +
           a.u.big->negative;
}

/* ---- text ---------------------------------------------------------------------------------- */

static unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 10;
    return (unsigned)(c - 'A') + 10;
}

static bool too_many(hl_view digits, unsigned base) {
    const bool is_power = (base & (base - 1)) == 0;
    return digits.len > (is_power ? (size_t)HL_TMPL_MAX_LIMBS * 32 / 5 : (size_t)HL_TMPL_MAX_INT_DIGITS);
}

static size_t parse(hl_view digits, unsigned base, uint32_t *d) {
    size_t n = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] != '_') n = multiply_add(d, n, base, digit_of(digits.ptr[i]));
    return n;
}

/* Limbs that the digits need at most: 6 bits each. */
static size_t limbs_of_digits(hl_view digits) { return digits.len * 6 / 32 + 2; }

bool hl_tmpl_int_parse(hl_tmpl_run *r, hl_view digits, unsigned base, bool negative, hl_tmpl_value *ret,
                       bool *ret_ok) {
    *ret_ok = !too_many(digits, base);
    if (!*ret_ok) return true;
    uint32_t  few[8] = {0};
    uint32_t *d = limbs_of_digits(digits) <= 8 ? few : new_limbs(r, limbs_of_digits(digits));
    if (!d || !hl_tmpl_run_steps(r, digits.len * digits.len / 256)) return false;
    return store(r, negative, d, parse(digits, base, d), ret);
}

void hl_tmpl_int_of_literal(hl_arena *a, hl_view digits, unsigned base, hl_tmpl_value *ret, bool *ret_ok) {
    *ret_ok = !too_many(digits, base);
    if (!*ret_ok) return;
    const size_t room = limbs_of_digits(digits);
    hl_tmpl_big *big = hl_arena_get(a, 1, sizeof *big + room * sizeof(uint32_t));
    int64_t      small = 0;
    *ret = (hl_tmpl_value){0};
    if (!big) return;
    big->n = (uint32_t)parse(digits, base, big->limbs);
    *ret = fits(false, big->limbs, big->n, &small) ? hl_tmpl_int(small)
                                                   : (hl_tmpl_value){.kind = HL_TMPL_VALUE_BIG, .u.big = big};
}

bool hl_tmpl_int_digits(hl_tmpl_run *r, hl_tmpl_value a, unsigned base, bool upper, hl_view *ret) {
    number x;
    load(a, &x);
    const size_t bits = bit_length(limbs(&x), x.n);
    const size_t room = (base == 10 ? bits / 3 : base == 16 ? bits / 4 : base == 8 ? bits / 3 : bits) + 12;
    char        *text = hl_tmpl_run_get(r, room, 1);
    uint32_t    *d = new_limbs(r, x.n);
    size_t       n = x.n, at = room;
    if (!text || !d || !hl_tmpl_run_steps(r, base == 10 ? n * n / 8 : n)) return false;
    memcpy(d, limbs(&x), n * sizeof *d);
    if (base == 10 && n > (size_t)HL_TMPL_MAX_INT_DIGITS / 9 + 1) n = SIZE_MAX;
    while (n && n != SIZE_MAX) {
        const uint32_t unit = base == 10 ? 1000000000 : base == 8 ? 1u << 30 : 1u << 16;
        uint32_t       part = divide_by(d, n, unit);
        n = trimmed(d, n);
        for (uint32_t left = unit; left > 1 && (n || part); left /= base, part /= base)
            text[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[part % base];
    }
    if (n == SIZE_MAX || (base == 10 && room - at > HL_TMPL_MAX_INT_DIGITS))
        return hl_tmpl_run_fail(r, "an integer of more than %d digits cannot be written",
                                HL_TMPL_MAX_INT_DIGITS);
    if (at == room) text[--at] = '0';
    *ret = (hl_view){text + at, room - at};
    return true;
}

bool hl_tmpl_int_write(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value a) {
    hl_view digits;
    if (!hl_tmpl_int_digits(r, a, 10, false, &digits)) return false;
    if (hl_tmpl_int_is_negative(a)) hl_tmpl_out_char(to, '-', hl_tmpl_is_outside(a));
    hl_tmpl_out_put(to, digits, hl_tmpl_is_outside(a));
    return true;
}
