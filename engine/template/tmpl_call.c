/* SPDX-License-Identifier: MIT
 *
 * tmpl_call.c - arguments, and calls of builtins, bound methods and macros.
 */
#include <string.h>

#include "engine/template/tmpl_int.h"

static void count_args(const hl_tmpl_node *first, size_t *ret_pos, size_t *ret_kw) {
    for (const hl_tmpl_node *n = first; n; n = n->next) {
        if (n->kind == HL_TMPL_NODE_KWARG)
            ++*ret_kw;
        else if (n->kind != HL_TMPL_NODE_STAR && n->kind != HL_TMPL_NODE_STARSTAR)
            ++*ret_pos;
    }
}

static bool add_star(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_args *c) {
    hl_tmpl_value v, *more = NULL;
    size_t        n_more = 0;
    if (!hl_tmpl_run_eval(r, n->a, &v) || !hl_tmpl_to_items(r, v, &more, &n_more)) return false;
    hl_tmpl_value *all = hl_tmpl_run_get(r, c->n_pos + n_more + 1, sizeof *all);
    if (!all) return false;
    if (c->n_pos) memcpy(all, c->pos, c->n_pos * sizeof *all);
    if (n_more) memcpy(all + c->n_pos, more, n_more * sizeof *all);
    c->pos = all;
    c->n_pos += n_more;
    return true;
}

static bool add_star_star(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_args *c) {
    hl_tmpl_value v;
    if (!hl_tmpl_run_eval(r, n->a, &v)) return false;
    if (v.kind != HL_TMPL_VALUE_DICT)
        return hl_tmpl_run_fail(r, "'**' needs a dict, found %s", hl_tmpl_type_name(v));
    hl_tmpl_var *all = hl_tmpl_run_get(r, c->n_kw + v.u.dict->n + 1, sizeof *all);
    if (!all) return false;
    if (c->n_kw) memcpy(all, c->kw, c->n_kw * sizeof *all);
    for (size_t i = 0; i < v.u.dict->n; i++) {
        const hl_tmpl_entry *e = &v.u.dict->entries[i];
        hl_tmpl_symbol      *sym = hl_tmpl_run_get(r, 1, sizeof *sym);
        if (!sym || !hl_tmpl_is_str(e->key)) return hl_tmpl_run_fail(r, "a name of '**' must be a string");
        sym->text = hl_tmpl_view(e->key);
        all[c->n_kw++] =
            (hl_tmpl_var){sym, e->value}; /* not the template's own of that spelling: it may be printed */
    }
    c->kw = all;
    return true;
}

bool hl_tmpl_run_eval_args(hl_tmpl_run *r, const hl_tmpl_node *first, hl_tmpl_args *c) {
    size_t n_pos = 0, n_kw = 0;
    if (!first) return true;
    count_args(first, &n_pos, &n_kw);
    hl_tmpl_value *pos = n_pos ? hl_tmpl_run_get(r, n_pos, sizeof *pos) : NULL;
    hl_tmpl_var   *kw = n_kw ? hl_tmpl_run_get(r, n_kw, sizeof *kw) : NULL;
    if ((n_pos && !pos) || (n_kw && !kw)) return false;
    c->pos = pos;
    c->kw = kw;
    for (const hl_tmpl_node *n = first; n; n = n->next) {
        if (n->kind == HL_TMPL_NODE_STAR || n->kind == HL_TMPL_NODE_STARSTAR) continue;
        if (n->kind == HL_TMPL_NODE_KWARG) {
            kw[c->n_kw].name = n->sym;
            if (!hl_tmpl_run_eval(r, n->a, &kw[c->n_kw++].value)) return false;
        } else if (!hl_tmpl_run_eval(r, n, &pos[c->n_pos++])) {
            return false;
        }
    }
    for (const hl_tmpl_node *n = first; n; n = n->next) {
        if (n->kind == HL_TMPL_NODE_STAR && !add_star(r, n, c)) return false;
        if (n->kind == HL_TMPL_NODE_STARSTAR && !add_star_star(r, n, c)) return false;
    }
    return true;
}

/* The next name of "a,b,c"; moves *p behind it. */
static hl_view next_param(const char **p) {
    const char *begin = *p;
    while (**p && **p != ',') ++*p;
    const hl_view v = {begin, (size_t)(*p - begin)};
    if (**p) ++*p;
    return v;
}

