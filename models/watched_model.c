/* SPDX-License-Identifier: MIT
 *
 * watched_model.c - what a file of a watched folder is: an entry of a list, a model to load.
 *
 * A header is read once; then the index has what lists need, by device and inode, as rows hold no paths. It
 * counts while size and time of the file are as they were.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/data/sha256.h"
#include "models/watched.h"

#define INDEX_ID "watched" /* no folder has this id: they are hex digits */

static bool is_fresh(const hl_model_row *row, const struct stat *st) {
    return row->manifest_mtime_ns == hl_mtime_ns(st) && row->manifest_bytes == (uint64_t)st->st_size;
}

/* What stands for a digest in lists: the file's identity, hashed. */
static hl_status name_file(const hl_watched *w, char ret[HL_DIGEST_BYTES], hl_err *err) {
    char      text[128];
    const int n =
        snprintf(text, sizeof text, "%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRId64, (uint64_t)w->st.st_dev,
                 (uint64_t)w->st.st_ino, (uint64_t)w->st.st_size, hl_mtime_ns(&w->st));
    return hl_sha256_of(text, (size_t)n, ret, err);
}

/* What the header says; of one that cannot be read, nothing. */
static hl_status read_header(const hl_watched *w, hl_model_row *row, hl_err *err) {
    hl_description d = {0};
    hl_gguf       *g = NULL;
    hl_view        kind = {0};
    hl_err         why = {0};
    hl_status      status = hl_gguf_open(w->path, &g, &why);
    if (status == HL_OK) status = hl_store_describe(g, &d, &why);
    if (status == HL_E_NOMEM || status == HL_E_CANCEL) (void)hl_fail(err, status, "%s", why.text);
    const bool is_model = status != HL_OK || hl_gguf_get_text(g, "general.type", &kind, NULL) != HL_OK ||
                          hl_view_is(kind, "model");
    if (strcmp(d.family, "clip") == 0 || !is_model)
        (void)snprintf(row->format, sizeof row->format, "other");
    else
        (void)snprintf(row->format, sizeof row->format, "gguf");
    (void)snprintf(row->family, sizeof row->family, "%s", d.family);
    (void)snprintf(row->parameter_size, sizeof row->parameter_size, "%s", d.parameter_size);
    (void)snprintf(row->quantization, sizeof row->quantization, "%s", d.quantization);
    hl_gguf_close(g);
    return status == HL_E_NOMEM || status == HL_E_CANCEL ? status : HL_OK;
}

static hl_status read_row(hl_store *s, const hl_watched *w, hl_model_row *ret, hl_err *err) {
    char         key[64];
    hl_model_row row;
    (void)snprintf(key, sizeof key, "%" PRIx64 ":%" PRIx64, (uint64_t)w->st.st_dev, (uint64_t)w->st.st_ino);
    if (hl_db_find_model(s->db, INDEX_ID, key, &row) && is_fresh(&row, &w->st)) {
        *ret = row;
        return HL_OK;
    }
    row = (hl_model_row){.size_bytes = w->n_bytes,
                         .manifest_mtime_ns = hl_mtime_ns(&w->st),
                         .manifest_bytes = (uint64_t)w->st.st_size};
    hl_db_end(s->db); /* what follows takes its time */
    hl_status status = name_file(w, row.digest, err);
    if (status == HL_OK) status = read_header(w, &row, err);
    if (status != HL_OK) return status;
    hl_db_put_model(s->db, INDEX_ID, key, &row);
    *ret = row;
    return HL_OK;
}

static const char *keep(hl_arena *arena, const char *text, bool *ok) {
    const char *kept = hl_arena_get_text(arena, text, strlen(text));
    *ok = *ok && kept;
    return kept;
}

hl_status hl_watched_read_entry(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena,
                                hl_store_entry *ret, hl_err *err) {
    const hl_watched *w = &s->watched->v[on_disk->watched - 1];
    hl_model_row      row;
    char              text[HL_NAME_TEXT_BYTES], key[HL_NAME_TEXT_BYTES];
    bool              ok = true;
    const hl_status   status = read_row(s, w, &row, err);
    if (status != HL_OK) return status;
    if (strcmp(row.format, "gguf") != 0)
        return hl_fail(err, HL_E_NOT_FOUND, "'%s' is no model, but an adapter or a projector", w->path);
    hl_name_format(&w->name, text);
    hl_name_format_key(&w->name, key);
    hl_store_entry entry = {.name = w->name,
                            .text = keep(arena, text, &ok),
                            .size_bytes = w->n_bytes,
                            .modified_ms = hl_mtime_ns(&w->st) / 1000000,
                            .last_used_ms = hl_db_last_used_ms(s->db, key),
                            .format = keep(arena, row.format, &ok),
                            .family = keep(arena, row.family, &ok),
                            .parameter_size = keep(arena, row.parameter_size, &ok),
                            .quantization = keep(arena, row.quantization, &ok)};
    memcpy(entry.digest, row.digest, sizeof entry.digest);
    if (!ok) return hl_fail(err, HL_E_NOMEM, "no memory to list '%s'", text);
    *ret = entry;
    return HL_OK;
}

hl_status hl_watched_read_model(hl_store *s, const hl_disk_name *on_disk, hl_arena *arena,
                                hl_stored_model *ret, hl_err *err) {
    const hl_watched *w = &s->watched->v[on_disk->watched - 1];
    hl_status         status = hl_watched_read_entry(s, on_disk, arena, &ret->entry, err);
    const char      **paths = hl_arena_get(arena, w->n_parts, sizeof *paths);
    bool              ok = paths != NULL;
    if (status != HL_OK) return status;
    for (uint32_t i = 0; ok && i < w->n_parts; i++) {
        char path[PATH_MAX];
        if (w->n_parts == 1)
            paths[0] = keep(arena, w->path, &ok);
        else if (hl_watched_part(w->path, i + 1, w->n_parts, path))
            paths[i] = keep(arena, path, &ok);
        else
            return hl_fail(err, HL_E_ARG, "'%s': path too long", w->path);
    }
    ret->projector_path = w->projector ? keep(arena, w->projector, &ok) : NULL;
    if (!ok) return hl_fail(err, HL_E_NOMEM, "open '%s': no memory", w->path);
    ret->is_watched = true;
    ret->manifest_json = "{}";
    ret->shard_paths = paths;
    ret->n_shards = w->n_parts;
    return HL_OK;
}
