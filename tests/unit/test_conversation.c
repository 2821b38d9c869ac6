/* SPDX-License-Identifier: MIT
 *
 * test_conversation.c - the rules of a conversation, with a runner that says what the test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/conversation.h"
#include "runner/runner_ops.h"

/* A runner whose tokens are the bytes of its prompt. */
typedef struct fake {
    char      prompt[4096]; /* of the last request, terminated */
    size_t    n_prompt;
    int32_t   n_ctx, max_tokens;
    size_t    n_stops;
    float     temperature;
    hl_view   answer;
    hl_view   thought;
    hl_end    end;
    hl_status status; /* of an answer */
    int       n_asked;
    bool      has_template; /* as it says of itself; likewise below */
    int32_t   n_usual_ctx, n_ctx_cap, n_ctx_train;
} fake;

static hl_view prompt_of(const hl_request *r) {
    return r->messages_json ? hl_view_of(r->messages_json) : r->prompt;
}

static hl_status fake_count(void *engine, const hl_request *r, int32_t *ret_tokens, hl_err *err) {
    (void)engine;
    (void)err;
    *ret_tokens = (int32_t)prompt_of(r).len;
    return HL_OK;
}

static hl_status fake_submit(void *engine, const hl_request *r, hl_generation *g, hl_err *err) {
    fake          *f = engine;
    const hl_view  prompt = prompt_of(r);
    const hl_usage usage = {.end = f->end, .prompt_tokens = (int32_t)prompt.len};
    hl_token_event ev = {.text = f->thought, .is_thinking = true};
    assert_true(prompt.len < sizeof f->prompt);
    memcpy(f->prompt, prompt.ptr, prompt.len);
    f->prompt[prompt.len] = '\0';
    f->n_prompt = prompt.len;
    f->n_ctx = r->n_ctx;
    f->max_tokens = r->max_tokens;
    f->n_stops = r->n_stops;
    f->temperature = r->sampling.temperature;
    f->n_asked++;
    if (f->status != HL_OK) return hl_fail(err, f->status, "as the test wants");
    if (f->thought.len) assert_true(hl_generation_push(g, &ev));
    ev = (hl_token_event){.text = f->answer};
    if (f->answer.len) assert_true(hl_generation_push(g, &ev));
    hl_generation_end(g, HL_OK, &usage, NULL);
    return HL_OK;
}

static void fake_get_info(void *engine, hl_runner_info *ret) {
    const fake *f = engine;
    *ret = (hl_runner_info){.kind = "fake",
                            .n_ctx = f->n_usual_ctx,
                            .n_ctx_cap = f->n_ctx_cap,
                            .n_ctx_train = f->n_ctx_train,
                            .has_template = f->has_template};
}

static void fake_ignore(void *engine, hl_generation *g) { (void)engine, (void)g; }
static void fake_free(void *engine) { (void)engine; }

static const hl_runner_ops fake_ops = {.submit = fake_submit,
                                       .cancel = fake_ignore,
                                       .count = fake_count,
                                       .get_info = fake_get_info,
                                       .free = fake_free};

typedef struct table {
    hl_config      *config;
    hl_conversation chat;
    fake            fake;
    hl_runner      *runner; /* of the fake */
    hl_reply        reply;
    hl_err          err;
    char            events[1024];
} table;

static void hear(void *user, hl_log_level level, const char *component, const char *event,
                 const char *fields) {
    table *t = user;
    (void)component;
    if (level <= HL_LOG_WARN) (void)snprintf(t->events, sizeof t->events, "%s %s", event, fields);
}

static hl_events events;

static void set_up(table *t, const hl_stored_model *stored, bool has_template, int32_t n_ctx) {
    *t = (table){.fake = {.answer = {"yes", 3}}};
    events = (hl_events){.fn = hear, .user = t, .level = HL_LOG_WARN};
    assert_int_equal(hl_config_new(&t->config, &t->err), HL_OK);
    hl_conversation_init(&t->chat, t->config, &events);
    t->fake.has_template = has_template;
    t->fake.n_usual_ctx = n_ctx;
    t->fake.n_ctx_cap = n_ctx; /* what a chat has that does not ask */
    t->fake.n_ctx_train = 8192;
    t->runner = hl_runner_make(&fake_ops, &t->fake);
    assert_non_null(t->runner);
    assert_int_equal(hl_conversation_begin(&t->chat, t->runner, stored, &t->err), HL_OK);
}

