/* SPDX-License-Identifier: MIT
 *
 * gemv_iq4_xs_avx512vnni.c - y = W x for few tokens, W in iq4_xs: 16 rows side by side, vpdpbusd.
 * exact? bit-equal to the scalar definition. limit: memory. Method: gemv_avx512.h
 */
#define HL_DOT(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#include "engine/kernels/x86/gemv_avx512.h"

HL_DEFINE_GEMV(iq4_xs, avx512vnni, false)
