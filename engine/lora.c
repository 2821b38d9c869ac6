/* SPDX-License-Identifier: MIT
 *
 * lora.c - from an adapter's file to what it adds to each matrix.
 *
 * from: llama.cpp, convert_lora_to_gguf.py and src/llama-adapter.cpp, for what is in such a file: the keys
 *       general.type "adapter", adapter.type "lora", general.architecture, adapter.lora.alpha, and tensors
 *       NAME.lora_a [rank][columns], NAME.lora_b [rows][rank] for the tensor NAME of the base; without alpha,
 *       products count as they are
 */
#include "engine/lora.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/base/str.h"
#include "engine/kv/kv_hash.h"
#include "engine/model_priv.h"
#include "engine/quant/quant.h"

/* Known to everybody: names are to differ, not to be secret. */
static const uint64_t NAME_KEY[2] = {0x6c6f772072616e6bu, 0x6164617074657273u};

static const char A_SUFFIX[] = ".lora_a", B_SUFFIX[] = ".lora_b";

/* A file in the making. */
typedef struct reading {
    const hl_model *m;
    const hl_gguf  *g;
    hl_lora         lora;
    hl_lora_part   *parts; /* [n_parts] */
    size_t          n_parts, parts_cap;
    size_t          n_values, values_cap;
} reading;

/* ---- what the file says of itself ---------------------------------------------------------------- */

static hl_status check_word(const hl_gguf *g, const char *key, hl_view want, const char *why, hl_err *err) {
    hl_view         found = {0};
    const hl_status status = hl_gguf_get_text(g, key, &found, err);
    if (status == HL_E_NOT_FOUND)
        return hl_fail(err, HL_E_FORMAT, "key '%s' is missing, expected '%.*s'", key, (int)want.len,
                       want.ptr);
    if (status != HL_OK || hl_view_eq(found, want)) return status;
    return hl_fail(err, HL_E_FORMAT, "key '%s' is '%.*s', expected '%.*s'%s", key,
                   (int)(found.len < 64 ? found.len : 64), found.ptr, (int)want.len, want.ptr, why);
}

static hl_status read_keys(reading *r, hl_err *err) {
    hl_status status = check_word(r->g, "general.type", hl_view_of("adapter"), "", err);
    if (status == HL_OK) status = check_word(r->g, "adapter.type", hl_view_of("lora"), "", err);
    if (status == HL_OK)
        status = check_word(r->g, "general.architecture", hl_view_of(r->m->info.arch),
                            ": the adapter was made for another model", err);
    if (status != HL_OK) return status;
    status = hl_gguf_get_f32(r->g, "adapter.lora.alpha", &r->lora.info.alpha, err);
    if (status != HL_OK && status != HL_E_NOT_FOUND) return status;
    if (isfinite(r->lora.info.alpha)) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "key 'adapter.lora.alpha' is no finite number");
}

/* ---- tensors ------------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix) {
    const size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

/* The base's tensor, and B beside A. */
static hl_status find_pair(const reading *r, const hl_gguf_tensor *t, const hl_gguf_tensor **ret_base,
                           const hl_gguf_tensor **ret_b, hl_err *err) {
    char         name[sizeof t->name + sizeof B_SUFFIX];
    const bool   is_a = ends_with(t->name, A_SUFFIX);
    const size_t n = strlen(t->name) - (sizeof A_SUFFIX - 1);
    if (!is_a && !ends_with(t->name, B_SUFFIX))
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "tensor '%s' is neither a .lora_a nor a .lora_b: adapters with other tensors are not "
                       "supported",
                       t->name);
    memcpy(name, t->name, n);
    memcpy(name + n, is_a ? B_SUFFIX : A_SUFFIX, sizeof B_SUFFIX);
    *ret_b = hl_gguf_find_tensor(r->g, name);
    if (!*ret_b) return hl_fail(err, HL_E_FORMAT, "tensor '%s' is missing: there is '%s'", name, t->name);
    name[n] = '\0';
    *ret_base = hl_gguf_find_tensor(r->m->gguf, name);
    if (*ret_base && (*ret_base)->data == r->m->tok_embd.data)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "tensor '%s' is for '%s': adapters of the embedding are not supported", t->name, name);
    if (*ret_base) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "tensor '%s' is for '%s', which the model does not have: %s", t->name,
                   name, "the adapter was made for another one");
}

