/* SPDX-License-Identifier: MIT
 *
 * download.c - one thread asks and writes, another one hashes behind it.
 *
 * A file is fetched in pieces, in order. Its frontier is the end of what is there without a gap; the hash
 * follows it through the page cache, so that the disk is not read again. Pieces run ahead of the frontier by
 * at most MOST_PIECES times PIECE_BYTES: that much is fetched again when the process is killed.
 * from: RFC 9110, 14 (ranges), 10.2.3 (Retry-After); RFC 6585 (429)
 */
#define _GNU_SOURCE
#include "models/registry/download.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/net/url.h"
#include "models/registry/remote.h"

enum {
    PIECE_BYTES = 32 << 20,
    MOST_PIECES = 16, /* of a file at a time: those under way and those behind a gap */
    MOST_REQUESTS = 32,
    USUAL_REQUESTS = 8,
    HASH_BLOCK = 1 << 20,
    WRITE_BLOCK = 512 << 10, /* libcurl hands over 16 KiB at a time: too little for a system call each */
    LOOK_MS = 100,
    TRIES = 7, /* in a row, without a byte */
    FIRST_WAIT_MS = 200,
    LAST_WAIT_MS = 20000,
};

typedef enum trouble {
    NO_TROUBLE,
    WRONG_RANGE, /* another part of the file than was asked for */
    NO_RANGES,   /* all of the file instead of a part */
    WRONG_SIZE,
    CHANGED, /* another version than the bytes that are there */
    TOO_LONG,
    ENCODED,
    CANNOT_WRITE,
} trouble;

typedef struct piece {
    struct file *f;
    uint64_t     from, to, done; /* to: UINT64_MAX until the size is known */
    uint64_t     before;         /* done, when it was asked for last */
    uint64_t     skip;           /* bytes in front of it that come, too, from a server without ranges */
    hl_transfer *t;              /* NULL: not under way */
    char        *block; /* [n_block] came behind `done`, and is not written yet; NULL: not allocated */
    size_t       n_block;
    bool         is_used;
    int          n_failed;
    int64_t      retry_ns; /* not before */
    trouble      trouble;
    int          error; /* errno of CANNOT_WRITE */
} piece;

typedef enum file_state { FILE_LOOK, FILE_WAIT, FILE_FETCH, FILE_DONE } file_state;

typedef struct file {
    hl_download *d;
    struct job  *job;
    file_state   state;
    piece        pieces[MOST_PIECES];
    uint64_t     next; /* of the file, not given to a piece yet */
    bool         has_no_ranges, was_resumed, began_again, is_told;
    uint64_t     announced; /* size that the server says when it differs */
    int64_t      looked_ns;
    char         mark[HL_PARTIAL_MARK_BYTES];
    /* under the job's lock */
    uint64_t   frontier, hashed;
    size_t     n_checked;  /* checkpoints that hold */
    hl_sha256 *sum, *good; /* of `hashed` bytes; at the last checkpoint that holds */
    bool       is_busy;    /* the hasher reads it, without the lock */
    bool       is_bad;     /* the next checkpoint does not hold */
    bool       is_hashed;  /* all of it; hex is its digest */
    char       hex[HL_SHA256_HEX_BYTES];
} file;

typedef struct job {
    const hl_download_plan *plan;
    file                   *files;
    size_t                  n_files;
    int                     n_wanted, n_most; /* requests at a time */
    int64_t                 measured_ns;
    uint64_t                n_measured, n_fetched;
    double                  best_rate;
    int64_t                 last_note_ns;
    bool                    was_told_to_wait; /* and has said so */
    pthread_t               hasher;
    bool                    has_hasher;
    pthread_mutex_t         lock;
    pthread_cond_t          to_hasher, to_main;
    bool                    is_ending, is_waited_for; /* the main thread waits for the hasher to pause */
    hl_status               hash_status;
    hl_err                  hash_err;
    hl_err                  write_err; /* the main thread's */
} job;

/* ---- hashing ---- */

static const hl_checkpoint *next_checkpoint(const file *f) {
    const hl_partial *p = &f->d->partial;
    return f->n_checked < p->n_checkpoints ? &p->checkpoints[f->n_checked] : NULL;
}

/* Where the hash must stop next: at a checkpoint that is there, or is to be. */
static uint64_t hash_end(const file *f) {
    const hl_checkpoint *c = next_checkpoint(f);
    const uint64_t       round = (f->hashed / HL_PARTIAL_CHECKPOINT_BYTES + 1) * HL_PARTIAL_CHECKPOINT_BYTES;
    uint64_t             end = c ? c->at : round;
    if (end > f->frontier) end = f->frontier;
    return end < f->hashed + HASH_BLOCK ? end : f->hashed + HASH_BLOCK;
}

static bool has_to_hash(const file *f) {
    return f->state == FILE_FETCH && !f->is_bad && !f->is_hashed &&
           (f->hashed < f->frontier || f->hashed == f->d->size_bytes);
}

static hl_status peek(const hl_sha256 *sum, char ret[HL_SHA256_HEX_BYTES], hl_err *err) {
    hl_sha256 *copy = NULL;
    hl_status  status = hl_sha256_copy(sum, &copy, err);
    if (status == HL_OK) status = hl_sha256_finish(copy, ret, err);
    hl_sha256_free(copy);
    return status;
}

