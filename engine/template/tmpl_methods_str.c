/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods_str.c - methods of strings.
 */
#define _GNU_SOURCE
#include <string.h>

#include <utf8proc.h>

#include "engine/template/tmpl_methods.h"

static hl_view self_view(const hl_tmpl_args *c) { return hl_tmpl_view(c->self); }

static const char *find_bytes(hl_view in, hl_view what) {
    if (what.len == 0) return in.ptr;
    return in.len >= what.len ? memmem(in.ptr, in.len, what.ptr, what.len) : NULL;
}

/* From the back; comparing with a long text counts, since each place may cost all of it. */
static const char *find_last(hl_tmpl_run *r, hl_view in, hl_view what) {
    if (in.len < what.len) return NULL;
    if (what.len == 0) return in.ptr + in.len;
    const char *p = in.ptr + (in.len - what.len);
    uint64_t    cost = 0;
    for (;; p--) {
        cost += 1 + (*p == what.ptr[0] ? what.len / 16 : 0);
        if ((*p == what.ptr[0] && memcmp(p, what.ptr, what.len) == 0) || p == in.ptr) break;
    }
    r->n_steps += cost / 16;
    return memcmp(p, what.ptr, what.len) == 0 ? p : NULL;
}

/* Characters that the set holds go; each is looked up in all of it. */
static hl_view strip_chars(hl_tmpl_run *r, hl_view s, hl_view set, bool left, bool right) {
    if (set.len == 0) return s;
    const uint64_t cost = 1 + set.len / 16;
    while (left && s.len && hl_tmpl_run_steps(r, cost)) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr, s.len, &cp);
        if (n == 0 || !memmem(set.ptr, set.len, s.ptr, n)) break;
        s = (hl_view){s.ptr + n, s.len - n};
    }
    while (right && s.len && hl_tmpl_run_steps(r, cost)) {
        size_t n = 1;
        while (n < s.len && n < 4 && ((unsigned char)s.ptr[s.len - n] & 0xC0) == 0x80) n++;
        if (!memmem(set.ptr, set.len, s.ptr + s.len - n, n)) break;
        s.len -= n;
    }
    return s;
}

static bool append_text(hl_tmpl_run *r, hl_tmpl_value list, const char *begin, const char *end) {
    return hl_tmpl_append(r, list, hl_tmpl_str((hl_view){begin, (size_t)(end - begin)}));
}

/* --- cutting ------------------------------------------------------------------------------- */

/* Without white space on these sides; counts what was taken off. */
static hl_view strip_space(hl_tmpl_run *r, hl_view s, bool left, bool right) {
    const hl_view kept = hl_tmpl_str_strip(s, left, right);
    r->n_steps += (s.len - kept.len) / 4;
    return kept;
}

static bool split_on_space(hl_tmpl_run *r, hl_view s, int64_t most, hl_tmpl_value list) {
    while ((s = strip_space(r, s, true, false)).len) {
        size_t n = 0;
        if (most-- == 0) return hl_tmpl_append(r, list, hl_tmpl_str(s));
        for (uint32_t cp = 0; n < s.len;) {
            const size_t len = hl_utf8_read(s.ptr + n, s.len - n, &cp);
            if (len && hl_tmpl_char_is_space(cp)) break;
            n += len ? len : 1;
        }
        if (!hl_tmpl_run_steps(r, n / 4) || !append_text(r, list, s.ptr, s.ptr + n)) return false;
        s = (hl_view){s.ptr + n, s.len - n};
    }
    return true;
}

static bool get_separator(hl_tmpl_run *r, hl_tmpl_value arg, hl_view *ret_sep, bool *ret_given) {
    *ret_given = arg.kind != HL_TMPL_VALUE_MISSING && arg.kind != HL_TMPL_VALUE_NONE;
    if (!*ret_given) return true;
    if (!hl_tmpl_arg_str(r, arg, "sep", ret_sep)) return false;
    return ret_sep->len || hl_tmpl_run_fail(r, "the separator is empty");
}

