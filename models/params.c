/* SPDX-License-Identifier: MIT
 *
 * params.c - PARAMETER lines as the JSON object of a params layer.
 *
 * from: Ollama's options (docs of the API, names and kinds)
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "models/store_priv.h"

typedef enum param_kind { KIND_INT, KIND_FLOAT, KIND_BOOL, KIND_TEXTS } param_kind;

typedef struct param_row {
    const char *name;
    param_kind  kind;
} param_row;

static const param_row rows[] = {
    {"num_keep", KIND_INT},
    {"seed", KIND_INT},
    {"num_predict", KIND_INT},
    {"top_k", KIND_INT},
    {"top_p", KIND_FLOAT},
    {"min_p", KIND_FLOAT},
    {"typical_p", KIND_FLOAT},
    {"repeat_last_n", KIND_INT},
    {"temperature", KIND_FLOAT},
    {"repeat_penalty", KIND_FLOAT},
    {"presence_penalty", KIND_FLOAT},
    {"frequency_penalty", KIND_FLOAT},
    {"stop", KIND_TEXTS},
    {"num_ctx", KIND_INT},
    {"num_batch", KIND_INT},
    {"num_gpu", KIND_INT},
    {"main_gpu", KIND_INT},
    {"use_mmap", KIND_BOOL},
    {"num_thread", KIND_INT},
    {"draft_num_predict", KIND_INT},
    /* gone from Ollama, still in files */
    {"penalize_newline", KIND_BOOL},
    {"low_vram", KIND_BOOL},
    {"f16_kv", KIND_BOOL},
    {"logits_all", KIND_BOOL},
    {"vocab_only", KIND_BOOL},
    {"use_mlock", KIND_BOOL},
    {"mirostat", KIND_INT},
    {"mirostat_eta", KIND_FLOAT},
    {"mirostat_tau", KIND_FLOAT},
    {"tfs_z", KIND_FLOAT},
    {"numa", KIND_BOOL},
};

enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const param_row *find_row(const char *name) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcasecmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

static hl_status add_value(const param_row *row, const char *value, hl_str *s, hl_err *err) {
    static const char *const kinds[] = {"a whole number", "a number", "true or false", "text"};
    char                    *end = NULL;
    bool                     ok = false;
    errno = 0;
    if (row->kind == KIND_TEXTS) {
        hl_str_add_json(s, hl_view_of(value));
        ok = true;
    } else if (row->kind == KIND_INT) {
        const long long v = strtoll(value, &end, 10);
        ok = end != value && !*end && errno == 0;
        hl_str_add_format(s, "%lld", v);
    } else if (row->kind == KIND_FLOAT) {
        const double v = strtod(value, &end);
        ok = end != value && !*end && isfinite(v);
        if (ok) hl_str_add_format(s, "%.9g", v); /* they are floats in every engine */
    } else {
        const bool is_true = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
        ok = is_true || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0;
        hl_str_add_text(s, is_true ? "true" : "false");
    }
    if (ok) return HL_OK;
    return hl_fail(err, HL_E_ARG, "parameter '%s' is '%.80s', expected %s", row->name, value,
                   kinds[row->kind]);
}

/* Add "name":value; of a text list all values, of the others the last one. */
static hl_status add_param(const param_row *row, const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    hl_status status = HL_OK;
    size_t    n_added = 0, i_last = n;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(params[i].name, row->name) == 0) i_last = i;
    if (i_last == n) return HL_OK;
    hl_str_add_format(s, "%s\"%s\":%s", s->ptr[s->len - 1] == '{' ? "" : ",", row->name,
                      row->kind == KIND_TEXTS ? "[" : "");
    if (row->kind != KIND_TEXTS) return add_value(row, params[i_last].value, s, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        if (strcasecmp(params[i].name, row->name) != 0) continue;
        if (n_added++) hl_str_add_char(s, ',');
        status = add_value(row, params[i].value, s, err);
    }
    hl_str_add_char(s, ']');
    return status;
}

hl_status hl_params_format(const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < n; i++)
        if (!find_row(params[i].name))
            return hl_fail(err, HL_E_ARG,
                           "unknown parameter '%.80s'; see `hyperlama help import` for those known",
                           params[i].name);
    hl_str_add_char(s, '{');
    if (s->failed) return hl_fail(err, HL_E_NOMEM, "no memory for parameters");
    for (size_t i = 0; i < N_ROWS && status == HL_OK && !s->failed; i++)
        status = add_param(&rows[i], params, n, s, err);
    hl_str_add_char(s, '}');
    if (status == HL_OK && s->failed) status = hl_fail(err, HL_E_NOMEM, "no memory for parameters");
    return status;
}