static void tear_down(table *t) {
    hl_conversation_done(&t->chat);
    hl_runner_free(t->runner);
    hl_config_free(t->config);
}

static hl_status ask(table *t, hl_view question) {
    const hl_status status = hl_conversation_ask(&t->chat, question, NULL, NULL, &t->reply, &t->err);
    hl_reply_done(&t->reply);
    return status;
}

static hl_status ask_text(table *t, const char *question) { return ask(t, hl_view_of(question)); }

static hl_status set_option(table *t, const char *name, const char *value) {
    return hl_conversation_set_option(&t->chat, name, &value, 1, &t->err);
}

static void question_and_answer_are_kept_in_order(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 4096);
    assert_int_equal(ask_text(&t, "one"), HL_OK);
    assert_string_equal(t.fake.prompt, "[{\"role\":\"user\",\"content\":\"one\"}]");
    assert_int_equal(ask_text(&t, "two"), HL_OK);
    assert_string_equal(t.fake.prompt,
                        "[{\"role\":\"user\",\"content\":\"one\"},{\"role\":\"assistant\",\"content\":"
                        "\"yes\"},{\"role\":\"user\",\"content\":\"two\"}]");
    assert_int_equal(t.chat.n_messages, 4);
    tear_down(&t);
}

static void texts_keep_their_length(void **state) {
    (void)state;
    const hl_view question = {"a\0b", 3}, answer = {"c\0d", 3}, system = {"e\0f", 3};
    table         t;
    set_up(&t, NULL, true, 4096);
    t.fake.answer = answer;
    assert_int_equal(hl_conversation_set_system(&t.chat, system, &t.err), HL_OK);
    assert_int_equal(ask(&t, question), HL_OK);
    assert_int_equal(t.chat.messages[1].len, 3);
    assert_memory_equal(t.chat.messages[1].content, "c\0d", 4);
    assert_int_equal(ask_text(&t, "x"), HL_OK);
    assert_string_equal(
        t.fake.prompt,
        "[{\"role\":\"system\",\"content\":\"e\\u0000f\"},{\"role\":\"user\",\"content\":\"a\\u0000b\"},"
        "{\"role\":\"assistant\",\"content\":\"c\\u0000d\"},{\"role\":\"user\",\"content\":\"x\"}]");
    tear_down(&t);
    set_up(&t, NULL, false, 4096); /* and without a template */
    t.fake.answer = answer;
    assert_int_equal(ask(&t, question), HL_OK);
    assert_int_equal(ask_text(&t, "x"), HL_OK);
    assert_int_equal(t.fake.n_prompt, 9);
    assert_memory_equal(t.fake.prompt, "a\0b\nc\0d\nx", 9);
    tear_down(&t);
}

static void a_template_that_would_be_cut_is_refused(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 4096);
    assert_int_equal(hl_conversation_set_template(&t.chat, hl_view_of("{{ x }}"), &t.err), HL_OK);
    assert_int_equal(hl_conversation_set_template(&t.chat, (hl_view){"a\0b", 3}, &t.err), HL_E_FORMAT);
    assert_string_equal(t.err.text, "template: the byte at 1 is NUL, expected text");
    assert_string_equal(t.chat.template_text, "{{ x }}");
    tear_down(&t);
}

static void a_system_text_comes_from_who_asks_then_from_the_model(void **state) {
    (void)state;
    const hl_stored_message own[] = {{"system", {"of the messages", 15}}};
    hl_stored_model         stored = {.system = "stored"};
    table                   t;
    set_up(&t, &stored, true, 4096);
    assert_true(hl_view_is(hl_conversation_system(&t.chat), "stored"));
    assert_int_equal(hl_conversation_set_system(&t.chat, hl_view_of("asked"), &t.err), HL_OK);
    assert_true(hl_view_is(hl_conversation_system(&t.chat), "asked"));
    assert_int_equal(hl_conversation_set_system(&t.chat, (hl_view){"", 0}, &t.err), HL_OK); /* none */
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_string_equal(t.fake.prompt, "[{\"role\":\"user\",\"content\":\"q\"}]");
    assert_int_equal(hl_conversation_set_system(&t.chat, (hl_view){0}, &t.err),
                     HL_OK); /* the model's again */
    assert_true(hl_view_is(hl_conversation_system(&t.chat), "stored"));
    tear_down(&t);
    stored.messages = own; /* messages that begin with a system text need no second one */
    stored.n_messages = 1;
    set_up(&t, &stored, true, 4096);
    assert_int_equal(hl_conversation_system(&t.chat).len, 0);
    tear_down(&t);
    stored = (hl_stored_model){.system = ""};
    set_up(&t, &stored, true, 4096);
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_string_equal(t.fake.prompt, "[{\"role\":\"user\",\"content\":\"q\"}]");
    tear_down(&t);
}

