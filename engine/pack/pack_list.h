/* SPDX-License-Identifier: MIT
 *
 * pack_list.h - every packer's declaration.
 */
#ifndef HL_ENGINE_PACK_PACK_LIST_H
#define HL_ENGINE_PACK_PACK_LIST_H

#include "engine/pack/packers.h"

#define HL_PACKER(type)                                                                                      \
    hl_pack_fn hl_pack_##type##_scalar;                                                                      \
    hl_pack_fn hl_pack_##type##_avx2;                                                                        \
    hl_pack_fn hl_pack_##type##_avx512;
#include "engine/pack/packers.def"
#undef HL_PACKER

#endif
