/* SPDX-License-Identifier: MIT
 *
 * pack_avx2.c - pack_body.h for avx2.
 */
#if defined(__x86_64__)
#define HL_LANES           8
#define HL_PACK_NAME(type) hl_pack_##type##_avx2
#include "engine/pack/pack_body.h"
#endif
