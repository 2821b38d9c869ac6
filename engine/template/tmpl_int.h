/* SPDX-License-Identifier: MIT
 *
 * tmpl_int.h - integers as Python has them: of any size, up to a limit.
 *
 * What fits 64 bits is of kind INT (or BOOL), all else BIG; functions here take and give any of them, and an
 * INT whenever it fits.
 */
#ifndef HL_TEMPLATE_TMPL_INT_H
#define HL_TEMPLATE_TMPL_INT_H

#include "engine/template/tmpl_run.h"

enum {
    HL_TMPL_MAX_LIMBS = 8192,      /* of an integer: 262,144 bits */
    HL_TMPL_MAX_INT_DIGITS = 4300, /* of decimal text, as in Python 3.11 */
};

/* add sub mul div floordiv mod pow; `div` and powers below 1 give floats */
bool hl_tmpl_int_arith(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret);
int  hl_tmpl_int_compare(hl_tmpl_value a, hl_tmpl_value b); /* -1 0 1 */
int  hl_tmpl_int_compare_float(hl_tmpl_value a, double f);  /* -1 0 1, exactly; 2 for NaN */
bool hl_tmpl_int_is_negative(hl_tmpl_value a);
bool hl_tmpl_int_to_float(hl_tmpl_run *r, hl_tmpl_value a,
                          double *ret); /* fails when it is too large for one */
bool hl_tmpl_int_from_float(hl_tmpl_run *r, double f, hl_tmpl_value *ret); /* toward zero; f must be finite */
size_t hl_tmpl_int_bits(hl_tmpl_value a, bool set_only); /* of the magnitude: its length, or how many are 1 */
int64_t  hl_tmpl_int_clamp(hl_tmpl_value a);             /* the nearest of 64 bits */
uint64_t hl_tmpl_int_hash(hl_tmpl_run *r, hl_tmpl_value a);

/* Digits of a base from 2 to 36, at least one; false in *ret_ok when there are too many. */
bool hl_tmpl_int_parse(hl_tmpl_run *r, hl_view digits, unsigned base, bool negative, hl_tmpl_value *ret,
                       bool *ret_ok);
/* The digits without a sign, of base 2 8 10 16, in memory of the rendering. */
bool hl_tmpl_int_digits(hl_tmpl_run *r, hl_tmpl_value a, unsigned base, bool upper, hl_view *ret);

bool hl_tmpl_int_write(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value a); /* decimal, with its sign */

/* For literals of a template, whose integers live as long as it does; *ret is MISSING without memory. */
void hl_tmpl_int_of_literal(hl_arena *a, hl_view digits, unsigned base, hl_tmpl_value *ret, bool *ret_ok);

#endif