static bool bind(hl_tmpl_run *r, const hl_tmpl_builtin *def, const char *params, hl_tmpl_args *c) {
    size_t n = 0, n_named = 0;
    if (params[0] == '/' && c->n_kw) return hl_tmpl_run_fail(r, "'%s' takes no named arguments", def->name);
    for (const char *p = params + (params[0] == '/'); *p; n++) {
        const hl_view name = next_param(&p);
        if (n < c->n_pos) c->a[n] = c->pos[n];
        for (size_t k = 0; k < c->n_kw; k++) {
            if (!hl_view_eq(c->kw[k].name->text, name)) continue;
            if (n < c->n_pos)
                return hl_tmpl_run_fail(r, "'%s' got two values for '%.*s'", def->name, (int)name.len,
                                        name.ptr);
            c->a[n] = c->kw[k].value;
            n_named++;
        }
        if (n < def->n_min && c->a[n].kind == HL_TMPL_VALUE_MISSING)
            return hl_tmpl_run_fail(r, "'%s' needs the argument '%.*s'", def->name, (int)name.len, name.ptr);
    }
    if (c->n_pos > n)
        return hl_tmpl_run_fail(r, "'%s' takes at most %zu arguments, found %zu", def->name, n, c->n_pos);
    if (n_named < c->n_kw)
        return hl_tmpl_run_fail(r, "'%s' got a named argument that it does not have", def->name);
    return true;
}

bool hl_tmpl_gen_ask(hl_tmpl_run *r, hl_tmpl_seq *gen) {
    struct hl_tmpl_pending *p = gen->pending;
    hl_tmpl_value           got;
    gen->pending = NULL;
    if (!hl_tmpl_run_enter(r)) return false;
    const bool ok = p->def->fn(r, &p->args, &got);
    hl_tmpl_run_leave(r);
    if (!ok) return false;
    gen->items = got.u.seq->items;
    gen->n = got.u.seq->n;
    return true;
}

bool hl_tmpl_run_call_builtin(hl_tmpl_run *r, const hl_tmpl_builtin *def, hl_tmpl_args *c,
                              hl_tmpl_value *ret) {
    const bool  is_gen = def->params[0] == '~';
    const char *params = def->params + is_gen;
    if (!hl_tmpl_run_steps(r, 1)) return false;
    if (params[0] != '*' && !bind(r, def, params, c)) return false;
    if (c->n_pos < def->n_min && params[0] == '*')
        return hl_tmpl_run_fail(r, "'%s' needs at least %d arguments", def->name, def->n_min);
    if (!is_gen) return def->fn(r, c, ret);
    struct hl_tmpl_pending *p = hl_tmpl_run_get(r, 1, sizeof *p);
    if (!p || !hl_tmpl_new_seq(r, HL_TMPL_VALUE_GEN, 0, ret)) return false;
    *p = (struct hl_tmpl_pending){def, *c};
    ret->u.seq->pending = p;
    return true;
}

bool hl_tmpl_run_call_method(hl_tmpl_run *r, const hl_tmpl_builtin *def, hl_tmpl_args *c,
                             hl_tmpl_value *ret) {
    const bool is_markup = c->self.kind == HL_TMPL_VALUE_STR && (c->self.flags & HL_TMPL_FLAG_MARKUP);
    return is_markup ? hl_tmpl_markup_call(r, def, c, ret) : hl_tmpl_run_call_builtin(r, def, c, ret);
}

/* The named arguments of a call to a macro, by name. */
typedef struct named {
    hl_tmpl_dict *places; /* name -> place in kw */
    bool         *taken;  /* [n_kw] by a parameter */
} named;

static bool index_named(hl_tmpl_run *r, const hl_tmpl_args *c, named *ret) {
    hl_tmpl_value places;
    *ret = (named){0};
    if (c->n_kw == 0) return true;
    if (!hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, c->n_kw, &places) ||
        !(ret->taken = hl_tmpl_run_get(r, c->n_kw, sizeof(bool))))
        return false;
    ret->places = places.u.dict;
    for (size_t k = 0; k < c->n_kw; k++)
        if (!hl_tmpl_dict_put(r, ret->places, hl_tmpl_str(c->kw[k].name->text), hl_tmpl_int((int64_t)k)))
            return false;
    return true;
}

