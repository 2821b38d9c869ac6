/* SPDX-License-Identifier: MIT
 *
 * device.h - what computes passes and keeps the cache: the whole of it, not single operations.
 *
 * An engine has one device for all its models. Everything above (forward.h, sessions, the scheduler, prefix
 * tree, forks, blocks in files) works on any; a device is one table in one file. Whole passes are handed
 * over, because a graph of kernels that is launched at once and a pool of threads on a CPU have no smaller
 * step in common.
 *
 * Arguments and results are those of the functions of forward.h by the same names, where `pass` is what
 * create() made. A device finds keys and values by the numbers in hl_seq.blocks and the store of the
 * sequence's pool, which its own kv->create() made; it also writes rows for the sequence's forks
 * (kv_pages.h:hl_seq_fork).
 */
#ifndef HL_ENGINE_FORWARD_DEVICE_H
#define HL_ENGINE_FORWARD_DEVICE_H

#include "engine/forward/forward.h"

typedef struct hl_device {
    const char *name; /* "cpu" */

    size_t (*plan)(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx);
    hl_status (*create)(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, void **ret_pass, hl_err *err);
    void (*destroy)(void *pass);
    hl_status (*eval)(void *pass, const hl_batch *b, const atomic_bool *stop, float *ret_logits, hl_err *err);
    hl_status (*check_row)(const void *pass, const hl_batch *b, uint32_t row, hl_err *err);
    bool (*row_failed)(const void *pass, uint32_t row);

    const hl_kv_ops *kv;
} hl_device;

const hl_device *hl_device_cpu(void);

#endif
