/* SPDX-License-Identifier: MIT
 *
 * test_runner.c - requests from end to end, on models that say what the test wants.
 */
#include "tests/need.h"

#include "engine/runner/chat.h"
#include "engine/runner/dry_breakers.h"
#include "tests/unit/chain_fixture.h"

typedef struct loaded {
    hl_engine *e;
    hl_model  *m;
    hl_runner *r;
} loaded;

static loaded load(chain_model *c) {
    loaded l = {0};
    hl_err err = {0};
    chain_load(c, false, &l.e, &l.m);
    if (hl_runner_new(l.m, NULL, &l.r, &err) != HL_OK) fail_msg("%s", err.text);
    return l;
}

static void unload(loaded l) {
    hl_runner_free(l.r);
    hl_model_close(l.m);
    hl_engine_free(l.e);
}

typedef struct got {
    char     text[256], thought[64];
    int32_t  n_events, n_top, n_with_logprob;
    hl_usage usage;
} got;

static bool collect(void *user, const hl_token_event *ev) {
    got *g = user;
    strncat(ev->is_thinking ? g->thought : g->text, ev->text.ptr, ev->text.len);
    g->n_events++;
    g->n_top += (int32_t)ev->n_top;
    g->n_with_logprob += ev->logprob < 0;
    return true;
}

static hl_request greedy(const char *messages, const char *prompt) {
    hl_request r;
    hl_request_init(&r);
    r.sampling.temperature = 0;
    r.messages_json = messages;
    r.prompt = hl_view_of(prompt);
    return r;
}

