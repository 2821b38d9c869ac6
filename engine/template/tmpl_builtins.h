/* SPDX-License-Identifier: MIT
 *
 * tmpl_builtins.h - the functions behind filters.def, tests.def and globals.def.
 */
#ifndef HL_TEMPLATE_TMPL_BUILTINS_H
#define HL_TEMPLATE_TMPL_BUILTINS_H

#include "engine/template/tmpl_run.h"

#define HL_TMPL_FILTER(name, fn, n_min, params) hl_tmpl_fn hl_tmpl_filter_##fn;
#include "engine/template/filters.def"
#undef HL_TMPL_FILTER
#define HL_TMPL_TEST(name, fn, n_min, params) hl_tmpl_fn hl_tmpl_test_##fn;
#include "engine/template/tests.def"
#undef HL_TMPL_TEST
#define HL_TMPL_GLOBAL(name, fn, n_min, params) hl_tmpl_fn hl_tmpl_global_##fn;
#include "engine/template/globals.def"
#undef HL_TMPL_GLOBAL

/* tmpl_json.c: Python's json.dumps. */
bool hl_tmpl_write_json(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v, const hl_tmpl_args *c);

/* tmpl_time.c: strftime of local time, English names. */
bool hl_tmpl_strftime(hl_tmpl_run *r, hl_view format, hl_tmpl_value *ret);

#endif
