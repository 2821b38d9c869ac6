/* SPDX-License-Identifier: MIT
 *
 * cmd_bench.c - hyperlama bench MODEL: how fast it reads a prompt and writes an answer here.
 *
 * Token ids are pseudo-random but always the same: speed does not depend on what the text says. Every run starts from
 * the same depth; one run before the first is not counted; the median counts.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/json_out.h"
#include "cli/machine.h"
#include "cli/term/progress.h"
#include "core/base/clock.h"
#include "core/base/mem.h"

typedef struct bench {
    const hl_app *app;
    hl_session   *session;
    int32_t       n_vocab;
    size_t        n_prompt, n_generate, n_depth, n_runs;
    int32_t      *tokens;  /* [n_depth + n_prompt + n_generate] */
    double       *prefill; /* [n_runs] tokens/s */
    double       *decode;  /* [n_runs] tokens/s */
    double       *first_ms; /* [n_runs] the prompt and one token more */
} bench;

static void fill_tokens(bench *b, size_t n) {
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
        b->tokens[i] = (int32_t)((state >> 33) % (uint64_t)b->n_vocab);
    }
}

/* One run: the prompt in one go, then tokens one by one. */
static hl_status run_once(bench *b, size_t i_run, hl_err *err) {
    const int32_t *prompt = b->tokens + b->n_depth, *answer = prompt + b->n_prompt;
    hl_status      status = HL_OK;
    hl_session_truncate(b->session, (int32_t)b->n_depth);
    const int64_t start_ns = hl_clock_ns();
    if (b->n_prompt > 0) status = hl_session_eval(b->session, prompt, b->n_prompt, err);
    const int64_t middle_ns = hl_clock_ns();
    int64_t       first_ns = middle_ns;
    for (size_t i = 0; i < b->n_generate && status == HL_OK; i++) {
        if (hl_signal.stop) return hl_fail(err, HL_E_CANCEL, "stopped");
        status = hl_session_eval(b->session, answer + i, 1, err);
        if (i == 0) first_ns = hl_clock_ns();
    }
    if (status != HL_OK) return status;
    const int64_t end_ns = hl_clock_ns();
    b->prefill[i_run] = (double)b->n_prompt * 1e9 / (double)(middle_ns - start_ns + 1);
    b->decode[i_run] = (double)b->n_generate * 1e9 / (double)(end_ns - middle_ns + 1);
    b->first_ms[i_run] = (double)(first_ns - start_ns) / 1e6;
    return HL_OK;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts them. */
static double median(double *values, size_t n) {
    qsort(values, n, sizeof *values, compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static hl_status run_all(bench *b, hl_err *err) {
    hl_progress bar;
    hl_status   status = HL_OK;
    hl_progress_begin(&bar, b->app, "measuring");
    if (b->n_depth > 0) status = hl_session_eval(b->session, b->tokens, b->n_depth, err);
    if (status == HL_OK) status = run_once(b, 0, err); /* warms caches; overwritten below */
    for (size_t i = 0; i < b->n_runs && status == HL_OK; i++) {
        status = run_once(b, i, err);
        hl_progress_show(&bar, i + 1, b->n_runs);
    }
    hl_progress_end(&bar);
    return status;
}

typedef struct summary {
    double prefill, prefill_min, prefill_max, decode, decode_min, decode_max, first_ms, decode_gb_s;
} summary;

static void summarize(bench *b, const hl_model_info *info, summary *s) {
    s->prefill = median(b->prefill, b->n_runs);
    s->decode = median(b->decode, b->n_runs);
    s->first_ms = median(b->first_ms, b->n_runs);
    s->prefill_min = b->prefill[0];
    s->prefill_max = b->prefill[b->n_runs - 1];
    s->decode_min = b->decode[0];
    s->decode_max = b->decode[b->n_runs - 1];
    s->decode_gb_s = s->decode * (double)info->weight_bytes_per_token / 1e9;
}

static void print_text(const bench *b, const summary *s, const char *label, const hl_model_info *info, int32_t n_threads) {
    char size[16];
    hl_format_bytes(info->file_bytes, size);
    fprintf(b->app->out, "%s (%s, %s, %s), %d threads, depth %zu, median of %zu\n", label, info->arch, info->file_type, size,
            (int)n_threads, b->n_depth, b->n_runs);
    if (b->n_prompt > 0)
        fprintf(b->app->out, "prefill %5zu  %10.1f tokens/s  (%.1f .. %.1f)\n", b->n_prompt, s->prefill, s->prefill_min,
                s->prefill_max);
    if (b->n_generate > 0)
        fprintf(b->app->out, "decode  %5zu  %10.1f tokens/s  (%.1f .. %.1f)  %.1f GB/s of weights\n", b->n_generate, s->decode,
                s->decode_min, s->decode_max, s->decode_gb_s);
    if (b->n_prompt > 0 && b->n_generate > 0) fprintf(b->app->out, "first token    %10.1f ms\n", s->first_ms);
}

static hl_status print_json(const bench *b, const summary *s, const char *label, const hl_model_info *info,
                            int32_t n_threads, hl_err *err) {
    hl_machine  m;
    hl_json_out j;
    hl_machine_init(&m);
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_text(&j, "model", label);
    hl_json_add_text(&j, "architecture", info->arch);
    hl_json_add_text(&j, "quantization", info->file_type);
    hl_json_add_int(&j, "file_bytes", (int64_t)info->file_bytes);
    hl_json_add_text(&j, "cpu", m.cpu);
    hl_json_add_int(&j, "threads", n_threads);
    hl_json_add_int(&j, "depth", (int64_t)b->n_depth);
    hl_json_add_int(&j, "runs", (int64_t)b->n_runs);
    hl_json_add_int(&j, "prompt_tokens", (int64_t)b->n_prompt);
    hl_json_add_int(&j, "generated_tokens", (int64_t)b->n_generate);
    hl_json_add_real(&j, "prefill_tokens_per_s", s->prefill);
    hl_json_add_real(&j, "decode_tokens_per_s", s->decode);
    hl_json_add_real(&j, "decode_gb_per_s", s->decode_gb_s);
    hl_json_add_real(&j, "first_token_ms", s->first_ms);
    hl_json_close(&j, '}');
    return hl_json_print(&j, b->app->out, err);
}

static hl_status save(const bench *b, const summary *s, hl_host *host, const hl_source *source, hl_err *err) {
    hl_machine m;
    hl_store  *store = NULL;
    hl_machine_init(&m);
    const hl_bench_result base = {.machine = m.host,
                                  .cpu = m.cpu,
                                  .build = "hyperlama " HL_VERSION,
                                  .commit = "",
                                  .date_ms = hl_clock_wall_ms(),
                                  .model = source->label,
                                  .digest = source->stored ? source->stored->entry.digest : ""};
    hl_bench_result       rows[2] = {base, base};
    rows[0].metric = "prefill";
    rows[0].n = (int64_t)b->n_prompt;
    rows[0].value = s->prefill;
    rows[0].unit = "tokens/s";
    rows[1].metric = "decode";
    rows[1].n = (int64_t)b->n_generate;
    rows[1].value = s->decode;
    rows[1].unit = "tokens/s";
    const hl_status status = hl_host_store(host, &store, err);
    return status == HL_OK ? hl_store_add_results(store, rows, 2, err) : status;
}

static hl_status prepare(bench *b, hl_host *host, hl_model *model, hl_err *err) {
    const size_t      n = b->n_depth + b->n_prompt + b->n_generate;
    hl_session_params p;
    hl_model_info     info;
    hl_model_get_info(model, &info);
    hl_host_session_params(host, NULL, &p);
    if (p.n_ctx < (int32_t)n) p.n_ctx = (int32_t)n;
    b->n_vocab = info.n_vocab;
    b->tokens = hl_new(n + 1, sizeof *b->tokens);
    b->prefill = hl_new(b->n_runs, sizeof *b->prefill);
    b->decode = hl_new(b->n_runs, sizeof *b->decode);
    b->first_ms = hl_new(b->n_runs, sizeof *b->first_ms);
    if (!b->tokens || !b->prefill || !b->decode || !b->first_ms) return hl_fail(err, HL_E_NOMEM, "bench: no memory");
    if (n == 0 || b->n_vocab < 1) return hl_fail(err, HL_E_ARG, "bench: nothing to measure");
    fill_tokens(b, n);
    return hl_session_new(model, &p, &b->session, err);
}

hl_status hl_cmd_bench(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host      *host = NULL;
    hl_source    *source = NULL;
    hl_engine    *engine = NULL;
    hl_model     *model = NULL;
    hl_model_info info;
    summary       sum;
    bench         b = {.app = app,
                       .n_prompt = (size_t)hl_args_int(args, "prompt", 512),
                       .n_generate = (size_t)hl_args_int(args, "generate", 64),
                       .n_depth = (size_t)hl_args_int(args, "depth", 0),
                       .n_runs = (size_t)hl_args_int(args, "runs", 3)};
    hl_status     status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_host_engine(host, -1, &engine, err);
    if (status == HL_OK) status = hl_model_open(engine, source->paths, source->n_paths, NULL, &model, err);
    if (status == HL_OK) status = prepare(&b, host, model, err);
    if (status == HL_OK) status = run_all(&b, err);
    if (status == HL_OK) {
        hl_model_get_info(model, &info);
        summarize(&b, &info, &sum);
        if (hl_args_has(args, "save")) status = save(&b, &sum, host, source, err);
    }
    if (status == HL_OK) {
        if (hl_args_has(args, "json"))
            status = print_json(&b, &sum, source->label, &info, hl_engine_n_threads(engine), err);
        else
            print_text(&b, &sum, source->label, &info, hl_engine_n_threads(engine));
    }
    hl_session_free(b.session);
    hl_free(b.tokens);
    hl_free(b.prefill);
    hl_free(b.decode);
    hl_free(b.first_ms);
    hl_model_close(model);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
