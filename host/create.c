/* SPDX-License-Identifier: MIT
 *
 * create.c - a recipe becomes a stored model: what each file is, what goes together, what cannot be.
 */
#define _GNU_SOURCE
#include "host/create.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/gguf/gguf.h"
#include "host/create_adapters.h"
#include "host/host_priv.h"
#include "host/options.h"
#include "host/remote/remote_model.h"
#include "hyperlama/native.h"
#include "hyperlama/quantize.h"
#include "models/registry.h"

enum { MAX_FILES = 8192, MAX_FOLDER_ENTRIES = 65536 };

/* ---- lists of files ---- */

void hl_file_list_done(hl_file_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        hl_free(l->v[i].name);
        hl_free(l->v[i].path);
    }
    hl_free(l->v);
    *l = (hl_file_list){0};
}

hl_status hl_file_list_add(hl_file_list *l, const char *name, const char *path, hl_err *err) {
    if (l->n == MAX_FILES) return hl_fail(err, HL_E_LIMIT, "more than %d files", MAX_FILES);
    if (l->n == l->cap) {
        const size_t          cap = l->cap ? 2 * l->cap : 8;
        struct hl_named_file *grown = hl_resize(l->v, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "no memory for %zu files", cap);
        l->v = grown;
        l->cap = cap;
    }
    struct hl_named_file f = {hl_strdup(name), hl_strdup(path)};
    l->v[l->n++] = f;
    return f.name && f.path ? HL_OK : hl_fail(err, HL_E_NOMEM, "no memory for a path");
}

static bool ends_in(const char *text, const char *end) {
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcasecmp(text + n - n_end, end) == 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct hl_named_file *)a)->name, ((const struct hl_named_file *)b)->name);
}

/* "x-00002-of-00003.gguf" -> how much of it stands before the number; 0: no part of a split model. */
static size_t stem_of_part(const char *name) {
    uint32_t i, n;
    return hl_split_stem((hl_view){name, strlen(name) - strlen(".gguf")}, &i, &n);
}

static bool is_projector_name(const char *name) { return strcasestr(name, "mmproj") != NULL; }

/* Are all GGUF files but projectors parts of one model? */
static hl_status check_one_model(const hl_file_list *l, size_t first, const char *folder, hl_err *err) {
    const char *one = NULL;
    for (size_t i = first; i < l->n; i++) {
        const char  *name = l->v[i].name;
        const size_t stem = stem_of_part(name);
        if (is_projector_name(name)) continue;
        if (one && (stem == 0 || stem != stem_of_part(one) || strncmp(one, name, stem) != 0))
            return hl_fail(err, HL_E_ARG,
                           "'%s' holds several models, '%s' and '%s' among them: name one of them", folder,
                           one, name);
        if (!one) one = name;
    }
    return HL_OK;
}

/* All files of a folder that are wanted, by name. */
static hl_status add_wanted(hl_file_list *l, const char *folder, const char *below,
                            bool (*wants)(const char *), hl_err *err) {
    char                 path[PATH_MAX], name[PATH_MAX];
    size_t               n_seen = 0;
    hl_status            status = HL_OK;
    const struct dirent *e;
    DIR                 *dir = opendir(folder);
    if (!dir) return hl_fail(err, hl_errno_status(errno), "'%s': %s", folder, strerror(errno));
    while (status == HL_OK && (e = readdir(dir)) != NULL) {
        if (++n_seen > MAX_FOLDER_ENTRIES)
            status = hl_fail(err, HL_E_LIMIT, "'%s': more than %d files", folder, MAX_FOLDER_ENTRIES);
        if (status != HL_OK || e->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path ||
            snprintf(name, sizeof name, "%s%s", below, e->d_name) >= (int)sizeof name)
            status = hl_fail(err, HL_E_ARG, "'%s': path too long", folder);
        else if (wants(name))
            status = hl_file_list_add(l, name, path, err);
    }
    (void)closedir(dir);
    return status;
}

static bool is_gguf(const char *name) { return ends_in(name, ".gguf"); }

