/* SPDX-License-Identifier: MIT
 *
 * remote_model.h - a model whose answers come from elsewhere: its record (docs/formats/remote.md), and a
 * runner
 * of it.
 *
 * The record is a JSON object. It names servers ("upstreams", see upstreams.h), or an engine that is
 * started for
 * it ("engine", a launch profile, and the "model" that it opens).
 */
#ifndef HL_HOST_REMOTE_REMOTE_MODEL_H
#define HL_HOST_REMOTE_REMOTE_MODEL_H

#include "core/base/events.h"
#include "hyperlama/runner.h"

typedef struct hl_remote_model_place {
    char *const     *envp;
    const char      *profiles_path; /* of the user's own launch profiles */
    const char      *log_folder;    /* made when it is needed */
    const hl_events *events;        /* NULL is allowed */
} hl_remote_model_place;

/* Does `text` mean such a model: "remote:URL#MODEL" or "engine:PROFILE#MODEL"? */
bool hl_remote_model_is_text(const char *text);

enum { HL_REMOTE_MODEL_TEXT_BYTES = 512 };

/* Where the i-th of a record's servers is, and what the model is called there; of an engine, which is the
 * only one, "engine:PROFILE" and its model. False: it has not so many, and both are "". */
bool hl_remote_model_describe(const char *json, size_t i, char ret_host[HL_REMOTE_MODEL_TEXT_BYTES],
                              char ret_model[HL_REMOTE_MODEL_TEXT_BYTES]);

/* The record that such a text stands for. "remote:/PATH.json" is a record in a file.
 * in     profiles_path  of the user's own launch profiles
 * owns   hl_free() of core/base/mem.h
 * fails  HL_E_ARG        what is wrong with it
 *        HL_E_NOT_FOUND  there is no such launch profile, with the names that there are */
HL_MUST_CHECK hl_status hl_remote_model_make_record(const char *text, const char *profiles_path,
                                                    char **ret_json, hl_err *err);

/* Make a runner; an engine is started, and stopped with the runner.
 *
 * fails  as hl_upstreams_new(), hl_profile_find(), hl_engine_start(), hl_runner_openai_new() */
HL_MUST_CHECK hl_status hl_remote_model_open(const char *json, const hl_remote_model_place *place,
                                             hl_runner **ret_runner, hl_err *err);

#endif
