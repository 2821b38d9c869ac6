/* SPDX-License-Identifier: MIT
 *
 * create_adapters.c - which files are one adapter, and the making of those that are none yet.
 */
#include "host/create_adapters.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

/* How much of a name is its folder, without the slash. */
static size_t folder_of(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

static const char *name_in_folder(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static bool is_gguf(const char *name) {
    const size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".gguf") == 0;
}

static bool share_folder(const char *a, const char *b) {
    return folder_of(a) == folder_of(b) && strncmp(a, b, folder_of(a)) == 0;
}

/* Is it one of several files that make an adapter? Those of its folder decide that. */
static bool is_part(const hl_file_list *l, size_t i) {
    if (is_gguf(l->v[i].name)) return false;
    for (size_t k = 0; k < l->n; k++) {
        const char *name = name_in_folder(l->v[k].name);
        if (share_folder(l->v[i].name, l->v[k].name) &&
            (strcmp(name, HL_ADAPTER_CONFIG) == 0 || hl_convert_is_weights(name)))
            return true;
    }
    return false;
}

/* The first part of the same adapter. */
static size_t first_part(const hl_file_list *l, size_t i) {
    size_t k = 0;
    while (is_gguf(l->v[k].name) || !share_folder(l->v[k].name, l->v[i].name)) k++;
    return k;
}

hl_status hl_made_adapters_sort(const hl_file_list *l, const char **paths, size_t *n, hl_made_adapters *ret,
                                hl_err *err) {
    ret->v = hl_new(l->n + 1, sizeof *ret->v);
    if (!ret->v) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < l->n; i++) {
        if (!is_part(l, i)) {
            paths[(*n)++] = l->v[i].path;
        } else if (first_part(l, i) == i) {
            ret->v[ret->n++] = (struct hl_made_adapter){.i_file = i, .i_path = *n, .draft = {.fd = -1}};
            paths[(*n)++] = "";
        }
    }
    return HL_OK;
}

/* What it is called: its folder's name, on this machine or on the one that sent it; "" where that says
 * nothing. */
static void name_it(const struct hl_named_file *f, char *ret, size_t cap) {
    const char  *full = strcmp(name_in_folder(f->path), name_in_folder(f->name)) == 0 ? f->path : f->name;
    const size_t n = folder_of(full);
    size_t       begin = n;
    while (begin > 0 && full[begin - 1] != '/') begin--;
    (void)snprintf(ret, cap, "%.*s", (int)(n - begin < 100 ? n - begin : 100), full + begin);
    if (strcmp(ret, ".") == 0 || strcmp(ret, "..") == 0) ret[0] = '\0';
}

static hl_status make_one(struct hl_made_adapter *a, const hl_file_list *l, hl_store *store,
                          const hl_gguf *base, const hl_convert_options *options, hl_err *err) {
    const struct hl_named_file *first = &l->v[a->i_file];
    hl_convert_options          o = *options;
    char                        name[128];
    size_t                      n = 0;
    hl_convert_file            *files = hl_new(l->n, sizeof *files);
    if (!files) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < l->n; i++)
        if (!is_gguf(l->v[i].name) && share_folder(first->name, l->v[i].name))
            files[n++] = (hl_convert_file){name_in_folder(l->v[i].name), l->v[i].path};
    name_it(first, name, sizeof name);
    o.name = name[0] ? name : NULL;
    hl_status status = hl_store_new_draft(store, &a->draft, err);
    if (status == HL_OK) status = hl_convert_adapter(files, n, base, a->draft.fd, a->draft.path, &o, err);
    hl_free(files);
    return status == HL_OK ? HL_OK : hl_fail_within(err, status, "adapter%s%s", name[0] ? " " : "", name);
}

hl_status hl_made_adapters_make(hl_made_adapters *m, const hl_file_list *l, hl_store *store,
                                const char *const *base, size_t n_base, const hl_convert_options *options,
                                const char **paths, hl_err *err) {
    hl_gguf *g = NULL;
    if (m->n == 0) return HL_OK;
    hl_status status =
        n_base == 1 ? hl_gguf_open(base[0], &g, err) : hl_gguf_open_shards(base, n_base, &g, err);
    for (size_t i = 0; i < m->n && status == HL_OK; i++) {
        status = make_one(&m->v[i], l, store, g, options, err);
        paths[m->v[i].i_path] = m->v[i].draft.path;
    }
    hl_gguf_close(g);
    return status;
}

void hl_made_adapters_done(hl_made_adapters *m) {
    for (size_t i = 0; i < m->n; i++) hl_store_drop_draft(&m->v[i].draft);
    hl_free(m->v);
}
