/* SPDX-License-Identifier: MIT
 *
 * pack.c - the packers by type and processor.
 */
#include "engine/pack/packers.h"

#include <stddef.h>

#include "engine/kernels/cpu.h"
#include "engine/pack/pack_list.h"
#include "engine/quant/quant.h"

/* Types whose blocks follow from the weights: nothing is searched, nothing weighted. */
#define PLAIN(type)                                                                                          \
    static void pack_##type(const float *x, const float *importance, size_t n, void *ret_w) {                \
        (void)importance;                                                                                    \
        hl_from_f32_##type(x, n, ret_w);                                                                     \
    }
PLAIN(f32)
PLAIN(f16)
PLAIN(bf16)
PLAIN(q8_0)

typedef struct pack_row {
    hl_pack_fn *scalar, *avx2, *avx512;
} pack_row;

#if defined(__x86_64__)
#define HL_PACKER(type)                                                                                      \
    [HL_TYPE_##type] = {hl_pack_##type##_scalar, hl_pack_##type##_avx2, hl_pack_##type##_avx512},
#else
#define HL_PACKER(type) [HL_TYPE_##type] = {hl_pack_##type##_scalar, NULL, NULL},
#endif
static const pack_row rows[HL_TYPE_count] = {
    [HL_TYPE_f32] = {pack_f32, NULL, NULL},
    [HL_TYPE_f16] = {pack_f16, NULL, NULL},
    [HL_TYPE_bf16] = {pack_bf16, NULL, NULL},
    [HL_TYPE_q8_0] = {pack_q8_0, NULL, NULL},
#include "engine/pack/packers.def"
};
#undef HL_PACKER

static bool can(uint32_t cpu, hl_isa isa) { return (hl_isa_needs(isa) & ~cpu) == 0; }

hl_pack_fn *hl_pack_find(hl_type t, uint32_t cpu) {
    const pack_row *row = &rows[t];
    if (row->avx512 && can(cpu, HL_ISA_avx512)) return row->avx512;
    if (row->avx2 && can(cpu, HL_ISA_avx2)) return row->avx2;
    return row->scalar;
}
