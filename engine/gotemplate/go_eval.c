/* SPDX-License-Identifier: MIT
 *
 * go_eval.c - expressions: pipelines, commands, variables, fields, methods, calls.
 *
 * Three rules of Go that decide most cases: the value of a pipeline is looked through (nil becomes no value);
 * an argument is not; and a key that a map does not have is the zero of its elements.
 */
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/gotemplate/go_funcs.h"

enum { MAX_VARS = 100000, MAX_ARGS = 10000, FEW_ARGS = 4 };

/* ---- Variables ---- */

bool hl_go_push_var(hl_go_run *r, hl_view name, hl_go_value value) {
    if (r->status != HL_OK) return false;
    if (r->n_vars >= MAX_VARS) return hl_go_fail_limit(r, "too many variables");
    if (r->n_vars == r->vars_cap) {
        const size_t cap = r->vars_cap ? 2 * r->vars_cap : 32;
        hl_go_var   *more = hl_resize(r->vars, cap, sizeof *more);
        if (!more) {
            r->status = hl_fail(r->err, HL_E_NOMEM, "template: no memory");
            return false;
        }
        r->vars = more;
        r->vars_cap = cap;
    }
    r->vars[r->n_vars++] = (hl_go_var){name, value};
    return true;
}

static hl_go_var *find_var(hl_go_run *r, hl_view name) {
    if (!hl_go_steps(r, (r->n_vars - r->vars_from) / 16)) return NULL;
    for (size_t i = r->n_vars; i-- > r->vars_from;)
        if (hl_view_eq(r->vars[i].name, name)) return &r->vars[i];
    (void)hl_go_fail(r, "variable %.*s has no value here: expected its declaration on the way", (int)name.len,
                     name.ptr);
    return NULL;
}

bool hl_go_set_var(hl_go_run *r, hl_view name, hl_go_value value) {
    hl_go_var *v = find_var(r, name);
    if (v) v->value = value;
    return v != NULL;
}

/* ---- Fields and methods ---- */

/* A method without parameters; *ret_found false: the type has none of this name. */
static bool call_method(hl_go_run *r, hl_go_value of, hl_view name, bool *ret_found, hl_go_value *ret) {
    const unsigned methods = of.type->methods;
    *ret_found = true;
    if (methods & HL_GO_M_STRING && hl_view_is(name, "String")) return hl_go_call_string(r, of, ret);
    if (methods & HL_GO_M_TYPESCRIPT && hl_view_is(name, "ToTypeScriptType")) {
        const size_t mark = hl_go_begin(r);
        return hl_go_typescript_type(r, &r->scratch, of) && hl_go_end(r, mark, ret);
    }
    if (methods & HL_GO_M_ORDERED) {
        const hl_go_value map = of.type->kind == HL_GO_MAP ? of
                                : of.u.to                  ? *of.u.to
                                                           : hl_go_zero(&hl_go_type_ordered);
        *ret = map;
        if (hl_view_is(name, "Len")) return *ret = hl_go_int((int64_t)hl_go_len(map)), true;
        if (hl_view_is(name, "ToMap")) return ret->type = &hl_go_type_property_map, true;
        if (hl_view_is(name, "All")) return ret->type = &hl_go_type_property_seq, true;
    }
    *ret_found = false;
    return true;
}

static bool get_struct_field(hl_go_run *r, hl_go_value of, hl_view name, hl_go_value *ret) {
    for (size_t i = 0; i < of.type->n_fields; i++) {
        if (!hl_view_is(name, of.type->fields[i].name)) continue;
        *ret = of.u.fields ? of.u.fields[i] : hl_go_zero(of.type->fields[i].type);
        return true;
    }
    return hl_go_fail(r, "%s has no field %.*s", of.type->name, (int)(name.len < 60 ? name.len : 60),
                      name.ptr);
}

