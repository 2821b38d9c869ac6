/* SPDX-License-Identifier: MIT
 *
 * gemv_iq4_nl_avxvnni.c - y = W x for few tokens, W in iq4_nl: eight rows side by side, 256-bit vpdpbusd.
 * exact? bit-equal to the scalar definition. limit: memory. Method: gemv_dot_avx2.h
 */
#define HL_DOT(acc, w, x) _mm256_dpbusd_avx_epi32(acc, w, x)
#include "engine/kernels/x86/gemv_dot_avx2.h"
#include "engine/quant/iq4_nl.h"

HL_DEFINE_GEMV(iq4_nl, 1, avxvnni)
