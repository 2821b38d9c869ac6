/* SPDX-License-Identifier: MIT
 *
 * tmpl_dict.c - dicts: entries in the order of insertion, searched from the front while they are few and by a
 * table of hashes otherwise.
 */
#include <math.h>
#include <string.h>

#include "core/base/str.h"
#include "engine/template/tmpl_int.h"

enum { FEW = 16 };

bool hl_tmpl_is_hashable(hl_tmpl_value key) {
    if (key.kind == HL_TMPL_VALUE_TUPLE)
        for (size_t i = 0; i < key.u.seq->n; i++)
            if (!hl_tmpl_is_hashable(key.u.seq->items[i])) return false;
    return key.kind != HL_TMPL_VALUE_LIST && key.kind != HL_TMPL_VALUE_DICT &&
           (key.kind != HL_TMPL_VALUE_VIEW || key.u.seq->view == 'v');
}

bool hl_tmpl_check_hashable(hl_tmpl_run *r, hl_tmpl_value key) {
    if (key.kind == HL_TMPL_VALUE_LIST || key.kind == HL_TMPL_VALUE_DICT ||
        (key.kind == HL_TMPL_VALUE_VIEW && key.u.seq->view != 'v'))
        return hl_tmpl_run_fail(r, "%s cannot be a key of a dict", hl_tmpl_type_name(key));
    if (key.kind != HL_TMPL_VALUE_TUPLE) return true;
    if (!hl_tmpl_run_enter(r)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < key.u.seq->n; i++)
        ok = hl_tmpl_run_steps(r, 1) && hl_tmpl_check_hashable(r, key.u.seq->items[i]);
    hl_tmpl_run_leave(r);
    return ok;
}

/* Equal numbers have equal hashes, whatever their types. */
static uint64_t hash_float(hl_tmpl_run *r, double f) {
    uint64_t      bits = 0;
    hl_tmpl_value whole;
    if (isfinite(f) && f == trunc(f))
        return hl_tmpl_int_from_float(r, f, &whole) ? hl_tmpl_int_hash(r, whole) : 0;
    memcpy(&bits, &f, sizeof bits);
    return hl_hash_number(r->t->hash_keys, bits);
}

/* Of a key that can be one; counts as steps what long ones cost. */
static uint64_t hash_key(hl_tmpl_run *r, hl_tmpl_value key) {
    const hl_hash_keys keys = r->t->hash_keys;
    switch ((hl_tmpl_value_kind)key.kind) {
    case HL_TMPL_VALUE_BOOL:
    case HL_TMPL_VALUE_INT:
    case HL_TMPL_VALUE_BIG: return hl_tmpl_int_hash(r, key);
    case HL_TMPL_VALUE_FLOAT: return hash_float(r, key.u.f);
    case HL_TMPL_VALUE_STR: r->n_steps += key.len / 64; return hl_hash_bytes(keys, key.u.s, key.len);
    case HL_TMPL_VALUE_TUPLE: {
        uint64_t h = key.u.seq->n;
        for (size_t i = 0; i < key.u.seq->n; i++)
            h = hl_hash_number(keys, h ^ hash_key(r, key.u.seq->items[i])) + i;
        r->n_steps += key.u.seq->n;
        return h;
    }
    case HL_TMPL_VALUE_RANGE: return hl_hash_number(keys, key.u.seq->n);
    case HL_TMPL_VALUE_UNDEFINED:
    case HL_TMPL_VALUE_NONE: return hl_hash_number(keys, key.kind);
    default: return hl_hash_number(keys, (uintptr_t)key.u.seq);
    }
}

/* The place of a key in the table, free or not; NULL with an error recorded. */
static uint32_t *find_slot(hl_tmpl_run *r, const hl_tmpl_dict *d, hl_tmpl_value key, uint64_t hash) {
    size_t at = hash & (d->n_slots - 1);
    for (; d->slots[at].place; at = (at + 1) & (d->n_slots - 1)) {
        bool same = false;
        if (d->slots[at].hash != (uint32_t)(hash >> 32)) continue;
        if (!hl_tmpl_equal(r, d->entries[d->slots[at].place - 1].key, key, &same)) return NULL;
        if (same) break;
    }
    d->slots[at].hash = (uint32_t)(hash >> 32);
    return &d->slots[at].place;
}

