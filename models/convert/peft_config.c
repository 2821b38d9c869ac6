/* SPDX-License-Identifier: MIT
 *
 * peft_config.c - read adapter_config.json.
 *
 * Which modules rank_pattern and alpha_pattern mean is said in Python's regular expressions. Those that mean
 * the same as POSIX extended ones are taken; others are refused, never guessed.
 * from: peft 0.21: LoraConfig (names and defaults), get_pattern_key() and check_target_module_exists() for
 *       what a name or a pattern means
 */
#include "models/convert/peft_config.h"

#include <inttypes.h>
#include <math.h>
#include <regex.h>
#include <string.h>

#include "core/base/mem.h"

enum { MAX_PATTERNS = 4096, MAX_PATTERN_BYTES = 512, MAX_GROUPS = 4, MAX_RANK = 4096, MAX_NAMES = 4096 };

typedef struct pattern {
    regex_t regex;
    double  value;
} pattern;

typedef struct patterns {
    pattern *v; /* [n] in the order of the file: the first that fits counts */
    size_t   n;
} patterns;

struct hl_peft_config {
    const json_t *root;
    uint32_t      rank;
    double        alpha;
    bool          is_rank_stabilized;
    patterns      ranks, alphas;
    bool         *are_used; /* [of target_modules, where it is a list] */
    const char   *idle;
};

/* ---- patterns ---- */

/* Does this mean the same to Python as to POSIX? *ret: what POSIX is told. */
static bool translate(const char *p, hl_str *ret) {
    int  n_groups = 0;
    bool in_set = false, after_repeat = false;
    for (; *p; p++) {
        const bool repeats = !in_set && strchr("*+?", *p);
        if (repeats && after_repeat) return false; /* lazy and possessive ones */
        after_repeat = repeats;
        if (*p == '\\') {
            p++;
            if (in_set || !*p || (*p != 'd' && !strchr(".^$*+?()[]|-_", *p))) return false;
            if (*p == 'd') hl_str_add_text(ret, "[0-9]");
            if (*p == '-' || *p == '_') hl_str_add_char(ret, *p);
            if (*p != 'd' && *p != '-' && *p != '_') hl_str_add_format(ret, "\\%c", *p);
            continue;
        }
        if (*p == '{' || *p == '}' || (in_set && *p == '[') || (*p == '(' && p[1] == '?')) return false;
        if (!in_set && *p == '(' && ++n_groups > MAX_GROUPS) return false; /* each may double what it takes */
        if (*p == ']') {
            if (!in_set) return false;
            in_set = false;
        } else if (*p == '[') {
            in_set = true;
            if (p[1] == ']' || (p[1] == '^' && p[2] == ']')) return false;
        }
        hl_str_add_char(ret, *p);
    }
    return !in_set && !ret->failed;
}

static hl_status compile(const char *option, const char *key, regex_t *ret, hl_err *err) {
    hl_str text;
    bool   ok = strlen(key) <= MAX_PATTERN_BYTES && key[0];
    hl_str_init(&text, 8 * MAX_PATTERN_BYTES);
    hl_str_add_text(&text, "^(.*\\.)?(");
    ok = ok && translate(key, &text);
    hl_str_add_text(&text, ")$");
    ok = ok && !text.failed && regcomp(ret, hl_str_text(&text), REG_EXTENDED | REG_NOSUB) == 0;
    hl_str_done(&text);
    if (ok) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "adapter_config.json: %s: the pattern '%.100s' is beyond what is understood here: names, "
                   "'.', sets, '|', groups, '*', '+', '?'",
                   option, key);
}

static void patterns_done(patterns *p) {
    for (size_t i = 0; i < p->n; i++) regfree(&p->v[i].regex);
    hl_free(p->v);
}

/* NULL: none fits. */
static const pattern *find_pattern(const patterns *p, const char *module) {
    for (size_t i = 0; i < p->n; i++)
        if (regexec(&p->v[i].regex, module, 0, NULL, 0) == 0) return &p->v[i];
    return NULL;
}

static bool is_rank(double x) { return x >= 1 && x <= MAX_RANK && x == floor(x); }