static hl_status check_shapes(const hl_gguf_tensor *base, const hl_gguf_tensor *a, const hl_gguf_tensor *b,
                              hl_err *err) {
    const uint64_t n_cols = hl_tensor_dim(base, 0), n_rows = hl_tensor_dim(base, 1),
                   rank = hl_tensor_dim(a, 1);
    const bool is_matrix = hl_tensor_dim(base, 2) == 1 && hl_tensor_dim(base, 3) == 1 && base->n_dims >= 2;
    if (!is_matrix)
        return hl_fail(
            err, HL_E_UNSUPPORTED,
            "tensor '%s' is for '%s', which is no matrix: adapters of experts, norms and tables are "
            "not supported",
            a->name, base->name);
    if (rank < 1 || rank > HL_MAX_LORA_RANK)
        return hl_fail(err, HL_E_FORMAT, "tensor '%s' has the rank %" PRIu64 ", expected 1..%d", a->name,
                       rank, HL_MAX_LORA_RANK);
    if (hl_tensor_dim(a, 0) != n_cols || hl_tensor_dim(a, 2) != 1 || hl_tensor_dim(a, 3) != 1)
        return hl_fail(err, HL_E_FORMAT,
                       "tensor '%s' has %" PRIu64 " columns, and '%s' of the model has %" PRIu64
                       ": the adapter was made for another one",
                       a->name, hl_tensor_dim(a, 0), base->name, n_cols);
    if (hl_tensor_dim(b, 1) != n_rows || hl_tensor_dim(b, 2) != 1 || hl_tensor_dim(b, 3) != 1)
        return hl_fail(err, HL_E_FORMAT,
                       "tensor '%s' has %" PRIu64 " rows, and '%s' of the model has %" PRIu64
                       ": the adapter was made for another one",
                       b->name, hl_tensor_dim(b, 1), base->name, n_rows);
    if (hl_tensor_dim(b, 0) == rank) return HL_OK;
    return hl_fail(err, HL_E_FORMAT, "tensor '%s' has the rank %" PRIu64 ", and '%s' has %" PRIu64, b->name,
                   hl_tensor_dim(b, 0), a->name, rank);
}

/* One row as f32; numbers all of them. */
static hl_status read_row(const hl_gguf_tensor *t, size_t row, float *ret, hl_err *err) {
    const size_t n = hl_tensor_dim(t, 0);
    hl_quant_to_f32(t->type)((const uint8_t *)t->data + row * hl_type_row_bytes(t->type, n), n, ret);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(ret[i]))
            return hl_fail(err, HL_E_FORMAT, "tensor '%s': value %zu of row %zu is no finite number", t->name,
                           i, row);
    return HL_OK;
}

static hl_status read_a(const hl_gguf_tensor *t, float *ret, hl_err *err) {
    const size_t n = hl_tensor_dim(t, 0);
    hl_status    status = HL_OK;
    for (size_t k = 0; k < hl_tensor_dim(t, 1) && status == HL_OK; k++)
        status = read_row(t, k, ret + k * n, err);
    return status;
}

/* B, turned: a pass adds one inner value's share to many results that stand side by side. */
static hl_status read_b(const hl_gguf_tensor *t, float *ret, hl_err *err) {
    const size_t rank = hl_tensor_dim(t, 0), n_rows = hl_tensor_dim(t, 1);
    float        row[HL_MAX_LORA_RANK];
    for (size_t r = 0; r < n_rows; r++) {
        const hl_status status = read_row(t, r, row, err);
        if (status != HL_OK) return status;
        for (size_t k = 0; k < rank; k++) ret[k * n_rows + r] = row[k];
    }
    return HL_OK;
}

