/* SPDX-License-Identifier: MIT
 *
 * url.c - libcurl's URL parser, with our rules: http and https, no user names.
 */
#include "core/net/url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

enum { FLAGS = CURLU_DISALLOW_USER };

static hl_status fail_url(const char *text, const char *why, hl_err *err) {
    hl_str shown;
    hl_str_init(&shown, SIZE_MAX);
    hl_url_add_shown(&shown, text);
    const hl_status status = hl_fail(err, HL_E_ARG, "URL '%.300s': %s", hl_str_text(&shown), why);
    hl_str_done(&shown);
    return status;
}

static hl_status set_text(CURLU *u, const char *text, hl_err *err) {
    if (strlen(text) > HL_URL_MOST_BYTES) return fail_url(text, "too long", err);
    const CURLUcode rc = curl_url_set(u, CURLUPART_URL, text, FLAGS);
    if (rc == CURLUE_OUT_OF_MEMORY) return hl_fail(err, HL_E_NOMEM, "URL: no memory");
    if (rc == CURLUE_USER_NOT_ALLOWED) return fail_url(text, "a user name stands in it", err);
    if (rc != CURLUE_OK) return fail_url(text, curl_url_strerror(rc), err);
    return HL_OK;
}

static hl_status take_parts(CURLU *u, const char *text, hl_url *ret, hl_err *err) {
    char     *scheme = NULL, *host = NULL, *port = NULL;
    hl_str    s;
    hl_status status = HL_OK;
    hl_str_init(&s, SIZE_MAX);
    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        status = fail_url(text, "expected http:// or https:// and a host", err);
    } else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        status = fail_url(text, "expected http or https", err);
    } else {
        for (char *c = host; *c; c++)
            if (*c >= 'A' && *c <= 'Z') *c = (char)(*c | 0x20);
        hl_str_add_format(&s, "%s://%s:%s", scheme, host, port);
        ret->is_https = strcmp(scheme, "https") == 0;
        ret->host = hl_strdup(host);
        ret->origin = hl_str_take(&s);
        if (!ret->host || !ret->origin) status = hl_fail(err, HL_E_NOMEM, "URL: no memory");
    }
    hl_str_done(&s);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return status;
}

hl_status hl_url_parse(const char *text, hl_url *ret, hl_err *err) {
    *ret = (hl_url){0};
    CURLU *u = curl_url();
    if (!u) return hl_fail(err, HL_E_NOMEM, "URL: no memory");
    hl_status status = set_text(u, text, err);
    if (status == HL_OK) status = take_parts(u, text, ret, err);
    curl_url_cleanup(u);
    return status;
}

void hl_url_done(hl_url *u) {
    hl_free(u->host);
    hl_free(u->origin);
    *u = (hl_url){0};
}

hl_status hl_url_resolve(const char *base, const char *relative, char **ret, hl_err *err) {
    char  *text = NULL;
    CURLU *u = curl_url();
    if (!u) return hl_fail(err, HL_E_NOMEM, "URL: no memory");
    hl_status status = set_text(u, base, err);
    if (status == HL_OK) status = set_text(u, relative, err);
    if (status == HL_OK && curl_url_get(u, CURLUPART_URL, &text, 0) != CURLUE_OK)
        status = fail_url(relative, "no URL", err);
    if (status == HL_OK && !(*ret = hl_strdup(text))) status = hl_fail(err, HL_E_NOMEM, "URL: no memory");
    curl_free(text);
    curl_url_cleanup(u);
    return status;
}

void hl_url_add_shown(hl_str *out, const char *url) {
    const char  *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    const size_t n = strcspn(host, "?#"), n_authority = strcspn(host, "/?#");
    const char  *at = NULL;
    for (size_t i = 0; i < n_authority; i++)
        if (host[i] == '@') at = host + i + 1;
    hl_str_add(out, url, (size_t)(host - url));
    hl_str_add(out, at ? at : host, (size_t)(host + n - (at ? at : host)));
}

void hl_url_add_escaped(hl_str *out, hl_view text) {
    static const char plain[] = "-._~", digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr(plain, c)))
            hl_str_add_char(out, c);
        else
            hl_str_add_format(out, "%%%c%c", digits[(unsigned char)c >> 4], digits[(unsigned char)c & 15]);
    }
}