static got ask(const loaded *l, const hl_request *r) {
    got    g = {0};
    hl_err err = {0};
    if (hl_runner_generate(l->r, r, collect, &g, &g.usage, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static const char question[] = "[{\"role\":\"user\",\"content\":\"q\"}]";

#define SAY(c, start, ...)                                                                                   \
    do {                                                                                                     \
        static const int32_t ids_[] = {__VA_ARGS__};                                                         \
        chain_say(c, start, ids_, sizeof ids_ / sizeof *ids_);                                               \
    } while (0)

static void stop_strings_see_control_tokens_that_are_not_printed(void **state) {
    (void)state;
    chain_model *c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', 'a', 'b', CHAIN_IM_START, 'c', 'd');
    const loaded l = load(c);
    hl_request   r = greedy(question, NULL);
    got          g = ask(&l, &r);
    assert_string_equal(g.text, "abcd");
    assert_int_equal(g.usage.end, HL_END_STOP);
    static const char *const stops[][2] = {
        {"<|im_start|>", "ab"}, {"b<|im_start|>c", "a"}, {"start", "ab"}, {"<|im_start|>x", "abcd"}};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        r.stops = &stops[i][0];
        r.n_stops = 1;
        g = ask(&l, &r);
        assert_string_equal(g.text, stops[i][1]);
    }
    unload(l);
}

static void a_character_that_was_cut_off_is_not_printed(void **state) {
    (void)state;
    static const char *const by_limit[] = {"x", "x", "x", "x", "x\xF0\x9F\x98\x80", "x\xF0\x9F\x98\x80"};
    chain_model             *c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', 'x', 0xF0, 0x9F, 0x98, 0x80, 0xC3); /* its last character never comes whole */
    const loaded l = load(c);
    for (int32_t n = 1; n <= 7; n++) {
        hl_request r = greedy(question, NULL);
        r.max_tokens = n;
        const got g = ask(&l, &r);
        assert_string_equal(g.text, by_limit[n > 6 ? 5 : n - 1]);
        assert_int_equal(g.usage.end, n > 6 ? HL_END_STOP : HL_END_LENGTH);
    }
    unload(l);
}

static void bytes_that_are_no_text_within_an_answer_are_shown_as_such(void **state) {
    (void)state;
    chain_model *c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', 'x', 0xF0, 0x9F, 'y');
    const loaded     l = load(c);
    const hl_request r = greedy(question, NULL);
    const got        g = ask(&l, &r);
    assert_string_equal(g.text, "x\xEF\xBF\xBDy");
    unload(l);
}

static void an_answer_goes_on_from_its_prefix(void **state) {
    (void)state;
    chain_model *c = chain_new(CHAIN_CHATML);
    SAY(c, 'a', 'b', 'c');
    const loaded l = load(c);
    for (int i = 0; i < 4; i++) {
        hl_request r = greedy(i ? NULL : question, i == 2 ? "" : "p");
        r.raw = i == 3;
        r.answer_prefix = hl_view_of("a");
        const got g = ask(&l, &r);
        assert_string_equal(g.text, "bc");
        char  *text = NULL;
        hl_err err = {0};
        size_t n = 0;
        assert_int_equal(hl_chat_render(l.m, &r, &text, &n, &err), HL_OK);
        assert_int_equal(n, g.usage.prompt_tokens +
                                (i ? 0 : 31)); /* marks of 12, 10 and 12 bytes are 3 tokens */
        assert_int_equal(text[n - 1], 'a');
        hl_text_free(text);
    }
    unload(l);
}

static void reasoning_is_told_apart_wherever_it_was_opened(void **state) {
    (void)state;
    static const char opened[] =
        "{{ messages[0].content }}{% if enable_thinking %}<think>{% endif %}{{ '\n' }}";
    static const struct {
        const char *template_text, *prefix, *thought, *text;
        hl_think    think;
    } rows[] = {
        {NULL, "", "", "a</think>b", HL_THINK_DEFAULT},
        {opened, "", "a", "b", HL_THINK_ON},
        {opened, "", "", "a</think>b", HL_THINK_OFF},
        {NULL, "<think>x\n", "a", "b", HL_THINK_DEFAULT}, /* the answer goes on in its reasoning */
        {opened, "x</think>\n", "", "a</think>b", HL_THINK_ON},
        {opened, "more\n", "a", "b", HL_THINK_ON},
    };
    chain_model *c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', 'a', '<', '/', 't', 'h', 'i', 'n', 'k', '>', 'b');
    const loaded l = load(c);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_request r = greedy(question, NULL);
        r.template_text = rows[i].template_text;
        r.answer_prefix = hl_view_of(rows[i].prefix);
        r.think = rows[i].think;
        const got g = ask(&l, &r);
        assert_string_equal(g.thought, rows[i].thought);
        assert_string_equal(g.text, rows[i].text);
    }
    hl_request r = greedy(NULL, "<think>\n"); /* a plain prompt: tags are text */
    assert_string_equal(ask(&l, &r).text, "a</think>b");
    unload(l);
    c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', '<', 't', 'h', 'i', 'n', 'k', '>', 'w',
        '/'); /* each token has one successor: no closing tag */
    const loaded m = load(c);
    r = greedy(question, NULL);
    assert_string_equal(ask(&m, &r).thought, "w/");
    unload(m);
}

/* Behind EOS a model says anything. */
static void no_prompt_ends_in_eos_though_the_file_asks_for_it(void **state) {
    (void)state;
    chain_model *c = chain_new(CHAIN_CHATML);
    hl_gguf_writer_add_bool(c->f->w, "tokenizer.ggml.add_eos_token", true);
    hl_gguf_writer_add_bool(c->f->w, "tokenizer.ggml.add_bos_token", true);
    SAY(c, '\n', 'F', 'i', 'n', 'e');
    SAY(c, CHAIN_IM_END, 0);
    const loaded l = load(c);
    for (int i = 0; i < 3; i++) {
        hl_request r = greedy(i ? NULL : question, "p\n");
        r.raw = i == 2;
        assert_string_equal(ask(&l, &r).text, "Fine");
        hl_prompt p;
        hl_err    err = {0};
        assert_int_equal(hl_prompt_make(l.m, NULL, &r, &p, &err), HL_OK);
        assert_int_equal(p.ids.ids[0], CHAIN_BOS);
        assert_int_equal(p.ids.ids[p.ids.n - 1], '\n');
        hl_prompt_done(&p);
    }
    unload(l);
}