static bool get_field(hl_go_run *r, hl_go_value of, hl_view name, bool has_args, hl_go_value *ret) {
    const hl_go_type *type = of.type;
    bool              is_method = false;
    *ret = hl_go_invalid();
    if (hl_go_kind_of(of) == HL_GO_INVALID) return true;
    while (hl_go_kind_of(of) == HL_GO_POINTER && of.u.to) of = *of.u.to;
    if (hl_go_kind_of(of) == HL_GO_NIL)
        return hl_go_fail(r, "field %.*s of nil", (int)(name.len < 60 ? name.len : 60), name.ptr);
    if (!call_method(r, of, name, &is_method, ret)) return false;
    if (has_args && (is_method || of.type->kind == HL_GO_MAP || of.type->kind == HL_GO_STRUCT))
        return hl_go_fail(r, "arguments for %.*s, which takes none", (int)(name.len < 60 ? name.len : 60),
                          name.ptr);
    if (is_method) return true;
    if (of.type->kind == HL_GO_STRUCT) return get_struct_field(r, of, name, ret);
    if (of.type->kind != HL_GO_MAP)
        return hl_go_fail(r, "field %.*s of %s: expected a map or a struct",
                          (int)(name.len < 60 ? name.len : 60), name.ptr, type->name);
    const hl_go_value *v = hl_go_map_find(of.u.map, name);
    *ret = v ? *v : hl_go_zero(of.type->elem);
    return true;
}

static bool get_fields(hl_go_run *r, const hl_go_node *n, hl_go_value of, bool has_args, hl_go_value *ret) {
    for (size_t i = 0; i < n->n_names; i++) {
        if (!get_field(r, of, n->names[i], has_args && i + 1 == n->n_names, &of)) return false;
    }
    *ret = of;
    return true;
}

/* ---- Operands ---- */

static bool call(hl_go_run *r, const hl_go_node *n, const hl_go_node *args, hl_go_value dot,
                 const hl_go_value *final, hl_go_value *ret);

/* What stands at n, as it is: interfaces are not looked through. */
static bool eval_operand(hl_go_run *r, const hl_go_node *n, hl_go_value dot, bool has_args,
                         hl_go_value *ret) {
    hl_go_value v;
    r->at = n->at;
    switch (n->kind) {
    case HL_GO_N_DOT: *ret = dot; return true;
    case HL_GO_N_LITERAL: *ret = *n->literal; return true;
    case HL_GO_N_FIELD: return get_fields(r, n, dot, has_args, ret);
    case HL_GO_N_VARIABLE: {
        const hl_go_var *var = find_var(r, n->text);
        return var && get_fields(r, n, var->value, has_args, ret);
    }
    case HL_GO_N_PIPE: return hl_go_eval_pipe(r, n, dot, ret);
    case HL_GO_N_CALL: return call(r, n, NULL, dot, NULL, ret);
    case HL_GO_N_CHAIN:
        if (!eval_operand(r, n->pipe, dot, false, &v)) return false;
        r->at = n->at;
        return get_fields(r, n, v, has_args, ret);
    default: return hl_go_fail(r, "nil is not a value here");
    }
}

/* ---- Calls ---- */

static char param_at(const hl_go_func *f, size_t i) {
    const size_t n = strlen(f->params);
    const char   last = n ? f->params[n - 1] : 0;
    if (last >= 'A' && last <= 'Z' && i + 1 >= n) return (char)(last + 32);
    return i < n ? f->params[i] : 0;
}

static bool check_n_args(hl_go_run *r, const hl_go_func *f, size_t n) {
    const size_t n_params = strlen(f->params);
    const bool   is_variadic = n_params && f->params[n_params - 1] < 'a';
    if (is_variadic && n + 1 < n_params)
        return hl_go_fail(r, "%s has %zu argument%s: expected at least %zu", f->name, n, n == 1 ? "" : "s",
                          n_params - 1);
    if (!is_variadic && n != n_params)
        return hl_go_fail(r, "%s has %zu argument%s: expected %zu", f->name, n, n == 1 ? "" : "s", n_params);
    return true;
}

/* Make a value fit a parameter. */
static bool fit_param(hl_go_run *r, char param, const char *function, hl_go_value *v) {
    const hl_go_kind kind = hl_go_kind_of(*v);
    if (param == 'v' && kind == HL_GO_NIL) *v = hl_go_invalid();
    if (param == 'i' && kind == HL_GO_INVALID) *v = hl_go_nil();
    if (param == 's' && kind != HL_GO_STRING)
        return hl_go_fail(r, "%s: expected a string, found %s", function,
                          v->type ? v->type->name : "no value");
    return true;
}

