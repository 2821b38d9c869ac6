/* SPDX-License-Identifier: MIT
 *
 * arch.c - find an architecture by name.
 */
#include "engine/arch/arch.h"

#include "core/base/str.h"

static const hl_arch *const all[] = {
#define HL_ARCH(name) &hl_arch_##name,
#include "engine/arch/archs.def"
#undef HL_ARCH
};

const hl_arch *hl_arch_find(hl_view name) {
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (hl_view_is(name, all[i]->name)) return all[i];
    return NULL;
}

const char *hl_arch_name_at(size_t i) { return i < sizeof all / sizeof all[0] ? all[i]->name : NULL; }
