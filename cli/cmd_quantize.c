/* SPDX-License-Identifier: MIT
 *
 * cmd_quantize.c - hyperlama quantize FROM.gguf TO.gguf: write a model with smaller weights.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json_print.h"
#include "cli/term/progress.h"
#include "cli/term/say.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "hyperlama/quantize.h"

typedef struct quantizing {
    const hl_app *app;
    hl_progress   bar;
    bool          prints_steps; /* a line for each tensor */
    bool          as_json;
    size_t        n_second_best;
    char          second_best[64]; /* the first of them */
    hl_status     status;          /* of printing */
    hl_err        err;
} quantizing;

static void format_shape(const hl_quantize_step *s, char *ret, size_t cap) {
    size_t at = 0;
    ret[0] = 0;
    for (uint32_t d = 0; d < s->n_dims && at < cap; d++)
        at += (size_t)snprintf(ret + at, cap - at, "%s%" PRIu64, d ? "x" : "", s->shape[d]);
}

static hl_status print_step_json(const quantizing *q, const hl_quantize_step *s, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "tensor", s->tensor);
    hl_json_open(&j, "shape", '[');
    for (uint32_t d = 0; d < s->n_dims; d++) hl_json_add_int(&j, NULL, (int64_t)s->shape[d]);
    hl_json_close(&j, ']');
    hl_json_add_text(&j, "from", s->from_type);
    hl_json_add_text(&j, "to", s->to_type);
    hl_json_add_int(&j, "from_bytes", (int64_t)s->from_bytes);
    hl_json_add_int(&j, "to_bytes", (int64_t)s->to_bytes);
    hl_json_add_bool(&j, "weighted", s->is_weighted);
    hl_json_add_bool(&j, "second_best", s->is_second_best);
    hl_json_close(&j, '}');
    return hl_json_print(&j, q->app->out, err);
}

static bool take_step(void *user, const hl_quantize_step *s) {
    quantizing *q = user;
    if (s->is_second_best && q->n_second_best++ == 0)
        (void)snprintf(q->second_best, sizeof q->second_best, "%s", s->tensor);
    hl_progress_show(&q->bar, s->done_bytes, s->total_bytes);
    if (!q->prints_steps || q->status != HL_OK) return q->status == HL_OK;
    if (q->as_json) {
        q->status = print_step_json(q, s, &q->err);
        return q->status == HL_OK;
    }
    char shape[96], size[16];
    format_shape(s, shape, sizeof shape);
    hl_format_bytes(s->to_bytes, size);
    hl_say_line(q->app->out, "%-48s %-20s %-7s -> %-7s %8s%s%s", s->tensor, shape, s->from_type, s->to_type,
                size, s->is_weighted ? "  weighted" : "",
                s->is_second_best ? "  rows fit no smaller block" : "");
    return true;
}

