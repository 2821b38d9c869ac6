/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters_text.c - filters that make text of their value and work on it.
 */
#define _GNU_SOURCE
#include <string.h>

#include <utf8proc.h>

#include "engine/template/tmpl_builtins.h"
#include "engine/template/tmpl_methods.h"

/* str(self), then a string method on it with the same arguments. */
static bool as_method(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_fn *method, hl_tmpl_value *ret) {
    hl_tmpl_args text = *c;
    if (!hl_tmpl_to_str(r, c->self, &text.self) || !method(r, &text, ret)) return false;
    ret->flags |= text.self.flags & HL_TMPL_FLAG_MARKUP;
    return true;
}

bool hl_tmpl_filter_string(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_to_str(r, c->self, ret);
}
bool hl_tmpl_filter_trim(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return as_method(r, c, hl_tmpl_method_str_strip, ret);
}
bool hl_tmpl_filter_upper(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return as_method(r, c, hl_tmpl_method_str_upper, ret);
}
bool hl_tmpl_filter_lower(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return as_method(r, c, hl_tmpl_method_str_lower, ret);
}

bool hl_tmpl_filter_capitalize(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return as_method(r, c, hl_tmpl_method_str_capitalize, ret);
}

bool hl_tmpl_filter_safe(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (!hl_tmpl_to_str(r, c->self, ret)) return false;
    ret->flags |= HL_TMPL_FLAG_MARKUP;
    return true;
}

bool hl_tmpl_filter_escape(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_markup_escape(r, c->self, ret);
}

bool hl_tmpl_filter_forceescape(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_to_str(r, c->self, ret) && hl_tmpl_str_escape(r, hl_tmpl_view(*ret), ret);
}

bool hl_tmpl_filter_replace(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value       s, old, new;
    int64_t             most = -1;
    const hl_tmpl_value none = {0};
    return hl_tmpl_to_str(r, c->self, &s) && hl_tmpl_to_str(r, c->a[0], &old) &&
           hl_tmpl_to_str(r, c->a[1], &new) &&
           hl_tmpl_arg_int(r, c->a[2].kind == HL_TMPL_VALUE_NONE ? none : c->a[2], "count", -1, &most) &&
           hl_tmpl_str_replace(r, hl_tmpl_view(s), hl_tmpl_view(old), hl_tmpl_view(new), most, ret);
}

/* A word begins behind blanks, '-' and opening brackets. */
static bool starts_word(uint32_t cp) {
    return hl_tmpl_char_is_space(cp) || cp == '-' || cp == '(' || cp == '{' || cp == '[' || cp == '<';
}

static size_t word_end(hl_view s, size_t at) {
    uint32_t cp = 0;
    for (size_t n = 0; at < s.len; at += n ? n : 1) {
        n = hl_utf8_read(s.ptr + at, s.len - at, &cp);
        if (starts_word(cp)) return at;
    }
    return s.len;
}

/* The letters behind a word's first are a text of their own: a sigma there stands at a beginning. */
bool hl_tmpl_filter_title(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text;
    bool          at_start = true;
    size_t        rest = 0, end = 0; /* of the word */
    if (!hl_tmpl_to_str(r, c->self, &text)) return false;
    const hl_view        s = hl_tmpl_view(text);
    const size_t         mark = hl_tmpl_run_begin(r);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (at_start || starts_word(cp)) {
            hl_tmpl_str_add_upper(&r->scratch, cp, hl_tmpl_origin_at(from, i));
            rest = i + (n ? n : 1);
            end = word_end(s, rest);
        } else {
            hl_tmpl_str_add_lower(&r->scratch, (hl_view){s.ptr + rest, end - rest}, i - rest,
                                  hl_tmpl_origin_at(from, i));
        }
        at_start = starts_word(cp);
        i += n ? n : 1;
    }
    return hl_tmpl_run_steps(r, s.len / 4) && hl_tmpl_run_end(r, mark, ret);
}

static bool get_indent(hl_tmpl_run *r, hl_tmpl_value width, hl_tmpl_value *ret) {
    int64_t n = 4;
    if (width.kind == HL_TMPL_VALUE_STR) {
        *ret = width;
        return true;
    }
    return hl_tmpl_arg_int(r, width, "width", 4, &n) &&
           hl_tmpl_arith(r, HL_TMPL_OP_MUL, hl_tmpl_str(HL_TMPL_OWN(blank)), hl_tmpl_int(n), ret);
}

/* Lines but the first get blanks in front; empty lines only when `blank`. */
bool hl_tmpl_filter_indent(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value indent, all;
    hl_tmpl_args  lines = {0};
    const bool    first = hl_tmpl_truth(c->a[1]), blank = hl_tmpl_truth(c->a[2]);
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    if (!hl_tmpl_is_str(c->self))
        return hl_tmpl_run_fail(r, "indent: expected a string, found %s", hl_tmpl_type_name(c->self));
    if (!get_indent(r, c->a[0], &indent) ||
        !hl_tmpl_join(r, hl_tmpl_view(c->self), HL_TMPL_OWN(newline), &lines.self) ||
        !hl_tmpl_method_str_splitlines(r, &lines, &all))
        return false;
    const size_t mark = hl_tmpl_run_begin(r);
    const bool   breaks_outside = hl_tmpl_run_is_outside(r, hl_tmpl_view(c->self));
    for (size_t i = 0; i < all.u.seq->n; i++) {
        const hl_tmpl_value line = all.u.seq->items[i];
        if (i) hl_tmpl_out_char(&r->scratch, '\n', breaks_outside);
        if (i == 0 ? first : blank || line.len) hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(indent));
        hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(line));
    }
    if (!hl_tmpl_run_end(r, mark, ret)) return false;
    ret->flags = c->self.flags & HL_TMPL_FLAG_MARKUP;
    return true;
}

