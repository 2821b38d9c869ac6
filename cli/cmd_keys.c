/* SPDX-License-Identifier: MIT
 *
 * cmd_keys.c - hyperlama keys add|list|revoke: who may ask a server on this machine.
 *
 * A server that runs sees a change by itself.
 */
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

static void add_fields(hl_json_out *j, const hl_key *k) {
    hl_json_add_text(j, "name", k->name);
    hl_json_add_text(j, "scope", hl_key_scope_name(k->scope));
    hl_json_add_int(j, "priority", k->priority);
}

static hl_status add_key(const hl_app *app, const hl_args *args, hl_keyring *ring, const char *name,
                         hl_err *err) {
    const char *scope = hl_args_text(args, "scope") ? hl_args_text(args, "scope") : "use";
    char        text[HL_KEY_TEXT_BYTES];
    hl_key      k = {.priority = (int32_t)hl_args_int(args, "priority", 0)};
    if (!hl_key_scope_parse(scope, &k.scope))
        return hl_fail(err, HL_E_ARG, "--scope '%.40s': expected use, manage or admin", scope);
    const hl_status status = hl_keyring_add(ring, name, k.scope, k.priority, text, err);
    if (status != HL_OK) return status;
    (void)snprintf(k.name, sizeof k.name, "%s", name);
    if (hl_args_has(args, "json")) {
        hl_json_out j;
        hl_json_init(&j);
        hl_json_open(&j, NULL, '{');
        add_fields(&j, &k);
        hl_json_add_text(&j, "key", text);
        hl_json_close(&j, '}');
        return hl_json_print(&j, app->out, err);
    }
    fprintf(app->out, "%s\n", text);
    hl_app_note(app, "This is the key '%s' (%s). It is not kept and not shown again.", name, scope);
    return HL_OK;
}

static void print_table(const hl_app *app, const hl_key *keys, size_t n) {
    const int64_t now_ms = hl_clock_wall_ms();
    int           width = 4; /* of "NAME" */
    for (size_t i = 0; i < n; i++) {
        const int len = (int)strlen(keys[i].name);
        if (len > width) width = len;
    }
    fprintf(app->out, "%-*s    %-6s    %8s    %s\n", width, "NAME", "SCOPE", "PRIORITY", "MADE");
    for (size_t i = 0; i < n; i++) {
        char age[32];
        hl_format_age(keys[i].created_ms, now_ms, age);
        fprintf(app->out, "%-*s    %-6s    %8d    %s\n", width, keys[i].name,
                hl_key_scope_name(keys[i].scope), (int)keys[i].priority, age);
    }
}

static hl_status list_keys(const hl_app *app, const hl_args *args, hl_keyring *ring, hl_err *err) {
    hl_key   *keys = NULL;
    size_t    n = 0;
    hl_status status = hl_keyring_list(ring, &keys, &n, err);
    if (status != HL_OK) return status;
    if (hl_args_has(args, "json")) {
        hl_json_out j;
        hl_json_init(&j);
        hl_json_open(&j, NULL, '{');
        hl_json_open(&j, "keys", '[');
        for (size_t i = 0; i < n; i++) {
            hl_json_open(&j, NULL, '{');
            add_fields(&j, &keys[i]);
            hl_json_add_int(&j, "created_ms", keys[i].created_ms);
            hl_json_close(&j, '}');
        }
        hl_json_close(&j, ']');
        hl_json_close(&j, '}');
        status = hl_json_print(&j, app->out, err);
    } else {
        print_table(app, keys, n);
    }
    hl_free(keys);
    return status;
}

static hl_status revoke_key(const hl_app *app, hl_keyring *ring, const char *name, hl_err *err) {
    hl_key   *keys = NULL;
    size_t    n = 0;
    hl_status status = hl_keyring_revoke(ring, name, err);
    if (status == HL_OK) status = hl_keyring_list(ring, &keys, &n, err);
    hl_free(keys);
    if (status == HL_OK) hl_app_note(app, "revoked the key '%s'", name);
    if (status == HL_OK && n == 0 && !hl_config_bool(app->config, HL_SETTING_server_require_keys))
        hl_app_note(app,
                    "That was the last key: a server on this machine's own address asks nobody for one now. "
                    "server.require_keys = yes would shut everybody out instead.");
    return status;
}

hl_status hl_cmd_keys(hl_app *app, const hl_args *args, hl_err *err) {
    const char *action = hl_args_at(args, 0), *name = hl_args_at(args, 1);
    const bool  is_list = strcmp(action, "list") == 0, is_add = strcmp(action, "add") == 0;
    hl_host    *host = NULL;
    hl_keyring *ring = NULL;
    if (!is_list && !is_add && strcmp(action, "revoke") != 0)
        return hl_fail(err, HL_E_ARG, "keys: found '%.40s', expected add, list or revoke", action);
    if (is_list != !name)
        return hl_fail(err, HL_E_ARG,
                       is_list ? "keys list: no name is expected" : "keys %s: expected the key's name",
                       action);
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_open_keyring(host, &ring, err);
    if (status == HL_OK)
        status = is_list  ? list_keys(app, args, ring, err)
                 : is_add ? add_key(app, args, ring, name, err)
                          : revoke_key(app, ring, name, err);
    hl_keyring_close(ring);
    hl_host_free(host);
    return status;
}
