/* SPDX-License-Identifier: MIT
 *
 * test_template_golden.c - the prompts that Python's jinja2 makes of real chat templates, byte for byte.
 *
 * The templates are brought by tools/get_test_models.py, alone and inside of models; what they must give,
 * with every context of tests/golden/template/cases, is recorded in tests/golden/template, see ORIGIN.md
 * there. With arguments, files of rows as fuzz_against_jinja2.py writes them: only those are compared.
 */
#include "tests/need.h"

#include <dirent.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/str.h"
#include "core/gguf/gguf.h"
#include "engine/template/template.h"
#include "tests/golden/big_numbers.h"

static const int64_t now_ms = 1767323045000; /* 2026-01-02T03:04:05 UTC, as when recorded */

static json_t *load(const char *path) {
    json_error_t e;
    json_t      *j = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!j) fail_msg("%s: %s", path, e.text);
    return j;
}

static bool read_file(const char *path, hl_str *to) {
    char   part[65536];
    size_t n = 0;
    FILE  *f = fopen(path, "rb");
    if (!f) return false;
    while ((n = fread(part, 1, sizeof part, f)) > 0) hl_str_add(to, part, n);
    (void)fclose(f);
    return true;
}

/* A fetched file, or the template inside of a fetched model. */
static bool read_template(const char *name, hl_str *to) {
    char     file[256], path[1024];
    hl_gguf *g = NULL;
    hl_view  text;
    (void)snprintf(file, sizeof file, "templates/%s.jinja", name);
    if (find_fetched(file, path, sizeof path)) return read_file(path, to);
    (void)snprintf(file, sizeof file, "%s.gguf", name);
    if (!find_fetched(file, path, sizeof path) || hl_gguf_open(path, &g, NULL) != HL_OK) return false;
    const bool ok = hl_gguf_get_text(g, "tokenizer.chat_template", &text, NULL) == HL_OK;
    if (ok) hl_str_add_view(to, text);
    hl_gguf_close(g);
    return ok;
}

static bool has_sha256(const hl_str *s, const char *hex) {
    unsigned char sum[SHA256_DIGEST_LENGTH];
    char          text[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256((const unsigned char *)hl_str_text(s), s->len, sum);
    for (size_t i = 0; i < sizeof sum; i++) (void)snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return strcmp(text, hex) == 0;
}

static void show_difference(const char *what, const char *name, hl_view want, hl_view got) {
    size_t i = 0;
    while (i < want.len && i < got.len && want.ptr[i] == got.ptr[i]) i++;
    const size_t from = i > 40 ? i - 40 : 0;
    print_error(
        "%s, %s: differs at byte %zu of %zu (found %zu bytes)\n  expected ...%.*s\n  found    ...%.*s\n",
        what, name, i, want.len, got.len, (int)(want.len - from < 100 ? want.len - from : 100),
        want.ptr + from, (int)(got.len - from < 100 ? got.len - from : 100), got.len ? got.ptr + from : "");
}

/* What the reference has and chat templates do not use: failing is right, giving another text is not. */
static bool is_left_out(hl_view source) {
    static const char *const words[] = {"autoescape", "urlize", "xmlattr", "wordwrap", "pprint", "random"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(source.ptr, words[i])) return true;
    return false;
}

/* Render and compare with one recorded row; 1 when it differs. */
static int check_row(const char *what, const char *name, hl_view source, const json_t *context,
                     const json_t *row) {
    hl_err                  err = {0};
    hl_tainted              out;
    hl_template            *t = NULL;
    int                     bad = 0;
    const hl_template_input in = {.context = context, .now_ms = now_ms};
    hl_tainted_init(&out, 16 << 20);
    hl_status status = hl_template_parse(source, &t, &err);
    if (status == HL_OK) status = hl_template_render(t, &in, &out, &err);
    const json_t *want = json_object_get(row, "output");
    if (want && status != HL_OK && is_left_out(source)) {
        bad = 0;
    } else if (want && status != HL_OK) {
        print_error("%s, %s: %s\n", what, name, err.text);
        bad = 1;
    } else if (want) {
        const hl_view text = {json_string_value(want), json_string_length(want)};
        bad = !hl_view_eq(text, hl_str_view(&out.text));
        if (bad) show_difference(what, name, text, hl_str_view(&out.text));
    } else {
        const char *text = json_string_value(json_object_get(row, "error"));
        const char *kind = json_string_value(json_object_get(row, "kind"));
        bad = status == HL_OK && !strstr(text, "from_json"); /* which works here */
        /* what the template itself raises must reach the user word for word; the rest only has to fail */
        if (!bad && kind && strcmp(kind, "TemplateError") == 0) bad = !strstr(err.text, text);
        if (bad) print_error("%s, %s: found '%s', expected the error '%s'\n", what, name, err.text, text);
    }
    hl_template_free(t);
    hl_tainted_done(&out);
    return bad;
}

static json_t *load_cases(void) {
    json_t        *cases = json_object();
    DIR           *d = opendir("tests/golden/template/cases");
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        char   path[1024], name[256];
        size_t n = strlen(e->d_name);
        if (n < 6 || n >= sizeof name || strcmp(e->d_name + n - 5, ".json") != 0) continue;
        (void)snprintf(path, sizeof path, "tests/golden/template/cases/%s", e->d_name);
        (void)snprintf(name, sizeof name, "%.*s", (int)n - 5, e->d_name);
        json_object_set_new(cases, name, load(path));
    }
    if (d) (void)closedir(d);
    return cases;
}

