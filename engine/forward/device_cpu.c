/* SPDX-License-Identifier: MIT
 *
 * device_cpu.c - the first device: passes on the engine's threads (forward_priv.h), blocks in the host's
 * memory.
 */
#include "engine/forward/device.h"
#include "engine/forward/forward_priv.h"

static hl_status create(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, void **ret_pass, hl_err *err) {
    hl_pass        *f = NULL;
    const hl_status status = hl_pass_new(m, n_rows_cap, n_ctx, &f, err);
    if (status == HL_OK) *ret_pass = f;
    return status;
}

static void destroy(void *pass) { hl_pass_free(pass); }

static hl_status eval(void *pass, const hl_batch *b, const atomic_bool *stop, float *ret_logits,
                      hl_err *err) {
    return hl_pass_eval(pass, b, stop, ret_logits, err);
}

static hl_status check_row(const void *pass, const hl_batch *b, uint32_t row, hl_err *err) {
    return hl_pass_check_row(pass, b, row, err);
}

static bool row_failed(const void *pass, uint32_t row) { return hl_pass_row_failed(pass, row); }

static const hl_device device = {
    .name = "cpu",
    .plan = hl_pass_plan,
    .create = create,
    .destroy = destroy,
    .eval = eval,
    .check_row = check_row,
    .row_failed = row_failed,
    .kv = &hl_kv_host_ops,
};

const hl_device *hl_device_cpu(void) { return &device; }
