/* SPDX-License-Identifier: MIT
 *
 * cmd_score.c - hyperlama score MODEL TEXTFILE: how well a model predicts a text.
 *
 * The text is cut into windows of the context length (512 unless asked for), each begun with BOS where the
 * model wants it; every token but a window's first is predicted from those before it in the window. Logits
 * are kept for a few rows at a time, so memory does not grow with text, window or vocabulary. Perplexity =
 * exp(mean of -logprob). Bits per byte are over the bytes of the scored tokens: unlike perplexity they
 * compare models with different vocabularies.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "cli/adapter_args.h"
#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "hyperlama/quantize.h"

enum { MAX_INPUT_BYTES = 1 << 30, DEFAULT_WINDOW = 512, MAX_ROWS = 64, ROWS_BYTES = 16 << 20, MAX_TOP = 20 };

typedef struct score {
    const hl_app       *app;
    const hl_tokenizer *tokenizer;
    hl_session         *session;
    hl_tokens           tokens;
    int32_t             n_vocab, n_rows_cap, window;
    size_t              n_skip, n_top;
    bool                as_json;
    size_t              n_scored, n_scored_bytes;
    double              sum, sum_squares; /* of -logprob */
    double              seconds;          /* evaluating and scoring, without loading */
    hl_progress         bar;
    hl_importance      *importance;
    size_t              n_matrices; /* of it, that were written */
} score;

static hl_status print_position(const score *s, size_t i, int32_t token, double logprob,
                                const hl_logprob *top, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_int(&j, "position", (int64_t)i);
    hl_json_add_int(&j, "token", token);
    hl_json_add_real(&j, "logprob", logprob);
    if (s->n_top > 0) {
        hl_json_open(&j, "top", '[');
        for (size_t k = 0; k < s->n_top; k++) {
            hl_json_open(&j, NULL, '{');
            hl_json_add_int(&j, "token", top[k].token);
            hl_json_add_real(&j, "logprob", (double)top[k].logprob);
            hl_json_close(&j, '}');
        }
        hl_json_close(&j, ']');
    }
    hl_json_close(&j, '}');
    return hl_json_print(&j, s->app->out, err);
}

/* Take the prediction of token `i_token` of the text from one row of logits. */
static hl_status take_row(score *s, const float *logits, size_t i_token, hl_err *err) {
    hl_logprob    top[MAX_TOP];
    const int32_t token = s->tokens.ids[i_token];
    const double  logprob = (double)hl_logprobs_top(logits, s->n_vocab, token, s->n_top, top);
    if (!isfinite(logprob))
        return hl_fail(
            err, HL_E_FORMAT,
            "score: token %zu of the text (%d) has no probability: the model gives it the logit %g", i_token,
            token, (double)logits[token]);
    s->n_scored++;
    s->n_scored_bytes += hl_tokenizer_piece(s->tokenizer, token, true, NULL, 0);
    s->sum -= logprob;
    s->sum_squares += logprob * logprob;
    return s->as_json ? print_position(s, i_token, token, logprob, top, err) : HL_OK;
}

/* Score one window: ids[0..n_ids) with `first` the place in the text of ids[n_bos]. */
static hl_status score_window(score *s, const int32_t *ids, size_t n_ids, size_t n_bos, size_t first,
                              hl_err *err) {
    hl_session_truncate(s->session, 0);
    for (size_t i = 0; i + 1 < n_ids;) {
        const size_t left = n_ids - 1 - i, n = left < (size_t)s->n_rows_cap ? left : (size_t)s->n_rows_cap;
        hl_status    status = hl_session_eval_rows(s->session, ids + i, n, n, err);
        for (size_t row = 0; row < n && status == HL_OK; row++) {
            const size_t i_predicted = i + row + 1;
            if (i_predicted < s->n_skip) continue;
            status = take_row(s, hl_session_logits_at(s->session, row), first + i_predicted - n_bos, err);
        }
        if (status != HL_OK) return status;
        if (hl_signal.stop || ferror(s->app->out)) return hl_fail(err, HL_E_CANCEL, "stopped");
        i += n;
    }
    return HL_OK;
}

