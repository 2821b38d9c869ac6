/* SPDX-License-Identifier: MIT
 *
 * tls.c - the certificate and its key, as files have them.
 */
#include <string.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "server/server_priv.h"

enum { MOST_BYTES = 1 << 20 };

static hl_status read_pem(const char *path, const char *setting, char **ret, hl_err *err) {
    size_t    n = 0;
    hl_status status = hl_file_read(path, MOST_BYTES, ret, &n, err);
    if (status != HL_OK) return hl_fail_within(err, status, "%s", setting);
    if (strlen(*ret) == n && strstr(*ret, "-----BEGIN ")) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "%s: '%.200s' is no PEM file", setting, path);
}

hl_status hl_tls_read(const hl_config *config, hl_tls *ret, hl_err *err) {
    const char *cert = hl_config_text(config, HL_SETTING_server_tls_cert);
    const char *key = hl_config_text(config, HL_SETTING_server_tls_key);
    *ret = (hl_tls){0};
    if (!*cert && !*key) return HL_OK;
    if (!*cert || !*key)
        return hl_fail(err, HL_E_ARG, "server.%s is set: expected server.%s, too",
                       *cert ? "tls_cert" : "tls_key", *cert ? "tls_key" : "tls_cert");
    hl_status status = read_pem(cert, "server.tls_cert", &ret->cert, err);
    if (status == HL_OK) status = read_pem(key, "server.tls_key", &ret->key, err);
    if (status != HL_OK) hl_tls_done(ret);
    return status;
}

void hl_tls_done(hl_tls *t) {
    if (t->key) explicit_bzero(t->key, strlen(t->key));
    hl_free(t->cert);
    hl_free(t->key);
    *t = (hl_tls){0};
}
