/* SPDX-License-Identifier: MIT
 *
 * gguf_writer.c - GGUF out of keys and tensors.
 *
 * Keys and tensor infos are collected as they will stand in the file; tensor data is only borrowed and
 * copied at the end, so that a model of any size can be written.
 */
#define _GNU_SOURCE
#include "core/gguf/gguf_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_priv.h"

typedef struct piece {     /* the bytes of a tensor */
    const void      *data; /* NULL: fn makes them */
    size_t           n_bytes;
    hl_gguf_fill_fn *fn;
    void            *user;
} piece;

struct hl_gguf_writer {
    hl_str    keys;  /* as in the file */
    hl_str    infos; /* likewise */
    piece    *pieces;
    size_t    n_tensors;
    size_t    n_cap;
    uint64_t  n_values;
    uint64_t  alignment;
    uint64_t  data_bytes; /* so far, padding included */
    hl_status status;     /* the first mistake, with its text */
    hl_err    err;
};

enum { MAX_HEADER_BYTES = 1 << 30 };

hl_gguf_writer *hl_gguf_writer_new(void) {
    hl_gguf_writer *w = hl_new(1, sizeof *w);
    if (!w) return NULL;
    hl_str_init(&w->keys, MAX_HEADER_BYTES);
    hl_str_init(&w->infos, MAX_HEADER_BYTES);
    w->alignment = HL_GGUF_DEFAULT_ALIGNMENT;
    return w;
}

void hl_gguf_writer_free(hl_gguf_writer *w) {
    if (!w) return;
    hl_str_done(&w->keys);
    hl_str_done(&w->infos);
    hl_free(w->pieces);
    hl_free(w);
}

static void put_int(hl_str *s, uint64_t x, size_t n_bytes) {
    char bytes[8];
    for (size_t i = 0; i < n_bytes; i++) bytes[i] = (char)(uint8_t)(x >> 8 * i);
    hl_str_add(s, bytes, n_bytes);
}

static void put_text(hl_str *s, hl_view text) {
    put_int(s, text.len, 8);
    hl_str_add(s, text.ptr, text.len);
}

static void put_key(hl_gguf_writer *w, hl_view key, hl_gguf_kind kind) {
    if (key.len == 0 && w->status == HL_OK) w->status = hl_fail(&w->err, HL_E_ARG, "a key without a name");
    put_text(&w->keys, key);
    put_int(&w->keys, kind, 4);
    w->n_values++;
}

void hl_gguf_writer_add_number(hl_gguf_writer *w, const char *key, hl_gguf_kind kind, uint64_t bits) {
    put_key(w, hl_view_of(key), kind);
    put_int(&w->keys, bits, hl_gguf_kind_bytes(kind));
}

void hl_gguf_writer_add_u32(hl_gguf_writer *w, const char *key, uint32_t x) {
    hl_gguf_writer_add_number(w, key, HL_GGUF_U32, x);
}

void hl_gguf_writer_add_u64(hl_gguf_writer *w, const char *key, uint64_t x) {
    hl_gguf_writer_add_number(w, key, HL_GGUF_U64, x);
}

void hl_gguf_writer_add_f32(hl_gguf_writer *w, const char *key, float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    hl_gguf_writer_add_number(w, key, HL_GGUF_F32, bits);
}

void hl_gguf_writer_add_bool(hl_gguf_writer *w, const char *key, bool x) {
    hl_gguf_writer_add_number(w, key, HL_GGUF_BOOL, x);
}

void hl_gguf_writer_add_text(hl_gguf_writer *w, const char *key, hl_view text) {
    put_key(w, hl_view_of(key), HL_GGUF_STRING);
    put_text(&w->keys, text);
}

void hl_gguf_writer_add_array(hl_gguf_writer *w, const char *key, hl_gguf_kind kind, size_t n,
                              const void *data) {
    put_key(w, hl_view_of(key), HL_GGUF_ARRAY);
    put_int(&w->keys, kind, 4);
    put_int(&w->keys, n, 8);
    hl_str_add(&w->keys, data, n * hl_gguf_kind_bytes(kind));
}

void hl_gguf_writer_add_texts(hl_gguf_writer *w, const char *key, size_t n, const hl_view *texts) {
    put_key(w, hl_view_of(key), HL_GGUF_ARRAY);
    put_int(&w->keys, HL_GGUF_STRING, 4);
    put_int(&w->keys, n, 8);
    for (size_t i = 0; i < n; i++) put_text(&w->keys, texts[i]);
}

