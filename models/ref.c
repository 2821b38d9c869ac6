/* SPDX-License-Identifier: MIT
 *
 * ref.c - what the name of a model elsewhere means: a registry's, a hub's, a URL, a path.
 *
 * from: Ollama's names, and "hf.co/" as it reads it; "@sha256:..." as OCI's tools do
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"
#include "models/manifest.h"
#include "models/name.h"
#include "models/registry.h"

static bool ends_in_gguf(hl_view v) { return v.len > 5 && strncasecmp(v.ptr + v.len - 5, ".gguf", 5) == 0; }

static bool is_path(const char *text) {
    return text[0] == '/' || text[0] == '~' || strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0;
}

/* What stands in front of '?' and '#'. */
static hl_view path_of(const char *url) { return (hl_view){url, strcspn(url, "?#")}; }

static bool is_http_url(const char *text, bool *ret_http) {
    *ret_http = strncasecmp(text, "http://", 7) == 0;
    return *ret_http || strncasecmp(text, "https://", 8) == 0;
}

static bool is_hub(const char *host) {
    return strcasecmp(host, "hf.co") == 0 || strcasecmp(host, "huggingface.co") == 0;
}

/* "Llama 3.Q4_K_M.gguf" of a URL is stored as "llama-3.q4_k_m". */
static hl_status name_after_file(const char *url, hl_name *ret, hl_err *err) {
    const hl_view path = path_of(url);
    const char   *from = path.ptr, *end = path.ptr + path.len - 5;
    char          model[HL_NAME_PART_BYTES];
    size_t        n = 0;
    for (const char *c = path.ptr; c < end; c++)
        if (*c == '/') from = c + 1;
    for (const char *c = from; c < end && n + 1 < sizeof model; c++) {
        const bool is_escape = *c == '%' && end - c > 2;
        char       to = is_escape ? '-' : *c;
        if (is_escape) c += 2;
        if (to >= 'A' && to <= 'Z') to = (char)(to | 0x20);
        const bool is_plain = (to >= 'a' && to <= 'z') || (to >= '0' && to <= '9') || to == '_' ||
                              (n > 0 && (to == '.' || to == '-'));
        if (!is_plain && n == 0) continue;
        model[n++] = is_plain ? to : '-';
    }
    model[n] = '\0';
    if (n == 0) return hl_fail(err, HL_E_ARG, "'%.200s': the file's name gives no name for a model", url);
    return hl_name_parse(model, ret, err);
}

static hl_status parse_url(const char *text, hl_ref *ret, hl_err *err) {
    if (strlen(text) >= sizeof ret->text)
        return hl_fail(err, HL_E_ARG, "URL '%.100s...': longer than %zu bytes", text, sizeof ret->text - 1);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '"' || *c == '\\' || *c == '<' || *c == '>')
            return hl_fail(err, HL_E_ARG, "URL '%.200s': a blank or a character that no URL has", text);
    const char  *host = strstr(text, "://") + 3;
    const size_t n_host = strcspn(host, "/?#");
    if (n_host == 0 || memchr(host, '@', n_host))
        return hl_fail(err, HL_E_ARG,
                       "a URL without a host, or with a user name in it: expected https://host/file.gguf");
    ret->kind = HL_REF_URL;
    (void)snprintf(ret->text, sizeof ret->text, "%s", text);
    return name_after_file(text, &ret->name, err);
}

/* Cut "@sha256:..." off. */
static hl_status take_digest(char *text, hl_ref *ret, hl_err *err) {
    char *at = strrchr(text, '@');
    if (!at) return HL_OK;
    if (strncmp(at + 1, "sha256:", 7) != 0 || !hl_digest_parse(at + 1, ret->digest))
        return hl_fail(err, HL_E_ARG, "model name '%.200s': behind '@' expected sha256: and 64 hex digits",
                       text);
    *at = '\0';
    return HL_OK;
}

hl_status hl_ref_parse(const char *text, hl_ref *ret, hl_err *err) {
    hl_ref    ref = {.kind = HL_REF_REGISTRY};
    char      rest[HL_NAME_TEXT_BYTES + HL_DIGEST_BYTES + 40];
    hl_status status = HL_OK;
    if (is_path(text)) {
        if (strlen(text) >= sizeof ref.text)
            return hl_fail(err, HL_E_ARG, "'%.100s...': path too long", text);
        ref.kind = HL_REF_PATH;
        (void)snprintf(ref.text, sizeof ref.text, "%s", text);
        *ret = ref;
        return HL_OK;
    }
    ref.has_scheme = is_http_url(text, &ref.is_http);
    if (ref.has_scheme && ends_in_gguf(path_of(text))) {
        status = parse_url(text, &ref, err);
        if (status == HL_OK) *ret = ref;
        return status;
    }
    if (strlen(text) >= sizeof rest) return hl_fail(err, HL_E_ARG, "model name '%.100s...': too long", text);
    (void)snprintf(rest, sizeof rest, "%s", text);
    status = take_digest(rest, &ref, err);
    if (status == HL_OK) status = hl_name_parse(rest, &ref.name, err);
    if (status != HL_OK) return status;
    if (is_hub(ref.name.host)) {
        ref.kind = HL_REF_HUB;
        if (ref.digest[0])
            return hl_fail(err, HL_E_ARG, "model name '%.200s': the hub has no digests of models", text);
    }
    *ret = ref;
    return HL_OK;
}

void hl_ref_format(const hl_ref *ref, hl_str *out) {
    char text[HL_NAME_TEXT_BYTES];
    if (ref->kind == HL_REF_URL || ref->kind == HL_REF_PATH) {
        hl_str_add_text(out, ref->text);
        return;
    }
    if (ref->has_scheme) {
        hl_name_format_full(&ref->name, text);
        hl_str_add_text(out, ref->is_http ? "http://" : "https://");
    } else {
        hl_name_format(&ref->name, text);
    }
    hl_str_add_text(out, text);
    if (ref->digest[0]) hl_str_add_format(out, "@sha256:%s", ref->digest);
}
