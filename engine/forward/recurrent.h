/* SPDX-License-Identifier: MIT
 *
 * recurrent.h - recurrent layers on the CPU: what their kinds have in common (recurrent.c) and what each
 * adds.
 */
#ifndef HL_ENGINE_FORWARD_RECURRENT_H
#define HL_ENGINE_FORWARD_RECURRENT_H

#include "engine/forward/forward_priv.h"

typedef struct hl_recurrent_buf {
    float          *in;     /* [rows][in_cols] projections of the layer's input */
    float          *conv;   /* [rows][conv_cols] convolved */
    float          *steps;  /* [rows][step_cols] numbers of each step */
    float          *y;      /* [rows][inner] what heads read, then gated */
    float          *beside; /* [rows][n_embd] what such a layer made, where others join it; NULL: none does */
    const float    *zeros;  /* [conv_cols] a window before the first position */
    uint32_t       *first;  /* [rows] the first row of a row's span */
    hl_act_buf      low;    /* inputs of matrices between, and of the last one */
    const uint32_t *state_out; /* of the batch */
    float         **room;      /* [threads] scratch of a step */
} hl_recurrent_buf;

typedef struct hl_recurrent {
    hl_pass                *f;
    const hl_layer         *l;
    uint32_t                i_layer;
    const hl_state_params  *p;
    hl_recurrent_buf       *b;
    const hl_state_kernels *sk;
} hl_recurrent;

/* Scratch of a thread for one step: [key_dim] decays, then three times [HL_STATE_COLS_CAP], then a state
 * of as many columns. */
typedef struct hl_step_room {
    float *decay, *x, *dt, *o, *state;
} hl_step_room;

/* Columns [col, col + n) of a head, of which n_used are values and the rest zeros. */
typedef struct hl_step_part {
    uint32_t head, col, n, n_used;
} hl_step_part;

/* What a kind of recurrence does, row by row and part by part. */
typedef struct hl_recurrent_kind {
    void (*between)(const hl_recurrent *c);             /* matmuls behind the convolution; NULL: none */
    void (*ready)(const hl_recurrent *c, uint32_t row); /* `steps`, and what else steps read */
    void (*step)(const hl_recurrent *c, uint32_t row, hl_step_part part, const hl_step_room *room,
                 float *state);
    void (*finish)(const hl_recurrent *c, uint32_t row); /* y: norm, gate */
} hl_recurrent_kind;

extern const hl_recurrent_kind hl_gated_delta, hl_keyed_delta, hl_mamba1, hl_mamba2;

/* The parts of a row. */
static inline float *hl_recurrent_in(const hl_recurrent *c, uint32_t row) {
    return c->b->in + (size_t)row * c->p->in_cols;
}
static inline float *hl_recurrent_conv(const hl_recurrent *c, uint32_t row) {
    return c->b->conv + (size_t)row * c->p->conv_cols;
}
static inline float *hl_recurrent_steps(const hl_recurrent *c, uint32_t row) {
    return c->b->steps + (size_t)row * c->p->step_cols;
}
static inline float *hl_recurrent_y(const hl_recurrent *c, uint32_t row) {
    return c->b->y + (size_t)row * c->p->inner;
}

/* One matrix with the rows of `low`. */
void hl_recurrent_multiply(const hl_recurrent *c, const hl_matrix *w, float *y, size_t y_stride);

float hl_softplus(float x); /* ln(1 + e^x) */

#endif