/* Bytes of a value's data in its file. */
static size_t value_bytes(const hl_gguf_value *v) {
    const size_t    each = hl_gguf_kind_bytes(v->elem_kind);
    hl_gguf_strings it = {v->data, v->n};
    hl_view         s;
    if (each) return (size_t)v->n * each;
    while (hl_gguf_strings_next(&it, &s)) {
    }
    return (size_t)(it.at - v->data);
}

void hl_gguf_writer_add_value(hl_gguf_writer *w, const hl_gguf_value *v) {
    put_key(w, v->key, v->kind);
    if (v->kind == HL_GGUF_ARRAY) {
        put_int(&w->keys, v->elem_kind, 4);
        put_int(&w->keys, v->n, 8);
    }
    hl_str_add(&w->keys, (const char *)v->data, value_bytes(v));
}

static uint64_t align_up(uint64_t x, uint64_t alignment) { return (x + alignment - 1) & ~(alignment - 1); }

static hl_status check_tensor(const char *name, hl_type type, uint32_t n_dims, const uint64_t *shape,
                              size_t *ret_bytes, hl_err *err) {
    if (!*name || strlen(name) > 63)
        return hl_fail(err, HL_E_ARG, "tensor '%.80s': expected a name of 1..63 bytes", name);
    if (n_dims < 1 || n_dims > HL_GGUF_MAX_DIMS)
        return hl_fail(err, HL_E_ARG, "tensor '%s' has %u dimensions, expected 1..%d", name, n_dims,
                       HL_GGUF_MAX_DIMS);
    size_t n_blocks = 1;
    for (uint32_t d = 0; d < n_dims; d++) {
        uint64_t n = shape[d];
        if (d == n_dims - 1) {
            if (n % hl_type_block_elems(type) != 0)
                return hl_fail(err, HL_E_ARG,
                               "tensor '%s' (%s) has rows of %" PRIu64 ", expected a multiple of %zu", name,
                               hl_type_name(type), n, hl_type_block_elems(type));
            n /= hl_type_block_elems(type);
        }
        if (n == 0 || !hl_mul_size(n_blocks, n, &n_blocks))
            return hl_fail(err, HL_E_ARG, "tensor '%s': dimension %u is %" PRIu64, name, d, shape[d]);
    }
    if (!hl_mul_size(n_blocks, hl_type_block_bytes(type), ret_bytes) || *ret_bytes > INT64_MAX / 2)
        return hl_fail(err, HL_E_ARG, "tensor '%s' is too large", name);
    return HL_OK;
}

static bool grow(hl_gguf_writer *w) {
    if (w->n_tensors < w->n_cap) return true;
    const size_t cap = w->n_cap ? 2 * w->n_cap : 64;
    piece       *p = hl_resize(w->pieces, cap, sizeof *p);
    if (!p) return false;
    w->pieces = p;
    w->n_cap = cap;
    return true;
}

static void put_piece(hl_gguf_writer *w, const char *name, uint32_t type_id, uint32_t n_dims,
                      const uint64_t *shape, piece p) {
    if (w->status == HL_OK && !grow(w))
        w->status = hl_fail(&w->err, HL_E_NOMEM, "no memory for tensor '%s'", name);
    if (w->status != HL_OK) return;
    put_text(&w->infos, hl_view_of(name));
    put_int(&w->infos, n_dims, 4);
    for (uint32_t d = n_dims; d-- > 0;) put_int(&w->infos, shape[d], 8);
    put_int(&w->infos, type_id, 4);
    put_int(&w->infos, w->data_bytes, 8);
    w->pieces[w->n_tensors++] = p;
    w->data_bytes = align_up(w->data_bytes + p.n_bytes, w->alignment);
}

static void add_piece(hl_gguf_writer *w, const char *name, hl_type type, uint32_t n_dims,
                      const uint64_t *shape, piece p) {
    if (w->status == HL_OK) w->status = check_tensor(name, type, n_dims, shape, &p.n_bytes, &w->err);
    put_piece(w, name, hl_type_gguf_id(type), n_dims, shape, p);
}

