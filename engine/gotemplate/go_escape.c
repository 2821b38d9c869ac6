/* SPDX-License-Identifier: MIT
 *
 * go_escape.c - strings for HTML, JavaScript, URLs, JSON, and as Go constants.
 *
 * from: Go's documentation of html/template escapers, net/url QueryEscape, encoding/json and strconv.Quote
 */
#include "engine/gotemplate/go_escape.h"

#include <string.h>

#include "core/base/str.h"

enum { ESCAPE_BYTES = 16 };

/* What stands for a character: a text, or NULL when it stays as it is. `n` is 0 for a byte that begins no
 * character. */
typedef const char *escape_fn(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]);

static bool escape_each(hl_go_run *r, hl_tainted *to, hl_go_value text, escape_fn *fn) {
    const hl_view s = hl_go_view(text);
    char          buf[ESCAPE_BYTES];
    size_t        plain = 0; /* from here on nothing was written yet */
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = (unsigned char)s.ptr[i];
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp), step = n ? n : 1;
        const char  *escaped = fn(cp, n, buf);
        if (escaped) {
            if (!hl_go_add_piece(r, to, text, plain, i)) return false;
            hl_tainted_add(to, hl_view_of(escaped), hl_go_string_is_outside(text, i, i + step));
            plain = i + step;
        }
        i += step;
    }
    return hl_go_add_piece(r, to, text, plain, s.len) && hl_go_steps(r, s.len / 64) &&
           hl_go_check_text(r, to);
}

static void write_hex(char *to, const char *prefix, uint32_t v, int n_digits, bool is_upper) {
    const char  *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    const size_t n = strlen(prefix);
    memcpy(to, prefix, n);
    for (int i = 0; i < n_digits; i++) to[n + (size_t)i] = digits[v >> (4 * (n_digits - 1 - i)) & 15];
    to[n + (size_t)n_digits] = '\0';
}

static const char *html_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    (void)n;
    (void)buf;
    switch (cp) {
    case 0: return "\xEF\xBF\xBD";
    case '"': return "&#34;";
    case '\'': return "&#39;";
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    default: return NULL;
    }
}

static const char *js_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    switch (cp) {
    case '\\': return "\\\\";
    case '\'': return "\\'";
    case '"': return "\\\"";
    default: break;
    }
    if (n == 0) return NULL;
    if (cp == '<' || cp == '>' || cp == '&' || cp == '=' || cp < ' ' ||
        (cp >= 0x80 && !hl_go_is_printable(cp))) {
        write_hex(buf, "\\u", cp, cp > 0xFFFF ? (cp > 0xFFFFF ? 6 : 5) : 4, true);
        return buf;
    }
    return NULL;
}

static const char *url_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    if (n == 1 && ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || (cp >= '0' && cp <= '9') ||
                   (cp && strchr("-_.~", (int)cp))))
        return NULL;
    if (cp == ' ') return "+";
    char   bytes[5] = {(char)cp};
    size_t n_bytes = 1;
    if (n > 1) {
        n_bytes = n;
        bytes[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | cp >> (6 * (n - 1)));
        for (size_t i = 1; i < n; i++) bytes[i] = (char)(0x80 | (cp >> (6 * (n - 1 - i)) & 63));
    }
    for (size_t i = 0; i < n_bytes; i++) write_hex(buf + 3 * i, "%", (unsigned char)bytes[i], 2, true);
    return buf;
}

static const char *json_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    switch (cp) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (n == 0) return "\\ufffd";
    if (cp >= ' ' && cp != '<' && cp != '>' && cp != '&' && cp != 0x2028 && cp != 0x2029) return NULL;
    write_hex(buf, "\\u", cp, 4, false);
    return buf;
}

/* NULL when the character stays as it is. */
static const char *quoted_char(uint32_t cp, size_t n, char quote, bool only_ascii, char buf[ESCAPE_BYTES]) {
    static const char names[] = "\aa\bb\ff\nn\rr\tt\vv";
    if (n == 0) {
        write_hex(buf, "\\x", cp, 2, false);
        return buf;
    }
    if (cp == (uint32_t)quote || cp == '\\') {
        buf[0] = '\\';
        buf[1] = (char)cp;
        buf[2] = '\0';
        return buf;
    }
    if (hl_go_is_printable(cp) && (cp < 0x80 || !only_ascii)) return NULL;
    for (const char *p = names; *p; p += 2)
        if ((uint32_t)*p == cp) {
            buf[0] = '\\';
            buf[1] = p[1];
            buf[2] = '\0';
            return buf;
        }
    const bool is_small = cp < ' ' || cp == 0x7F;
    write_hex(buf,
              is_small       ? "\\x"
              : cp < 0x10000 ? "\\u"
                             : "\\U",
              cp,
              is_small       ? 2
              : cp < 0x10000 ? 4
                             : 8,
              false);
    return buf;
}

static const char *quote_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    return quoted_char(cp, n, '"', false, buf);
}
static const char *ascii_of(uint32_t cp, size_t n, char buf[ESCAPE_BYTES]) {
    return quoted_char(cp, n, '"', true, buf);
}

void hl_go_quote_char(hl_str *to, uint32_t cp, bool is_byte, char quote, bool only_ascii) {
    char        buf[ESCAPE_BYTES];
    const char *escaped = quoted_char(cp, is_byte ? 0 : 1, quote, only_ascii, buf);
    if (escaped)
        hl_str_add_text(to, escaped);
    else
        hl_str_add_utf8(to, cp);
}

bool hl_go_escape_html(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return escape_each(r, to, text, html_of);
}
bool hl_go_escape_js(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return escape_each(r, to, text, js_of);
}
bool hl_go_escape_url(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return escape_each(r, to, text, url_of);
}
bool hl_go_escape_json(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return escape_each(r, to, text, json_of);
}

static bool quote(hl_go_run *r, hl_tainted *to, hl_go_value text, escape_fn *fn) {
    const hl_view mark = {"\"", 1};
    hl_tainted_add(to, mark, false);
    if (!escape_each(r, to, text, fn)) return false;
    hl_tainted_add(to, mark, false);
    return hl_go_check_text(r, to);
}

bool hl_go_escape_quote(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return quote(r, to, text, quote_of);
}
bool hl_go_escape_ascii(hl_go_run *r, hl_tainted *to, hl_go_value text) {
    return quote(r, to, text, ascii_of);
}
