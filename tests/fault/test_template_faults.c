/* SPDX-License-Identifier: MIT
 *
 * test_template_faults.c - the k-th allocation fails, for all k, once and for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/mem.h"
#include "core/data/json.h"
#include "engine/template/template.h"

static const char source[] =
    "{% macro m(a, b=2) %}{{ a }}{{ kwargs }}{{ varargs }}{% endmacro %}"
    "{%- set ns = namespace(s='', l=[]) -%}"
    "{% for i in range(400) %}{% set ns.s = ns.s + 'some text that grows ' ~ i %}{% set ns.l = ns.l + [i] "
    "%}{% endfor %}"
    "{{ ns.s | upper | length }}{{ m(1, 2, 3, x='{}'.format(4)) }}{{ ns.l | map('string') | join(',') | "
    "length }}"
    "{{ {'a': [1, 'b', none]} | tojson(indent=2) }}{% filter trim %} {{ '%s' % 1 }} {% endfilter %}"
    "{{ messages | selectattr('role', 'eq', 'user') | list | tojson }}{{ ns.l | sort(reverse=true) | first "
    "}}";

static hl_status parse_and_render(const json_t *context, hl_tainted *out, hl_err *err) {
    const hl_template_input in = {.context = context};
    hl_template            *t = NULL;
    hl_status               status = hl_template_parse((hl_view){source, sizeof source - 1}, &t, err);
    if (status == HL_OK) status = hl_template_render(t, &in, out, err);
    hl_template_free(t);
    return status;
}

static void run_with_failures(size_t n_fail) {
    json_t *context = json_loads("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}", 0, NULL);
    bool    done = false;
    for (size_t k = 0; !done; k++) {
        hl_err     err = {0};
        hl_tainted out;
        hl_tainted_init(&out, 1 << 20);
        hl_mem_fail_after(k, n_fail);
        const hl_status status = parse_and_render(context, &out, &err);
        hl_mem_fail_after(SIZE_MAX, 0);
        if (status != HL_OK && status != HL_E_NOMEM)
            fail_msg("allocation %zu: status %d, %s", k, (int)status, err.text);
        if (status != HL_OK) assert_int_equal(out.text.len + out.n_tainted, 0);
        done = status == HL_OK;
        hl_tainted_done(&out);
        assert_true(k < 10000);
    }
    json_decref(context);
}

static void one_failed_allocation_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    run_with_failures(1);
}

static void no_memory_any_more_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    run_with_failures(SIZE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_failed_allocation_is_reported_and_nothing_leaks),
        cmocka_unit_test(no_memory_any_more_is_reported_and_nothing_leaks),
    };
    hl_json_use_mem();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
