/* SPDX-License-Identifier: MIT
 *
 * watched.c - walk folders for GGUF files and give them names.
 *
 * Nothing is written there, and no file is opened: names, sizes and times are enough to list. A folder that
 * comes again below itself (a link to one above) is not entered twice, and depth and number of entries are
 * bounded, whatever links make of a tree.
 * from: the layout of the Hugging Face cache (huggingface_hub documentation, "Understand caching") and of
 * LM Studio's models folder (its documentation, "Import models")
 */
#define _GNU_SOURCE
#include "models/watched.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"

enum { MAX_DEPTH = 12, MAX_ENTRIES = 200000, MAX_FILES = 32768, ARENA_BYTES = 256 << 20 };

typedef struct found {
    const char *path;
    size_t      n_root; /* of `path`: the folder that is watched, with its slash */
    struct stat st;
} found;

typedef struct walk {
    const hl_events *events;
    hl_arena        *arena;
    found           *v;
    size_t           n, cap, n_entries, n_root;
    bool             was_full;
    struct {
        dev_t device;
        ino_t inode;
    } above[MAX_DEPTH + 1]; /* folders that we are in */
} walk;

/* ---- finding ---- */

static bool is_gguf(const char *name) {
    const size_t n = strlen(name);
    return n > 5 && strcasecmp(name + n - 5, ".gguf") == 0;
}

static bool is_projector(const char *path) {
    const char *slash = strrchr(path, '/');
    return strcasestr(slash ? slash : path, "mmproj") != NULL;
}

static hl_status add_file(walk *w, const char *path, const struct stat *st, hl_err *err) {
    if (w->n == MAX_FILES) {
        w->was_full = true;
        return HL_OK;
    }
    if (w->n == w->cap) {
        const size_t cap = w->cap ? 2 * w->cap : 256;
        found       *grown = hl_resize(w->v, cap, sizeof *grown);
        if (!grown) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory for %zu files", cap);
        w->v = grown;
        w->cap = cap;
    }
    const char *kept = hl_arena_get_text(w->arena, path, strlen(path));
    if (!kept) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory for a path");
    w->v[w->n++] = (found){kept, w->n_root, *st};
    return HL_OK;
}

static hl_status walk_folder(walk *w, char path[PATH_MAX], int depth, hl_err *err);

static hl_status walk_entry(walk *w, char path[PATH_MAX], const struct dirent *e, int depth, hl_err *err) {
    const size_t len = strlen(path), n = strlen(e->d_name);
    const bool   may_be_model = is_gguf(e->d_name);
    const bool   may_be_folder = e->d_type == DT_DIR || e->d_type == DT_LNK || e->d_type == DT_UNKNOWN;
    hl_status    status = HL_OK;
    struct stat  st;
    if (e->d_name[0] == '.' || len + n + 2 > PATH_MAX || (!may_be_model && !may_be_folder)) return HL_OK;
    path[len] = '/';
    memcpy(path + len + 1, e->d_name, n + 1);
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            status = walk_folder(w, path, depth + 1, err);
        else if (may_be_model && S_ISREG(st.st_mode))
            status = add_file(w, path, &st, err);
    }
    path[len] = '\0';
    return status;
}

