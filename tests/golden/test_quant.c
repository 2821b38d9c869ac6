/* SPDX-License-Identifier: MIT
 *
 * test_quant.c - bytes of every weight type mean what the published formats say, bit for bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/quant/float16.h"
#include "engine/quant/quant.h"

enum { LINE_BYTES = 1 << 16, MAX_ELEMS = 4096 };

static char    line[LINE_BYTES];
static float   want[MAX_ELEMS], got[MAX_ELEMS];
static uint8_t bytes[MAX_ELEMS * 4], packed[MAX_ELEMS * 4];

static FILE *open_vectors(const char *prefix, const char *type) {
    char path[256];
    (void)snprintf(path, sizeof path, "tests/golden/quant/%s%s.txt", prefix, type);
    return fopen(path, "r");
}

static bool read_line(FILE *f) { return fgets(line, sizeof line, f) != NULL; }

/* Bytes of a line of hex. */
static size_t parse_hex(uint8_t *ret) {
    size_t   n = 0;
    unsigned b = 0;
    while (n < sizeof bytes && sscanf(line + 2 * n, "%2x", &b) == 1) ret[n++] = (uint8_t)b;
    return n;
}

static size_t parse_floats(float *ret) {
    size_t n = 0;
    char  *at = line;
    for (char *end; n < MAX_ELEMS; at = end) {
        const float x = strtof(at, &end);
        if (end == at) break;
        ret[n++] = x;
    }
    return n;
}

static void every_type_decodes_to_the_published_values(void **state) {
    (void)state;
    int n_checked = 0;
    for (int t = 0; t < HL_TYPE_count; t++) {
        FILE *f = open_vectors("", hl_type_name((hl_type)t));
        if (!f) fail_msg("%s has no golden vectors: tests/golden/quant/ORIGIN.md", hl_type_name((hl_type)t));
        assert_true(read_line(f));
        while (read_line(f)) {
            const size_t n_bytes = parse_hex(bytes);
            assert_true(read_line(f));
            const size_t n = parse_floats(want);
            assert_int_equal(n_bytes, hl_type_row_bytes((hl_type)t, n));
            hl_quant_to_f32((hl_type)t)(bytes, n, got);
            for (size_t i = 0; i < n; i++)
                if (hl_bits_of_f32(got[i]) != hl_bits_of_f32(want[i]))
                    fail_msg("%s weight %zu: got %a, expected %a", hl_type_name((hl_type)t), i,
                             (double)got[i], (double)want[i]);
            n_checked++;
        }
        (void)fclose(f);
    }
    assert_true(n_checked > 0);
}

static void every_type_that_packs_gives_the_published_bytes(void **state) {
    (void)state;
    int n_checked = 0;
    for (int t = 0; t < HL_TYPE_count; t++) {
        if (!hl_quant_from_f32((hl_type)t)) continue;
        FILE *f = open_vectors("quantize_", hl_type_name((hl_type)t));
        if (!f && t == HL_TYPE_f32) continue; /* the same bytes */
        if (!f) fail_msg("%s packs, and has no golden vectors", hl_type_name((hl_type)t));
        while (read_line(f)) {
            if (strncmp(line, "type", 4) == 0) continue;
            const size_t n = parse_hex(bytes) / 4;
            memcpy(want, bytes, n * 4);
            assert_true(read_line(f));
            const size_t n_bytes = parse_hex(bytes);
            assert_int_equal(n_bytes, hl_type_row_bytes((hl_type)t, n));
            hl_quant_from_f32((hl_type)t)(want, n, packed);
            if (memcmp(packed, bytes, n_bytes) != 0) {
                for (size_t i = 0; i < n_bytes; i++)
                    if (packed[i] != bytes[i])
                        fail_msg("%s byte %zu: got %02x, expected %02x", hl_type_name((hl_type)t), i,
                                 packed[i], bytes[i]);
            }
            n_checked++;
        }
        (void)fclose(f);
    }
    assert_true(n_checked > 0);
}

static void every_f16_survives_the_way_to_f32_and_back(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const bool nan = (h & 0x7C00) == 0x7C00 && (h & 0x3FF) != 0;
        assert_int_equal(hl_f16_of_f32(hl_f32_of_f16((uint16_t)h)), nan ? h | 0x200 : h);
        const bool bnan = (h & 0x7F80) == 0x7F80 && (h & 0x7F) != 0;
        assert_int_equal(hl_bf16_of_f32(hl_f32_of_bf16((uint16_t)h)), bnan ? h | 0x40 : h);
    }
}

static void f16_rounds_to_nearest_even(void **state) {
    (void)state;
    assert_int_equal(hl_f16_of_f32(65519.99f), 0x7BFF);
    assert_int_equal(hl_f16_of_f32(65520.0f), 0x7C00);
    assert_int_equal(hl_f16_of_f32(1.0f + 0x1p-11f), 0x3C00); /* half way: to even */
    assert_int_equal(hl_f16_of_f32(1.0f + 0x3p-11f), 0x3C02);
    assert_int_equal(hl_f16_of_f32(0x1p-25f), 0x0000); /* half of the smallest */
    assert_int_equal(hl_f16_of_f32(0x1.000002p-25f), 0x0001);
    assert_int_equal(hl_f16_of_f32(0x1.ff8p-15f), 0x03FF); /* largest subnormal */
    assert_int_equal(hl_f16_of_f32(0x1.ffcp-15f), 0x0400); /* half way to the smallest normal */
    assert_int_equal(hl_bf16_of_f32(0x1.01p0f), 0x3F80);
    assert_int_equal(hl_bf16_of_f32(0x1.03p0f), 0x3F82);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_decodes_to_the_published_values),
        cmocka_unit_test(every_type_that_packs_gives_the_published_bytes),
        cmocka_unit_test(every_f16_survives_the_way_to_f32_and_back),
        cmocka_unit_test(f16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
