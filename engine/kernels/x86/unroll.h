/* SPDX-License-Identifier: MIT
 *
 * unroll.h - what keeps arrays of vectors in registers: forced inlining, and unrolling of loops whose trip
 * counts are constants after it.
 */
#ifndef HL_ENGINE_KERNELS_UNROLL_H
#define HL_ENGINE_KERNELS_UNROLL_H

#ifndef HL_INLINE
#define HL_INLINE static inline __attribute__((always_inline, unused))
#endif
#ifndef HL_UNROLL
#if defined(__clang__)
#define HL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HL_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

#endif
