/* SPDX-License-Identifier: MIT
 *
 * fuzz_chat.c - any bytes as messages, tools and an answer's prefix, through templates of different kinds to
 * token ids.
 *
 * The first byte chooses the template. A zero byte stands between messages and tools, and between tools and
 * the prefix. No id may be a control token where the text came from outside; what is refused must say why.
 *
 * fuzz: max_len=16384
 */
#include <stdlib.h>

#include "engine/runner/chat.h"
#include "tests/unit/tokenizer_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A vocabulary is all that prompts need of a model; so the engine is not linked, and no kernel is built for
 * this. */
struct hl_model {
    hl_gguf      *gguf;
    hl_tokenizer *tokenizer;
};
const hl_tokenizer *hl_model_tokenizer(const hl_model *m) { return m->tokenizer; }

hl_view hl_model_chat_template(const hl_model *m) {
    (void)m;
    return (hl_view){0};
}

hl_view hl_model_named_template(const hl_model *m, const char *name) {
    (void)m, (void)name;
    return (hl_view){0};
}

#define LOOP(body) "{% for m in messages %}" body "{% endfor %}"
static const char *const templates[] = {
    LOOP("<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n") "<|im_start|>assistant\n",
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}" LOOP(
        "<|{{ m.role }}|>{% if m.content is string %}{{ m.content | trim }}{% else %}{% for p in m.content "
        "or [] %}{{ p.text "
        "}}{% endfor %}{% endif %}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ "
        "c.function.arguments | tojson "
        "}}{% endfor %}"),
    LOOP("{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}<s>{{ m.content }}"),
    LOOP("{% if m.role in ['user', 'assistant'] %}{{ m.content }}{% endif %}"),
    LOOP("{% for p in m.content %}{{ p.text }}<|im_end|>{% endfor %}"),
    LOOP("{{ m.content | lower | replace('x', '') }}{% for c in m.tool_calls or [] %}{{ '' + "
         "c.function.arguments }}{% endfor %}"),
    "", /* none: texts one after another */
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates, MAX_INPUT = 1 << 16 };

static hl_model *make_model(void) {
    static hl_model m;
    fix_vocab      *f = fix_new("gpt2", "gpt-2");
    hl_gguf        *g = NULL;
    fix_add_letters(f);
    (void)fix_add(f, "<|im_start|>", 3, 0);
    (void)fix_add(f, "<|im_end|>", 3, 0);
    (void)fix_add(f, "<|user|>", 3, 0);
    (void)fix_add(f, "<s>", 3, 0);
    fix_merge(f, "\xC4\xA0 \xC4\xA0");
    if (fix_load(f, &g, &m.tokenizer, NULL) != HL_OK) abort();
    m.gguf = g;
    return &m;
}

/* The ids must spell the text that is shown for the request. */
static void check(const hl_model *m, const hl_prompt *p, hl_view text) {
    size_t at = 0;
    for (size_t i = 0; i < p->ids.n; i++) {
        char         piece[64];
        const size_t n = hl_tokenizer_piece(m->tokenizer, p->ids.ids[i], true, piece, sizeof piece);
        if (n > text.len - at || memcmp(text.ptr + at, piece, n) != 0) abort();
        at += n;
    }
    if (at != text.len) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static hl_model         *m;
    static hl_chat_templates kept;
    static char              input[MAX_INPUT + 2];
    if (!m) {
        m = make_model();
        hl_chat_templates_init(&kept);
    }
    if (n < 1 || n > MAX_INPUT) return 0;
    memcpy(input, data + 1, n - 1);
    input[n - 1] = input[n] = '\0';
    const char *tools = input + strlen(input) + 1, *end = input + n - 1;
    const char *prefix = tools < end ? tools + strlen(tools) + 1 : end;
    hl_request  r = {.now_ms = 1, .messages_json = input};
    hl_prompt   p;
    hl_err      err = {0};
    char       *text = NULL;
    size_t      n_text = 0;
    r.tools_json = tools < end && *tools ? tools : NULL;
    r.answer_prefix = prefix < end ? (hl_view){prefix, (size_t)(end - prefix)} : (hl_view){0};
    r.template_text = templates[data[0] % N_TEMPLATES];
    const hl_status status = hl_prompt_make(m, &kept, &r, &p, &err);
    if (status != HL_OK && err.text[0] == '\0') abort();
    if (status == HL_OK) {
        if (hl_prompt_render(m, &kept, &r, &text, &n_text, &err) != HL_OK) abort();
        check(m, &p, (hl_view){text, n_text});
    }
    hl_text_free(text);
    hl_prompt_done(&p);
    return 0;
}