/* Under the lock: compare with a checkpoint, or make one. */
static hl_status look_at_checkpoint(file *f, hl_err *err) {
    const hl_checkpoint *c = next_checkpoint(f);
    char                 hex[HL_SHA256_HEX_BYTES];
    if (c ? f->hashed != c->at : f->hashed % HL_PARTIAL_CHECKPOINT_BYTES != 0) return HL_OK;
    hl_status status = peek(f->sum, hex, err);
    if (status == HL_OK && c && strcmp(c->sha256, hex) != 0) {
        f->is_bad = true;
        return HL_OK;
    }
    if (status == HL_OK && !c) status = hl_partial_add(&f->d->partial, f->hashed, hex, err);
    if (status != HL_OK) return status;
    f->n_checked++;
    hl_sha256_free(f->good);
    f->good = NULL;
    return hl_sha256_copy(f->sum, &f->good, err);
}

static hl_status hash_block(job *j, file *f, char *block, hl_err *err) {
    hl_status      status = HL_OK;
    const int      fd = f->d->partial.fd;
    const uint64_t at = f->hashed;
    const size_t   n = (size_t)(hash_end(f) - at);
    f->is_busy = true; /* nobody takes its sum away meanwhile */
    (void)pthread_mutex_unlock(&j->lock);
    for (size_t done = 0; done < n && status == HL_OK;) {
        const ssize_t got = pread(fd, block + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            status = hl_fail(err, hl_errno_io(errno), "read '%s': %s", f->d->partial.path,
                             got < 0 ? strerror(errno) : "shorter than it was");
        else
            done += (size_t)got;
    }
    if (status == HL_OK) status = hl_sha256_add(f->sum, block, n, err);
    (void)pthread_mutex_lock(&j->lock);
    f->hashed += n;
    if (status == HL_OK && n > 0) status = look_at_checkpoint(f, err);
    if (status != HL_OK || f->is_bad || f->hashed != f->d->size_bytes) return status;
    status = peek(f->sum, f->hex, err);
    (void)pthread_mutex_unlock(&j->lock);
    if (status == HL_OK && fsync(fd) != 0)
        status = hl_fail(err, hl_errno_io(errno), "sync '%s': %s", f->d->partial.path, strerror(errno));
    (void)pthread_mutex_lock(&j->lock);
    f->is_hashed = status == HL_OK;
    return status;
}

static void *run_hasher(void *user) {
    job  *j = user;
    char *block = hl_new(HASH_BLOCK, 1);
    (void)pthread_mutex_lock(&j->lock);
    if (!block) j->hash_status = hl_fail(&j->hash_err, HL_E_NOMEM, "download: no memory");
    while (!j->is_ending && j->hash_status == HL_OK) {
        file *todo = NULL;
        for (size_t i = 0; i < j->n_files && !todo; i++)
            if (has_to_hash(&j->files[i])) todo = &j->files[i];
        if (!todo) {
            (void)pthread_cond_wait(&j->to_hasher, &j->lock);
            continue;
        }
        j->hash_status = hash_block(j, todo, block, &j->hash_err);
        todo->is_busy = false;
        if (j->hash_status != HL_OK || todo->is_bad || todo->is_hashed || j->is_waited_for)
            (void)pthread_cond_signal(&j->to_main);
    }
    (void)pthread_cond_signal(&j->to_main);
    (void)pthread_mutex_unlock(&j->lock);
    hl_free(block);
    return NULL;
}

static void set_state(job *j, file *f, file_state state) {
    (void)pthread_mutex_lock(&j->lock);
    f->state = state;
    if (has_to_hash(f)) (void)pthread_cond_signal(&j->to_hasher);
    (void)pthread_mutex_unlock(&j->lock);
}

/* ---- pieces ---- */

static void drop_piece(piece *p) {
    hl_transfer_free(p->t);
    hl_free(p->block);
    *p = (piece){0};
}

static void drop_pieces(file *f) {
    for (size_t i = 0; i < MOST_PIECES; i++) drop_piece(&f->pieces[i]);
}

static uint64_t count_ahead(const file *f) {
    uint64_t sum = 0;
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (f->pieces[i].is_used && f->pieces[i].from > f->frontier) sum += f->pieces[i].done;
    return sum;
}

/* The frontier moves to the end of the bytes without a gap; finished pieces in front of it go. */
static void move_frontier(job *j, file *f) {
    uint64_t at = f->frontier;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < MOST_PIECES; i++) {
            piece *p = &f->pieces[i];
            if (!p->is_used || p->from > at || p->from + p->done < at) continue;
            if (p->from + p->done > at) moved = true;
            at = p->from + p->done;
            if (p->from + p->done == p->to && !p->t) drop_piece(p);
        }
    }
    (void)pthread_mutex_lock(&j->lock);
    f->frontier = at;
    if (has_to_hash(f)) (void)pthread_cond_signal(&j->to_hasher);
    (void)pthread_mutex_unlock(&j->lock);
    f->d->n_done = at + count_ahead(f);
}

