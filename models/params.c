/* SPDX-License-Identifier: MIT
 *
 * params.c - PARAMETER lines as the JSON object of a params layer.
 *
 * from: Ollama's options (docs of the API, names and kinds); for what it has not, llama.cpp's server (its
 * README). tests/unit/test_modelfile.c holds that all of the sampler's are here
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/base/nearest.h"
#include "core/data/json.h"
#include "models/store_priv.h"

typedef enum param_kind { KIND_INT, KIND_FLOAT, KIND_BOOL, KIND_TEXTS, KIND_FLOATS } param_kind;

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
    {"adapter_scale", KIND_FLOATS}, /* ours: of the ADAPTERs, in their order */
    {"num_ctx", KIND_INT},
    {"num_batch", KIND_INT},
    {"num_gpu", KIND_INT},
    {"main_gpu", KIND_INT},
    {"use_mmap", KIND_BOOL},
    {"num_thread", KIND_INT},
    {"draft_num_predict", KIND_INT},
    /* not Ollama's: it logs and ignores them */
    {"dry_multiplier", KIND_FLOAT},
    {"dry_base", KIND_FLOAT},
    {"dry_allowed_length", KIND_INT},
    {"dry_penalty_last_n", KIND_INT},
    {"top_n_sigma", KIND_FLOAT},
    {"xtc_probability", KIND_FLOAT},
    {"xtc_threshold", KIND_FLOAT},
    {"dynatemp_range", KIND_FLOAT},
    {"dynatemp_exponent", KIND_FLOAT},
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

enum { N_ROWS = sizeof rows / sizeof rows[0], PARAM_BYTES = 40 };

static const param_row *find_row(const char *name) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcasecmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

static bool is_list(const param_row *row) { return row->kind == KIND_TEXTS || row->kind == KIND_FLOATS; }

static hl_status add_value(const param_row *row, const char *value, hl_str *s, hl_err *err) {
    static const char *const kinds[] = {"a whole number", "a number", "true or false", "text", "a number"};
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
    } else if (row->kind == KIND_FLOAT || row->kind == KIND_FLOATS) {
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

/* Add "name":value; of a list all values, of the others the last one. */
static hl_status add_param(const param_row *row, const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    hl_status status = HL_OK;
    size_t    n_added = 0, i_last = n;
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(params[i].name, row->name) == 0) i_last = i;
    if (i_last == n) return HL_OK;
    hl_str_add_format(s, "%s\"%s\":%s", s->ptr[s->len - 1] == '{' ? "" : ",", row->name,
                      is_list(row) ? "[" : "");
    if (!is_list(row)) return add_value(row, params[i_last].value, s, err);
    for (size_t i = 0; i < n && status == HL_OK; i++) {
        if (strcasecmp(params[i].name, row->name) != 0) continue;
        if (n_added++) hl_str_add_char(s, ',');
        status = add_value(row, params[i].value, s, err);
    }
    hl_str_add_char(s, ']');
    return status;
}

/* A number as people write it: the shortest of two forms that reads back as the same. */
static void format_real(double v, char *ret, size_t cap) {
    (void)snprintf(ret, cap, "%.15g", v);
    if (strtod(ret, NULL) != v) (void)snprintf(ret, cap, "%.17g", v);
}

const char *hl_param_text(const json_t *v, char buf[PARAM_BYTES]) {
    if (json_is_string(v)) return json_string_value(v);
    if (json_is_boolean(v)) return json_is_true(v) ? "true" : "false";
    if (json_is_integer(v))
        (void)snprintf(buf, PARAM_BYTES, "%" PRId64, (int64_t)json_integer_value(v));
    else if (json_is_real(v))
        format_real(json_real_value(v), buf, PARAM_BYTES);
    else
        return NULL;
    return buf;
}

/* ---- a list that was a JSON object before ---- */

/* Does the list say of this name just what the JSON value says? A value that no list can say is said by
 * silence. */
static bool says(const hl_param *params, size_t n, const char *name, const json_t *v) {
    const size_t n_values = json_is_array(v) ? json_array_size(v) : 1;
    size_t       i_param = 0;
    for (size_t k = 0; k < n_values; k++) {
        char        buf[PARAM_BYTES];
        const char *text = hl_param_text(json_is_array(v) ? json_array_get(v, k) : v, buf);
        if (!text) continue;
        while (i_param < n && strcmp(params[i_param].name, name) != 0) i_param++;
        if (i_param == n || strcmp(params[i_param].value, text) != 0) return false;
        i_param++;
    }
    while (i_param < n && strcmp(params[i_param].name, name) != 0) i_param++;
    return i_param == n;
}

/* The list without the names that `kept` has. */
static size_t take_others(const json_t *kept, const hl_param *params, size_t n, hl_param *ret) {
    size_t n_others = 0;
    for (size_t i = 0; i < n; i++)
        if (!json_object_get(kept, params[i].name)) ret[n_others++] = params[i];
    return n_others;
}

