/* SPDX-License-Identifier: MIT
 *
 * test_json_faults.c - JSON is read whole or not at all, whichever allocation fails: jansson's own included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/mem.h"
#include "core/data/json.h"

static const char text[] =
    "{\"a text that grows its buffer more than once\": "
    "\"0123456789012345678901234567890123456789\\n\\u00e9\","
    " \"list\": [1, 2.5, -3e10, true, false, null, {}, [], \"\", 12345678901234567, 1.23456789012345678],"
    " \"deeper\": {\"a\": {\"b\": {\"c\": [[[\"x\"]]]}}},"
    " \"a number with more digits than a small buffer holds\":"
    " 0.12345678901234567890123456789012345678901234567890123456789012345678901234567890}";

static void a_text_is_read_whole_or_not_at_all(void **state) {
    (void)state;
    json_t *whole = NULL;
    hl_err  err;
    assert_int_equal(hl_json_parse(hl_view_of(text), "test", &whole, &err), HL_OK);
    size_t n_failed = 0;
    for (size_t k = 0;; k++) {
        json_t *j = NULL;
        hl_mem_fail_after(k, 1);
        const hl_status status = hl_json_parse(hl_view_of(text), "test", &j, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (status == HL_OK) {
            assert_true(json_equal(whole, j));
            json_decref(j);
            break;
        }
        n_failed++;
        assert_int_equal(status, HL_E_NOMEM);
        assert_string_equal(err.text, "test: no memory");
        assert_null(j);
    }
    assert_true(n_failed > 40); /* jansson's values among them */
    json_decref(whole);
}

static void a_text_is_written_whole_or_not_at_all(void **state) {
    (void)state;
    json_t *j = NULL;
    hl_str  whole, s;
    hl_str_init(&whole, 10000);
    hl_str_init(&s, 10000);
    assert_int_equal(hl_json_parse(hl_view_of(text), "test", &j, NULL), HL_OK);
    hl_json_format(j, true, &whole);
    assert_false(whole.failed);
    size_t n_failed = 0;
    for (size_t k = 0;; k++) {
        hl_str_done(&s);
        hl_str_clear(&s);
        hl_mem_fail_after(k, 1);
        hl_json_format(j, true, &s);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (!s.failed) break;
        n_failed++;
    }
    assert_true(n_failed > 2);
    assert_string_equal(hl_str_text(&s), hl_str_text(&whole));
    hl_str_done(&s);
    hl_str_done(&whole);
    json_decref(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_read_whole_or_not_at_all),
        cmocka_unit_test(a_text_is_written_whole_or_not_at_all),
    };
    hl_json_use_mem();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
