/* SPDX-License-Identifier: MIT
 *
 * test_gguf_files.c - the reader on real files: every GGUF file that tests use, carried or fetched, opens and
 * makes sense.
 */
#include "tests/need.h"

#include <glob.h>
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

static size_t check_files(const char *pattern) {
    glob_t found = {0};
    if (glob(pattern, 0, NULL, &found) != 0) return 0;
    const size_t n = found.gl_pathc;
    for (size_t i = 0; i < n; i++) check_file(found.gl_pathv[i]);
    globfree(&found);
    return n;
}

static void every_carried_file_opens_and_makes_sense(void **state) {
    (void)state;
    assert_true(check_files("tests/golden/*/*.gguf") > 0);
}

static void every_fetched_vocabulary_opens_and_makes_sense(void **state) {
    (void)state;
    char pattern[512];
    if (!find_fetched("vocab", pattern, sizeof pattern - 8)) skip_because("%s is not there", pattern);
    assert_true(check_files(strcat(pattern, "/*.gguf")) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_carried_file_opens_and_makes_sense),
        cmocka_unit_test(every_fetched_vocabulary_opens_and_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
