/* SPDX-License-Identifier: MIT
 *
 * progress.h - how far a long step is, with rate and remaining time; on terminals only.
 */
#ifndef HL_CLI_TERM_PROGRESS_H
#define HL_CLI_TERM_PROGRESS_H

#include "cli/app.h"
#include "core/base/size_text.h"

typedef struct hl_progress {
    bool    is_on;
    bool    is_shown; /* there is a line to be erased */
    char    label[64];
    int64_t start_ns, last_ns;
} hl_progress;

void hl_progress_begin(hl_progress *p, const hl_app *app, const char *label);
void hl_progress_show(hl_progress *p, uint64_t done_bytes,
                      uint64_t total_bytes); /* often is fine; total 0: unknown */
void hl_progress_end(hl_progress *p);        /* erases the line */

/* "1.2s", "130.08ms", "2m3.5s": as Ollama shows durations. */
void hl_format_duration(int64_t ns, char buf[32]);
/* "3 hours ago". */
void hl_format_age(int64_t then_ms, int64_t now_ms, char buf[32]);

#endif