bool hl_tmpl_method_str_split(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view s = self_view(c), sep = {0};
    int64_t most = -1;
    bool    given = false;
    if (!get_separator(r, c->a[0], &sep, &given) || !hl_tmpl_arg_int(r, c->a[1], "maxsplit", -1, &most) ||
        !hl_tmpl_new_list(r, HL_TMPL_VALUE_LIST, ret) || !hl_tmpl_run_steps(r, s.len / 64))
        return false;
    if (!given) return split_on_space(r, s, most, *ret);
    for (const char *hit; most != 0 && (hit = find_bytes(s, sep)) != NULL; most--) {
        if (!append_text(r, *ret, s.ptr, hit)) return false;
        s = (hl_view){hit + sep.len, s.len - (size_t)(hit - s.ptr) - sep.len};
    }
    return hl_tmpl_append(r, *ret, hl_tmpl_str(s));
}

static void reverse_items(hl_tmpl_seq *s) {
    for (size_t i = 0; i < s->n / 2; i++) {
        const hl_tmpl_value v = s->items[i];
        s->items[i] = s->items[s->n - 1 - i];
        s->items[s->n - 1 - i] = v;
    }
}

static bool rsplit_on_space(hl_tmpl_run *r, hl_view s, int64_t most, hl_tmpl_value list) {
    while ((s = strip_space(r, s, false, true)).len) {
        size_t begin = s.len;
        if (most-- == 0) return hl_tmpl_append(r, list, hl_tmpl_str(s));
        while (begin > 0) { /* one word, character by character from its end */
            size_t   p = begin - 1;
            uint32_t cp = 0;
            while (p > 0 && ((unsigned char)s.ptr[p] & 0xC0) == 0x80) p--;
            if (hl_utf8_read(s.ptr + p, begin - p, &cp) && hl_tmpl_char_is_space(cp)) break;
            begin = p;
        }
        if (!hl_tmpl_run_steps(r, (s.len - begin) / 4) || !append_text(r, list, s.ptr + begin, s.ptr + s.len))
            return false;
        s.len = begin;
    }
    return true;
}

bool hl_tmpl_method_str_rsplit(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view s = self_view(c), sep = {0};
    int64_t most = -1;
    bool    given = false;
    if (!get_separator(r, c->a[0], &sep, &given) || !hl_tmpl_arg_int(r, c->a[1], "maxsplit", -1, &most) ||
        !hl_tmpl_new_list(r, HL_TMPL_VALUE_LIST, ret) || !hl_tmpl_run_steps(r, s.len / 8))
        return false;
    if (!given) {
        if (!rsplit_on_space(r, s, most, *ret)) return false;
    } else {
        for (const char *hit; most != 0 && (hit = find_last(r, s, sep)) != NULL; most--) {
            if (!append_text(r, *ret, hit + sep.len, s.ptr + s.len)) return false;
            s.len = (size_t)(hit - s.ptr);
        }
        if (!hl_tmpl_append(r, *ret, hl_tmpl_str(s))) return false;
    }
    reverse_items(ret->u.seq);
    return true;
}

bool hl_tmpl_method_str_splitlines(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_view s = self_view(c);
    int64_t       keep = 0;
    size_t        begin = 0;
    if (!hl_tmpl_arg_int(r, c->a[0], "keepends", 0, &keep) || !hl_tmpl_new_list(r, HL_TMPL_VALUE_LIST, ret) ||
        !hl_tmpl_run_steps(r, s.len / 4))
        return false;
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t len = hl_utf8_read(s.ptr + i, s.len - i, &cp), end = i;
        i += len ? len : 1;
        const bool breaks = (cp >= '\n' && cp <= '\r') || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 ||
                            cp == 0x2028 || cp == 0x2029;
        if (!breaks) continue;
        if (cp == '\r' && i < s.len && s.ptr[i] == '\n') i++;
        if (!append_text(r, *ret, s.ptr + begin, s.ptr + (keep ? i : end))) return false;
        begin = i;
    }
    return begin >= s.len || append_text(r, *ret, s.ptr + begin, s.ptr + s.len);
}

