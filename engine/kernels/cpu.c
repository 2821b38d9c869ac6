/* SPDX-License-Identifier: MIT
 *
 * cpu.c - what the processor says about itself: cpuid and xgetbv on x86, the auxiliary vector on Arm.
 *
 * A feature counts only when the operating system saves its registers, hence xgetbv.
 * from: Intel 64 and IA-32 Software Developer's Manual, volume 2, CPUID; Linux kernel documentation,
 * elf_hwcaps
 */
#include "engine/kernels/cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Which register files the operating system saves: bits 1,2 xmm and ymm; 5,6,7 masks and zmm. */
static uint32_t saved_state(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return low;
}

static bool has(uint32_t bits, int i) { return bits >> i & 1; }

uint32_t hl_cpu_features(void) {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    uint32_t a1 = 0, b1 = 0, c1 = 0, d1 = 0;
    uint32_t cpu = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    if (!has(c, 27)) return 0; /* OSXSAVE: xgetbv may be used */
    const uint32_t state = saved_state();
    const bool     fma_f16c = has(c, 12) && has(c, 29);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (a >= 1) (void)__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);

    const bool ymm = (state & 0x06) == 0x06;
    const bool zmm = (state & 0xE6) == 0xE6;
    if (ymm && fma_f16c && has(b, 5) && has(b, 8)) cpu |= HL_CPU_AVX2;
    if (!(cpu & HL_CPU_AVX2)) return cpu;
    if (has(a1, 4)) cpu |= HL_CPU_AVXVNNI;
    if (zmm && has(b, 16) && has(b, 17) && has(b, 30) && has(b, 31)) cpu |= HL_CPU_AVX512;
    if (!(cpu & HL_CPU_AVX512)) return cpu;
    if (has(c, 11)) cpu |= HL_CPU_AVX512VNNI;
    if (has(a1, 5)) cpu |= HL_CPU_AVX512BF16;
    return cpu;
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

uint32_t hl_cpu_features(void) {
    const unsigned long caps = getauxval(AT_HWCAP);
    const unsigned long caps2 = getauxval(AT_HWCAP2);
    uint32_t            cpu = 0;
    if (caps >> 1 & 1) cpu |= HL_CPU_NEON;     /* HWCAP_ASIMD */
    if (caps >> 20 & 1) cpu |= HL_CPU_DOTPROD; /* HWCAP_ASIMDDP */
    if (caps2 >> 13 & 1) cpu |= HL_CPU_I8MM;   /* HWCAP2_I8MM */
    return cpu;
}

#else
uint32_t hl_cpu_features(void) { return 0; }

#endif

static const struct {
    const char *name;
    uint32_t    needs;
} isas[HL_ISA_count] = {
#define HL_ISA(name, bits) [HL_ISA_##name] = {#name, bits},
#include "engine/kernels/isa.def"
#undef HL_ISA
};

uint32_t    hl_isa_needs(hl_isa isa) { return isas[isa].needs; }
const char *hl_isa_name(hl_isa isa) { return isas[isa].name; }

hl_status hl_cpu_mask(const char *name, uint32_t features, uint32_t *ret_features, hl_err *err) {
    static const char known[] = "auto"
#define HL_ISA(name, bits) " " #name
#include "engine/kernels/isa.def"
#undef HL_ISA
        ;
    if (!name || !*name || strcmp(name, "auto") == 0) {
        *ret_features = features;
        return HL_OK;
    }
    uint32_t allowed = 0; /* of this level and all before it in isa.def */
    for (int i = 0; i < HL_ISA_count; i++) {
        allowed |= isas[i].needs;
        if (strcmp(isas[i].name, name) != 0) continue;
        *ret_features = features & allowed;
        return HL_OK;
    }
    return hl_fail(err, HL_E_ARG, "cpu '%s' is unknown, expected one of: %s", name, known);
}
