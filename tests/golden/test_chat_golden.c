/* SPDX-License-Identifier: MIT
 *
 * test_chat_golden.c - real chat templates: what each of them says it can show, and that messages are changed
 * only where something would be lost or fail.
 *
 * Templates and what jinja2 makes of them: see test_template_golden.c.
 */
#include "tests/need.h"

#include <string.h>

#include "engine/runner/chat_adapt.h"
#include "engine/runner/chat_template.h"

static const int64_t now_ms = 1767323045000; /* as when recorded */

/* In order: a system text in front, one further down; developer; parts, parts only; null content, none at
 * all; tools; calls, several; arguments as object, as text; results; thinking. */
static const struct {
    const char *name, *caps;
} rows[] = {
    {"Apertus-8B-Instruct", " 10 0 00 11 1 11 10 1 1"},
    {"ByteDance-Seed-OSS", " 11 0 00 11 1 11 10 1 0"},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", " 11 0 00 11 1 11 10 1 1"},
    {"GLM-4.6", " 11 0 10 01 1 11 10 1 1"},
    {"HuggingFaceTB-SmolLM3-3B", " 10 0 00 11 0 00 00 1 1"},
    {"Kimi-K2-Instruct", " 11 0 10 00 1 00 00 0 0"},
    {"LFM2-8B-A1B", " 11 0 00 10 1 00 00 1 0"},
    {"LFM2.5-Instruct", " 11 0 00 10 1 00 00 1 0"},
    {"MiMo-VL", " 11 0 00 11 1 11 10 1 0"},
    {"MiniMax-M2", " 10 0 10 01 1 11 10 1 0"},
    {"Mistral-Small-3.2-24B-Instruct-2506", " 10 0 10 11 1 11 10 1 0"},
    {"NVIDIA-Nemotron-Nano-v2", " 10 0 00 11 1 11 11 1 0"},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", " 11 0 00 11 1 11 11 1 0"},
    {"Qwen-QwQ-32B", " 11 0 00 11 1 11 10 1 1"},
    {"Qwen-Qwen2.5-7B-Instruct", " 11 0 00 11 1 11 10 1 0"},
    {"Qwen-Qwen3-0.6B", " 11 0 00 00 1 11 11 1 1"},
    {"Qwen3-Coder", " 11 0 00 11 1 11 10 1 0"},
    {"Qwen3.5-4B", " 10 0 10 11 1 11 10 1 1"},
    {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", " 11 0 00 10 0 11 10 1 1"},
    {"deepseek-ai-DeepSeek-V3.1", " 11 0 00 11 0 11 10 1 1"},
    {"deepseek-ai-DeepSeek-V4", " 11 1 00 11 1 11 11 1 1"},
    {"fireworks-ai-llama-3-firefunction-v2", "? 00 0 00 00 0 00 00 0 0"},
    {"google-gemma-2-2b-it", " 00 0 00 01 0 00 00 0 0"},
    {"google-gemma-4-31B-it", " 11 1 10 11 1 11 11 1 1"},
    {"ibm-granite-granite-3.3-2B-Instruct", " 11 0 00 00 1 00 00 1 1"},
    {"ibm-granite-granite-4.0", " 11 0 10 11 1 11 11 1 0"},
    {"llama-cpp-rwkv-world", " 11 0 00 11 0 00 00 0 1"},
    {"meetkai-functionary-medium-v3.1", " 11 0 00 11 1 11 10 1 0"},
    {"meta-llama-Llama-3.1-8B-Instruct", " 11 0 00 11 1 10 10 1 0"},
    {"microsoft-Phi-3.5-mini-instruct", " 11 0 00 00 0 00 00 0 0"},
    {"mistralai-Ministral-3-14B-Reasoning-2512", " 10 0 10 01 1 11 11 1 0"},
    {"mistralai-Mistral-Nemo-Instruct-2407", " 10 0 00 11 1 11 10 1 0"},
    {"moonshotai-Kimi-K2", " 11 0 10 11 1 11 10 1 0"},
    {"openai-gpt-oss-120b", " 10 1 00 01 1 10 10 1 1"},
    {"tencent-Hy3", " 11 0 10 11 1 11 10 1 1"},
    {"unsloth-mistral-Devstral-Small-2507", " 11 0 10 00 1 11 11 1 0"},
};

static bool read_file(const char *name, hl_str *to) {
    char   file[256], path[1024], part[65536];
    size_t n = 0;
    (void)snprintf(file, sizeof file, "templates/%s.jinja", name);
    if (!find_fetched(file, path, sizeof path)) return false;
    FILE *f = fopen(path, "rb");
    while (f && (n = fread(part, 1, sizeof part, f)) > 0) hl_str_add(to, part, n);
    if (f) (void)fclose(f);
    return f != NULL;
}

static json_t *load(const char *folder, const char *name) {
    char         path[1024];
    json_error_t e;
    (void)snprintf(path, sizeof path, "tests/golden/template/%s/%s.json", folder, name);
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!j) fail_msg("%s: %s", path, e.text);
    return j;
}

