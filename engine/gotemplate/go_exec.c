/* SPDX-License-Identifier: MIT
 *
 * go_exec.c - statements: text, actions, if, with, range, template.
 */
#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_run.h"

typedef enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAIL } flow;

static flow exec_list(hl_go_run *r, const hl_go_node *first, hl_go_value dot);

static flow exec_action(hl_go_run *r, const hl_go_node *n, hl_go_value dot) {
    hl_go_value v;
    if (!hl_go_eval_pipe(r, n->pipe, dot, &v)) return FLOW_FAIL;
    r->at = n->at;
    if (n->pipe->n_vars > 0) return FLOW_NEXT;
    if (hl_go_kind_of(v) == HL_GO_SEQ) {
        (void)hl_go_fail(r, "a function cannot be printed: expected a value");
        return FLOW_FAIL;
    }
    return hl_go_print_action(r, r->out, v) && hl_go_check_text(r, r->out) ? FLOW_NEXT : FLOW_FAIL;
}

static flow exec_if_or_with(hl_go_run *r, const hl_go_node *n, hl_go_value dot) {
    const size_t mark = r->n_vars;
    hl_go_value  v;
    if (!hl_go_eval_pipe(r, n->pipe, dot, &v)) return FLOW_FAIL;
    const bool is_true = hl_go_truth(v);
    const flow f =
        is_true ? exec_list(r, n->first, n->kind == HL_GO_N_WITH ? v : dot) : exec_list(r, n->otherwise, dot);
    r->n_vars = mark;
    return f;
}

/* One turn of a range; the variables it declares lie on top of the stack. */
static flow exec_turn(hl_go_run *r, const hl_go_node *n, hl_go_value key, hl_go_value item) {
    const hl_go_node *pipe = n->pipe;
    const size_t      mark = r->n_vars;
    for (size_t i = 0; i < pipe->n_vars; i++) {
        const hl_go_value v = pipe->n_vars == 2 && i == 0 ? key : item;
        if (!pipe->is_assign)
            r->vars[mark - pipe->n_vars + i].value = v;
        else if (!hl_go_set_var(r, pipe->names[i], v))
            return FLOW_FAIL;
    }
    const flow f = hl_go_steps(r, 1) ? exec_list(r, n->first, item) : FLOW_FAIL;
    r->n_vars = mark;
    return f;
}

static bool go_on(flow *f) {
    if (*f == FLOW_CONTINUE) *f = FLOW_NEXT;
    return *f == FLOW_NEXT;
}

/* A map by key; what a function walks in the order of the request. */
static flow range_map(hl_go_run *r, const hl_go_node *n, hl_go_value v) {
    const hl_go_map *m = v.u.map;
    const bool       is_seq = hl_go_kind_of(v) == HL_GO_SEQ;
    flow             f = FLOW_NEXT;
    uint32_t        *order = NULL;
    if (is_seq || v.type->methods & HL_GO_M_ORDERED) {
        order = hl_go_get(r, m->n, sizeof *order);
        if (!order) return FLOW_FAIL;
        for (size_t i = 0; i < m->n; i++) order[m->entries[i].i_given] = (uint32_t)i;
    }
    for (size_t i = 0; i < m->n && go_on(&f); i++) {
        const hl_go_entry *e = &m->entries[order ? order[i] : i];
        hl_go_value        key;
        if (!hl_go_new_string(r, e->key, v.is_outside, &key)) return FLOW_FAIL;
        /* A function that gives pairs gives the first of each to a single variable and to dot. */
        f = exec_turn(r, n, key, is_seq && n->pipe->n_vars < 2 ? key : e->value);
    }
    return f;
}

static flow range_list(hl_go_run *r, const hl_go_node *n, hl_go_value v) {
    flow f = FLOW_NEXT;
    for (size_t i = 0; i < v.u.list->n && go_on(&f); i++)
        f = exec_turn(r, n, hl_go_int((int64_t)i), v.u.list->items[i]);
    return f;
}

static flow range_int(hl_go_run *r, const hl_go_node *n, hl_go_value v) {
    flow f = FLOW_NEXT;
    if (n->pipe->n_vars > 1) {
        (void)hl_go_fail(r, "range over a number has one variable: expected no second");
        return FLOW_FAIL;
    }
    for (int64_t i = 0; i < v.u.i && go_on(&f); i++) {
        hl_go_value item = v;
        item.u.i = i;
        f = exec_turn(r, n, hl_go_invalid(), item);
    }
    return f;
}

static bool can_range(hl_go_value v) {
    switch (hl_go_kind_of(v)) {
    case HL_GO_INVALID:
    case HL_GO_NIL:
    case HL_GO_INT:
    case HL_GO_UINT8:
    case HL_GO_SLICE:
    case HL_GO_MAP:
    case HL_GO_SEQ: return true;
    default: return false;
    }
}

