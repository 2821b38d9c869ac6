/* SPDX-License-Identifier: MIT
 *
 * probe_int8_avx512vnni.c - vpdpbusd in twelve independent chains: the port that panels keep busy.
 */
#include <immintrin.h>

#define V              __m512i
#define SET1_8(x)      _mm512_set1_epi8(x)
#define SET1_32(x)     _mm512_set1_epi32(x)
#define ADD(a, b)      _mm512_add_epi32(a, b)
#define DOT(sum, a, b) _mm512_dpbusd_epi32(sum, a, b)
#define IN_REGISTER    "v"
enum { MACS = 64 };
#include "engine/kernels/x86/probe_dot_x86.h"

uint64_t hl_probe_int8_avx512vnni(size_t n) { return probe_dot(n); }
