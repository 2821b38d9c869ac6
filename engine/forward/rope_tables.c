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
static double pair_of_turns(const hl_hparams *hp, double base, double turns) {
    return hp->n_rot * log(hp->rope.n_ctx_orig / (turns * 2 * M_PI)) / (2 * log(base));
}

static void fill_inverse(const hl_model *m, double base, double freq_scale, double *inv) {
    const hl_hparams *hp = &m->hp;
    const uint32_t    n = hp->n_rot / 2;
    double            low = floor(pair_of_turns(hp, base, (double)hp->rope.beta_fast));
    double            high = ceil(pair_of_turns(hp, base, (double)hp->rope.beta_slow));
    if (low < 0) low = 0;
    if (high > hp->n_rot - 1) high = hp->n_rot - 1;
    for (uint32_t i = 0; i < n; i++) {
        double fast = pow(base, -2.0 * i / hp->n_rot);
        if (m->rope_freqs && m->rope_freqs[i] != 0) fast /= (double)m->rope_freqs[i];
        const double slow = fast * freq_scale;
        double       ramp = (i - low) / (high - low > 0.001 ? high - low : 0.001);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        const double keep = (1 - ramp) * (double)hp->rope.ext_factor; /* share of the fast angle */
        inv[i] = slow * (1 - keep) + fast * keep;
    }
}

void hl_rope_tables_init(hl_forward *f) {
    const hl_hparams *hp = &f->m->hp;
    const bool        other = f->rope_w != f->rope;
    fill_inverse(f->m, (double)hp->rope.base, (double)hp->rope.freq_scale, f->inv_freq);
    const float window_scale = hp->rope.plain_window ? 1.0f : hp->rope.freq_scale;
    if (other) fill_inverse(f->m, (double)hp->rope.base_window, (double)window_scale, f->inv_freq_w);
    f->rope_mscale = hp->rope.attn_factor;
    if (hp->rope.ext_factor != 0) f->rope_mscale *= 1.0f + 0.1f * logf(1.0f / hp->rope.freq_scale);
    f->rope_mscale_w = hp->rope.plain_window ? 1.0f : f->rope_mscale;
}

static void fill_row(hl_forward *f, const void *ctx, uint32_t row) {
    (void)ctx;
    const uint32_t n = f->m->hp.n_rot / 2;
    const double   pos = f->pos[row];
    const bool     other = f->rope_w != f->rope;
    for (uint32_t i = 0; i < n; i++) {
        float *at = f->rope + ((size_t)row * n + i) * 2;
        at[0] = (float)cos(pos * f->inv_freq[i]) * f->rope_mscale;
        at[1] = (float)sin(pos * f->inv_freq[i]) * f->rope_mscale;
        if (!other) continue;
        at = f->rope_w + ((size_t)row * n + i) * 2;
        at[0] = (float)cos(pos * f->inv_freq_w[i]) * f->rope_mscale_w;
        at[1] = (float)sin(pos * f->inv_freq_w[i]) * f->rope_mscale_w;
    }
}

void hl_rope_tables_fill(hl_forward *f) { hl_rows_run(f, f->n_rows, fill_row, NULL); }