/* Every turn of a range; *ret_n the number of them that there are. */
static flow exec_turns(hl_go_run *r, const hl_go_node *n, hl_go_value v, size_t *ret_n) {
    const hl_go_kind kind = hl_go_kind_of(v);
    if (kind == HL_GO_INT || kind == HL_GO_UINT8) {
        *ret_n = v.u.i > 0 ? (size_t)v.u.i : 0;
        return range_int(r, n, v);
    }
    *ret_n = kind == HL_GO_SEQ && v.u.map ? v.u.map->n : hl_go_len(v);
    if (*ret_n == 0) return FLOW_NEXT;
    return kind == HL_GO_SLICE ? range_list(r, n, v) : range_map(r, n, v);
}

static flow exec_range(hl_go_run *r, const hl_go_node *n, hl_go_value dot) {
    const size_t mark = r->n_vars;
    size_t       n_turns = 0;
    hl_go_value  v;
    if (!hl_go_eval_pipe(r, n->pipe, dot, &v)) return FLOW_FAIL;
    r->at = n->at;
    while (hl_go_kind_of(v) == HL_GO_POINTER) v = v.u.to ? *v.u.to : hl_go_invalid();
    if (!can_range(v)) {
        (void)hl_go_fail(r, "range over %s: expected a list, a map or an integer", v.type->name);
        return FLOW_FAIL;
    }
    flow f = exec_turns(r, n, v, &n_turns);
    if (f != FLOW_FAIL) f = FLOW_NEXT;
    if (f == FLOW_NEXT && n_turns == 0) {
        f = exec_list(r, n->otherwise, dot);
        if (f == FLOW_BREAK) f = FLOW_NEXT; /* as in Go: this range takes the break of its else */
    }
    r->n_vars = mark;
    return f;
}

static flow exec_template(hl_go_run *r, const hl_go_node *n, hl_go_value dot) {
    const hl_go_define *d = r->t->defines;
    hl_go_value         v = hl_go_invalid();
    size_t              n_seen = 0;
    for (; d && !hl_view_eq(d->name, n->text); n_seen++) d = d->next;
    if (!hl_go_steps(r, 1 + n_seen / 16)) return FLOW_FAIL;
    if (!d) {
        (void)hl_go_fail(r, "template \"%.*s\" is not defined", (int)(n->text.len < 60 ? n->text.len : 60),
                         n->text.ptr);
        return FLOW_FAIL;
    }
    if (n->pipe && !hl_go_eval_pipe(r, n->pipe, dot, &v)) return FLOW_FAIL;
    const size_t from = r->vars_from, mark = r->n_vars;
    r->vars_from = r->n_vars; /* no variable of the caller is seen */
    const bool ok = hl_go_exec(r, d->first, v);
    r->vars_from = from;
    r->n_vars = mark;
    return ok ? FLOW_NEXT : FLOW_FAIL;
}

static flow exec_one(hl_go_run *r, const hl_go_node *n, hl_go_value dot) {
    r->at = n->at;
    switch (n->kind) {
    case HL_GO_N_TEXT:
        hl_tainted_add(r->out, n->text, false);
        return hl_go_check_text(r, r->out) && hl_go_steps(r, 1 + n->text.len / 256) ? FLOW_NEXT : FLOW_FAIL;
    case HL_GO_N_ACTION: return exec_action(r, n, dot);
    case HL_GO_N_IF:
    case HL_GO_N_WITH: return exec_if_or_with(r, n, dot);
    case HL_GO_N_RANGE: return exec_range(r, n, dot);
    case HL_GO_N_TEMPLATE: return exec_template(r, n, dot);
    case HL_GO_N_BREAK: return FLOW_BREAK;
    case HL_GO_N_CONTINUE: return FLOW_CONTINUE;
    default: return hl_go_fail(r, "not a statement") ? FLOW_NEXT : FLOW_FAIL;
    }
}

static flow exec_list(hl_go_run *r, const hl_go_node *first, hl_go_value dot) {
    flow f = FLOW_NEXT;
    if (!first) return FLOW_NEXT;
    if (!hl_go_enter(r)) return FLOW_FAIL;
    for (const hl_go_node *n = first; n && f == FLOW_NEXT; n = n->next) f = exec_one(r, n, dot);
    hl_go_leave(r);
    return f;
}

bool hl_go_exec(hl_go_run *r, const hl_go_node *first, hl_go_value dot) {
    return hl_go_push_var(r, (hl_view){"$", 1}, dot) && exec_list(r, first, dot) != FLOW_FAIL &&
           r->status == HL_OK;
}