void hl_gguf_writer_add_numbers(hl_gguf_writer *w, const char *name, uint64_t n, const void *data) {
    enum { I64_ID = 27 };
    size_t n_floats = 0; /* a name and a size that a tensor of as many floats may have, too */
    if (w->status == HL_OK) w->status = check_tensor(name, HL_TYPE_f32, 1, &n, &n_floats, &w->err);
    put_piece(w, name, I64_ID, 1, &n,
              (piece){.data = data, .n_bytes = n_floats / sizeof(float) * sizeof(int64_t)});
}

void hl_gguf_writer_add_tensor(hl_gguf_writer *w, const char *name, hl_type type, uint32_t n_dims,
                               const uint64_t *shape, const void *data) {
    add_piece(w, name, type, n_dims, shape, (piece){.data = data});
}

void hl_gguf_writer_add_made(hl_gguf_writer *w, const char *name, hl_type type, uint32_t n_dims,
                             const uint64_t *shape, hl_gguf_fill_fn *fn, void *user) {
    add_piece(w, name, type, n_dims, shape, (piece){.fn = fn, .user = user});
}

/* Everything before the data, padded. */
static hl_status build_header(hl_gguf_writer *w, hl_str *ret, hl_err *err) {
    if (w->status != HL_OK) return hl_fail(err, w->status, "%s", w->err.text);
    if (w->keys.failed || w->infos.failed)
        return hl_fail(err, HL_E_NOMEM, "no memory for the keys or tensor names");
    hl_str_init(ret, 2 * (size_t)MAX_HEADER_BYTES + 64);
    hl_str_add_text(ret, "GGUF");
    put_int(ret, 3, 4);
    put_int(ret, w->n_tensors, 8);
    put_int(ret, w->n_values, 8);
    hl_str_add_view(ret, hl_str_view(&w->keys));
    hl_str_add_view(ret, hl_str_view(&w->infos));
    while (!ret->failed && ret->len % w->alignment != 0) hl_str_add_char(ret, 0);
    if (!ret->failed) return HL_OK;
    hl_str_done(ret);
    return hl_fail(err, HL_E_NOMEM, "no memory for the header");
}

hl_status hl_gguf_writer_build(hl_gguf_writer *w, uint8_t **ret_data, size_t *ret_n, hl_err *err) {
    hl_str    header;
    hl_status status = build_header(w, &header, err);
    if (status != HL_OK) return status;
    const size_t n = header.len + w->data_bytes;
    uint8_t     *data = hl_new_aligned(n, 1);
    if (data) {
        uint8_t *at = data + header.len;
        memcpy(data, header.ptr, header.len);
        for (size_t i = 0; i < w->n_tensors && status == HL_OK; i++) {
            const piece *p = &w->pieces[i];
            if (p->fn)
                status = p->fn(p->user, at, p->n_bytes, err);
            else
                memcpy(at, p->data, p->n_bytes);
            at += align_up(p->n_bytes, w->alignment);
        }
        if (status == HL_OK) {
            *ret_data = data;
            *ret_n = n;
        } else {
            hl_free(data);
        }
    } else {
        status = hl_fail(err, HL_E_NOMEM, "no memory for a file of %zu bytes", n);
    }
    hl_str_done(&header);
    return status;
}

static hl_status write_padding(int fd, const char *path, uint64_t n, hl_err *err) {
    static const uint8_t zeros[4096];
    hl_status            status = HL_OK;
    while (n > 0 && status == HL_OK) {
        const size_t now = n < sizeof zeros ? (size_t)n : sizeof zeros;
        status = hl_file_write_fd(fd, path, zeros, now, err);
        n -= now;
    }
    return status;
}

typedef struct output {
    int                  fd;
    const char          *path;
    hl_gguf_progress_fn *progress;
    void                *user;
    uint64_t             done_bytes, told_bytes, all_bytes;
} output;

/* In steps, so that whoever waits is told. */
static hl_status write_bytes(output *o, const uint8_t *data, size_t n, hl_err *err) {
    enum { STEP = 16 << 20 };
    hl_status status = HL_OK;
    while (n > 0 && status == HL_OK) {
        const size_t now = n < STEP ? n : STEP;
        status = hl_file_write_fd(o->fd, o->path, data, now, err);
        data += now;
        n -= now;
        o->done_bytes += now;
        if (status != HL_OK || !o->progress || o->done_bytes - o->told_bytes < STEP) continue;
        o->told_bytes = o->done_bytes;
        if (!o->progress(o->user, o->done_bytes, o->all_bytes))
            return hl_fail(err, HL_E_CANCEL, "write '%s': cancelled", o->path);
    }
    return status;
}