/* What belongs to a model that converts, where there are weights of one; else GGUF files. */
static hl_status add_folder(hl_file_list *l, const char *folder, hl_err *err) {
    const size_t first = l->n;
    char         pooling[PATH_MAX];
    bool         converts = false;
    hl_status    status = add_wanted(l, folder, "", hl_convert_wants, err);
    for (size_t i = first; i < l->n; i++) converts |= hl_convert_is_weights(l->v[i].name);
    if (status == HL_OK && converts) {
        if (snprintf(pooling, sizeof pooling, "%s/1_Pooling", folder) < (int)sizeof pooling &&
            access(pooling, X_OK) == 0)
            status = add_wanted(l, pooling, "1_Pooling/", hl_convert_wants, err);
        return status;
    }
    while (l->n > first) {
        hl_free(l->v[--l->n].name);
        hl_free(l->v[l->n].path);
    }
    if (status == HL_OK) status = add_wanted(l, folder, "", is_gguf, err);
    if (status == HL_OK && l->n == first)
        return hl_fail(err, HL_E_NOT_FOUND, "'%s' holds no GGUF file and no safetensors", folder);
    if (status == HL_OK) qsort(l->v + first, l->n - first, sizeof *l->v, by_name);
    return status == HL_OK ? check_one_model(l, first, folder, err) : status;
}

hl_status hl_file_list_add_path(hl_file_list *l, const char *path, hl_err *err) {
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (stat(path, &st) != 0) return hl_fail(err, hl_errno_status(errno), "'%s': %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? add_folder(l, path, err)
                               : hl_file_list_add(l, slash ? slash + 1 : path, path, err);
}

static bool wants_adapter(const char *name) {
    const char *slash = strrchr(name, '/');
    return hl_convert_wants_adapter(slash ? slash + 1 : name);
}

hl_status hl_file_list_add_adapter(hl_file_list *l, const char *path, hl_err *err) {
    struct stat  st;
    char         below[32];
    const size_t first = l->n;
    if (stat(path, &st) != 0) return hl_fail(err, hl_errno_status(errno), "'%s': %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) return hl_file_list_add(l, path, path, err);
    (void)snprintf(below, sizeof below, "%zu/", first); /* each folder is one of its own, whatever its name */
    hl_status status = add_wanted(l, path, below, wants_adapter, err);
    if (status != HL_OK || l->n > first) return status;
    status = add_wanted(l, path, below, is_gguf, err);
    if (status != HL_OK || l->n == first + 1) return status;
    return hl_fail(err, l->n > first ? HL_E_ARG : HL_E_NOT_FOUND, "'%s' holds %s: expected %s", path,
                   l->n > first ? "several GGUF files" : "no adapter",
                   l->n > first ? "one of them to be named"
                                : HL_ADAPTER_CONFIG " with " HL_ADAPTER_WEIGHTS ", or a GGUF file");
}

void hl_recipe_done(hl_recipe *r) {
    hl_file_list_done(&r->files);
    hl_file_list_done(&r->adapters);
}

/* ---- what can be said before files are read ---- */

/* "0.14.0", as semver.org 2.0.0 has it, with or without a v in front. */
static hl_status check_version(const char *text, hl_err *err) {
    const char *p = text + (*text == 'v');
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *p++ != '.') break;
        if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1]))) break;
        while (isdigit((unsigned char)*p)) p++;
        if (i == 2 && (*p == '\0' || *p == '-' || *p == '+')) return HL_OK;
    }
    return hl_fail(err, HL_E_ARG, "REQUIRES: '%.40s' is no version, expected one like 0.14.0", text);
}

static hl_status check_texts(const hl_recipe *r, hl_err *err) {
    const hl_import_options *o = &r->more;
    const hl_request         request = {.stored_template = o->template_text};
    hl_chat_caps             ignored;
    hl_status                status = HL_OK;
    for (size_t i = 0; i < o->n_params && status == HL_OK; i++) {
        status = hl_param_check(&o->params[i], err);
        if (status == HL_OK)
            status = hl_fail_within(err, hl_options_check_param(&o->params[i], err), "parameters");
    }
    if (status == HL_OK && o->requires_version && *o->requires_version)
        status = check_version(o->requires_version, err);
    if (status != HL_OK || !o->template_text) return status;
    status = hl_chat_get_caps(NULL, &request, &ignored, err);
    return hl_fail_within(err, status, "TEMPLATE");
}