static bool partition(hl_tmpl_run *r, const hl_tmpl_args *c, bool last, hl_tmpl_value *ret) {
    const hl_view s = self_view(c);
    hl_view       sep;
    if (!hl_tmpl_arg_str(r, c->a[0], "sep", &sep)) return false;
    if (sep.len == 0) return hl_tmpl_run_fail(r, "the separator is empty");
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_TUPLE, 3, ret) || !hl_tmpl_run_steps(r, s.len / 8)) return false;
    const char    *hit = last ? find_last(r, s, sep) : find_bytes(s, sep);
    hl_tmpl_value *to = ret->u.seq->items;
    to[0] = to[1] = to[2] = hl_tmpl_str((hl_view){"", 0});
    if (!hit) {
        to[last ? 2 : 0] = hl_tmpl_str(s);
        return true;
    }
    const size_t n = (size_t)(hit - s.ptr);
    to[0] = hl_tmpl_str((hl_view){s.ptr, n});
    to[1] = hl_tmpl_str(sep);
    to[2] = hl_tmpl_str((hl_view){hit + sep.len, s.len - n - sep.len});
    return true;
}

bool hl_tmpl_method_str_partition(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return partition(r, c, false, ret);
}
bool hl_tmpl_method_str_rpartition(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return partition(r, c, true, ret);
}

static bool strip(hl_tmpl_run *r, const hl_tmpl_args *c, bool left, bool right, hl_tmpl_value *ret) {
    hl_view    chars = {0};
    const bool given = c->a[0].kind != HL_TMPL_VALUE_MISSING && c->a[0].kind != HL_TMPL_VALUE_NONE;
    if (given && !hl_tmpl_arg_str(r, c->a[0], "chars", &chars)) return false;
    *ret = hl_tmpl_str(given ? strip_chars(r, self_view(c), chars, left, right)
                             : strip_space(r, self_view(c), left, right));
    ret->flags = c->self.flags;
    return hl_tmpl_run_steps(r, (c->self.len - ret->len) / 64);
}

bool hl_tmpl_method_str_strip(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return strip(r, c, true, true, ret);
}
bool hl_tmpl_method_str_lstrip(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return strip(r, c, true, false, ret);
}
bool hl_tmpl_method_str_rstrip(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return strip(r, c, false, true, ret);
}

static bool has_affix(hl_tmpl_run *r, hl_view s, hl_view affix, bool at_end) {
    r->n_steps += affix.len / 64;
    return s.len >= affix.len &&
           (affix.len == 0 || memcmp(s.ptr + (at_end ? s.len - affix.len : 0), affix.ptr, affix.len) == 0);
}

bool hl_tmpl_method_str_removeprefix(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view s = self_view(c), affix;
    if (!hl_tmpl_arg_str(r, c->a[0], "prefix", &affix)) return false;
    if (has_affix(r, s, affix, false)) s = (hl_view){s.ptr + affix.len, s.len - affix.len};
    *ret = hl_tmpl_str(s);
    return true;
}

bool hl_tmpl_method_str_removesuffix(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view s = self_view(c), affix;
    if (!hl_tmpl_arg_str(r, c->a[0], "suffix", &affix)) return false;
    if (has_affix(r, s, affix, true)) s.len -= affix.len;
    *ret = hl_tmpl_str(s);
    return true;
}

/* --- looking ------------------------------------------------------------------------------- */

/* The part between the optional arguments a[1] and a[2], in characters; *ret_at: bytes before it.
 * False in *ret_valid: the start lies behind the end, where not even "" is found. */
