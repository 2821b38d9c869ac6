/* SPDX-License-Identifier: MIT
 *
 * fit.h - scales for groups of weights, a lane each: those of some candidates with which codes come closest.
 *
 * A candidate is a scale that some way or other fits the largest weights. Rounded with it, the weights
 * become codes; for these codes least squares give the best scale (and minimum), and how good it is. This
 * is the usual way for such formats; the candidates are those of the ggml repository's quantizers
 * (ggml-quants.c, August 2026), whose files are the measure of ours.
 */
#ifndef HL_ENGINE_PACK_FIT_H
#define HL_ENGINE_PACK_FIT_H

#include <float.h>
#include <stdbool.h>

#include "engine/pack/lanes.h"

enum { HL_MAX_GROUP = 32 };

/* Weight j of HL_LANES groups, and how much the square of its error counts. */
typedef struct columns {
    int   n; /* weights of a group: 16 or 32, a constant */
    lanes x[HL_MAX_GROUP], w[HL_MAX_GROUP];
} columns;

/* HL_LANES groups of n weights, one after the other, side by side. */
HL_INLINE void load_groups(const float *x, int n, lanes *ret) {
    float v[HL_MAX_GROUP][HL_LANES];
    for (int l = 0; l < HL_LANES; l++)
        for (int j = 0; j < n; j++) v[j][l] = x[l * n + j];
    memcpy(ret, v, (size_t)n * sizeof v[0]);
}

/* The weight of each group with the largest magnitude, with its sign. */
HL_INLINE lanes extreme(const columns *c) {
    lanes most = magnitude(c->x[0]), at = c->x[0];
    for (int j = 1; j < c->n; j++) {
        const lanes     size = magnitude(c->x[j]);
        const int_lanes more = size > most;
        most = choose(more, size, most);
        at = choose(more, c->x[j], at);
    }
    return at;
}

/* x ~ scale * q, q in low..high. Of the candidates 1 / scale = (low + i / 10) / extreme, |i| <= n_steps. */
HL_INLINE lanes fit_scale(const columns *c, float low, float high, int n_steps) {
    const lanes unit = inverse(extreme(c));
    lanes       best = all_lanes(0.0f), scale = all_lanes(0.0f);
    for (int i = -n_steps; i <= n_steps; i++) {
        const lanes per = (low + 0.1f * (float)i) * unit;
        lanes       xq = all_lanes(0.0f), qq = all_lanes(0.0f);
        for (int j = 0; j < c->n; j++) {
            const lanes q = nearest_within(c->x[j] * per, low, high);
            const lanes wq = c->w[j] * q;
            xq += wq * c->x[j];
            qq += wq * q;
        }
        const lanes     fit = xq * inverse(qq), gain = fit * xq;
        const int_lanes better = gain > best;
        best = choose(better, gain, best);
        scale = choose(better, fit, scale);
    }
    return scale;
}

typedef struct line_fit {
    lanes scale, min, error;
} line_fit;

/* What the weights of a group sum up to: how much they count, the same times x, times x^2. */
typedef struct line_sums {
    lanes w, wx, wxx;
} line_sums;

/* With codes from (x - from) * per: the best scale and minimum for them, kept where they are better than
 * *best. */
HL_INLINE void try_line(const columns *c, const line_sums *sum, lanes from, lanes per, float top,
                        bool not_above, line_fit *best) {
    lanes q1 = all_lanes(0.0f), qq = q1, xq = q1;
    for (int j = 0; j < c->n; j++) {
        const lanes q = nearest_within((c->x[j] - from) * per, 0.0f, top);
        const lanes wq = c->w[j] * q;
        q1 += wq;
        qq += wq * q;
        xq += wq * c->x[j];
    }
    const lanes det = sum->w * qq - q1 * q1, one = inverse(det);
    lanes       scale = (sum->w * xq - sum->wx * q1) * one, min = (qq * sum->wx - q1 * xq) * one;
    if (not_above) {
        const int_lanes above = min > 0.0f;
        scale = choose(above, xq * inverse(qq), scale);
        min = choose(above, all_lanes(0.0f), min);
    }
    const lanes     error = sum->wxx - scale * xq - min * sum->wx;
    const int_lanes better = (det > 0.0f) & (error < best->error);
    best->error = choose(better, error, best->error);
    best->scale = choose(better, scale, best->scale);
    best->min = choose(better, min, best->min);
}

/* x ~ scale * q + min, q in 0..top; min <= 0 where the format has no other. Of the candidates 1 / scale =
 * (top + first + step * i) / (max - min), i < n_steps; the best one is refined, from the codes that it
 * gives. */
HL_INLINE line_fit fit_line(const columns *c, float top, float first, float step, int n_steps,
                            bool not_above) {
    enum { REFINEMENTS = 3 };
    lanes     lo = c->x[0], hi = c->x[0];
    line_sums sum = {all_lanes(0.0f), all_lanes(0.0f), all_lanes(0.0f)};
    for (int j = 0; j < c->n; j++) {
        lo = smaller(lo, c->x[j]);
        hi = larger(hi, c->x[j]);
        sum.w += c->w[j];
        sum.wx += c->w[j] * c->x[j];
        sum.wxx += c->w[j] * c->x[j] * c->x[j];
    }
    if (not_above) lo = smaller(lo, all_lanes(0.0f));
    const lanes unit = inverse(hi - lo);
    line_fit    best = {(hi - lo) / top, lo, all_lanes(FLT_MAX)};
    for (int i = 0; i < n_steps; i++)
        try_line(c, &sum, lo, (top + first + step * (float)i) * unit, top, not_above, &best);
    for (int i = 0; i < REFINEMENTS; i++)
        try_line(c, &sum, best.min, inverse(best.scale), top, not_above, &best);
    return best;
}

/* A format whose codes are the places of a table of uneven values. */
typedef struct value_table {
    int   n;
    float value[16]; /* rising */
} value_table;

/* The value closest to x, and its place. */
HL_INLINE void closest(const value_table *t, lanes x, lanes *ret_value, lanes *ret_place) {
    lanes value = all_lanes(t->value[0]), place = all_lanes(0.0f);
    for (int i = 1; i < t->n; i++) {
        const int_lanes beyond = x > 0.5f * (t->value[i - 1] + t->value[i]);
        value = choose(beyond, all_lanes(t->value[i]), value);
        place = choose(beyond, all_lanes((float)i), place);
    }
    *ret_value = value;
    *ret_place = place;
}

/* x ~ scale * a value of the table. Of the candidates 1 / scale = (first value + i) / extreme, |i| <=
 * n_steps. */
HL_INLINE lanes fit_table(const columns *c, const value_table *t, int n_steps) {
    const lanes unit = inverse(extreme(c));
    lanes       best = all_lanes(0.0f), scale = all_lanes(0.0f);
    for (int i = -n_steps; i <= n_steps; i++) {
        const lanes per = (t->value[0] + (float)i) * unit;
        lanes       xq = all_lanes(0.0f), qq = all_lanes(0.0f);
        for (int j = 0; j < c->n; j++) {
            lanes q, place;
            closest(t, c->x[j] * per, &q, &place);
            xq += c->w[j] * q * c->x[j];
            qq += c->w[j] * q * q;
        }
        const lanes     fit = xq * inverse(qq), gain = fit * xq;
        const int_lanes better = gain > best;
        best = choose(better, gain, best);
        scale = choose(better, fit, scale);
    }
    return scale;
}

#endif