static hl_status read_patterns(const json_t *root, const char *option, bool are_ranks, patterns *ret,
                               hl_err *err) {
    const json_t *all = json_object_get(root, option), *v;
    const char   *key;
    if (!all || json_is_null(all)) return HL_OK;
    if (!json_is_object(all))
        return hl_fail(err, HL_E_FORMAT, "adapter_config.json: %s: expected an object", option);
    if (json_object_size(all) > MAX_PATTERNS)
        return hl_fail(err, HL_E_LIMIT, "adapter_config.json: %s: %zu patterns, expected at most %d", option,
                       json_object_size(all), MAX_PATTERNS);
    ret->v = hl_new(json_object_size(all) + 1, sizeof *ret->v);
    if (!ret->v) return hl_fail(err, HL_E_NOMEM, "adapter_config.json: no memory");
    json_object_foreach((json_t *)(uintptr_t)all, key, v) {
        const double x = json_number_value(v);
        if (!json_is_number(v) || !isfinite(x) || (are_ranks && !is_rank(x)))
            return hl_fail(err, HL_E_FORMAT, "adapter_config.json: %s: '%.100s': expected %s", option, key,
                           are_ranks ? "a rank, 1..4096" : "a number");
        const hl_status status = compile(option, key, &ret->v[ret->n].regex, err);
        if (status != HL_OK) return status;
        ret->v[ret->n++].value = x;
    }
    return HL_OK;
}

/* ---- options ---- */

/* A value that asks for nothing. */
static bool is_empty(const json_t *v) {
    return !v || json_is_null(v) || json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
}

static hl_status check_options(const json_t *root, hl_err *err) {
    enum { READ, NONE, REFUSED };
    static const struct {
        const char *key;
        int         how;
        const char *why;
    } rows[] = {
#define HL_PEFT(key, how, why) {#key, how, why},
#include "models/convert/peft_options.def"
#undef HL_PEFT
    };
    const json_t *v;
    const char   *key;
    json_object_foreach((json_t *)(uintptr_t)root, key, v) {
        size_t i = 0;
        while (i < sizeof rows / sizeof *rows && strcmp(rows[i].key, key) != 0) i++;
        if (is_empty(v) || (i < sizeof rows / sizeof *rows && rows[i].how != REFUSED)) continue;
        return hl_fail(err, HL_E_UNSUPPORTED, "adapter_config.json: %.60s: %s", key,
                       i < sizeof rows / sizeof *rows
                           ? rows[i].why
                           : "this option is not known here, and may change what the adapter computes");
    }
    return HL_OK;
}

static hl_status check_type(const json_t *root, hl_err *err) {
    const char *type = hl_json_text(root, "peft_type");
    if (!type && json_object_get(root, "lora_parameters"))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "adapter_config.json: an adapter of MLX; expected one of peft (peft_type LORA)");
    if (!type || strcmp(type, "LORA") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED, "adapter_config.json: peft_type is '%.40s', expected LORA",
                       type ? type : "");
    return HL_OK;
}

/* What training began from. Some ways change the model's own weights, and the adapter fits those only. */
static hl_status check_init(const json_t *root, hl_err *err) {
    static const char *const plain[] = {"gaussian", "eva", "orthogonal"};
    const json_t            *v = json_object_get(root, "init_lora_weights");
    const char              *word = json_string_value(v);
    if (!v || json_is_null(v) || json_is_boolean(v)) return HL_OK;
    for (size_t i = 0; word && i < sizeof plain / sizeof *plain; i++)
        if (strcmp(word, plain[i]) == 0) return HL_OK;
    return hl_fail(
        err, HL_E_UNSUPPORTED,
        "adapter_config.json: init_lora_weights is '%.40s': the adapter may belong to weights that "
        "were changed before the training; convert it to a plain one in peft (save_pretrained() "
        "with path_initial_model_for_weight_conversion), or merge it into the model",
        word ? word : "");
}

static hl_status check_bias(const json_t *root, hl_err *err) {
    const json_t *v = json_object_get(root, "bias");
    const char   *word = json_string_value(v);
    if (is_empty(v) || (word && strcmp(word, "none") == 0)) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "adapter_config.json: bias is '%.40s', expected none: biases that were trained come with "
                   "the adapter; merge it into the model, and convert that",
                   word ? word : "");
}

