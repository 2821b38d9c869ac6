/* SPDX-License-Identifier: MIT
 *
 * app.c - what signals left behind, and remarks to the user.
 */
#include "cli/app.h"

#include <stdarg.h>

hl_signals hl_signal;

static void print_remark(const char *kind, const char *fmt, va_list args) {
    fflush(stdout);
    fputs(kind, stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void hl_app_warn(const hl_app *app, const char *fmt, ...) {
    (void)app;
    va_list args;
    va_start(args, fmt);
    print_remark("warning: ", fmt, args);
    va_end(args);
}

void hl_app_note(const hl_app *app, const char *fmt, ...) {
    (void)app;
    va_list args;
    va_start(args, fmt);
    print_remark("", fmt, args);
    va_end(args);
}
