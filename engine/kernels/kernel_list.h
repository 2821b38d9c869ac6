/* SPDX-License-Identifier: MIT
 *
 * kernel_list.h - prototypes of every kernel in kernels.def. Each kernel's file includes it.
 */
#ifndef HL_ENGINE_KERNELS_KERNEL_LIST_H
#define HL_ENGINE_KERNELS_KERNEL_LIST_H

#include "engine/kernels/kernels.h"

#define HL_KERNEL(op, wtype, isa) hl_##op##_fn hl_##op##_##wtype##_##isa;
#define HL_KERNEL_V(op, isa)      hl_##op##_fn hl_##op##_##isa;
#include "engine/kernels/kernels.def"
#undef HL_KERNEL
#undef HL_KERNEL_V

#endif
