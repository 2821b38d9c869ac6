/* SPDX-License-Identifier: MIT
 *
 * gguf_bytes.c - a file's header in memory of our own, read as far as the parser asks.
 *
 * Maps are shared with whoever writes the file, so a length that was checked in a map may be another one when
 * it is used. The copy lies in a reserved range, so that it grows without moving and what points into it
 * stays right; only what was asked for is memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/stop.h"
#include "core/gguf/gguf_priv.h"

enum { FIRST_BYTES = 64 << 10 };

static size_t round_up(size_t n) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (n + page - 1) & ~(page - 1);
}

/* Room for a copy of the header. */
static bool reserve(hl_gguf_bytes *b, size_t most) {
    b->most = b->n_bytes < most ? b->n_bytes : most;
    b->reserved = round_up(b->most);
    void *p = mmap(NULL, b->reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return false;
    b->header = p;
    return true;
}

hl_status hl_gguf_bytes_open(const char *path, hl_gguf_bytes *ret, hl_err *err) {
    hl_gguf_bytes b = {.first = FIRST_BYTES};
    hl_status     status = hl_map_open(path, &b.map, err);
    if (status != HL_OK) return status;
    b.data = hl_map_data(b.map);
    b.n_bytes = hl_map_size(b.map);
    if (!reserve(&b, HL_GGUF_MAX_HEADER_BYTES)) {
        hl_map_close(b.map);
        return hl_fail(err, HL_E_NOMEM, "'%s': no room for a header: %s", path, strerror(errno));
    }
    *ret = b;
    return HL_OK;
}

hl_status hl_gguf_bytes_fetch(hl_gguf_fetch_fn *fn, void *user, uint64_t file_bytes, size_t first_bytes,
                              hl_gguf_bytes *ret, hl_err *err) {
    hl_gguf_bytes b = {.n_bytes = file_bytes, .first = first_bytes, .fetch = fn, .user = user};
    if (file_bytes == 0) return hl_fail(err, HL_E_FORMAT, "it is empty");
    if (!reserve(&b, HL_GGUF_MAX_FETCHED_BYTES))
        return hl_fail(err, HL_E_NOMEM, "no room for a header: %s", strerror(errno));
    b.data = b.header;
    *ret = b;
    return HL_OK;
}

void hl_gguf_bytes_close(hl_gguf_bytes *b) {
    if (b->reserved) (void)munmap((void *)(uintptr_t)b->header, b->reserved);
    hl_map_close(b->map);
    *b = (hl_gguf_bytes){0};
}

hl_status hl_gguf_bytes_reach(hl_gguf_bytes *b, size_t end, hl_err *err) {
    if (end <= b->n_header) return HL_OK;
    if (end > b->most) return hl_fail(err, HL_E_LIMIT, "the header has more than %zu bytes", b->most);
    size_t want = b->first;
    if (b->n_header) /* asking another machine costs more than bytes */
        want = b->fetch ? 2 * b->n_header : b->n_header + b->n_header / 2;
    if (want < end) want = end;
    if (want > b->most) want = b->most;
    uint8_t  *to = (uint8_t *)(uintptr_t)b->header;
    hl_status status = hl_stop_check("read the file's keys", err);
    if (status == HL_OK && mprotect(to, round_up(want), PROT_READ | PROT_WRITE) != 0)
        status = hl_fail(err, HL_E_NOMEM, "no memory for a header of %zu bytes or more", want);
    if (status == HL_OK)
        status = b->fetch ? b->fetch(b->user, b->n_header, to + b->n_header, want - b->n_header, err)
                          : hl_map_read(b->map, b->n_header, to + b->n_header, want - b->n_header, err);
    if (status == HL_OK) b->n_header = want;
    return status;
}

void hl_gguf_bytes_trim(hl_gguf_bytes *b, size_t n_header) {
    const size_t keep = round_up(n_header);
    if (!b->reserved || keep >= b->reserved) return;
    if (munmap((uint8_t *)(uintptr_t)b->header + keep, b->reserved - keep) != 0) return; /* it is only room */
    b->reserved = keep;
    b->n_header = n_header;
}
