/* SPDX-License-Identifier: MIT
 *
 * adapters.c - the adapters (LoRA) that a model is opened with: those stored with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/data/sha256.h"
#include "host/host_priv.h"

size_t hl_source_n_adapters(const hl_source *s) { return s->stored ? s->stored->n_adapters : 0; }

/* The i-th value of the parameter; they were checked when they were stored. */
static float stored_scale(const hl_stored_model *m, size_t i) {
    for (size_t k = 0; k < m->n_params; k++)
        if (strcasecmp(m->params[k].name, "adapter_scale") == 0 && i-- == 0)
            return strtof(m->params[k].value, NULL);
    return 1;
}

hl_source_adapter hl_source_adapter_at(const hl_source *s, size_t i) {
    return (hl_source_adapter){.path = s->stored->adapter_paths[i], .scale = stored_scale(s->stored, i)};
}

hl_status hl_source_add_adapters(const hl_source *s, hl_model *m, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < hl_source_n_adapters(s) && status == HL_OK; i++) {
        const hl_source_adapter a = hl_source_adapter_at(s, i);
        status = hl_model_add_adapter(m, a.path, NULL, a.scale, err);
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
