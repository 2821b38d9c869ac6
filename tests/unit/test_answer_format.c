/* SPDX-License-Identifier: MIT
 *
 * test_answer_format.c - answers of a model keep to a format: behind reasoning, with drafts, to the end.
 */
#include "tests/need.h"

#include "hyperlama/native.h"
#include "tests/unit/chain_fixture.h"

#define OPENED "{{ messages[0].content }}<think>{{ '\n' }}"
#define PLAIN  "{{ messages[0].content }}{{ '\n' }}"
static const char schema[] = "{\"const\":{\"alphabet\":1}}";
static const char answer[] = "{\"alphabet\":1}";

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} loaded;

/* It says what `words` says, and behind them the answer, where it may choose. */
static loaded load(const char *template_text, const char *words, hl_speculate speculate) {
    char         path[] = "/tmp/hl_format_XXXXXX";
    chain_model *c = chain_new(template_text);
    loaded       l = {0};
    hl_err       err = {0};
    int          last = '\n';
    make_scratch(path);
    for (const char *at = words; *at; at++) last = c->next[last] = *at;
    c->next[last] = '{';
    c->next['>'] = '{';
    c->next['{'] = '"';
    c->next[':'] = '1';
    c->next['1'] = '}';
    hl_status status = chain_save(c, path, &err);
    if (status == HL_OK)
        status = hl_engine_new(&(hl_engine_params){.n_threads = 1, .cpu = test_cpu()}, &l.e, &err);
    if (status == HL_OK) status = hl_model_open(l.e, (const char *[]){path}, 1, NULL, &l.m, &err);
    const hl_runner_params p = {.sched = {.speculate = speculate}};
    if (status == HL_OK) status = hl_runner_new(l.m, &p, &l.r, &err);
    (void)unlink(path);
    if (status != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_runner_free(l.r);
    hl_model_close(l.m);
    hl_engine_free(l.e);
}

typedef struct got {
    char     text[600], thought[600];
    hl_usage usage;
} got;

static bool collect(void *user, const hl_token_event *ev) {
    got *g = user;
    strncat(ev->is_thinking ? g->thought : g->text, ev->text.ptr ? ev->text.ptr : "", ev->text.len);
    return true;
}

static hl_request request(hl_format_kind kind, const char *text) {
    hl_request r;
    hl_request_init(&r);
    r.sampling.temperature = 0;
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"}]";
    r.format = (hl_format){kind, hl_view_of(text)};
    r.max_tokens = 200;
    return r;
}

static got ask(const loaded *l, const hl_request *r) {
    got    g = {0};
    hl_err err = {0};
    if (hl_runner_generate(l->r, r, collect, &g, &g.usage, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static void an_answer_ends_where_its_format_ends_with_drafts_or_without(void **state) {
    static const hl_speculate ways[] = {HL_SPECULATE_OFF, HL_SPECULATE_AUTO, HL_SPECULATE_ALWAYS};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const loaded     l = load(PLAIN, "", ways[i]);
        const hl_request r = request(HL_FORMAT_SCHEMA, schema);
        for (int again = 0; again < 3; again++) { /* known by now */
            const got g = ask(&l, &r);
            assert_string_equal(g.text, answer);
            assert_int_equal(g.usage.end, HL_END_STOP);
            assert_int_equal(g.usage.answer_tokens, strlen(answer));
            if (ways[i] == HL_SPECULATE_OFF) assert_int_equal(g.usage.drafted_tokens, 0);
            if (ways[i] == HL_SPECULATE_ALWAYS) /* the name's letters and what stands behind them */
                assert_true(g.usage.accepted_tokens >= 7);
        }
        unload(l);
    }
}

/* Behind "aba" the prompt says '!', which the format forbids: no row is spent on it, nor behind the end. */
static void drafts_that_the_format_forbids_are_no_rows(void **state) {
    (void)state;
    const loaded l = load(PLAIN, "ab", HL_SPECULATE_ALWAYS);
    hl_request   r = request(HL_FORMAT_REGEX, "[ab]{30}");
    r.messages_json = "[{\"role\":\"user\",\"content\":\"aba!!!!!!!!!!!!aba!!!!!!!!!!!!\"}]";
    const got g = ask(&l, &r);
    assert_string_equal(g.text, "ababababababababababababababab");
    assert_true(g.usage.accepted_tokens > 10);
    assert_in_range(g.usage.drafted_tokens, g.usage.accepted_tokens, g.usage.accepted_tokens + 1);
    unload(l);
}

static void reasoning_comes_first_and_is_free(void **state) {
    (void)state;
    loaded     l = load(OPENED, "</think>", HL_SPECULATE_AUTO);
    hl_request r = request(HL_FORMAT_SCHEMA, schema);
    got        g = ask(&l, &r);
    assert_string_equal(g.thought, "");
    assert_string_equal(g.text, answer);
    unload(l);
    l = load(OPENED, "ab", HL_SPECULATE_AUTO); /* it would never end */
    r.think_tokens = 4;
    g = ask(&l, &r);
    assert_string_equal(g.text, answer);
    assert_int_equal(strlen(g.thought), 4);
    unload(l);
}

static void a_text_without_template_keeps_to_it_too(void **state) {
    (void)state;
    const loaded l = load(PLAIN, "", HL_SPECULATE_AUTO);
    hl_request   r = request(HL_FORMAT_SCHEMA, schema);
    r.messages_json = NULL;
    r.prompt = hl_view_of("x");
    r.raw = true;
    const got g = ask(&l, &r);
    assert_non_null(strstr(g.text, answer)); /* white space may stand in front */
    assert_int_equal(g.usage.end, HL_END_STOP);
    unload(l);
}

static void a_length_still_ends_it(void **state) {
    (void)state;
    const loaded l = load(PLAIN, "", HL_SPECULATE_AUTO);
    hl_request   r = request(HL_FORMAT_REGEX, "x{1000}");
    r.max_tokens = 20;
    const got g = ask(&l, &r);
    assert_string_equal(g.text, "xxxxxxxxxxxxxxxxxxxx");
    assert_int_equal(g.usage.end, HL_END_LENGTH);
    unload(l);
}

static void what_cannot_be_is_refused_before_anything_runs(void **state) {
    (void)state;
    const loaded        l = load(PLAIN, "", HL_SPECULATE_AUTO);
    const hl_constraint other = {0};
    hl_generation      *g = NULL;
    hl_err              err = {0};
    hl_request          r =
        request(HL_FORMAT_SCHEMA, "{\"properties\":{\"a\":{\"$recursiveRef\":\"#\"}},\"type\":\"object\"}");
    assert_int_equal(hl_runner_submit(l.r, &r, &g, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "#/properties/a/$recursiveRef"));
    r = request(HL_FORMAT_SCHEMA, "{");
    assert_int_equal(hl_runner_submit(l.r, &r, &g, &err), HL_E_FORMAT);
    r = request(HL_FORMAT_JSON, "");
    r.sampling.constraint = &other;
    assert_int_equal(hl_runner_submit(l.r, &r, &g, &err), HL_E_ARG);
    unload(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_where_its_format_ends_with_drafts_or_without),
        cmocka_unit_test(drafts_that_the_format_forbids_are_no_rows),
        cmocka_unit_test(reasoning_comes_first_and_is_free),
        cmocka_unit_test(a_text_without_template_keeps_to_it_too),
        cmocka_unit_test(a_length_still_ends_it),
        cmocka_unit_test(what_cannot_be_is_refused_before_anything_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