bool hl_tmpl_filter_join(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value none = {0};
    hl_tmpl_iter        it;
    hl_tmpl_value       between = hl_tmpl_str((hl_view){"", 0});
    if (c->a[0].kind != HL_TMPL_VALUE_MISSING && !hl_tmpl_to_str(r, c->a[0], &between)) return false;
    if (!hl_tmpl_iter_init(r, c->self, &it)) return false;
    const size_t mark = hl_tmpl_run_begin(r);
    bool         is_first = true;
    for (hl_tmpl_value v; hl_tmpl_iter_next(&it, &v); is_first = false) {
        if (!hl_tmpl_get_path(r, v, c->a[1], none, &v)) return false;
        if (!is_first) hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(between));
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_write(r, &r->scratch, v)) return false;
    }
    return hl_tmpl_run_end(r, mark, ret);
}

bool hl_tmpl_filter_wordcount(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text;
    int64_t       n_words = 0;
    bool          inside = false;
    if (!hl_tmpl_to_str(r, c->self, &text)) return false;
    for (size_t i = 0; i < text.len;) {
        uint32_t                  cp = 0;
        const size_t              n = hl_utf8_read(text.u.s + i, text.len - i, &cp);
        const utf8proc_category_t cat = utf8proc_category((utf8proc_int32_t)cp);
        const bool word = cp == '_' || (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO) ||
                          (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO);
        n_words += word && !inside;
        inside = word;
        i += n ? n : 1;
    }
    *ret = hl_tmpl_int(n_words);
    return hl_tmpl_run_steps(r, text.len / 4);
}

bool hl_tmpl_filter_truncate(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    int64_t       length = 255, leeway = 5;
    hl_tmpl_value end = hl_tmpl_str(HL_TMPL_OWN(dots));
    size_t        n = 0;
    if (!hl_tmpl_length(r, c->self, &n) || !hl_tmpl_arg_int(r, c->a[0], "length", 255, &length)) return false;
    if (c->a[3].kind != HL_TMPL_VALUE_NONE && !hl_tmpl_arg_int(r, c->a[3], "leeway", 5, &leeway))
        return false;
    if (c->a[2].kind != HL_TMPL_VALUE_MISSING) end = c->a[2];
    if (!hl_tmpl_is_str(end)) return hl_tmpl_run_fail(r, "truncate: 'end' must be a string");
    const int64_t n_end = (int64_t)hl_tmpl_str_count(r, end);
    if (length < n_end || leeway < 0)
        return hl_tmpl_run_fail(r, "truncate: length must be at least %lld", (long long)n_end);
    *ret = c->self;
    if ((int64_t)n - leeway <= length) return true;
    if (!hl_tmpl_is_str(c->self))
        return hl_tmpl_run_fail(r, "truncate: expected a string, found %s", hl_tmpl_type_name(c->self));
    hl_view     head = {c->self.u.s, hl_tmpl_str_offset(r, c->self, (size_t)(length - n_end))};
    const char *space = !hl_tmpl_truth(c->a[1]) && head.len ? memrchr(head.ptr, ' ', head.len) : NULL;
    if (space) head.len = (size_t)(space - head.ptr);
    hl_tmpl_value text = hl_tmpl_str(head);
    text.flags = c->self.flags & HL_TMPL_FLAG_MARKUP;
    return hl_tmpl_arith(r, HL_TMPL_OP_ADD, text, end, ret);
}

bool hl_tmpl_filter_center(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text;
    int64_t       width = 80;
    return hl_tmpl_to_str(r, c->self, &text) && hl_tmpl_arg_int(r, c->a[0], "width", 80, &width) &&
           hl_tmpl_str_pad(r, text, width, HL_TMPL_OWN(blank), 1, ret) &&
           ((ret->flags |= text.flags & HL_TMPL_FLAG_MARKUP), true);
}

static void add_url_quoted(hl_tmpl_run *r, hl_view s, bool for_query) {
    r->n_steps += s.len / 4;
    hl_tmpl_out         *to = &r->scratch;
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char ch = (unsigned char)s.ptr[i];
        const bool          outside = hl_tmpl_origin_at(from, i);
        const bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
                           (ch && strchr("_.-~", ch)) || (ch == '/' && !for_query);
        if (plain)
            hl_tmpl_out_char(to, (char)ch, outside);
        else if (ch == ' ' && for_query)
            hl_tmpl_out_char(to, '+', outside);
        else
            hl_tmpl_out_format(to, outside, "%%%02X", ch);
    }
}