/* Values for the parameters: given by position, by name, by default, or undefined. Defaults see the
 * parameters before them. */
static bool bind_params(hl_tmpl_run *r, const hl_tmpl_macro *m, const hl_tmpl_args *c, named *by_name,
                        hl_tmpl_scope *scope, size_t *ret_n) {
    size_t i = 0;
    for (const hl_tmpl_node *p = m->node->a; p; p = p->next, i++) {
        hl_tmpl_value        value = {0};
        const hl_tmpl_value *place =
            by_name->places ? hl_tmpl_dict_find_text(r, by_name->places, p->sym->text) : NULL;
        if (i < c->n_pos) {
            value = c->pos[i]; /* one of the same name is left for kwargs, or too many */
        } else if (place) {
            value = c->kw[place->u.i].value;
            by_name->taken[place->u.i] = true;
        }
        if (value.kind == HL_TMPL_VALUE_MISSING) {
            value = hl_tmpl_undefined(p->sym->text);
            if (p->a && !hl_tmpl_run_eval(r, p->a, &value)) return false;
        }
        if (!hl_tmpl_run_steps(r, 1) || !hl_tmpl_scope_set(r, scope, p->sym, value)) return false;
    }
    *ret_n = i;
    return true;
}

static bool is_param(const hl_tmpl_node *macro, hl_view name) {
    for (const hl_tmpl_node *p = macro->a; p; p = p->next)
        if (hl_view_eq(p->sym->text, name)) return true;
    return false;
}

/* What the parameters did not take: caller, varargs, kwargs, or an error. */
static bool bind_rest(hl_tmpl_run *r, const hl_tmpl_macro *m, const hl_tmpl_args *c, const named *by_name,
                      hl_tmpl_scope *scope, size_t n_params) {
    const hl_tmpl_node *n = m->node;
    hl_tmpl_value       kwargs = {0}, varargs, caller = hl_tmpl_undefined(r->t->sym_caller->text);
    if ((n->flags & HL_TMPL_NODE_USES_KWARGS) && !hl_tmpl_new_dict(r, HL_TMPL_VALUE_DICT, c->n_kw, &kwargs))
        return false;
    for (size_t k = 0; k < c->n_kw; k++) {
        const hl_view name = c->kw[k].name->text;
        if (by_name->taken[k]) continue;
        if (hl_view_is(name, "caller") && (n->flags & HL_TMPL_NODE_USES_CALLER)) {
            caller = c->kw[k].value;
        } else if (n->flags & HL_TMPL_NODE_USES_KWARGS) {
            if (!hl_tmpl_dict_put(r, kwargs.u.dict, hl_tmpl_str(name), c->kw[k].value)) return false;
        } else {
            return hl_tmpl_run_fail(r,
                                    is_param(n, name) ? "macro '%.*s' got two values for '%.*s'"
                                                      : "macro '%.*s' takes no argument '%.*s'",
                                    HL_TMPL_ARG(n->sym->text), HL_TMPL_ARG(name));
        }
    }
    const size_t n_more = c->n_pos > n_params ? c->n_pos - n_params : 0;
    if (n_more && !(n->flags & HL_TMPL_NODE_USES_VARARGS))
        return hl_tmpl_run_fail(r, "macro '%.*s' takes at most %zu arguments, found %zu",
                                HL_TMPL_ARG(n->sym->text), n_params, c->n_pos);
    if ((n->flags & HL_TMPL_NODE_USES_CALLER) && !(n->flags & HL_TMPL_NODE_HAS_CALLER) &&
        !hl_tmpl_scope_set(r, scope, r->t->sym_caller, caller))
        return false;
    if ((n->flags & HL_TMPL_NODE_USES_KWARGS) && !hl_tmpl_scope_set(r, scope, r->t->sym_kwargs, kwargs))
        return false;
    if (!(n->flags & HL_TMPL_NODE_USES_VARARGS)) return true;
    if (!hl_tmpl_new_seq(r, HL_TMPL_VALUE_TUPLE, n_more, &varargs)) return false;
    if (n_more) memcpy(varargs.u.seq->items, c->pos + n_params, n_more * sizeof(hl_tmpl_value));
    return hl_tmpl_scope_set(r, scope, r->t->sym_varargs, varargs);
}

