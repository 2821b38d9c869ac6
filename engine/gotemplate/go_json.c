/* SPDX-License-Identifier: MIT
 *
 * go_json.c - from JSON to Go values, and from values to JSON as Go's encoding/json writes it.
 *
 * Strings are borrowed: the caller's JSON outlives the rendering.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_escape.h"
#include "engine/gotemplate/go_float.h"

/* ---- From JSON ---- */

/* As template.h has it, a word that counts as the template's own is a string of this byte and the word. */
enum { WORD_MARK = 0xFE, MAX_NUMBER_TEXT = 400 };

static bool from_digits(hl_go_run *r, hl_view digits, hl_go_value *ret) {
    char     text[MAX_NUMBER_TEXT];
    hl_view *kept = hl_go_get(r, 1, sizeof *kept);
    if (!kept) return false;
    if (digits.len >= sizeof text)
        return hl_go_fail(r, "a number of %zu digits: expected at most %d", digits.len, MAX_NUMBER_TEXT);
    memcpy(text, digits.ptr, digits.len);
    text[digits.len] = '\0';
    *kept = digits;
    *ret = (hl_go_value){
        .type = &hl_go_type_float, .is_outside = true, .digits = kept, .u.f = strtod(text, NULL)};
    return true;
}

static bool from_integer(hl_go_run *r, int64_t i, hl_go_value *ret) {
    enum { BUF = 24 };
    *ret = (hl_go_value){.type = &hl_go_type_float, .is_outside = true, .u.f = (double)i};
    if (i <= 1ll << 53 && i >= -(1ll << 53)) return true;
    hl_view *kept = hl_go_get(r, 1, sizeof *kept);
    char    *text = kept ? hl_go_get(r, BUF, 1) : NULL;
    if (!text) return false;
    hl_str s;
    hl_str_init(&s, BUF - 1);
    hl_str_add_format(&s, "%lld", (long long)i);
    const bool ok = !s.failed || hl_go_fail_memory(r);
    if (ok) memcpy(text, s.ptr, s.len);
    *kept = (hl_view){text, s.len};
    ret->digits = kept;
    hl_str_done(&s);
    return ok;
}

static bool from_string(hl_go_run *r, const json_t *j, hl_go_value *ret) {
    const hl_view s = {json_string_value(j), json_string_length(j)};
    if (s.len && (unsigned char)s.ptr[0] == HL_GO_NUMBER_MARK)
        return from_digits(r, (hl_view){s.ptr + 1, s.len - 1}, ret);
    const bool is_word = s.len && (unsigned char)s.ptr[0] == WORD_MARK;
    return hl_go_new_string(r, (hl_view){s.ptr + is_word, s.len - is_word}, !is_word, ret);
}

static bool from_array(hl_go_run *r, const json_t *j, hl_go_value *ret) {
    const size_t n = json_array_size(j);
    hl_go_list  *list = hl_go_get(r, 1, sizeof *list);
    hl_go_value *items = list ? hl_go_get(r, n, sizeof *items) : NULL;
    if (!items) return false;
    for (size_t i = 0; i < n; i++)
        if (!hl_go_from_json(r, json_array_get(j, i), &items[i])) return false;
    *list = (hl_go_list){n, items};
    *ret = (hl_go_value){.type = &hl_go_type_any_slice, .is_outside = true, .u.list = list};
    return true;
}

