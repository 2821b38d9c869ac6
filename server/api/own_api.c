/* SPDX-License-Identifier: MIT
 *
 * own_api.c - hyperlama's own endpoints: health, metrics, tokenize, detokenize.
 */
#include <inttypes.h>

#include "core/base/mem.h"
#include "host/resident.h"
#include "server/completion.h"
#include "server/server_priv.h"

hl_status hl_api_health(hl_exchange *x, hl_err *err) {
    (void)err;
    hl_json_open(&x->out, NULL, '{');
    hl_json_add_text(&x->out, "status", "ok");
    hl_json_close(&x->out, '}');
    return HL_OK;
}

/* For routers and Kubernetes: should new requests come here now? */
hl_status hl_api_ready(hl_exchange *x, hl_err *err) {
    hl_server  *s = x->server;
    const char *why = NULL;
    if (__atomic_load_n(&s->is_leaving, __ATOMIC_RELAXED))
        why = "the server is stopping";
    else if (__atomic_load_n(&s->is_preloading, __ATOMIC_RELAXED))
        why = "models are being loaded (server.preload, server.pinned)";
    else if (hl_server_is_full(s))
        why = "as many requests wait as may (server.max_queue)";
    if (why) return hl_fail(err, HL_E_BUSY, "not ready: %s", why);
    return hl_api_health(x, err);
}

static void add_metric(hl_str *s, const char *name, const char *kind, const char *help, uint64_t value) {
    hl_str_add_format(s, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, kind, name, value);
}

typedef struct gauges {
    hl_str running, waiting, used;
} gauges;

static void add_resident(void *user, const hl_resident_info *r) {
    gauges *g = user;
    if (r->n_ctx == 0 && !r->is_remote) return; /* it only drafts */
    hl_metrics_write_value(&g->running, "vllm:num_requests_running", r->label, r->n_running);
    hl_metrics_write_value(&g->waiting, "vllm:num_requests_waiting", r->label, r->n_waiting);
    hl_metrics_write_value(&g->used, "vllm:kv_cache_usage_perc", r->label,
                           r->cache_bytes ? (double)r->cache_used_bytes / (double)r->cache_bytes : 0);
}

/* Those that are loaded now. */
static hl_status add_residents(hl_exchange *x, hl_err *err) {
    hl_str *s = &x->out.text;
    gauges  g;
    hl_str_init(&g.running, SIZE_MAX);
    hl_str_init(&g.waiting, SIZE_MAX);
    hl_str_init(&g.used, SIZE_MAX);
    const hl_status status = hl_host_each_resident(x->server->host, add_resident, &g, err);
    hl_metrics_write_head(s, "vllm:num_requests_running", "gauge", "answers that are computed");
    hl_str_add_view(s, hl_str_view(&g.running));
    hl_metrics_write_head(s, "vllm:num_requests_waiting", "gauge", "answers that wait their turn");
    hl_str_add_view(s, hl_str_view(&g.waiting));
    hl_metrics_write_head(s, "vllm:kv_cache_usage_perc", "gauge", "share of the KV cache in use, 0 to 1");
    hl_str_add_view(s, hl_str_view(&g.used));
    s->failed |= g.running.failed || g.waiting.failed || g.used.failed;
    hl_str_done(&g.running);
    hl_str_done(&g.waiting);
    hl_str_done(&g.used);
    return status;
}