/* Start again behind the first n checkpoints. Nothing is under way then. */
static hl_status restart(job *j, file *f, size_t n, bool forget_size, hl_err *err) {
    hl_partial *p = &f->d->partial;
    drop_pieces(f);
    (void)pthread_mutex_lock(&j->lock);
    j->is_waited_for = true;
    while (f->is_busy) (void)pthread_cond_wait(&j->to_main, &j->lock);
    j->is_waited_for = false;
    if (forget_size) f->d->size_bytes = UINT64_MAX;
    hl_status status = HL_OK;
    hl_sha256_free(f->sum);
    f->sum = NULL;
    if (n == 0 || !f->good) {
        n = 0;
        hl_sha256_free(f->good);
        f->good = NULL;
        status = hl_sha256_new(&f->sum, err);
    } else {
        status = hl_sha256_copy(f->good, &f->sum, err);
    }
    if (status == HL_OK)
        status = n > 0 ? hl_partial_cut(p, n, err) : hl_partial_begin(p, f->d->size_bytes, f->mark, err);
    f->n_checked = n;
    f->frontier = f->hashed = f->next = n > 0 ? p->checkpoints[n - 1].at : 0;
    f->is_bad = f->is_hashed = false;
    f->d->n_done = f->frontier;
    (void)pthread_mutex_unlock(&j->lock);
    return status;
}

/* What tells versions of a file apart: its ETag, unless that is a weak one, or when it was changed. */
static void read_mark(const hl_http_reply *a, char ret[HL_PARTIAL_MARK_BYTES]) {
    hl_view v = hl_http_reply_header(a, "ETag", 0);
    if (v.len == 0 || hl_view_has_prefix(v, "W/")) v = hl_http_reply_header(a, "Last-Modified", 0);
    size_t n = 0;
    for (size_t i = 0; i < v.len && n < HL_PARTIAL_MARK_BYTES - 1; i++)
        if (v.ptr[i] != '"' && v.ptr[i] >= 0x20 && v.ptr[i] < 0x7f) ret[n++] = v.ptr[i];
    ret[n] = '\0';
}

static trouble take_size(file *f, uint64_t size) {
    if (size == UINT64_MAX || size == f->d->size_bytes) return NO_TROUBLE;
    f->announced = size;
    if (f->d->size_bytes != UINT64_MAX) return f->d->digest[0] ? WRONG_SIZE : CHANGED;
    (void)pthread_mutex_lock(&f->job->lock);
    f->d->size_bytes = size;
    (void)pthread_mutex_unlock(&f->job->lock);
    for (size_t i = 0; i < MOST_PIECES; i++)
        if (f->pieces[i].is_used && f->pieces[i].to > size) f->pieces[i].to = size;
    return NO_TROUBLE;
}

/* Where the digest says what is right, copies with other marks may help; else all bytes must be of one
 * version. */
static trouble take_mark(file *f, const hl_http_reply *a) {
    char mark[HL_PARTIAL_MARK_BYTES];
    if (f->d->digest[0]) return NO_TROUBLE;
    read_mark(a, mark);
    if (f->mark[0] && strcmp(mark, f->mark) != 0) {
        memcpy(f->mark, mark, sizeof mark);
        return CHANGED;
    }
    memcpy(f->mark, mark, sizeof mark);
    return NO_TROUBLE;
}

static bool is_alone(const piece *p) {
    size_t n = 0;
    for (size_t i = 0; i < MOST_PIECES; i++) n += p->f->pieces[i].is_used;
    return n == 1;
}

static trouble look_at_answer(piece *p, const hl_http_reply *a) {
    file          *f = p->f;
    const uint64_t start = p->from + p->done;
    uint64_t       from, to, size;
    if (hl_remote_is_encoded(a)) return ENCODED;
    const bool wants_begin = f->d->size_bytes == UINT64_MAX;
    trouble    t = take_mark(f, a);
    if (t != NO_TROUBLE) return t;
    if (a->code == 206) {
        if (!hl_remote_read_range(a, &from, &to, &size)) return WRONG_RANGE;
        if (from != start || (p->to != UINT64_MAX && to >= p->to)) return WRONG_RANGE;
        t = take_size(f, size);
        if (t == NO_TROUBLE && f->d->size_bytes == UINT64_MAX)
            return NO_RANGES; /* nobody says how long it is */
        if (t == NO_TROUBLE && p->to == UINT64_MAX) f->next = p->to = to + 1;
    } else {
        t = take_size(f, hl_remote_read_length(a));
        if (t == NO_TROUBLE && !f->has_no_ranges && (start > 0 || !is_alone(p))) return NO_RANGES;
        if (t == NO_TROUBLE && !f->has_no_ranges) { /* this piece is all of it, then */
            f->has_no_ranges = true;
            p->to = f->d->size_bytes;
            f->next = p->to;
        }
        p->skip = start;
    }
    if (t != NO_TROUBLE || !wants_begin || f->d->size_bytes == UINT64_MAX) return t;
    hl_err err = {0};
    if (hl_partial_begin(&f->d->partial, f->d->size_bytes, f->mark, &err) == HL_OK) return NO_TROUBLE;
    f->job->write_err = err; /* said when the piece ends */
    return CANNOT_WRITE;
}

