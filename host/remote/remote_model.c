/* SPDX-License-Identifier: MIT
 *
 * remote_model.c - from a record to a runner: of servers that are there, or of an engine that is started.
 */
#include "host/remote/remote_model.h"

#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/json.h"
#include "core/data/json_out.h"
#include "host/remote/runner_openai.h"
#include "host/remote/supervisor.h"

enum { MAX_PATH_BYTES = 4096, MAX_RECORD_BYTES = 1 << 16 };
#define REMOTE "remote:"
#define ENGINE "engine:"

bool hl_remote_model_is_text(const char *text) {
    return strncmp(text, REMOTE, sizeof REMOTE - 1) == 0 || strncmp(text, ENGINE, sizeof ENGINE - 1) == 0;
}

static hl_status read_record(const char *json, json_t **ret, hl_err *err) {
    json_t   *o = NULL;
    hl_status status = hl_json_parse(hl_view_of(json), "remote model", &o, err);
    if (status == HL_OK && !json_is_object(o))
        status = hl_fail(err, HL_E_FORMAT, "remote model: its record is no object");
    const char *engine = hl_json_text(o, "engine"), *model = hl_json_text(o, "model");
    if (status == HL_OK && json_object_get(o, "engine")) {
        if (!engine || !*engine || !model || !*model)
            status = hl_fail(err, HL_E_FORMAT, "remote model: engine and model are not both texts");
        else if (json_object_get(o, "upstreams"))
            status = hl_fail(err, HL_E_FORMAT, "remote model: either an engine or upstreams, not both");
    }
    if (status == HL_OK)
        *ret = o;
    else
        json_decref(o);
    return status;
}

/* The record of the servers alone: of an engine, that it has one. */
static hl_status make_upstreams(json_t *o, const char *url, const char *name,
                                const hl_remote_model_place *place, hl_upstreams **ret, hl_err *err) {
    hl_str    text;
    hl_status status = HL_OK;
    hl_str_init(&text, SIZE_MAX);
    if (url && json_object_set_new(o, "upstreams", json_pack("[{s:s,s:s}]", "url", url, "model", name)) != 0)
        status = hl_fail(err, HL_E_NOMEM, "remote model: no memory");
    if (status == HL_OK) hl_json_format(o, false, &text);
    if (status == HL_OK) status = hl_str_check(&text, "remote model", err);
    if (status == HL_OK) status = hl_upstreams_new(hl_str_text(&text), place->envp, place->events, ret, err);
    hl_str_done(&text);
    return status;
}

static hl_status check_profile(const char *name, const char *profiles_path, hl_err *err) {
    hl_profile      profile = {0};
    const hl_status status = hl_profile_find(name, profiles_path, &profile, err);
    if (status == HL_OK) hl_profile_done(&profile);
    return status;
}

/* Is that a record? Nothing is asked or started. */
static hl_status check_record(const char *json, const char *profiles_path, hl_err *err) {
    static char *const    none[] = {NULL};
    hl_remote_model_place place = {.envp = none};
    hl_upstreams         *u = NULL;
    json_t               *o = NULL;
    hl_status             status = read_record(json, &o, err);
    if (status == HL_OK)
        status = make_upstreams(o, json_object_get(o, "engine") ? "http://127.0.0.1:1" : NULL, "m", &place,
                                &u, err);
    if (status == HL_E_IO) status = HL_OK; /* a key that is not there yet */
    if (status == HL_OK && json_object_get(o, "engine"))
        status = check_profile(hl_json_text(o, "engine"), profiles_path, err);
    hl_upstreams_free(u);
    json_decref(o);
    return status;
}

bool hl_remote_model_describe(const char *json, size_t i, char ret_host[HL_REMOTE_MODEL_TEXT_BYTES],
                              char ret_model[HL_REMOTE_MODEL_TEXT_BYTES]) {
    json_t *o = NULL;
    ret_host[0] = ret_model[0] = '\0';
    if (read_record(json, &o, NULL) != HL_OK) return false;
    const json_t *one = json_array_get(json_object_get(o, "upstreams"), i);
    const char   *engine = hl_json_text(o, "engine"), *url = hl_json_text(one, "url");
    const char   *model = hl_json_text(engine ? o : one, "model");
    const bool    is_there = engine ? i == 0 : one != NULL;
    if (is_there) {
        (void)snprintf(ret_host, HL_REMOTE_MODEL_TEXT_BYTES, "%s%s", engine ? ENGINE : "",
                       engine ? engine
                       : url  ? url
                              : "");
        (void)snprintf(ret_model, HL_REMOTE_MODEL_TEXT_BYTES, "%s", model ? model : "");
    }
    json_decref(o);
    return is_there;
}