static hl_status print_result_json(const hl_app *app, const hl_quantize_result *r, int64_t ns, hl_err *err) {
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_int(&j, "from_bytes", (int64_t)r->from_bytes);
    hl_json_add_int(&j, "to_bytes", (int64_t)r->to_bytes);
    hl_json_add_int(&j, "weights", (int64_t)r->n_weights);
    hl_json_add_int(&j, "tensors", (int64_t)r->n_tensors);
    hl_json_add_int(&j, "quantized", (int64_t)r->n_quantized);
    hl_json_add_int(&j, "weighted", (int64_t)r->n_weighted);
    hl_json_add_int(&j, "duration_ns", ns);
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

static hl_status report(const quantizing *q, const char *to, bool plan_only, const hl_quantize_result *r,
                        int64_t ns, hl_err *err) {
    char from_size[16], to_size[16], time[32];
    if (q->as_json) return print_result_json(q->app, r, ns, err);
    hl_format_bytes(r->from_bytes, from_size);
    hl_format_bytes(r->to_bytes, to_size);
    hl_format_duration(ns, time);
    const double bits = r->n_weights ? 8.0 * (double)r->to_bytes / (double)r->n_weights : 0.0;
    if (plan_only)
        hl_say_line(q->app->out,
                    "'%s' would have %s instead of %s, %.2f bits a weight; %zu of %zu tensors quantized", to,
                    to_size, from_size, bits, r->n_quantized, r->n_tensors);
    else
        hl_say_line(q->app->out, "wrote '%s': %s instead of %s, %.2f bits a weight; %zu of %zu tensors in %s",
                    to, to_size, from_size, bits, r->n_quantized, r->n_tensors, time);
    return HL_OK;
}

/* PATTERN=TYPE, as often as given. */
static hl_status take_rules(const hl_args *args, hl_quantize_rule **ret, size_t *ret_n, char **ret_text,
                            hl_err *err) {
    hl_str text; /* all of them, with zeros instead of the signs between */
    size_t n = 0;
    while (hl_args_many(args, "tensor-type", n)) n++;
    hl_str_init(&text, 1 << 20);
    for (size_t i = 0; i < n; i++) {
        const char *rule = hl_args_many(args, "tensor-type", i), *sign = strrchr(rule, '=');
        if (!sign || sign == rule || !sign[1]) {
            hl_str_done(&text);
            return hl_fail(err, HL_E_ARG, "--tensor-type '%.80s': expected PATTERN=TYPE, as in ffn_down=q6_k",
                           rule);
        }
        hl_str_add(&text, rule, (size_t)(sign - rule));
        hl_str_add_char(&text, 0);
        hl_str_add(&text, sign + 1, strlen(sign + 1) + 1);
    }
    hl_quantize_rule *rules = hl_new(n + 1, sizeof *rules);
    hl_str_add_char(&text, 0);
    char *at = hl_str_take(&text);
    if (!rules || !at) {
        hl_free(rules);
        hl_free(at);
        return hl_fail(err, HL_E_NOMEM, "quantize: no memory");
    }
    *ret_text = at;
    for (size_t i = 0; i < n; i++) {
        rules[i].pattern = at;
        at += strlen(at) + 1;
        rules[i].type = at;
        at += strlen(at) + 1;
    }
    *ret = rules;
    *ret_n = n;
    return HL_OK;
}

hl_status hl_cmd_quantize(hl_app *app, const hl_args *args, hl_err *err) {
    const char        *from = hl_args_at(args, 0), *to = hl_args_at(args, 1);
    const bool         quiet = hl_args_has(args, "quiet");
    hl_host           *host = NULL;
    hl_engine         *engine = NULL;
    hl_quantize_rule  *rules = NULL;
    char              *rule_text = NULL;
    quantizing         q = {.app = app, .as_json = hl_args_has(args, "json")};
    hl_quantize_result r;
    hl_quantize_params p = {.mix = hl_args_text(args, "type"),
                            .imatrix_path = hl_args_text(args, "imatrix"),
                            .requantize = hl_args_has(args, "requantize"),
                            .pure = hl_args_has(args, "pure"),
                            .replace = hl_args_has(args, "force"),
                            .plan_only = hl_args_has(args, "dry-run"),
                            .on_step = take_step,
                            .user = &q};
    if (!p.mix) p.mix = "Q4_K_M";
    q.prints_steps = p.plan_only && !quiet;
    hl_status status = take_rules(args, &rules, &p.n_rules, &rule_text, err);
    p.rules = rules;
    if (status == HL_OK) status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_engine(host, -1, &engine, err);
    const int64_t start_ns = hl_clock_ns();
    if (status == HL_OK) {
        if (!quiet && !q.prints_steps) hl_progress_begin(&q.bar, app, "quantizing");
        status = hl_quantize_file(engine, from, to, &p, &r, err);
        hl_progress_end(&q.bar);
    }
    if (q.status != HL_OK) status = hl_fail(err, q.status, "%s", q.err.text);
    if (status == HL_OK && q.n_second_best && !quiet)
        hl_app_note(app,
                    "note: rows of %zu tensors ('%s' ...) fit no block of the type that %s has for them; "
                    "they have the next larger",
                    q.n_second_best, q.second_best, p.mix);
    if (status == HL_OK && p.imatrix_path && r.n_weighted < r.n_quantized && !quiet)
        hl_app_note(app, "note: the importance matrix knows %zu of %zu tensors", r.n_weighted, r.n_quantized);
    if (status == HL_OK && !quiet) status = report(&q, to, p.plan_only, &r, hl_clock_ns() - start_ns, err);
    hl_host_free(host);
    hl_free(rules);
    hl_free(rule_text);
    return status;
}
