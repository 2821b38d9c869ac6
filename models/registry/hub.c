/* SPDX-License-Identifier: MIT
 *
 * hub.c - Hugging Face: which of a repository's files a quantization means.
 *
 * from: the hub's API, GET /api/models/ORG/REPO/revision/main?blobs=true: sha, and siblings with rfilename,
 * size and lfs.sha256; files lie at /ORG/REPO/resolve/REVISION/PATH
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "core/data/json.h"
#include "core/net/url.h"
#include "models/registry/pull.h"

#define HUB "https://huggingface.co"

enum { MAX_LIST_BYTES = 32 << 20, MAX_FILES = 20000, MAX_SHARDS = 1000, LABEL_BYTES = 40 };

/* In what order they suit somebody who did not say. */
static const char *const usual[] = {"Q4_K_M", "Q4_K_S", "Q4_0",   "Q4_1", "IQ4_NL",
                                    "IQ4_XS", "Q5_K_M", "Q5_K_S", "Q8_0", "Q6_K",
                                    "MXFP4",  "BF16",   "F16",    "FP16", "F32"};

typedef struct hub_file {
    const char *path;
    const char *sha256;
    uint64_t    size_bytes;
    char        label[LABEL_BYTES]; /* "Q4_K_M"; "": none that is known */
    unsigned    part, n_parts;      /* 1 of 1 where it is whole */
    size_t      n_stem;             /* of path, without "-00001-of-00002.gguf" or ".gguf" */
    bool        is_projector;
} hub_file;

/* ---- names of files ---- */

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "...-00001-of-00002.gguf" */
static void read_parts(hub_file *f) {
    enum { TAIL = 15 };
    uint64_t part = 0, n = 0;
    f->n_stem = strlen(f->path) - 5;
    f->part = f->n_parts = 1;
    if (f->n_stem < TAIL) return;
    hl_view tail = {f->path + f->n_stem - TAIL, TAIL};
    if (!hl_view_take(&tail, "-") || !hl_view_take_u64(&tail, &part) || !hl_view_take(&tail, "-of-") ||
        !hl_view_take_u64(&tail, &n) || tail.len > 0 || part < 1 || n < part || n > MAX_SHARDS)
        return;
    f->part = (unsigned)part;
    f->n_parts = (unsigned)n;
    f->n_stem -= TAIL;
}

/* A word of a name ends where it has no letter, digit or underscore. */
static bool has_word(const char *name, size_t n, const char *word) {
    const size_t len = strlen(word);
    for (size_t i = 0; len > 0 && i + len <= n; i++) {
        const bool begins = i == 0 || !(isalnum((unsigned char)name[i - 1]) || name[i - 1] == '_');
        const bool ends = i + len == n || !(isalnum((unsigned char)name[i + len]) || name[i + len] == '_');
        if (begins && ends && strncasecmp(name + i, word, len) == 0) return true;
    }
    return false;
}

/* "Q4_K_M" of "model-Q4_K_M": the last word that looks like a type of weights. */
static void read_label(hub_file *f) {
    const char  *name = base_of(f->path);
    const size_t n = f->n_stem - (size_t)(name - f->path);
    for (size_t end = n; end > 0;) {
        size_t from = end;
        while (from > 0 && (isalnum((unsigned char)name[from - 1]) || name[from - 1] == '_')) from--;
        const size_t len = end - from;
        const char  *w = name + from;
        const bool   is_q = len >= 2 && (w[0] == 'Q' || w[0] == 'q') && isdigit((unsigned char)w[1]);
        const bool   is_iq = len >= 3 && strncasecmp(w, "iq", 2) == 0 && isdigit((unsigned char)w[2]);
        bool         is_float = false;
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            is_float |= strlen(usual[i]) == len && strncasecmp(w, usual[i], len) == 0;
        if (len < LABEL_BYTES && (is_q || is_iq || is_float)) {
            for (size_t i = 0; i < len; i++) f->label[i] = (char)toupper((unsigned char)w[i]);
            f->label[len] = '\0';
            return;
        }
        end = from > 0 ? from - 1 : 0;
    }
}

/* A path that could leave the repository, or is no path, is none of its files. */
static bool is_plain_path(const char *path) {
    if (*path == '/' || strstr(path, "//") || strstr(path, "\\")) return false;
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ') return false;
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
        if (strcmp(part, "..") == 0 || strncmp(part, "../", 3) == 0 || strncmp(part, "./", 2) == 0)
            return false;
    return true;
}

