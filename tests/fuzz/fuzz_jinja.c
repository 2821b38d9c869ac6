/* SPDX-License-Identifier: MIT
 *
 * fuzz_jinja.c - any bytes as a chat template, rendered with a small conversation.
 *
 * fuzz: max_len=8192 words=engine/template/filters.def,engine/template/tests.def
 * fuzz: words=engine/template/globals.def,engine/template/methods.def,engine/template/tmpl_parser.c
 */
#include "engine/template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char context_json[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": "
    "\"h\\u00e9\\n\"},"
    " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": \"f\", "
    "\"arguments\":"
    " {\"a\": 1.5}}}]}], \"tools\": [{\"type\": \"function\"}], \"n\": 3, \"l\": [3, 1, 2], \"t\": true}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_template *t = NULL;
    hl_err       err;
    if (hl_template_parse((hl_view){(const char *)data, n}, &t, &err) != HL_OK) return 0;
    json_t                 *context = json_loads(context_json, 0, NULL);
    const hl_template_input in = {.context = context, .now_ms = 1767323045000};
    hl_tainted              out;
    hl_tainted_init(&out, 1 << 20);
    hl_status status = hl_template_render(t, &in, &out, &err);
    (void)status;
    hl_tainted_done(&out);
    json_decref(context);
    hl_template_free(t);
    return 0;
}