static int compare_entries(const void *pa, const void *pb) {
    const hl_view a = ((const hl_go_entry *)pa)->key, b = ((const hl_go_entry *)pb)->key;
    const size_t  n = a.len < b.len ? a.len : b.len;
    const int     c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

bool hl_go_new_map(hl_go_run *r, const hl_go_type *type, hl_go_entry *entries, size_t n, hl_go_value *ret) {
    hl_go_map *m = hl_go_get(r, 1, sizeof *m);
    if (!m) return false;
    for (size_t i = 0; i < n; i++) entries[i].i_given = i;
    if (n > 1) qsort(entries, n, sizeof *entries, compare_entries);
    *m = (hl_go_map){n, entries};
    *ret = (hl_go_value){.type = type, .is_outside = true, .u.map = m};
    return true;
}

bool hl_go_map_from_json(hl_go_run *r, const json_t *j, const hl_go_type *type, hl_go_value *ret) {
    json_t      *o = (json_t *)(uintptr_t)j; /* jansson's iterators take no const; nothing is written */
    const size_t n = json_object_size(j);
    hl_go_entry *entries = hl_go_get(r, n, sizeof *entries);
    size_t       i = 0;
    if (!entries) return false;
    for (void *it = json_object_iter(o); it && i < n; it = json_object_iter_next(o, it), i++) {
        entries[i].key = (hl_view){json_object_iter_key(it), json_object_iter_key_len(it)};
        if (!hl_go_from_json(r, json_object_iter_value(it), &entries[i].value)) return false;
    }
    return hl_go_new_map(r, type, entries, i, ret);
}

static bool from_json(hl_go_run *r, const json_t *j, hl_go_value *ret) {
    switch (json_typeof(j)) {
    case JSON_OBJECT: return hl_go_map_from_json(r, j, &hl_go_type_any_map, ret);
    case JSON_ARRAY: return from_array(r, j, ret);
    case JSON_STRING: return from_string(r, j, ret);
    case JSON_INTEGER: return from_integer(r, json_integer_value(j), ret);
    case JSON_REAL:
        *ret = (hl_go_value){.type = &hl_go_type_float, .is_outside = true, .u.f = json_real_value(j)};
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *ret = hl_go_bool(json_is_true(j));
        ret->is_outside = true;
        return true;
    default: *ret = hl_go_nil(); return true;
    }
}

bool hl_go_from_json(hl_go_run *r, const json_t *j, hl_go_value *ret) {
    *ret = hl_go_nil();
    if (!j) return true;
    if (!hl_go_enter(r)) return false;
    const bool ok = from_json(r, j, ret);
    hl_go_leave(r);
    return ok;
}

/* ---- To JSON ---- */

static bool add(hl_go_run *r, hl_tainted *to, const char *text, bool is_outside) {
    hl_tainted_add(to, hl_view_of(text), is_outside);
    return hl_go_check_text(r, to);
}

static bool write_string(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    return add(r, to, "\"", v.is_outside) && hl_go_escape_json(r, to, v) && add(r, to, "\"", v.is_outside);
}

static bool write_number(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    hl_str s;
    if (v.digits) {
        hl_tainted_add(to, *v.digits, v.is_outside);
        return hl_go_check_text(r, to);
    }
    hl_str_init(&s, 64);
    if (hl_go_kind_of(v) == HL_GO_FLOAT)
        hl_go_write_json_float(&s, v.u.f);
    else
        hl_str_add_format(&s, "%lld", (long long)v.u.i);
    if (!s.failed) hl_tainted_add(to, hl_str_view(&s), v.is_outside);
    const bool ok = s.failed ? hl_go_fail_memory(r) : hl_go_check_text(r, to);
    hl_str_done(&s);
    return ok;
}

static bool write_base64(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t      n = hl_go_len(v);
    if (!add(r, to, "\"", v.is_outside)) return false;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < n ? (uint32_t)v.u.list->items[i + k].u.i & 255 : 0);
        char four[4];
        for (size_t k = 0; k < 4; k++) four[k] = i + k <= n ? alphabet[three >> (18 - 6 * k) & 63] : '=';
        hl_tainted_add(to, (hl_view){four, 4}, v.is_outside);
    }
    return hl_go_steps(r, n / 64) && add(r, to, "\"", v.is_outside);
}

static bool write_list(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    if (!v.u.list) return add(r, to, "null", v.is_outside);
    if (v.type->elem == &hl_go_type_uint8) return write_base64(r, to, v);
    if (v.type == &hl_go_type_property_type && v.u.list->n == 1)
        return hl_go_write_json(r, to, v.u.list->items[0]);
    if (!add(r, to, "[", v.is_outside)) return false;
    for (size_t i = 0; i < v.u.list->n; i++)
        if ((i && !add(r, to, ",", v.is_outside)) || !hl_go_write_json(r, to, v.u.list->items[i]))
            return false;
    return add(r, to, "]", v.is_outside);
}

