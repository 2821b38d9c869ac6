/* SPDX-License-Identifier: MIT
 *
 * arch.c - find an architecture by name; the lines of weights.def as a table.
 */
#include "engine/arch/arch.h"

#include "core/base/str.h"

static const hl_arch *const all[] = {
#define HL_ARCH(name) &hl_arch_##name,
#include "engine/arch/archs.def"
#undef HL_ARCH
};

/* NONE where a line has fewer than three dimensions. */
#define SHAPE(a, b, c, ...)                                                                                  \
    { HL_DIM_##a, HL_DIM_##b, HL_DIM_##c }
const hl_weight_row hl_weight_rows[HL_W_count] = {
#define HL_WEIGHT(purpose, scope, part, name, ...)                                                           \
    {name, SHAPE(__VA_ARGS__, NONE, NONE, NONE), HL_SCOPE_##scope, HL_PART_##part},
#include "engine/arch/weights.def"
#undef HL_WEIGHT
};

const hl_arch *hl_arch_find(hl_view name) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (hl_view_is(name, all[i]->name)) return all[i];
    return NULL;
}
