/* SPDX-License-Identifier: MIT
 *
 * test_gguf_shared.c - the reader on real files: every GGUF file of the shared test data opens and makes sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gguf/gguf.h"

static void check_file(const char *path) {
    hl_err   err = {0};
    hl_gguf *g = NULL;
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        assert_ptr_equal(hl_gguf_find_tensor(g, t->name), t);
        assert_int_equal(t->n_bytes, hl_type_row_bytes(t->type, t->n_elems));
    }
    for (size_t i = 0; i < hl_gguf_n_values(g); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(g, i);
        hl_gguf_strings      it;
        hl_view              s;
        uint64_t             n = 0;
        if (!hl_gguf_strings_init(&it, v)) continue;
        while (hl_gguf_strings_next(&it, &s)) n++;
        assert_int_equal(n, v->n);
    }
    hl_view name = {0};
    assert_int_equal(hl_gguf_get_text(g, "general.architecture", &name, &err), HL_OK);
    assert_true(name.len > 0);
    hl_gguf_close(g);
}

static void every_shared_file_opens_and_makes_sense(void **state) {
    (void)state;
    const char *root = getenv("HL_TEST_SHARED");
    char        pattern[512];
    glob_t      found = {0};
    (void)snprintf(pattern, sizeof pattern, "%s/data/*/*.gguf", root ? root : "../shared");
    if (glob(pattern, 0, NULL, &found) != 0) skip();
    for (size_t i = 0; i < found.gl_pathc; i++) check_file(found.gl_pathv[i]);
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shared_file_opens_and_makes_sense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