/* Of a repository in the Hugging Face cache, the revision that its main branch has is enough. */
static bool enter_main_revision(char path[PATH_MAX], const char *name) {
    char         refs[PATH_MAX], *text = NULL;
    size_t       n_text = 0;
    const size_t len = strlen(path);
    struct stat  st;
    if (strcmp(name, "snapshots") != 0) return false;
    if (snprintf(refs, sizeof refs, "%.*srefs/main", (int)(name - path), path) >= (int)sizeof refs)
        return false;
    if (hl_file_read(refs, 128, &text, &n_text, NULL) != HL_OK) return false;
    const hl_view revision = hl_view_trim((hl_view){text, n_text});
    bool          ok = revision.len > 0 && revision.len < 100 && len + revision.len + 2 < PATH_MAX;
    for (size_t i = 0; ok && i < revision.len; i++) ok = isxdigit((unsigned char)revision.ptr[i]) != 0;
    if (ok) (void)snprintf(path + len, PATH_MAX - len, "/%.*s", (int)revision.len, revision.ptr);
    hl_free(text);
    if (ok && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    path[len] = '\0';
    return false;
}

static hl_status read_folder(walk *w, char path[PATH_MAX], int depth, hl_err *err) {
    hl_status            status = HL_OK;
    const struct dirent *e;
    DIR                 *dir = opendir(path);
    if (!dir) {
        hl_event(w->events, HL_LOG_WARN, "models", "folder-unreadable", "path=\"%s\" reason=\"%s\"", path,
                 strerror(errno));
        return HL_OK;
    }
    while (status == HL_OK && (e = readdir(dir)) != NULL) {
        if (++w->n_entries > MAX_ENTRIES) {
            w->was_full = true;
            break;
        }
        status = hl_stop_check("look for models", err);
        if (status == HL_OK) status = walk_entry(w, path, e, depth, err);
    }
    (void)closedir(dir);
    return status;
}

static hl_status walk_folder(walk *w, char path[PATH_MAX], int depth, hl_err *err) {
    const size_t len = strlen(path);
    const char  *slash = strrchr(path, '/');
    struct stat  st;
    if (depth > MAX_DEPTH) return HL_OK;
    if (depth > 0 && enter_main_revision(path, slash + 1)) depth++;
    hl_status status = HL_OK;
    if (depth <= MAX_DEPTH && stat(path, &st) == 0) {
        bool is_above = false;
        for (int i = 0; i < depth; i++)
            is_above |= w->above[i].device == st.st_dev && w->above[i].inode == st.st_ino;
        w->above[depth].device = st.st_dev;
        w->above[depth].inode = st.st_ino;
        if (!is_above) status = read_folder(w, path, depth, err);
    }
    path[len] = '\0';
    return status;
}

static hl_status walk_root(walk *w, hl_view dir, hl_err *err) {
    char        path[PATH_MAX];
    struct stat st;
    while (dir.len > 1 && dir.ptr[dir.len - 1] == '/') dir.len--;
    if (dir.len == 0 || dir.len + 2 > PATH_MAX) return HL_OK;
    memcpy(path, dir.ptr, dir.len);
    path[dir.len] = '\0';
    w->n_root = dir.len + 1;
    if (stat(path, &st) != 0) {
        hl_event(w->events, HL_LOG_WARN, "models", "folder-unreadable", "path=\"%s\" reason=\"%s\"", path,
                 strerror(errno));
        return HL_OK;
    }
    return walk_folder(w, path, 0, err);
}

/* ---- names ---- */

/* What of a text may stand in a part of a name: other characters become dashes. */
static bool take_part(hl_name_kind kind, hl_view text, char ret[HL_NAME_PART_BYTES]) {
    size_t n = 0;
    for (size_t i = 0; i < text.len && n + 1 < HL_NAME_PART_BYTES; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        const bool          ok =
            c < 0x80 && (isalnum(c) || c == '_' || c == '-' || (c == '.' && kind != HL_NAME_SPACE));
        const char to = ok ? (char)c : '-';
        if (n == 0 && (to == '-' || to == '.')) continue;
        if (to == '-' && ret[n - 1] == '-') continue;
        ret[n++] = to;
    }
    while (n > 0 && (ret[n - 1] == '-' || ret[n - 1] == '.')) n--;
    ret[n] = '\0';
    return hl_name_part_is_valid(kind, hl_view_of(ret));
}

/* Does a word name a kind of weights: Q4_K_M, IQ2_XXS, F16, BF16, MXFP4? */
static bool is_quant(hl_view w) {
    static const char *const whole[] = {"F16", "FP16", "F32", "FP32", "BF16", "MXFP4", "MXFP4_MOE", "NVFP4"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (w.len == strlen(whole[i]) && strncasecmp(w.ptr, whole[i], w.len) == 0) return true;
    const size_t head = w.len > 0 && (w.ptr[0] | 0x20) == 'i' ? 1 : 0;
    if (w.len < head + 2 || ((w.ptr[head] | 0x20) != 'q' && (w.ptr[head] | 0x20) != 't')) return false;
    const size_t digit = head + ((w.ptr[head] | 0x20) == 't' ? 2 : 1); /* TQ1_0 */
    return digit < w.len && isdigit((unsigned char)w.ptr[digit]) &&
           (digit + 1 == w.len || w.ptr[digit + 1] == '_');
}

/* Part the stem of a file's name into model and kind of weights, where one stands at its end. */
static void part_stem(hl_view stem, hl_view *ret_model, hl_view *ret_quant) {
    size_t at = stem.len;
    while (at > 0 && stem.ptr[at - 1] != '-' && stem.ptr[at - 1] != '.') at--;
    *ret_model = stem;
    *ret_quant = (hl_view){0};
    if (!is_quant((hl_view){stem.ptr + at, stem.len - at})) return;
    if (at >= 4 && strncasecmp(stem.ptr + at - 3, "UD-", 3) == 0 && !isalnum((unsigned char)stem.ptr[at - 4]))
        at -= 3; /* Unsloth's dynamic ones go with the plain ones in one repository */
    *ret_quant = (hl_view){stem.ptr + at, stem.len - at};
    *ret_model = (hl_view){stem.ptr, at > 0 ? at - 1 : 0};
}

/* "x-00001-of-00003" -> 3, and the view without it; 1: no part. *ret_i is the part's number. */
static uint32_t cut_part(hl_view *stem, uint32_t *ret_i) {
    uint32_t     n;
    const size_t len = hl_split_stem(*stem, ret_i, &n);
    if (len > 0) stem->len = len;
    return n;
}

static hl_view stem_of(const char *path) {
    const char  *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const size_t n = strlen(base);
    return (hl_view){base, n >= 5 ? n - 5 : n};
}

/* "models--ORG--REPO" of the Hugging Face cache. */
static bool take_repository(hl_view folder, hl_name *name) {
    const char *head = "models--";
    if (!hl_view_has_prefix(folder, head)) return false;
    const hl_view rest = {folder.ptr + strlen(head), folder.len - strlen(head)};
    const char   *dashes = memmem(rest.ptr, rest.len, "--", 2);
    const hl_view org = dashes ? (hl_view){rest.ptr, (size_t)(dashes - rest.ptr)} : hl_view_of("library");
    const hl_view repo = dashes ? (hl_view){dashes + 2, rest.len - org.len - 2} : rest;
    if (!take_part(HL_NAME_SPACE, org, name->space) || !take_part(HL_NAME_MODEL, repo, name->model))
        return false;
    (void)snprintf(name->host, sizeof name->host, "hf.co");
    return true;
}

bool hl_watched_name(const char *below, hl_name *ret_name) {
    hl_name  name = {.has_tag = true};
    hl_view  folders[MAX_DEPTH + 2], stem = stem_of(below), model, quant;
    size_t   n = 0;
    uint32_t i_part;
    bool     is_named = false;
    (void)cut_part(&stem, &i_part);
    part_stem(stem, &model, &quant);
    for (const char *at = below, *slash; (slash = strchr(at, '/')) != NULL && n < MAX_DEPTH + 2;
         at = slash + 1)
        folders[n++] = (hl_view){at, (size_t)(slash - at)};
    (void)snprintf(name.host, sizeof name.host, "registry.ollama.ai");
    (void)snprintf(name.space, sizeof name.space, "library");
    for (size_t i = 0; i + 1 < n && !is_named; i++)
        is_named = hl_view_is(folders[i + 1], "snapshots") && take_repository(folders[i], &name);
    if (!is_named && n == 2) /* PUBLISHER/REPO/FILE */
        is_named = take_part(HL_NAME_SPACE, folders[0], name.space) &&
                   take_part(HL_NAME_MODEL, folders[1], name.model);
    if (!is_named) {
        (void)snprintf(name.space, sizeof name.space, "library");
        if (!take_part(HL_NAME_MODEL, model, name.model) && !take_part(HL_NAME_MODEL, stem, name.model))
            return false;
    }
    if (!take_part(HL_NAME_TAG, quant, name.tag)) (void)snprintf(name.tag, sizeof name.tag, "latest");
    *ret_name = name;
    return true;
}

/* ---- the list ---- */

static int by_path(const void *a, const void *b) {
    return strcmp(((const found *)a)->path, ((const found *)b)->path);
}

typedef struct file_key {
    dev_t  device;
    ino_t  inode;
    size_t i;
} file_key;

static int by_key(const void *a, const void *b) {
    const file_key *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    return x->i < y->i ? -1 : x->i > y->i;
}

static int by_name_key(const void *a, const void *b) {
    const hl_watched *x = *(const hl_watched *const *)a, *y = *(const hl_watched *const *)b;
    const int         c = strcasecmp(x->name.host, y->name.host);
    const int         d = c ? c : strcasecmp(x->name.space, y->name.space);
    const int         e = d ? d : strcasecmp(x->name.model, y->name.model);
    const int         f = e ? e : strcasecmp(x->name.tag, y->name.tag);
    return f ? f : x < y ? -1 : x > y;
}

/* A file that is reached by two paths is one model, under the first. */
static hl_status drop_doubles(walk *w, hl_err *err) {
    file_key *keys = hl_new(w->n, sizeof *keys);
    if (!keys) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory for %zu files", w->n);
    for (size_t i = 0; i < w->n; i++) keys[i] = (file_key){w->v[i].st.st_dev, w->v[i].st.st_ino, i};
    qsort(keys, w->n, sizeof *keys, by_key);
    for (size_t k = 1; k < w->n; k++)
        if (keys[k].device == keys[k - 1].device && keys[k].inode == keys[k - 1].inode)
            w->v[keys[k].i].path = NULL;
    hl_free(keys);
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->v[i].path) w->v[n++] = w->v[i];
    w->n = n;
    return HL_OK;
}

bool hl_watched_part(const char *first, uint32_t i, uint32_t n, char ret[PATH_MAX]) {
    const size_t n_tail = sizeof "-00001-of-00002.gguf" - 1, len = strlen(first);
    if (len <= n_tail || len >= PATH_MAX) return false;
    memcpy(ret, first, len + 1);
    return snprintf(ret + len - n_tail, n_tail + 1, "-%05u-of-%05u%s", (unsigned)i, (unsigned)n,
                    first + len - 5) == (int)n_tail;
}

/* Sizes of the parts behind the first one. */
static void add_parts(hl_watched *m) {
    char        path[PATH_MAX];
    struct stat st;
    for (uint32_t i = 2; i <= m->n_parts; i++)
        if (hl_watched_part(m->path, i, m->n_parts, path) && stat(path, &st) == 0)
            m->n_bytes += (uint64_t)st.st_size;
}

/* The projector beside a model: where there is one and no more. */
static const char *find_projector(const walk *w, size_t i) {
    const char  *path = w->v[i].path, *one = NULL;
    const size_t n = (size_t)(strrchr(path, '/') - path) + 1;
    for (size_t k = i; k-- > 0 && strncmp(w->v[k].path, path, n) == 0;)
        if (!strchr(w->v[k].path + n, '/') && is_projector(w->v[k].path)) {
            if (one) return NULL;
            one = w->v[k].path;
        }
    for (size_t k = i + 1; k < w->n && strncmp(w->v[k].path, path, n) == 0; k++)
        if (!strchr(w->v[k].path + n, '/') && is_projector(w->v[k].path)) {
            if (one) return NULL;
            one = w->v[k].path;
        }
    return one;
}

static void name_files(const walk *w, bool has_projectors, hl_watched_list *l) {
    for (size_t i = 0; i < w->n; i++) {
        const found *f = &w->v[i];
        hl_watched  *m = &l->v[l->n];
        hl_view      stem = stem_of(f->path);
        uint32_t     i_part;
        if (is_projector(f->path)) continue;
        *m = (hl_watched){.path = f->path, .st = f->st, .n_parts = cut_part(&stem, &i_part)};
        if (i_part != 1) continue; /* it belongs to the first */
        if (!hl_watched_name(f->path + f->n_root, &m->name)) continue;
        m->n_bytes = (uint64_t)f->st.st_size;
        if (m->n_parts > 1) add_parts(m);
        if (has_projectors) m->projector = find_projector(w, i);
        l->n++;
    }
}

/* Of those of one name, the first by path keeps it; others get a number. */
static hl_status number_doubles(hl_watched_list *l, hl_err *err) {
    hl_watched **order = hl_new(l->n, sizeof *order);
    if (!order) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory for %zu models", l->n);
    for (size_t i = 0; i < l->n; i++) order[i] = &l->v[i];
    qsort(order, l->n, sizeof *order, by_name_key);
    unsigned n = 1;
    for (size_t i = 1; i < l->n; i++) {
        char        tail[16];
        hl_watched *m = order[i];
        n = hl_name_eq(&m->name, &order[i - n]->name) ? n + 1 : 1;
        if (n == 1) continue;
        const size_t n_tail = (size_t)snprintf(tail, sizeof tail, "-%u", n), n_tag = strlen(m->name.tag);
        char        *at =
            m->name.tag + (n_tag + n_tail < HL_NAME_PART_BYTES ? n_tag : HL_NAME_PART_BYTES - 1 - n_tail);
        memcpy(at, tail, n_tail + 1);
    }
    hl_free(order);
    return HL_OK;
}

static hl_status make_list(walk *w, hl_watched_list *l, hl_err *err) {
    bool has_projectors = false;
    qsort(w->v, w->n, sizeof *w->v, by_path);
    hl_status status = drop_doubles(w, err);
    if (status != HL_OK) return status;
    l->v = hl_new(w->n + 1, sizeof *l->v);
    if (!l->v) return hl_fail(err, HL_E_NOMEM, "watched folders: no memory for %zu models", w->n);
    for (size_t i = 0; i < w->n; i++) has_projectors |= is_projector(w->v[i].path);
    name_files(w, has_projectors, l);
    return number_doubles(l, err);
}

hl_status hl_watched_scan(const char *dirs, const hl_events *events, hl_watched_list *ret, hl_err *err) {
    hl_status status = HL_OK;
    *ret = (hl_watched_list){0};
    hl_arena_init(&ret->arena, ARENA_BYTES);
    walk w = {.events = events, .arena = &ret->arena};
    for (const char *at = dirs; *at && status == HL_OK; at += *at == ':') {
        const size_t n = strcspn(at, ":");
        status = walk_root(&w, hl_view_trim((hl_view){at, n}), err);
        at += n;
    }
    if (w.was_full)
        hl_event(events, HL_LOG_WARN, "models", "folder-too-large",
                 "entries=%zu files=%zu action=\"the rest is left out\"", w.n_entries, w.n);
    if (status == HL_OK && w.n > 0) status = make_list(&w, ret, err);
    hl_free(w.v);
    return status;
}

void hl_watched_done(hl_watched_list *l) {
    hl_free(l->v);
    hl_arena_done(&l->arena);
    l->v = NULL;
    l->n = 0;
}
