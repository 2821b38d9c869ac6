/* SPDX-License-Identifier: MIT
 *
 * cmd_compare.c - hyperlama compare MODEL MODEL TEXTFILE: how far one model's predictions are from another's.
 *
 * Meant for two files of the same weights: a model and what quantization made of it, or two ways of that.
 * Both read the same tokens in the same windows; of each position the whole distributions are compared. The
 * engine gives the same bits every time, so every difference is the files'.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/mem.h"

enum {
    MAX_INPUT_BYTES = 1 << 30,
    DEFAULT_WINDOW = 512,
    MAX_ROWS = 64,
    ROWS_BYTES = 16 << 20,
    PIECE_BYTES = 64
};

typedef struct side {
    hl_source          *source;
    hl_model           *model;
    const hl_tokenizer *tokenizer;
    hl_session         *session;
    hl_tokens           tokens;
    double              sum; /* of -logprob of the text's tokens */
} side;

typedef struct compare {
    hl_app  *app;
    hl_host *host;
    side     a, b;
    int32_t  n_vocab, n_rows_cap, window;
    size_t   n, n_same; /* positions; where both have the same likeliest token */
    double   sum_kl, max_kl;
    size_t   i_max, i_split; /* where it is; the first position whose likeliest tokens differ: n_split > 0 */
    int32_t  split[2];
    bool     has_split;
    hl_progress bar;
} compare;

/* log of the sum of exp, and the likeliest token. */
static double log_sum(const float *logits, int32_t n, int32_t *ret_top) {
    int32_t top = 0;
    double  sum = 0;
    for (int32_t i = 1; i < n; i++)
        if (logits[i] > logits[top]) top = i;
    for (int32_t i = 0; i < n; i++) sum += exp((double)logits[i] - (double)logits[top]);
    *ret_top = top;
    return (double)logits[top] + log(sum);
}

static hl_status take_row(compare *c, const float *a, const float *b, size_t i_token, hl_err *err) {
    int32_t       top_a, top_b;
    const double  sum_a = log_sum(a, c->n_vocab, &top_a), sum_b = log_sum(b, c->n_vocab, &top_b);
    const int32_t token = c->a.tokens.ids[i_token];
    double        kl = 0;
    for (int32_t i = 0; i < c->n_vocab; i++) {
        const double log_a = (double)a[i] - sum_a, log_b = (double)b[i] - sum_b, p = exp(log_a);
        if (p > 0) kl += p * (log_a - log_b);
    }
    if (!isfinite(kl) || !isfinite(sum_a) || !isfinite(sum_b))
        return hl_fail(err, HL_E_FORMAT,
                       "compare: at token %zu of the text a model gives logits that are no numbers", i_token);
    if (kl < 0) kl = 0; /* of two that are the same, rounding */
    if (c->n == 0 || kl > c->max_kl) {
        c->max_kl = kl;
        c->i_max = i_token;
    }
    if (top_a != top_b && !c->has_split) {
        c->has_split = true;
        c->i_split = i_token;
        c->split[0] = top_a;
        c->split[1] = top_b;
    }
    c->n++;
    c->n_same += top_a == top_b;
    c->sum_kl += kl;
    c->a.sum -= (double)a[token] - sum_a;
    c->b.sum -= (double)b[token] - sum_b;
    return HL_OK;
}

static hl_status compare_window(compare *c, const int32_t *ids, size_t n_ids, size_t n_bos, size_t first,
                                hl_err *err) {
    hl_session_truncate(c->a.session, 0);
    hl_session_truncate(c->b.session, 0);
    for (size_t i = 0; i + 1 < n_ids;) {
        const size_t left = n_ids - 1 - i, n = left < (size_t)c->n_rows_cap ? left : (size_t)c->n_rows_cap;
        hl_status    status = hl_session_eval_rows(c->a.session, ids + i, n, n, err);
        if (status == HL_OK) status = hl_session_eval_rows(c->b.session, ids + i, n, n, err);
        for (size_t row = 0; row < n && status == HL_OK; row++) {
            if (i + row + 1 < n_bos + (n_bos == 0)) continue;
            status = take_row(c, hl_session_logits_at(c->a.session, row),
                              hl_session_logits_at(c->b.session, row), first + i + row + 1 - n_bos, err);
        }
        if (status != HL_OK) return status;
        if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
        i += n;
    }
    return HL_OK;
}

