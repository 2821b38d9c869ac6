/* SPDX-License-Identifier: MIT
 *
 * tmpl_markup.c - strings that came through |safe or |escape: their methods give such strings, and escape
 * what is put into them.
 *
 * from: markupsafe 3.0, class Markup
 */
#include <string.h>

#include "engine/template/tmpl_run.h"

bool hl_tmpl_markup_escape(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_value *ret) {
    if (!hl_tmpl_to_str(r, v, ret)) return false;
    return (ret->flags & HL_TMPL_FLAG_MARKUP) || hl_tmpl_str_escape(r, hl_tmpl_view(*ret), ret);
}

/* Which argument of a method is put into the text? -1: none. */
static int inserted(const char *name) {
    static const struct {
        const char *name;
        int         at;
    } known[] = {{"replace", 1}, {"ljust", 1}, {"rjust", 1}, {"center", 1}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].at;
    return -1;
}

static bool escape_item(hl_tmpl_run *r, hl_tmpl_args *c, int at) {
    if (at < 0 || (size_t)at >= c->n_pos) return true;
    hl_tmpl_value *pos = hl_tmpl_run_get(r, c->n_pos, sizeof *pos);
    if (!pos) return false;
    memcpy(pos, c->pos, c->n_pos * sizeof *pos);
    c->pos = pos;
    return hl_tmpl_markup_escape(r, pos[at], &pos[at]);
}

static bool escape_all(hl_tmpl_run *r, hl_tmpl_args *c) {
    hl_tmpl_value *items = NULL, list;
    size_t         n = 0;
    if (c->n_pos != 1) return true;
    if (!hl_tmpl_to_items(r, c->pos[0], &items, &n) || !hl_tmpl_new_seq(r, HL_TMPL_VALUE_LIST, n, &list))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!hl_tmpl_markup_escape(r, items[i], &list.u.seq->items[i])) return false;
    hl_tmpl_value *pos = hl_tmpl_run_get(r, 1, sizeof *pos);
    if (!pos) return false;
    *pos = list;
    c->pos = pos;
    return true;
}

static void mark(hl_tmpl_value *v) {
    if (v->kind == HL_TMPL_VALUE_STR) v->flags |= HL_TMPL_FLAG_MARKUP;
    if (v->kind == HL_TMPL_VALUE_LIST || v->kind == HL_TMPL_VALUE_TUPLE)
        for (size_t i = 0; i < v->u.seq->n; i++) mark(&v->u.seq->items[i]);
}

bool hl_tmpl_markup_call(hl_tmpl_run *r, const hl_tmpl_builtin *method, hl_tmpl_args *c, hl_tmpl_value *ret) {
    const bool joins = strcmp(method->name, "join") == 0;
    if (joins ? !escape_all(r, c) : !escape_item(r, c, inserted(method->name))) return false;
    if (!hl_tmpl_run_call_builtin(r, method, c, ret)) return false;
    mark(ret);
    return true;
}