static hl_status score_text(score *s, hl_err *err) {
    const int32_t bos = hl_tokenizer_bos(s->tokenizer);
    const size_t  n_bos = hl_tokenizer_adds_bos(s->tokenizer) && bos >= 0, window = (size_t)s->window;
    hl_status     status = HL_OK;
    int32_t      *ids = hl_new(window, sizeof *ids);
    if (!ids) return hl_fail(err, HL_E_NOMEM, "score: no memory");
    const int64_t start_ns = hl_clock_ns();
    if (!s->as_json) hl_progress_begin(&s->bar, s->app, "scoring");
    for (size_t at = 0; at < s->tokens.n && status == HL_OK;) {
        const size_t left = s->tokens.n - at, n = left < window - n_bos ? left : window - n_bos;
        if (n_bos) ids[0] = bos;
        memcpy(ids + n_bos, s->tokens.ids + at, n * sizeof *ids);
        status = score_window(s, ids, n + n_bos, n_bos, at, err);
        at += n;
        hl_progress_show(&s->bar, at, s->tokens.n);
    }
    hl_progress_end(&s->bar);
    s->seconds = (double)(hl_clock_ns() - start_ns) * 1e-9;
    hl_free(ids);
    return status;
}

static hl_status report(const score *s, hl_err *err) {
    if (s->n_scored == 0 && s->n_skip > 1)
        return hl_fail(err, HL_E_ARG,
                       "score: no token is left behind --skip %zu: the text has %zu in windows of %d",
                       s->n_skip, s->tokens.n, (int)s->window);
    if (s->n_scored == 0)
        return hl_fail(err, HL_E_ARG, "score: the text has %zu tokens, none that can be predicted",
                       s->tokens.n);
    const double n = (double)s->n_scored, mean = s->sum / n, ppl = exp(mean);
    const double variance = n > 1 ? (s->sum_squares / n - mean * mean) / (n - 1) : 0;
    const double error = ppl * sqrt(variance > 0 ? variance : 0);
    const double bits = s->sum / log(2), n_bytes = s->n_scored_bytes > 0 ? (double)s->n_scored_bytes : 1;
    if (!s->as_json) {
        fprintf(s->app->out, "perplexity %.4f +- %.4f (%zu tokens scored, windows of %d)\n", ppl, error,
                s->n_scored, (int)s->window);
        fprintf(s->app->out, "%.4f bits per byte, %.4f per token; %zu tokens in %.2f s (%.1f tokens/s)\n",
                bits / n_bytes, bits / n, s->tokens.n, s->seconds, (double)s->tokens.n / s->seconds);
        if (s->importance)
            fprintf(s->app->out, "wrote the importance of the columns of %zu matrices\n", s->n_matrices);
        return HL_OK;
    }
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_real(&j, "perplexity", ppl);
    hl_json_add_real(&j, "standard_error", error);
    hl_json_add_real(&j, "mean_logprob", -mean);
    hl_json_add_real(&j, "bits_per_byte", bits / n_bytes);
    hl_json_add_int(&j, "scored_bytes", (int64_t)s->n_scored_bytes);
    hl_json_add_int(&j, "scored_tokens", (int64_t)s->n_scored);
    hl_json_add_int(&j, "text_tokens", (int64_t)s->tokens.n);
    hl_json_add_int(&j, "window", s->window);
    hl_json_add_real(&j, "seconds", s->seconds);
    if (s->importance) hl_json_add_int(&j, "importance_matrices", (int64_t)s->n_matrices);
    hl_json_close(&j, '}');
    return hl_json_print(&j, s->app->out, err);
}

