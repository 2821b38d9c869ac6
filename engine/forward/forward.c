/* SPDX-License-Identifier: MIT
 *
 * forward.c - passes and caches of a model on its engine's device.
 */
#include "engine/forward/forward.h"

#include "core/base/mem.h"
#include "engine/forward/device.h"

struct hl_forward {
    const hl_device *device;
    void            *pass; /* the device's */
};

static const hl_device *device_of(const hl_model *m) { return m->engine->device; }

static hl_kv_shape kv_shape(const hl_model *m, const hl_model *drafting, hl_kv_cache_type type) {
    const hl_hparams *all = drafting ? &drafting->hp : &m->hp;
    /* layers of an encoder share the room of one: attention.c */
    const uint32_t n_layers = m->arch->is_encoder ? 1 : all->n_kv_layers;
    return (hl_kv_shape){.type = type,
                         .n_layers = n_layers,
                         .n_kv_heads = m->hp.most.n_kv_heads,
                         .head_dim = m->hp.most.head_room,
                         .layers = m->arch->is_encoder ? NULL : all->kv_layers};
}

size_t hl_forward_block_bytes(const hl_model *m, const hl_model *drafting, hl_kv_cache_type type) {
    const hl_kv_shape shape = kv_shape(m, drafting, type);
    return device_of(m)->kv->block_bytes(&shape);
}

static hl_kv_shape state_shape(const hl_model *m) {
    return (hl_kv_shape){.state_bytes = hl_state_floats(&m->hp) * sizeof(float)};
}

size_t hl_forward_state_bytes(const hl_model *m) {
    const hl_kv_shape shape = state_shape(m);
    return shape.state_bytes ? device_of(m)->kv->block_bytes(&shape) : 0;
}

hl_status hl_forward_kv_new(const hl_model *m, const hl_model *drafting, hl_kv_cache_type type,
                            uint32_t n_blocks, uint32_t n_states, hl_kv_pool **ret_pool, hl_err *err) {
    const hl_kv_shape shape = kv_shape(m, drafting, type), of_states = state_shape(m);
    hl_kv_pool       *pool = NULL, *states = NULL;
    hl_status         status = hl_kv_pool_new(device_of(m)->kv, &shape, n_blocks, &pool, err);
    if (status == HL_OK && of_states.state_bytes)
        status = hl_kv_pool_new(device_of(m)->kv, &of_states, n_states, &states, err);
    if (status != HL_OK) {
        hl_kv_pool_free(pool);
        return status;
    }
    hl_kv_pool_set_states(pool, states);
    *ret_pool = pool;
    return HL_OK;
}

size_t hl_forward_plan(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx) {
    return sizeof(hl_forward) + device_of(m)->plan(m, n_rows_cap, n_ctx);
}

hl_status hl_forward_new(const hl_model *m, uint32_t n_rows_cap, int32_t n_ctx, hl_forward **ret_forward,
                         hl_err *err) {
    hl_forward *f = hl_new(1, sizeof *f);
    if (!f) return hl_fail(err, HL_E_NOMEM, "forward pass: no memory");
    f->device = device_of(m);
    const hl_status status = f->device->create(m, n_rows_cap, n_ctx, &f->pass, err);
    if (status != HL_OK) {
        hl_free(f);
        return status;
    }
    *ret_forward = f;
    return HL_OK;
}

void hl_forward_free(hl_forward *f) {
    if (!f) return;
    f->device->destroy(f->pass);
    hl_free(f);
}

hl_status hl_forward_eval(hl_forward *f, const hl_batch *b, const atomic_bool *stop, float *ret_logits,
                          hl_err *err) {
    return f->device->eval(f->pass, b, stop, ret_logits, err);
}

hl_status hl_forward_check_row(const hl_forward *f, const hl_batch *b, uint32_t row, hl_err *err) {
    return f->device->check_row(f->pass, b, row, err);
}

bool hl_forward_row_failed(const hl_forward *f, uint32_t row) { return f->device->row_failed(f->pass, row); }
