/* SPDX-License-Identifier: MIT
 *
 * names.c - lines of [aliases] and [preset NAME], looked up.
 */
#include "host/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "host/options.h"

enum { MAX_PRESET_BYTES = 16 << 20 };

static bool is_preset(const hl_config_line *l) { return strncmp(l->section, "preset ", 7) == 0; }

static bool is_of_preset(const hl_config_line *l, const char *preset) {
    return is_preset(l) && strcasecmp(l->section + 7 + strspn(l->section + 7, " "), preset) == 0;
}

bool hl_alias_at(const hl_config *c, const char *alias, size_t i, char *ret, size_t cap) {
    size_t                n = 0;
    const hl_config_line *lines = hl_config_lines(c, &n);
    for (size_t k = 0; k < n; k++) {
        if (strcmp(lines[k].section, "aliases") != 0 || strcasecmp(lines[k].name, alias) != 0) continue;
        for (const char *at = lines[k].value; *at; at += *at == ',') {
            const size_t  n_word = strcspn(at, ",");
            const hl_view word = hl_view_trim((hl_view){at, n_word});
            at += n_word;
            if (word.len == 0) continue;
            if (i-- == 0) return snprintf(ret, cap, "%.*s", (int)word.len, word.ptr) < (int)cap;
        }
    }
    return false;
}

bool hl_preset_exists(const hl_config *c, const char *preset) {
    size_t                n = 0;
    const hl_config_line *lines = hl_config_lines(c, &n);
    for (size_t k = 0; k < n; k++)
        if (is_of_preset(&lines[k], preset)) return true;
    return false;
}

const char *hl_preset_model(const hl_config *c, const char *preset) {
    size_t                n = 0;
    const hl_config_line *lines = hl_config_lines(c, &n);
    for (size_t k = 0; k < n; k++)
        if (is_of_preset(&lines[k], preset) && strcmp(lines[k].name, "model") == 0) return lines[k].value;
    return NULL;
}

/* Does this line say that the same is named that one before it says? */
static bool was_named(const hl_config_line *lines, size_t k) {
    for (size_t i = 0; i < k; i++) {
        const bool both_aliases = !is_preset(&lines[i]) && !is_preset(&lines[k]);
        if (both_aliases && strcasecmp(lines[i].name, lines[k].name) == 0) return true;
        if (is_preset(&lines[i]) && strcmp(lines[i].section, lines[k].section) == 0) return true;
    }
    return false;
}

const char *hl_own_name_at(const hl_config *c, size_t i) {
    size_t                n = 0;
    const hl_config_line *lines = hl_config_lines(c, &n);
    for (size_t k = 0; k < n; k++) {
        if (was_named(lines, k) || i-- > 0) continue;
        return is_preset(&lines[k]) ? lines[k].section + 7 + strspn(lines[k].section + 7, " ")
                                    : lines[k].name;
    }
    return NULL;
}

/* ---- A preset's model ---- */

typedef struct preset_box {
    hl_stored_model model; /* first: the model is the box */
    hl_str          system;
    hl_param       *params;
} preset_box;

static bool sets(const hl_config_line *lines, size_t n, const char *preset, const char *name) {
    for (size_t k = 0; k < n; k++)
        if (is_of_preset(&lines[k], preset) && strcmp(lines[k].name, name) == 0) return true;
    return false;
}

static hl_status take_line(preset_box *box, const hl_config_line *l, hl_options *probe, hl_err *err) {
    hl_err why = {0};
    if (strcmp(l->name, "model") == 0) return HL_OK;
    if (strcmp(l->name, "system") == 0) { /* lines that go on are lines of the text */
        if (box->system.len > 0) hl_str_add_char(&box->system, '\n');
        hl_str_add_text(&box->system, l->value);
        box->model.system = hl_str_text(&box->system);
        return hl_str_check(&box->system, "system text", err);
    }
    const hl_status status = hl_options_set(probe, HL_FROM_MODEL, l->name, l->value, &why);
    if (status != HL_OK) return hl_fail(err, HL_E_ARG, "settings: [%s]: %s", l->section, why.text);
    box->params[box->model.n_params++] = (hl_param){.name = l->name, .value = l->value};
    return HL_OK;
}

static hl_status fill(preset_box *box, const hl_config *c, const char *preset, hl_err *err) {
    const hl_stored_model base = box->model;
    size_t                n = 0;
    const hl_config_line *lines = hl_config_lines(c, &n);
    hl_options            probe;
    hl_status             status = HL_OK;
    box->params = hl_new(base.n_params + n + 1, sizeof *box->params);
    if (!box->params) return hl_fail(err, HL_E_NOMEM, "preset '%s': no memory", preset);
    box->model.params = box->params;
    box->model.n_params = 0;
    for (size_t i = 0; i < base.n_params; i++)
        if (!sets(lines, n, preset, base.params[i].name)) box->params[box->model.n_params++] = base.params[i];
    hl_options_init(&probe);
    for (size_t k = 0; k < n && status == HL_OK; k++)
        if (is_of_preset(&lines[k], preset)) status = take_line(box, &lines[k], &probe, err);
    hl_options_done(&probe);
    return status;
}

hl_status hl_preset_make(const hl_config *c, const char *preset, const hl_stored_model *base,
                         hl_stored_model **ret_model, hl_err *err) {
    preset_box *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "preset '%s': no memory", preset);
    box->model = *base;
    hl_str_init(&box->system, MAX_PRESET_BYTES);
    const hl_status status = fill(box, c, preset, err);
    if (status == HL_OK)
        *ret_model = &box->model;
    else
        hl_preset_free(&box->model);
    return status;
}

void hl_preset_free(hl_stored_model *m) {
    preset_box *box = (preset_box *)m;
    if (!box) return;
    hl_str_done(&box->system);
    hl_free(box->params);
    hl_free(box);
}
