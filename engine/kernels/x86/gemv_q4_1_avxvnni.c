/* SPDX-License-Identifier: MIT
 *
 * gemv_q4_1_avxvnni.c - y = W x for few tokens, W in q4_1: eight rows side by side, 256-bit vpdpbusd.
 * exact? bit-equal to the scalar definition. limit: memory. Method: gemv_dot_avx2.h
 */
#define HL_DOT(acc, w, x) _mm256_dpbusd_avx_epi32(acc, w, x)
#include "engine/kernels/x86/gemv_dot_avx2.h"
#include "engine/quant/q4_1.h"

HL_DEFINE_GEMV(q4_1, 1, avxvnni)