static hl_status compare_text(compare *c, hl_err *err) {
    const int32_t bos = hl_tokenizer_bos(c->a.tokenizer);
    const size_t  n_bos = hl_tokenizer_adds_bos(c->a.tokenizer) && bos >= 0, window = (size_t)c->window;
    hl_status     status = HL_OK;
    int32_t      *ids = hl_new(window, sizeof *ids);
    if (!ids) return hl_fail(err, HL_E_NOMEM, "compare: no memory");
    hl_progress_begin(&c->bar, c->app, "comparing");
    for (size_t at = 0; at < c->a.tokens.n && status == HL_OK;) {
        const size_t left = c->a.tokens.n - at, n = left < window - n_bos ? left : window - n_bos;
        if (n_bos) ids[0] = bos;
        memcpy(ids + n_bos, c->a.tokens.ids + at, n * sizeof *ids);
        status = compare_window(c, ids, n + n_bos, n_bos, at, err);
        at += n;
        hl_progress_show(&c->bar, at, c->a.tokens.n);
    }
    hl_progress_end(&c->bar);
    hl_free(ids);
    if (status == HL_OK && c->n == 0)
        return hl_fail(err, HL_E_ARG, "compare: the text has %zu tokens, none that can be predicted",
                       c->a.tokens.n);
    return status;
}

/* ---- what comes out ---- */

static void get_piece(const side *s, int32_t token, char ret[PIECE_BYTES]) {
    const size_t n = hl_tokenizer_piece(s->tokenizer, token, true, ret, PIECE_BYTES - 1);
    ret[n < PIECE_BYTES ? n : PIECE_BYTES - 1] = '\0';
}

static hl_status print_json(const compare *c, double most_kl, hl_err *err) {
    const double n = (double)c->n;
    hl_json_out  j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "a", c->a.source->label);
    hl_json_add_text(&j, "b", c->b.source->label);
    hl_json_add_int(&j, "tokens", (int64_t)c->n);
    hl_json_add_real(&j, "mean_kl", c->sum_kl / n);
    hl_json_add_real(&j, "max_kl", c->max_kl);
    hl_json_add_int(&j, "max_kl_at", (int64_t)c->i_max);
    hl_json_add_real(&j, "same_top", (double)c->n_same / n);
    hl_json_add_real(&j, "perplexity_a", exp(c->a.sum / n));
    hl_json_add_real(&j, "perplexity_b", exp(c->b.sum / n));
    if (c->has_split) {
        hl_json_open(&j, "first_divergence", '{');
        hl_json_add_int(&j, "position", (int64_t)c->i_split);
        hl_json_add_int(&j, "token_a", c->split[0]);
        hl_json_add_int(&j, "token_b", c->split[1]);
        hl_json_close(&j, '}');
    } else {
        hl_json_add_text(&j, "first_divergence", NULL);
    }
    if (most_kl >= 0) hl_json_add_bool(&j, "within", c->sum_kl / n <= most_kl);
    hl_json_close(&j, '}');
    return hl_json_print(&j, c->app->out, err);
}

static void print_text(const compare *c) {
    const double n = (double)c->n;
    char         a[PIECE_BYTES], b[PIECE_BYTES];
    hl_say_line(c->app->out,
                "%zu tokens, windows of %d; the engine adds no noise: the same files give the same bits",
                c->n, (int)c->window);
    hl_say_line(c->app->out, "mean KL      %.6g per token, at most %.6g (token %zu)", c->sum_kl / n,
                c->max_kl, c->i_max);
    hl_say_line(c->app->out, "same token   %.2f %% of the likeliest ones", 100.0 * (double)c->n_same / n);
    hl_say_line(c->app->out, "perplexity   %.4f  %s", exp(c->a.sum / n), c->a.source->label);
    hl_say_line(c->app->out, "             %.4f  %s (%+.2f %%)", exp(c->b.sum / n), c->b.source->label,
                100 * (exp((c->b.sum - c->a.sum) / n) - 1));
    if (!c->has_split) {
        hl_say_line(c->app->out, "divergence   none");
        return;
    }
    get_piece(&c->a, c->split[0], a);
    get_piece(&c->b, c->split[1], b);
    hl_say(c->app->out, "divergence   first before token %zu: ", c->i_split);
    hl_say_text(c->app->out, 0, hl_view_of(a));
    fputs(" against ", c->app->out);
    hl_say_text(c->app->out, 0, hl_view_of(b));
    fputc('\n', c->app->out);
}

/* ---- opening ---- */

static hl_status open_side(compare *c, const char *name, const hl_str *text, side *s, hl_err *err) {
    hl_status status = hl_host_find(c->host, name, HL_OPEN_FOR_LOAD, &s->source, err);
    if (status == HL_OK) status = hl_host_open_model(c->host, s->source, false, &s->model, err);
    if (status == HL_OK) s->tokenizer = hl_model_tokenizer(s->model);
    if (status == HL_OK && !s->tokenizer)
        status = hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no vocabulary", s->source->label);
    if (status == HL_OK) status = hl_tokenizer_encode(s->tokenizer, hl_str_view(text), 0, &s->tokens, err);
    return status;
}

