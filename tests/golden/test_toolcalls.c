/* SPDX-License-Identifier: MIT
 *
 * test_toolcalls.c - what models of each format write, and what must come of it, whatever the pieces it comes
 * in; and which format each real chat template has.
 *
 * The vectors are tests/golden/toolcalls/vectors.py's.
 */
#include "tests/need.h"

#include <jansson.h>
#include <string.h>

#include "core/base/mem.h"
#include "engine/toolcalls/reply_parser.h"

static const char TOOLS[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"parameters\": {\"type\": "
    "\"object\", "
    "\"properties\": {\"city\": {\"type\": \"string\"}, \"days\": {\"type\": \"integer\"}}}}},"
    "{\"type\": \"function\", \"function\": {\"name\": \"note\", \"parameters\": {\"type\": \"object\", "
    "\"properties\": {\"text\": {\"type\": \"string\"}, \"tags\": {\"type\": \"array\"}, \"deep\": "
    "{\"$ref\": "
    "\"#/$defs/D\"}, \"flag\": {\"type\": \"boolean\"}, \"ratio\": {\"type\": \"number\"}, \"maybe\": "
    "{\"anyOf\": "
    "[{\"type\": \"null\"}, {\"type\": \"string\"}]}, \"other\": {}}, \"$defs\": {\"D\": {\"type\": "
    "\"object\"}}}}},"
    "{\"type\": \"function\", \"function\": {\"name\": \"ping\"}}]";

/* Events as text, neighbours of a kind joined: "text \"...\"\n". */
typedef struct got {
    hl_str all, part;
    int    kind;     /* of part; -1: none */
    bool   is_whole; /* every piece was whole UTF-8 */
} got;

static void end_part(got *g) {
    static const char *const names[] = {"text ", "think ", "", "args "};
    if (g->kind >= 0 && g->part.len > 0) {
        hl_str_add_text(&g->all, names[g->kind]);
        hl_str_add_json(&g->all, hl_str_view(&g->part));
        hl_str_add_char(&g->all, '\n');
    }
    hl_str_clear(&g->part);
    g->kind = -1;
}

static bool take(void *user, const hl_reply_part *p) {
    got *g = user;
    if (p->is_hidden) return true;
    g->is_whole = g->is_whole && hl_utf8_is_valid(p->text.ptr ? p->text.ptr : "", p->text.len);
    if (p->kind == HL_REPLY_CALL || p->kind == HL_REPLY_CALL_END) {
        end_part(g);
        if (p->kind == HL_REPLY_CALL_END) {
            hl_str_add_text(&g->all, p->is_cut ? "cut\n" : "end\n");
            return true;
        }
        hl_str_add_format(&g->all, "call %.*s", (int)p->text.len, p->text.ptr);
        if (p->id.len > 0) hl_str_add_format(&g->all, " %.*s", (int)p->id.len, p->id.ptr);
        hl_str_add_char(&g->all, '\n');
        return true;
    }
    if (g->kind != (int)p->kind) end_part(g);
    g->kind = (int)p->kind;
    hl_str_add_view(&g->part, p->text);
    return true;
}

static void expect(const json_t *events, hl_str *to) {
    size_t        i;
    const json_t *e;
    json_array_foreach(events, i, e) {
        const char *kind = json_string_value(json_array_get(e, 0));
        const char *what = json_string_value(json_array_get(e, 1)),
                   *id = json_string_value(json_array_get(e, 2));
        hl_str_add_text(to, kind);
        if (what) hl_str_add_char(to, ' ');
        if (what && strcmp(kind, "call") != 0)
            hl_str_add_json(to, hl_view_of(what));
        else if (what)
            hl_str_add_text(to, what);
        if (id) hl_str_add_format(to, " %s", id);
        hl_str_add_char(to, '\n');
    }
}

/* In pieces of `first`, then of `size` bytes. */
static void run(const json_t *c, const json_t *tools, size_t first, size_t size, got *g) {
    const hl_call_format *f = hl_call_format_named(json_string_value(json_object_get(c, "format")));
    const char           *text = json_string_value(json_object_get(c, "text"));
    const size_t          n = strlen(text);
    const bool            has_tools = !json_is_false(json_object_get(c, "tools"));
    hl_reply_parser      *r = hl_new(1, sizeof *r);
    assert_non_null(f);
    assert_non_null(r);
    *g = (got){.kind = -1, .is_whole = true};
    hl_str_init(&g->all, SIZE_MAX);
    hl_str_init(&g->part, SIZE_MAX);
    hl_reply_parser_init(r, f, has_tools ? tools : NULL, json_is_true(json_object_get(c, "thinks")),
                         json_is_true(json_object_get(c, "open")), take, g);
    r->must_call = json_is_true(json_object_get(c, "must_call"));
    for (size_t at = 0; at < n;) {
        const size_t want = at == 0 && first ? first : size, k = n - at < want ? n - at : want;
        assert_true(hl_reply_parser_feed(r, (hl_view){text + at, k}, false));
        at += k;
    }
    assert_true(hl_reply_parser_finish(r, json_is_true(json_object_get(c, "cut"))));
    end_part(g);
    assert_false(r->failed);
    hl_reply_parser_done(r);
    hl_free(r);
}

static void check(const json_t *c, const json_t *tools, size_t first, size_t size) {
    hl_str want;
    got    g;
    hl_str_init(&want, SIZE_MAX);
    expect(json_object_get(c, "events"), &want);
    run(c, tools, first, size, &g);
    if (strcmp(hl_str_text(&want), hl_str_text(&g.all)) != 0)
        fail_msg("%s: pieces of %zu, %zu: %s\nwant:\n%sgot:\n%s",
                 json_string_value(json_object_get(c, "format")), first, size,
                 json_string_value(json_object_get(c, "text")), hl_str_text(&want), hl_str_text(&g.all));
    assert_true(g.is_whole);
    hl_str_done(&want);
    hl_str_done(&g.all);
    hl_str_done(&g.part);
}

static void vectors_give_their_events_whatever_the_pieces(void **state) {
    json_t       *cases = json_load_file("tests/golden/toolcalls/vectors.json", 0, NULL);
    json_t       *tools = json_loads(TOOLS, 0, NULL);
    size_t        i;
    const json_t *c;
    (void)state;
    assert_true(json_array_size(cases) > 300);
    assert_non_null(tools);
    json_array_foreach(cases, i, c) {
        const size_t n = json_string_length(json_object_get(c, "text"));
        check(c, tools, 0, n);
        check(c, tools, 0, 1);
        for (size_t first = 1; first < n; first++) check(c, tools, first, n);
    }
    json_decref(tools);
    json_decref(cases);
}

/* ---- which format a template has -------------------------------------------------------------- */

static const struct {
    const char *name, *format;
} templates[] = {
    {"Apertus-8B-Instruct", "apertus"},
    {"ByteDance-Seed-OSS", "seed_oss"},
    {"CohereForAI-c4ai-command-r7b-12-2024-tool_use", "cohere"},
    {"GLM-4.6", "glm"},
    {"HuggingFaceTB-SmolLM3-3B", "hermes"},
    {"Kimi-K2-Instruct", "kimi_k2"},
    {"LFM2-8B-A1B", "lfm2"},
    {"LFM2.5-Instruct", "lfm2_5"},
    {"MiMo-VL", "hermes"},
    {"MiniMax-M2", "minimax_m2"},
    {"Mistral-Small-3.2-24B-Instruct-2506", "mistral_ids"},
    {"NVIDIA-Nemotron-Nano-v2", "nemotron_v2"},
    {"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use", "hermes"},
    {"Qwen-QwQ-32B", "hermes"},
    {"Qwen-Qwen2.5-7B-Instruct", "hermes"},
    {"Qwen-Qwen3-0.6B", "hermes"},
    {"Qwen3-Coder", "qwen3_coder"},
    {"Qwen3.5-4B", "qwen3_coder"},
    {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek_v3"},
    {"deepseek-ai-DeepSeek-V3.1", "deepseek_v3_1"},
    {"deepseek-ai-DeepSeek-V4", "deepseek_v4"},
    {"fireworks-ai-llama-3-firefunction-v2", "functools"},
    {"google-gemma-2-2b-it", "hermes"},
    {"google-gemma-4-31B-it", "gemma_4"},
    {"ibm-granite-granite-3.3-2B-Instruct", "granite_3"},
    {"ibm-granite-granite-4.0", "hermes"},
    {"llama-cpp-rwkv-world", "hermes"},
    {"meetkai-functionary-medium-v3.1", "functionary_v3_1"},
    {"meta-llama-Llama-3.1-8B-Instruct", "llama_3"},
    {"microsoft-Phi-3.5-mini-instruct", "hermes"},
    {"mistralai-Ministral-3-14B-Reasoning-2512", "mistral_args"},
    {"mistralai-Mistral-Nemo-Instruct-2407", "mistral"},
    {"moonshotai-Kimi-K2", "kimi_k2"},
    {"openai-gpt-oss-120b", "harmony"},
    {"tencent-Hy3", "hunyuan_3"},
    {"unsloth-mistral-Devstral-Small-2507", "mistral_args"},
};

static void real_templates_have_the_format_of_their_family(void **state) {
    hl_str text;
    (void)state;
    hl_str_init(&text, SIZE_MAX);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        char   file[256], path[1024], part[65536];
        size_t n = 0;
        (void)snprintf(file, sizeof file, "templates/%s.jinja", templates[i].name);
        if (!find_fetched(file, path, sizeof path)) skip_because("%s is not there", path);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        hl_str_clear(&text);
        while ((n = fread(part, 1, sizeof part, f)) > 0) hl_str_add(&text, part, n);
        (void)fclose(f);
        const hl_call_format *format = hl_call_format_find(hl_str_view(&text));
        if (strcmp(format->name, templates[i].format) != 0)
            fail_msg("%s: format %s, expected %s", templates[i].name, format->name, templates[i].format);
    }
    hl_str_done(&text);
}

static void no_template_at_all_has_the_one_that_fits_all(void **state) {
    (void)state;
    assert_string_equal(hl_call_format_find((hl_view){"", 0})->name, "hermes");
    assert_string_equal(hl_call_format_find((hl_view){NULL, 0})->name, "hermes");
    assert_null(hl_call_format_named("nobody"));
}

/* ---- what models are not expected to write ---------------------------------------------------- */

static hl_reply_parser *parser_new(const char *format, const json_t *tools, got *g) {
    hl_reply_parser *r = hl_new(1, sizeof *r);
    assert_non_null(r);
    *g = (got){.kind = -1, .is_whole = true};
    hl_str_init(&g->all, SIZE_MAX);
    hl_str_init(&g->part, SIZE_MAX);
    hl_reply_parser_init(r, hl_call_format_named(format), tools, true, false, take, g);
    return r;
}

static void parser_free(hl_reply_parser *r, got *g) {
    hl_reply_parser_done(r);
    hl_free(r);
    hl_str_done(&g->all);
    hl_str_done(&g->part);
}

static void feed(hl_reply_parser *r, const char *text) {
    assert_true(hl_reply_parser_feed(r, hl_view_of(text), false));
}

/* Nothing of it is kept once it is handed out. */
static void arguments_of_a_megabyte_are_streamed(void **state) {
    json_t          *tools = json_loads(TOOLS, 0, NULL);
    got              g;
    hl_reply_parser *r = parser_new("hermes", tools, &g);
    (void)state;
    feed(r, "<tool_call>{\"name\": \"note\", \"arguments\": {\"text\": \"");
    for (int i = 0; i < 1 << 16; i++) {
        feed(r, "sixteen bytes - ");
        if (r->call) assert_true(r->call->args.len < 64 && r->held.len == 0);
    }
    feed(r, "\"}}</tool_call>");
    assert_true(hl_reply_parser_finish(r, false));
    assert_int_equal(r->n_calls, 1);
    assert_non_null(strstr(hl_str_text(&g.all), "call note\n"));
    assert_true(g.all.len > 1 << 20);
    parser_free(r, &g);
    json_decref(tools);
}

/* Their name comes last: they are held, and are a call all the same. */
static void arguments_in_front_of_the_name_may_be_long(void **state) {
    json_t          *tools = json_loads(TOOLS, 0, NULL);
    got              g;
    hl_reply_parser *r = parser_new("hermes", tools, &g);
    (void)state;
    feed(r, "<tool_call>{\"arguments\": {\"text\": \"");
    for (int i = 0; i < 1 << 14; i++) feed(r, "<tool_call>{{[[ ");
    feed(r, "\"}, \"name\": \"note\"}</tool_call>");
    assert_true(hl_reply_parser_finish(r, false));
    assert_int_equal(r->n_calls, 1);
    parser_free(r, &g);
    json_decref(tools);
}

static void what_is_no_utf8_breaks_nothing(void **state) {
    static const char text[] =
        "a\xFF\xC3<tool_call>{\"name\": \"note\", \"arguments\": {\"te\xE2xt\": \"\xF0\x9F\"}}";
    json_t *tools = json_loads(TOOLS, 0, NULL);
    (void)state;
    for (const char *format = NULL, *const *at = (const char *const[]){"hermes", "glm", "lfm2", NULL};
         (format = *at); at++) {
        got              g;
        hl_reply_parser *r = parser_new(format, tools, &g);
        for (size_t i = 0; i + 1 < sizeof text; i++)
            assert_true(hl_reply_parser_feed(r, (hl_view){text + i, 1}, false));
        assert_true(hl_reply_parser_finish(r, true));
        parser_free(r, &g);
    }
    json_decref(tools);
}

/* Marks that are control tokens come hidden, and are marks all the same. */
static void control_tokens_are_marks_and_never_shown(void **state) {
    json_t          *tools = json_loads(TOOLS, 0, NULL);
    got              g;
    hl_reply_parser *r = parser_new("mistral_args", tools, &g);
    (void)state;
    feed(r, "Hm.");
    assert_true(hl_reply_parser_feed(r, hl_view_of("[TOOL_CALLS]"), true));
    feed(r, "ping");
    assert_true(hl_reply_parser_feed(r, hl_view_of("[ARGS]"), true));
    feed(r, "{}");
    assert_true(hl_reply_parser_feed(r, hl_view_of("</s>"), true));
    assert_true(hl_reply_parser_finish(r, false));
    end_part(&g);
    assert_string_equal(hl_str_text(&g.all), "text \"Hm.\"\ncall ping\nargs \"{}\"\nend\n");
    parser_free(r, &g);
    json_decref(tools);
}

static bool refuse(void *user, const hl_reply_part *part) {
    (void)user, (void)part;
    return false;
}

static void whoever_refuses_a_part_is_told_nothing_more(void **state) {
    json_t          *tools = json_loads(TOOLS, 0, NULL);
    got              g;
    hl_reply_parser *r = parser_new("hermes", tools, &g);
    (void)state;
    r->fn = refuse;
    assert_false(hl_reply_parser_feed(r, hl_view_of("text <tool_call>{\"name\": \"ping\"}"), false));
    assert_false(hl_reply_parser_finish(r, false));
    assert_int_equal(g.all.len, 0);
    parser_free(r, &g);
    json_decref(tools);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_give_their_events_whatever_the_pieces),
        cmocka_unit_test(real_templates_have_the_format_of_their_family),
        cmocka_unit_test(no_template_at_all_has_the_one_that_fits_all),
        cmocka_unit_test(arguments_of_a_megabyte_are_streamed),
        cmocka_unit_test(arguments_in_front_of_the_name_may_be_long),
        cmocka_unit_test(what_is_no_utf8_breaks_nothing),
        cmocka_unit_test(control_tokens_are_marks_and_never_shown),
        cmocka_unit_test(whoever_refuses_a_part_is_told_nothing_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
