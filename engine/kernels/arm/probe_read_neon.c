/* SPDX-License-Identifier: MIT
 *
 * probe_read_neon.c - read memory in eight streams of 128-bit words, with prefetch.
 */
#include <arm_neon.h>

#include "engine/kernels/kernel_list.h"
#include "engine/kernels/unroll.h"

uint64_t hl_probe_read_neon(size_t n, const void *p) {
    enum { STREAMS = 8, PREFETCH_DISTANCE = 1024 };
    const uint8_t *at = p;
    const size_t   part = n / STREAMS;
    uint64x2_t     sum[STREAMS];
    HL_UNROLL for (int s = 0; s < STREAMS; s++) sum[s] = vdupq_n_u64(0);
    for (size_t i = 0; i + 64 <= part; i += 64) {
        HL_UNROLL for (int s = 0; s < STREAMS; s++) {
            const uint8_t *from = at + (size_t)s * part + i;
            __builtin_prefetch(from + PREFETCH_DISTANCE, 0, 2);
            HL_UNROLL for (int k = 0; k < 64; k += 16) sum[s] =
                vaddq_u64(sum[s], vreinterpretq_u64_u8(vld1q_u8(from + k)));
        }
    }
    HL_UNROLL for (int s = 1; s < STREAMS; s++) sum[0] = vaddq_u64(sum[0], sum[s]);
    return vaddvq_u64(sum[0]);
}
