/* SPDX-License-Identifier: MIT
 *
 * test_think_limit.c - reasoning ends where the request says, or when somebody asks; the answer goes on
 * behind the close marker. The model reasons "abab..." for ever behind a line end, and says "AB" behind the
 * marker.
 */
#include "tests/need.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "engine/runner/think_limit.h"
#include "hyperlama/native.h"
#include "tests/unit/chain_fixture.h"

#define OPENED "{{ messages[0].content }}<think>{{ '\n' }}"
#define PLAIN  "{{ messages[0].content }}{{ '\n' }}"
enum { CLOSE_TOKENS = 8 }; /* bytes of "</think>" */

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} loaded;

static loaded load(const char *template_text, bool opens_itself, hl_speculate speculate) {
    char         path[] = "/tmp/hl_think_XXXXXX";
    chain_model *c = chain_new(template_text);
    loaded       l = {0};
    hl_err       err = {0};
    const int    fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    c->next['\n'] = opens_itself ? '<' : 'a';
    for (const char *at = "<think>"; opens_itself && at[1]; at++) c->next[(unsigned char)at[0]] = at[1];
    c->next['a'] = 'b';
    c->next['b'] = 'a';
    c->next['>'] = 'A';
    c->next['A'] = 'B';
    if (opens_itself) c->next['B'] = 'A';
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
    strncat(ev->is_thinking ? g->thought : g->text, ev->text.ptr, ev->text.len);
    return true;
}

static hl_request request(int32_t think_tokens, int32_t max_tokens) {
    hl_request r;
    hl_request_init(&r);
    r.sampling.temperature = 0;
    r.messages_json = "[{\"role\":\"user\",\"content\":\"q\"}]";
    r.think_tokens = think_tokens;
    r.max_tokens = max_tokens;
    return r;
}

