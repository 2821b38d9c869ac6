/* SPDX-License-Identifier: MIT
 *
 * test_think.c - how much a model is to think reaches its template the way that the template asks for it.
 */
#include "tests/need.h"

#include <string.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "engine/runner/chat_template.h"
#include "hyperlama/native.h"

static const char question[] = "[{\"role\":\"user\",\"content\":\"q\"}]";

/* The prompt, to be freed with hl_text_free(). */
static char *render(const char *source, hl_think think) {
    hl_request r;
    char      *text = NULL;
    size_t     n = 0;
    hl_err     err = {0};
    hl_request_init(&r);
    r.template_text = source;
    r.messages_json = question;
    r.think = think;
    if (hl_chat_render(NULL, &r, &text, &n, &err) != HL_OK) fail_msg("%s: %s", source, err.text);
    return text;
}

static void check(const char *source, hl_think think, const char *want) {
    char *text = render(source, think);
    assert_string_equal(text, want);
    hl_text_free(text);
}

static hl_chat_caps caps_of(const char *source) {
    hl_request   r;
    hl_chat_caps caps;
    hl_err       err = {0};
    hl_request_init(&r);
    r.template_text = source;
    if (hl_chat_get_caps(NULL, &r, &caps, &err) != HL_OK) fail_msg("%s", err.text);
    return caps;
}

static void words_are_levels(void **state) {
    (void)state;
    static const struct {
        const char *word, *level;
        hl_think    think;
    } rows[] = {
        {"", NULL, HL_THINK_ON},      {"true", NULL, HL_THINK_ON},           {"false", NULL, HL_THINK_OFF},
        {"low", "low", HL_THINK_LOW}, {"medium", "medium", HL_THINK_MEDIUM}, {"high", "high", HL_THINK_HIGH},
        {"max", "max", HL_THINK_MAX}};
    hl_think think = HL_THINK_DEFAULT;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(hl_think_find(rows[i].word, &think));
        assert_int_equal(think, rows[i].think);
        assert_true(rows[i].level ? strcmp(hl_think_level(think), rows[i].level) == 0
                                  : !hl_think_level(think));
    }
    assert_false(hl_think_find("a lot", &think));
    assert_int_equal(think, HL_THINK_MAX);
    assert_null(hl_think_level(HL_THINK_DEFAULT));
    assert_null(hl_think_level((hl_think)99));
}

/* As gpt-oss asks for it. */
#define EFFORT                                                                                               \
    "{% if reasoning_effort is not defined %}{% set reasoning_effort = 'medium' %}{% endif %}"               \
    "Reasoning: {{ reasoning_effort }}; {{ messages[0].content }}{{ enable_thinking }}"

static void jinja_templates_get_the_level_as_their_effort(void **state) {
    (void)state;
    check(EFFORT, HL_THINK_DEFAULT, "Reasoning: medium; q");
    check(EFFORT, HL_THINK_ON, "Reasoning: medium; qTrue");
    check(EFFORT, HL_THINK_OFF, "Reasoning: medium; qFalse");
    check(EFFORT, HL_THINK_LOW, "Reasoning: low; qTrue");
    check(EFFORT, HL_THINK_MEDIUM, "Reasoning: medium; qTrue");
    check(EFFORT, HL_THINK_HIGH, "Reasoning: high; qTrue");
    check(EFFORT, HL_THINK_MAX, "Reasoning: high; qTrue"); /* it knows three */
    check("{% if reasoning_effort == 'max' %}all{% endif %}{{ messages[0].content }}", HL_THINK_MAX, "allq");
    check("{% if enable_thinking %}T{% endif %}{{ messages[0].content }}", HL_THINK_LOW, "Tq");
}

static void go_templates_get_it_as_think_level(void **state) {
    (void)state;
    static const char go[] =
        "{{ .IsThinkSet }} {{ .Think }} {{ .ThinkLevel }}{{ range .Messages }} {{ .Content }}{{ end }}";
    check(go, HL_THINK_DEFAULT, "false false  q");
    check(go, HL_THINK_OFF, "true false  q");
    check(go, HL_THINK_ON, "true true medium q");
    check(go, HL_THINK_LOW, "true true low q");
    check(go, HL_THINK_HIGH, "true true high q");
    check(go, HL_THINK_MAX, "true true high q");
}

static void templates_say_whether_levels_mean_anything(void **state) {
    (void)state;
    const hl_chat_caps effort = caps_of(EFFORT),
                       plain = caps_of("{% for m in messages %}{{ m.content }}{% endfor %}"),
                       on_off = caps_of("{{ messages[0].content }}{% if enable_thinking %}T{% endif %}"),
                       only_max =
                           caps_of("{{ messages[0].content }}{% if reasoning_effort == 'max' %}T{% endif %}"),
                       only_named = caps_of("{{ messages[0].content }}{# reasoning_effort #}"),
                       go = caps_of("{{ range .Messages }}{{ .Content }}{{ end }}{{ .ThinkLevel }}");
    assert_true(effort.thinking && effort.think_levels);
    assert_true(only_max.thinking && only_max.think_levels);
    assert_true(go.thinking && go.think_levels);
    assert_true(on_off.thinking && !on_off.think_levels);
    assert_false(plain.thinking || plain.think_levels || only_named.thinking || only_named.think_levels);
}

static char *read_template(const char *name) {
    char   path[4096], *text = NULL;
    size_t n = 0;
    hl_err err = {0};
    if (!find_fetched(name, path, sizeof path)) return NULL;
    if (hl_file_read(path, 4 << 20, &text, &n, &err) != HL_OK) fail_msg("%s", err.text);
    return text;
}

/* Published templates: gpt-oss writes the word into its system text, DeepSeek V4 knows "max" only. */
static void published_templates_show_the_level(void **state) {
    (void)state;
    static const struct {
        const char *name, *mark;
        hl_think    think;
        bool        shows;
    } rows[] = {{"templates/openai-gpt-oss-120b.jinja", "Reasoning: low\n", HL_THINK_LOW, true},
                {"templates/openai-gpt-oss-120b.jinja", "Reasoning: high\n", HL_THINK_MAX, true},
                {"templates/openai-gpt-oss-120b.jinja", "Reasoning: medium\n", HL_THINK_ON, true},
                {"templates/tencent-Hy3.jinja", "reasoning_effort:high", HL_THINK_HIGH, true},
                {"templates/tencent-Hy3.jinja", "reasoning_effort:high", HL_THINK_OFF, false},
                {"templates/deepseek-ai-DeepSeek-V4.jinja", "Absolute maximum", HL_THINK_MAX, true},
                {"templates/deepseek-ai-DeepSeek-V4.jinja", "Absolute maximum", HL_THINK_HIGH, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *source = read_template(rows[i].name);
        if (!source) skip_because("no shared data: %s", rows[i].name);
        char *text = render(source, rows[i].think);
        if ((strstr(text, rows[i].mark) != NULL) != rows[i].shows) fail_msg("row %zu: %.2000s", i, text);
        hl_text_free(text);
        hl_free(source);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_levels),
        cmocka_unit_test(jinja_templates_get_the_level_as_their_effort),
        cmocka_unit_test(go_templates_get_it_as_think_level),
        cmocka_unit_test(templates_say_whether_levels_mean_anything),
        cmocka_unit_test(published_templates_show_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
