/* SPDX-License-Identifier: MIT
 *
 * base.h - what every other public header needs: status codes, errors, string views.
 *
 * The one idea: a function that can fail returns hl_status and writes the details into the caller's
 * hl_err. Nothing is thrown, printed or kept in a global.
 */
#ifndef HL_BASE_H
#define HL_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HL_MUST_CHECK   __attribute__((warn_unused_result))
#define HL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define HL_API          __attribute__((visibility("default")))
#else
#define HL_MUST_CHECK
#define HL_PRINTF(f, a)
#define HL_API
#endif

#define HL_VERSION_MAJOR 0
#define HL_VERSION_MINOR 1
#define HL_VERSION_PATCH 0
#define HL_VERSION       "0.1.0"

/* What a fallible function returns; HL_OK is 0. See status.def. */
typedef enum hl_status {
#define HL_STATUS(name, value, http, exit_code, text) HL_##name = value,
#include "hyperlama/status.def"
#undef HL_STATUS
} hl_status;

enum { HL_ERR_TEXT_BYTES = 512 };

/* Details of a failure, in the caller's storage. Untouched by a call that succeeds. */
typedef struct hl_err {
    hl_status status;
    char      text[HL_ERR_TEXT_BYTES]; /* terminated; names the thing, what was found, what was expected */
} hl_err;

/* Bytes that belong to somebody else; not terminated. */
typedef struct hl_view {
    const char *ptr; /* may be NULL when len is 0 */
    size_t      len;
} hl_view;

/* Record a failure and hand its status back, so that `return hl_fail(err, ...)` is one line.
 *
 * in     err  NULL is allowed: only the status is kept
 *        fmt  printf format. Words of others in the text are safe to show afterwards: control, bidirectional
 *             and invisible characters and bytes that are no UTF-8 become escapes (\x1b). A text too long for
 *             hl_err loses the middle of its longest words ("..."), so that what happened stays readable
 */
HL_API hl_status hl_fail(hl_err *err, hl_status status, const char *fmt, ...) HL_PRINTF(3, 4);

/* Put words in front of the text of a failure that is already recorded ("load 'x': ..."), unless they end by
 * naming in quotes what the text names already.
 * in     err     NULL: nobody wants to know
 *        status  of that failure; HL_OK: there was none, and nothing happens
 * Returns status. */
HL_API hl_status hl_fail_within(hl_err *err, hl_status status, const char *fmt, ...) HL_PRINTF(3, 4);

/* Let calls on this thread end with HL_E_CANCEL soon (within a second) after *flag became nonzero: opening a
 * model, rendering, tokenizing, hashing, importing. A signal handler or another thread may set the flag.
 *
 * in     flag  must outlive the watch; NULL: nothing is watched, as at the start of every thread
 * out    the flag that was watched before, to be put back by whoever watches for the length of one call */
HL_API const volatile int *hl_stop_watch(const volatile int *flag);

HL_API const char *hl_status_text(hl_status status);      /* "not found" */
HL_API const char *hl_status_name(hl_status status);      /* "E_NOT_FOUND" */
HL_API int         hl_status_http(hl_status status);      /* 404 */
HL_API int         hl_status_exit_code(hl_status status); /* 7 */

/* "0.1.0"; the build that is linked, which may differ from the header's HL_VERSION. */
HL_API const char *hl_version(void);

#ifdef __cplusplus
}
#endif
#endif