static bool add_url_pair(hl_tmpl_run *r, hl_tmpl_value key, hl_tmpl_value value, bool first, bool outside) {
    hl_tmpl_value text;
    if (!first) hl_tmpl_out_char(&r->scratch, '&', outside);
    if (!hl_tmpl_to_str(r, key, &text)) return false;
    add_url_quoted(r, hl_tmpl_view(text), true);
    hl_tmpl_out_char(&r->scratch, '=', outside);
    if (!hl_tmpl_to_str(r, value, &text)) return false;
    add_url_quoted(r, hl_tmpl_view(text), true);
    return hl_tmpl_run_steps(r, 1);
}

bool hl_tmpl_filter_urlencode(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value v = c->self;
    const size_t        mark = hl_tmpl_run_begin(r);
    hl_tmpl_value       text, *pair = NULL;
    hl_tmpl_iter        it;
    size_t              n = 0;
    bool                first = true;
    if (v.kind == HL_TMPL_VALUE_STR || !hl_tmpl_can_iterate(v)) {
        if (!hl_tmpl_to_str(r, v, &text)) return false;
        add_url_quoted(r, hl_tmpl_view(text), false);
        return hl_tmpl_run_end(r, mark, ret);
    }
    if (v.kind == HL_TMPL_VALUE_DICT) {
        for (size_t i = 0; i < v.u.dict->n; i++)
            if (!add_url_pair(r, v.u.dict->entries[i].key, v.u.dict->entries[i].value, i == 0,
                              hl_tmpl_is_outside(v)))
                return false;
        return hl_tmpl_run_end(r, mark, ret);
    }
    if (!hl_tmpl_iter_init(r, v, &it)) return false;
    for (hl_tmpl_value item; hl_tmpl_iter_next(&it, &item); first = false) {
        if (!hl_tmpl_to_items(r, item, &pair, &n)) return false;
        if (n != 2) return hl_tmpl_run_fail(r, "urlencode: a pair has %zu parts", n);
        if (!add_url_pair(r, pair[0], pair[1], first, hl_tmpl_is_outside(v))) return false;
    }
    return hl_tmpl_run_end(r, mark, ret);
}

static bool unescape_entity(hl_tmpl_out *to, hl_view s, size_t *i, bool outside) {
    static const struct {
        const char *entity, *text;
    } known[] = {{"&amp;", "&"}, {"&lt;", "<"},   {"&gt;", ">"},
                 {"&#39;", "'"}, {"&#34;", "\""}, {"&quot;", "\""}};
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
        if (!hl_view_has_prefix((hl_view){s.ptr + *i, s.len - *i}, known[k].entity)) continue;
        hl_tmpl_out_text(to, known[k].text, outside);
        *i += strlen(known[k].entity);
        return true;
    }
    return false;
}

/* `s` without all from each `open` to the next `close`; where one is not closed, the rest stays. */
static bool cut_out(hl_tmpl_run *r, hl_view s, hl_view open, hl_view close, hl_tmpl_value *ret) {
    const size_t mark = hl_tmpl_run_begin(r);
    for (const char *begin; s.len && (begin = memmem(s.ptr, s.len, open.ptr, open.len)) != NULL;) {
        const char *end = memmem(begin, s.len - (size_t)(begin - s.ptr), close.ptr, close.len);
        if (!end) break;
        hl_tmpl_run_add(r, &r->scratch, (hl_view){s.ptr, (size_t)(begin - s.ptr)});
        s = (hl_view){end + close.len, s.len - (size_t)(end - s.ptr) - close.len};
        if (!hl_tmpl_run_steps(r, 1)) return false;
    }
    hl_tmpl_run_add(r, &r->scratch, s);
    return hl_tmpl_run_end(r, mark, ret);
}

/* Without comments and tags, runs of white space as one blank, the five entities as characters. */
bool hl_tmpl_filter_striptags(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text;
    if (!hl_tmpl_to_str(r, c->self, &text) || !hl_tmpl_run_steps(r, text.len / 4) ||
        !cut_out(r, hl_tmpl_view(text), hl_view_of("<!--"), hl_view_of("-->"), &text) ||
        !cut_out(r, hl_tmpl_view(text), hl_view_of("<"), hl_view_of(">"), &text))
        return false;
    const hl_view        s = hl_tmpl_view(text);
    const size_t         mark = hl_tmpl_run_begin(r);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    bool                 gap = false, gap_outside = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (hl_tmpl_char_is_space(cp)) {
            gap = true;
            gap_outside = hl_tmpl_origin_at(from, i);
            i += n;
            continue;
        }
        if (gap && r->scratch.len > mark) hl_tmpl_out_char(&r->scratch, ' ', gap_outside);
        gap = false;
        if (cp == '&' && unescape_entity(&r->scratch, s, &i, hl_tmpl_origin_at(from, i))) continue;
        hl_tmpl_out_put(&r->scratch, (hl_view){s.ptr + i, n ? n : 1}, hl_tmpl_origin_at(from, i));
        i += n ? n : 1;
    }
    return hl_tmpl_run_end(r, mark, ret);
}