/* ---- what goes together ---- */

typedef struct sorted {
    hl_store_draft converted; /* a GGUF file of those that do not come as one; fd -1: none, here and below */
    hl_store_draft smaller, smaller_draft; /* what quantizing made of weights, and of a draft's */
    const char   **weights;                /* [n_weights] paths of the model's parts, in order */
    size_t         n_weights;
    const char    *projector;
    const char   **adapters; /* [n_adapters] in the order in which they are applied */
    size_t         n_adapters;
    hl_made_adapters made; /* those of them that do not come as GGUF files */
} sorted;

static bool converts(const hl_recipe *r) {
    for (size_t i = 0; i < r->files.n; i++)
        if (hl_convert_is_weights(r->files.v[i].name)) return true;
    return false;
}

static hl_status sort_file(const struct hl_named_file *f, sorted *to, hl_err *err) {
    char      kind[HL_FILE_KIND_BYTES];
    hl_status status = hl_model_file_kind(f->path, kind, err);
    if (status != HL_OK) return hl_fail_within(err, status, "'%.200s'", f->name);
    const bool is_projector = strcmp(kind, "projector") == 0, is_adapter = strcmp(kind, "adapter") == 0;
    if (!is_projector && !is_adapter && strcmp(kind, "model") != 0)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "'%.200s' says that it is a file of type '%s', expected a model, "
                       "a projector or an adapter",
                       f->name, kind);
    if (is_projector && to->projector)
        return hl_fail(err, HL_E_ARG, "'%.200s' is a second %s, expected one", f->name, kind);
    if (is_projector)
        to->projector = f->path;
    else if (is_adapter)
        to->adapters[to->n_adapters++] = f->path;
    else
        to->weights[to->n_weights++] = f->path;
    return HL_OK;
}

static hl_status sort_files(const hl_recipe *r, sorted *to, hl_err *err) {
    hl_status status = HL_OK;
    to->weights = hl_new(r->files.n + 1, sizeof *to->weights);
    to->adapters = hl_new(r->files.n + r->adapters.n, sizeof *to->adapters);
    if (!to->weights || !to->adapters) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < r->files.n && status == HL_OK && !converts(r); i++)
        status = sort_file(&r->files.v[i], to, err);
    if (converts(r)) {
        to->weights[0] = ""; /* made later */
        to->n_weights = 1;
    }
    if (status != HL_OK) return status;
    status = hl_made_adapters_sort(&r->adapters, to->adapters, &to->n_adapters, &to->made, err);
    if (status != HL_OK) return status;
    if (to->n_adapters > HL_MAX_ADAPTERS)
        return hl_fail(err, HL_E_ARG, "%zu adapters, expected at most %d", to->n_adapters, HL_MAX_ADAPTERS);
    if (r->from && to->n_weights)
        return hl_fail(err, HL_E_ARG, "both the model '%s' and weights in files: expected one of them",
                       r->from);
    if (!r->from && !to->n_weights)
        return hl_fail(err, HL_E_ARG, "%s: expected the name of a model, or a file with its weights",
                       r->files.n ? "no weights among the files" : "neither from nor files");
    return HL_OK;
}

static bool is_given(const char *text) { return text && *text; }

static hl_status check_able(const hl_recipe *r, hl_err *err) {
    hl_status status = HL_OK;
    if (is_given(r->quantize)) status = hl_quantize_check_mix(r->quantize, err);
    if (status == HL_OK && is_given(r->draft_quantize))
        status = hl_quantize_check_mix(r->draft_quantize, err);
    if (status != HL_OK) return status;
    if (is_given(r->imatrix_path) && !is_given(r->quantize))
        return hl_fail(err, HL_E_ARG, "imatrix: it weighs what quantize rounds, and there is no quantize");
    if (is_given(r->draft_quantize) && !r->draft_path)
        return hl_fail(err, HL_E_ARG, "draft_quantize '%.40s', and there is no draft", r->draft_quantize);
    return HL_OK;
}

typedef struct converting {
    const hl_recipe *r;
    hl_host         *h;
} converting;

