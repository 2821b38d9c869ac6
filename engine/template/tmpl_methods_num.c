/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods_num.c - methods of numbers.
 */
#include <math.h>
#include <string.h>

#include "engine/template/tmpl_int.h"
#include "engine/template/tmpl_methods.h"

bool hl_tmethod_int_bit_length(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    *ret = hl_tv_made_of(hl_tv_int((int64_t)hl_tint_bits(c->self, false)), c->self.flags);
    return true;
}

bool hl_tmethod_int_bit_count(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    *ret = hl_tv_made_of(hl_tv_int((int64_t)hl_tint_bits(c->self, true)), c->self.flags);
    return true;
}

bool hl_tmethod_number_conjugate(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    *ret = c->self;
    return c->self.kind != HL_TK_BOOL || hl_tv_arith(r, HL_TOP_ADD, hl_tv_int(0), c->self, ret);
}

bool hl_tmethod_int_as_integer_ratio(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tv whole;
    return hl_tmethod_number_conjugate(r, c, &whole) && hl_tv_new_pair(r, whole, hl_tv_int(1), ret);
}

bool hl_tmethod_float_is_integer(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    *ret = hl_tv_bool(isfinite(c->self.u.f) && c->self.u.f == trunc(c->self.u.f));
    return true;
}

/* The exact value as a fraction that cannot be reduced. */
bool hl_tmethod_float_as_integer_ratio(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tv  above, below = hl_tv_int(1);
    double f = c->self.u.f;
    int    n_halved = 0;
    if (!isfinite(f)) return hl_trun_fail(r, "a number that is not finite is no ratio of integers");
    for (; f != trunc(f); n_halved++) f *= 2;
    if (!hl_tint_from_float(r, f, &above) ||
        !hl_tint_arith(r, HL_TOP_POW, hl_tv_int(2), hl_tv_int(n_halved), &below))
        return false;
    return hl_tv_new_pair(r, hl_tv_made_of(above, c->self.flags), hl_tv_made_of(below, c->self.flags), ret);
}

bool hl_tmethod_float_hex(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const double f = c->self.u.f;
    const bool   outside = hl_tv_is_outside(c->self);
    const size_t mark = hl_trun_begin(r);
    if (!isfinite(f)) return hl_tv_to_str(r, c->self, ret);
    uint64_t bits = 0;
    memcpy(&bits, &f, sizeof bits);
    const int      exponent = (int)(bits >> 52 & 0x7FF);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (bits >> 63) hl_tout_char(&r->scratch, '-', outside);
    if (f == 0)
        hl_tout_text(&r->scratch, "0x0.0p+0", outside);
    else
        hl_tout_format(&r->scratch, outside, "0x%d.%013llxp%+d", exponent > 0, (unsigned long long)fraction,
                       exponent > 0 ? exponent - 1023 : -1022);
    return hl_trun_end(r, mark, ret);
}
