/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods_num.c - methods of numbers.
 */
#include <math.h>
#include <string.h>

#include "engine/template/tmpl_int.h"
#include "engine/template/tmpl_methods.h"

bool hl_tmpl_method_int_bit_length(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    *ret = hl_tmpl_made_of(hl_tmpl_int((int64_t)hl_tmpl_int_bits(c->self, false)), c->self.flags);
    return true;
}

bool hl_tmpl_method_int_bit_count(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    *ret = hl_tmpl_made_of(hl_tmpl_int((int64_t)hl_tmpl_int_bits(c->self, true)), c->self.flags);
    return true;
}

bool hl_tmpl_method_number_conjugate(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    *ret = c->self;
    return c->self.kind != HL_TMPL_VALUE_BOOL ||
           hl_tmpl_arith(r, HL_TMPL_OP_ADD, hl_tmpl_int(0), c->self, ret);
}

bool hl_tmpl_method_int_as_integer_ratio(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value whole;
    return hl_tmpl_method_number_conjugate(r, c, &whole) && hl_tmpl_new_pair(r, whole, hl_tmpl_int(1), ret);
}

bool hl_tmpl_method_float_is_integer(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    *ret = hl_tmpl_bool(isfinite(c->self.u.f) && c->self.u.f == trunc(c->self.u.f));
    return true;
}

/* The exact value as a fraction that cannot be reduced. */
bool hl_tmpl_method_float_as_integer_ratio(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value above, below = hl_tmpl_int(1);
    double        f = c->self.u.f;
    int           n_halved = 0;
    if (!isfinite(f)) return hl_tmpl_run_fail(r, "a number that is not finite is no ratio of integers");
    for (; f != trunc(f); n_halved++) f *= 2;
    if (!hl_tmpl_int_from_float(r, f, &above) ||
        !hl_tmpl_int_arith(r, HL_TMPL_OP_POW, hl_tmpl_int(2), hl_tmpl_int(n_halved), &below))
        return false;
    return hl_tmpl_new_pair(r, hl_tmpl_made_of(above, c->self.flags), hl_tmpl_made_of(below, c->self.flags),
                            ret);
}

bool hl_tmpl_method_float_hex(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const double f = c->self.u.f;
    const bool   outside = hl_tmpl_is_outside(c->self);
    const size_t mark = hl_tmpl_run_begin(r);
    if (!isfinite(f)) return hl_tmpl_to_str(r, c->self, ret);
    uint64_t bits = 0;
    memcpy(&bits, &f, sizeof bits);
    const int      exponent = (int)(bits >> 52 & 0x7FF);
    const uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (bits >> 63) hl_tmpl_out_char(&r->scratch, '-', outside);
    if (f == 0)
        hl_tmpl_out_text(&r->scratch, "0x0.0p+0", outside);
    else
        hl_tmpl_out_format(&r->scratch, outside, "0x%d.%013llxp%+d", exponent > 0,
                           (unsigned long long)fraction, exponent > 0 ? exponent - 1023 : -1022);
    return hl_tmpl_run_end(r, mark, ret);
}
