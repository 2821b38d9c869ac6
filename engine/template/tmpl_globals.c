/* SPDX-License-Identifier: MIT
 *
 * tmpl_globals.c - functions every template has.
 */
#include "engine/template/tmpl_builtins.h"

bool hl_tmpl_global_raise_exception(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text;
    (void)ret;
    if (!hl_tmpl_to_str(r, c->a[0], &text)) return false;
    return hl_tmpl_run_fail(r, "%.*s", (int)(text.len < 400 ? text.len : 400), text.u.s);
}

bool hl_tmpl_global_strftime_now(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view format;
    return hl_tmpl_arg_str(r, c->a[0], "format", &format) && hl_tmpl_strftime(r, format, ret);
}

bool hl_tmpl_global_range(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    int64_t b[3] = {0, 0, 1};
    if (c->n_kw || c->n_pos > 3) return hl_tmpl_run_fail(r, "range() takes 1 to 3 arguments");
    for (size_t i = 0; i < c->n_pos; i++) {
        if (c->pos[i].kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->pos[i]);
        if (!hl_tmpl_arg_int(r, c->pos[i], "range", 0, &b[c->n_pos == 1 ? 1 : i])) return false;
    }
    if (b[2] == 0) return hl_tmpl_run_fail(r, "range(): the step cannot be 0");
    const bool     up = b[2] > 0;
    const uint64_t distance = up ? (uint64_t)b[1] - (uint64_t)b[0] : (uint64_t)b[0] - (uint64_t)b[1];
    const uint64_t step = up ? (uint64_t)b[2] : 0 - (uint64_t)b[2];
    const uint64_t n = (up ? b[1] > b[0] : b[0] > b[1]) ? (distance - 1) / step + 1 : 0;
    if (n > HL_TMPL_MAX_RANGE) return hl_tmpl_run_fail_limit(r, "range() of more than 100000 items");
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_RANGE, 0, ret)) return false;
    unsigned flags = 0;
    for (size_t i = 0; i < c->n_pos; i++) flags |= c->pos[i].flags & HL_TMPL_FLAG_OUTSIDE;
    *ret->u.seq = (hl_tmpl_seq){
        .n = (size_t)n, .start = b[0], .step = b[2], .i_next = (size_t)b[1], .flags = (uint8_t)flags};
    return true;
}

/* dict(mapping or pairs, name=value ...) */
static bool fill_dict(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_dict *d) {
    if (c->n_pos > 1) return hl_tmpl_run_fail(r, "takes at most 1 positional argument, found %zu", c->n_pos);
    if (c->n_pos == 1 && c->pos[0].kind == HL_TMPL_VALUE_DICT) {
        const hl_tmpl_dict *from = c->pos[0].u.dict;
        for (size_t i = 0; i < from->n; i++)
            if (!hl_tmpl_dict_put(r, d, from->entries[i].key, from->entries[i].value)) return false;
    } else if (c->n_pos == 1 && c->pos[0].kind == HL_TMPL_VALUE_UNDEFINED) {
        return hl_tmpl_run_fail_undefined(r, c->pos[0]);
    } else if (c->n_pos == 1) {
        hl_tmpl_value *pairs = NULL, *pair = NULL;
        size_t         n = 0, n_pair = 0;
        if (!hl_tmpl_to_items(r, c->pos[0], &pairs, &n)) return false;
        for (size_t i = 0; i < n; i++) {
            if (!hl_tmpl_to_items(r, pairs[i], &pair, &n_pair)) return false;
            if (n_pair != 2)
                return hl_tmpl_run_fail(r, "dict(): item %zu has %zu parts, expected 2", i, n_pair);
            if (!hl_tmpl_dict_put(r, d, pair[0], pair[1])) return false;
        }
    }
    for (size_t i = 0; i < c->n_kw; i++)
        if (!hl_tmpl_dict_put(r, d, hl_tmpl_str(c->kw[i].name->text), c->kw[i].value)) return false;
    return true;
}

bool hl_tmpl_global_namespace(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_new_dict(r, HL_TMPL_VALUE_NAMESPACE, c->n_kw, ret) && fill_dict(r, c, ret->u.dict);
}

bool hl_tmpl_global_dict(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, c->n_kw, ret) && fill_dict(r, c, ret->u.dict);
}

bool hl_tmpl_global_cycler(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_CYCLER, c->n_pos, ret)) return false;
    for (size_t i = 0; i < c->n_pos; i++) ret->u.seq->items[i] = c->pos[i];
    return true;
}

bool hl_tmpl_global_joiner(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_JOINER, 1, ret)) return false;
    ret->u.seq->items[0] =
        c->a[0].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_str(HL_TMPL_OWN(comma_blank)) : c->a[0];
    return true;
}

bool hl_tmpl_global_unsupported(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)c;
    (void)ret;
    return hl_tmpl_run_fail(r, "a function that chat templates have no use for is not supported");
}