static hl_status read_tokens(score *s, const hl_args *args, hl_err *err) {
    hl_str text;
    hl_str_init(&text, MAX_INPUT_BYTES);
    hl_status status = hl_read_path(hl_args_at(args, 1), &text, err);
    if (status == HL_OK) status = hl_tokenizer_encode(s->tokenizer, hl_str_view(&text), 0, &s->tokens, err);
    hl_str_done(&text);
    const int64_t limit = hl_args_int(args, "limit", INT64_MAX);
    if (status == HL_OK && (uint64_t)limit < s->tokens.n) s->tokens.n = (size_t)limit;
    return status;
}

static hl_status open_session(score *s, hl_host *host, hl_model *m, hl_err *err) {
    hl_session_params p;
    hl_host_session_params(host, NULL, &p);
    if (hl_config_origin(s->app->config, HL_SETTING_engine_n_ctx) == HL_ORIGIN_DEFAULT)
        p.n_ctx = DEFAULT_WINDOW;
    s->n_vocab = hl_tokenizer_n_vocab(s->tokenizer);
    const int32_t n_fit = ROWS_BYTES / (int32_t)sizeof(float) / (s->n_vocab > 0 ? s->n_vocab : 1);
    s->n_rows_cap = n_fit < 1 ? 1 : n_fit > MAX_ROWS ? MAX_ROWS : n_fit;
    p.n_rows_cap = s->n_rows_cap;
    const hl_status status = hl_session_new(m, &p, &s->session, err);
    if (status != HL_OK) return status;
    s->window = hl_session_n_ctx(s->session);
    if (s->window < 2) return hl_fail(err, HL_E_ARG, "--ctx = %d: expected at least 2", (int)s->window);
    if (s->n_skip >= (size_t)s->window)
        return hl_fail(err, HL_E_ARG, "--skip = %zu: expected less than the window of %d tokens (--ctx)",
                       s->n_skip, (int)s->window);
    return HL_OK;
}

static hl_status check_imatrix(const char *path, const hl_args *args, hl_err *err) {
    if (!path && hl_args_has(args, "force")) return hl_fail(err, HL_E_ARG, "--force: there is no --imatrix");
    if (!path || hl_args_has(args, "force") || access(path, F_OK) != 0) return HL_OK;
    return hl_fail(err, HL_E_ARG, "'%.200s' is there already: take another name, or say --force", path);
}

static hl_status collect(score *s, hl_model *model, hl_err *err) {
    const hl_status status = hl_importance_new(model, &s->importance, err);
    if (status == HL_OK) hl_session_collect(s->session, s->importance);
    return status;
}

hl_status hl_cmd_score(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host    *host = NULL;
    hl_source  *source = NULL;
    hl_model   *model = NULL;
    const char *imatrix = hl_args_text(args, "imatrix");
    score       s = {.app = app,
                     .n_skip = (size_t)hl_args_int(args, "skip", 0),
                     .n_top = (size_t)hl_args_int(args, "top", 0),
                     .as_json = hl_args_has(args, "json")};
    hl_status   status = check_imatrix(imatrix, args, err);
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_adapter_args_add(args, source, err);
    if (status == HL_OK) status = hl_host_open_model(host, source, false, &model, err);
    if (status == HL_OK) s.tokenizer = hl_model_tokenizer(model);
    if (status == HL_OK && !s.tokenizer)
        status = hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no vocabulary", source->label);
    if (status == HL_OK) status = read_tokens(&s, args, err);
    if (status == HL_OK) status = open_session(&s, host, model, err);
    if (status == HL_OK && imatrix) status = collect(&s, model, err);
    if (status == HL_OK) status = score_text(&s, err);
    if (status == HL_OK && imatrix)
        status = hl_importance_save(s.importance, imatrix, hl_args_at(args, 1), (uint32_t)s.window,
                                    &s.n_matrices, err);
    if (status == HL_OK) status = report(&s, err);
    if (status == HL_E_CANCEL && !hl_signal.stop) status = HL_OK; /* the reader went away: main() sees that */
    hl_session_free(s.session);
    hl_importance_free(s.importance);
    hl_tokens_done(&s.tokens);
    hl_model_close(model);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
