/* SPDX-License-Identifier: MIT
 *
 * embeddings.c - POST /api/embed, /api/embeddings (as it was once) and /v1/embeddings: texts to vectors.
 *
 * from: Ollama 0.33 (api/types.go, server/routes.go), OpenAI's API reference and the types of its clients
 * (August 2026), which ask for base64 where their caller says nothing
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/data/base64.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"

/* What is to be embedded; texts belong to the body. */
typedef struct inputs {
    hl_embed_input *all; /* [n] */
    size_t          n;
    int32_t        *ids; /* of all lists of tokens, one behind the other */
} inputs;

static void inputs_done(inputs *in) {
    hl_free(in->all);
    hl_free(in->ids);
}

/* ---- Input ---- */

static hl_status take_text(const json_t *v, size_t i, hl_embed_input *ret, hl_err *err) {
    if (!json_is_string(v)) return hl_fail(err, HL_E_ARG, "input[%zu]: expected a text", i);
    ret->text = (hl_view){json_string_value(v), json_string_length(v)};
    return HL_OK;
}

static hl_status take_ids(const json_t *list, size_t i, int32_t *ids, hl_embed_input *ret, hl_err *err) {
    size_t        k;
    const json_t *id;
    json_array_foreach(list, k, id) {
        const json_int_t n = json_is_integer(id) ? json_integer_value(id) : -1;
        if (n < 0 || n > INT32_MAX)
            return hl_fail(err, HL_E_ARG, "input[%zu]: [%zu]: expected a number of a token", i, k);
        ids[k] = (int32_t)n;
    }
    *ret = (hl_embed_input){.tokens = ids, .n_tokens = k};
    return HL_OK;
}

static hl_status reserve(inputs *in, size_t n, size_t n_ids, hl_err *err) {
    in->n = n;
    in->all = hl_new(n, sizeof *in->all);
    in->ids = hl_new(n_ids, sizeof *in->ids);
    return in->all && in->ids ? HL_OK : hl_fail(err, HL_E_NOMEM, "server: no memory");
}

/* A text, or a list of texts. */
static hl_status take_texts(const json_t *v, inputs *ret, hl_err *err) {
    const bool is_list = json_is_array(v);
    hl_status  status = HL_OK;
    if (!is_list && !json_is_string(v))
        return hl_fail(err, HL_E_ARG, "input: expected a text, or a list of texts");
    status = reserve(ret, is_list ? json_array_size(v) : 1, 0, err);
    for (size_t i = 0; status == HL_OK && i < ret->n; i++)
        status = take_text(is_list ? json_array_get(v, i) : v, i, &ret->all[i], err);
    return status;
}

/* Tokens, or a list of lists of tokens: ids of this model's vocabulary. */
static hl_status take_lists(const json_t *v, inputs *ret, hl_err *err) {
    const bool is_one = json_is_number(json_array_get(v, 0));
    size_t     n_ids = is_one ? json_array_size(v) : 0;
    for (size_t i = 0; !is_one && i < json_array_size(v); i++) n_ids += json_array_size(json_array_get(v, i));
    hl_status status = reserve(ret, is_one ? 1 : json_array_size(v), n_ids, err);
    int32_t  *ids = ret->ids;
    for (size_t i = 0; status == HL_OK && i < ret->n; i++) {
        const json_t *list = is_one ? v : json_array_get(v, i);
        if (!json_is_array(list)) return hl_fail(err, HL_E_ARG, "input[%zu]: expected a list of tokens", i);
        status = take_ids(list, i, ids, &ret->all[i], err);
        ids += json_array_size(list);
    }
    return status;
}

/* ---- The work ---- */

static hl_status open_embedding(hl_exchange *x, hl_completion **ret, hl_err *err) {
    json_t       *body = NULL;
    const json_t *options = NULL;
    hl_status     status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, NULL, body, ret, err);
    if (status == HL_OK) status = hl_completion_open(*ret, err);
    if (status == HL_OK) status = hl_field_object(body, "options", &options, err);
    if (status == HL_OK) status = hl_completion_set_all(*ret, options, err);
    if (status == HL_OK)
        status = hl_keep_alive_read(json_object_get(body, "keep_alive"), &(*ret)->keep_ms, err);
    return status;
}