/* *state: the name of a file in expected/ and of a template. */
static void a_real_template_gives_the_prompts_of_jinja2(void **state) {
    const char *what = *state, *name = NULL;
    char        path[1024];
    json_t     *row = NULL;
    hl_str      source;
    int         n_bad = 0;
    (void)snprintf(path, sizeof path, "tests/golden/template/expected/%s.json", what);
    json_t *expected = load(path), *cases = load_cases();
    hl_str_init(&source, 4 << 20);
    if (!read_template(what, &source)) skip_because("%s.jinja is not there", what);
    if (!has_sha256(&source, json_string_value(json_object_get(expected, "sha256"))))
        fail_msg("%s: another version than the recorded one", what);
    json_object_foreach(json_object_get(expected, "cases"), name, row) n_bad +=
        check_row(what, name, hl_str_view(&source), json_object_get(cases, name), row);
    assert_int_equal(n_bad, 0);
    hl_str_done(&source);
    json_decref(cases);
    json_decref(expected);
}

static int check_rows(const char *path) {
    int     n_bad = 0;
    size_t  i = 0;
    json_t *row = NULL, *rows = load(path);
    json_t *context = json_object_get(rows, "context");
    make_numbers(context);
    json_array_foreach(json_object_get(rows, "templates"), i, row) {
        const json_t *t = json_object_get(row, "template");
        char          name[32];
        (void)snprintf(name, sizeof name, "row %zu", i);
        const int bad =
            check_row(name, "", (hl_view){json_string_value(t), json_string_length(t)}, context, row);
        if (bad) print_error("  in %s\n", json_string_value(t));
        n_bad += bad;
    }
    json_decref(rows);
    return n_bad;
}

static void every_feature_behaves_as_in_jinja2(void **state) {
    (void)state;
    assert_int_equal(check_rows("tests/golden/template/features_expected.json"), 0);
}

static void random_programs_behave_as_in_jinja2(void **state) {
    (void)state;
    assert_int_equal(check_rows("tests/golden/template/random_expected.json"), 0);
}

static void broken_programs_behave_as_in_jinja2(void **state) {
    (void)state;
    assert_int_equal(check_rows("tests/golden/template/mutated_expected.json"), 0);
}

static void expressions_at_the_edges_give_what_jinja2_gives(void **state) {
    (void)state;
    assert_int_equal(check_rows("tests/golden/template/edges_expected.json"), 0);
}

static void programs_that_reach_further_behave_as_in_jinja2(void **state) {
    (void)state;
    assert_int_equal(check_rows("tests/golden/template/chosen_expected.json"), 0);
}

/* A test for each file in expected/, then the features. */
enum { MAX_TEMPLATES = 200 };

int main(int argc, char **argv) {
    static struct CMUnitTest tests[MAX_TEMPLATES + 5];
    static char              names[MAX_TEMPLATES][256];
    struct dirent          **files = NULL;
    int                      n_bad = 0;
    (void)setenv("TZ", "UTC", 1);
    tzset();
    for (int i = 1; i < argc; i++) n_bad += check_rows(argv[i]);
    if (argc > 1) return n_bad > 0;
    const int n_files = scandir("tests/golden/template/expected", &files, NULL, alphasort);
    size_t    n = 0;
    for (int i = 0; i < n_files; i++) {
        const size_t len = strlen(files[i]->d_name);
        if (len > 5 && len < sizeof names[0] && n < MAX_TEMPLATES &&
            strcmp(files[i]->d_name + len - 5, ".json") == 0) {
            (void)snprintf(names[n], sizeof names[n], "%.*s", (int)len - 5, files[i]->d_name);
            tests[n] = (struct CMUnitTest){names[n], a_real_template_gives_the_prompts_of_jinja2, NULL, NULL,
                                           names[n]};
            n++;
        }
        free(files[i]);
    }
    free(files);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_feature_behaves_as_in_jinja2);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(random_programs_behave_as_in_jinja2);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(broken_programs_behave_as_in_jinja2);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(expressions_at_the_edges_give_what_jinja2_gives);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(programs_that_reach_further_behave_as_in_jinja2);
    return _cmocka_run_group_tests("template_golden", tests, n, NULL, NULL);
}
