/* SPDX-License-Identifier: MIT
 *
 * call_format.c - the table of formats, and which of them a template has.
 */
#define _GNU_SOURCE /* memmem() */
#include "engine/toolcalls/call_format.h"

#include <string.h>

static const hl_call_format formats[] = {
#define HL_CALL_FORMAT(id, ...) {.name = #id, __VA_ARGS__},
#include "engine/toolcalls/call_formats.def"
#undef HL_CALL_FORMAT
};

enum { N_FORMATS = sizeof formats / sizeof *formats };

static bool fits(const hl_call_format *f, hl_view text) {
    for (size_t i = 0; i < HL_FORMAT_WORDS && f->needs[i]; i++) {
        const bool  is_wanted = f->needs[i][0] != '!';
        const char *word = f->needs[i] + !is_wanted;
        if ((text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL) != is_wanted)
            return false;
    }
    return true;
}

const hl_call_format *hl_call_format_find(hl_view template_text) {
    size_t i = 0;
    while (i + 1 < N_FORMATS && !fits(&formats[i], template_text)) i++;
    return &formats[i];
}

const hl_call_format *hl_call_format_named(const char *name) {
    for (size_t i = 0; i < N_FORMATS; i++)
        if (strcmp(formats[i].name, name) == 0) return &formats[i];
    return NULL;
}

const char *hl_call_format_think_open(const hl_call_format *f) {
    return f->has_channels ? "<|channel|>analysis<|message|>" : f->think_open ? f->think_open : "<think>";
}

const char *hl_call_format_think_close(const hl_call_format *f) {
    return f->has_channels ? "<|end|>" : f->think_close ? f->think_close : "</think>";
}

const char *hl_call_format_think_end(const hl_call_format *f, bool may_call) {
    if (!f->has_channels) return hl_call_format_think_close(f);
    return may_call ? "<|end|><|start|>assistant" : "<|end|><|start|>assistant<|channel|>final<|message|>";
}

const hl_call_format *hl_call_format_at(size_t i) { return i < N_FORMATS ? &formats[i] : NULL; }