static bool call_macro(hl_tmpl_run *r, const hl_tmpl_macro *m, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (!hl_tmpl_run_enter(r)) return false;
    hl_tmpl_scope *outer = r->scope;
    hl_tmpl_scope *scope = hl_tmpl_scope_new(r, m->scope);
    const uint32_t line = r->line;
    size_t         n_params = 0;
    named          by_name;
    r->scope = scope;
    const bool ok =
        scope && index_named(r, c, &by_name) && bind_params(r, m, c, &by_name, scope, &n_params) &&
        bind_rest(r, m, c, &by_name, scope, n_params) && hl_tmpl_run_capture(r, scope, m->node->d, ret);
    r->scope = outer;
    if (ok) r->line = line;
    hl_tmpl_run_leave(r);
    return ok;
}

static bool call_stateful(hl_tmpl_run *r, hl_tmpl_value callee, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    hl_tmpl_seq *s = callee.u.seq;
    if (c->n_pos || c->n_kw || callee.kind == HL_TMPL_VALUE_CYCLER)
        return hl_tmpl_run_fail(r, "object is not callable");
    *ret = s->i_next++ ? s->items[0] : hl_tmpl_str((hl_view){"", 0}); /* a joiner is silent the first time */
    return true;
}

/* self.name(): blocks see the outermost names only. */
static bool call_block(hl_tmpl_run *r, const hl_tmpl_node *block, const hl_tmpl_args *c, hl_tmpl_value *ret) {
    if (c->n_pos || c->n_kw) return hl_tmpl_run_fail(r, "a block takes no arguments");
    if (!hl_tmpl_run_enter(r)) return false;
    hl_tmpl_scope *scope = hl_tmpl_scope_new(r, r->root);
    const bool     ok = scope && hl_tmpl_run_capture(r, scope, block->d, ret);
    hl_tmpl_run_leave(r);
    return ok;
}

bool hl_tmpl_run_call(hl_tmpl_run *r, hl_tmpl_value callee, hl_tmpl_args *c, hl_tmpl_value *ret) {
    switch ((hl_tmpl_value_kind)callee.kind) {
    case HL_TMPL_VALUE_MACRO: return call_macro(r, callee.u.macro, c, ret);
    case HL_TMPL_VALUE_BUILTIN: return hl_tmpl_run_call_builtin(r, callee.u.def, c, ret);
    case HL_TMPL_VALUE_METHOD:
        c->self = callee.u.bound->self;
        return hl_tmpl_run_call_method(r, callee.u.bound->def, c, ret);
    case HL_TMPL_VALUE_JOINER:
    case HL_TMPL_VALUE_CYCLER: return call_stateful(r, callee, c, ret);
    case HL_TMPL_VALUE_UNDEFINED: return hl_tmpl_run_fail_undefined(r, callee);
    case HL_TMPL_VALUE_BLOCK: return call_block(r, callee.u.node, c, ret);
    case HL_TMPL_VALUE_LOOP:
        if (c->n_pos != 1 || c->n_kw)
            return hl_tmpl_run_fail(r, "loop() takes 1 argument, found %zu", c->n_pos + c->n_kw);
        return hl_tmpl_run_loop_again(r, callee.u.loop, c->pos[0], ret);
    default: return hl_tmpl_run_fail(r, "%s is not callable", hl_tmpl_type_name(callee));
    }
}

bool hl_tmpl_arg_int(hl_tmpl_run *r, hl_tmpl_value v, const char *what, int64_t if_missing, int64_t *ret) {
    *ret = if_missing;
    if (v.kind == HL_TMPL_VALUE_MISSING) return true;
    if (!hl_tmpl_is_integer(v))
        return hl_tmpl_run_fail(r, "'%s' must be an integer, found %s", what, hl_tmpl_type_name(v));
    *ret = hl_tmpl_int_clamp(v);
    return true;
}

bool hl_tmpl_arg_str(hl_tmpl_run *r, hl_tmpl_value v, const char *what, hl_view *ret) {
    if (!hl_tmpl_is_str(v))
        return hl_tmpl_run_fail(r, "'%s' must be a string, found %s", what, hl_tmpl_type_name(v));
    *ret = hl_tmpl_view(v);
    return true;
}
