/* SPDX-License-Identifier: MIT
 *
 * kv_host.c - blocks in one reserved range of the host's memory.
 */
#define _GNU_SOURCE
#include "engine/kv/kv_host.h"

#include <string.h>
#include <sys/mman.h>

#include "core/base/mem.h"

/* The bytes of a block; places of the layers' pages to ret_layers, unless it is NULL. */
static size_t lay_out(const hl_kv_shape *s, hl_kv_host_layer *ret_layers) {
    const hl_kv_layer all = {.n_kv_heads = s->n_kv_heads, .head_dim = s->head_dim};
    size_t            bytes = s->state_bytes;
    for (uint32_t i = 0; i < s->n_layers; i++) {
        const hl_kv_layer *l = s->layers ? &s->layers[i] : &all;
        const size_t       page_bytes = l->keys_alone ? hl_kv_page_v_offset(s->type, l->head_dim)
                                                      : hl_kv_page_bytes(s->type, l->head_dim);
        if (ret_layers) ret_layers[i] = (hl_kv_host_layer){bytes, page_bytes};
        bytes += l->n_kv_heads * page_bytes;
    }
    if (bytes == 0) bytes = 1; /* no layer keeps anything; numbers of blocks count positions all the same */
    return (bytes + 4095) & ~(size_t)4095;
}

static size_t block_bytes(const hl_kv_shape *s) { return lay_out(s, NULL); }

static void destroy(void *store) {
    hl_kv_host *h = store;
    if (!h) return;
    if (h->data) (void)munmap(h->data, h->total_bytes);
    hl_free(h->layers);
    hl_free(h);
}

static hl_status create(const hl_kv_shape *s, uint32_t n_blocks, void **ret_store, hl_err *err) {
    hl_kv_host *h = hl_new(1, sizeof *h);
    if (h) h->layers = hl_new(s->n_layers + 1, sizeof *h->layers);
    if (h && h->layers) {
        h->block_bytes = lay_out(s, h->layers);
        void *data = MAP_FAILED;
        if (hl_mul_size(h->block_bytes, n_blocks, &h->total_bytes))
            data = mmap(NULL, h->total_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (data != MAP_FAILED) {
            /* Attention jumps from page to page: with small system pages the address translation costs more
             * than the data. Blocks are handed out in ascending order, so little of a large page stays
             * unused. */
            (void)madvise(data, h->total_bytes, MADV_HUGEPAGE);
            h->data = data;
            *ret_store = h;
            return HL_OK;
        }
    }
    destroy(h);
    return hl_fail(err, HL_E_NOMEM, "key/value cache: no memory for %u blocks of %zu bytes", n_blocks,
                   block_bytes(s));
}

static uint8_t *data_of(const hl_kv_host *h, uint32_t block) { return h->data + block * h->block_bytes; }

static void copy(void *store, uint32_t from, uint32_t to) {
    const hl_kv_host *h = store;
    memcpy(data_of(h, to), data_of(h, from), h->block_bytes);
}

static hl_status read(void *store, uint32_t block, size_t at, size_t n, void *to, hl_err *err) {
    (void)err;
    memcpy(to, data_of(store, block) + at, n);
    return HL_OK;
}

static hl_status write(void *store, uint32_t block, size_t at, size_t n, const void *from, hl_err *err) {
    (void)err;
    memcpy(data_of(store, block) + at, from, n);
    return HL_OK;
}

const hl_kv_ops hl_kv_host_ops = {
    .block_bytes = block_bytes,
    .create = create,
    .destroy = destroy,
    .copy = copy,
    .read = read,
    .write = write,
};
