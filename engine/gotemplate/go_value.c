/* SPDX-License-Identifier: MIT
 *
 * go_value.c - truth, length, lookup of Go values.
 */
#include "engine/gotemplate/go_value.h"

#include <string.h>

bool hl_go_is_nil(hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_INVALID:
    case HL_GO_NIL: return true;
    case HL_GO_SLICE: return v.u.list == NULL;
    case HL_GO_MAP: return v.u.map == NULL;
    case HL_GO_POINTER: return v.u.to == NULL;
    default: return false;
    }
}

size_t hl_go_len(hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_STRING: return v.u.s->len;
    case HL_GO_SLICE: return v.u.list ? v.u.list->n : 0;
    case HL_GO_MAP: return v.u.map ? v.u.map->n : 0;
    default: return 0;
    }
}

bool hl_go_truth(hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_INVALID:
    case HL_GO_NIL: return false;
    case HL_GO_BOOL: return v.u.b;
    case HL_GO_INT:
    case HL_GO_UINT8: return v.u.i != 0;
    case HL_GO_FLOAT: return v.u.f != 0;
    case HL_GO_COMPLEX: return v.u.c->re != 0 || v.u.c->im != 0;
    case HL_GO_STRING:
    case HL_GO_SLICE:
    case HL_GO_MAP: return hl_go_len(v) > 0;
    case HL_GO_POINTER: return v.u.to != NULL;
    case HL_GO_STRUCT:
    case HL_GO_SEQ: return true;
    }
    return false;
}

hl_view hl_go_view(hl_go_value v) { return (hl_view){v.u.s->ptr, v.u.s->len}; }

const hl_go_value *hl_go_map_find(const hl_go_map *m, hl_view key) {
    size_t lo = 0, hi = m ? m->n : 0;
    while (lo < hi) {
        const size_t  mid = lo + (hi - lo) / 2;
        const hl_view k = m->entries[mid].key;
        const size_t  n = k.len < key.len ? k.len : key.len;
        const int     c = n ? memcmp(k.ptr, key.ptr, n) : 0;
        if (c == 0 && k.len == key.len) return &m->entries[mid].value;
        if (c < 0 || (c == 0 && k.len < key.len))
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool hl_go_string_is_outside(hl_go_value s, size_t begin, size_t end) {
    return s.is_outside || hl_spans_touch(s.u.s->spans, s.u.s->n_spans, begin, end);
}

hl_go_value hl_go_zero(const hl_go_type *type) {
    static const hl_go_string empty = {.ptr = ""};
    if (!type) return hl_go_nil();
    hl_go_value v = {.type = type};
    if (type->kind == HL_GO_STRING) v.u.s = &empty;
    return v;
}