static void spell(const hl_chat_caps *c, char ret[32]) {
    (void)snprintf(ret, 32, "%s %d%d %d %d%d %d%d %d %d%d %d%d %d %d", c->is_known ? "" : "?", c->system,
                   c->system_later, c->developer, c->text_parts, c->needs_text_parts, c->null_content,
                   c->no_content, c->tools, c->tool_calls, c->parallel_tool_calls, c->object_arguments,
                   c->text_arguments, c->tool_results, c->thinking);
}

/* Cases that some template has no place for. */
static bool may_differ(const char *name, const hl_chat_caps *c) {
    static const char *const adapted[] = {"developer", "parts", "tool_", "reasoning_tools",
                                          "system_in_the_middle"};
    if (!c->is_known || !c->system) return true;
    for (size_t i = 0; i < sizeof adapted / sizeof *adapted; i++)
        if (strncmp(name, adapted[i], strlen(adapted[i])) == 0) return true;
    return false;
}

static int check_case(const char *what, const char *name, const hl_chat_template *t, const json_t *row) {
    json_t                 *context = load("cases", name), *messages = json_object_get(context, "messages");
    const json_t           *want = json_object_get(row, "output");
    const hl_template_input in = {.context = context, .now_ms = now_ms};
    hl_tainted              out;
    hl_err                  err = {0};
    int                     bad = 0;
    hl_tainted_init(&out, 16 << 20);
    hl_status status = hl_chat_check(messages, &err);
    if (status == HL_OK) status = hl_chat_adapt(messages, &t->caps, &err);
    if (status == HL_OK) status = hl_template_render(t->jinja, &in, &out, &err);
    if (strcmp(name, "parts_image") == 0) {
        bad = status != HL_E_UNSUPPORTED;
    } else if (
        want) { /* what a template can do stays possible, and is the same unless something had to move */
        const hl_view text = {json_string_value(want), json_string_length(want)};
        bad = status != HL_OK || (!may_differ(name, &t->caps) && !hl_view_eq(text, hl_str_view(&out.text)));
    }
    if (bad) print_error("%s, %s: %s\n%s\n", what, name, err.text, hl_str_text(&out.text));
    hl_tainted_done(&out);
    json_decref(context);
    return bad;
}

static void real_templates_show_what_they_can_and_get_what_they_want(void **state) {
    (void)state;
    int n_bad = 0, n_seen = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hl_str            source;
        hl_chat_template *t = NULL;
        hl_err            err = {0};
        char              caps[32];
        const char       *name = NULL;
        json_t           *row = NULL;
        hl_str_init(&source, 4 << 20);
        if (!read_file(rows[i].name, &source)) {
            hl_str_done(&source);
            continue;
        }
        if (hl_chat_template_new(hl_str_view(&source), HL_TEMPLATE_JINJA, &t, &err) != HL_OK)
            fail_msg("%s: %s", rows[i].name, err.text);
        spell(&t->caps, caps);
        if (strcmp(caps, rows[i].caps) != 0) {
            print_error("    {\"%s\", \"%s\"},\n", rows[i].name, caps);
            n_bad++;
        }
        json_t *expected = load("expected", rows[i].name);
        json_object_foreach(json_object_get(expected, "cases"), name, row) n_bad +=
            check_case(rows[i].name, name, t, row);
        json_decref(expected);
        hl_chat_template_free(t);
        hl_str_done(&source);
        n_seen++;
    }
    if (n_seen == 0) skip_because("templates are not there");
    assert_int_equal(n_bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_templates_show_what_they_can_and_get_what_they_want),
    };
    return cmocka_run_group_tests_name("chat templates", tests, NULL, NULL);
}