/* ---- matrices that passes multiply with ------------------------------------------------------------ */

typedef void base_fn(void *ctx, const hl_matrix *w);

/* Those whose products a pass can add something to: forward/low_rank.c. Rows that are looked up are none of
 * them, nor stacks of one matrix for each expert or head; nor heads that score, which come after the pass. */
static bool takes_adapters(const hl_layer *l, int w) {
    if (w == HL_W_SIDE_EMBD || w == HL_W_CLS || w == HL_W_CLS_OUT) return false;
    return l->w[w].data && l->expert_stride[w] == 0;
}

static void each_base(const hl_model *m, base_fn *fn, void *ctx) {
    for (uint32_t i = 0; i <= m->hp.n_layers; i++) {
        const hl_layer *l = i < m->hp.n_layers ? &m->layers[i] : &m->top;
        for (int w = 0; w < HL_W_count; w++)
            if (takes_adapters(l, w)) fn(ctx, &l->w[w]);
    }
    const bool has_logits = m->out.data && !m->arch->is_encoder;
    if (has_logits && m->out.data != m->tok_embd.data) fn(ctx, &m->out);
}

/* The parts of one pair: a tensor of the base may be several matrices of the pass. */
typedef struct placing {
    reading              *r;
    const hl_gguf_tensor *base;
    hl_lora_part          part; /* of the whole tensor */
    uint64_t              n_rows;
    bool                  has_room;
} placing;

static void place(void *ctx, const hl_matrix *w) {
    placing       *p = ctx;
    reading       *r = p->r;
    const uint8_t *begin = p->base->data, *at = w->data;
    if (at < begin || at >= begin + p->base->n_bytes) return;
    if (r->n_parts == r->parts_cap) {
        const size_t  cap = 2 * r->parts_cap + 64;
        hl_lora_part *parts = hl_resize(r->parts, cap, sizeof *parts);
        if (!parts) p->has_room = false;
        if (!parts) return;
        r->parts = parts;
        r->parts_cap = cap;
    }
    hl_lora_part part = p->part;
    part.data = w->data;
    part.b += (size_t)(at - begin) / w->row_bytes;
    r->parts[r->n_parts++] = part;
    p->n_rows += w->n_rows;
}

static void note_digest(reading *r, const hl_mac_key *key, const hl_gguf_tensor *t) {
    struct {
        char     name[sizeof t->name];
        uint64_t shape[HL_GGUF_MAX_DIMS], type, data[2], before[2];
    } all = {.type = (uint64_t)t->type};
    memcpy(all.name, t->name, strnlen(t->name, sizeof all.name));
    memcpy(all.shape, t->shape, sizeof all.shape);
    memcpy(all.before, r->lora.digest, sizeof all.before);
    hl_mac128(key, t->data, t->n_bytes, all.data);
    hl_siphash128(NAME_KEY, &all, sizeof all, r->lora.digest);
}

static hl_status read_pair(reading *r, const hl_gguf_tensor *base, const hl_gguf_tensor *a,
                           const hl_gguf_tensor *b, hl_err *err) {
    const size_t n_cols = hl_tensor_dim(base, 0), n_rows = hl_tensor_dim(base, 1), rank = hl_tensor_dim(a, 1);
    const float  alpha = r->lora.info.alpha;
    hl_adapter_info *in = &r->lora.info;
    float           *values = r->lora.values + r->n_values;
    r->n_values += rank * (n_cols + n_rows);
    hl_status status = read_a(a, values, err);
    if (status == HL_OK) status = read_b(b, values + rank * n_cols, err);
    if (status != HL_OK) return status;
    placing p = {.r = r, .base = base, .has_room = true};
    p.part = (hl_lora_part){.rank = (uint32_t)rank,
                            .scale = alpha != 0 ? alpha / (float)rank : 1.0f,
                            .n_cols = n_cols,
                            .b_stride = n_rows,
                            .a = values,
                            .b = values + rank * n_cols};
    each_base(r->m, place, &p);
    if (!p.has_room) return hl_fail(err, HL_E_NOMEM, "no memory for the adapter's table");
    if (p.n_rows != n_rows)
        return hl_fail(err, HL_E_UNSUPPORTED,
                       "tensor '%s' is for '%s', which adapters cannot change here: embeddings, experts and "
                       "tables are not supported",
                       a->name, base->name);
    in->n_matrices++;
    in->n_params += rank * (n_cols + n_rows);
    if (rank > in->rank) in->rank = (uint32_t)rank;
    return HL_OK;
}

