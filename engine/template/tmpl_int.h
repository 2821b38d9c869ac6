/* SPDX-License-Identifier: MIT
 *
 * tmpl_int.h - integers as Python has them: of any size, up to a limit.
 *
 * What fits 64 bits is an HL_TK_INT (or HL_TK_BOOL), all else an HL_TK_BIG; functions here take and give any
 * of them, and what they give is an HL_TK_INT whenever it fits.
 */
#ifndef HL_TEMPLATE_TMPL_INT_H
#define HL_TEMPLATE_TMPL_INT_H

#include "engine/template/tmpl_run.h"

enum {
    HL_TMPL_MAX_LIMBS = 8192,      /* of an integer: 262,144 bits */
    HL_TMPL_MAX_INT_DIGITS = 4300, /* of decimal text, as in Python 3.11 */
};

/* add sub mul div floordiv mod pow; `div` and powers below 1 give floats */
bool     hl_tint_arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret);
int      hl_tint_compare(hl_tv a, hl_tv b);        /* -1 0 1 */
int      hl_tint_compare_float(hl_tv a, double f); /* -1 0 1, exactly; 2 for NaN */
bool     hl_tint_is_negative(hl_tv a);
bool     hl_tint_to_float(hl_trun *r, hl_tv a, double *ret);   /* fails when it is too large for one */
bool     hl_tint_from_float(hl_trun *r, double f, hl_tv *ret); /* toward zero; f must be finite */
size_t   hl_tint_bits(hl_tv a, bool set_only); /* of the magnitude: its length, or how many are 1 */
int64_t  hl_tint_clamp(hl_tv a);               /* the nearest of 64 bits */
uint64_t hl_tint_hash(hl_trun *r, hl_tv a);

/* Digits of a base from 2 to 36, at least one; false in *ret_ok when there are too many. */
bool hl_tint_parse(hl_trun *r, hl_view digits, unsigned base, bool negative, hl_tv *ret, bool *ret_ok);
/* The digits without a sign, of base 2 8 10 16, in memory of the rendering. */
bool hl_tint_digits(hl_trun *r, hl_tv a, unsigned base, bool upper, hl_view *ret);

bool hl_tint_write(hl_trun *r, hl_tout *to, hl_tv a); /* decimal, with its sign */

/* For literals of a template, whose integers live as long as it does; *ret.kind is HL_TK_MISSING without
 * memory. */
void hl_tint_of_literal(hl_arena *a, hl_view digits, unsigned base, hl_tv *ret, bool *ret_ok);

#endif