static hl_status write_made(output *o, const piece *p, hl_err *err) {
    uint8_t *data = hl_new_aligned(p->n_bytes, 1);
    if (!data) return hl_fail(err, HL_E_NOMEM, "no memory for a tensor of %zu bytes", p->n_bytes);
    hl_status status = p->fn(p->user, data, p->n_bytes, err);
    if (status == HL_OK) status = write_bytes(o, data, p->n_bytes, err);
    hl_free(data);
    return status;
}

static hl_status write_all(const hl_gguf_writer *w, const hl_str *header, output *o, hl_err *err) {
    hl_status status = hl_file_write_fd(o->fd, o->path, header->ptr, header->len, err);
    o->all_bytes = w->data_bytes;
    for (size_t i = 0; i < w->n_tensors && status == HL_OK; i++) {
        const piece *p = &w->pieces[i];
        status = p->fn ? write_made(o, p, err) : write_bytes(o, p->data, p->n_bytes, err);
        if (status == HL_OK)
            status = write_padding(o->fd, o->path, align_up(p->n_bytes, w->alignment) - p->n_bytes, err);
    }
    if (status == HL_OK && fsync(o->fd) != 0)
        return hl_fail(err, hl_errno_io(errno), "sync '%s': %s", o->path, strerror(errno));
    return status;
}

static hl_status check_room(const struct statvfs *fs, const char *path, uint64_t n_bytes, hl_err *err) {
    const uint64_t free_bytes = (uint64_t)fs->f_bavail * fs->f_frsize;
    if (fs->f_blocks == 0 || n_bytes <= free_bytes) return HL_OK; /* some file systems say nothing */
    return hl_fail(err, HL_E_IO,
                   "'%s' needs %" PRIu64 " bytes, and there is room for %" PRIu64 " where it lies", path,
                   n_bytes, free_bytes);
}

hl_status hl_gguf_writer_write(hl_gguf_writer *w, int fd, const char *path, hl_gguf_progress_fn *progress,
                               void *user, hl_err *err) {
    output         o = {.fd = fd, .path = path, .progress = progress, .user = user};
    struct statvfs fs;
    hl_str         header;
    hl_status      status = build_header(w, &header, err);
    if (status != HL_OK) return status;
    if (fstatvfs(fd, &fs) == 0) status = check_room(&fs, path, header.len + w->data_bytes, err);
    if (status == HL_OK) status = write_all(w, &header, &o, err);
    hl_str_done(&header);
    return status;
}

hl_status hl_gguf_writer_save(hl_gguf_writer *w, const char *path, hl_err *err) {
    char           tmp[PATH_MAX], dir[PATH_MAX];
    struct statvfs fs;
    hl_str         header;
    if (snprintf(tmp, sizeof tmp, "%s.%ld.partial", path, (long)getpid()) >= (int)sizeof tmp ||
        !hl_path_dir(path, dir, sizeof dir))
        return hl_fail(err, HL_E_ARG, "write '%.80s...': the path is too long", path);
    hl_status status = build_header(w, &header, err);
    if (status != HL_OK) return status;

    /* where there is no such folder, opening the file says what is wrong */
    if (statvfs(dir, &fs) == 0) status = check_room(&fs, path, header.len + w->data_bytes, err);
    const int fd = status == HL_OK ? open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;
    if (fd < 0) {
        if (status == HL_OK)
            status = hl_fail(err, hl_errno_io(errno), "create '%s': %s", tmp, strerror(errno));
        hl_str_done(&header);
        return status;
    }
    output o = {.fd = fd, .path = tmp};
    status = write_all(w, &header, &o, err);
    if (close(fd) != 0 && status == HL_OK)
        status = hl_fail(err, hl_errno_io(errno), "close '%s': %s", tmp, strerror(errno));
    if (status == HL_OK && rename(tmp, path) != 0)
        status = hl_fail(err, hl_errno_io(errno), "rename to '%s': %s", path, strerror(errno));
    if (status != HL_OK) (void)unlink(tmp); /* best effort: the first error is the one to report */
    hl_str_done(&header);
    return status == HL_OK ? hl_dir_sync(dir, err) : status;
}
