/* SPDX-License-Identifier: MIT
 *
 * go_funcs.h - the functions that templates can call, and how they take their arguments.
 */
#ifndef HL_GOTEMPLATE_GO_FUNCS_H
#define HL_GOTEMPLATE_GO_FUNCS_H

#include "engine/gotemplate/go_run.h"

typedef bool hl_go_fn(hl_go_run *r, const hl_go_value *args, size_t n, hl_go_value *ret);

/* What a parameter takes, one letter each: 'v' any value looked at as it is, 'i' any value as an interface,
 * 's' a string. A last letter in upper case takes any number of arguments, none too. */
struct hl_go_func {
    const char *name, *params;
    hl_go_fn   *fn; /* NULL: and, or, which do not evaluate all */
};

const hl_go_func *hl_go_func_find(hl_view name);

#define HL_GO_FUNC(name, params, fn) hl_go_fn fn;
#include "engine/gotemplate/go_funcs.def"
#undef HL_GO_FUNC

#endif