static bool get_window(hl_tmpl_run *r, const hl_tmpl_args *c, hl_view *ret, size_t *ret_at, bool *ret_valid) {
    *ret = self_view(c);
    *ret_at = 0;
    *ret_valid = true;
    if (c->a[1].kind == HL_TMPL_VALUE_MISSING && c->a[2].kind == HL_TMPL_VALUE_MISSING) return true;
    const int64_t       n = (int64_t)hl_tmpl_str_count(r, c->self);
    const hl_tmpl_value none = {0};
    int64_t             start = 0, end = n;
    if (!hl_tmpl_arg_int(r, c->a[1].kind == HL_TMPL_VALUE_NONE ? none : c->a[1], "start", 0, &start) ||
        !hl_tmpl_arg_int(r, c->a[2].kind == HL_TMPL_VALUE_NONE ? none : c->a[2], "end", n, &end))
        return false;
    if (start < 0) start = start < -n ? 0 : start + n;
    if (end < 0) end = end < -n ? 0 : end + n;
    if (end > n) end = n;
    *ret_valid = start <= end && start <= n;
    if (!*ret_valid) return true;
    *ret_at = hl_tmpl_str_offset(r, c->self, (size_t)start);
    *ret = (hl_view){c->self.u.s + *ret_at, hl_tmpl_str_offset(r, c->self, (size_t)end) - *ret_at};
    return hl_tmpl_run_steps(r, c->self.len / 64);
}

static bool check_affix(hl_tmpl_run *r, const hl_tmpl_args *c, bool at_end, hl_tmpl_value *ret) {
    hl_view window, affix;
    size_t  at = 0;
    bool    valid = true, hit = false;
    if (!get_window(r, c, &window, &at, &valid)) return false;
    if (c->a[0].kind == HL_TMPL_VALUE_TUPLE) {
        const hl_tmpl_seq *all = c->a[0].u.seq;
        for (size_t i = 0; i < all->n && !hit; i++) {
            if (!hl_tmpl_arg_str(r, all->items[i], "prefix", &affix)) return false;
            hit = valid && has_affix(r, window, affix, at_end);
        }
    } else {
        if (!hl_tmpl_arg_str(r, c->a[0], at_end ? "suffix" : "prefix", &affix)) return false;
        hit = valid && has_affix(r, window, affix, at_end);
    }
    *ret = hl_tmpl_bool(hit);
    return true;
}

bool hl_tmpl_method_str_startswith(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return check_affix(r, c, false, ret);
}
bool hl_tmpl_method_str_endswith(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return check_affix(r, c, true, ret);
}

static bool find(hl_tmpl_run *r, const hl_tmpl_args *c, bool last, bool must, hl_tmpl_value *ret) {
    hl_view window, sub;
    size_t  at = 0;
    bool    valid = true;
    if (!hl_tmpl_arg_str(r, c->a[0], "sub", &sub) || !get_window(r, c, &window, &at, &valid) ||
        !hl_tmpl_run_steps(r, c->self.len / 64))
        return false;
    const char *hit = !valid ? NULL : last ? find_last(r, window, sub) : find_bytes(window, sub);
    if (!hit && valid && sub.len == 0) hit = c->self.u.s + at;
    if (!hit && must)
        return hl_tmpl_run_fail(r, "index(): '%.*s' is not in the string", (int)(sub.len < 60 ? sub.len : 60),
                                sub.ptr);
    *ret = hl_tmpl_int(-1);
    if (hit)
        *ret = hl_tmpl_int(
            (int64_t)hl_tmpl_str_count(r, hl_tmpl_str((hl_view){c->self.u.s, (size_t)(hit - c->self.u.s)})));
    return true;
}

bool hl_tmpl_method_str_find(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return find(r, c, false, false, ret);
}
bool hl_tmpl_method_str_rfind(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return find(r, c, true, false, ret);
}
bool hl_tmpl_method_str_index(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return find(r, c, false, true, ret);
}
bool hl_tmpl_method_str_rindex(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return find(r, c, true, true, ret);
}

bool hl_tmpl_method_str_count(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view window, sub;
    size_t  at = 0;
    bool    valid = true;
    int64_t n = 0;
    if (!hl_tmpl_arg_str(r, c->a[0], "sub", &sub) || !get_window(r, c, &window, &at, &valid) ||
        !hl_tmpl_run_steps(r, c->self.len / 64))
        return false;
    if (sub.len == 0) n = (int64_t)hl_tmpl_str_count(r, hl_tmpl_str(window)) + 1;
    for (const char *hit; sub.len && (hit = find_bytes(window, sub)) != NULL; n++)
        window = (hl_view){hit + sub.len, window.len - (size_t)(hit - window.ptr) - sub.len};
    *ret = hl_tmpl_int(valid ? n : 0);
    return true;
}

