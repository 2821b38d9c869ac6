/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods.c - methods of dicts, lists, tuples, loops and cyclers.
 */
#include "engine/template/tmpl_methods.h"

#include <string.h>

bool hl_tmethod_dict_get(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tv *hit = NULL;
    if (!hl_tdict_find(r, c->self.u.dict, c->a[0], &hit)) return false;
    *ret = hit ? *hit : c->a[1].kind == HL_TK_MISSING ? hl_tv_none() : c->a[1];
    return true;
}

bool hl_tmethod_dict_items(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tv_view_of(r, c->self.u.dict, 'i', ret);
}

bool hl_tmethod_dict_keys(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tv_view_of(r, c->self.u.dict, 'k', ret);
}

bool hl_tmethod_dict_values(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tv_view_of(r, c->self.u.dict, 'v', ret);
}

bool hl_tmethod_dict_copy(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    *ret = c->self; /* dicts never change, so a copy cannot be told from the original */
    return true;
}

bool hl_tmethod_seq_copy(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    return hl_tmethod_dict_copy(r, c, ret);
}

bool hl_tmethod_seq_count(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const hl_tseq *s = c->self.u.seq;
    int64_t        n = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool same = false;
        if (!hl_trun_steps(r, 1) || !hl_tv_equal(r, hl_tseq_at(s, i), c->a[0], &same)) return false;
        n += same;
    }
    *ret = hl_tv_int(n);
    return true;
}

bool hl_tmethod_seq_index(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    const hl_tseq *s = c->self.u.seq;
    const int64_t  n = (int64_t)s->n;
    int64_t        start = 0, stop = n;
    if (!hl_targ_int(r, c->a[1], "start", 0, &start) || !hl_targ_int(r, c->a[2], "stop", n, &stop))
        return false;
    if (start < 0) start = start < -n ? 0 : start + n;
    if (stop < 0) stop = stop < -n ? 0 : stop + n;
    for (int64_t i = start; i < stop && i < n; i++) {
        bool same = false;
        if (!hl_trun_steps(r, 1) || !hl_tv_equal(r, hl_tseq_at(s, (size_t)i), c->a[0], &same)) return false;
        *ret = hl_tv_int(i);
        if (same) return true;
    }
    return hl_trun_fail(r, "index(): the value is not in the %s", hl_tv_type_name(c->self));
}

bool hl_tmethod_loop_cycle(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    if (c->n_kw) return hl_trun_fail(r, "loop.cycle() takes no named arguments");
    *ret = c->pos[c->self.u.loop->i % c->n_pos];
    return true;
}

bool hl_tmethod_loop_changed(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    hl_tloop *l = c->self.u.loop;
    hl_tv     now;
    bool      same = false;
    if (!hl_tv_new_seq(r, HL_TK_TUPLE, c->n_pos, &now)) return false;
    if (c->n_pos) memcpy(now.u.seq->items, c->pos, c->n_pos * sizeof(hl_tv));
    if (l->last_changed.kind != HL_TK_MISSING && !hl_tv_equal(r, l->last_changed, now, &same)) return false;
    l->last_changed = now;
    *ret = hl_tv_bool(!same);
    return true;
}

bool hl_tmethod_cycler_next(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    hl_tseq *s = c->self.u.seq;
    *ret = s->items[s->i_next++ % s->n];
    return true;
}

bool hl_tmethod_cycler_reset(hl_trun *r, const hl_targs *c, hl_tv *ret) {
    (void)r;
    c->self.u.seq->i_next = 0;
    *ret = hl_tv_none();
    return true;
}
