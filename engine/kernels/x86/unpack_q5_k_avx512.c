/* SPDX-License-Identifier: MIT
 *
 * unpack_q5_k_avx512.c - 32 rows of q5_k into a panel, by transposing 16 bytes of 16 rows at a time.
 * exact? bit-equal to the scalar definition. Method: codes_avx512.h
 */
#include "engine/kernels/x86/unpack_avx512.h"

HL_DEFINE_UNPACK(q5_k, avx512)
