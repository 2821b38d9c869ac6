/* SPDX-License-Identifier: MIT
 *
 * rope_tables.c - the angles of rotary position embedding.
 *
 * Pair i of a head turns by pos * base^(-2i / n_rot), divided by the file's factors (Llama 3.1) and
 * stretched for longer contexts: linearly, or as YaRN does, which leaves fast pairs alone, stretches slow
 * ones, mixes between, and makes up for it with a factor on cos and sin.
 * Angles are computed in double: at position 100,000 an f32 product is off by a hundredth of a radian.
 * from: "RoFormer", arXiv 2104.09864; "YaRN", arXiv 2309.00071, equations 14 to 23
 */
#include <math.h>

#include "engine/forward/forward_priv.h"

/* The pair that makes `turns` full turns over the original context. */
static double pair_of_turns(const hl_rope_params *p, double turns) {
    return p->n_rot * log(p->n_ctx_orig / (turns * 2 * M_PI)) / (2 * log((double)p->base));
}

/* Contexts are rounded up, as the reference does. */
bool hl_rope_is_long(const hl_model *m, int32_t n_ctx) {
    enum { ROUND = 256 };
    const uint64_t n = ((uint64_t)(uint32_t)n_ctx + ROUND - 1) / ROUND * ROUND;
    return m->top.v[HL_W_ROPE_LONG] && n > m->hp.ropes[0].n_ctx_orig;
}

static const float *factors_of(const hl_pass *f, const hl_rope_params *p) {
    const hl_layer *top = &f->m->top;
    if (!p->has_factors) return NULL;
    if (hl_rope_is_long(f->m, f->n_ctx)) return top->v[HL_W_ROPE_LONG];
    return top->v[HL_W_ROPE_SHORT] ? top->v[HL_W_ROPE_SHORT] : f->m->rope_freqs;
}

static void fill_inverse(const hl_pass *f, const hl_rope_params *p, double *inv) {
    const float   *factors = factors_of(f, p);
    const double   base = (double)p->base, freq_scale = (double)p->freq_scale;
    const uint32_t n = p->n_rot / 2;
    double         low = floor(pair_of_turns(p, (double)p->beta_fast));
    double         high = ceil(pair_of_turns(p, (double)p->beta_slow));
    if (low < 0) low = 0;
    if (high > p->n_rot - 1) high = p->n_rot - 1;
    for (uint32_t i = 0; i < n; i++) {
        double fast = pow(base, -2.0 * i / p->n_rot);
        if (factors && factors[i] != 0) fast /= (double)factors[i];
        const double slow = fast * freq_scale;
        double       ramp = (i - low) / (high - low > 0.001 ? high - low : 0.001);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        const double keep = (1 - ramp) * (double)p->ext_factor; /* share of the fast angle */
        inv[i] = slow * (1 - keep) + fast * keep;
    }
}

void hl_rope_tables_init(hl_pass *f) {
    for (uint32_t i = 0; i < f->m->hp.n_ropes; i++) {
        const hl_rope_params *p = &f->m->hp.ropes[i];
        fill_inverse(f, p, f->ropes[i].inv_freq);
        f->ropes[i].mscale = p->attn_factor;
    }
}

static void fill_row(hl_pass *f, const void *ctx, uint32_t row) {
    const hl_batch *b = ctx;
    const double    pos = b->rope_pos ? b->rope_pos[row][0] : b->pos[row]; /* all axes are equal */
    for (uint32_t k = 0; k < f->m->hp.n_ropes; k++) {
        const hl_turns *t = &f->ropes[k];
        const uint32_t  n = f->m->hp.ropes[k].n_rot / 2;
        float          *at = t->table + (size_t)row * n * 2;
        for (uint32_t i = 0; i < n; i++) {
            at[2 * i] = (float)cos(pos * t->inv_freq[i]) * t->mscale;
            at[2 * i + 1] = (float)sin(pos * t->inv_freq[i]) * t->mscale;
        }
    }
}

void hl_rope_tables_fill(hl_pass *f, const hl_batch *b) { hl_rows_run(f, b->n_rows, fill_row, b); }