static hl_status take_dimensions(const hl_completion *c, hl_embed_request *r, hl_err *err) {
    int64_t         n = 0;
    const hl_status status = hl_field_int(c->body, "dimensions", 0, INT32_MAX, &n, err);
    r->dimensions = (int32_t)n;
    return status;
}

/* Loads the model, also where there is nothing to embed. */
static hl_status embed(hl_completion *c, const inputs *in, hl_embed_request *r, hl_embeddings *ret,
                       hl_err *err) {
    hl_exchange *x = c->x;
    hl_status    status = hl_completion_load(c, err);
    if (status != HL_OK) return status;
    r->inputs = in->all;
    r->n_inputs = in->n;
    r->n_ctx = c->request.n_ctx;
    status = hl_runner_embed(hl_resident_runner(c->resident), r, ret, err);
    x->refusal = ret->refusal;
    if (status == HL_E_FULL) {
        x->overflow_tokens = (int32_t)(ret->sum_tokens < INT32_MAX ? ret->sum_tokens : INT32_MAX);
        x->overflow_ctx = ret->n_ctx;
    }
    if (status != HL_OK) return status;
    c->has_begun = true; /* the model was used */
    c->prompt_tokens = (int32_t)(ret->sum_tokens < INT32_MAX ? ret->sum_tokens : INT32_MAX);
    if (ret->n_truncated > 0)
        hl_event(x->server->events, HL_LOG_WARN, "server", "inputs-cut", "id=%s inputs=%zu ctx=%d", x->id,
                 ret->n_truncated, (int)ret->n_ctx);
    (void)__atomic_fetch_add(&x->server->counts.embeddings, ret->n_rows, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&x->server->counts.prompt_tokens, (uint64_t)ret->sum_tokens, __ATOMIC_RELAXED);
    return HL_OK;
}

static void add_vector(hl_json_out *j, const char *key, const hl_embeddings *e, size_t i_row) {
    const float *v = e->values + i_row * e->n_dims;
    hl_json_open(j, key, '[');
    for (size_t k = 0; k < e->n_dims; k++) hl_json_add_f32(j, NULL, v[k]);
    hl_json_close(j, ']');
}

/* ---- Ollama's ---- */

static void write_embed(const hl_completion *c, const hl_embeddings *e) {
    hl_json_out *j = &c->x->out;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "model", c->model);
    hl_json_open(j, "embeddings", '[');
    for (size_t i = 0; i < e->n_rows; i++) add_vector(j, NULL, e, i);
    hl_json_close(j, ']');
    hl_json_add_int(j, "total_duration", hl_completion_total_ns(c));
    hl_json_add_int(j, "load_duration", c->load_ns);
    hl_json_add_int(j, "prompt_eval_count", e->sum_tokens);
    if (e->n_truncated > 0) hl_json_add_int(j, "inputs_truncated", (int64_t)e->n_truncated);
    hl_json_close(j, '}');
}

/* No input, "" and [] load the model. */
static bool is_nothing(const json_t *v) {
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0);
}

hl_status hl_api_embed(hl_exchange *x, hl_err *err) {
    hl_completion   *c = NULL;
    inputs           in = {0};
    hl_embed_request r = {.truncates = true};
    hl_embeddings    e = {0};
    hl_status        status = open_embedding(x, &c, err);
    const json_t    *v = status == HL_OK ? json_object_get(c->body, "input") : NULL;
    if (status == HL_OK) status = hl_field_bool(c->body, "truncate", &r.truncates, err);
    if (status == HL_OK) status = take_dimensions(c, &r, err);
    if (status == HL_OK && !is_nothing(v)) status = take_texts(v, &in, err);
    if (status == HL_OK) status = embed(c, &in, &r, &e, err);
    if (status == HL_OK) write_embed(c, &e);
    hl_embeddings_done(&e);
    inputs_done(&in);
    return status;
}

