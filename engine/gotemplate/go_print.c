/* SPDX-License-Identifier: MIT
 *
 * go_print.c - values as Go's print and printf write them: containers, String(), and the words for what does
 * not fit.
 */
#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_format.h"

/* Where a pointer would point: Go prints addresses, which no template can use; ours is always this one. */
static const uint64_t some_address = 0xc000000000;

static bool print_value(hl_go_format *f, hl_go_value v, uint32_t verb, int depth);
static bool print_arg(hl_go_format *f, hl_go_value v, uint32_t verb);

static bool add(hl_go_format *f, const char *text, bool is_outside) {
    return hl_go_format_text(f, text, is_outside);
}

/* The letter of a format that cannot be used. */
static bool add_verb(hl_go_format *f, uint32_t verb) {
    hl_str s;
    hl_str_init(&s, 8);
    hl_str_add_utf8(&s, verb);
    if (!s.failed) hl_tainted_add(f->to, hl_str_view(&s), f->verb_is_outside);
    const bool ok = s.failed ? hl_go_fail_memory(f->r) : hl_go_check_text(f->r, f->to);
    hl_str_done(&s);
    return ok;
}

/* "%!d(string=hi)" */
static bool print_bad_verb(hl_go_format *f, hl_go_value v, uint32_t verb, bool as_value) {
    const bool was_error = f->is_error;
    bool       ok = add(f, "%!", false) && add_verb(f, verb) && add(f, "(", false);
    f->is_error = true;
    if (ok && hl_go_kind_of(v) <= HL_GO_NIL)
        ok = add(f, "<nil>", false);
    else
        ok = ok && add(f, v.type->name, false) && add(f, "=", false) &&
             (as_value ? print_value(f, v, 'v', 0) : print_arg(f, v, 'v'));
    f->is_error = was_error;
    return ok && add(f, ")", false);
}

/* String() where the type has it and the format asks for text. */
static bool print_method(hl_go_format *f, hl_go_value v, uint32_t verb, bool *ret_done) {
    hl_go_value text;
    bool        is_known = true;
    *ret_done = false;
    if (f->is_error) return true;
    if (verb == 'w') return *ret_done = true, print_bad_verb(f, v, verb, false);
    if (f->sharp_v || !(v.type->methods & HL_GO_M_STRING) || verb > 127 || !strchr("vsxXq", (int)verb))
        return true;
    *ret_done = true;
    return hl_go_call_string(f->r, v, &text) && hl_go_format_basic(f, text, verb, &is_known);
}

static bool print_pointer(hl_go_format *f, hl_go_value v, uint32_t verb) {
    const hl_go_kind kind = hl_go_kind_of(v);
    const bool       is_nil = hl_go_is_nil(v);
    const uint64_t   u = is_nil ? 0 : some_address;
    bool             is_known = true;
    if (kind != HL_GO_MAP && kind != HL_GO_POINTER && kind != HL_GO_SLICE && kind != HL_GO_SEQ)
        return print_bad_verb(f, v, verb, false);
    if (verb == 'v' && f->sharp_v)
        return add(f, "(", false) && add(f, v.type->name, false) && add(f, ")(", false) &&
               (is_nil ? add(f, "nil", false) : hl_go_format_hex_number(f, u, true, false)) &&
               add(f, ")", false);
    if (verb == 'v' && is_nil) return hl_go_format_padded(f, hl_view_of("<nil>"), false);
    if (verb == 'v' || verb == 'p') return hl_go_format_hex_number(f, u, !f->sharp, false);
    if (verb > 127 || !strchr("bodxX", (int)verb)) return print_bad_verb(f, v, verb, true);
    const hl_go_value number = {.type = &hl_go_type_uint8, .u.i = (int64_t)u};
    return hl_go_format_basic(f, number, verb, &is_known);
}

/* ---- Containers ---- */

static bool print_separator(hl_go_format *f, size_t i, bool is_outside) {
    return i == 0 || add(f, f->sharp_v ? ", " : " ", is_outside);
}

static bool print_map(hl_go_format *f, hl_go_value v, uint32_t verb, int depth) {
    const bool outside = v.is_outside;
    if (!add(f, f->sharp_v ? v.type->name : "map", false)) return false;
    if (f->sharp_v && !v.u.map) return add(f, "(nil)", false);
    if (!add(f, f->sharp_v ? "{" : "[", outside)) return false;
    for (size_t i = 0; i < hl_go_len(v); i++) {
        const hl_go_entry *e = &v.u.map->entries[i];
        hl_go_value        key;
        if (!hl_go_new_string(f->r, e->key, outside, &key) || !print_separator(f, i, outside) ||
            !print_value(f, key, verb, depth + 1) || !add(f, ":", outside) ||
            !print_value(f, e->value, verb, depth + 1))
            return false;
    }
    return add(f, f->sharp_v ? "}" : "]", outside);
}

