/* SPDX-License-Identifier: MIT
 *
 * activation.c - what a feed-forward block does to gate and up, as one of hl_activation says.
 *
 * SiLU and GELU are kernels, and others are brought to them where that goes; the rest is rare and plain C,
 * so that it is the same everywhere.
 */
#include <math.h>

#include "engine/forward/forward_priv.h"
#include "engine/kernels/exp_approx.h"

static float clip(float x, float limit) { return x > limit ? limit : x < -limit ? -limit : x; }

/* Step 3.5: min(silu(g), c) * clip(u, c).
 * from: the reference's swiglu_clamp keys, August 2026 */
static void swiglu_clipped(const hl_pass *f, float limit, size_t n, float *g, const float *u) {
    enum { STEP = 256 };
    float ones[STEP];
    for (size_t i = 0; i < STEP; i++) ones[i] = 1.0f;
    for (size_t at = 0; at < n; at += STEP)
        f->k->silu_mul(n - at < STEP ? n - at : STEP, g + at, ones, g + at);
    for (size_t i = 0; i < n; i++) g[i] = (g[i] > limit ? limit : g[i]) * clip(u[i], limit);
}

/* gpt-oss: min(g, 7) sigmoid(1.702 min(g, 7)) (clip(u, 7) + 1), as silu(1.702 g) / 1.702.
 * from: the model card's published code, August 2025 */
static void oai(const hl_pass *f, size_t n, float *g, const float *u) {
    enum { STEP = 256 };
    const float limit = 7.0f, alpha = 1.702f;
    float       up[STEP];
    for (size_t at = 0; at < n; at += STEP) {
        const size_t m = n - at < STEP ? n - at : STEP;
        for (size_t i = 0; i < m; i++) {
            const float x = g[at + i];
            g[at + i] = alpha * (x > limit ? limit : x);
            up[i] = (clip(u[at + i], limit) + 1.0f) / alpha;
        }
        f->k->silu_mul(m, g + at, up, g + at);
    }
}

/* e^x - 1 for x <= 0, without cancellation near 0. */
static float expm1_approx(float x) {
    int32_t     n = 0;
    const float m = hl_exp_reduce(x < -80.0f ? -80.0f : x, &n);
    return n == 0 ? m : fmaf(m + 1.0f, hl_exp_pow2(n), -1.0f);
}

/* Apertus: alpha_p x^2 + beta x for x > 0, else (e^min(x, eps) - 1 - x) alpha_n + beta x.
 * from: "Deriving activation functions using integration", arXiv 2411.13010 */
static float xielu(const hl_bend *b, float x) {
    if (x > 0) return fmaf(b->alpha_p * x, x, b->beta * x);
    return (expm1_approx(x < b->eps ? x : b->eps) - x) * b->alpha_n + b->beta * x;
}

void hl_activate(const hl_pass *f, const hl_bend *bend, size_t n, float *g, const float *u) {
    switch (f->m->hp.activation) {
    case HL_ACTIVATION_GEGLU: f->k->gelu_mul(n, g, u, g); return;
    case HL_ACTIVATION_REGLU:
        for (size_t i = 0; i < n; i++) g[i] = (g[i] < 0 ? 0 : g[i]) * u[i];
        return;
    case HL_ACTIVATION_RELU2:
        for (size_t i = 0; i < n; i++) g[i] = (g[i] < 0 ? 0 : g[i] * g[i]) * u[i];
        return;
    case HL_ACTIVATION_OAI: oai(f, n, g, u); return;
    case HL_ACTIVATION_XIELU:
        for (size_t i = 0; i < n; i++) g[i] = xielu(bend, g[i]) * u[i];
        return;
    default:
        if (bend && bend->clip > 0)
            swiglu_clipped(f, bend->clip, n, g, u);
        else
            f->k->silu_mul(n, g, u, g);
    }
}
