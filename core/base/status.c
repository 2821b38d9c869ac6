/* SPDX-License-Identifier: MIT
 *
 * status.c - status codes by table, and the text of a failure.
 */
#include "hyperlama/base.h"

#include <stdio.h>
#include <string.h>

typedef struct status_row {
    const char *name;
    const char *text;
    int         http;
    int         exit_code;
} status_row;

static const status_row rows[] = {
#define HL_STATUS(name, value, http, exit_code, text) [value] = {#name, text, http, exit_code},
#include "hyperlama/status.def"
#undef HL_STATUS
};

static const status_row *find_row(hl_status status) {
    const size_t i = (size_t)status;
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : &rows[HL_E_INTERNAL];
}

const char *hl_status_text(hl_status status) { return find_row(status)->text; }
const char *hl_status_name(hl_status status) { return find_row(status)->name; }
int         hl_status_http(hl_status status) { return find_row(status)->http; }
int         hl_status_exit_code(hl_status status) { return find_row(status)->exit_code; }
const char *hl_version(void) { return HL_VERSION; }

/* A cut text says so with "..." instead of just ending, and never ends inside a UTF-8 character. */
static void mark_cut(char *text, size_t cap) {
    size_t n = cap - 4;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    memcpy(text + n, "...", 4);
}

hl_status hl_fail(hl_err *err, hl_status status, const char *fmt, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    if (n >= (int)sizeof err->text) mark_cut(err->text, sizeof err->text);
    err->status = status;
    return status;
}

hl_status hl_fail_within(hl_err *err, const char *fmt, ...) {
    if (!err) return HL_E_INTERNAL;
    char    head[HL_ERR_TEXT_BYTES];
    char    tail[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(head, sizeof head, fmt, args);
    va_end(args);
    memcpy(tail, err->text, sizeof tail);
    return hl_fail(err, err->status, "%s: %s", head, tail);
}
