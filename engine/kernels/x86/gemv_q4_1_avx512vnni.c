/* SPDX-License-Identifier: MIT
 *
 * gemv_q4_1_avx512vnni.c - y = W x for few tokens, W in q4_1: 16 rows side by side, vpdpbusd.
 * exact? bit-equal to the scalar definition. limit: memory. Method: gemv_avx512.h
 */
#define HL_DOT(acc, w, x) _mm512_dpbusd_epi32(acc, w, x)
#include "engine/kernels/x86/gemv_avx512.h"

HL_DEFINE_GEMV(q4_1, avx512vnni, true)