/* A table for all entries; those that came first stay where two are equal. */
static bool index_entries(hl_tmpl_run *r, hl_tmpl_dict *d) {
    size_t n = 64;
    while (n < d->cap * 2 || n < d->n * 2) n *= 2;
    if (!hl_tmpl_run_steps(r, d->n / 4) || !(d->slots = hl_tmpl_run_get(r, n, sizeof *d->slots)))
        return false;
    d->n_slots = n;
    for (size_t i = 0; i < d->n; i++) {
        uint32_t *slot = find_slot(r, d, d->entries[i].key, hash_key(r, d->entries[i].key));
        if (!slot) return false;
        if (!*slot) *slot = (uint32_t)i + 1;
    }
    return true;
}

static bool find_one_by_one(hl_tmpl_run *r, const hl_tmpl_dict *d, hl_tmpl_value key,
                            hl_tmpl_value **ret_value) {
    for (size_t i = 0; i < d->n; i++) {
        bool                same = false;
        const hl_tmpl_value k = d->entries[i].key;
        if (k.kind == HL_TMPL_VALUE_STR && key.kind == HL_TMPL_VALUE_STR && k.len != key.len) continue;
        if (!hl_tmpl_equal(r, k, key, &same)) return false;
        if (!same) continue;
        *ret_value = &d->entries[i].value;
        return true;
    }
    return hl_tmpl_run_steps(r, 1);
}

bool hl_tmpl_dict_find(hl_tmpl_run *r, hl_tmpl_dict *d, hl_tmpl_value key, hl_tmpl_value **ret_value) {
    *ret_value = NULL;
    if (key.kind != HL_TMPL_VALUE_STR && !hl_tmpl_check_hashable(r, key)) return false;
    if (d->n <= FEW) return find_one_by_one(r, d, key, ret_value);
    if (!d->n_slots && !index_entries(r, d)) return false;
    const uint32_t *slot = find_slot(r, d, key, hash_key(r, key));
    if (slot && *slot) *ret_value = &d->entries[*slot - 1].value;
    return slot && hl_tmpl_run_steps(r, 1);
}

hl_tmpl_value *hl_tmpl_dict_find_text(hl_tmpl_run *r, hl_tmpl_dict *d, hl_view key) {
    hl_tmpl_value *hit = NULL;
    return hl_tmpl_dict_find(r, d, hl_tmpl_str(key), &hit) ? hit : NULL;
}

bool hl_tmpl_dict_put(hl_tmpl_run *r, hl_tmpl_dict *d, hl_tmpl_value key, hl_tmpl_value value) {
    hl_tmpl_value *old = NULL;
    if (!hl_tmpl_dict_find(r, d, key, &old)) return false;
    if (old) {
        *old = value;
        return true;
    }
    if (d->n == d->cap) {
        hl_tmpl_entry *bigger = hl_tmpl_run_get(r, d->cap * 2, sizeof *bigger);
        if (!bigger) return false;
        memcpy(bigger, d->entries, d->n * sizeof *bigger);
        d->entries = bigger;
        d->cap *= 2;
        d->n_slots = 0; /* the next search makes a larger table */
    }
    d->entries[d->n++] = (hl_tmpl_entry){key, value};
    if (!d->n_slots) return true;
    uint32_t *slot = find_slot(r, d, key, hash_key(r, key));
    if (slot) *slot = (uint32_t)d->n;
    return slot;
}

bool hl_tmpl_new_dict(hl_tmpl_run *r, hl_tmpl_value_kind kind, size_t cap, hl_tmpl_value *ret) {
    hl_tmpl_dict *d = hl_tmpl_run_get(r, 1, sizeof *d);
    if (!d || !(d->entries = hl_tmpl_run_get(r, cap ? cap : 1, sizeof *d->entries))) return false;
    d->cap = cap ? cap : 1;
    *ret = (hl_tmpl_value){.kind = (uint8_t)kind, .u.dict = d};
    return true;
}

bool hl_tmpl_view_of(hl_tmpl_run *r, const hl_tmpl_dict *d, char view, hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_VIEW, d->n, ret)) return false;
    ret->u.seq->view = view;
    for (size_t i = 0; i < d->n; i++) {
        hl_tmpl_value *to = &ret->u.seq->items[i];
        if (view == 'i' && !hl_tmpl_new_pair(r, d->entries[i].key, d->entries[i].value, to)) return false;
        if (view != 'i') *to = view == 'k' ? d->entries[i].key : d->entries[i].value;
    }
    return true;
}
