/* SPDX-License-Identifier: MIT
 *
 * tmpl_filters.c - filters on single values: defaults, attributes, JSON, "%s".
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/template/tmpl_builtins.h"

bool hl_tfilter_tojson(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const size_t mark = hl_trun_begin(r);
    return hl_tv_write_json(r, &r->scratch, c->self, c) && hl_trun_end(r, mark, ret);
}

bool hl_tfilter_from_json(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_view text;
    return hl_targ_str(r, c->self, "from_json", &text) && hl_tv_from_json_text(r, text, ret);
}

bool hl_tfilter_length(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    size_t n = 0;
    if (!hl_tv_length(r, c->self, &n)) return false;
    *ret = hl_tv_int((int64_t)n);
    return true;
}

bool hl_tfilter_default(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    const bool use = c->self.kind == HL_TK_UNDEFINED || (hl_tv_truth(c->a[1]) && !hl_tv_truth(c->self));
    *ret = c->self;
    if (use) *ret = c->a[0].kind == HL_TK_MISSING ? hl_tv_str((hl_view){"", 0}) : c->a[0];
    return true;
}

bool hl_tfilter_items(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    if (c->self.kind == HL_TK_UNDEFINED) return hl_tv_new_seq(r, HL_TK_GEN, 0, ret);
    if (c->self.kind != HL_TK_DICT)
        return hl_trun_fail(r, "items: expected a dict, found %s", hl_tv_type_name(c->self));
    if (!hl_tv_view_of(r, c->self.u.dict, 'i', ret)) return false;
    ret->kind = HL_TK_GEN;
    return true;
}

bool hl_tfilter_attr(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_view name;
    if (!hl_targ_str(r, c->a[0], "name", &name)) return false;
    if (c->self.kind == HL_TK_UNDEFINED) return hl_trun_fail_undefined(r, c->self);
    bool unsafe = false;
    if (c->self.kind == HL_TK_DICT && !hl_tmethod_find(c->self, name, &unsafe) && !unsafe) {
        *ret = hl_tv_undefined(name); /* unlike the dot, it does not look at items */
        return true;
    }
    return hl_tv_get_attr(r, c->self, name, ret);
}

bool hl_tfilter_format(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tv text, args;
    if (!hl_tv_to_str(r, c->self, &text)) return false;
    if (c->n_kw && c->n_pos) return hl_trun_fail(r, "format: takes positional or named arguments, not both");
    if (c->n_kw) {
        if (!hl_tv_new_dict(r, HL_TK_DICT, c->n_kw, &args)) return false;
        for (size_t i = 0; i < c->n_kw; i++)
            if (!hl_tdict_put(r, args.u.dict, hl_tv_str(c->kw[i].name->text), c->kw[i].value)) return false;
    } else {
        if (!hl_tv_new_seq(r, HL_TK_TUPLE, c->n_pos, &args)) return false;
        if (c->n_pos) memcpy(args.u.seq->items, c->pos, c->n_pos * sizeof(hl_tv));
    }
    return hl_tstr_percent(r, text, args, ret);
}
