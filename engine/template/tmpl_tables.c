/* SPDX-License-Identifier: MIT
 *
 * tmpl_tables.c - finding filters, tests and globals by name.
 */
#include "core/base/str.h"
#include "engine/template/tmpl_builtins.h"

static const hl_tdef filters[] = {
#define HL_TMPL_FILTER(name, fn, n_min, params) {name, hl_tfilter_##fn, n_min, params},
#include "engine/template/filters.def"
#undef HL_TMPL_FILTER
};

static const hl_tdef tests[] = {
#define HL_TMPL_TEST(name, fn, n_min, params) {name, hl_ttest_##fn, n_min, params},
#include "engine/template/tests.def"
#undef HL_TMPL_TEST
};

static const hl_tdef globals[] = {
#define HL_TMPL_GLOBAL(name, fn, n_min, params) {name, hl_tglobal_##fn, n_min, params},
#include "engine/template/globals.def"
#undef HL_TMPL_GLOBAL
};

static const hl_tdef *find(const hl_tdef *table, size_t n, hl_view name) {
    for (size_t i = 0; i < n; i++)
        if (hl_view_is(name, table[i].name)) return &table[i];
    return NULL;
}

const hl_tdef *hl_tfilter_find(hl_view name) {
    return find(filters, sizeof filters / sizeof filters[0], name);
}
const hl_tdef *hl_ttest_find(hl_view name) { return find(tests, sizeof tests / sizeof tests[0], name); }
const hl_tdef *hl_tglobal_find(hl_view name) {
    return find(globals, sizeof globals / sizeof globals[0], name);
}