/* A list of texts, or one (a pattern), or nothing. */
static hl_status check_names(const json_t *root, const char *option, hl_err *err) {
    const json_t *v = json_object_get(root, option), *one;
    size_t        i;
    bool          ok = !v || json_is_null(v) || json_is_string(v) || json_is_array(v);
    json_array_foreach(v, i, one) ok = ok && json_is_string(one) && i < MAX_NAMES;
    if (ok) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "adapter_config.json: %s: expected a text or a list of texts", option);
}

static hl_status check_layers(const json_t *root, hl_err *err) {
    const json_t *v = json_object_get(root, "layers_to_transform"), *one;
    size_t        i;
    bool          ok = !v || json_is_null(v) || json_is_integer(v) || json_is_array(v);
    json_array_foreach(v, i, one) ok = ok && json_is_integer(one) && i < MAX_NAMES;
    if (ok) return HL_OK;
    return hl_fail(err, HL_E_FORMAT,
                   "adapter_config.json: layers_to_transform: expected a number or a list of numbers");
}

static hl_status read_flag(const json_t *root, const char *option, bool *ret, hl_err *err) {
    const json_t *v = json_object_get(root, option);
    if (v && !json_is_null(v) && !json_is_boolean(v))
        return hl_fail(err, HL_E_FORMAT, "adapter_config.json: %s: expected true or false", option);
    *ret = json_is_true(v);
    return HL_OK;
}

static hl_status read_numbers(hl_peft_config *c, hl_err *err) {
    const json_t *rank = json_object_get(c->root, "r"), *alpha = json_object_get(c->root, "lora_alpha");
    const double  r = json_is_number(rank) ? json_number_value(rank) : 0;
    if (!is_rank(r))
        return hl_fail(err, HL_E_FORMAT, "adapter_config.json: r: expected a rank, 1..%d", MAX_RANK);
    c->rank = (uint32_t)r;
    c->alpha = json_is_number(alpha) ? json_number_value(alpha) : NAN;
    if (!isfinite(c->alpha) || fabs(c->alpha) > 1e30)
        return hl_fail(err, HL_E_FORMAT, "adapter_config.json: lora_alpha: expected a number");
    if (fabs(c->alpha) < 1e-30)
        return hl_fail(err, HL_E_FORMAT,
                       "adapter_config.json: lora_alpha is 0: the adapter would add nothing");
    return HL_OK;
}

static hl_status read_all(hl_peft_config *c, hl_err *err) {
    bool      is_turned = false;
    hl_status status = check_type(c->root, err);
    if (status == HL_OK) status = check_options(c->root, err);
    if (status == HL_OK) status = check_init(c->root, err);
    if (status == HL_OK) status = check_bias(c->root, err);
    if (status == HL_OK) status = check_names(c->root, "target_modules", err);
    if (status == HL_OK) status = check_names(c->root, "exclude_modules", err);
    if (status == HL_OK) status = check_layers(c->root, err);
    if (status == HL_OK) status = read_flag(c->root, "use_rslora", &c->is_rank_stabilized, err);
    if (status == HL_OK) status = read_flag(c->root, "fan_in_fan_out", &is_turned, err);
    if (is_turned)
        c->idle = "fan_in_fan_out is true: the layers of this model are linear ones, which have no "
                  "other way round; as peft does, it is taken for false";
    if (status == HL_OK) status = read_numbers(c, err);
    if (status == HL_OK) status = read_patterns(c->root, "rank_pattern", true, &c->ranks, err);
    if (status == HL_OK) status = read_patterns(c->root, "alpha_pattern", false, &c->alphas, err);
    if (status != HL_OK) return status;
    c->are_used = hl_new(json_array_size(json_object_get(c->root, "target_modules")) + 1, sizeof(bool));
    return c->are_used ? HL_OK : hl_fail(err, HL_E_NOMEM, "adapter_config.json: no memory");
}