static hl_status check_same_tokens(const compare *c, hl_err *err) {
    const side *a = &c->a, *b = &c->b;
    const bool  same = hl_tokenizer_n_vocab(a->tokenizer) == hl_tokenizer_n_vocab(b->tokenizer) &&
                      a->tokens.n == b->tokens.n &&
                      hl_tokenizer_bos(a->tokenizer) == hl_tokenizer_bos(b->tokenizer) &&
                      memcmp(a->tokens.ids, b->tokens.ids, a->tokens.n * sizeof *a->tokens.ids) == 0;
    return same ? HL_OK
                : hl_fail(err, HL_E_UNSUPPORTED,
                          "'%s' and '%s' have different vocabularies: their predictions cannot be "
                          "compared token by token (`hyperlama score` has bits per byte of each)",
                          a->source->label, b->source->label);
}

static hl_status open_sessions(compare *c, hl_err *err) {
    hl_session_params p;
    hl_host_session_params(c->host, NULL, &p);
    if (hl_config_origin(c->app->config, HL_SETTING_engine_n_ctx) == HL_ORIGIN_DEFAULT)
        p.n_ctx = DEFAULT_WINDOW;
    c->n_vocab = hl_tokenizer_n_vocab(c->a.tokenizer);
    const int32_t n_fit = ROWS_BYTES / (int32_t)sizeof(float) / (c->n_vocab > 0 ? c->n_vocab : 1);
    c->n_rows_cap = n_fit < 1 ? 1 : n_fit > MAX_ROWS ? MAX_ROWS : n_fit;
    p.n_rows_cap = c->n_rows_cap;
    hl_status status = hl_session_new(c->a.model, &p, &c->a.session, err);
    if (status == HL_OK) status = hl_session_new(c->b.model, &p, &c->b.session, err);
    if (status != HL_OK) return status;
    c->window = hl_session_n_ctx(c->a.session);
    if (c->window < 2) return hl_fail(err, HL_E_ARG, "--ctx = %d: expected at least 2", (int)c->window);
    return HL_OK;
}

static void side_done(side *s) {
    hl_session_free(s->session);
    hl_tokens_done(&s->tokens);
    hl_model_close(s->model);
    hl_source_free(s->source);
}

static hl_status read_most(const hl_args *args, double *ret, hl_err *err) {
    const char *text = hl_args_text(args, "max-kl");
    char       *end = NULL;
    *ret = -1;
    if (!text) return HL_OK;
    *ret = strtod(text, &end);
    return end != text && !*end && *ret >= 0
               ? HL_OK
               : hl_fail(err, HL_E_ARG, "--max-kl '%.40s': expected a number from 0 on", text);
}

hl_status hl_cmd_compare(hl_app *app, const hl_args *args, hl_err *err) {
    enum { TOO_FAR = 1 }; /* the exit code when --max-kl is passed */
    compare c = {.app = app};
    double  most_kl = -1;
    hl_str  text;
    hl_str_init(&text, MAX_INPUT_BYTES);
    hl_status status = read_most(args, &most_kl, err);
    if (status == HL_OK) status = hl_read_path(hl_args_at(args, 2), &text, err);
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &c.host, err);
    if (status == HL_OK) status = open_side(&c, hl_args_at(args, 0), &text, &c.a, err);
    if (status == HL_OK) status = open_side(&c, hl_args_at(args, 1), &text, &c.b, err);
    if (status == HL_OK) status = check_same_tokens(&c, err);
    const int64_t limit = hl_args_int(args, "limit", INT64_MAX);
    if (status == HL_OK && (uint64_t)limit < c.a.tokens.n) c.a.tokens.n = (size_t)limit;
    if (status == HL_OK) status = open_sessions(&c, err);
    if (status == HL_OK) status = compare_text(&c, err);
    if (status == HL_OK && hl_args_has(args, "json"))
        status = print_json(&c, most_kl, err);
    else if (status == HL_OK)
        print_text(&c);
    if (status == HL_OK && most_kl >= 0 && c.sum_kl / (double)c.n > most_kl) {
        hl_app_warn(app, "mean KL %.6g is over --max-kl %.6g", c.sum_kl / (double)c.n, most_kl);
        app->exit_code = TOO_FAR;
    }
    side_done(&c.a);
    side_done(&c.b);
    hl_host_free(c.host);
    hl_str_done(&text);
    return status;
}
