/* SPDX-License-Identifier: MIT
 *
 * tmpl_tables.c - finding filters, tests and globals by name.
 */
#include "core/base/str.h"
#include "engine/template/tmpl_builtins.h"

static const hl_tmpl_builtin filters[] = {
#define HL_TMPL_FILTER(name, fn, n_min, params) {name, hl_tmpl_filter_##fn, n_min, params},
#include "engine/template/filters.def"
#undef HL_TMPL_FILTER
};

static const hl_tmpl_builtin tests[] = {
#define HL_TMPL_TEST(name, fn, n_min, params) {name, hl_tmpl_test_##fn, n_min, params},
#include "engine/template/tests.def"
#undef HL_TMPL_TEST
};

static const hl_tmpl_builtin globals[] = {
#define HL_TMPL_GLOBAL(name, fn, n_min, params) {name, hl_tmpl_global_##fn, n_min, params},
#include "engine/template/globals.def"
#undef HL_TMPL_GLOBAL
};

static const hl_tmpl_builtin *find(const hl_tmpl_builtin *table, size_t n, hl_view name) {
    for (size_t i = 0; i < n; i++)
        if (hl_view_is(name, table[i].name)) return &table[i];
    return NULL;
}

const hl_tmpl_builtin *hl_tmpl_filter_find(hl_view name) {
    return find(filters, sizeof filters / sizeof filters[0], name);
}
const hl_tmpl_builtin *hl_tmpl_test_find(hl_view name) {
    return find(tests, sizeof tests / sizeof tests[0], name);
}
const hl_tmpl_builtin *hl_tmpl_global_find(hl_view name) {
    return find(globals, sizeof globals / sizeof globals[0], name);
}