hl_status hl_peft_config_read(const json_t *root, hl_peft_config **ret, hl_err *err) {
    if (!json_is_object(root)) return hl_fail(err, HL_E_FORMAT, "adapter_config.json: expected an object");
    hl_peft_config *c = hl_new(1, sizeof *c);
    if (!c) return hl_fail(err, HL_E_NOMEM, "adapter_config.json: no memory");
    c->root = root;
    const hl_status status = read_all(c, err);
    if (status == HL_OK)
        *ret = c;
    else
        hl_peft_config_free(c);
    return status;
}

void hl_peft_config_free(hl_peft_config *c) {
    if (!c) return;
    patterns_done(&c->ranks);
    patterns_done(&c->alphas);
    hl_free(c->are_used);
    hl_free(c);
}

/* ---- of one module ---- */

static double stabilized(const hl_peft_config *c, double alpha, double rank) {
    return c->is_rank_stabilized ? alpha * sqrt(rank)
                                 : alpha; /* alpha / sqrt(rank) instead of alpha / rank */
}

double hl_peft_config_alpha(const hl_peft_config *c) { return stabilized(c, c->alpha, c->rank); }

/* The whole name, or how it ends. */
static bool is_named(const char *module, const char *name) {
    const size_t n = strlen(module), n_name = strlen(name);
    return n_name > 0 && n >= n_name && strcmp(module + n - n_name, name) == 0 &&
           (n == n_name || module[n - n_name - 1] == '.');
}

/* Where modules are said by one pattern, tensors say which they are. */
static hl_status check_named(hl_peft_config *c, const char *module, hl_err *err) {
    const json_t *targets = json_object_get(c->root, "target_modules"),
                 *others = json_object_get(c->root, "exclude_modules"), *one;
    size_t i;
    bool   found = !json_is_array(targets) || json_array_size(targets) == 0;
    json_array_foreach(others, i, one) if (is_named(module, json_string_value(one))) return hl_fail(
        err, HL_E_FORMAT, "the weights have '%.200s', and adapter_config.json excludes it: exclude_modules",
        module);
    json_array_foreach(targets, i, one) {
        if (!is_named(module, json_string_value(one))) continue;
        c->are_used[i] = true;
        found = true;
    }
    if (found) return HL_OK;
    return hl_fail(err, HL_E_FORMAT,
                   "the weights have '%.200s', and target_modules of adapter_config.json does not name it",
                   module);
}

static hl_status check_layer(const hl_peft_config *c, const char *module, int64_t layer, hl_err *err) {
    const json_t *layers = json_object_get(c->root, "layers_to_transform"), *one;
    size_t        i;
    bool          found = is_empty(layers) && !json_is_integer(layers);
    if (json_is_integer(layers)) found = layer >= 0 && json_integer_value(layers) == layer;
    json_array_foreach(layers, i, one) found = found || (layer >= 0 && json_integer_value(one) == layer);
    if (found) return HL_OK;
    return hl_fail(err, HL_E_FORMAT,
                   "the weights have '%.200s', and layers_to_transform of adapter_config.json does not name "
                   "its layer",
                   module);
}

hl_status hl_peft_config_module(hl_peft_config *c, const char *module, int64_t layer, uint64_t rank,
                                double *ret_alpha, hl_err *err) {
    hl_status status = check_named(c, module, err);
    if (status == HL_OK) status = check_layer(c, module, layer, err);
    if (status != HL_OK) return status;
    const pattern *own_rank = find_pattern(&c->ranks, module), *own_alpha = find_pattern(&c->alphas, module);
    const double   want = own_rank ? own_rank->value : c->rank;
    if ((double)rank != want)
        return hl_fail(err, HL_E_FORMAT,
                       "'%.200s' has the rank %" PRIu64 ", and adapter_config.json says %g (%s)", module,
                       rank, want, own_rank ? "rank_pattern" : "r");
    *ret_alpha = stabilized(c, own_alpha ? own_alpha->value : c->alpha, (double)rank);
    return HL_OK;
}

const char *hl_peft_config_unused(const hl_peft_config *c) {
    const json_t *targets = json_object_get(c->root, "target_modules"), *one;
    size_t        i;
    json_array_foreach(targets, i, one) if (!c->are_used[i]) return json_string_value(one);
    return NULL;
}

const char *hl_peft_config_idle(const hl_peft_config *c) { return c->idle; }
