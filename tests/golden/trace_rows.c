/* SPDX-License-Identifier: MIT
 *
 * trace_rows.c - which rows of a golden file reach what no row before them did: pairs of branches, and
 * outcomes of comparisons (less, less by one, equal, more by one, more). choose_rows.py builds and runs it.
 *
 *   trace_rows KNOWN.json... -- NEW.json      prints the numbers of the rows of NEW that add something
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/template/template.h"
#include "tests/golden/big_numbers.h"
#include "tests/golden/go_rows.h"

enum { N_BITS = 24 };
static bool      seen[1 << N_BITS];
static unsigned  n_seen;
static uintptr_t last_branch;

#define SITE ((uint64_t)(uintptr_t)__builtin_return_address(0))

static void see(uint64_t feature) {
    const uint64_t mixed = feature * 0x9E3779B97F4A7C15u ^ feature * 0xBF58476D1CE4E5B9u >> 29;
    bool          *at = &seen[mixed >> (64 - N_BITS)];
    n_seen += !*at;
    *at = true;
}

/* What gcc -fsanitize-coverage=trace-pc,trace-cmp calls. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    see(SITE);
    see(SITE * 31 + last_branch);
    last_branch = SITE;
}

static void see_order(uint64_t site, int64_t difference) {
    see(site * 8 + 1 + (uint64_t)(difference < -1 ? 0 : difference > 1 ? 4 : difference + 2));
}
static void see_float(uint64_t site, double a, double b) { see(site * 8 + (a < b ? 1 : a == b ? 3 : 5)); }

#define COMPARES(name, type, difference)                                                                     \
    void __sanitizer_cov_trace_##name(type a, type b);                                                       \
    void __sanitizer_cov_trace_##name(type a, type b) { see_order(SITE, (difference)(a - b)); }
COMPARES(cmp1, uint8_t, int8_t)
COMPARES(cmp2, uint16_t, int16_t)
COMPARES(cmp4, uint32_t, int32_t)
COMPARES(cmp8, uint64_t, int64_t)
COMPARES(const_cmp1, uint8_t, int8_t)
COMPARES(const_cmp2, uint16_t, int16_t)
COMPARES(const_cmp4, uint32_t, int32_t)
COMPARES(const_cmp8, uint64_t, int64_t)
void __sanitizer_cov_trace_cmpf(float a, float b);
void __sanitizer_cov_trace_cmpf(float a, float b) { see_float(SITE, (double)a, (double)b); }
void __sanitizer_cov_trace_cmpd(double a, double b);
void __sanitizer_cov_trace_cmpd(double a, double b) { see_float(SITE, a, b); }
void __sanitizer_cov_trace_switch(uint64_t value, const uint64_t *cases);
void __sanitizer_cov_trace_switch(uint64_t value, const uint64_t *cases) {
    uint64_t i = 0; /* n, width, then the values */
    while (i < cases[0] && cases[2 + i] != value) i++;
    see(SITE * 1021 + i);
}

static void run_jinja(const json_t *file, const json_t *row) {
    const hl_template_input in = {.context = json_object_get(file, "context"), .now_ms = 1767323045000};
    const json_t           *source = json_object_get(row, "template");
    hl_template            *t = NULL;
    hl_tainted              out;
    hl_err                  err = {0};
    hl_tainted_init(&out, 16 << 20);
    if (hl_template_parse((hl_view){json_string_value(source), json_string_length(source)}, &t, &err) ==
        HL_OK)
        (void)hl_template_render(t, &in, &out, &err);
    hl_template_free(t);
    hl_tainted_done(&out);
}

static void run_go(const json_t *file, const json_t *row) {
    hl_gotemplate *t = NULL;
    hl_str         source;
    hl_tainted     out;
    hl_err         err = {0};
    hl_str_init(&source, 1 << 20);
    hl_tainted_init(&out, 16 << 20);
    go_row_source(file, row, &source);
    if (hl_gotemplate_parse(hl_str_view(&source), &t, &err) == HL_OK)
        (void)go_row_render(t, file, row, &out, &err);
    hl_gotemplate_free(t);
    hl_tainted_done(&out);
    hl_str_done(&source);
}

int main(int argc, char **argv) {
    bool is_new = false;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            is_new = true;
            continue;
        }
        json_error_t  e;
        json_t       *file = json_load_file(argv[i], JSON_ALLOW_NUL, &e), *row = NULL;
        const json_t *go = json_object_get(file, "rows");
        size_t        k = 0;
        if (!file) {
            (void)fprintf(stderr, "%s: %s\n", argv[i], e.text);
            return 1;
        }
        make_numbers(json_object_get(file, "context"));
        json_array_foreach(go ? go : json_object_get(file, "templates"), k, row) {
            const unsigned before = n_seen;
            last_branch = 0;
            (go ? run_go : run_jinja)(file, row);
            if (is_new && n_seen > before) (void)printf("%zu\n", k);
        }
        json_decref(file);
    }
    (void)fprintf(stderr, "%u branches and outcomes\n", n_seen);
    return 0;
}