/* A record in a file: checked, and written again in the shortest form. */
static hl_status read_record_file(const char *path, const char *profiles_path, char **ret_json, hl_err *err) {
    char     *text = NULL;
    size_t    n = 0;
    json_t   *o = NULL;
    hl_str    s;
    hl_status status = hl_file_read(path, MAX_RECORD_BYTES, &text, &n, err);
    hl_str_init(&s, MAX_RECORD_BYTES);
    if (status == HL_OK) status = read_record(text, &o, err);
    if (status == HL_OK) hl_json_format(o, false, &s);
    if (status == HL_OK) status = hl_str_check(&s, "remote model", err);
    if (status == HL_OK) status = check_record(hl_str_text(&s), profiles_path, err);
    if (status == HL_OK && !(*ret_json = hl_str_take(&s)))
        status = hl_fail(err, HL_E_NOMEM, "remote model: no memory");
    hl_str_done(&s);
    json_decref(o);
    hl_free(text);
    return hl_fail_within(err, status, "'%.200s'", path);
}

hl_status hl_remote_model_make_record(const char *text, const char *profiles_path, char **ret_json,
                                      hl_err *err) {
    const bool  is_engine = strncmp(text, ENGINE, sizeof ENGINE - 1) == 0;
    const char *rest = strchr(text, ':') + 1, *model = strchr(rest, '#');
    hl_json_out j;
    if (!is_engine && (rest[0] == '/' || rest[0] == '.'))
        return read_record_file(rest, profiles_path, ret_json, err);
    if (!model || model == rest || !model[1])
        return hl_fail(err, HL_E_ARG, "'%.200s': expected %s#MODEL", text,
                       is_engine ? "engine:PROFILE" : "remote:http://HOST:PORT/v1");
    const hl_view where = {rest, (size_t)(model - rest)};
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    if (is_engine) {
        hl_json_add_view(&j, "engine", where);
        hl_json_add_text(&j, "model", model + 1);
    } else {
        hl_json_open(&j, "upstreams", '[');
        hl_json_open(&j, NULL, '{');
        hl_json_add_view(&j, "url", where);
        hl_json_add_text(&j, "model", model + 1);
        hl_json_close(&j, '}');
        hl_json_close(&j, ']');
    }
    hl_json_close(&j, '}');
    hl_status status = hl_str_check(&j.text, "remote model", err);
    if (status == HL_OK) status = check_record(hl_str_text(&j.text), profiles_path, err);
    char *made = status == HL_OK ? hl_str_take(&j.text) : NULL;
    hl_json_done(&j);
    if (status == HL_OK && !made) return hl_fail(err, HL_E_NOMEM, "remote model: no memory");
    if (status == HL_OK) *ret_json = made;
    return status;
}

/* The name by which an engine is asked: what its model's path ends in. */
static const char *name_of(const char *model) {
    const char *slash = strrchr(model, '/');
    return slash && slash[1] ? slash + 1 : model;
}

static hl_status start_engine(const json_t *o, const hl_remote_model_place *place, hl_engine_process **ret,
                              hl_err *err) {
    const char *engine = hl_json_text(o, "engine"), *model = hl_json_text(o, "model");
    char        log_path[MAX_PATH_BYTES];
    hl_profile  profile = {0};
    hl_status   status = hl_profile_find(engine, place->profiles_path, &profile, err);
    if (status != HL_OK) return status;
    status = hl_dir_make(place->log_folder, 0700, err);
    if (status == HL_OK && snprintf(log_path, sizeof log_path, "%s/engine-%s.log", place->log_folder,
                                    engine) >= (int)sizeof log_path)
        status = hl_fail(err, HL_E_LIMIT, "engine '%.100s': the path of its log is too long", engine);
    const hl_launch launch = {.profile = &profile,
                              .model = model,
                              .name = name_of(model),
                              .log_path = log_path,
                              .program = "/proc/self/exe",
                              .envp = place->envp,
                              .events = place->events};
    if (status == HL_OK) status = hl_engine_start(&launch, ret, err);
    hl_profile_done(&profile);
    return status;
}

hl_status hl_remote_model_open(const char *json, const hl_remote_model_place *place, hl_runner **ret_runner,
                               hl_err *err) {
    hl_engine_process *process = NULL;
    hl_upstreams      *u = NULL;
    json_t            *o = NULL;
    hl_status          status = read_record(json, &o, err);
    if (status == HL_OK && json_object_get(o, "engine")) status = start_engine(o, place, &process, err);
    if (status == HL_OK)
        status = make_upstreams(o, process ? hl_engine_url(process) : NULL,
                                process ? name_of(hl_json_text(o, "model")) : NULL, place, &u, err);
    if (status == HL_OK)
        status = hl_runner_openai_new(u, process, ret_runner, err);
    else
        hl_engine_stop(process);
    json_decref(o);
    return status;
}
