/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters.c - filters on single values: defaults, attributes, JSON, "%s".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/template/tmpl_builtins.h"

bool hl_tmpl_filter_tojson(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const size_t mark = hl_tmpl_run_begin(r);
    return hl_tmpl_write_json(r, &r->scratch, c->self, c) && hl_tmpl_run_end(r, mark, ret);
}

bool hl_tmpl_filter_from_json(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view text;
    return hl_tmpl_arg_str(r, c->self, "from_json", &text) && hl_tmpl_from_json_text(r, text, ret);
}

bool hl_tmpl_filter_length(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    size_t n = 0;
    if (!hl_tmpl_length(r, c->self, &n)) return false;
    *ret = hl_tmpl_int((int64_t)n);
    return true;
}

bool hl_tmpl_filter_default(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    const bool use =
        c->self.kind == HL_TMPL_VALUE_UNDEFINED || (hl_tmpl_truth(c->a[1]) && !hl_tmpl_truth(c->self));
    *ret = c->self;
    if (use) *ret = c->a[0].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_str((hl_view){"", 0}) : c->a[0];
    return true;
}

bool hl_tmpl_filter_items(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_new_seq(r, HL_TMPL_VALUE_GEN, 0, ret);
    if (c->self.kind != HL_TMPL_VALUE_DICT)
        return hl_tmpl_run_fail(r, "items: expected a dict, found %s", hl_tmpl_type_name(c->self));
    if (!hl_tmpl_view_of(r, c->self.u.dict, 'i', ret)) return false;
    ret->kind = HL_TMPL_VALUE_GEN;
    return true;
}

bool hl_tmpl_filter_attr(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_view name;
    if (!hl_tmpl_arg_str(r, c->a[0], "name", &name)) return false;
    if (c->self.kind == HL_TMPL_VALUE_UNDEFINED) return hl_tmpl_run_fail_undefined(r, c->self);
    bool unsafe = false;
    if (c->self.kind == HL_TMPL_VALUE_DICT && !hl_tmpl_method_find(c->self, name, &unsafe) && !unsafe) {
        *ret = hl_tmpl_undefined(name); /* unlike the dot, it does not look at items */
        return true;
    }
    return hl_tmpl_get_attr(r, c->self, name, ret);
}

bool hl_tmpl_filter_format(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value text, args;
    if (!hl_tmpl_to_str(r, c->self, &text)) return false;
    if (c->n_kw && c->n_pos)
        return hl_tmpl_run_fail(r, "format: takes positional or named arguments, not both");
    if (c->n_kw) {
        if (!hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, c->n_kw, &args)) return false;
        for (size_t i = 0; i < c->n_kw; i++)
            if (!hl_tmpl_dict_put(r, args.u.dict, hl_tmpl_str(c->kw[i].name->text), c->kw[i].value))
                return false;
    } else {
        if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_TUPLE, c->n_pos, &args)) return false;
        if (c->n_pos) memcpy(args.u.seq->items, c->pos, c->n_pos * sizeof(hl_tmpl_value));
    }
    return hl_tmpl_str_percent(r, text, args, ret);
}
