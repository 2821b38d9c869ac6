/* SPDX-License-Identifier: MIT
 *
 * kernels.c - choose kernels for a CPU by walking kernels.def.
 */
#include "engine/kernels/kernel_list.h"

#include <string.h>

#include "engine/kernels/cpu.h"

/* True when `cpu` has everything that `isa` needs. */
static bool can_run(uint32_t cpu, hl_isa isa) { return (hl_isa_needs(isa) & ~cpu) == 0; }

void hl_kernels_select(uint32_t cpu, hl_kernels *ret_kernels) {
    hl_kernels *k = ret_kernels;
    memset(k, 0, sizeof *k);
    k->cpu = cpu;
#define HL_TYPE(name, id, elems, bytes) k->definition[HL_TYPE_##name] = hl_gemv_##name##_scalar;
#include "core/gguf/types.def"
#undef HL_TYPE
#define HL_KERNEL(op, wtype, isa, ...)                                                                       \
    if (can_run(cpu, HL_ISA_##isa)) {                                                                        \
        k->op[HL_TYPE_##wtype] = hl_##op##_##wtype##_##isa;                                                  \
        k->facts_of_##op[HL_TYPE_##wtype] = hl_facts_##op##_##wtype##_##isa;                                 \
    }
#define HL_KERNEL_V(op, isa, ...)                                                                            \
    if (can_run(cpu, HL_ISA_##isa)) {                                                                        \
        k->op = hl_##op##_##isa;                                                                             \
        k->facts_of_##op = hl_facts_##op##_##isa;                                                            \
    }
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
#undef HL_KERNEL_V
}
