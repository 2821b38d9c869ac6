/* SPDX-License-Identifier: MIT
 *
 * cpu.h - what this processor can do, as bits.
 */
#ifndef HL_ENGINE_KERNELS_CPU_H
#define HL_ENGINE_KERNELS_CPU_H

#include "hyperlama/base.h"

enum {
    HL_CPU_AVX2 = 1 << 0,    /* AVX2, FMA, F16C, BMI2; the operating system saves ymm */
    HL_CPU_AVXVNNI = 1 << 1, /* 256-bit vpdpbusd in the VEX encoding */
    HL_CPU_AVX512 = 1 << 2,  /* F, BW, DQ, VL; the operating system saves zmm */
    HL_CPU_AVX512VNNI = 1 << 3,
    HL_CPU_AVX512BF16 = 1 << 4,
    HL_CPU_NEON = 1 << 5,
    HL_CPU_DOTPROD = 1 << 6,
    HL_CPU_I8MM = 1 << 7,
};

/* The names of isa.def, as an enum. */
typedef enum hl_isa {
#define HL_ISA(name, bits) HL_ISA_##name,
#include "engine/kernels/isa.def"
#undef HL_ISA
    HL_ISA_count
} hl_isa;

uint32_t    hl_cpu_features(void); /* of the machine; constant while the program runs */
uint32_t    hl_isa_needs(hl_isa isa);
const char *hl_isa_name(hl_isa isa);

/* Feature bits for --cpu=NAME: those of the machine, limited to what NAME stands for (and everything
 * below it). fails HL_E_ARG with the list of names; "" and "auto" mean everything. */
HL_MUST_CHECK hl_status hl_cpu_mask(const char *name, uint32_t features, uint32_t *ret_features, hl_err *err);

#endif
