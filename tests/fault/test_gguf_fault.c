/* SPDX-License-Identifier: MIT
 *
 * test_gguf_fault.c - reading and writing GGUF while memory runs out at every possible moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"

enum { MAX_ALLOCS = 1000 };

static const float weights[64];

/* Write a small file into memory and open it again. */
static hl_status round_trip(hl_err *err) {
    uint8_t        *data = NULL;
    size_t          n = 0;
    hl_gguf        *g = NULL;
    hl_gguf_writer *w = hl_gguf_writer_new();
    if (!w) return hl_fail(err, HL_E_NOMEM, "writer");
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("test"));
    hl_gguf_writer_add_array(w, "a", HL_GGUF_F32, 64, weights);
    hl_gguf_writer_add_tensor(w, "t", HL_TYPE_f32, 1, (const uint64_t[]){64}, weights);
    hl_status status = hl_gguf_writer_build(w, &data, &n, err);
    if (status == HL_OK) status = hl_gguf_open_memory(data, n, &g, err);
    if (status == HL_OK) hl_gguf_close(g);
    hl_free(data);
    hl_gguf_writer_free(w);
    return status;
}

static void fail_each(size_t n_fail) {
    size_t k = 0;
    for (; k < MAX_ALLOCS; k++) {
        hl_err err = {0};
        hl_mem_fail_after(k, n_fail);
        const hl_status status = round_trip(&err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (status == HL_OK) break; /* nothing left to fail */
        if (status != HL_E_NOMEM) fail_msg("allocation %zu: %s (%s)", k, hl_status_name(status), err.text);
        assert_true(err.text[0] != 0);
    }
    assert_true(k > 5 && k < MAX_ALLOCS);
}

static void every_single_failed_allocation_is_reported(void **state) {
    (void)state;
    fail_each(1);
}

static void running_out_for_good_at_any_point_is_reported(void **state) {
    (void)state;
    fail_each(SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_single_failed_allocation_is_reported),
        cmocka_unit_test(running_out_for_good_at_any_point_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
