/* SPDX-License-Identifier: MIT
 *
 * test_select.c - which kernels a processor gets: those of the last line that it can run, and what it can run
 * is what the system says of it.
 */
#include "tests/kernels/kernel_test.h"

/* The kernel that must have been chosen for an operation and type: the last of the table whose needs are
 * met. */
static const kernel *last_of(const char *op, int type, uint32_t cpu) {
    const kernel *best = NULL;
    for (size_t i = 0; i < sizeof kernel_table / sizeof kernel_table[0]; i++) {
        const kernel *k = &kernel_table[i];
        if (strcmp(k->op, op) == 0 && k->type == type && (hl_isa_needs(k->isa) & ~cpu) == 0) best = k;
    }
    return best;
}

static void check_choice(const char *op, int type, uint32_t cpu, void (*fn)(void), const char *isa) {
    const kernel *want = last_of(op, type, cpu);
    if (!want) {
        assert_null(fn);
        return;
    }
    if (fn != want->fn) fail_msg("%s for features %x: another kernel than %s", op, cpu, want->name);
    assert_string_equal(isa, hl_isa_name(want->isa));
}

static void each_processor_gets_the_last_kernels_that_it_can_run(void **state) {
    (void)state;
    for (int i = 0; i <= HL_ISA_count; i++) {
        const uint32_t cpu = i == HL_ISA_count ? hl_cpu_features() : hl_isa_needs((hl_isa)i);
        hl_kernels     k;
        hl_kernels_select(cpu, &k);
        assert_int_equal(k.cpu, cpu);
        for (int t = 0; t < HL_TYPE_count; t++) {
            check_choice("gemv", t, cpu, (void (*)(void))k.gemv[t], k.isa_of_gemv[t]);
            check_choice("unpack", t, cpu, (void (*)(void))k.unpack[t], k.isa_of_unpack[t]);
        }
        check_choice("gemm_panel", -1, cpu, (void (*)(void))k.gemm_panel, k.isa_of_gemm_panel);
#define HL_VEC_OP(name) check_choice(#name, -1, cpu, (void (*)(void))k.name, k.isa_of_##name);
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
    }
}

#if defined(__x86_64__)
static bool says(const char *line, const char *word) {
    const size_t n = strlen(word);
    for (const char *p = line; (p = strstr(p, word)) != NULL; p += n)
        if (p[-1] == ' ' && (p[n] == ' ' || p[n] == '\n')) return true;
    return false;
}

static void features_are_those_that_the_system_reports(void **state) {
    (void)state;
    static char line[16384];
    FILE       *f = fopen("/proc/cpuinfo", "r");
    bool        found = false;
    while (f && !found && fgets(line, sizeof line, f)) found = strncmp(line, "flags", 5) == 0;
    if (f) (void)fclose(f);
    if (!found) skip_because("no /proc/cpuinfo");
    const uint32_t cpu = hl_cpu_features();
    const bool     avx2 = says(line, "avx2") && says(line, "fma") && says(line, "f16c") && says(line, "bmi2");
    const bool avx512 = avx2 && says(line, "avx512f") && says(line, "avx512bw") && says(line, "avx512dq") &&
                        says(line, "avx512vl");
    assert_int_equal((cpu & HL_CPU_AVX2) != 0, avx2);
    assert_int_equal((cpu & HL_CPU_AVXVNNI) != 0, avx2 && says(line, "avx_vnni"));
    assert_int_equal((cpu & HL_CPU_AVX512) != 0, avx512);
    assert_int_equal((cpu & HL_CPU_AVX512VNNI) != 0, avx512 && says(line, "avx512_vnni"));
    assert_int_equal((cpu & HL_CPU_AVX512BF16) != 0, avx512 && says(line, "avx512_bf16"));
}
#endif

int main(void) {
    static kernel_tests t;
    add_test(&t, "each_processor_gets_the_last_kernels_that_it_can_run",
             each_processor_gets_the_last_kernels_that_it_can_run);
#if defined(__x86_64__)
    add_test(&t, "features_are_those_that_the_system_reports", features_are_those_that_the_system_reports);
#endif
    return run_kernel_tests(&t);
}
