/* SPDX-License-Identifier: MIT
 *
 * staged.h - weight types without decoders of their own: the layouts' hl_<type>_group() lays down a block of
 * some rows as groups of codes, and each instruction set reads them from there as it reads rows of a file.
 *
 * The second reading costs little, since what is laid down stays in the first-level cache; plain C costs what
 * it costs, a seventh of a decoder's speed. HL_STAGED_TYPES are what decode_avx512.h, decode_avx2.h,
 * blocks8_avx2.h and decode_neon.h make one for. decode_neon.h has some more: no instruction of NEON looks
 * into the grids of the iq types.
 */
#ifndef HL_ENGINE_KERNELS_STAGED_H
#define HL_ENGINE_KERNELS_STAGED_H

#include "engine/quant/iq1_m.h"
#include "engine/quant/iq1_s.h"
#include "engine/quant/iq2_s.h"
#include "engine/quant/iq2_xs.h"
#include "engine/quant/iq2_xxs.h"
#include "engine/quant/iq3_s.h"
#include "engine/quant/iq3_xxs.h"
#include "engine/quant/nvfp4.h"
#include "engine/quant/q1_0.h"
#include "engine/quant/q2_0.h"
#include "engine/quant/tq1_0.h"
#include "engine/quant/tq2_0.h"

/* clang-format off */
#define HL_STAGED_TYPES(ROW) \
    ROW(tq1_0) \
    ROW(q1_0) \
    ROW(q2_0)
/* clang-format on */

/* Up to 256 columns of a row. Where its codes begin, and its scales: those of columns 0..15 and 16..31 (or
 * of all) side by side. */
typedef struct hl_staged_row {
    hl_group group[8];
} hl_staged_row;

#define HL_STAGED_CODES(i_group)  (sizeof(hl_group) * (size_t)(i_group) + offsetof(hl_group, code))
#define HL_STAGED_SCALES(i_group) (sizeof(hl_group) * (size_t)(i_group) + offsetof(hl_group, scale))

/* The first n_groups groups of a row. */
static inline __attribute__((always_inline, unused)) void hl_stage_row(hl_group_fn   *decode,
                                                                       const uint8_t *row, size_t n_groups,
                                                                       hl_staged_row *ret) {
    for (size_t i = 0; i < n_groups; i++) decode(row, i, &ret->group[i]);
}

#endif
