/* SPDX-License-Identifier: MIT
 *
 * rerank.c - POST /v1/rerank and its other names: documents by how well they answer a question.
 *
 * from: the forms of Jina, Cohere, vLLM, llama-server and TEI (August 2026), in one answer that all of their
 * clients can read; who says `texts` gets TEI's bare list
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"

typedef struct ranking {
    hl_completion  *c;
    hl_embed_input *pairs; /* [n] texts belong to the body */
    size_t          n, n_top;
    bool            is_tei, returns_text;
    hl_embeddings   got;
    struct ranked {
        size_t i;
        float  score;
    } * order; /* [n] best first */
} ranking;

static void ranking_done(ranking *r) {
    hl_embeddings_done(&r->got);
    hl_free(r->pairs);
    hl_free(r->order);
}

/* ---- what is asked ---- */

/* A text, or an object with one. */
static hl_status take_document(const json_t *v, const char *list, size_t i, hl_view query,
                               hl_embed_input *ret, hl_err *err) {
    const json_t *text = json_is_object(v) ? json_object_get(v, "text") : v;
    if (!json_is_string(text))
        return hl_fail(err, HL_E_ARG, "%s[%zu]: expected a text, or an object with a text in 'text'", list,
                       i);
    *ret = (hl_embed_input){.text = query, .document = {json_string_value(text), json_string_length(text)}};
    return HL_OK;
}

static hl_status take_documents(ranking *r, hl_err *err) {
    const json_t *body = r->c->body, *all = json_object_get(body, "documents");
    hl_view       query = {0};
    hl_status     status = hl_field_view(body, "query", &query, err);
    r->is_tei = !json_is_array(all) && json_is_array(json_object_get(body, "texts"));
    const char *list = r->is_tei ? "texts" : "documents";
    if (r->is_tei) all = json_object_get(body, list);
    if (status == HL_OK && query.len == 0)
        status = hl_fail(err, HL_E_ARG, "query: expected a text, and not an empty one");
    if (status == HL_OK && json_array_size(all) == 0)
        status = hl_fail(err, HL_E_ARG, "documents: expected a list of texts, and not an empty one");
    if (status != HL_OK) return status;
    r->n = json_array_size(all);
    r->pairs = hl_new(r->n, sizeof *r->pairs);
    r->order = hl_new(r->n, sizeof *r->order);
    if (!r->pairs || !r->order) return hl_fail(err, HL_E_NOMEM, "server: no memory");
    for (size_t i = 0; i < r->n && status == HL_OK; i++)
        status = take_document(json_array_get(all, i), list, i, query, &r->pairs[i], err);
    return status;
}

static hl_status take_fields(ranking *r, bool *ret_truncates, hl_err *err) {
    const json_t *body = r->c->body;
    int64_t       n = 0;
    bool          more = false;
    hl_status     status = hl_field_int(body, "top_n", 0, INT32_MAX, &n, err);
    if (status == HL_OK) status = hl_field_bool(body, "return_documents", &r->returns_text, err);
    if (status == HL_OK) status = hl_field_bool(body, "return_text", &more, err);
    if (status == HL_OK) status = hl_field_bool(body, "truncate", ret_truncates, err);
    r->returns_text = r->returns_text || more;
    r->n_top = n > 0 && (size_t)n < r->n ? (size_t)n : r->n;
    return status;
}

/* ---- what comes of it ---- */

/* Best first; of equal ones the earlier. */
static int compare(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static hl_status rank(ranking *r, bool truncates, hl_err *err) {
    hl_completion         *c = r->c;
    hl_exchange           *x = c->x;
    const hl_embed_request q = {.inputs = r->pairs,
                                .n_inputs = r->n,
                                .ranks = true,
                                .truncates = truncates,
                                .n_ctx = c->request.n_ctx};
    hl_status              status = hl_completion_load(c, err);
    if (status == HL_OK) status = hl_runner_embed(hl_resident_runner(c->resident), &q, &r->got, err);
    const int64_t sum = r->got.sum_tokens;
    const int32_t n_tokens = (int32_t)(sum < INT32_MAX ? sum : INT32_MAX);
    if (status == HL_E_FULL) {
        x->overflow_tokens = n_tokens;
        x->overflow_ctx = r->got.n_ctx;
    }
    if (status != HL_OK) return status;
    c->has_begun = true; /* the model was used */
    c->prompt_tokens = n_tokens;
    if (r->got.n_truncated > 0)
        hl_event(x->server->events, HL_LOG_WARN, "server", "inputs-cut", "id=%s inputs=%zu ctx=%d", x->id,
                 r->got.n_truncated, (int)r->got.n_ctx);
    (void)__atomic_fetch_add(&x->server->counts.prompt_tokens, (uint64_t)sum, __ATOMIC_RELAXED);
    for (size_t i = 0; i < r->n; i++) r->order[i] = (struct ranked){i, r->got.values[i]};
    qsort(r->order, r->n, sizeof *r->order, compare);
    return HL_OK;
}

static void write_result(const ranking *r, size_t k) {
    hl_json_out  *j = &r->c->x->out;
    const hl_view text = r->pairs[r->order[k].i].document;
    hl_json_open(j, NULL, '{');
    hl_json_add_int(j, "index", (int64_t)r->order[k].i);
    hl_json_add_f32(j, r->is_tei ? "score" : "relevance_score", r->order[k].score);
    if (r->returns_text && r->is_tei) {
        hl_json_add_view(j, "text", text);
    } else if (r->returns_text) {
        hl_json_open(j, "document", '{');
        hl_json_add_view(j, "text", text);
        hl_json_close(j, '}');
    }
    hl_json_close(j, '}');
}

static void write_answer(const ranking *r) {
    hl_json_out *j = &r->c->x->out;
    if (!r->is_tei) {
        hl_json_open(j, NULL, '{');
        hl_json_add_text(j, "id", r->c->x->id);
        hl_json_add_text(j, "object", "list");
        hl_json_add_text(j, "model", r->c->model);
    }
    hl_json_open(j, r->is_tei ? NULL : "results", '[');
    for (size_t k = 0; k < r->n_top; k++) write_result(r, k);
    hl_json_close(j, ']');
    if (r->is_tei) return;
    hl_json_open(j, "usage", '{');
    hl_json_add_int(j, "prompt_tokens", r->got.sum_tokens);
    hl_json_add_int(j, "total_tokens", r->got.sum_tokens);
    hl_json_close(j, '}');
    hl_json_close(j, '}');
}

hl_status hl_api_rerank(hl_exchange *x, hl_err *err) {
    ranking   r = {.c = NULL};
    json_t   *body = NULL;
    bool      truncates = true;
    hl_status status = hl_exchange_read_json(x, &body, err);
    if (status == HL_OK) status = hl_completion_new(x, NULL, body, &r.c, err);
    if (status == HL_OK) status = hl_completion_open(r.c, err);
    if (status == HL_OK) status = hl_keep_alive_read(json_object_get(body, "keep_alive"), &r.c->keep_ms, err);
    if (status == HL_OK) status = take_documents(&r, err);
    if (status == HL_OK) status = take_fields(&r, &truncates, err);
    if (status == HL_OK) status = rank(&r, truncates, err);
    if (status == HL_OK) write_answer(&r);
    ranking_done(&r);
    return status;
}