static bool on_converted(void *user, uint64_t done, uint64_t total) {
    const converting       *c = user;
    const hl_store_progress p = {.what = "converting", .path = "", .done_bytes = done, .total_bytes = total};
    return !c->r->more.progress || c->r->more.progress(c->r->more.progress_user, &p);
}

static void on_note(void *user, const char *text) {
    const converting *c = user;
    hl_event(c->h->events, HL_LOG_WARN, "host", "convert", "note=\"%s\"", text);
}

/* Adapters as peft saves them become GGUF files among the blobs, when the model that they are for is
 * known. */
static hl_status convert_adapters(hl_host *h, const hl_recipe *r, hl_store *store, const hl_source *base,
                                  sorted *files, hl_err *err) {
    converting               c = {r, h};
    const hl_convert_options o = {.note = on_note, .progress = on_converted, .user = &c};
    const bool               is_own = files->n_weights > 0;
    if (files->made.n == 0) return HL_OK;
    if (!is_own && (!base || base->n_paths == 0))
        return hl_fail(err, HL_E_UNSUPPORTED, "adapters: '%.200s' has no weights of its own", r->from);
    return hl_made_adapters_make(&files->made, &r->adapters, store, is_own ? files->weights : base->paths,
                                 is_own ? files->n_weights : base->n_paths, &o, files->adapters, err);
}

/* A folder of safetensors becomes a GGUF file among the blobs. */
static hl_status convert(hl_host *h, const hl_recipe *r, hl_store *store, const char *name, sorted *files,
                         hl_err *err) {
    converting               c = {r, h};
    const hl_convert_options o = {.name = name, .note = on_note, .progress = on_converted, .user = &c};
    hl_convert_file         *list = hl_new(r->files.n, sizeof *list);
    if (!list) return hl_fail(err, HL_E_NOMEM, "create: no memory");
    for (size_t i = 0; i < r->files.n; i++)
        list[i] = (hl_convert_file){r->files.v[i].name, r->files.v[i].path};
    hl_status status = hl_store_new_draft(store, &files->converted, err);
    if (status == HL_OK)
        status = hl_convert_model(list, r->files.n, files->converted.fd, files->converted.path, &o, err);
    hl_free(list);
    files->weights[0] = files->converted.path;
    return status;
}

typedef struct quantizing {
    const hl_recipe *r;
    char             what[96];
} quantizing;

static bool on_quantized(void *user, const hl_quantize_step *s) {
    const quantizing       *q = user;
    const hl_store_progress p = {
        .what = q->what, .path = "", .done_bytes = s->done_bytes, .total_bytes = s->total_bytes};
    return !q->r->more.progress || q->r->more.progress(q->r->more.progress_user, &p);
}

/* What the file says of its weights, for people: "F16". */
static hl_status get_file_type(const char *const *parts, size_t n, char ret[HL_GGUF_FILE_TYPE_BYTES],
                               hl_err *err) {
    hl_gguf        *g = NULL;
    const hl_status status = hl_gguf_open_shards(parts, n, &g, err);
    if (status == HL_OK) hl_gguf_file_type(g, ret);
    hl_gguf_close(g);
    return status;
}

/* Smaller weights, as a file among the blobs. */
static hl_status quantize(hl_host *h, const hl_recipe *r, hl_store *store, const char *type,
                          const char *imatrix_path, const char *const *parts, size_t n_parts,
                          hl_store_draft *ret, hl_err *err) {
    quantizing         q = {.r = r};
    hl_engine         *engine = NULL;
    hl_quantize_result result;
    char               from[HL_GGUF_FILE_TYPE_BYTES], to[16];
    hl_quantize_params p = {.mix = type,
                            .parts = parts,
                            .n_parts = n_parts,
                            .imatrix_path = is_given(imatrix_path) ? imatrix_path : NULL,
                            .to_fd = &ret->fd,
                            .on_step = on_quantized,
                            .user = &q};
    hl_status          status = get_file_type(parts, n_parts, from, err);
    if (status == HL_OK) status = hl_host_engine(h, -1, &engine, err);
    if (status == HL_OK) status = hl_store_new_draft(store, ret, err);
    if (status != HL_OK) return status;
    (void)snprintf(to, sizeof to, "%s", type);
    for (char *c = to; *c; c++) *c = (char)toupper((unsigned char)*c);
    (void)snprintf(q.what, sizeof q.what, "quantizing %s model to %s", from, to);
    status = hl_quantize_file(engine, parts[0], ret->path, &p, &result, err);
    if (status == HL_OK && p.imatrix_path && result.n_weighted < result.n_quantized)
        hl_event(h->events, HL_LOG_WARN, "host", "imatrix",
                 "why=\"the importance matrix knows %zu of the %zu tensors that were quantized\"",
                 result.n_weighted, result.n_quantized);
    return status == HL_OK ? HL_OK : hl_fail_within(err, status, "quantize to %s", to);
}