static bool on_head(void *user, const hl_http_reply *a) {
    piece *p = user;
    p->trouble = a->code == 200 || a->code == 206 ? look_at_answer(p, a) : NO_TROUBLE;
    return p->trouble == NO_TROUBLE;
}

/* Write what came. */
static bool flush_piece(piece *p) {
    file   *f = p->f;
    hl_view bytes = {p->block, p->n_block};
    p->n_block = 0;
    while (bytes.len > 0) {
        const ssize_t n = pwrite(f->d->partial.fd, bytes.ptr, bytes.len, (off_t)(p->from + p->done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            p->trouble = CANNOT_WRITE;
            p->error = n < 0 ? errno : ENOSPC;
            return false;
        }
        p->done += (uint64_t)n;
        f->d->n_fetched += (uint64_t)n;
        f->job->n_fetched += (uint64_t)n;
        bytes = (hl_view){bytes.ptr + n, bytes.len - (size_t)n};
    }
    move_frontier(f->job, f);
    return true;
}

static bool on_body(void *user, hl_view bytes) {
    piece *p = user;
    if (p->skip > 0) {
        const size_t n = bytes.len < p->skip ? bytes.len : (size_t)p->skip;
        p->skip -= n;
        bytes = (hl_view){bytes.ptr + n, bytes.len - n};
    }
    if (p->done + p->n_block + bytes.len > p->to - p->from) {
        p->trouble = TOO_LONG;
        return false;
    }
    while (bytes.len > 0) {
        const size_t n = bytes.len < WRITE_BLOCK - p->n_block ? bytes.len : WRITE_BLOCK - p->n_block;
        memcpy(p->block + p->n_block, bytes.ptr, n);
        p->n_block += n;
        bytes = (hl_view){bytes.ptr + n, bytes.len - n};
        if (p->n_block == WRITE_BLOCK && !flush_piece(p)) return false;
    }
    return true;
}

static hl_status begin_piece(piece *p, hl_err *err) {
    const file             *f = p->f;
    const hl_download_plan *plan = f->job->plan;
    char                    range[80];
    const uint64_t          start = p->from + p->done;
    const char             *headers[] = {NULL, NULL};
    if (p->to == UINT64_MAX)
        (void)snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, start,
                       start + PIECE_BYTES - 1);
    else
        (void)snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, start, p->to - 1);
    if (!f->has_no_ranges) headers[0] = range;
    if (!p->block && !(p->block = hl_new(WRITE_BLOCK, 1)))
        return hl_fail(err, HL_E_NOMEM, "download: no memory");
    p->trouble = NO_TROUBLE;
    p->before = p->done;
    p->n_block = 0;
    p->skip = 0;
    const hl_net_call call = {.method = "GET",
                              .url = f->d->url,
                              .headers = headers,
                              .authorization = plan->authorization ? plan->authorization(plan->user) : NULL,
                              .on_head = on_head,
                              .on_body = on_body,
                              .user = p,
                              .trusts_anybody = plan->trusts_anybody};
    return hl_transfer_start(plan->net, &call, &p->t, err);
}

/* A piece that may begin now: one that failed and has waited, or a new one. NULL: none */
static piece *find_piece(file *f, int64_t now) {
    piece *room = NULL;
    if (f->state != FILE_FETCH || f->is_bad) return NULL;
    for (size_t i = 0; i < MOST_PIECES; i++) {
        piece *p = &f->pieces[i];
        if (!p->is_used)
            room = p;
        else if (!p->t && p->from + p->done < p->to && p->retry_ns <= now)
            return p;
    }
    const uint64_t size = f->d->size_bytes;
    if (!room || f->next >= size) return NULL;
    if (size == UINT64_MAX && f->next > 0) return NULL; /* the first answer says how long it is */
    *room = (piece){.f = f, .from = f->next, .is_used = true};
    room->to = size == UINT64_MAX ? UINT64_MAX : f->next + PIECE_BYTES < size ? f->next + PIECE_BYTES : size;
    if (f->has_no_ranges) room->to = size;
    f->next = size == UINT64_MAX ? PIECE_BYTES : room->to;
    return room;
}

static int count_active(const job *j) {
    int n = 0;
    for (size_t i = 0; i < j->n_files; i++)
        for (size_t k = 0; k < MOST_PIECES; k++) n += j->files[i].pieces[k].t != NULL;
    return n;
}

static hl_status begin_pieces(job *j, hl_err *err) {
    const int64_t now = hl_clock_ns();
    hl_status     status = HL_OK;
    int           n = count_active(j);
    for (size_t i = 0; i < j->n_files; i++)
        for (piece *p; status == HL_OK && n < j->n_wanted && (p = find_piece(&j->files[i], now)); n++)
            status = begin_piece(p, err);
    return status;
}

/* ---- what becomes of a piece ---- */

static const char *short_digest(const hl_download *d) { return d->digest[0] ? d->digest : "(not known)"; }