/* --- making -------------------------------------------------------------------------------- */

bool hl_tmpl_str_replace(hl_tmpl_run *r, hl_view s, hl_view old, hl_view new, int64_t most,
                         hl_tmpl_value *ret) {
    const size_t mark = hl_tmpl_run_begin(r);
    hl_tmpl_out *to = &r->scratch;
    if (!hl_tmpl_run_steps(r, s.len / 4)) return false;
    if (most == 0) return hl_tmpl_run_text(r, s, ret);
    if (old.len == 0) { /* between all characters, and at both ends */
        for (size_t i = 0;;) {
            uint32_t     cp = 0;
            const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
            if (most-- != 0) hl_tmpl_run_add(r, to, new);
            if (most < 0) most = most < -1 ? -1 : most;
            if (i >= s.len) break;
            if (most == 0 || n == 0) {
                hl_tmpl_run_add(r, to, (hl_view){s.ptr + i, s.len - i});
                break;
            }
            hl_tmpl_run_add(r, to, (hl_view){s.ptr + i, n});
            i += n;
        }
        return hl_tmpl_run_end(r, mark, ret);
    }
    for (const char *hit; most != 0 && (hit = find_bytes(s, old)) != NULL; most--) {
        hl_tmpl_run_add(r, to, (hl_view){s.ptr, (size_t)(hit - s.ptr)});
        hl_tmpl_run_add(r, to, new);
        s = (hl_view){hit + old.len, s.len - (size_t)(hit - s.ptr) - old.len};
        if (!hl_tmpl_run_steps(r, 1)) return false;
    }
    hl_tmpl_run_add(r, to, s);
    return hl_tmpl_run_end(r, mark, ret);
}

bool hl_tmpl_method_str_replace(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view old, new;
    int64_t most = -1;
    if (!hl_tmpl_arg_str(r, c->a[0], "old", &old) || !hl_tmpl_arg_str(r, c->a[1], "new", &new) ||
        !hl_tmpl_arg_int(r, c->a[2], "count", -1, &most))
        return false;
    return hl_tmpl_str_replace(r, self_view(c), old, new, most, ret);
}

bool hl_tmpl_method_str_format(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_str_format(r, c->self, c, ret);
}

bool hl_tmpl_method_str_format_map(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_value map = c->a[0];
    if (map.kind != HL_TMPL_VALUE_DICT)
        return hl_tmpl_run_fail(r, "format_map() needs a dict, found %s", hl_tmpl_type_name(map));
    return hl_tmpl_str_format_map(r, c->self, map, ret);
}

typedef enum case_change { TO_UPPER, TO_LOWER, TO_SWAPPED, TO_TITLE, TO_CAPITALIZED, TO_FOLDED } case_change;

static void add_folded(hl_tmpl_out *to, uint32_t cp, bool outside) {
    utf8proc_int32_t       folded[8];
    int                    last_class = 0;
    const utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)cp, folded, 8, UTF8PROC_CASEFOLD, &last_class);
    if (n < 1 || n > 8) hl_tmpl_out_utf8(to, cp, outside);
    for (utf8proc_ssize_t i = 0; i < n && n <= 8; i++) hl_tmpl_out_utf8(to, (uint32_t)folded[i], outside);
}

