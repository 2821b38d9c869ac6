/* SPDX-License-Identifier: MIT
 *
 * adapters.c - the adapters (LoRA) that a model is opened with: those stored with it, and those added to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/sha256.h"
#include "host/host_priv.h"

static size_t n_stored(const hl_source *s) { return s->stored ? s->stored->n_adapters : 0; }

size_t hl_source_n_adapters(const hl_source *s) { return n_stored(s) + s->n_added; }

/* The i-th value of the parameter; they were checked when they were stored. */
static float stored_scale(const hl_stored_model *m, size_t i) {
    for (size_t k = 0; k < m->n_params; k++)
        if (strcasecmp(m->params[k].name, "adapter_scale") == 0 && i-- == 0)
            return strtof(m->params[k].value, NULL);
    return 1;
}

hl_source_adapter hl_source_adapter_at(const hl_source *s, size_t i) {
    if (i >= n_stored(s)) return s->added[i - n_stored(s)];
    return (hl_source_adapter){.path = (char *)(uintptr_t)s->stored->adapter_paths[i],
                               .scale = stored_scale(s->stored, i)};
}

hl_status hl_source_add_adapter(hl_source *s, const char *path, float scale, hl_err *err) {
    struct stat st;
    if (s->remote)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "'%.200s' is answered elsewhere: an adapter cannot be added to it", s->label);
    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return hl_fail(err, hl_errno_status(errno), "'%.200s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return hl_fail(err, HL_E_ARG,
                       "'%.200s' is a folder, expected a GGUF file: `hyperlama create NAME --from MODEL "
                       "--adapter %.200s` makes a model with it",
                       path, path);
    hl_source_adapter *added = hl_resize(s->added, s->n_added + 1, sizeof *added);
    if (added) s->added = added;
    char *copy = added ? hl_strdup(path) : NULL;
    if (!copy) return hl_fail(err, HL_E_NOMEM, "adapter: no memory");
    s->added[s->n_added++] = (hl_source_adapter){copy, scale};
    return HL_OK;
}

void hl_source_free_adapters(hl_source *s) {
    for (size_t i = 0; i < s->n_added; i++) hl_free(s->added[i].path);
    hl_free(s->added);
    s->added = NULL;
    s->n_added = 0;
}

hl_status hl_source_add_adapters(const hl_source *s, hl_model *m, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < hl_source_n_adapters(s) && status == HL_OK; i++) {
        const hl_source_adapter a = hl_source_adapter_at(s, i);
        /* of the command line, two may have the same name in different folders */
        status = hl_model_add_adapter(m, a.path, i < n_stored(s) ? NULL : a.path, a.scale, err);
    }
    return status;
}

bool hl_source_name_adapters(const hl_source *s, char *ret, size_t cap) {
    char   digest[HL_SHA256_HEX_BYTES], all[HL_SHA256_HEX_BYTES + 4200];
    size_t n = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < hl_source_n_adapters(s); i++) {
        const hl_source_adapter a = hl_source_adapter_at(s, i);
        const int len = snprintf(all, sizeof all, "%s %s %a", i ? digest : "", a.path, (double)a.scale);
        if (len < 0 || (n = (size_t)len) >= sizeof all || hl_sha256_of(all, n, digest, NULL) != HL_OK)
            return false;
    }
    return n == 0 || snprintf(ret, cap, "+%.16s", digest) < (int)cap;
}
