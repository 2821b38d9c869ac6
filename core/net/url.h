/* SPDX-License-Identifier: MIT
 *
 * url.h - URLs, as far as whoever fetches files must look into them. Parsed by libcurl, so that what is
 * checked here is what is asked there.
 */
#ifndef HL_CORE_NET_URL_H
#define HL_CORE_NET_URL_H

#include "core/base/str.h"

enum { HL_URL_MOST_BYTES = 8192 };

typedef struct hl_url {
    bool  is_https;
    char *host;   /* without a port; lower case */
    char *origin; /* "https://host:443": scheme, host and port */
} hl_url;

/* fails  HL_E_ARG  no http or https URL, a user name in it, or too long; HL_E_NOMEM
 * owns   hl_url_done(), also after a failure */
HL_MUST_CHECK hl_status hl_url_parse(const char *text, hl_url *ret, hl_err *err);
void                    hl_url_done(hl_url *u);

/* What `relative` means on the page `base`.
 * owns   hl_free(*ret)
 * fails  as hl_url_parse() */
HL_MUST_CHECK hl_status hl_url_resolve(const char *base, const char *relative, char **ret, hl_err *err);

/* Append a URL for people and logs: without what stands behind '?', which may be a key to the file, and
 * without a user name. */
void hl_url_add_shown(hl_str *out, const char *url);

/* Append text with all but letters, digits and -._~ as %XX. from: RFC 3986, 2.3 */
void hl_url_add_escaped(hl_str *out, hl_view text);

#endif
