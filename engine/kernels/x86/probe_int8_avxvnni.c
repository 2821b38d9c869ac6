/* SPDX-License-Identifier: MIT
 *
 * probe_int8_avxvnni.c - 256-bit vpdpbusd in twelve independent chains: the ports that panels keep busy.
 */
#include <immintrin.h>

#define V              __m256i
#define SET1_8(x)      _mm256_set1_epi8(x)
#define SET1_32(x)     _mm256_set1_epi32(x)
#define ADD(a, b)      _mm256_add_epi32(a, b)
#define DOT(sum, a, b) _mm256_dpbusd_avx_epi32(sum, a, b)
#define IN_REGISTER    "x"
enum { MACS = 32 };
#include "engine/kernels/x86/probe_dot_x86.h"

uint64_t hl_probe_int8_avxvnni(size_t n) { return probe_dot(n); }
