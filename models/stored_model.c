/* SPDX-License-Identifier: MIT
 *
 * stored_model.c - read one model: manifest, config, small blobs; check the large ones before a load.
 *
 * A blob may be a hard link to a file that somebody goes on using. Its size, time and inode were
 * recorded when its hash was known; when they differ now, the hash decides.
 */
#define _GNU_SOURCE
#include "models/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/data/json.h"
#include "core/data/sha256.h"
#include "models/watched.h"

enum {
    MODEL_ARENA_BYTES = 64 << 20,
    SCRATCH_ARENA_BYTES = 16 << 20,
    MAX_CONFIG_BYTES = 4 << 20,
    MAX_LIST = 65536
};

/* ---- files as rows ---- */

int64_t hl_mtime_ns(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

void hl_blob_row_of(const struct stat *st, const char *digest, int origin, hl_blob_row *ret) {
    *ret = (hl_blob_row){
        .size_bytes = (uint64_t)st->st_size,
        .mtime_ns = hl_mtime_ns(st),
        .inode = (uint64_t)st->st_ino,
        .device = (uint64_t)st->st_dev,
        .origin = origin,
    };
    memcpy(ret->digest, digest, HL_DIGEST_BYTES);
}

bool hl_blob_row_fits(const hl_blob_row *row, const struct stat *st) {
    /* not the device: its number may change from boot to boot */
    return row->size_bytes == (uint64_t)st->st_size && row->mtime_ns == hl_mtime_ns(st) &&
           row->inode == (uint64_t)st->st_ino;
}

bool hl_store_known(hl_store *s, const char *digest, hl_blob_row *ret) {
    hl_own o;
    if (s->id[0] && hl_db_find_blob(s->db, s->id, digest, ret)) return true;
    if (!hl_own_find(s, digest, &o)) return false;
    *ret = o.row;
    return true;
}

typedef struct hash_walk {
    hl_sha256           *sum;
    hl_progress_step_fn *fn;
    void                *user;
} hash_walk;

static hl_status add_chunk(void *user, const void *data, size_t n, hl_err *err) {
    const hash_walk *w = user;
    hl_status        status = hl_stop_check("hash a file", err);
    if (status == HL_OK) status = hl_sha256_add(w->sum, data, n, err);
    if (status == HL_OK && w->fn) status = w->fn(w->user, n, err);
    return status;
}

hl_status hl_store_hash(hl_store *s, int fd, const char *path, hl_progress_step_fn *fn, void *user,
                        char ret_hex[HL_DIGEST_BYTES], hl_err *err) {
    hash_walk w = {.fn = fn, .user = user};
    (void)pthread_mutex_unlock(&s->mutex);
    hl_status status = hl_sha256_new(&w.sum, err);
    if (status == HL_OK) status = hl_file_walk(fd, path, add_chunk, &w, err);
    if (status == HL_OK) status = hl_sha256_finish(w.sum, ret_hex, err);
    hl_sha256_free(w.sum);
    (void)pthread_mutex_lock(&s->mutex);
    return status;
}

/* ---- manifest and texts ---- */

/* Read a whole file into the arena, terminated. */
static hl_status read_into(const char *path, size_t limit_bytes, hl_arena *arena, hl_view *ret, hl_err *err) {
    char     *data = NULL;
    size_t    len = 0;
    hl_status status = hl_file_read(path, limit_bytes, &data, &len, err);
    if (status != HL_OK) return status;
    const char *kept = hl_arena_get_text(arena, data, len);
    if (kept)
        *ret = (hl_view){kept, len};
    else
        status = hl_fail(err, HL_E_NOMEM, "read '%s': no memory for %zu bytes", path, len);
    hl_free(data);
    return status;
}

hl_status hl_store_read_manifest(hl_store *s, const hl_name *name, hl_arena *arena, hl_view *ret_text,
                                 hl_manifest *ret, hl_err *err) {
    char    path[PATH_MAX], what[HL_NAME_TEXT_BYTES + 16], text[HL_NAME_TEXT_BYTES];
    hl_view bytes = {0};
    hl_store_manifest_path(s, name, path);
    hl_name_format(name, text);
    (void)snprintf(what, sizeof what, "manifest of '%s'", text);
    hl_status status = read_into(path, HL_MANIFEST_MAX_BYTES, arena, &bytes, err);
    if (status == HL_OK) status = hl_manifest_parse(bytes, what, arena, ret, err);
    if (status == HL_OK && ret_text) *ret_text = bytes;
    return status;
}

static hl_status read_text(hl_store *s, const hl_blob_layer *layer, hl_arena *arena, hl_view *ret,
                           hl_err *err) {
    char    path[PATH_MAX];
    hl_view text = {0};
    hl_store_blob_path(s, layer->digest, path);
    const hl_status status = read_into(path, HL_STORE_TEXT_MAX_BYTES, arena, &text, err);
    if (status != HL_OK) return status;
    if (text.len != layer->size_bytes)
        return hl_fail(err, HL_E_CHANGED, "blob '%s' has %zu bytes, its manifest says %" PRIu64, path,
                       text.len, layer->size_bytes);
    if (memchr(text.ptr, 0, text.len))
        return hl_fail(err, HL_E_FORMAT, "blob '%s' (%s) holds NUL bytes, expected text", path,
                       layer->media_type);
    *ret = text;
    return HL_OK;
}

/* ---- entries ---- */

static const char *keep(hl_arena *arena, const char *text, bool *ok) {
    const char *kept = hl_arena_get_text(arena, text ? text : "", text ? strlen(text) : 0);
    if (!kept) *ok = false;
    return kept ? kept : "";
}

/* Fill what people see of the config; a config that cannot be read leaves these empty, for want of memory or
 * because somebody asked to stop nothing is said of it. */
static hl_status read_details(hl_store *s, const hl_manifest *m, hl_arena *arena, hl_model_row *row,
                              hl_err *err) {
    hl_view text = {0};
    json_t *config = NULL;
    if (!m->config.digest[0] || m->config.size_bytes > MAX_CONFIG_BYTES) return HL_OK;
    hl_status status = read_text(s, &m->config, arena, &text, err);
    if (status == HL_OK) status = hl_json_parse(text, "config", &config, err);
    if (status != HL_OK) return status == HL_E_NOMEM || status == HL_E_CANCEL ? status : HL_OK;
    const struct {
        const char *key;
        char       *to;
        size_t      cap;
    } fields[] = {
        {"model_format", row->format, sizeof row->format},
        {"model_family", row->family, sizeof row->family},
        {"model_type", row->parameter_size, sizeof row->parameter_size},
        {"file_type", row->quantization, sizeof row->quantization},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const char *v = hl_json_text(config, fields[i].key);
        (void)snprintf(fields[i].to, fields[i].cap, "%s", v ? v : "");
    }
    json_decref(config);
    return HL_OK;
}

/* Compute the row of a model from its files. */
static hl_status read_row(hl_store *s, const hl_disk_name *on_disk, hl_model_row *ret, hl_err *err) {
    hl_arena     scratch;
    hl_manifest  m = {0};
    hl_view      text = {0};
    hl_model_row row = {.manifest_mtime_ns = on_disk->mtime_ns, .manifest_bytes = on_disk->n_bytes};
    hl_arena_init(&scratch, SCRATCH_ARENA_BYTES);
    hl_status status = hl_store_read_manifest(s, &on_disk->name, &scratch, &text, &m, err);
    if (status == HL_OK) status = hl_sha256_of(text.ptr, text.len, row.digest, err);
    if (status == HL_OK) status = read_details(s, &m, &scratch, &row, err);
    if (status == HL_OK) {
        row.size_bytes = hl_manifest_size(&m);
        *ret = row;
    }
    hl_arena_done(&scratch);
    return status;
}

hl_status hl_store_read_entry(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena, hl_store_entry *ret,
                              hl_err *err) {
    char         full[HL_NAME_TEXT_BYTES], key[HL_NAME_TEXT_BYTES], text[HL_NAME_TEXT_BYTES];
    hl_model_row row;
    if (on_disk->watched) return hl_watched_read_entry(s, on_disk, arena, ret, err);
    hl_name_format_full(&on_disk->name, full);
    hl_name_format_key(&on_disk->name, key);
    hl_name_format(&on_disk->name, text);
    const char *id = hl_store_names_id(s);
    const bool  fresh = id[0] && hl_db_find_model(s->db, id, full, &row) &&
                       row.manifest_mtime_ns == on_disk->mtime_ns && row.manifest_bytes == on_disk->n_bytes;
    if (!fresh) {
        hl_db_end(s->db);
        const hl_status status = read_row(s, on_disk, &row, err);
        if (status != HL_OK) return status;
        if (id[0]) hl_db_put_model(s->db, id, full, &row);
    }
    bool           ok = true;
    hl_store_entry entry = {
        .name = on_disk->name,
        .text = keep(arena, text, &ok),
        .size_bytes = row.size_bytes,
        .modified_ms = on_disk->mtime_ns / 1000000,
        .last_used_ms = hl_db_last_used_ms(s->db, key),
        .format = keep(arena, row.format, &ok),
        .family = keep(arena, row.family, &ok),
        .parameter_size = keep(arena, row.parameter_size, &ok),
        .quantization = keep(arena, row.quantization, &ok),
    };
    memcpy(entry.digest, row.digest, sizeof entry.digest);
    if (!ok) return hl_fail(err, HL_E_NOMEM, "no memory to list '%s'", text);
    *ret = entry;
    return HL_OK;
}

/* ---- one model ---- */

typedef struct model_box {
    hl_stored_model model; /* first: the model is the box */
    hl_arena        arena;
} model_box;

static hl_status add_param(hl_stored_model *m, hl_arena *arena, hl_param *list, const char *name,
                           const json_t *v, hl_err *err) {
    char        buf[40];
    const char *text = hl_param_text(v, buf);
    if (!text) return HL_OK;
    bool ok = true;
    list[m->n_params].name = keep(arena, name, &ok);
    list[m->n_params].value = keep(arena, text, &ok);
    if (!ok) return hl_fail(err, HL_E_NOMEM, "no memory for parameter '%s'", name);
    m->n_params++;
    return HL_OK;
}

static hl_status parse_params(hl_stored_model *m, hl_arena *arena, hl_view text, hl_err *err) {
    json_t     *root = NULL, *v;
    const char *name;
    hl_status   status = hl_json_parse(text, "stored parameters", &root, err);
    if (status == HL_OK && !json_is_object(root))
        status = hl_fail(err, HL_E_FORMAT, "stored parameters: not a JSON object");
    size_t n = 0;
    json_object_foreach(root, name, v) n += json_is_array(v) ? json_array_size(v) : 1;
    if (status == HL_OK && n > MAX_LIST)
        status = hl_fail(err, HL_E_LIMIT, "stored parameters: %zu values, expected at most %d", n, MAX_LIST);
    hl_param *list = status == HL_OK ? hl_arena_get(arena, n, sizeof *list) : NULL;
    if (status == HL_OK && !list) status = hl_fail(err, HL_E_NOMEM, "no memory for %zu parameters", n);
    m->n_params = 0; /* a later layer replaces an earlier one */
    m->params = list;
    m->params_json = text.ptr;
    if (status == HL_OK) json_object_foreach(root, name, v) {
            if (!json_is_array(v)) status = add_param(m, arena, list, name, v, err);
            for (size_t i = 0; i < json_array_size(v) && status == HL_OK; i++)
                status = add_param(m, arena, list, name, json_array_get(v, i), err);
            if (status != HL_OK) break;
        }
    json_decref(root);
    return status;
}

static hl_status parse_messages(hl_stored_model *m, hl_arena *arena, hl_view text, hl_err *err) {
    json_t   *root = NULL;
    hl_status status = hl_json_parse_any(text, "stored messages", &root, err);
    if (status == HL_OK && !json_is_array(root))
        status = hl_fail(err, HL_E_FORMAT, "stored messages: not a JSON list");
    const size_t n = json_array_size(root);
    if (status == HL_OK && n > MAX_LIST)
        status = hl_fail(err, HL_E_LIMIT, "stored messages: %zu, expected at most %d", n, MAX_LIST);
    hl_stored_message *list = status == HL_OK ? hl_arena_get(arena, n, sizeof *list) : NULL;
    bool               ok = list != NULL;
    for (size_t i = 0; i < n && ok && status == HL_OK; i++) {
        const json_t *role = json_object_get(json_array_get(root, i), "role");
        const json_t *content = json_object_get(json_array_get(root, i), "content");
        if (!json_is_string(role) || !json_is_string(content))
            status = hl_fail(err, HL_E_FORMAT, "stored messages: message %zu has no %s", i,
                             json_is_string(role) ? "content" : "role");
        const size_t len = json_string_length(content);
        const char  *kept = hl_arena_get_text(arena, len ? json_string_value(content) : "", len);
        list[i] = (hl_stored_message){keep(arena, json_string_value(role), &ok), {kept, len}};
        ok = ok && kept;
    }
    if (status == HL_OK && !ok) status = hl_fail(err, HL_E_NOMEM, "no memory for %zu messages", n);
    if (status == HL_OK) {
        m->messages = list;
        m->n_messages = n;
    }
    json_decref(root);
    return status;
}

static hl_status parse_config(hl_stored_model *m, hl_arena *arena, hl_view text, hl_err *err) {
    json_t   *root = NULL;
    hl_status status = hl_json_parse(text, "config", &root, err);
    if (status != HL_OK) return status;
    bool        ok = true;
    const char *renderer = hl_json_text(root, "renderer"), *parser = hl_json_text(root, "parser");
    const char *version = hl_json_text(root, "requires");
    m->config_json = text.ptr;
    if (renderer && renderer[0]) m->renderer = keep(arena, renderer, &ok);
    if (parser && parser[0]) m->parser = keep(arena, parser, &ok);
    if (version && version[0]) m->requires_version = keep(arena, version, &ok);
    if (!ok) status = hl_fail(err, HL_E_NOMEM, "no memory for the config");
    json_decref(root);
    return status;
}

/* Read a small blob; one that is missing counts as absent when only shown. */
static hl_status read_small(hl_store *s, const hl_blob_layer *layer, int how, hl_arena *arena, hl_view *ret,
                            hl_err *err) {
    const hl_status status = read_text(s, layer, arena, ret, err);
    if (how == HL_OPEN_FOR_SHOW && status == HL_E_NOT_FOUND) return HL_OK;
    return status;
}

hl_layer_kind hl_layer_kind_of(const char *media_type) {
    static const struct {
        const char   *media_type;
        hl_layer_kind kind;
    } rows[] = {
        {HL_MEDIA_MODEL, HL_LAYER_SHARD},       {HL_MEDIA_PROJECTOR, HL_LAYER_PROJECTOR},
        {HL_MEDIA_ADAPTER, HL_LAYER_ADAPTER},   {HL_MEDIA_DRAFT, HL_LAYER_DRAFT},
        {HL_MEDIA_TEMPLATE, HL_LAYER_TEMPLATE}, {HL_MEDIA_PROMPT, HL_LAYER_TEMPLATE},
        {HL_MEDIA_SYSTEM, HL_LAYER_SYSTEM},     {HL_MEDIA_LICENSE, HL_LAYER_LICENSE},
        {HL_MEDIA_PARAMS, HL_LAYER_PARAMS},     {HL_MEDIA_MESSAGES, HL_LAYER_MESSAGES},
        {HL_MEDIA_REMOTE, HL_LAYER_REMOTE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(media_type, rows[i].media_type) == 0) return rows[i].kind;
    return HL_LAYER_OTHER;
}

bool hl_layer_is_text(hl_layer_kind kind) { return kind >= HL_LAYER_TEMPLATE && kind != HL_LAYER_OTHER; }

typedef struct layer_lists { /* writable ends of the model's lists */
    const char **shards, **adapters, **licenses;
} layer_lists;

static hl_status read_layer(hl_store *s, const hl_blob_layer *layer, const char *path, int how,
                            model_box *box, layer_lists *lists, hl_err *err) {
    hl_stored_model    *m = &box->model;
    const hl_layer_kind kind = hl_layer_kind_of(layer->media_type);
    if (kind == HL_LAYER_SHARD) lists->shards[m->n_shards++] = path;
    if (kind == HL_LAYER_PROJECTOR) m->projector_path = path;
    if (kind == HL_LAYER_ADAPTER) lists->adapters[m->n_adapters++] = path;
    if (kind == HL_LAYER_DRAFT) m->draft_path = path;
    if (!hl_layer_is_text(kind)) return HL_OK;

    hl_view   text = {0};
    hl_status status = read_small(s, layer, how, &box->arena, &text, err);
    if (status != HL_OK || !text.ptr) return status;
    if (kind == HL_LAYER_TEMPLATE) m->template_text = text.ptr;
    if (kind == HL_LAYER_SYSTEM) m->system = text.ptr;
    if (kind == HL_LAYER_REMOTE) m->remote_json = text.ptr;
    if (kind == HL_LAYER_LICENSE) lists->licenses[m->n_licenses++] = text.ptr;
    if (kind == HL_LAYER_PARAMS) status = parse_params(m, &box->arena, text, err);
    if (kind == HL_LAYER_MESSAGES) status = parse_messages(m, &box->arena, text, err);
    return status;
}

/* ---- checks before a load ---- */

static hl_status fail_changed(const char *path, const char *model, const char *what, hl_err *err) {
    return hl_fail(
        err, HL_E_CHANGED,
        "model '%.100s': %s: the file changed since it was imported (a linked original was edited, "
        "replaced or cut short); import the right file again, or remove the model (%.200s)",
        model, what, path);
}

/* The file has the right bytes: it may be known by what it is now, so that it is not read again. */
static void note_identity(hl_store *s, const char *path, const char *digest, const struct stat *before,
                          const struct stat *after, int fd) {
    hl_blob_row row, old;
    hl_own      o;
    hl_blob_row_of(before, digest, HL_BLOB_FOUND, &row);
    if (!hl_blob_row_fits(&row, after)) return; /* it is being written to */
    if (hl_own_find(s, digest, &o) && hl_own_is(&o, path, before)) {
        row.origin = o.row.origin;
        if (hl_own_put(s, &row, fd, NULL) != HL_OK)
            hl_event(s->events, HL_LOG_DEBUG, "models", "record-not-renewed", "digest=%.12s", digest);
    } else if (s->id[0] && hl_db_find_blob(s->db, s->id, digest, &old) && old.inode == row.inode) {
        row.origin = old.origin;
    }
    if (s->id[0]) (void)hl_db_put_blob(s->db, s->id, &row);
}

/* Size and recorded identity differ from the file's: let the hash decide, and record what it says. */
static hl_status check_by_hash(hl_store *s, const char *path, const char *model, const char *digest,
                               const char *what, hl_err *err) {
    char        hex[HL_DIGEST_BYTES];
    struct stat before, after;
    int         fd = -1;
    hl_status   status = hl_file_open(path, O_RDONLY, 0, &fd, &before, err);
    if (status != HL_OK) return status;
    hl_event(s->events, HL_LOG_INFO, "models", "blob-rehashed", "model=\"%s\" digest=%.12s reason=\"%s\"",
             model, digest, what);
    status = hl_store_hash(s, fd, path, NULL, NULL, hex, err);
    if (status == HL_OK && strcmp(hex, digest) != 0) status = fail_changed(path, model, what, err);
    if (status == HL_OK && fstat(fd, &after) == 0) note_identity(s, path, digest, &before, &after, fd);
    (void)close(fd);
    return status;
}

static hl_status check_blob(hl_store *s, const hl_stored_layer *layer, const char *model, hl_err *err) {
    struct stat st;
    hl_blob_row row;
    char        what[120];
    if (stat(layer->path, &st) != 0) {
        if (errno == ENOENT)
            return hl_fail(err, HL_E_NOT_FOUND,
                           "model '%s': blob '%s' is missing; import or pull the model again", model,
                           layer->path);
        return hl_fail(err, hl_errno_io(errno), "stat '%s': %s", layer->path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return hl_fail(err, HL_E_CHANGED,
                       "model '%s': blob '%s' is no file; remove it, and import or pull the model again",
                       model, layer->path);
    if ((uint64_t)st.st_size != layer->size_bytes) {
        (void)snprintf(what, sizeof what, "size is %lld bytes, was %" PRIu64, (long long)st.st_size,
                       layer->size_bytes);
        return fail_changed(layer->path, model, what, err);
    }
    if (!s->id[0]) return HL_OK; /* a folder we never wrote to */
    const bool is_indexed = hl_db_find_blob(s->db, s->id, layer->digest, &row);
    if (!is_indexed && !hl_store_known(s, layer->digest, &row))
        hl_blob_row_of(&st, layer->digest, HL_BLOB_FOUND, &row); /* seen for the first time */
    if (hl_blob_row_fits(&row, &st)) {
        if (!is_indexed) (void)hl_db_put_blob(s->db, s->id, &row);
        return HL_OK;
    }
    const bool time = row.mtime_ns != hl_mtime_ns(&st), inode = row.inode != (uint64_t)st.st_ino;
    (void)snprintf(what, sizeof what, "%s%s%s changed, and so did its sha256",
                   time ? "modification time" : "", time && inode ? " and " : "",
                   inode  ? "inode"
                   : time ? ""
                          : "size");
    return check_by_hash(s, layer->path, model, layer->digest, what, err);
}

static hl_status check_blobs(hl_store *s, const hl_stored_model *m, hl_err *err) {
    for (size_t i = 0; i < m->n_layers; i++) {
        const hl_layer_kind kind = hl_layer_kind_of(m->layers[i].media_type);
        if (kind >= HL_LAYER_TEMPLATE) continue;
        const hl_status status = check_blob(s, &m->layers[i], m->entry.text, err);
        if (status != HL_OK) return status;
    }
    if (m->n_shards == 0 && !m->remote_json)
        return hl_fail(err, HL_E_UNSUPPORTED, "model '%s' has no GGUF layer (format '%s')", m->entry.text,
                       m->entry.format);
    return HL_OK;
}

/* ---- open ---- */

static hl_status set_layers(hl_store *s, const hl_manifest *m, model_box *box, layer_lists *lists,
                            hl_err *err) {
    hl_arena        *arena = &box->arena;
    hl_stored_layer *layers = hl_arena_get(arena, m->n_layers, sizeof *layers);
    lists->shards = hl_arena_get(arena, m->n_layers, sizeof *lists->shards);
    lists->adapters = hl_arena_get(arena, m->n_layers, sizeof *lists->adapters);
    lists->licenses = hl_arena_get(arena, m->n_layers, sizeof *lists->licenses);
    bool ok = layers && lists->shards && lists->adapters && lists->licenses;
    for (size_t i = 0; i < m->n_layers && ok; i++) {
        char path[PATH_MAX];
        hl_store_blob_path(s, m->layers[i].digest, path);
        layers[i].media_type = m->layers[i].media_type;
        layers[i].size_bytes = m->layers[i].size_bytes;
        layers[i].path = keep(arena, path, &ok);
        memcpy(layers[i].digest, m->layers[i].digest, HL_DIGEST_BYTES);
    }
    if (!ok) return hl_fail(err, HL_E_NOMEM, "no memory for %zu layers", m->n_layers);
    box->model.layers = layers;
    box->model.n_layers = m->n_layers;
    box->model.shard_paths = lists->shards;
    box->model.adapter_paths = lists->adapters;
    box->model.licenses = lists->licenses;
    return HL_OK;
}

static hl_status read_model(hl_store *s, const hl_disk_name *on_disk, int how, model_box *box, hl_err *err) {
    hl_stored_model *m = &box->model;
    hl_manifest      manifest = {0};
    hl_view          text = {0}, config = {0};
    layer_lists      lists = {0};
    if (on_disk->watched) return hl_watched_read_model(s, on_disk, &box->arena, m, err);
    hl_status status = hl_store_read_manifest(s, &on_disk->name, &box->arena, &text, &manifest, err);
    if (status == HL_OK) status = hl_store_read_entry(s, on_disk, &box->arena, &m->entry, err);
    if (status == HL_OK) status = set_layers(s, &manifest, box, &lists, err);
    if (status != HL_OK) return status;
    m->manifest_json = text.ptr;
    if (manifest.config.digest[0]) status = read_small(s, &manifest.config, how, &box->arena, &config, err);
    if (status == HL_OK && config.ptr) status = parse_config(m, &box->arena, config, err);
    for (size_t i = 0; i < m->n_layers && status == HL_OK; i++)
        status = read_layer(s, &manifest.layers[i], m->layers[i].path, how, box, &lists, err);
    if (status == HL_OK && how == HL_OPEN_FOR_LOAD) status = check_blobs(s, m, err);
    return status;
}

hl_status hl_store_open_model(hl_store *s, const char *text, int how, hl_stored_model **ret_model,
                              hl_err *err) {
    hl_disk_name on_disk;
    model_box   *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "open model '%s': no memory", text);
    hl_arena_init(&box->arena, MODEL_ARENA_BYTES);
    (void)pthread_mutex_lock(&s->mutex);
    hl_status status = hl_store_find_disk(s, text, &on_disk, err);
    if (status == HL_OK) status = read_model(s, &on_disk, how, box, err);
    (void)pthread_mutex_unlock(&s->mutex);
    if (status != HL_OK) {
        hl_stored_model_free(&box->model);
        return status;
    }
    *ret_model = &box->model;
    return HL_OK;
}

void hl_stored_model_free(hl_stored_model *m) {
    if (!m) return;
    model_box *box = (model_box *)m;
    hl_arena_done(&box->arena);
    hl_free(box);
}
