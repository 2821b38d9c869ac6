/* SPDX-License-Identifier: MIT
 *
 * unroll.h - how vector kernels say that loops run over registers and that functions must be inlined.
 */
#ifndef HL_ENGINE_KERNELS_UNROLL_H
#define HL_ENGINE_KERNELS_UNROLL_H

/* In front of a loop whose trip count is a constant after inlining. */
#if defined(__clang__)
#define HL_UNROLL _Pragma("unroll")
#else
#define HL_UNROLL _Pragma("GCC unroll 16")
#endif
#define HL_INLINE static inline __attribute__((always_inline, unused))

#endif
