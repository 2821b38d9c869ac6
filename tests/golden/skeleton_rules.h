/* SPDX-License-Identifier: MIT
 *
 * skeleton_rules.h - skeletons that say names and shapes of tensors only: their weights follow from the name.
 *
 * The rules are those of tests/golden/archs2/ORIGIN.md, the first that fits counts.
 */
#ifndef HL_TESTS_GOLDEN_SKELETON_RULES_H
#define HL_TESTS_GOLDEN_SKELETON_RULES_H

#include "tests/golden/skeleton.h"

#include <math.h>

static inline bool rule_has(const char *name, const char *part) { return strstr(name, part) != NULL; }

static inline bool rule_ends(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* n_in: the fastest dimension. A spread of sqrt(3 / n_in) gives products of variance 1. */
static inline void rule_of(const char *name, size_t n_in, double *ret_base, double *ret_spread) {
    const double fan_in = sqrt(3.0 / (double)n_in);
    *ret_base = 0;
    if (rule_ends(name, ".bias")) {
        if (rule_has(name, "ssm_dt")) *ret_base = -2;
        *ret_spread = rule_has(name, "ssm_dt") ? 1 : rule_has(name, "exp_probs_b") ? 0.25 : 0.1;
    } else if (rule_has(name, "exp_probs_b")) {
        *ret_spread = 0.25;
    } else if (rule_ends(name, "ssm_a")) {
        *ret_base = -2;
        *ret_spread = 1.75;
    } else if (rule_ends(name, "ssm_d")) {
        *ret_base = 1;
        *ret_spread = 0.25;
    } else if (rule_has(name, "conv1d") || rule_has(name, "shortconv.conv") ||
               (rule_has(name, "ssm_") && rule_has(name, "conv"))) {
        *ret_spread = fan_in;
    } else if (rule_has(name, "rope_freqs") || rule_has(name, "rope_factors")) {
        *ret_base = 2;
        *ret_spread = 1;
    } else if (rule_has(name, "attn_sinks")) {
        *ret_spread = 1;
    } else if (rule_has(name, "altup_correct_scale") || rule_has(name, "layer_output_scale") ||
               rule_ends(name, ".scale") || rule_ends(name, "_scale.weight")) {
        *ret_base = 1;
        *ret_spread = 0.2;
    } else if (rule_has(name, "altup_predict_coef") || rule_has(name, "altup_correct_coef")) {
        *ret_spread = 0.1;
    } else if (rule_has(name, "norm")) {
        *ret_base = 1;
        *ret_spread = 0.25;
    } else if (rule_has(name, "token_embd") || rule_has(name, "embed_tokens")) {
        *ret_spread = sqrt(3.0);
    } else if (rule_has(name, "position_embd") || rule_has(name, "token_types") ||
               rule_has(name, "attn_rel_b") || rule_has(name, "_ape")) {
        *ret_spread = 0.5;
    } else if (rule_has(name, "ffn_gate_inp") && !rule_has(name, "ffn_gate_inp_shexp")) {
        *ret_spread = 2 * fan_in;
    } else {
        *ret_spread = fan_in;
    }
}

/* Write the model to `path`, its matrices as `type`. A tensor may bring a rule of its own. */
static inline void fill_by_rules(json_t *model, hl_type type, const char *path) {
    json_t *rows = json_array(), *row = NULL;
    size_t  i = 0;
    json_array_foreach(json_object_get(model, "tensors"), i, row) {
        const char   *name = json_string_value(json_array_get(row, 0));
        json_t       *dims = json_array_get(row, 1);
        const json_t *own = json_array_get(row, 3);
        double        base = 0, spread = 0;
        rule_of(name, (size_t)json_integer_value(json_array_get(dims, 0)), &base, &spread);
        json_t *values = json_object_get(own, "values");
        if (json_object_get(own, "base")) base = json_number_value(json_object_get(own, "base"));
        if (json_object_get(own, "spread")) spread = json_number_value(json_object_get(own, "spread"));
        json_t *filled = json_pack("[sOOff]", name, dims, json_array_get(row, 2), base, spread);
        if (values) json_array_append(filled, values);
        json_array_append_new(rows, filled);
    }
    json_object_set_new(model, "tensors", rows);
    fill_skeleton(model, type, path);
}

#endif