static hl_status fail_file(const file *f, hl_status status, hl_err *err) {
    hl_str shown;
    hl_str_init(&shown, SIZE_MAX);
    hl_url_add_shown(&shown, f->d->url);
    status = f->d->digest[0] ? hl_fail_within(err, status, "layer %.12s", f->d->digest)
                             : hl_fail_within(err, status, "%.200s", hl_str_text(&shown));
    hl_str_done(&shown);
    return status;
}

static hl_status fail_size(const file *f, hl_err *err) {
    return hl_fail(err, HL_E_FORMAT, "the server has %" PRIu64 " bytes, expected %" PRIu64, f->announced,
                   f->d->size_bytes);
}

/* Later, and later each time, unless a byte came. `why` is the last word when it was tried often enough. */
static hl_status put_off(job *j, piece *p, const hl_http_reply *a, uint64_t done_before, hl_status status,
                         hl_err *err) {
    if (p->done > done_before) p->n_failed = 0;
    if (++p->n_failed >= TRIES) {
        (void)hl_fail_within(err, status, "tried %d times", TRIES);
        return fail_file(p->f, status, err);
    }
    int64_t wait_ms = (int64_t)FIRST_WAIT_MS << (p->n_failed - 1);
    if (wait_ms > LAST_WAIT_MS) wait_ms = LAST_WAIT_MS;
    const int64_t asked_ms = a ? hl_remote_asked_wait_ms(a) : 0;
    if (asked_ms > wait_ms) wait_ms = asked_ms;
    p->retry_ns = hl_clock_ns() + wait_ms * 1000000;
    if (a && (a->code == 429 || a->code == 503) && j->n_wanted > 1) { /* it was too much for it */
        j->n_wanted = (j->n_wanted + 1) / 2;
        j->n_most = j->n_wanted;
    }
    const bool is_news = asked_ms > 0 && !j->was_told_to_wait; /* once: all pieces are told the same */
    j->was_told_to_wait |= asked_ms > 0;
    hl_event(j->plan->s->events, is_news ? HL_LOG_WARN : HL_LOG_DEBUG, "models", "download-retry",
             "wait_ms=%" PRId64 " why=\"%s\"", wait_ms, err ? err->text : "");
    return HL_OK;
}

static hl_status again_from_start(job *j, file *f, const char *why, hl_err *err) {
    if (f->began_again) return fail_file(f, hl_fail(err, HL_E_CHANGED, "%s, again", why), err);
    f->began_again = true;
    hl_event(j->plan->s->events, HL_LOG_INFO, "models", "download-restarted", "why=\"%s\"", why);
    return restart(j, f, 0, !f->d->digest[0], err);
}

static hl_status handle_trouble(job *j, piece *p, uint64_t before, hl_err *err) {
    file *f = p->f;
    switch (p->trouble) {
    case NO_RANGES: /* one request for all of it, whose beginning is thrown away */
        drop_pieces(f);
        f->has_no_ranges = true;
        f->next = f->frontier;
        return HL_OK;
    case CHANGED: return again_from_start(j, f, "the file changed on the server meanwhile", err);
    case WRONG_SIZE: return fail_file(f, fail_size(f, err), err);
    case ENCODED:
        return fail_file(f, hl_fail(err, HL_E_FORMAT, "it comes compressed, though nobody asked"), err);
    case CANNOT_WRITE:
        if (p->error == 0) *err = j->write_err;
        return fail_file(
            f,
            p->error == 0 ? err->status
                          : hl_fail(err, HL_E_IO, "write '%s': %s", f->d->partial.path, strerror(p->error)),
            err);
    case TOO_LONG:
        (void)hl_fail(err, HL_E_FORMAT,
                      "the server sends more than the %" PRIu64 " bytes that were asked for",
                      p->to - p->from);
        p->done = before; /* what came may be anything */
        return put_off(j, p, NULL, before, HL_E_FORMAT, err);
    default:
        (void)hl_fail(err, HL_E_FORMAT, "the server sends another range than was asked for");
        return put_off(j, p, NULL, before, HL_E_FORMAT, err);
    }
}

static hl_status handle_code(job *j, piece *p, const hl_http_reply *a, uint64_t before, hl_err *err) {
    const hl_download_plan *plan = j->plan;
    hl_status               status = HL_OK;
    switch (a->code) {
    case 200:
    case 206:
        if (p->to == UINT64_MAX) { /* the end of what has no announced length */
            (void)pthread_mutex_lock(&j->lock);
            p->f->d->size_bytes = p->to = p->from + p->done;
            (void)pthread_mutex_unlock(&j->lock);
        }
        if (p->from + p->done >= p->to) return HL_OK;
        (void)hl_fail(err, HL_E_NET, "the server sent less than was asked for");
        return put_off(j, p, NULL, before, HL_E_NET, err);
    case 401:
    case 403:
        status = p->n_failed == 0 && plan->renew
                     ? plan->renew(plan->user, a, err)
                     : hl_fail(err, HL_E_AUTH, "the server refuses it (%d)", a->code);
        if (status == HL_OK) p->n_failed = 1;
        return status == HL_OK ? HL_OK : fail_file(p->f, status, err);
    case 404:
    case 410:
        return fail_file(p->f, hl_fail(err, HL_E_NOT_FOUND, "the server does not have it (%d)", a->code),
                         err);
    case 416: return again_from_start(j, p->f, "the server's file is shorter than it was", err);
    default: break;
    }
    const int64_t asked_s = hl_remote_asked_wait_ms(a) / 1000;
    if (asked_s > 0)
        (void)hl_fail(err, HL_E_NET, "the server answered %d and asks to come back in %" PRId64 " s", a->code,
                      asked_s);
    else
        (void)hl_fail(err, HL_E_NET, "the server answered %d", a->code);
    if (a->code == 408 || a->code == 425 || a->code == 429 || a->code >= 500)
        return put_off(j, p, a, before, HL_E_NET, err);
    return fail_file(p->f, HL_E_NET, err);
}