static void options_come_from_who_asks_then_the_model_then_settings(void **state) {
    (void)state;
    const hl_param params[] = {{"temperature", "0.5"}, {"num_predict", "7"}, {"stop", "A"}, {"stop", "B"}};
    const hl_stored_model stored = {.params = params, .n_params = 4};
    table                 t;
    set_up(&t, &stored, true, 4096);
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_true(t.fake.temperature == 0.5f && t.fake.max_tokens == 7 && t.fake.n_stops == 2);
    assert_int_equal(set_option(&t, "temperature", "0.25"), HL_OK);
    assert_int_equal(set_option(&t, "num_predict", "-9"), HL_OK);
    assert_int_equal(set_option(&t, "stop", "C"), HL_OK);
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_true(t.fake.temperature == 0.25f && t.fake.max_tokens == -1 && t.fake.n_stops == 1);
    assert_int_equal(t.chat.options.origin[HL_OPT_temperature], HL_FROM_REQUEST);
    assert_int_equal(hl_conversation_add_option(&t.chat, "stop", "D", &t.err), HL_OK);
    assert_int_equal(t.chat.options.n_stops, 2); /* joined */
    assert_int_equal(set_option(&t, "stop", "E"), HL_OK);
    assert_int_equal(t.chat.options.n_stops, 1); /* replaced */
    assert_string_equal(t.chat.options.stops[0], "E");
    const char *const two[] = {"F", "G"};
    assert_int_equal(hl_conversation_set_option(&t.chat, "stop", two, 2, &t.err), HL_OK);
    assert_int_equal(t.chat.options.n_stops, 2);
    assert_int_equal(hl_conversation_set_option(&t.chat, "top_k", two, 2, &t.err), HL_E_ARG);
    assert_int_equal(set_option(&t, "top_p", "7"), HL_E_ARG);
    assert_int_equal(set_option(&t, "nonsense", "7"), HL_E_NOT_FOUND);
    for (int i = 0; i < 500; i++) assert_int_equal(set_option(&t, "seed", "5"), HL_OK); /* no list grows */
    tear_down(&t);
}

static void settings_stand_behind_the_model_and_flags_in_front_of_it(void **state) {
    (void)state;
    const hl_param        params[] = {{"num_ctx", "128"}};
    const hl_stored_model stored = {.params = params, .n_params = 1};
    static const struct {
        hl_origin     origin;
        int32_t       n_ctx;
        hl_opt_origin from;
    } cases[] = {{HL_ORIGIN_FILE, 128, HL_FROM_MODEL},
                 {HL_ORIGIN_ENV, 128, HL_FROM_MODEL},
                 {HL_ORIGIN_FLAG, 512, HL_FROM_FLAG}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        table      t = {0};
        hl_options o;
        assert_int_equal(hl_config_new(&t.config, &t.err), HL_OK);
        assert_int_equal(
            hl_config_set(t.config, HL_SETTING_engine_n_ctx, hl_view_of("512"), cases[i].origin, "", &t.err),
            HL_OK);
        hl_conversation_init(&t.chat, t.config, NULL);
        assert_int_equal(hl_conversation_options(&t.chat, &stored, &o, &t.err), HL_OK);
        assert_int_equal(o.num_ctx, cases[i].n_ctx);
        assert_int_equal(o.origin[HL_OPT_num_ctx], cases[i].from);
        hl_options_done(&o);
        assert_int_equal(hl_conversation_options(&t.chat, NULL, &o, &t.err), HL_OK);
        assert_int_equal(o.num_ctx, 512);
        hl_options_done(&o);
        tear_down(&t);
    }
}