/* All pairs are checked before the first value is read: so it is known how much memory there is to be. */
static hl_status check_pairs(reading *r, hl_err *err) {
    const size_t n = hl_gguf_n_tensors(r->g);
    if (n == 0) return hl_fail(err, HL_E_FORMAT, "it has no tensors");
    for (size_t i = 0; i < n; i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(r->g, i), *base = NULL, *b = NULL;
        hl_status             status = find_pair(r, t, &base, &b, err);
        if (status != HL_OK) return status;
        if (!ends_with(t->name, A_SUFFIX)) continue;
        status = check_shapes(base, t, b, err);
        if (status != HL_OK) return status;
        r->values_cap += hl_tensor_dim(t, 1) * (hl_tensor_dim(base, 0) + hl_tensor_dim(base, 1));
    }
    r->lora.values = hl_new_aligned(r->values_cap, sizeof *r->lora.values);
    if (r->lora.values) return HL_OK;
    return hl_fail(err, HL_E_NOMEM, "no memory for %zu values", r->values_cap);
}

static hl_status read_pairs(reading *r, hl_err *err) {
    hl_mac_key key;
    hl_mac_key_init(NAME_KEY, &key);
    memcpy(&r->lora.digest[0], &r->lora.info.alpha, sizeof r->lora.info.alpha);
    for (size_t i = 0; i < hl_gguf_n_tensors(r->g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(r->g, i), *base = NULL, *b = NULL;
        hl_status             status = hl_stop_check("read the adapter", err);
        if (status == HL_OK) status = find_pair(r, t, &base, &b, err);
        note_digest(r, &key, t);
        if (status == HL_OK && ends_with(t->name, A_SUFFIX)) status = read_pair(r, base, t, b, err);
        if (status != HL_OK) return status;
    }
    return HL_OK;
}

/* ---- the model's adapters ------------------------------------------------------------------------ */

static int compare_parts(const void *x, const void *y) {
    const hl_lora_part *a = x, *b = y;
    if (a->data != b->data) return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    return a->i_adapter < b->i_adapter ? -1 : a->i_adapter > b->i_adapter;
}

static hl_status keep(hl_model *m, reading *r, hl_err *err) {
    hl_loras *l = m->loras;
    if (!l) {
        l = hl_new(1, sizeof *l);
        if (!l) return hl_fail(err, HL_E_NOMEM, "no memory");
        m->loras = l;
    }
    hl_lora_part *parts = hl_resize(l->parts, l->n_parts + r->n_parts, sizeof *parts);
    if (!parts) return hl_fail(err, HL_E_NOMEM, "no memory for the adapter's table");
    for (size_t i = 0; i < r->n_parts; i++) {
        parts[l->n_parts + i] = r->parts[i];
        parts[l->n_parts + i].i_adapter = (uint32_t)l->n;
    }
    l->parts = parts;
    l->n_parts += r->n_parts;
    qsort(l->parts, l->n_parts, sizeof *l->parts, compare_parts);
    r->lora.at = l->n_inner;
    r->lora.info.name = r->lora.name;
    r->lora.info.bytes = r->values_cap * sizeof(float);
    l->n_inner += r->lora.info.rank;
    l->bytes += r->lora.info.bytes;
    l->all[l->n++] = r->lora;
    r->lora = (hl_lora){0};
    return HL_OK;
}

static bool is_taken(const hl_model *m, hl_view name) {
    for (size_t i = 0; i < hl_model_n_adapters(m); i++)
        if (hl_view_eq(hl_view_of(m->loras->all[i].name), name)) return true;
    return false;
}

static hl_status set_name(reading *r, hl_view name, hl_err *err) {
    if (is_taken(r->m, name))
        return hl_fail(err, HL_E_ARG, "the model has an adapter named '%.*s' already", (int)name.len,
                       name.ptr);
    r->lora.name = hl_strndup(name.ptr, name.len);
    return r->lora.name ? HL_OK : hl_fail(err, HL_E_NOMEM, "no memory");
}

/* Without a name of the caller's: what the file calls itself, else what it is called. */
static hl_status find_name(reading *r, const char *path, hl_err *err) {
    enum { MAX_NAME_BYTES = 200 };
    hl_view     name = {0};
    const char *slash = strrchr(path, '/');
    if (hl_gguf_get_text(r->g, "general.name", &name, NULL) != HL_OK || name.len == 0 ||
        name.len > MAX_NAME_BYTES || memchr(name.ptr, '\0', name.len) || is_taken(r->m, name))
        name = hl_view_of(slash ? slash + 1 : path);
    return set_name(r, name, err);
}

static hl_status read_file(reading *r, const char *path, hl_err *err) {
    hl_gguf  *g = NULL;
    hl_status status = hl_gguf_open(path, &g, err);
    r->g = g;
    if (status == HL_OK) {
        status = read_keys(r, err);
        if (status == HL_OK && !r->lora.name) status = find_name(r, path, err);
        if (status == HL_OK) status = check_pairs(r, err);
        if (status == HL_OK) status = read_pairs(r, err);
        if (hl_gguf_is_broken(g))
            status = hl_fail(err, HL_E_IO, "the file was changed or cut short while it was read");
        if (status != HL_OK) (void)hl_fail_within(err, status, "adapter '%s'", path);
    }
    hl_gguf_close(g);
    return status;
}

hl_status hl_model_add_adapter(hl_model *m, const char *path, const char *name, float scale, hl_err *err) {
    reading r = {.m = m, .lora.info.scale = scale};
    if (!m->layers) return hl_fail(err, HL_E_ARG, "the model was opened for its vocabulary only");
    if (atomic_load(&m->n_plans) > 0)
        return hl_fail(err, HL_E_ARG, "adapter '%s': the model is in use already", path);
    if (hl_model_n_adapters(m) == HL_MAX_ADAPTERS)
        return hl_fail(err, HL_E_ARG, "adapter '%s': the model has %d already, which is the most", path,
                       HL_MAX_ADAPTERS);
    if (!isfinite(scale)) return hl_fail(err, HL_E_ARG, "adapter '%s': the scale is no finite number", path);
    hl_status status = HL_OK;
    if (name && name[0]) status = set_name(&r, hl_view_of(name), err);
    if (status == HL_OK) status = read_file(&r, path, err);
    if (status == HL_OK) status = keep(m, &r, err);
    hl_free(r.lora.name);
    hl_free(r.lora.values);
    hl_free(r.parts);
    return status;
}

size_t hl_model_n_adapters(const hl_model *m) { return m->loras ? m->loras->n : 0; }

void hl_model_get_adapter(const hl_model *m, size_t i, hl_adapter_info *ret_info) {
    *ret_info = m->loras->all[i].info;
}

void hl_loras_free(hl_loras *l) {
    if (!l) return;
    for (size_t i = 0; i < l->n; i++) {
        hl_free(l->all[i].name);
        hl_free(l->all[i].values);
    }
    hl_free(l->parts);
    hl_free(l);
}

const hl_lora_part *hl_lora_find(const hl_loras *l, const void *data, size_t *ret_n) {
    size_t begin = 0, end = l->n_parts;
    while (begin < end) {
        const size_t mid = begin + (end - begin) / 2;
        if ((uintptr_t)l->parts[mid].data < (uintptr_t)data)
            begin = mid + 1;
        else
            end = mid;
    }
    for (end = begin; end < l->n_parts && l->parts[end].data == data;) end++;
    *ret_n = end - begin;
    return begin < end ? &l->parts[begin] : NULL;
}

/* ---- mixes --------------------------------------------------------------------------------------- */

static hl_status fail_use(const hl_loras *l, const hl_adapter_use *use, hl_err *err) {
    hl_str names;
    char   which[300];
    hl_str_init(&names, 1000);
    for (size_t i = 0; l && i < l->n; i++)
        hl_str_add_format(&names, "%s'%s'", i ? ", " : "; it has ", l->all[i].name);
    if (use->name)
        (void)snprintf(which, sizeof which, "'%.256s'", use->name);
    else
        (void)snprintf(which, sizeof which, "number %d", use->index);
    const hl_status status = hl_fail(err, HL_E_NOT_FOUND, "the model has no adapter %s%s", which,
                                     l && l->n ? hl_str_text(&names) : ": it has none");
    hl_str_done(&names);
    return status;
}

static size_t find_use(const hl_loras *l, const hl_adapter_use *use) {
    if (!use->name) return use->index < 0 ? SIZE_MAX : (size_t)use->index;
    for (size_t i = 0; l && i < l->n; i++)
        if (strcmp(l->all[i].name, use->name) == 0) return i;
    return SIZE_MAX;
}

static hl_status take_uses(hl_lora_mix *x, const hl_loras *l, const hl_adapter_use *uses, size_t n,
                           hl_err *err) {
    bool has[HL_MAX_ADAPTERS] = {false};
    for (size_t i = 0; i < n; i++) {
        const size_t which = find_use(l, &uses[i]);
        if (!l || which >= l->n) return fail_use(l, &uses[i], err);
        if (has[which]) return hl_fail(err, HL_E_ARG, "adapter '%s' is named twice", l->all[which].name);
        if (!isfinite(uses[i].scale))
            return hl_fail(err, HL_E_ARG, "adapter '%s': the scale is no finite number", l->all[which].name);
        has[which] = true;
        x->scales[which] = uses[i].scale;
    }
    return HL_OK;
}

static void name_mix(hl_lora_mix *x, const hl_loras *l) {
    for (size_t i = 0; i < l->n; i++) {
        struct {
            uint64_t before[2], digest[2];
            float    scale;
            uint32_t zero;
        } one = {.scale = x->scales[i]};
        if (x->scales[i] == 0) continue;
        x->is_used = true;
        memcpy(one.before, x->name, sizeof one.before);
        memcpy(one.digest, l->all[i].digest, sizeof one.digest);
        hl_siphash128(NAME_KEY, &one, sizeof one, x->name);
    }
}

hl_status hl_lora_mix_init(hl_lora_mix *x, const hl_loras *l, const hl_adapter_use *uses, size_t n,
                           hl_err *err) {
    hl_lora_mix mix = {.is_used = false};
    for (size_t i = 0; l && !uses && i < l->n; i++) mix.scales[i] = l->all[i].info.scale;
    const hl_status status = uses ? take_uses(&mix, l, uses, n, err) : HL_OK;
    if (status != HL_OK) return status;
    if (l) name_mix(&mix, l);
    *x = mix;
    return HL_OK;
}

void hl_lora_mark_keys(const hl_lora_mix *x, hl_prefix_key *keys, size_t n) {
    uint64_t name[2];
    if (!x || n == 0) return;
    const uint64_t all[3] = {x->name[0], x->name[1], keys[0]};
    hl_siphash128(NAME_KEY, all, sizeof all, name);
    keys[0] = name[0] | HL_PREFIX_KEY_IS_CONTENT;
}