/* One text, and the vector as long as the model makes it. */
hl_status hl_api_embeddings(hl_exchange *x, hl_err *err) {
    hl_completion   *c = NULL;
    hl_view          prompt = {0};
    hl_embed_input   one = {0};
    hl_embed_request r = {.keeps_length = true};
    hl_embeddings    e = {0};
    hl_status        status = open_embedding(x, &c, err);
    if (status == HL_OK) status = hl_field_view(c->body, "prompt", &prompt, err);
    one.text = prompt;
    if (status == HL_OK) status = embed(c, &(inputs){.all = &one, .n = prompt.len > 0}, &r, &e, err);
    if (status == HL_OK) {
        hl_json_open(&x->out, NULL, '{');
        if (e.n_rows > 0)
            add_vector(&x->out, "embedding", &e, 0);
        else
            hl_json_add_raw(&x->out, "embedding", "[]");
        hl_json_close(&x->out, '}');
    }
    hl_embeddings_done(&e);
    return status;
}

/* ---- OpenAI's ---- */

static void add_base64(hl_json_out *j, const hl_embeddings *e, size_t i_row) {
    hl_json_add_raw(j, "embedding", "\"");
    hl_str_add_base64(&j->text, e->values + i_row * e->n_dims, e->n_dims * sizeof(float));
    hl_str_add_char(&j->text, '"');
}

static void write_list(const hl_completion *c, const hl_embeddings *e, bool as_base64) {
    hl_json_out *j = &c->x->out;
    hl_json_open(j, NULL, '{');
    hl_json_add_text(j, "object", "list");
    hl_json_open(j, "data", '[');
    for (size_t i = 0; i < e->n_rows; i++) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "object", "embedding");
        hl_json_add_int(j, "index", (int64_t)i);
        if (as_base64)
            add_base64(j, e, i);
        else
            add_vector(j, "embedding", e, i);
        hl_json_close(j, '}');
    }
    hl_json_close(j, ']');
    hl_json_add_text(j, "model", c->model);
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "prompt_tokens", e->sum_tokens);
    hl_json_add_int(j, "total_tokens", e->sum_tokens);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

/* Empty ones are refused, as OpenAI does it. */
static hl_status take_openai_input(const hl_completion *c, inputs *ret, hl_err *err) {
    const json_t *v = json_object_get(c->body, "input"), *first = json_array_get(v, 0);
    const bool    is_text = json_is_string(v) || json_is_string(first);
    if (is_nothing(v) || (json_is_array(v) && !first))
        return hl_fail(err, HL_E_ARG,
                       "input: expected a text, tokens, or a list of them, and not an empty one");
    const hl_status status = is_text || !first ? take_texts(v, ret, err) : take_lists(v, ret, err);
    for (size_t i = 0; status == HL_OK && i < ret->n; i++)
        if (ret->all[i].text.len == 0 && ret->all[i].n_tokens == 0)
            return hl_fail(err, HL_E_ARG, "input[%zu] is empty", i);
    return status;
}

hl_status hl_api_openai_embeddings(hl_exchange *x, hl_err *err) {
    hl_completion   *c = NULL;
    inputs           in = {0};
    hl_embed_request r = {0};
    hl_embeddings    e = {0};
    const char      *format = "float";
    hl_status        status = open_embedding(x, &c, err);
    if (status == HL_OK) status = hl_field_text(c->body, "encoding_format", &format, err);
    if (status == HL_OK) status = hl_field_bool(c->body, "truncate", &r.truncates, err);
    if (status == HL_OK) status = take_dimensions(c, &r, err);
    if (status == HL_OK) status = take_openai_input(c, &in, err);
    if (status == HL_OK) status = embed(c, &in, &r, &e, err);
    if (status == HL_OK) write_list(c, &e, strcmp(format, "base64") == 0);
    hl_embeddings_done(&e);
    inputs_done(&in);
    return status;
}