static bool eval_arg(hl_go_run *r, const hl_go_func *f, char param, const hl_go_node *n, hl_go_value dot,
                     hl_go_value *ret) {
    r->at = n->at;
    if (n->kind == HL_GO_N_NIL)
        *ret = hl_go_nil();
    else if (!eval_operand(r, n, dot, false, ret))
        return false;
    return fit_param(r, param, f->name, ret);
}

/* and, or: the first argument that decides, else the last. */
static bool call_logic(hl_go_run *r, const hl_go_func *f, const hl_go_node *args, hl_go_value dot,
                       const hl_go_value *final, hl_go_value *ret) {
    const bool stops_at = f->name[0] == 'o';
    *ret = hl_go_invalid();
    for (; args; args = args->next) {
        if (!eval_arg(r, f, 'v', args, dot, ret)) return false;
        if (hl_go_truth(*ret) == stops_at) return true;
    }
    if (final) *ret = hl_go_through(*final);
    return true;
}

/* args: the first argument, NULL for none; final: what the pipeline adds behind them, NULL for nothing. */
static bool call(hl_go_run *r, const hl_go_node *n, const hl_go_node *args, hl_go_value dot,
                 const hl_go_value *final, hl_go_value *ret) {
    const hl_go_func *f = n->func;
    size_t            n_args = final ? 1 : 0;
    r->at = n->at;
    for (const hl_go_node *a = args; a; a = a->next) n_args++;
    if (n_args > MAX_ARGS) return hl_go_fail_limit(r, "too many arguments");
    if (!check_n_args(r, f, n_args) || !hl_go_steps(r, 1 + n_args)) return false;
    if (!f->fn) return call_logic(r, f, args, dot, final, ret);
    hl_go_value  few[FEW_ARGS];
    hl_go_value *values = n_args <= FEW_ARGS ? few : hl_go_get(r, n_args, sizeof *values);
    size_t       i = 0;
    if (!values) return false;
    for (const hl_go_node *a = args; a; a = a->next, i++)
        if (!eval_arg(r, f, param_at(f, i), a, dot, &values[i])) return false;
    if (final) {
        values[i] = *final;
        if (!fit_param(r, param_at(f, i), f->name, &values[i])) return false;
    }
    r->at = n->at;
    return f->fn(r, values, n_args, ret);
}

/* ---- Commands and pipelines ---- */

static bool eval_command(hl_go_run *r, const hl_go_node *c, hl_go_value dot, const hl_go_value *final,
                         hl_go_value *ret) {
    const hl_go_node *n = c->first;
    const bool        has_args = n->next || final;
    if (n->kind == HL_GO_N_CALL) return call(r, n, n->next, dot, final, ret);
    r->at = n->at;
    if (n->kind == HL_GO_N_NIL) return hl_go_fail(r, "nil is not a command");
    const bool may_call = n->kind == HL_GO_N_FIELD || n->kind == HL_GO_N_CHAIN ||
                          (n->kind == HL_GO_N_VARIABLE && n->n_names > 0);
    if (has_args && !may_call) return hl_go_fail(r, "arguments for something that is not a function");
    return eval_operand(r, n, dot, has_args, ret);
}

bool hl_go_eval_pipe(hl_go_run *r, const hl_go_node *pipe, hl_go_value dot, hl_go_value *ret) {
    hl_go_value v = hl_go_invalid();
    if (!hl_go_enter(r)) return false;
    for (const hl_go_node *c = pipe->first; c; c = c->next) {
        const hl_go_value final = v;
        if (!eval_command(r, c, dot, c == pipe->first ? NULL : &final, &v)) return false;
        v = hl_go_through(v);
    }
    hl_go_leave(r);
    for (size_t i = 0; i < pipe->n_vars; i++) {
        const bool ok =
            pipe->is_assign ? hl_go_set_var(r, pipe->names[i], v) : hl_go_push_var(r, pipe->names[i], v);
        if (!ok) return false;
    }
    *ret = v;
    return true;
}