static void a_stored_parameter_that_makes_no_sense_is_an_event_and_left_out(void **state) {
    (void)state;
    const hl_param  params[] = {{"top_p", "7"}, {"num_gpu", "1"}, {"top_k", "-1"}};
    hl_stored_model stored = {.entry.text = "m:latest", .params = params, .n_params = 3};
    table           t;
    set_up(&t, &stored, true, 4096);
    assert_non_null(
        strstr(t.events, "bad-parameter model=m:latest why=\"option top_p = '7': expected 0..1\""));
    assert_int_equal(t.chat.options.sampling.top_k, -1);
    t.events[0] = '\0';
    assert_int_equal(set_option(&t, "seed", "1"), HL_OK);
    assert_string_equal(t.events, ""); /* said once */
    tear_down(&t);
}

/* "[{"role":"user","content":"X"}]" has 30 bytes and X; each turn with the answer "yes" 67 and X. */
static void a_chat_that_outgrows_its_context_leaves_out_whole_turns(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 200);
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(ask_text(&t, "2"), HL_OK);
    assert_int_equal(t.reply.n_turns_left_out, 0);
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_int_equal(t.reply.n_turns_left_out, 1);
    assert_null(strstr(t.fake.prompt, "\"1\""));
    assert_non_null(strstr(t.fake.prompt, "\"2\""));
    assert_int_equal(t.chat.n_messages, 6); /* it is not forgotten */
    assert_int_equal(t.chat.n_left_out, 2);
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_int_equal(t.reply.n_turns_left_out, 1); /* told of once: the first one is out already */
    t.fake.n_ctx_cap = 8192;
    assert_int_equal(set_option(&t, "num_ctx", "4096"), HL_OK);
    assert_int_equal(ask_text(&t, "4"), HL_OK);
    assert_non_null(strstr(t.fake.prompt, "\"1\"")); /* there is room again */
    tear_down(&t);
}

static void a_context_counts_at_once_where_the_runner_can_have_it(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 200);
    t.fake.n_ctx_train = 5000;
    assert_int_equal(t.chat.n_ctx, 200);
    t.fake.n_ctx_cap = 8192;
    assert_int_equal(set_option(&t, "num_ctx", "5000"), HL_OK);
    assert_int_equal(t.chat.n_ctx, 5000);
    assert_false(hl_conversation_waits_for_open(&t.chat, HL_OPT_num_ctx));
    assert_string_equal(t.events, "");
    assert_int_equal(set_option(&t, "num_ctx", "5001"), HL_OK); /* it was never trained for that */
    assert_int_equal(t.chat.n_ctx, 5001);
    assert_non_null(strstr(t.events, "context-above-training"));
    assert_non_null(strstr(t.events, "5001 tokens is longer than the 5000"));
    assert_int_equal(set_option(&t, "num_ctx", "8193"), HL_OK); /* that much the runner does not hold */
    assert_int_equal(t.chat.n_ctx, 5001);
    assert_true(hl_conversation_waits_for_open(&t.chat, HL_OPT_num_ctx));
    assert_int_equal(set_option(&t, "num_ctx", "0"), HL_OK); /* all that the runner can have */
    assert_int_equal(t.chat.n_ctx, 8192);
    assert_false(hl_conversation_waits_for_open(&t.chat, HL_OPT_num_ctx));
    assert_true(hl_conversation_waits_for_open(&t.chat, HL_OPT_num_batch));
    assert_false(hl_conversation_waits_for_open(&t.chat, HL_OPT_top_k));
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(t.fake.n_ctx, 8192);
    tear_down(&t);
}

/* With two turns and a question there are 165 bytes; a context of 200 leaves 35, less than the quarter that
 * is usual. */
