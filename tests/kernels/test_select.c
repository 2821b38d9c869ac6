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

static void check_choice(const char *op, int type, uint32_t cpu, void (*fn)(void), hl_kernel_facts facts) {
    const kernel *want = last_of(op, type, cpu);
    if (!want) {
        assert_null(fn);
        return;
    }
    if (fn != want->fn) fail_msg("%s for features %x: another kernel than %s", op, cpu, want->name);
    assert_string_equal(facts.isa, hl_isa_name(want->isa));
    assert_int_equal(facts.max_tokens, want->facts.max_tokens);
    assert_int_equal(facts.may_lose, want->facts.may_lose);
    assert_int_equal(facts.prefetches, want->facts.prefetches);
}

static void each_processor_gets_the_last_kernels_that_it_can_run(void **state) {
    (void)state;
    for (int i = 0; i <= HL_ISA_count; i++) {
        const uint32_t cpu = i == HL_ISA_count ? hl_cpu_features() : hl_isa_needs((hl_isa)i);
        hl_kernels     k;
        hl_kernels_select(cpu, &k);
        assert_int_equal(k.cpu, cpu);
        for (int t = 0; t < HL_TYPE_count; t++) {
            check_choice("gemv", t, cpu, (void (*)(void))k.gemv[t], k.facts_of_gemv[t]);
            check_choice("unpack", t, cpu, (void (*)(void))k.unpack[t], k.facts_of_unpack[t]);
        }
        check_choice("gemm_panel", -1, cpu, (void (*)(void))k.gemm_panel, k.facts_of_gemm_panel);
#define HL_VEC_OP(name) check_choice(#name, -1, cpu, (void (*)(void))k.name, k.facts_of_##name);
#include "engine/kernels/vec.def"
#undef HL_VEC_OP
    }
}

/* What matmul.c relies on: a gemv is not given more tokens than it takes, nor a panel none at all; and the
 * definition is that of no special processor. */
static void facts_are_within_what_kernels_take(void **state) {
    (void)state;
    hl_kernels k;
    hl_kernels_select(hl_cpu_features(), &k);
    for (size_t i = 0; i < sizeof kernel_table / sizeof kernel_table[0]; i++) {
        const kernel *line = &kernel_table[i];
        const bool    is_quantized = line->type >= 0 && hl_type_block_elems((hl_type)line->type) > 1;
        if (strcmp(line->op, "gemv") == 0)
            assert_in_range(line->facts.max_tokens, is_quantized, is_quantized ? HL_GEMV_MAX_TOKENS : 0);
        if (strcmp(line->op, "gemm_panel") == 0) assert_in_range(line->facts.max_tokens, 1, 64);
    }
    for (int t = 0; t < HL_TYPE_count; t++) assert_ptr_equal(k.definition[t], scalar()->gemv[t]);
}

/* Where the crossover lies that was measured: a change of the table is a change of speed. */
static void tokens_for_gemv_are_as_measured(void **state) {
    (void)state;
    static const struct {
        hl_isa   isa;
        hl_type  type;
        uint32_t max_tokens;
    } want[] = {
        {HL_ISA_scalar, HL_TYPE_q4_k, 3},
#if defined(__x86_64__)
        {HL_ISA_avx2, HL_TYPE_q4_k, 6},
        {HL_ISA_avxvnni, HL_TYPE_q4_k, 4},
        {HL_ISA_avx512, HL_TYPE_q4_k, 6},
        {HL_ISA_avx512vnni, HL_TYPE_q4_k, 8},
        {HL_ISA_avx512vnni, HL_TYPE_q5_0, 4},
        {HL_ISA_avx512vnni, HL_TYPE_q8_0, 8},
#elif defined(__aarch64__)
        {HL_ISA_neon, HL_TYPE_q4_k, 3},
        {HL_ISA_dotprod, HL_TYPE_iq4_xs, 3},
#endif
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        hl_kernels k;
        hl_kernels_select(hl_isa_needs(want[i].isa), &k);
        assert_int_equal(k.facts_of_gemv[want[i].type].max_tokens, want[i].max_tokens);
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
    add_test(&t, "facts_are_within_what_kernels_take", facts_are_within_what_kernels_take);
    add_test(&t, "tokens_for_gemv_are_as_measured", tokens_for_gemv_are_as_measured);
#if defined(__x86_64__)
    add_test(&t, "features_are_those_that_the_system_reports", features_are_those_that_the_system_reports);
#endif
    return run_kernel_tests(&t);
}