static bool print_struct(hl_go_format *f, hl_go_value v, uint32_t verb, int depth) {
    const bool outside = v.is_outside;
    if ((f->sharp_v && !add(f, v.type->name, false)) || !add(f, "{", outside)) return false;
    for (size_t i = 0; i < v.type->n_fields; i++) {
        const hl_go_value value = v.u.fields ? v.u.fields[i] : hl_go_zero(v.type->fields[i].type);
        if (!print_separator(f, i, outside)) return false;
        if ((f->plus_v || f->sharp_v) && (!add(f, v.type->fields[i].name, false) || !add(f, ":", false)))
            return false;
        if (!print_value(f, value, verb, depth + 1)) return false;
    }
    return add(f, "}", outside);
}

static bool print_list(hl_go_format *f, hl_go_value v, uint32_t verb, int depth) {
    const bool outside = v.is_outside;
    if (v.type->elem == &hl_go_type_uint8 && verb < 128 && verb && strchr("sqxX", (int)verb)) {
        hl_go_value text;
        bool        is_known = true;
        return hl_go_bytes_to_string(f->r, v, &text) && hl_go_format_basic(f, text, verb, &is_known);
    }
    if (f->sharp_v && !add(f, v.type->name, false)) return false;
    if (f->sharp_v && !v.u.list) return add(f, "(nil)", false);
    if (!add(f, f->sharp_v ? "{" : "[", outside)) return false;
    for (size_t i = 0; i < hl_go_len(v); i++)
        if (!print_separator(f, i, outside) || !print_value(f, v.u.list->items[i], verb, depth + 1))
            return false;
    return add(f, f->sharp_v ? "}" : "]", outside);
}

static bool print_container(hl_go_format *f, hl_go_value v, uint32_t verb, int depth) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_MAP: return print_map(f, v, verb, depth);
    case HL_GO_STRUCT: return print_struct(f, v, verb, depth);
    case HL_GO_SLICE: return print_list(f, v, verb, depth);
    case HL_GO_POINTER:
        if (depth == 0 && v.u.to) return add(f, "&", false) && print_value(f, *v.u.to, verb, depth + 1);
        return print_pointer(f, v, verb);
    default: return print_pointer(f, v, verb);
    }
}

/* A value within others, or one that has no String(). */
static bool print_value(hl_go_format *f, hl_go_value v, uint32_t verb, int depth) {
    bool is_done = false;
    if (hl_go_kind_of(v) <= HL_GO_NIL)
        return add(f, f->sharp_v ? "interface {}(nil)" : "<nil>", v.is_outside);
    if (!hl_go_enter(f->r)) return false;
    bool ok = depth == 0 || print_method(f, v, verb, &is_done);
    if (ok && !is_done && hl_go_kind_of(v) <= HL_GO_STRING) {
        bool is_known = true;
        ok = hl_go_format_basic(f, v, verb, &is_known) && (is_known || print_bad_verb(f, v, verb, true));
    } else if (ok && !is_done) {
        ok = print_container(f, v, verb, depth);
    }
    hl_go_leave(f->r);
    return ok;
}

static bool print_arg(hl_go_format *f, hl_go_value v, uint32_t verb) {
    const hl_go_kind kind = hl_go_kind_of(v);
    bool             is_done = false;
    if (kind <= HL_GO_NIL)
        return verb == 'T' || verb == 'v' ? hl_go_format_padded(f, hl_view_of("<nil>"), false)
                                          : print_bad_verb(f, v, verb, false);
    if (verb == 'T') {
        hl_go_value name;
        return hl_go_new_string(f->r, hl_view_of(v.type->name), false, &name) && hl_go_format_string(f, name);
    }
    if (verb == 'p') return print_pointer(f, v, verb);
    if (kind <= HL_GO_STRING) {
        bool is_known = true;
        return hl_go_format_basic(f, v, verb, &is_known) && (is_known || print_bad_verb(f, v, verb, false));
    }
    return print_method(f, v, verb, &is_done) && (is_done || print_value(f, v, verb, 0));
}