static hl_status finish_piece(job *j, piece *p, hl_err *err) {
    file                *f = p->f;
    hl_transfer         *t = p->t;
    const hl_http_reply *a = hl_transfer_reply(t);
    const uint64_t       before = p->before;
    hl_err               why = {0};
    hl_status            status = hl_transfer_status(t, &why);
    if (p->trouble == NO_TROUBLE && !flush_piece(p)) status = HL_OK; /* it says so below */
    p->t = NULL; /* it is ours: handling it may drop the piece */
    if (p->trouble != NO_TROUBLE)
        status = handle_trouble(j, p, before, &why);
    else if (status == HL_OK)
        status = handle_code(j, p, a, before, &why);
    else if (status == HL_E_NET)
        status = put_off(j, p, NULL, before, HL_E_NET, &why);
    hl_transfer_free(t);
    if (status != HL_OK) return hl_fail(err, status, "%s", why.text);
    move_frontier(j, f);
    return HL_OK;
}

static hl_status finish_pieces(job *j, hl_err *err) {
    hl_status status = HL_OK;
    for (size_t i = 0; i < j->n_files; i++)
        for (size_t k = 0; k < MOST_PIECES && status == HL_OK; k++) {
            piece *p = &j->files[i].pieces[k];
            if (p->t && hl_transfer_is_over(p->t)) status = finish_piece(j, p, err);
        }
    return status;
}

/* ---- files ---- */

/* Is it in the store, whole? */
static hl_status look_in_store(job *j, file *f, hl_err *err) {
    hl_store      *s = j->plan->s;
    hl_import_file like = {.fd = -1, .partial_fd = -1};
    if (!f->d->digest[0] || f->d->size_bytes == UINT64_MAX) return HL_OK;
    memcpy(like.digest, f->d->digest, sizeof like.digest);
    like.st.st_size = (off_t)f->d->size_bytes;
    (void)pthread_mutex_lock(&s->mutex);
    const hl_status status = hl_store_find_sound_blob(s, &like, err);
    (void)pthread_mutex_unlock(&s->mutex);
    f->d->is_present = status == HL_OK && like.is_present;
    return status;
}

static hl_status make_key(const hl_download *d, char ret[HL_SHA256_HEX_BYTES], hl_err *err) {
    if (!d->digest[0]) return hl_sha256_of(d->url, strlen(d->url), ret, err);
    memcpy(ret, d->digest, HL_DIGEST_BYTES);
    return HL_OK;
}

static hl_status open_file(job *j, file *f, hl_err *err) {
    hl_download *d = f->d;
    hl_partial  *p = &d->partial;
    hl_status    status = HL_OK;
    const bool   is_like =
        p->n_checkpoints > 0 && (d->size_bytes == UINT64_MAX || p->size_bytes == d->size_bytes);
    f->mark[0] = '\0';
    if (is_like && (d->digest[0] || p->mark[0])) {
        memcpy(f->mark, p->mark, sizeof f->mark);
        if (d->size_bytes == UINT64_MAX) d->size_bytes = p->size_bytes;
        f->was_resumed = true;
        f->frontier = f->next = p->checkpoints[p->n_checkpoints - 1].at;
        d->n_done = f->frontier;
        status = hl_partial_cut(p, p->n_checkpoints, err);
    } else {
        p->n_checkpoints = 0;
        status = hl_partial_begin(p, d->size_bytes, "", err);
    }
    if (status == HL_OK) status = hl_sha256_new(&f->sum, err);
    if (status == HL_OK) set_state(j, f, FILE_FETCH);
    return status == HL_OK ? HL_OK : fail_file(f, status, err);
}