static bool take_file(const json_t *v, hub_file *ret) {
    const char   *path = hl_json_text(v, "rfilename");
    const json_t *lfs = json_object_get(v, "lfs");
    const char   *sha = hl_json_text(lfs, "sha256");
    char          hex[HL_DIGEST_BYTES], digest[HL_DIGEST_BYTES + 8];
    const size_t  n = path ? strlen(path) : 0;
    if (n < 6 || n > 1000 || strcasecmp(path + n - 5, ".gguf") != 0 || !is_plain_path(path)) return false;
    *ret = (hub_file){.path = path, .sha256 = ""};
    (void)snprintf(digest, sizeof digest, "sha256:%.70s", sha ? sha : "");
    if (hl_digest_parse(digest, hex)) ret->sha256 = sha;
    const int64_t size = hl_json_int(lfs, "size", hl_json_int(v, "size", -1));
    ret->size_bytes = size >= 0 ? (uint64_t)size : UINT64_MAX;
    ret->is_projector = strncasecmp(base_of(path), "mmproj", 6) == 0 || strcasestr(base_of(path), "-mmproj");
    read_parts(ret);
    read_label(ret);
    return true;
}

/* ---- the choice ---- */

static const hub_file *find_label(const hub_file *files, size_t n, const char *label) {
    for (size_t i = 0; i < n; i++)
        if (!files[i].is_projector && files[i].part == 1 && strcasecmp(files[i].label, label) == 0)
            return &files[i];
    return NULL;
}

static const hub_file *find_model(const hub_file *files, size_t n, const char *quant) {
    const hub_file *found = NULL;
    if (strcasecmp(quant, "latest") != 0) {
        found = find_label(files, n, quant);
        for (size_t i = 0; i < n && !found; i++) { /* a part of the name, or all of it */
            const char *name = base_of(files[i].path);
            if (files[i].is_projector || files[i].part != 1) continue;
            if (strcasecmp(name, quant) == 0 || has_word(name, strlen(name) - 5, quant)) found = &files[i];
        }
        return found;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual && !found; i++)
        found = find_label(files, n, usual[i]);
    for (size_t i = 0; i < n && !found; i++)
        if (!files[i].is_projector && files[i].part == 1) found = &files[i];
    return found;
}

static hl_status fail_choice(const hub_file *files, size_t n, const char *quant, hl_err *err) {
    char   list[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const char *word = files[i].label[0] ? files[i].label : base_of(files[i].path);
        if (files[i].is_projector || files[i].part != 1 || strlen(word) + used + 8 > sizeof list) continue;
        if (!has_word(list, used, word))
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", word);
    }
    if (!used) return hl_fail(err, HL_E_NOT_FOUND, "the repository has no GGUF files");
    return hl_fail(err, HL_E_NOT_FOUND, "no GGUF file for '%s' in the repository; it has %s", quant, list);
}

static hl_status add_file(const hub_file *f, const char *media_type, hl_arena *arena, hl_download *ret,
                          hl_err *err) {
    char digest[HL_DIGEST_BYTES + 8];
    *ret = (hl_download){.url = hl_arena_get_text(arena, f->path, strlen(f->path)),
                         .media_type = media_type,
                         .size_bytes = f->size_bytes};
    ret->partial.fd = ret->partial.map_fd = -1;
    (void)snprintf(digest, sizeof digest, "sha256:%s", f->sha256);
    if (*f->sha256) (void)hl_digest_parse(digest, ret->digest);
    return ret->url ? HL_OK : hl_fail(err, HL_E_NOMEM, "pull: no memory");
}

static hl_status choose(const hub_file *files, size_t n, const char *quant, hl_arena *arena, hl_download *ret,
                        size_t *ret_n, hl_err *err) {
    const hub_file *model = find_model(files, n, quant), *projector = NULL;
    hl_status       status = HL_OK;
    size_t          n_found = 0;
    if (!model) return fail_choice(files, n, quant, err);
    for (unsigned part = 1; part <= model->n_parts && status == HL_OK; part++) {
        const hub_file *f = NULL;
        for (size_t i = 0; i < n; i++)
            if (files[i].n_parts == model->n_parts && files[i].part == part &&
                files[i].n_stem == model->n_stem && memcmp(files[i].path, model->path, model->n_stem) == 0)
                f = &files[i];
        if (!f)
            return hl_fail(err, HL_E_NOT_FOUND, "'%s': part %u of %u is not in the repository", model->path,
                           part, model->n_parts);
        status = add_file(f, HL_MEDIA_MODEL, arena, &ret[n_found++], err);
    }
    for (size_t i = 0; i < n; i++)
        if (files[i].is_projector && (!projector || strcmp(files[i].label, "F16") == 0))
            projector = &files[i];
    if (projector && status == HL_OK)
        status = add_file(projector, HL_MEDIA_PROJECTOR, arena, &ret[n_found++], err);
    *ret_n = n_found;
    return status;
}