static bool change_case(hl_tmpl_run *r, hl_view s, case_change how, hl_tmpl_value *ret) {
    const size_t         mark = hl_tmpl_run_begin(r);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    bool                 after_cased = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   outside = hl_tmpl_origin_at(from, i);
        bool         upper = how == TO_UPPER, title = false;
        if (how == TO_SWAPPED) upper = hl_tmpl_char_is_lower(cp);
        if (how == TO_TITLE) title = !after_cased;
        if (how == TO_CAPITALIZED) title = i == 0;
        if (upper)
            hl_tmpl_str_add_upper(&r->scratch, cp, outside);
        else if (title)
            hl_tmpl_str_add_title(&r->scratch, cp, outside);
        else if (how == TO_FOLDED)
            add_folded(&r->scratch, cp, outside);
        else if (how == TO_SWAPPED && !hl_tmpl_char_is_upper(cp))
            hl_tmpl_out_put(&r->scratch, (hl_view){s.ptr + i, n ? n : 1}, outside);
        else
            hl_tmpl_str_add_lower(&r->scratch, s, i, outside);
        if (how == TO_TITLE) after_cased = hl_tmpl_char_is_cased(cp);
        i += n ? n : 1;
    }
    return hl_tmpl_run_steps(r, s.len / 4) && hl_tmpl_run_end(r, mark, ret);
}

bool hl_tmpl_method_str_upper(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_UPPER, ret);
}
bool hl_tmpl_method_str_lower(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_LOWER, ret);
}
bool hl_tmpl_method_str_title(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_TITLE, ret);
}

bool hl_tmpl_method_str_swapcase(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_SWAPPED, ret);
}

bool hl_tmpl_method_str_capitalize(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_CAPITALIZED, ret);
}

bool hl_tmpl_method_str_casefold(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return change_case(r, self_view(c), TO_FOLDED, ret);
}

bool hl_tmpl_method_str_join(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *items = NULL;
    size_t         n = 0;
    if (!hl_tmpl_to_items(r, c->a[0], &items, &n)) return false;
    const size_t mark = hl_tmpl_run_begin(r);
    for (size_t i = 0; i < n; i++) {
        if (!hl_tmpl_is_str(items[i]))
            return hl_tmpl_run_fail(r, "join(): item %zu is %s, expected a string", i,
                                    hl_tmpl_type_name(items[i]));
        if (i) hl_tmpl_run_add(r, &r->scratch, self_view(c));
        hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(items[i]));
    }
    return hl_tmpl_run_steps(r, n) && hl_tmpl_run_end(r, mark, ret);
}

static void add_times(hl_tmpl_run *r, hl_view what, int64_t n) {
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, what.ptr);
    for (; n > 0 && !r->scratch.failed; n--) hl_tmpl_out_add(&r->scratch, what, from);
}

bool hl_tmpl_str_pad(hl_tmpl_run *r, hl_tmpl_value s, int64_t width, hl_view fill, int64_t n_left_of_2,
                     hl_tmpl_value *ret) {
    const int64_t n = (int64_t)hl_tmpl_str_count(r, s), gap = width > n ? width - n : 0;
    if (gap > HL_TMPL_MAX_ARENA_BYTES) return hl_tmpl_run_fail_limit(r, "a string is too long");
    /* centred text leans as Python's does: left when the width is odd */
    const int64_t left = n_left_of_2 == 1 ? gap / 2 + (gap & width & 1) : n_left_of_2 == 0 ? 0 : gap;
    const size_t  mark = hl_tmpl_run_begin(r);
    add_times(r, fill, left);
    hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(s));
    add_times(r, fill, gap - left);
    return hl_tmpl_run_steps(r, (uint64_t)gap / 16) && hl_tmpl_run_end(r, mark, ret);
}

static bool pad(hl_tmpl_run *r, const hl_tmpl_args *c, int64_t n_left_of_2, hl_tmpl_value *ret) {
    int64_t width = 0;
    hl_view fill = HL_TMPL_OWN(blank);
    if (!hl_tmpl_arg_int(r, c->a[0], "width", 0, &width)) return false;
    if (c->a[1].kind != HL_TMPL_VALUE_MISSING && !hl_tmpl_arg_str(r, c->a[1], "fillchar", &fill))
        return false;
    if (hl_tmpl_str_count(r, hl_tmpl_str(fill)) != 1)
        return hl_tmpl_run_fail(r, "the fill character must be exactly one character");
    return hl_tmpl_str_pad(r, c->self, width, fill, n_left_of_2, ret);
}

