/* SPDX-License-Identifier: MIT
 *
 * kernel_list.h - prototypes and facts of every kernel in kernels.def. Each kernel's file includes it.
 */
#ifndef HL_ENGINE_KERNELS_KERNEL_LIST_H
#define HL_ENGINE_KERNELS_KERNEL_LIST_H

#include "engine/kernels/kernels.h"

/* The prototype of each, and the facts of its line. */
#define HL_KERNEL(op, wtype, isa_name, ...)                                                                  \
    hl_##op##_fn                 hl_##op##_##wtype##_##isa_name;                                             \
    static const hl_kernel_facts hl_facts_##op##_##wtype##_##isa_name = {.isa = #isa_name, __VA_ARGS__};
#define HL_KERNEL_V(op, isa_name, ...)                                                                       \
    hl_##op##_fn                 hl_##op##_##isa_name;                                                       \
    static const hl_kernel_facts hl_facts_##op##_##isa_name = {.isa = #isa_name, __VA_ARGS__};
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
#undef HL_KERNEL_V

#endif
