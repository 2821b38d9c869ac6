/* SPDX-License-Identifier: MIT
 *
 * tmpl_methods.h - the functions behind methods.def.
 */
#ifndef HL_TEMPLATE_TMPL_METHODS_H
#define HL_TEMPLATE_TMPL_METHODS_H

#include "engine/template/tmpl_run.h"

#define HL_TMPL_METHOD(kind, name, fn, n_min, params) hl_tmpl_fn hl_tmpl_method_##fn;
#define HL_TMPL_REFUSED(kind, name)
#include "engine/template/methods.def"
#undef HL_TMPL_METHOD
#undef HL_TMPL_REFUSED

#endif
