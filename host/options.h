/* SPDX-License-Identifier: MIT
 *
 * options.h - what shapes one answer: sampling, limits, stop strings, by the names people know.
 *
 * Every option knows where its value comes from, and a weaker origin never replaces a stronger one; so
 * sources may be read in any order: request over model over settings over defaults.
 */
#ifndef HL_HOST_OPTIONS_H
#define HL_HOST_OPTIONS_H

#include "core/base/config.h"
#include "models/models.h"
#include "hyperlama/sampler.h"

enum { HL_MAX_STOPS = 64, HL_MAX_STOP_BYTES = 4096 };

/* The rows of hyperlama/sampler.def and model_options.def. */
typedef enum hl_opt {
#define HL_SAMPLER_REAL(name, otherwise, least, most)  HL_OPT_##name,
#define HL_SAMPLER_WHOLE(name, otherwise, least, most) HL_OPT_##name,
#define HL_OPTION_WHOLE(name, otherwise, least, most)  HL_OPT_##name,
#define HL_OPTION_LIST(name, field)                    HL_OPT_##name,
#define HL_OPTION_IDLE(name, why)
#include "hyperlama/sampler.def"
#include "host/model_options.def"
#undef HL_SAMPLER_REAL
#undef HL_SAMPLER_WHOLE
#undef HL_OPTION_WHOLE
#undef HL_OPTION_LIST
#undef HL_OPTION_IDLE
    HL_N_OPTS
} hl_opt;

/* Where a value comes from, weakest first. */
typedef enum hl_opt_origin {
    HL_FROM_DEFAULT,
    HL_FROM_SETTING, /* the settings file or the environment */
    HL_FROM_MODEL,   /* stored with the model */
    HL_FROM_FLAG,    /* a setting, given on the command line */
    HL_FROM_REQUEST, /* whoever asks */
} hl_opt_origin;

typedef struct hl_options {
    hl_sampler_params sampling;
    int32_t           num_predict; /* most tokens of the answer; below 0: until the context is full */
    int32_t           num_ctx;     /* 0: what suits the model */
    int32_t           num_batch;
    int32_t           num_thread; /* below 1: one per usable core */
    char             *stops[HL_MAX_STOPS];
    size_t            n_stops;
    /* num_ctx above what the model was trained for counts as that, as Ollama does it: clients of a server ask
     * for 32,768 of everything, and a model would be loaded again for each */
    bool    is_ctx_capped;
    uint8_t origin[HL_N_OPTS]; /* an hl_opt_origin each */
} hl_options;

void hl_options_init(hl_options *o); /* the defaults */
void hl_options_done(hl_options *o);

/* Set one option from text. Of a list (stop), a value joins those of the same origin and replaces those of a
 * weaker one.
 *
 * fails  HL_E_NOT_FOUND    no option has this name: the message offers the nearest one
 *        HL_E_UNSUPPORTED  known from Ollama, without effect here: the message says why
 *        HL_E_ARG          no number, or out of range: the message has the range; too many stop strings, or
 *                          an empty or too long one; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_options_set(hl_options *o, hl_opt_origin origin, const char *name,
                                       const char *value, hl_err *err);

/* Would a parameter that is to be stored with a model have an effect, as far as its value goes? Those that
 * have none whatever they are, and texts, are not looked at.
 * fails HL_E_ARG out of range: the message has the range; HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_options_check_param(const hl_param *p, hl_err *err);

/* Forget what was set with this origin, so that the next values of a list do not join it. */
void hl_options_unset(hl_options *o, hl_opt_origin origin, hl_opt id);

/* Take over what `from` has that is no default. fails HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_options_merge(hl_options *o, const hl_options *from, hl_err *err);

/* As hl_request's sampling_set: what is no default. */
uint32_t hl_options_sampling_set(const hl_options *o);

/* Take context, batch and threads from the settings. */
void hl_options_read_settings(hl_options *o, const hl_config *config);

/* Take what is stored with a model. What makes no sense, and what has no effect here, becomes an event and is
 * left out.
 * in     events  may be NULL */
void hl_options_read_stored(hl_options *o, const hl_stored_model *m, const hl_events *events);

/* One of them as text, as a Modelfile's PARAMETER would say it; of a list once for each value, so possibly
 * never. */
typedef void hl_options_fn(void *user, hl_opt id, const char *name, const char *value, hl_opt_origin origin);
void         hl_options_each(const hl_options *o, hl_options_fn *fn, void *user);

/* "default", "settings", "stored with the model", "flag", "request" */
const char *hl_opt_origin_name(hl_opt_origin origin);

/* The option of this name; HL_N_OPTS: none, or one without effect. */
hl_opt      hl_opt_find(const char *name);
const char *hl_opt_name(hl_opt id);

typedef enum hl_opt_kind { HL_OPT_KIND_REAL, HL_OPT_KIND_WHOLE, HL_OPT_KIND_LIST } hl_opt_kind;
/* What its values are; of numbers, from what to what. */
hl_opt_kind hl_opt_range(hl_opt id, double *ret_least, double *ret_most);

#endif
