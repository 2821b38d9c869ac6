/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods.c - methods of dicts, lists, tuples, loops and cyclers.
 */
#include "engine/template/tmpl_methods.h"

#include <string.h>

bool hl_tmpl_method_dict_get(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_value *hit = NULL;
    if (!hl_tmpl_dict_find(r, c->self.u.dict, c->a[0], &hit)) return false;
    *ret = hit ? *hit : c->a[1].kind == HL_TMPL_VALUE_MISSING ? hl_tmpl_none() : c->a[1];
    return true;
}

bool hl_tmpl_method_dict_items(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_view_of(r, c->self.u.dict, 'i', ret);
}

bool hl_tmpl_method_dict_keys(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_view_of(r, c->self.u.dict, 'k', ret);
}

bool hl_tmpl_method_dict_values(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_view_of(r, c->self.u.dict, 'v', ret);
}

bool hl_tmpl_method_dict_copy(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    *ret = c->self; /* dicts never change, so a copy cannot be told from the original */
    return true;
}

bool hl_tmpl_method_seq_copy(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    return hl_tmpl_method_dict_copy(r, c, ret);
}

bool hl_tmpl_method_seq_count(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_seq *s = c->self.u.seq;
    int64_t            n = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool same = false;
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_equal(r, hl_tmpl_seq_at(s, i), c->a[0], &same)) return false;
        n += same;
    }
    *ret = hl_tmpl_int(n);
    return true;
}

bool hl_tmpl_method_seq_index(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    const hl_tmpl_seq *s = c->self.u.seq;
    const int64_t      n = (int64_t)s->n;
    int64_t            start = 0, stop = n;
    if (!hl_tmpl_arg_int(r, c->a[1], "start", 0, &start) || !hl_tmpl_arg_int(r, c->a[2], "stop", n, &stop))
        return false;
    if (start < 0) start = start < -n ? 0 : start + n;
    if (stop < 0) stop = stop < -n ? 0 : stop + n;
    for (int64_t i = start; i < stop && i < n; i++) {
        bool same = false;
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_equal(r, hl_tmpl_seq_at(s, (size_t)i), c->a[0], &same))
            return false;
        *ret = hl_tmpl_int(i);
        if (same) return true;
    }
    return hl_tmpl_run_fail(r, "index(): the value is not in the %s", hl_tmpl_type_name(c->self));
}

bool hl_tmpl_method_loop_cycle(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (c->n_kw) return hl_tmpl_run_fail(r, "loop.cycle() takes no named arguments");
    *ret = c->pos[c->self.u.loop->i % c->n_pos];
    return true;
}

bool hl_tmpl_method_loop_changed(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_loop *l = c->self.u.loop;
    hl_tmpl_value now;
    bool          same = false;
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_TUPLE, c->n_pos, &now)) return false;
    if (c->n_pos) memcpy(now.u.seq->items, c->pos, c->n_pos * sizeof(hl_tmpl_value));
    if (l->last_changed.kind != HL_TMPL_VALUE_MISSING && !hl_tmpl_equal(r, l->last_changed, now, &same))
        return false;
    l->last_changed = now;
    *ret = hl_tmpl_bool(!same);
    return true;
}

bool hl_tmpl_method_cycler_next(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    hl_tmpl_seq *s = c->self.u.seq;
    *ret = s->items[s->i_next++ % s->n];
    return true;
}

bool hl_tmpl_method_cycler_reset(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    (void)r;
    c->self.u.seq->i_next = 0;
    *ret = hl_tmpl_none();
    return true;
}