static hl_status add_others(json_t *kept, const hl_param *others, size_t n, hl_err *err) {
    hl_str  text;
    json_t *more = NULL;
    hl_str_init(&text, HL_STORE_TEXT_MAX_BYTES);
    hl_status status = n ? hl_params_format(others, n, &text, err) : HL_OK;
    if (status == HL_OK && n) status = hl_json_parse(hl_str_view(&text), "parameters", &more, err);
    if (status == HL_OK && n && json_object_update(kept, more) != 0)
        status = hl_fail(err, HL_E_NOMEM, "no memory for parameters");
    json_decref(more);
    hl_str_done(&text);
    return status;
}

static hl_status format_like(json_t *kept, const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    const char *name;
    json_t     *v;
    void       *next;
    json_object_foreach_safe(kept, next, name, v) if (!says(params, n, name, v))(void)
        json_object_del(kept, name);
    hl_param *others = hl_new(n, sizeof *others);
    if (!others) return hl_fail(err, HL_E_NOMEM, "no memory for %zu parameters", n);
    const hl_status status = add_others(kept, others, take_others(kept, params, n, others), err);
    hl_free(others);
    if (status == HL_OK && json_object_size(kept) > 0) hl_json_format(kept, false, s);
    return status == HL_OK ? hl_str_check(s, "parameters", err) : status;
}

hl_status hl_params_format_like(const char *json, const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    json_t   *kept = NULL;
    hl_status status = hl_json_parse(hl_view_of(json ? json : "{}"), "stored parameters", &kept, err);
    if (status != HL_OK) return status;
    status = json_is_object(kept) ? format_like(kept, params, n, s, err)
                                  : hl_fail(err, HL_E_FORMAT, "stored parameters: not a JSON object");
    json_decref(kept);
    return status;
}

/* What others call it. */
static const char *find_our_name(const char *name) {
    static const char *const words[][2] = {
        {"max_tokens", "num_predict"},
        {"n_predict", "num_predict"},
        {"ctx_size", "num_ctx"},
        {"context_length", "num_ctx"},
        {"n_ctx", "num_ctx"},
        {"repetition_penalty", "repeat_penalty"},
        {"penalty_repeat", "repeat_penalty"},
        {"penalty_last_n", "repeat_last_n"},
        {"typ_p", "typical_p"},
        {"typical", "typical_p"},
        {"top_nsigma", "top_n_sigma"},
        {"penalty_present", "presence_penalty"},
        {"penalty_freq", "frequency_penalty"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i][0], name) == 0) return words[i][1];
    return NULL;
}

/* What a request alone can say, so that people look for it here. */
static const char *find_where(const char *name) {
    static const char *const words[][2] = {
        {"dry_sequence_breakers", "line ends, ':', '\"' and '*' always break a repetition"},
        {"dry_sequence_breaker", "line ends, ':', '\"' and '*' always break a repetition"},
        {"logit_bias", "it belongs to a request"},
        {"grammar", "it belongs to a request, as format"},
        {"samplers", "the order of the filters is fixed"},
        {"num_gqa", "the model's file says it"},
        {"rope_frequency_base", "the model's file says it"},
        {"rope_frequency_scale", "the model's file says it"},
        {"embedding_only", "it is gone from Ollama too"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(words[i][0], name) == 0) return words[i][1];
    return NULL;
}

static hl_status fail_unknown(const char *name, hl_err *err) {
    hl_nearest  best = {.name = find_our_name(name)};
    const char *where = find_where(name);
    if (where) return hl_fail(err, HL_E_ARG, "parameter '%.80s' has no place in a model: %s", name, where);
    if (best.name)
        return hl_fail(err, HL_E_ARG, "unknown parameter '%.80s': here it is '%s'", name, best.name);
    for (size_t i = 0; i < N_ROWS; i++) hl_nearest_try(&best, name, rows[i].name);
    return hl_fail(err, HL_E_ARG, "unknown parameter '%.80s'%s%s%s", name,
                   best.name ? "; did you mean '" : "", best.name ? best.name : "", best.name ? "'?" : "");
}

hl_status hl_param_check(const hl_param *param, hl_err *err) {
    const param_row *row = find_row(param->name);
    hl_str           ignored;
    if (!row) return fail_unknown(param->name, err);
    hl_str_init(&ignored, HL_STORE_TEXT_MAX_BYTES);
    const hl_status status = row->kind == KIND_TEXTS ? HL_OK : add_value(row, param->value, &ignored, err);
    hl_str_done(&ignored);
    return status;
}

hl_status hl_params_format(const hl_param *params, size_t n, hl_str *s, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < n; i++)
        if (!find_row(params[i].name)) return fail_unknown(params[i].name, err);
    hl_str_add_char(s, '{');
    if (s->failed) return hl_str_check(s, "parameters", err);
    for (size_t i = 0; i < N_ROWS && status == HL_OK && !s->failed; i++)
        status = add_param(&rows[i], params, n, s, err);
    hl_str_add_char(s, '}');
    return status == HL_OK ? hl_str_check(s, "parameters", err) : status;
}
