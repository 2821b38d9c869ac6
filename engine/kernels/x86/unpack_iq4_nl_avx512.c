/* SPDX-License-Identifier: MIT
 *
 * unpack_iq4_nl_avx512.c - 32 rows of iq4_nl into a panel, by transposing 16 bytes of 16 rows at a time.
 * exact? bit-equal to the scalar definition. Method: codes_avx512.h
 */
#include "engine/kernels/x86/unpack_avx512.h"

HL_DEFINE_UNPACK(iq4_nl, avx512)