/* What a model whose answers come from elsewhere would pass over. */
static hl_status check_remote(const hl_recipe *r, const sorted *files, hl_err *err) {
    const char *what = is_given(r->more.template_text) ? "a template"
                       : files->n_adapters             ? "an adapter"
                       : files->projector              ? "a projector"
                       : r->draft_path                 ? "a draft"
                       : is_given(r->quantize)         ? "smaller weights"
                                                       : NULL;
    if (!what) return HL_OK;
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "'%.200s' is answered elsewhere, and is what it is there: %s has no place here", r->from,
                   what);
}

/* A model whose answers come from elsewhere. */
static hl_status create_remote(hl_recipe *r, const sorted *files, const char *profiles_path, hl_store *store,
                               const char *name, hl_name *ret_name, hl_err *err) {
    char     *record = NULL, host[512], model[512];
    hl_status status = HL_OK;
    if (!r->may_remote)
        return hl_fail(
            err, HL_E_AUTH,
            "from '%.100s': remote models are made by `hyperlama create` on the server's machine alone",
            r->from);
    status = check_remote(r, files, err);
    if (status != HL_OK) return status;
    status = hl_remote_model_make_record(r->from, profiles_path, &record, err);
    if (status != HL_OK) return status;
    (void)hl_remote_model_describe(record, 0, host, model);
    r->more.remote_json = record;
    r->more.remote_host = host;
    r->more.remote_model = model;
    status = hl_store_import(store, NULL, 0, name, &r->more, ret_name, err);
    r->more.remote_json = r->more.remote_host = r->more.remote_model = NULL;
    hl_free(record);
    return status;
}

/* ---- a model that is not here yet ---- */

static bool on_pulled(void *user, const hl_transfer_progress *t) {
    const hl_recipe        *r = user;
    const hl_store_progress p = {
        .what = t->status, .path = t->digest, .done_bytes = t->done_bytes, .total_bytes = t->total_bytes};
    return !r->more.progress || strcmp(t->status, "success") == 0 || /* that is the end of the pull alone */
           r->more.progress(r->more.progress_user, &p);
}

bool hl_host_may_pull(hl_host *h, const char *name) {
    hl_ref ref;
    return !hl_host_has_own_name(h, name) && hl_ref_parse(name, &ref, NULL) == HL_OK &&
           (ref.kind == HL_REF_REGISTRY || ref.kind == HL_REF_HUB) &&
           hl_host_check_online(h, name, NULL) == HL_OK;
}

/* The model that the recipe starts from; one that is not here is pulled, as Ollama does it. */
static hl_status find_base(hl_host *h, hl_recipe *r, hl_source **ret, hl_err *err) {
    const hl_pull_options options = {.insecure = r->insecure, .progress = on_pulled, .user = r};
    hl_err                missing = {0}, why = {0};
    hl_status             status = hl_host_find_stored(h, r->from, HL_OPEN_FOR_LOAD, ret, &missing);
    if (status == HL_OK) return HL_OK;
    if (status != HL_E_NOT_FOUND || !hl_host_may_pull(h, r->from))
        return hl_fail(err, status, "%s", missing.text);
    status = hl_host_pull(h, r->from, &options, NULL, &why);
    if (status == HL_OK) return hl_host_find_stored(h, r->from, HL_OPEN_FOR_LOAD, ret, err);
    if (status == HL_E_CANCEL || status == HL_E_NOMEM) return hl_fail(err, status, "%s", why.text);
    return hl_fail(err, HL_E_NOT_FOUND, "'%.200s' is not here, and it could not be pulled: %s", r->from,
                   why.text);
}