/* from: the Prometheus text format, version 0.0.4; names: metrics.def */
hl_status hl_api_metrics(hl_exchange *x, hl_err *err) {
    const hl_server_counts *c = &x->server->counts;
    hl_str                 *s = &x->out.text;
    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
    const struct {
        const char     *name, *help;
        const uint64_t *value;
    } all[] = {
        {"hyperlama_requests_total", "HTTP requests", &c->requests},
        {"hyperlama_errors_total", "responses with a status of 400 or more", &c->errors},
        {"hyperlama_refused_total", "requests refused because too many waited", &c->refused},
        {"hyperlama_cancelled_total", "requests whose client left before the end", &c->cancelled},
        {"hyperlama_completions_total", "answers begun", &c->completions},
        {"hyperlama_embeddings_total", "vectors of texts", &c->embeddings},
        {"hyperlama_prompt_tokens_total", "tokens of prompts", &c->prompt_tokens},
        {"hyperlama_cached_tokens_total", "tokens of prompts that were not computed again",
         &c->cached_tokens},
        {"hyperlama_answer_tokens_total", "tokens of answers", &c->answer_tokens},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        add_metric(s, all[i].name, "counter", all[i].help, __atomic_load_n(all[i].value, __ATOMIC_RELAXED));
    add_metric(s, "hyperlama_waiting", "gauge",
               "requests that wait for a worker, or for a model to be loaded",
               hl_workers_n_queued(x->server->workers) + hl_workers_n_queued(x->server->long_workers) +
                   __atomic_load_n(&x->server->n_parked, __ATOMIC_RELAXED));
    hl_metrics_write(x->server->metrics, s);
    return add_residents(x, err);
}

/* The vocabulary of the model that the body names. */
static hl_status open_vocabulary(hl_exchange *x, json_t **ret_body, hl_model **ret_model, hl_err *err) {
    const char *name = "";
    hl_source  *source = NULL;
    hl_status   status = hl_exchange_read_json(x, ret_body, err);
    if (status == HL_OK) status = hl_field_text(*ret_body, "model", &name, err);
    if (status == HL_OK && !*name) status = hl_fail(err, HL_E_ARG, "model is required");
    if (status == HL_OK) status = hl_host_find_stored(x->server->host, name, HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_host_open_model(x->server->host, source, true, ret_model, err);
    if (status == HL_OK && !hl_model_tokenizer(*ret_model))
        status = hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no vocabulary", name);
    hl_source_free(source);
    return status;
}

/* {"model", "content" or "prompt", "add_special": true, "parse_special": false} -> {"tokens", "count"}
 * from: the names that llama-server and vLLM use */
hl_status hl_api_tokenize(hl_exchange *x, hl_err *err) {
    json_t   *body = NULL;
    hl_model *model = NULL;
    bool      add_special = true, parse_special = false;
    hl_tokens ids = {0};
    hl_status status = open_vocabulary(x, &body, &model, err);
    if (status == HL_OK) status = hl_field_bool(body, "add_special", &add_special, err);
    if (status == HL_OK) status = hl_field_bool(body, "parse_special", &parse_special, err);
    const json_t *text =
        json_object_get(body, "content") ? json_object_get(body, "content") : json_object_get(body, "prompt");
    if (status == HL_OK && !json_is_string(text)) status = hl_fail(err, HL_E_ARG, "content: expected a text");
    if (status == HL_OK)
        status = hl_tokenizer_encode(
            hl_model_tokenizer(model), (hl_view){json_string_value(text), json_string_length(text)},
            (add_special ? HL_TOKENIZE_BOS_EOS : 0U) | (parse_special ? HL_TOKENIZE_SPECIAL : 0U), &ids, err);
    if (status == HL_OK) {
        hl_json_open(&x->out, NULL, '{');
        hl_json_open(&x->out, "tokens", '[');
        for (size_t i = 0; i < ids.n; i++) hl_json_add_int(&x->out, NULL, ids.ids[i]);
        hl_json_close(&x->out, ']');
        hl_json_add_int(&x->out, "count", (int64_t)ids.n);
        hl_json_close(&x->out, '}');
    }
    hl_tokens_done(&ids);
    hl_model_close(model);
    json_decref(body);
    return status;
}

static hl_status add_tokens(hl_detokenizer *d, const hl_tokenizer *t, const json_t *tokens, char *buf,
                            size_t cap, hl_str *text, hl_err *err) {
    size_t        i;
    const json_t *id;
    json_array_foreach(tokens, i, id) {
        const json_int_t n = json_is_integer(id) ? json_integer_value(id) : -1;
        if (n < 0 || n >= hl_tokenizer_n_vocab(t))
            return hl_fail(err, HL_E_ARG, "tokens[%zu]: expected a token of 0..%d", i,
                           (int)hl_tokenizer_n_vocab(t) - 1);
        hl_str_add(text, buf, hl_detokenizer_feed(d, (int32_t)n, buf, cap));
    }
    hl_str_add(text, buf, hl_detokenizer_finish(d, buf, cap));
    return hl_str_check(text, "text", err);
}

static hl_status detokenize(hl_exchange *x, const hl_tokenizer *t, const json_t *tokens, hl_err *err) {
    hl_detokenizer *d = NULL;
    const size_t    cap = hl_tokenizer_max_piece_bytes(t);
    char           *buf = hl_new(cap, 1);
    hl_str          text;
    hl_status       status = buf ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
    hl_str_init(&text, SIZE_MAX);
    if (status == HL_OK) status = hl_detokenizer_new(t, true, &d, err);
    if (status == HL_OK) status = add_tokens(d, t, tokens, buf, cap, &text, err);
    if (status == HL_OK) {
        hl_json_open(&x->out, NULL, '{');
        hl_json_add_view(&x->out, "content", hl_str_view(&text));
        hl_json_close(&x->out, '}');
    }
    hl_detokenizer_free(d);
    hl_str_done(&text);
    hl_free(buf);
    return status;
}

hl_status hl_api_detokenize(hl_exchange *x, hl_err *err) {
    json_t       *body = NULL;
    hl_model     *model = NULL;
    const json_t *tokens = NULL;
    hl_status     status = open_vocabulary(x, &body, &model, err);
    if (status == HL_OK) status = hl_field_list(body, "tokens", &tokens, err);
    if (status == HL_OK) status = detokenize(x, hl_model_tokenizer(model), tokens, err);
    hl_model_close(model);
    json_decref(body);
    return status;
}
