/* SPDX-License-Identifier: MIT
 *
 * options.h - what shapes one answer: sampling, limits, stop strings, by the names people know.
 *
 * Set the defaults, then what the model has stored, then what the caller asks for: the last one wins.
 */
#ifndef HL_HOST_OPTIONS_H
#define HL_HOST_OPTIONS_H

#include "core/base/str.h"
#include "hyperlama/sampler.h"

enum { HL_MAX_STOPS = 64, HL_MAX_STOP_BYTES = 4096 };

typedef struct hl_options {
    hl_sampler_params sampling;
    int32_t           num_predict; /* most tokens of the answer; -1 until the context is full */
    int32_t           num_ctx;     /* 0: not said; likewise below */
    int32_t           num_batch;
    int32_t           num_thread; /* -1: not said */
    char             *stops[HL_MAX_STOPS];
    size_t            n_stops;
} hl_options;

void hl_options_init(hl_options *o);
void hl_options_done(hl_options *o);

/* Set one option from text. A stop string is added to those that are there.
 *
 * fails  HL_E_NOT_FOUND    no option has this name: the message offers the nearest one
 *        HL_E_UNSUPPORTED  known from Ollama, without effect here: the message says why
 *        HL_E_ARG          no number, or out of range: the message has the range
 *        HL_E_LIMIT        too many or too long stop strings; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_options_set(hl_options *o, const char *name, const char *value, hl_err *err);

/* Forget the stop strings, so that another source of them replaces these. */
void hl_options_clear_stops(hl_options *o);

/* Call fn for every option as text, as a Modelfile's PARAMETER would say it; only those that differ from `base`. */
void hl_options_each(const hl_options *o, const hl_options                             *base,
                     void (*fn)(void *user, const char *name, const char *value), void *user);

#endif
