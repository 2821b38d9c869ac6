/* SPDX-License-Identifier: MIT
 *
 * framing.c - headers of which two readers could make two different requests.
 *
 * from: RFC 9112, 3.2, 5.1 and 6.3; RFC 9110, 5.3
 */
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/server_priv.h"

/* Of these there is one, or all say the same. */
static const char *const single_headers[] = {"Content-Length", "Content-Encoding",   "Content-Type", "Origin",
                                             "Authorization",  "x-request-priority", "x-api-key"};
enum { N_SINGLE_HEADERS = sizeof single_headers / sizeof *single_headers };

/* What was seen so far; seen[0]: Content-Length. */
typedef struct framing {
    int         n_hosts;
    bool        has_encoding;
    const char *seen[N_SINGLE_HEADERS]; /* the first one of each */
    char        fault[80];              /* "": none */
} framing;

static void find_fault(framing *f, const char *fmt, const char *name) {
    (void)snprintf(f->fault, sizeof f->fault, fmt, name);
}

static enum MHD_Result look_at_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value) {
    framing     *f = cls;
    const size_t n = strlen(name);
    (void)kind;
    if (!value) value = "";
    if (n > 0 && (name[n - 1] == ' ' || name[n - 1] == '\t'))
        find_fault(f, "a header's name: no blank may follow%s", "");
    if (strcasecmp(name, "Host") == 0 && f->n_hosts++ > 0)
        find_fault(f, "more than one %s: expected one", "Host");
    if (strcasecmp(name, "Transfer-Encoding") == 0) f->has_encoding = true;
    if (strcasecmp(name, "Transfer-Encoding") == 0 && strcasecmp(value, "chunked") != 0)
        find_fault(f, "%s: expected chunked", "Transfer-Encoding");
    for (size_t i = 0; i < N_SINGLE_HEADERS; i++) {
        if (strcasecmp(name, single_headers[i]) != 0) continue;
        if (f->seen[i] && strcmp(f->seen[i], value) != 0)
            find_fault(f, "two values of %s: expected one", single_headers[i]);
        f->seen[i] = value;
    }
    return MHD_YES;
}

hl_status hl_framing_check(struct MHD_Connection *connection, hl_err *err) {
    framing f = {0};
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, look_at_header, &f);
    if (f.fault[0]) return hl_fail(err, HL_E_FORMAT, "%s", f.fault);
    /* who sends both may want two servers to see two different requests */
    if (f.seen[0] && f.has_encoding)
        return hl_fail(err, HL_E_FORMAT, "both Content-Length and Transfer-Encoding: expected one of them");
    return HL_OK;
}
