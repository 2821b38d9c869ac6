/* SPDX-License-Identifier: MIT
 *
 * wtype.h - names that contain the weight type which a kernel's file is compiled for.
 *
 * <op>_<isa>.c is compiled once for every type that kernels.def gives it, with -DHL_WTYPE=q4_k and so on
 * (build/kernels.mk).
 */
#ifndef HL_ENGINE_KERNELS_WTYPE_H
#define HL_ENGINE_KERNELS_WTYPE_H

#include "engine/kernels/kernel_list.h"
#include "engine/quant/group.h"

#define HL_PASTE2_(a, b)       a##_##b
#define HL_PASTE4_(a, b, c, d) a##_##b##_##c##_##d
#define HL_PASTE2(a, b)        HL_PASTE2_(a, b)
#define HL_PASTE4(a, b, c, d)  HL_PASTE4_(a, b, c, d)

/* clang-format off */
#define HL_TYPED(name)          HL_PASTE2(name, HL_WTYPE)                    /* decode16_q4_k */
#define HL_KERNEL_NAME(op, isa) HL_PASTE4(hl, op, HL_WTYPE, isa)             /* hl_gemv_q4_k_avx2 */
#define HL_FACTS_OF(op, isa)    HL_PASTE4(hl_facts, op, HL_WTYPE, isa)       /* of its line in kernels.def */
#define HL_WTYPE_FORMAT         HL_PASTE2(HL_PASTE2(hl, HL_WTYPE), format)() /* hl_q4_k_format() */
#define HL_DECODE_GROUP         HL_PASTE2(HL_PASTE2(hl, HL_WTYPE), group)    /* hl_q4_k_group */

/* #include HL_LAYOUT_H */
#define HL_QUOTE_(text) #text
#define HL_QUOTE(text)  HL_QUOTE_(text)
#define HL_LAYOUT_H     HL_QUOTE(engine/quant/HL_WTYPE.h)                    /* "engine/quant/q4_k.h" */
/* clang-format on */

#endif