/* ---- print, println ---- */

static bool is_string(hl_go_value v) { return hl_go_kind_of(v) == HL_GO_STRING; }

/* A space between two arguments of which neither is a string. */
bool hl_go_print(hl_go_run *r, hl_tainted *to, const hl_go_value *args, size_t n) {
    hl_go_format f = {.r = r, .to = to};
    for (size_t i = 0; i < n; i++) {
        if (i && !is_string(args[i]) && !is_string(args[i - 1]) && !add(&f, " ", false)) return false;
        if (!print_arg(&f, args[i], 'v')) return false;
    }
    return true;
}

bool hl_go_print_line(hl_go_run *r, hl_tainted *to, const hl_go_value *args, size_t n) {
    hl_go_format f = {.r = r, .to = to};
    for (size_t i = 0; i < n; i++)
        if ((i && !add(&f, " ", false)) || !print_arg(&f, args[i], 'v')) return false;
    return add(&f, "\n", false);
}

bool hl_go_print_action(hl_go_run *r, hl_tainted *to, hl_go_value v) {
    hl_go_format f = {.r = r, .to = to};
    while (hl_go_kind_of(v) == HL_GO_POINTER && v.u.to) v = *v.u.to;
    if (hl_go_kind_of(v) <= HL_GO_NIL) return add(&f, "<no value>", false);
    return print_arg(&f, v, 'v');
}

/* ---- printf ---- */

typedef struct printer {
    hl_go_format       f;
    hl_view            format;
    hl_go_value        source; /* of the format */
    size_t             at;
    const hl_go_value *args;
    size_t             n_args, i_arg;
    bool               after_index, is_reordered, has_good_index;
} printer;

static bool is_digit(const printer *p, size_t at) {
    return at < p->format.len && p->format.ptr[at] >= '0' && p->format.ptr[at] <= '9';
}

static bool is_at(const printer *p, char c) { return p->at < p->format.len && p->format.ptr[p->at] == c; }

/* Digits at p->at up to `end`; past the largest width all of the format is taken, as in Go. */
static bool read_number(printer *p, size_t end, int *ret) {
    bool has_any = false;
    *ret = 0;
    for (; p->at < end && is_digit(p, p->at); p->at++) {
        if (*ret > HL_GO_MAX_WIDTH) {
            p->at = end;
            *ret = 0;
            return false;
        }
        *ret = *ret * 10 + (p->format.ptr[p->at] - '0');
        has_any = true;
    }
    return has_any;
}

/* "[3]": the argument that comes next. */
static bool read_index(printer *p) {
    if (!is_at(p, '[')) return p->after_index = false, true;
    p->is_reordered = true;
    const size_t begin = p->at, n = p->format.len - begin;
    if (!hl_go_steps(p->f.r, n / 256)) return false;
    const char *close = n >= 3 ? memchr(p->format.ptr + begin, ']', n) : NULL;
    int         number = 0;
    if (!close) {
        p->at = begin + 1;
        p->has_good_index = p->after_index = false;
        return true;
    }
    const size_t end = (size_t)(close - p->format.ptr);
    p->at = begin + 1;
    const bool is_number = read_number(p, end, &number) && p->at == end;
    p->at = end + 1;
    p->after_index = is_number;
    if (is_number && number >= 1 && (size_t)number <= p->n_args)
        p->i_arg = (size_t)number - 1;
    else
        p->has_good_index = false;
    return true;
}

/* '*': the next argument is a width or a precision. */
static bool take_int(printer *p, int *ret) {
    *ret = 0;
    if (p->i_arg >= p->n_args) return false;
    const hl_go_value v = p->args[p->i_arg++];
    const hl_go_kind  kind = hl_go_kind_of(v);
    if (kind != HL_GO_INT && kind != HL_GO_UINT8) return false;
    if (v.u.i > HL_GO_MAX_WIDTH || v.u.i < -HL_GO_MAX_WIDTH) return false;
    *ret = (int)v.u.i;
    return true;
}

static void read_flags(printer *p) {
    hl_go_format *f = &p->f;
    for (; p->at < p->format.len; p->at++) {
        switch (p->format.ptr[p->at]) {
        case '#': f->sharp = true; break;
        case '0': f->zero = true; break;
        case '+': f->plus = true; break;
        case '-': f->minus = true; break;
        case ' ': f->space = true; break;
        default: return;
        }
    }
}