/* Take it up, or see that another process has it, which is asked again ten times a second. */
static hl_status take_up(job *j, file *f, hl_err *err) {
    char          key[HL_SHA256_HEX_BYTES];
    const int64_t now = hl_clock_ns();
    if (f->state == FILE_WAIT && now - f->looked_ns < (int64_t)LOOK_MS * 1000000) return HL_OK;
    f->looked_ns = now;
    hl_status status = look_in_store(j, f, err);
    if (status != HL_OK) return fail_file(f, status, err);
    if (f->d->is_present) {
        set_state(j, f, FILE_DONE);
        f->d->n_done = f->d->size_bytes;
        f->d->is_waiting = false;
        return HL_OK;
    }
    status = make_key(f->d, key, err);
    if (status != HL_OK) return status;
    hl_err why = {0};
    hl_partial_init(&f->d->partial, j->plan->s, key);
    status = hl_partial_open(&f->d->partial, &why);
    f->d->is_waiting = f->d->partial.is_others; /* HL_E_BUSY alone may be a want of descriptors */
    if (f->d->is_waiting) {
        const uint64_t done = hl_partial_look(&f->d->partial);
        set_state(j, f, FILE_WAIT);
        if (f->d->size_bytes != UINT64_MAX && done <= f->d->size_bytes) f->d->n_done = done;
        return HL_OK;
    }
    if (status != HL_OK) return hl_fail(err, status, "%s", why.text);
    /* whoever had it may have put it into the store just before it let go */
    status = look_in_store(j, f, err);
    if (status == HL_OK && f->d->is_present) {
        hl_partial_drop(&f->d->partial);
        set_state(j, f, FILE_DONE);
        f->d->n_done = f->d->size_bytes;
        return HL_OK;
    }
    return status == HL_OK ? open_file(j, f, err) : status;
}

/* The hash has something to say: a checkpoint that does not hold, or the digest. */
static hl_status look_at_hash(job *j, file *f, hl_err *err) {
    (void)pthread_mutex_lock(&j->lock);
    const bool      is_bad = f->is_bad, is_hashed = f->is_hashed;
    const size_t    n = f->n_checked;
    const hl_status status = j->hash_status;
    if (status != HL_OK) *err = j->hash_err;
    (void)pthread_mutex_unlock(&j->lock);
    if (status != HL_OK) return fail_file(f, status, err);
    if (is_bad) {
        hl_event(j->plan->s->events, HL_LOG_INFO, "models", "download-damaged",
                 "digest=%.12s action=\"fetched again from the last checkpoint that holds\"",
                 short_digest(f->d));
        return restart(j, f, n, false, err);
    }
    if (!is_hashed) return HL_OK;
    if (!f->d->digest[0]) memcpy(f->d->digest, f->hex, sizeof f->d->digest);
    if (strcmp(f->hex, f->d->digest) == 0) {
        set_state(j, f, FILE_DONE);
        hl_partial_note(&f->d->partial, f->d->size_bytes);
        return HL_OK;
    }
    if (f->was_resumed && !f->began_again)
        return again_from_start(j, f, "what an earlier download left does not fit", err);
    hl_partial_drop(&f->d->partial);
    return hl_fail(
        err, HL_E_FORMAT,
        "digest mismatch: what the server sends has sha256:%s, expected sha256:%s; it was thrown away",
        f->hex, f->d->digest);
}

/* ---- all of it ---- */

/* More requests at a time, as long as that makes it faster. */
static void adapt(job *j) {
    enum { EACH_MS = 1000 };
    const int64_t now = hl_clock_ns(), passed = now - j->measured_ns;
    if (passed < (int64_t)EACH_MS * 1000000) return;
    const double rate = (double)(j->n_fetched - j->n_measured) * 1e9 / (double)passed;
    if (j->n_wanted < j->n_most && count_active(j) >= j->n_wanted && rate > j->best_rate * 1.1) j->n_wanted++;
    j->best_rate = rate > j->best_rate ? rate : j->best_rate * 0.95;
    j->measured_ns = now;
    j->n_measured = j->n_fetched;
}

static hl_status tell(job *j, bool *ret_over, hl_err *err) {
    const int64_t now = hl_clock_ns();
    const bool    notes = now - j->last_note_ns > (int64_t)LOOK_MS * 1000000;
    *ret_over = true;
    for (size_t i = 0; i < j->n_files; i++) {
        file *f = &j->files[i];
        if (f->state != FILE_DONE) *ret_over = false;
        if (f->is_told || (!notes && f->state != FILE_DONE)) continue;
        f->is_told = f->state == FILE_DONE;
        if (f->state == FILE_FETCH) hl_partial_note(&f->d->partial, f->d->n_done);
        if (j->plan->progress && !j->plan->progress(j->plan->user, f->d))
            return hl_fail(err, HL_E_CANCEL, "download stopped; what came is kept");
    }
    if (notes) j->last_note_ns = now;
    if (hl_stop_asked()) return hl_fail(err, HL_E_CANCEL, "download stopped; what came is kept");
    if (j->plan->deadline_ns && now > j->plan->deadline_ns)
        return hl_fail(err, HL_E_NET, "the time limit of the download is over; what came is kept");
    return HL_OK;
}

static void wait_for_hash(job *j) {
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += LOOK_MS * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    (void)pthread_mutex_lock(&j->lock);
    bool any = j->hash_status != HL_OK;
    for (size_t i = 0; i < j->n_files; i++)
        any |= j->files[i].state == FILE_FETCH && (j->files[i].is_bad || j->files[i].is_hashed);
    if (!any) (void)pthread_cond_timedwait(&j->to_main, &j->lock, &t);
    (void)pthread_mutex_unlock(&j->lock);
}

