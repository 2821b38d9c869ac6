/* SPDX-License-Identifier: MIT
 *
 * cmd_config.c - hyperlama config [NAME...]: every setting, its value and where it comes from.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/say.h"

static bool is_wanted(const hl_args *args, hl_setting id) {
    const char  *key = hl_setting_get(id)->key;
    const size_t n = hl_args_count(args);
    for (size_t i = 0; i < n; i++) {
        const char  *name = hl_args_at(args, i);
        const size_t n_name = strlen(name);
        if (hl_setting_find(hl_view_of(name)) == id) return true;
        if (strncmp(key, name, n_name) == 0 && key[n_name] == '.') return true; /* a whole group */
    }
    return n == 0;
}

/* Of the names that are shown. */
static int find_width(const hl_args *args) {
    size_t width = 0;
    for (int id = 0; id < HL_N_SETTINGS; id++) {
        const size_t n = strlen(hl_setting_get((hl_setting)id)->key);
        if (is_wanted(args, (hl_setting)id) && n > width) width = n;
    }
    return (int)width;
}

static void print_row(const hl_app *app, hl_setting id, int width, bool all) {
    const hl_setting_row *row = hl_setting_get(id);
    hl_str                value;
    hl_str_init(&value, 8192);
    hl_config_format(app->config, id, &value);
    const hl_origin origin = hl_config_origin(app->config, id);
    const char     *where = hl_config_where(app->config, id);
    hl_say(app->out, "%-*s = %-10s  # %s%s%s%s", width, row->key, hl_say_str(&value), hl_origin_name(origin),
           where[0] ? " (" : "", where, where[0] ? ")" : "");
    if (all) {
        fprintf(app->out, "; %s", row->help);
        if (row->kind == HL_SETTING_CHOICE) fprintf(app->out, " [%s]", row->unit);
        if (row->kind == HL_SETTING_INT) fprintf(app->out, " [%" PRId64 "..%" PRId64 "]", row->min, row->max);
    }
    fputc('\n', app->out);
    hl_str_done(&value);
}

static void add_json(hl_json_out *j, const hl_app *app, hl_setting id) {
    const hl_setting_row *row = hl_setting_get(id);
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "name", row->key);
    switch (row->kind) {
    case HL_SETTING_INT: hl_json_add_int(j, "value", hl_config_int(app->config, id)); break;
    case HL_SETTING_BOOL: hl_json_add_bool(j, "value", hl_config_bool(app->config, id)); break;
    case HL_SETTING_TEXT:
    case HL_SETTING_CHOICE: hl_json_add_text(j, "value", hl_config_text(app->config, id)); break;
    }
    hl_json_add_text(j, "origin", hl_origin_name(hl_config_origin(app->config, id)));
    hl_json_add_text(j, "where", hl_config_where(app->config, id));
    hl_json_add_text(j, "help", row->help);
    if (row->kind == HL_SETTING_INT) {
        hl_json_add_int(j, "min", row->min);
        hl_json_add_int(j, "max", row->max);
    }
    if (row->kind == HL_SETTING_CHOICE) hl_json_add_text(j, "words", row->unit);
    hl_json_close(j, '}');
}

static hl_status check_names(const hl_args *args, hl_err *err) {
    for (size_t i = 0; i < hl_args_count(args); i++) {
        const char  *name = hl_args_at(args, i);
        const size_t n_name = strlen(name);
        bool         found = hl_setting_find(hl_view_of(name)) != HL_N_SETTINGS;
        for (int id = 0; id < HL_N_SETTINGS && !found; id++) {
            const char *key = hl_setting_get((hl_setting)id)->key;
            found = strncmp(key, name, n_name) == 0 && key[n_name] == '.';
        }
        if (!found) return hl_fail(err, HL_E_NOT_FOUND, "no setting '%.80s' (see `hyperlama config`)", name);
    }
    return HL_OK;
}

hl_status hl_cmd_config(hl_app *app, const hl_args *args, hl_err *err) {
    const bool as_json = hl_args_has(args, "json");
    const int  width = find_width(args);
    hl_status  status = check_names(args, err);
    if (status != HL_OK) return status;
    hl_json_out j;
    hl_json_init(&j);
    if (as_json) {
        hl_json_open(&j, NULL, '{');
        hl_json_add_text(&j, "file", app->paths.config_file);
        hl_json_open(&j, "settings", '[');
    } else if (hl_args_count(args) == 0) {
        hl_say_line(app->out, "# settings file: %s", app->paths.config_file);
    }
    for (int id = 0; id < HL_N_SETTINGS; id++) {
        if (!is_wanted(args, (hl_setting)id)) continue;
        if (as_json)
            add_json(&j, app, (hl_setting)id);
        else
            print_row(app, (hl_setting)id, width, hl_args_has(args, "all"));
    }
    if (as_json) {
        hl_json_close(&j, ']');
        hl_json_close(&j, '}');
        status = hl_json_print(&j, app->out, err);
    }
    hl_str_done(&j.text);
    if (status == HL_OK && app->config_status != HL_OK) { /* printed what there is; now say what is wrong */
        *err = app->config_err;
        status = app->config_status;
    }
    return status;
}
