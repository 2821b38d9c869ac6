/* SPDX-License-Identifier: MIT
 *
 * fuzz_gotemplate.c - any bytes as a Go template: rendered with a small conversation, and with any data.
 *
 * The text behind a zero byte is the request (JSON), so that messages and tools are fuzzed too.
 *
 * fuzz: max_len=8192
 */
#include <string.h>

#include "engine/gotemplate/gotemplate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char request_json[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": "
    "\"h\\u00e9\\n\"},"
    " {\"role\": \"assistant\", \"content\": null, \"thinking\": \"t\", \"tool_calls\": [{\"id\": \"1\", "
    "\"function\":"
    " {\"name\": \"f\", \"arguments\": {\"a\": 1.5, \"b\": [1, \"x\", null]}}}]},"
    " {\"role\": \"tool\", \"tool_call_id\": \"1\", \"content\": \"r\"}], \"tools\": [{\"type\": "
    "\"function\","
    " \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"required\": [\"a\"], "
    "\"properties\":"
    " {\"a\": {\"type\": [\"number\", \"null\"]}, \"o\": {\"properties\": {\"p\": {\"anyOf\": [{\"type\": "
    "\"string\"}]}}}}}}}],"
    " \"n\": 3, \"l\": [3, 1, 2], \"t\": true}";

static void render(const hl_gotemplate *t, const json_t *request) {
    hl_gotemplate_input in = {.messages = json_object_get(request, "messages"),
                              .tools = json_object_get(request, "tools"),
                              .is_think_set = true,
                              .think = true,
                              .now_ms = 1772334245000};
    hl_tainted          out;
    hl_err              err;
    hl_tainted_init(&out, 1 << 20);
    hl_status status = hl_gotemplate_render(t, &in, &out, &err);
    in.prompt = in.suffix = (hl_view){"p\xC3\xA9", 3};
    status = hl_gotemplate_render(t, &in, &out, &err);
    status = hl_gotemplate_execute(t, request, in.now_ms, &out, &err);
    (void)status;
    hl_tainted_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const uint8_t *end = n ? memchr(data, 0, n) : NULL;
    const size_t   n_source = end ? (size_t)(end - data) : n;
    hl_gotemplate *t = NULL;
    hl_err         err;
    (void)hl_template_looks((hl_view){(const char *)data, n_source});
    if (hl_gotemplate_parse((hl_view){(const char *)data, n_source}, &t, &err) != HL_OK) return 0;
    json_t *request = end ? json_loadb((const char *)end + 1, n - n_source - 1, JSON_ALLOW_NUL, NULL)
                          : json_loads(request_json, 0, NULL);
    render(t, request);
    json_decref(request);
    hl_gotemplate_free(t);
    return 0;
}