/* What another process does with a file that waits for its turn here. */
static void look_on(job *j, file *f) {
    char          key[HL_SHA256_HEX_BYTES];
    hl_partial    p;
    const int64_t now = hl_clock_ns();
    if (now - f->looked_ns < (int64_t)LOOK_MS * 1000000) return;
    f->looked_ns = now;
    if (make_key(f->d, key, NULL) != HL_OK) return;
    hl_partial_init(&p, j->plan->s, key);
    const uint64_t done = hl_partial_look(&p);
    f->d->is_waiting = true;
    if (f->d->size_bytes != UINT64_MAX && done <= f->d->size_bytes) f->d->n_done = done;
}

/* In the order of their digests, and none behind one that another process has: so two that want the same
 * files never wait for each other. */
static hl_status take_up_all(job *j, hl_err *err) {
    hl_status status = HL_OK;
    bool      must_wait = false;
    for (size_t i = 0; i < j->n_files && status == HL_OK; i++) {
        file *f = &j->files[i];
        if (f->state != FILE_LOOK && f->state != FILE_WAIT) continue;
        if (must_wait)
            look_on(j, f);
        else
            status = take_up(j, f, err);
        must_wait |= f->state == FILE_WAIT;
    }
    return status;
}

static hl_status run(job *j, hl_err *err) {
    hl_status status = HL_OK;
    bool      is_over = false;
    j->measured_ns = hl_clock_ns();
    while (status == HL_OK) {
        status = take_up_all(j, err);
        for (size_t i = 0; i < j->n_files && status == HL_OK; i++)
            if (j->files[i].state == FILE_FETCH) status = look_at_hash(j, &j->files[i], err);
        if (status == HL_OK) status = tell(j, &is_over, err);
        if (status != HL_OK || is_over) break;
        adapt(j);
        status = begin_pieces(j, err);
        if (status != HL_OK) break;
        if (count_active(j) > 0)
            status = hl_net_step(j->plan->net, LOOK_MS, err);
        else
            wait_for_hash(j);
        if (status == HL_OK) status = finish_pieces(j, err);
    }
    return status;
}

/* What is hashed so far is a checkpoint, so that the next one begins there. */
static void keep_rest(file *f) {
    char hex[HL_SHA256_HEX_BYTES];
    if (f->state != FILE_FETCH || f->is_bad || !f->sum || f->hashed == 0 || next_checkpoint(f) ||
        f->hashed % HL_PARTIAL_CHECKPOINT_BYTES == 0 || f->d->partial.map_fd < 0)
        return;
    if (peek(f->sum, hex, NULL) == HL_OK && hl_partial_add(&f->d->partial, f->hashed, hex, NULL) != HL_OK)
        return; /* it begins at the one before */
}

static void job_done(job *j) {
    if (j->has_hasher) {
        (void)pthread_mutex_lock(&j->lock);
        j->is_ending = true;
        (void)pthread_cond_signal(&j->to_hasher);
        (void)pthread_mutex_unlock(&j->lock);
        (void)pthread_join(j->hasher, NULL);
    }
    for (size_t i = 0; i < j->n_files; i++) {
        file *f = &j->files[i];
        drop_pieces(f);
        keep_rest(f);
        hl_sha256_free(f->sum);
        hl_sha256_free(f->good);
    }
    (void)pthread_cond_destroy(&j->to_hasher);
    (void)pthread_cond_destroy(&j->to_main);
    (void)pthread_mutex_destroy(&j->lock);
    hl_free(j->files);
}

hl_status hl_download_all(const hl_download_plan *plan, hl_err *err) {
    job j = {.plan = plan, .n_files = plan->n_files, .n_wanted = 2};
    j.n_most = plan->n_most > 0 ? plan->n_most : USUAL_REQUESTS;
    if (j.n_most > MOST_REQUESTS) j.n_most = MOST_REQUESTS;
    if (j.n_wanted > j.n_most) j.n_wanted = j.n_most;
    j.files = hl_new(plan->n_files ? plan->n_files : 1, sizeof *j.files);
    if (!j.files) return hl_fail(err, HL_E_NOMEM, "download: no memory for %zu files", plan->n_files);
    for (size_t i = 0; i < j.n_files; i++) { /* in order of their digests: see take_up_all() */
        size_t at = i;
        for (; at > 0 && strcmp(j.files[at - 1].d->digest, plan->files[i].digest) > 0; at--)
            j.files[at].d = j.files[at - 1].d;
        j.files[at].d = &plan->files[i];
        j.files[i].job = &j;
        plan->files[i].partial.fd = plan->files[i].partial.map_fd = -1;
    }
    (void)pthread_mutex_init(&j.lock, NULL);
    (void)pthread_cond_init(&j.to_hasher, NULL);
    (void)pthread_cond_init(&j.to_main, NULL);
    j.has_hasher = pthread_create(&j.hasher, NULL, run_hasher, &j) == 0;
    hl_status status =
        j.has_hasher ? run(&j, err) : hl_fail(err, HL_E_NOMEM, "download: no thread to hash with");
    job_done(&j);
    return status;
}

void hl_downloads_done(hl_download *files, size_t n, bool drop) {
    for (size_t i = 0; i < n; i++) {
        if (files[i].partial.fd < 0) continue; /* it was in the store, or has its name among the blobs */
        if (drop)
            hl_partial_drop(&files[i].partial);
        else
            hl_partial_close(&files[i].partial);
    }
}