static got ask(const loaded *l, const hl_request *r) {
    got    g = {0};
    hl_err err = {0};
    if (hl_runner_generate(l->r, r, collect, &g, &g.usage, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static void reasoning_ends_after_as_many_tokens_as_were_asked_for(void **state) {
    static const hl_speculate ways[] = {HL_SPECULATE_OFF, HL_SPECULATE_AUTO, HL_SPECULATE_ALWAYS};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const loaded l = load(OPENED, false, ways[i]);
        for (int32_t most = 1; most < 30; most += 7) {
            hl_request r = request(most, 100);
            const got  g = ask(&l, &r);
            assert_int_equal(strlen(g.thought), most);
            assert_memory_equal(g.thought, "abababababababababababababababab", (size_t)most);
            assert_string_equal(g.text, "AB");
            assert_int_equal(g.usage.answer_tokens, most + CLOSE_TOKENS + 2);
            assert_int_equal(g.usage.end, HL_END_STOP);
        }
        unload(l);
    }
}

static void none_at_all_closes_it_at_once_and_no_limit_never(void **state) {
    (void)state;
    const loaded l = load(OPENED, false, HL_SPECULATE_AUTO);
    hl_request   r = request(-1, 100);
    got          g = ask(&l, &r);
    assert_string_equal(g.thought, "");
    assert_string_equal(g.text, "AB");
    r = request(0, 20);
    g = ask(&l, &r);
    assert_int_equal(strlen(g.thought), 20);
    assert_string_equal(g.text, "");
    assert_int_equal(g.usage.end, HL_END_LENGTH);
    unload(l);
}

static void what_the_model_opens_itself_is_counted_too(void **state) {
    (void)state;
    const loaded l = load(PLAIN, true, HL_SPECULATE_AUTO);
    hl_request   r = request(3, 7 + 3 + CLOSE_TOKENS + 4);
    const got    g = ask(&l, &r);
    assert_string_equal(g.thought, "ABA");
    assert_string_equal(g.text, "ABAB"); /* and the answer is as long as it likes */
    unload(l);
}

static void an_answer_without_reasoning_is_left_alone(void **state) {
    (void)state;
    const loaded l = load(PLAIN, false, HL_SPECULATE_AUTO);
    hl_request   r = request(3, 10);
    const got    g = ask(&l, &r);
    assert_string_equal(g.thought, "");
    assert_string_equal(g.text, "ababababab");
    unload(l);
}

static void somebody_may_ask_for_the_answer_while_it_reasons(void **state) {
    (void)state;
    const loaded        l = load(OPENED, false, HL_SPECULATE_AUTO);
    hl_request          r = request(0, -1); /* to the end of the context */
    hl_generation      *g = NULL;
    hl_generation_event ev = {0};
    hl_err              err = {0};
    got                 all = {0};
    assert_int_equal(hl_runner_submit(l.r, &r, &g, &err), HL_OK);
    assert_int_equal(hl_generation_next(g, -1, &ev), HL_OK);
    hl_generation_answer_now(g);
    while (ev.kind == HL_EVENT_TOKEN) {
        (void)collect(&all, &ev.token);
        assert_int_equal(hl_generation_next(g, -1, &ev), HL_OK);
    }
    hl_generation_answer_now(g); /* too late: nothing */
    hl_generation_free(g);
    assert_int_equal(ev.usage.end, HL_END_STOP);
    assert_true(strlen(all.thought) > 0);
    assert_string_equal(all.text, "AB");
    unload(l);
}

typedef struct counter {
    char accepted[64];
} counter;

static const uint32_t *allow_all(void *self) {
    (void)self;
    return NULL;
}

static void note(void *self, int32_t token) {
    counter   *c = self;
    const char text[2] = {(char)(token < 128 ? token : '.'), '\0'};
    strncat(c->accepted, text, sizeof c->accepted - 1 - strlen(c->accepted));
}

static void a_constraint_of_the_request_sees_only_what_the_model_chose(void **state) {
    (void)state;
    const loaded        l = load(OPENED, false, HL_SPECULATE_AUTO);
    counter             c = {0};
    const hl_constraint inner = {.self = &c, .allowed = allow_all, .accept = note};
    hl_request          r = request(3, 100);
    r.sampling.constraint = &inner;
    const got g = ask(&l, &r);
    assert_string_equal(g.text, "AB");
    assert_string_equal(c.accepted, "abaAB."); /* the last one ends the answer */
    unload(l);
}

/* ---- gpt-oss: reasoning is a message of its own, and so is what follows ---- */

static void say(hl_think_limit *l, const char *text) {
    for (; *text; text++) {
        assert_null(l->constraint.allowed(l));
        l->constraint.accept(l, (unsigned char)*text);
    }
}

/* What is forced now, which is what it drafts and what fits. */
static void check_forced(hl_think_limit *l, const char *text) {
    for (size_t i = 0; text[i]; i++) {
        const uint32_t *mask = l->constraint.allowed(l);
        int32_t         ids[100];
        assert_non_null(mask);
        assert_int_equal(l->constraint.draft(l, ids, 100), strlen(text + i));
        for (size_t k = 0; text[i + k]; k++) assert_int_equal(ids[k], text[i + k]);
        assert_int_equal(l->constraint.draft(l, ids, 1), 1);
        ids[2] = 'x';
        assert_int_equal(l->constraint.fits(l, ids, 3), text[i + 1] && text[i + 2] ? 2 : 3);
        for (int32_t id = 0; id < CHAIN_N_VOCAB; id++)
            assert_int_equal(mask[id / 32] >> (id % 32) & 1, id == (unsigned char)text[i]);
        l->constraint.accept(l, (unsigned char)text[i]);
    }
    assert_null(l->constraint.allowed(l));
}

#define REASONS "<|channel|>analysis<|message|>ab"
#define ANSWERS "<|channel|>final<|message|>"

static void the_message_behind_gpt_oss_reasoning_is_the_answer(void **state) {
    const loaded          x = load(PLAIN, false, HL_SPECULATE_OFF);
    const hl_call_format *format = hl_call_format_find(hl_view_of("<|channel|>analysis<|message|>"));
    json_t               *tools = json_pack("[{s:s,s:{s:s}}]", "type", "function", "function", "name", "f");
    hl_err                err = {0};
    (void)state;
    assert_string_equal(format->name, "harmony");
    for (int may_call = 0; may_call < 2; may_call++) {
        const hl_answer_form form = {
            .format = format, .tools = may_call ? tools : NULL, .splits_thinking = true};
        hl_think_limit l = {0};
        assert_int_equal(hl_think_limit_init(&l, hl_model_tokenizer(x.m), 2, &form, NULL, &err), HL_OK);
        say(&l, REASONS);
        if (may_call) { /* once it may say what it wants instead; it wants to go on */
            check_forced(&l, "<|end|><|start|>assistant");
            say(&l, "<|channel|>analysis<|message|>");
        }
        check_forced(&l, "<|end|><|start|>assistant" ANSWERS);
        say(&l, "Rome<|end|>");
        hl_think_limit_done(&l);
    }
    json_decref(tools);
    unload(x);
}

static void the_published_template_of_gpt_oss_is_known_by_its_channels(void **state) {
    static const char name[] = "templates/openai-gpt-oss-120b.jinja";
    char              path[512], *text = NULL;
    size_t            n = 0;
    hl_err            err = {0};
    (void)state;
    if (!find_fetched(name, path, sizeof path)) skip_because("no shared data: %s", name);
    if (hl_file_read(path, 4 << 20, &text, &n, &err) != HL_OK) fail_msg("%s", err.text);
    const hl_call_format *f = hl_call_format_find((hl_view){text, n});
    assert_string_equal(f->name, "harmony");
    /* What is forced are the marks that the template itself writes between messages. */
    assert_non_null(strstr(text, "<|start|>assistant<|channel|>final<|message|>"));
    assert_string_equal(hl_call_format_think_end(f, false), "<|end|><|start|>assistant" ANSWERS);
    hl_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasoning_ends_after_as_many_tokens_as_were_asked_for),
        cmocka_unit_test(none_at_all_closes_it_at_once_and_no_limit_never),
        cmocka_unit_test(what_the_model_opens_itself_is_counted_too),
        cmocka_unit_test(an_answer_without_reasoning_is_left_alone),
        cmocka_unit_test(somebody_may_ask_for_the_answer_while_it_reasons),
        cmocka_unit_test(a_constraint_of_the_request_sees_only_what_the_model_chose),
        cmocka_unit_test(the_message_behind_gpt_oss_reasoning_is_the_answer),
        cmocka_unit_test(the_published_template_of_gpt_oss_is_known_by_its_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
