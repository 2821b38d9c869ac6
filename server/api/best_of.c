/* SPDX-License-Identifier: MIT
 *
 * best_of.c - best_of answers are made as rows of the same passes, and the best n are handed out.
 *
 * Each answer has a weight: 0 or 1 by validity, the number of answers that say the same by vote, none by
 * logprob. Among equal weights the mean of the tokens' logprobs decides, and after that who came first.
 */
#include "server/api/best_of.h"

#include <math.h>
#include <string.h>

#include "core/data/json.h"
#include "server/tool_calls.h"

hl_status hl_best_of_take(hl_completion *c, int64_t n, int64_t most, int64_t *ret_n_each, hl_err *err) {
    const char *by = NULL;
    *ret_n_each = n;
    hl_status status = hl_field_int(c->body, "best_of", 1, most, ret_n_each, err);
    if (status == HL_OK) status = hl_field_text(c->body, "best_of_by", &by, err);
    if (status != HL_OK) return status;
    if (by && !json_is_integer(json_object_get(c->body, "best_of")))
        return hl_fail(err, HL_E_ARG, "best_of_by: expected best_of with it, the number of answers to make");
    if (*ret_n_each < n)
        return hl_fail(err, HL_E_ARG, "best_of: %d, expected at least n = %d", (int)*ret_n_each, (int)n);
    if (*ret_n_each > n && c->is_stream)
        return hl_fail(err, HL_E_ARG, "best_of: a stream cannot wait for the best answer; expected n = %d",
                       (int)n);
    if (*ret_n_each == n) return HL_OK; /* all are handed out */
    c->n_best = (size_t)n;
    c->request.want_logprobs = true;
    if (by && strcmp(by, "valid") == 0) c->best_by = HL_BEST_BY_VALID;
    if (by && strcmp(by, "vote") == 0) c->best_by = HL_BEST_BY_VOTE;
    return HL_OK;
}

/* It came to its own end, and is all of what the format asks for: a stop string may have cut it, and an
 * engine elsewhere may know of no formats. */
static bool is_valid(const hl_completion *c, const hl_choice *k) {
    const hl_format_kind kind = c->request.format.kind;
    json_t              *value = NULL;
    hl_err               err = {0};
    if (hl_completion_reason(k) == HL_REASON_LENGTH) return false;
    if (kind == HL_FORMAT_NONE || k->n_calls > 0) return true;
    if (k->usage.stop_number > 0) return false;
    if (kind != HL_FORMAT_JSON && kind != HL_FORMAT_SCHEMA) return true;
    if (hl_json_parse_any(hl_str_view(&k->said), "answer", &value, &err) != HL_OK) return false;
    const bool is_right = kind == HL_FORMAT_SCHEMA || json_is_object(value);
    json_decref(value);
    return is_right;
}

/* The same text, but for white space around it, and the same calls; what was thought does not matter. */
static bool say_the_same(const hl_choice *a, const hl_choice *b) {
    if (a->n_calls != b->n_calls ||
        !hl_view_eq(hl_view_trim(hl_str_view(&a->said)), hl_view_trim(hl_str_view(&b->said))))
        return false;
    for (size_t i = 0; i < a->n_calls; i++)
        if (!hl_view_eq(hl_str_view(&a->calls[i].name), hl_str_view(&b->calls[i].name)) ||
            !hl_view_eq(hl_str_view(&a->calls[i].arguments), hl_str_view(&b->calls[i].arguments)))
            return false;
    return true;
}

void hl_best_of_weigh(const hl_completion *c, hl_choice *of_prompt, size_t n) {
    for (size_t i = 0; i < n; i++) {
        hl_choice *k = &of_prompt[i];
        k->weight = c->best_by == HL_BEST_BY_VALID && is_valid(c, k);
        for (size_t other = 0; c->best_by == HL_BEST_BY_VOTE && other < n; other++)
            k->weight += say_the_same(k, &of_prompt[other]);
    }
}

/* The mean of its tokens' log probabilities; an answer that ended at once has none, and is nobody's best. */
static double score(const hl_choice *k) {
    return k->n_scored > 0 ? k->sum_logprob / (double)k->n_scored : -INFINITY;
}

static bool is_better(const hl_choice *a, const hl_choice *b) {
    return a->weight != b->weight ? a->weight > b->weight : score(a) > score(b);
}

hl_choice *hl_best_of_choose(const hl_completion *c, hl_choice *of_prompt, size_t n) {
    hl_choice *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (!of_prompt[i].was_chosen && (!best || is_better(&of_prompt[i], best))) best = &of_prompt[i];
    if (!best) return NULL;
    best->was_chosen = true;
    /* what was voted for is handed out once, while there is something else */
    for (size_t i = 0; c->best_by == HL_BEST_BY_VOTE && i < n; i++)
        if (say_the_same(best, &of_prompt[i])) of_prompt[i].weight = 0;
    return best;
}