bool hl_tmpl_method_str_ljust(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return pad(r, c, 0, ret);
}
bool hl_tmpl_method_str_center(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return pad(r, c, 1, ret);
}
bool hl_tmpl_method_str_rjust(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return pad(r, c, 2, ret);
}

bool hl_tmpl_method_str_zfill(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    int64_t       width = 0;
    hl_tmpl_value digits = c->self;
    const bool    has_sign = digits.len && (digits.u.s[0] == '-' || digits.u.s[0] == '+');
    if (!hl_tmpl_arg_int(r, c->a[0], "width", 0, &width)) return false;
    if (!has_sign) return hl_tmpl_str_pad(r, digits, width, HL_TMPL_OWN(zero), 2, ret);
    digits = hl_tmpl_str((hl_view){digits.u.s + 1, digits.len - 1});
    return hl_tmpl_str_pad(r, digits, width - 1, HL_TMPL_OWN(zero), 2, ret) &&
           hl_tmpl_join(r, (hl_view){c->self.u.s, 1}, hl_tmpl_view(*ret), ret);
}

/* Tabs to blanks, up to the next column that is a multiple. */
bool hl_tmpl_method_str_expandtabs(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_view        s = self_view(c);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    const size_t         mark = hl_tmpl_run_begin(r);
    int64_t              each = 8, column = 0;
    if (!hl_tmpl_arg_int(r, c->a[0], "tabsize", 8, &each) || !hl_tmpl_run_steps(r, s.len / 4)) return false;
    if (each > HL_TMPL_MAX_RANGE) return hl_tmpl_run_fail_limit(r, "expandtabs(): the tabs are too wide");
    for (size_t i = 0; i < s.len; i++) {
        const char    ch = s.ptr[i];
        const int64_t gap = each > 0 ? each - column % each : 0;
        if (ch != '\t') {
            hl_tmpl_out_char(&r->scratch, ch, hl_tmpl_origin_at(from, i));
            column += ((unsigned char)ch & 0xC0) != 0x80;
            if (ch == '\n' || ch == '\r') column = 0;
            continue;
        }
        for (int64_t k = 0; k < gap; k++) hl_tmpl_out_char(&r->scratch, ' ', hl_tmpl_origin_at(from, i));
        column += gap;
        if (!hl_tmpl_run_steps(r, (uint64_t)gap / 64)) return false;
    }
    return hl_tmpl_run_end(r, mark, ret);
}

static bool add_translated(hl_tmpl_run *r, hl_view ch, uint32_t cp, bool outside, hl_tmpl_dict *table) {
    hl_tmpl_value *hit = NULL;
    if (!hl_tmpl_dict_find(r, table, hl_tmpl_int(cp), &hit)) return false;
    if (!hit)
        hl_tmpl_out_put(&r->scratch, ch, outside);
    else if (hl_tmpl_is_str(*hit))
        hl_tmpl_run_add(r, &r->scratch, hl_tmpl_view(*hit));
    else if (hl_tmpl_is_int(*hit) && hl_tmpl_as_int(*hit) >= 0 && hl_tmpl_as_int(*hit) <= 0x10FFFF)
        hl_tmpl_out_utf8(&r->scratch, (uint32_t)hl_tmpl_as_int(*hit), outside || hl_tmpl_is_outside(*hit));
    else if (hit->kind != HL_TMPL_VALUE_NONE)
        return hl_tmpl_run_fail(r, "translate(): a character becomes %s, expected a string, number or none",
                                hl_tmpl_type_name(*hit));
    return true;
}

bool hl_tmpl_method_str_translate(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_view        s = self_view(c);
    const hl_tmpl_origin from = hl_tmpl_run_origin(r, s.ptr);
    const size_t         mark = hl_tmpl_run_begin(r);
    if (c->a[0].kind != HL_TMPL_VALUE_DICT)
        return hl_tmpl_run_fail(r, "translate() needs a dict, found %s", hl_tmpl_type_name(c->a[0]));
    for (size_t i = 0; i < s.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        if (!hl_tmpl_run_steps(r, 1) || !add_translated(r, (hl_view){s.ptr + i, n ? n : 1}, cp,
                                                        hl_tmpl_origin_at(from, i), c->a[0].u.dict))
            return false;
        i += n ? n : 1;
    }
    return hl_tmpl_run_end(r, mark, ret);
}