static bool write_map(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    if (!v.u.map) return add(r, to, "null", v.is_outside);
    const hl_go_map *m = v.u.map;
    uint32_t        *order = NULL;
    if (v.type->methods & HL_GO_M_ORDERED) {
        order = hl_go_get(r, m->n, sizeof *order);
        if (!order) return false;
        for (size_t i = 0; i < m->n; i++) order[m->entries[i].i_given] = (uint32_t)i;
    }
    if (!add(r, to, "{", v.is_outside)) return false;
    for (size_t i = 0; i < m->n; i++) {
        const hl_go_entry *e = &m->entries[order ? order[i] : i];
        hl_go_value        key;
        if ((i && !add(r, to, ",", v.is_outside)) || !hl_go_new_string(r, e->key, v.is_outside, &key) ||
            !write_string(r, to, key) || !add(r, to, ":", v.is_outside) || !hl_go_write_json(r, to, e->value))
            return false;
    }
    return add(r, to, "}", v.is_outside);
}

static bool is_empty(hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_STRUCT: return false;
    case HL_GO_POINTER: return v.u.to == NULL;
    default: return !hl_go_truth(v);
    }
}

/* An interface is empty when it holds nothing, whatever it holds otherwise. */
static bool is_left_out(const hl_go_field *field, hl_go_value v) {
    return field->omit_empty && (field->type ? is_empty(v) : hl_go_kind_of(v) <= HL_GO_NIL);
}

static bool write_struct(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    bool is_first = true;
    if (!add(r, to, "{", v.is_outside)) return false;
    for (size_t i = 0; i < v.type->n_fields; i++) {
        const hl_go_field *field = &v.type->fields[i];
        const hl_go_value  value = v.u.fields ? v.u.fields[i] : hl_go_zero(field->type);
        if (is_left_out(field, value)) continue;
        if (!add(r, to, is_first ? "\"" : ",\"", v.is_outside) ||
            !add(r, to, field->json_name, v.is_outside) || !add(r, to, "\":", v.is_outside) ||
            !hl_go_write_json(r, to, value))
            return false;
        is_first = false;
    }
    return add(r, to, "}", v.is_outside);
}

static bool write_json(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_BOOL: return add(r, to, v.u.b ? "true" : "false", v.is_outside);
    case HL_GO_INT:
    case HL_GO_UINT8:
    case HL_GO_FLOAT: return write_number(r, to, v);
    case HL_GO_STRING: return write_string(r, to, v);
    case HL_GO_SLICE: return write_list(r, to, v);
    case HL_GO_MAP: return write_map(r, to, v);
    case HL_GO_STRUCT: return write_struct(r, to, v);
    case HL_GO_POINTER: return v.u.to ? hl_go_write_json(r, to, *v.u.to) : add(r, to, "null", v.is_outside);
    default: return add(r, to, "null", v.is_outside);
    }
}

bool hl_go_write_json(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    if (hl_go_kind_of(v) == HL_GO_COMPLEX || hl_go_kind_of(v) == HL_GO_SEQ)
        return true; /* Go: an error, and no text */
    if (!hl_go_enter(r)) return false;
    const bool ok = write_json(r, to, v);
    hl_go_leave(r);
    return ok;
}

bool hl_go_call_string(hl_go_run *r, hl_go_value v, hl_go_value *ret) {
    const size_t mark = hl_go_begin(r);
    if (v.type == &hl_go_type_property_type) {
        if (hl_go_len(v) == 1) return *ret = v.u.list->items[0], true;
        v.type = &hl_go_type_strings;
        if (hl_go_len(v) > 0 && !hl_go_print(r, &r->scratch, &v, 1)) return false;
    } else if (hl_go_kind_of(v) == HL_GO_MAP && !v.u.map) {
        hl_tainted_add(&r->scratch, hl_view_of("{}"), false);
    } else if (!hl_go_write_json(r, &r->scratch, v)) {
        return false;
    }
    return hl_go_end(r, mark, ret);
}