static void a_short_answer_needs_no_more_room_than_it_takes(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 200);
    assert_int_equal(set_option(&t, "num_predict", "35"), HL_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(t.fake.n_prompt, 165);
    assert_int_equal(t.chat.n_left_out, 0);
    tear_down(&t);
    set_up(&t, NULL, true, 200);
    assert_int_equal(set_option(&t, "num_predict", "36"), HL_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(t.chat.n_left_out, 2);
    tear_down(&t);
}

static void system_messages_are_never_left_out(void **state) {
    (void)state;
    const hl_stored_message own[] = {{"system", {"S", 1}},
                                     {"user", {"1", 1}},
                                     {"assistant", {"yes", 3}},
                                     {"user", {"2", 1}},
                                     {"assistant", {"yes", 3}}};
    const hl_stored_model   stored = {.messages = own, .n_messages = 5};
    table                   t;
    set_up(&t, &stored, true, 200);
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_non_null(strstr(t.fake.prompt, "\"S\""));
    assert_null(strstr(t.fake.prompt, "\"1\""));
    tear_down(&t);
}

static void a_question_that_does_not_fit_costs_nothing_but_itself(void **state) {
    (void)state;
    char  text[301];
    table t;
    memset(text, 'x', 300);
    text[300] = '\0';
    set_up(&t, NULL, true, 250);
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(ask_text(&t, "2"), HL_OK);
    assert_int_equal(ask_text(&t, text), HL_E_FULL);
    assert_non_null(strstr(t.err.text, "330 tokens"));
    assert_non_null(strstr(t.err.text, "250"));
    assert_int_equal(t.fake.n_asked, 2); /* the runner was not bothered */
    assert_int_equal(t.chat.n_messages, 4);
    assert_int_equal(t.chat.n_left_out, 0);
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_non_null(strstr(t.fake.prompt, "\"1\""));
    tear_down(&t);
}

static void one_token_must_be_left_for_the_answer(void **state) {
    (void)state;
    char  text[101] = {0};
    table t;
    set_up(&t, NULL, true, 100);
    memset(text, 'x', 70); /* 100 with what is around it */
    assert_int_equal(ask_text(&t, text), HL_E_FULL);
    text[69] = '\0';
    assert_int_equal(ask_text(&t, text), HL_OK);
    tear_down(&t);
}

static void a_system_text_that_does_not_fit_is_refused_and_the_old_one_stays(void **state) {
    (void)state;
    char  text[301];
    table t;
    memset(text, 'x', 300);
    text[300] = '\0';
    set_up(&t, NULL, true, 250);
    assert_int_equal(hl_conversation_set_system(&t.chat, hl_view_of("old"), &t.err), HL_OK);
    assert_int_equal(hl_conversation_set_system(&t.chat, hl_view_of(text), &t.err), HL_E_FULL);
    assert_non_null(strstr(t.err.text, "system text"));
    assert_true(hl_view_is(hl_conversation_system(&t.chat), "old"));
    tear_down(&t);
}

static void a_failure_forgets_the_question(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 4096);
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    t.fake.status = HL_E_IO;
    assert_int_equal(ask_text(&t, "2"), HL_E_IO);
    assert_int_equal(t.chat.n_messages, 2);
    tear_down(&t);
}

static void an_empty_answer_keeps_the_question_and_a_cancelled_one_does_not(void **state) {
    (void)state;
    table t;
    set_up(&t, NULL, true, 4096);
    t.fake.answer = (hl_view){0};
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(t.chat.n_messages, 2);
    assert_int_equal(t.chat.messages[1].len, 0);
    t.fake.thought = hl_view_of("hm");
    assert_int_equal(ask_text(&t, "2"), HL_OK);
    assert_int_equal(t.chat.n_messages, 4);
    t.fake.end = HL_END_CANCEL;
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_int_equal(t.chat.n_messages, 4);
    t.fake.answer = hl_view_of("wor");
    assert_int_equal(ask_text(&t, "3"), HL_OK);
    assert_int_equal(t.chat.n_messages, 6); /* what was said is kept */
    tear_down(&t);
}

static void another_model_begins_anew_under_the_same_options(void **state) {
    (void)state;
    const hl_stored_message own[] = {{"user", {"u", 1}}, {"tool", {"t", 1}}};
    const hl_stored_model   stored = {.messages = own, .n_messages = 2};
    table                   t;
    set_up(&t, NULL, true, 4096);
    assert_int_equal(set_option(&t, "temperature", "0.25"), HL_OK);
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(hl_conversation_begin(&t.chat, t.runner, &stored, &t.err), HL_OK);
    assert_int_equal(t.chat.n_messages, 2);
    assert_string_equal(t.chat.messages[1].role, "tool");
    assert_true(t.chat.options.sampling.temperature == 0.25f);
    tear_down(&t);
}