static bool read_width(printer *p) {
    hl_go_format *f = &p->f;
    if (!read_index(p)) return false;
    if (!is_at(p, '*')) {
        f->has_width = read_number(p, p->format.len, &f->width);
        if (p->after_index && f->has_width) p->has_good_index = false; /* "%[3]2d" */
        return true;
    }
    p->at++;
    f->has_width = take_int(p, &f->width);
    p->after_index = false;
    if (!f->has_width) return add(f, "%!(BADWIDTH)", false);
    if (f->width < 0) {
        f->width = -f->width;
        f->minus = true;
        f->zero = false;
    }
    return true;
}

static bool read_precision(printer *p) {
    hl_go_format *f = &p->f;
    if (!is_at(p, '.') || p->at + 1 >= p->format.len) return true;
    p->at++;
    if (p->after_index) p->has_good_index = false; /* "%[3].2d" */
    if (!read_index(p)) return false;
    if (!is_at(p, '*')) {
        if (!read_number(p, p->format.len, &f->precision)) f->precision = 0;
        f->has_precision = true;
        return true;
    }
    p->at++;
    f->has_precision = take_int(p, &f->precision);
    p->after_index = false;
    if (f->precision < 0) {
        f->precision = 0;
        f->has_precision = false;
    }
    return f->has_precision || add(f, "%!(BADPREC)", false);
}

static bool print_note(printer *p, uint32_t verb, const char *note) {
    return add(&p->f, "%!", false) && add_verb(&p->f, verb) && add(&p->f, note, false);
}

static bool print_verb(printer *p) {
    hl_go_format *f = &p->f;
    uint32_t      verb = 0xFFFD;
    if (p->at >= p->format.len) return add(f, "%!(NOVERB)", false);
    const size_t n = hl_utf8_read(p->format.ptr + p->at, p->format.len - p->at, &verb);
    f->verb_is_outside = hl_go_string_is_outside(p->source, p->at, p->at + (n ? n : 1));
    p->at += n ? n : 1;
    if (verb == '%') return add(f, "%", false);
    if (!p->has_good_index) return print_note(p, verb, "(BADINDEX)");
    if (p->i_arg >= p->n_args) return print_note(p, verb, "(MISSING)");
    if (verb == 'v' || verb == 'w') {
        f->sharp_v = f->sharp;
        f->plus_v = f->plus;
        f->sharp = f->plus = false;
    }
    return print_arg(f, p->args[p->i_arg++], verb);
}

static bool print_one(printer *p) {
    p->f = (hl_go_format){.r = p->f.r, .to = p->f.to};
    p->has_good_index = true;
    read_flags(p);
    const bool is_simple = p->at < p->format.len && p->format.ptr[p->at] >= 'a' &&
                           p->format.ptr[p->at] <= 'z' && p->i_arg < p->n_args;
    if (is_simple) return print_verb(p); /* an index before this does not count any more */
    if (!read_width(p) || !read_precision(p)) return false;
    if (!p->after_index && !read_index(p)) return false;
    return print_verb(p);
}

static bool print_extra(printer *p) {
    hl_go_format *f = &p->f;
    *f = (hl_go_format){.r = f->r, .to = f->to};
    if (!add(f, "%!(EXTRA ", false)) return false;
    for (size_t i = p->i_arg; i < p->n_args; i++) {
        const hl_go_value v = p->args[i];
        if (i > p->i_arg && !add(f, ", ", false)) return false;
        const bool ok = hl_go_kind_of(v) <= HL_GO_NIL
                            ? add(f, "<nil>", false)
                            : add(f, v.type->name, false) && add(f, "=", false) && print_arg(f, v, 'v');
        if (!ok) return false;
    }
    return add(f, ")", false);
}

bool hl_go_printf(hl_go_run *r, hl_tainted *to, hl_go_value format, const hl_go_value *args, size_t n) {
    printer p = {
        .f = {.r = r, .to = to}, .format = hl_go_view(format), .source = format, .args = args, .n_args = n};
    while (p.at < p.format.len) {
        const char  *hit = memchr(p.format.ptr + p.at, '%', p.format.len - p.at);
        const size_t end = hit ? (size_t)(hit - p.format.ptr) : p.format.len;
        if (!hl_go_add_piece(r, to, format, p.at, end) || !hl_go_check_text(r, to)) return false;
        p.at = end + 1;
        if (hit && !print_one(&p)) return false;
    }
    return p.is_reordered || p.i_arg >= p.n_args || print_extra(&p);
}