/* The weights, as they lie in files now: of the recipe, or of the model that it starts from; the first as the
 * second where a file of a watched folder has nothing to share, or smaller weights are asked for. */
static hl_status prepare(hl_host *h, hl_recipe *r, hl_store *store, const hl_source *base, sorted *files,
                         hl_err *err) {
    const bool wants_smaller = is_given(r->quantize);
    hl_status  status = HL_OK;
    if (base && (base->stored->is_watched || wants_smaller)) {
        hl_free(files->weights);
        files->n_weights = base->n_paths;
        files->weights = hl_new(base->n_paths + 1, sizeof *files->weights);
        if (!files->weights) return hl_fail(err, HL_E_NOMEM, "create: no memory");
        for (size_t i = 0; i < base->n_paths; i++) files->weights[i] = base->paths[i];
    }
    if (wants_smaller && !files->n_weights)
        return hl_fail(err, HL_E_UNSUPPORTED, "quantize: '%.200s' has no weights of its own", r->from);
    if (wants_smaller) {
        status = quantize(h, r, store, r->quantize, r->imatrix_path, files->weights, files->n_weights,
                          &files->smaller, err);
        hl_store_drop_draft(&files->converted);
        files->weights[0] = files->smaller.path;
        files->n_weights = 1;
    }
    if (status == HL_OK && is_given(r->draft_quantize)) {
        status =
            quantize(h, r, store, r->draft_quantize, NULL, &r->draft_path, 1, &files->smaller_draft, err);
        r->more.draft_path = files->smaller_draft.path;
    } else {
        r->more.draft_path = r->draft_path;
    }
    return status;
}

static hl_status create(hl_host *h, hl_recipe *r, sorted *files, const char *name, hl_name *ret_name,
                        hl_err *err) {
    hl_store  *store = NULL;
    hl_source *base = NULL;
    hl_status  status = check_able(r, err);
    if (status == HL_OK) status = hl_host_store(h, &store, err);
    if (status == HL_OK && r->from && hl_remote_model_is_text(r->from))
        return create_remote(r, files, h->paths->profiles, store, name, ret_name, err);
    if (status == HL_OK && converts(r)) status = convert(h, r, store, name, files, err);
    if (status == HL_OK && r->from) status = find_base(h, r, &base, err);
    if (status == HL_OK && base && base->remote) status = check_remote(r, files, err);
    if (status == HL_OK) status = convert_adapters(h, r, store, base, files, err);
    if (status == HL_OK) status = prepare(h, r, store, base, files, err);
    if (status == HL_OK) {
        const bool is_file = base && base->stored->is_watched;
        r->more.base = base && !is_file ? base->stored : NULL;
        r->more.projector_path =
            files->projector || !is_file ? files->projector : base->stored->projector_path;
        r->more.adapter_paths = files->adapters;
        r->more.n_adapters = files->n_adapters;
        status = hl_store_import(store, files->weights, files->n_weights, name, &r->more, ret_name, err);
        r->more.base = NULL;
    }
    hl_source_free(base);
    return status;
}

hl_status hl_host_create(hl_host *h, hl_recipe *r, const char *name, hl_name *ret_name, hl_err *err) {
    hl_name   checked;
    sorted    files = {.converted = {.fd = -1}, .smaller = {.fd = -1}, .smaller_draft = {.fd = -1}};
    hl_status status = hl_name_parse(name, &checked, err);
    if (status == HL_OK) status = check_texts(r, err);
    if (status == HL_OK && r->files.n) qsort(r->files.v, r->files.n, sizeof *r->files.v, by_name);
    if (status == HL_OK) status = sort_files(r, &files, err);
    if (status == HL_OK) status = create(h, r, &files, name, ret_name, err);
    hl_store_drop_draft(&files.converted);
    hl_store_drop_draft(&files.smaller);
    hl_store_drop_draft(&files.smaller_draft);
    hl_made_adapters_done(&files.made);
    hl_free(files.weights);
    hl_free(files.adapters);
    return status;
}