static void a_raw_prompt_is_the_question_alone(void **state) {
    (void)state;
    const hl_stored_model stored = {.system = "stored"};
    table                 t;
    set_up(&t, &stored, true, 4096);
    t.chat.raw = true;
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_string_equal(t.fake.prompt, "q");
    tear_down(&t);
    set_up(&t, &stored, false, 4096);
    assert_int_equal(ask_text(&t, "q"), HL_OK);
    assert_string_equal(t.fake.prompt, "stored\nq");
    tear_down(&t);
}

static void the_model_of_a_conversation_has_all_that_is_stored_and_what_was_asked_for(void **state) {
    (void)state;
    const hl_param params[] = {
        {"temperature", "0.5"}, {"num_gpu", "3"}, {"stop", "A"}, {"from_tomorrow", "x"}};
    const char *const     licenses[] = {"free"};
    const hl_stored_model stored = {.params = params,
                                    .n_params = 4,
                                    .template_text = "T",
                                    .system = "S",
                                    .adapter_paths = (const char *const[]){"a", "b"},
                                    .n_adapters = 2,
                                    .projector_path = "p",
                                    .renderer = "r",
                                    .parser = "q",
                                    .licenses = licenses,
                                    .n_licenses = 1};
    hl_stored_model      *m = NULL;
    table                 t;
    set_up(&t, &stored, true, 4096);
    assert_int_equal(set_option(&t, "stop", "B"), HL_OK);
    assert_int_equal(set_option(&t, "top_k", "5"), HL_OK);
    assert_int_equal(ask_text(&t, "1"), HL_OK);
    assert_int_equal(hl_conversation_model(&t.chat, &m, &t.err), HL_OK);
    static const char *const want[][2] = {
        {"temperature", "0.5"}, {"num_gpu", "3"}, {"from_tomorrow", "x"}, {"top_k", "5"}, {"stop", "B"}};
    assert_int_equal(m->n_params, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(m->params[i].name, want[i][0]);
        assert_string_equal(m->params[i].value, want[i][1]);
    }
    assert_string_equal(m->template_text, "T");
    assert_string_equal(m->system, "S");
    assert_int_equal(m->n_adapters, 2);
    assert_string_equal(m->adapter_paths[1], "b");
    assert_string_equal(m->projector_path, "p");
    assert_string_equal(m->renderer, "r");
    assert_string_equal(m->parser, "q");
    assert_string_equal(m->licenses[0], "free");
    assert_int_equal(m->n_messages, 2);
    assert_int_equal(m->messages[1].content.len, 3);
    assert_string_equal(m->messages[1].content.ptr, "yes");
    hl_conversation_model_free(m);
    assert_int_equal(hl_conversation_set_system(&t.chat, (hl_view){"a\0b", 3}, &t.err), HL_OK);
    assert_int_equal(hl_conversation_model(&t.chat, &m, &t.err), HL_E_UNSUPPORTED);
    tear_down(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(question_and_answer_are_kept_in_order),
        cmocka_unit_test(texts_keep_their_length),
        cmocka_unit_test(a_template_that_would_be_cut_is_refused),
        cmocka_unit_test(a_system_text_comes_from_who_asks_then_from_the_model),
        cmocka_unit_test(options_come_from_who_asks_then_the_model_then_settings),
        cmocka_unit_test(settings_stand_behind_the_model_and_flags_in_front_of_it),
        cmocka_unit_test(a_stored_parameter_that_makes_no_sense_is_an_event_and_left_out),
        cmocka_unit_test(a_chat_that_outgrows_its_context_leaves_out_whole_turns),
        cmocka_unit_test(a_context_counts_at_once_where_the_runner_can_have_it),
        cmocka_unit_test(a_short_answer_needs_no_more_room_than_it_takes),
        cmocka_unit_test(system_messages_are_never_left_out),
        cmocka_unit_test(a_question_that_does_not_fit_costs_nothing_but_itself),
        cmocka_unit_test(one_token_must_be_left_for_the_answer),
        cmocka_unit_test(a_system_text_that_does_not_fit_is_refused_and_the_old_one_stays),
        cmocka_unit_test(a_failure_forgets_the_question),
        cmocka_unit_test(an_empty_answer_keeps_the_question_and_a_cancelled_one_does_not),
        cmocka_unit_test(another_model_begins_anew_under_the_same_options),
        cmocka_unit_test(a_raw_prompt_is_the_question_alone),
        cmocka_unit_test(the_model_of_a_conversation_has_all_that_is_stored_and_what_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