hl_status hl_hub_choose(hl_view json, const char *quant, hl_arena *arena, hl_download **ret_files,
                        size_t *ret_n, char ret_revision[HL_DIGEST_BYTES], hl_err *err) {
    json_t      *root = NULL;
    hl_download *chosen = NULL;
    size_t       n = 0;
    hl_status    status = hl_json_parse(json, "list of files", &root, err);
    if (status != HL_OK) return status;
    const json_t *list = json_object_get(root, "siblings");
    const char   *revision = hl_json_text(root, "sha");
    const size_t  n_all = json_array_size(list);
    hub_file     *files = hl_new(n_all ? n_all : 1, sizeof *files);
    if (!revision || strspn(revision, "0123456789abcdef") != strlen(revision) ||
        strlen(revision) >= HL_DIGEST_BYTES)
        revision = "main";
    (void)snprintf(ret_revision, HL_DIGEST_BYTES, "%s", revision);
    if (!json_is_array(list))
        status = hl_fail(err, HL_E_FORMAT, "list of files: no siblings, expected a list");
    if (n_all > MAX_FILES)
        status = hl_fail(err, HL_E_LIMIT, "a repository of %zu files, expected at most %d", n_all, MAX_FILES);
    for (size_t i = 0; files && i < n_all && status == HL_OK; i++)
        n += take_file(json_array_get(list, i), &files[n]);
    if (status == HL_OK) chosen = hl_new(n + 1, sizeof *chosen);
    if (status == HL_OK && (!files || !chosen)) status = hl_fail(err, HL_E_NOMEM, "pull: no memory");
    if (status == HL_OK) status = choose(files, n, quant, arena, chosen, ret_n, err);
    json_decref(root);
    hl_free(files);
    if (status == HL_OK)
        *ret_files = chosen;
    else
        hl_free(chosen);
    return status;
}

/* ---- asking ---- */

static hl_status make_urls(hl_pull *p, const char *revision, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < p->n_files && status == HL_OK; i++) {
        hl_download *d = &p->files[i];
        hl_str       url;
        hl_str_init(&url, HL_URL_MOST_BYTES);
        hl_str_add_format(&url, "%s/%s/%s/resolve/%s", p->remote.base, p->ref.name.space, p->ref.name.model,
                          revision);
        for (const char *part = d->url; part && *part;) {
            const size_t n = strcspn(part, "/");
            hl_str_add_char(&url, '/');
            hl_url_add_escaped(&url, (hl_view){part, n});
            part += n + (part[n] == '/');
        }
        status = hl_str_check(&url, "URL of a file", err);
        d->url = hl_arena_get_text(&p->arena, hl_str_text(&url), url.len);
        hl_str_done(&url);
        if (status == HL_OK && !d->url) status = hl_fail(err, HL_E_NOMEM, "pull: no memory");
    }
    return status;
}

hl_status hl_pull_ask_hub(hl_pull *p, hl_err *err) {
    const hl_remote_options *o = p->remote_options;
    const hl_name           *name = &p->ref.name;
    hl_transfer             *t = NULL;
    hl_str                   url;
    char                     revision[HL_DIGEST_BYTES];
    const char              *hub = o->hub_url && *o->hub_url ? o->hub_url : HUB;
    hl_status                status =
        hl_remote_init_url(&p->remote, o, p->s->events, hub, o->hub_token, p->options->insecure, err);
    if (status == HL_OK) status = hl_pull_say(p, "pulling manifest", err);
    if (status != HL_OK) return status;
    hl_str_init(&url, HL_URL_MOST_BYTES);
    hl_str_add_format(&url, "%s/api/models/%s/%s/revision/main?blobs=true", p->remote.base, name->space,
                      name->model);
    const hl_net_call call = {.method = "GET", .url = hl_str_text(&url), .body_limit = MAX_LIST_BYTES};
    status = hl_remote_ask(&p->remote, &call, &t, err);
    if (status == HL_OK) {
        const hl_http_reply *a = hl_transfer_reply(t);
        if (a->code == 404)
            status = hl_fail(err, HL_E_NOT_FOUND, "repository '%s/%s' not found at %s", name->space,
                             name->model, p->remote.host);
        else if (a->code == 403)
            status = hl_remote_renew(&p->remote, a, err);
        else if (a->code != 200)
            status = hl_remote_fail(a, p->remote.host, err);
        else
            status = hl_hub_choose(hl_str_view(&a->body), name->tag, &p->arena, &p->files, &p->n_files,
                                   revision, err);
    }
    hl_transfer_free(t);
    hl_str_done(&url);
    if (status == HL_OK) return make_urls(p, revision, err);
    return hl_fail_within(err, status, "%s/%s/%s", name->host, name->space, name->model);
}
