/* SPDX-License-Identifier: MIT
 *
 * gemv_q6_k_avxvnni.c - y = W x for few tokens, W in q6_k: eight rows side by side, 256-bit vpdpbusd.
 * exact? bit-equal to the scalar definition. limit: memory. Method: gemv_dot_avx2.h
 */
#define HL_DOT(acc, w, x) _mm256_dpbusd_avx_epi32(acc, w, x)
#include "engine/kernels/x86/gemv_dot_avx2.h"
#include "engine/quant/q6_k.h"

HL_DEFINE_GEMV(q6_k, 8, avxvnni)