static void asking_for_likely_tokens_asks_for_logprobs(void **state) {
    (void)state;
    chain_model *c = chain_new(CHAIN_CHATML);
    SAY(c, '\n', 'a', 'b', 'c');
    const loaded l = load(c);
    for (int32_t n = 0; n <= 2; n++) {
        hl_request r = greedy(question, NULL);
        r.n_top = n;
        const got g = ask(&l, &r);
        assert_string_equal(g.text, "abc");
        assert_int_equal(g.n_top, 3 * n);
        assert_int_equal(g.n_with_logprob, n ? 3 : 0);
    }
    hl_request r = greedy(question, NULL);
    hl_err     err = {0};
    r.n_top = 21;
    assert_int_equal(hl_runner_generate(l.r, &r, collect, NULL, NULL, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "n_top is 21, expected 0..20"));
    unload(l);
}

static void a_flag_ends_an_answer_while_its_prompt_is_made(void **state) {
    (void)state;
    static volatile int stop;
    const loaded        l = load(chain_new(CHAIN_CHATML));
    const hl_request    r = greedy(question, NULL);
    (void)hl_stop_watch(&stop);
    stop = 1;
    const got g = ask(&l, &r);
    (void)hl_stop_watch(NULL);
    assert_int_equal(g.usage.end, HL_END_CANCEL);
    assert_int_equal(g.n_events + g.usage.prompt_tokens, 0);
    assert_int_equal(ask(&l, &r).usage.end, HL_END_STOP); /* the next one is answered */
    unload(l);
}

/* Line ends, colons, quotation marks and asterisks, wherever DRY is asked for without breakers of its own. */
static void repetitions_end_at_the_usual_marks(void **state) {
    (void)state;
    static const int32_t marks[] = {'\n', '"', '*', ':'}, own[] = {5};
    const loaded         l = load(chain_new(NULL));
    const hl_tokenizer  *t = hl_model_tokenizer(l.m);
    hl_dry_breakers      b;
    hl_sampler_params    p;
    hl_err               err = {0};
    hl_dry_breakers_init(&b);
    hl_sampler_params_init(&p);
    assert_int_equal(hl_dry_breakers_fill(&b, t, &p, &err), HL_OK);
    assert_null(p.dry_breakers); /* DRY is off */
    for (int round = 0; round < 2; round++) {
        hl_sampler_params_init(&p);
        p.dry_multiplier = 1;
        assert_int_equal(hl_dry_breakers_fill(&b, t, &p, &err), HL_OK);
        assert_int_equal(p.n_dry_breakers, 4);
        assert_memory_equal(p.dry_breakers, marks, sizeof marks);
    }
    p.dry_breakers = own;
    p.n_dry_breakers = 1;
    assert_int_equal(hl_dry_breakers_fill(&b, t, &p, &err), HL_OK);
    assert_ptr_equal(p.dry_breakers, own);
    assert_int_equal(p.n_dry_breakers, 1);
    hl_dry_breakers_done(&b);
    unload(l);
}

static void an_empty_prompt_begins_at_the_beginning(void **state) {
    (void)state;
    chain_model *c = chain_new(NULL);
    SAY(c, CHAIN_BOS, 'h', 'i');
    const loaded l = load(c);
    hl_request   r = greedy(NULL, "");
    r.raw = true;
    const got g = ask(&l, &r);
    assert_string_equal(g.text, "hi");
    assert_int_equal(g.usage.prompt_tokens, 1);
    unload(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetitions_end_at_the_usual_marks),
        cmocka_unit_test(an_empty_prompt_begins_at_the_beginning),
        cmocka_unit_test(stop_strings_see_control_tokens_that_are_not_printed),
        cmocka_unit_test(a_character_that_was_cut_off_is_not_printed),
        cmocka_unit_test(bytes_that_are_no_text_within_an_answer_are_shown_as_such),
        cmocka_unit_test(an_answer_goes_on_from_its_prefix),
        cmocka_unit_test(reasoning_is_told_apart_wherever_it_was_opened),
        cmocka_unit_test(no_prompt_ends_in_eos_though_the_file_asks_for_it),
        cmocka_unit_test(asking_for_likely_tokens_asks_for_logprobs),
        cmocka_unit_test(a_flag_ends_an_answer_while_its_prompt_is_made),
    };
    return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
