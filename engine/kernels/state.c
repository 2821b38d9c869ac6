/* SPDX-License-Identifier: MIT
 *
 * state.c - choose kernels of recurrent layers for a CPU by walking state.def.
 */
#include "engine/kernels/state.h"

#include <string.h>

#include "engine/kernels/cpu.h"

void hl_state_kernels_select(uint32_t cpu, hl_state_kernels *ret_kernels) {
    hl_state_kernels *k = ret_kernels;
    memset(k, 0, sizeof *k);
#define HL_STATE_KERNEL(op, isa)                                                                             \
    if ((hl_isa_needs(HL_ISA_##isa) & ~cpu) == 0) {                                                          \
        k->op = hl_##op##_##isa;                                                                             \
        k->isa_of_##op = #isa;                                                                               \
    }
#include "engine/kernels/state.def"
#undef HL_STATE_KERNEL
}
