/* SPDX-License-Identifier: MIT
 *
 * pack_avx512.c - pack_body.h for avx512.
 */
#if defined(__x86_64__)
#define HL_LANES           16
#define HL_PACK_NAME(type) hl_pack_##type##_avx512
#include "engine/pack/pack_body.h"
#endif