/* --- asking -------------------------------------------------------------------------------- */

typedef bool char_test(uint32_t cp);

static bool is_alnum(uint32_t cp) { return hl_tmpl_char_is_alpha(cp) || hl_tmpl_char_is_numeric(cp); }
static bool is_ascii(uint32_t cp) { return cp < 0x80; }

static bool all_chars(hl_tmpl_run *r, const hl_tmpl_args *c, char_test *test, bool if_empty,
                      hl_tmpl_value *ret) {
    const hl_view s = self_view(c);
    bool          all = s.len > 0 || if_empty;
    for (size_t i = 0; i < s.len && all;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        all = n && test(cp);
        i += n ? n : 1;
    }
    *ret = hl_tmpl_bool(all);
    return hl_tmpl_run_steps(r, s.len / 4);
}

bool hl_tmpl_method_str_isdigit(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_digit, false, ret);
}
bool hl_tmpl_method_str_isdecimal(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_decimal, false, ret);
}
bool hl_tmpl_method_str_isnumeric(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_numeric, false, ret);
}
bool hl_tmpl_method_str_isalpha(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_alpha, false, ret);
}
bool hl_tmpl_method_str_isalnum(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, is_alnum, false, ret);
}
bool hl_tmpl_method_str_isspace(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_space, false, ret);
}
bool hl_tmpl_method_str_isascii(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, is_ascii, true, ret);
}

bool hl_tmpl_method_str_isprintable(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return all_chars(r, c, hl_tmpl_char_is_printable, true, ret);
}

bool hl_tmpl_method_str_isidentifier(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_args rest = *c;
    uint32_t     cp = 0;
    const size_t n = hl_utf8_read(c->self.u.s, c->self.len, &cp);
    const bool   begins = n > 0 && hl_tmpl_char_is_name_start(cp);
    if (n) rest.self = hl_tmpl_str((hl_view){c->self.u.s + n, c->self.len - n});
    if (!all_chars(r, &rest, hl_tmpl_char_is_name, true, ret)) return false;
    ret->u.b &= begins;
    return true;
}

static bool is_all_case(hl_tmpl_run *r, const hl_tmpl_args *c, bool upper, hl_tmpl_value *ret) {
    const hl_view s = self_view(c);
    bool          any = false, none_wrong = true;
    for (size_t i = 0; i < s.len && none_wrong;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   is_upper = hl_tmpl_char_is_upper(cp), is_lower = hl_tmpl_char_is_lower(cp);
        any |= upper ? is_upper : is_lower;
        none_wrong = !hl_tmpl_char_is_title(cp) && !(upper ? is_lower : is_upper);
        i += n ? n : 1;
    }
    *ret = hl_tmpl_bool(any && none_wrong);
    return hl_tmpl_run_steps(r, s.len / 4);
}

bool hl_tmpl_method_str_isupper(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return is_all_case(r, c, true, ret);
}
bool hl_tmpl_method_str_islower(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return is_all_case(r, c, false, ret);
}

/* Capitals only where a word begins, small letters only inside. */
bool hl_tmpl_method_str_istitle(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_view s = self_view(c);
    bool          any = false, inside = false, ok = true;
    for (size_t i = 0; i < s.len && ok;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(s.ptr + i, s.len - i, &cp);
        const bool   capital = hl_tmpl_char_is_upper(cp) || hl_tmpl_char_is_title(cp),
                   small = hl_tmpl_char_is_lower(cp);
        ok = !(capital && inside) && !(small && !inside);
        inside = capital || small;
        any |= inside;
        i += n ? n : 1;
    }
    *ret = hl_tmpl_bool(any && ok);
    return hl_tmpl_run_steps(r, s.len / 4);
}
