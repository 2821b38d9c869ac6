/* SPDX-License-Identifier: MIT
 *
 * test_watched.c - models of watched folders: names, trees of every shape, links in circles, parts.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include "models/watched.h"

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != HL_OK) fail_msg("line %d: %s", __LINE__, err.text);                                    \
    } while (0)

static void a_path_becomes_a_name_that_people_know(void **state) {
    (void)state;
    static const struct {
        const char *below, *want; /* NULL: none */
    } cases[] = {
        {"llama.gguf", "llama:latest"},
        {"Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Llama-3.2-1B-Instruct:Q4_K_M"},
        {"a/tiny.q8_0.gguf", "tiny:q8_0"},
        {"x-bf16-00001-of-00003.gguf", "x:bf16"},
        {"x-00002-of-00003.gguf", "x:latest"},
        {"x-00004-of-00003.gguf", "x-00004-of-00003:latest"},
        {"q4_0.gguf", "q4_0:q4_0"},
        {"model-UD-Q4_K_XL.gguf", "model:UD-Q4_K_XL"},
        {"model-IQ2_XXS.gguf", "model:IQ2_XXS"},
        {"model-TQ1_0.gguf", "model:TQ1_0"},
        {"quiet-Qwen.gguf", "quiet-Qwen:latest"},
        {"unsloth/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf", "unsloth/Qwen3-0.6B-GGUF:Q8_0"},
        {"models--Qwen--Qwen3-0.6B-GGUF/snapshots/0123abc/Qwen3-0.6B-Q8_0.gguf",
         "hf.co/Qwen/Qwen3-0.6B-GGUF:Q8_0"},
        {"hub/models--gpt2/snapshots/0123abc/sub/m.gguf", "hf.co/library/gpt2:latest"},
        {"models--x--y/other/m.gguf", "models-x-y/other:latest"},
        {"\x1b[31mred; rm -rf $(x).gguf", "31mred-rm-rf-x:latest"},
        {"-.-..gguf", NULL},
        {".gguf", NULL},
        {"\xff\xfe.gguf", NULL},
        {"\xe4\xbd\xa0.b/\xe4\xbd\xa0/a.gguf", "a:latest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_name name;
        char    text[HL_NAME_TEXT_BYTES];
        if (!hl_watched_name(cases[i].below, &name)) {
            if (cases[i].want) fail_msg("'%s' has no name", cases[i].below);
            continue;
        }
        hl_name_format(&name, text);
        if (!cases[i].want || strcmp(text, cases[i].want) != 0)
            fail_msg("'%s' is '%s'", cases[i].below, text);
        hl_name again;
        hl_err  err = {0};
        OK(hl_name_parse(text, &again, &err));
        assert_true(hl_name_eq(&name, &again));
    }
}

static void a_long_name_is_cut(void **state) {
    (void)state;
    char    below[300];
    hl_name name;
    memset(below, 'a', 250);
    memcpy(below + 250, ".gguf", 6);
    assert_true(hl_watched_name(below, &name));
    assert_int_equal(strlen(name.model), HL_NAME_PART_BYTES - 1);
}

static void make_dir(const fixture *f, const char *below) {
    char   path[PATH_MAX];
    hl_err err = {0};
    (void)snprintf(path, sizeof path, "%s/w/%s", f->dir, below);
    OK(hl_dir_make(path, 0755, &err));
}

static void put(const fixture *f, const char *below, unsigned i_part, unsigned n_parts, float fill) {
    char   path[PATH_MAX], dir[PATH_MAX];
    hl_err err = {0};
    (void)snprintf(path, sizeof path, "%s/w/%s", f->dir, below);
    assert_true(hl_path_dir(path, dir, sizeof dir));
    OK(hl_dir_make(dir, 0755, &err));
    write_gguf(path, 64, fill, i_part, n_parts);
}

static void link_to(const fixture *f, const char *to, const char *below) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/w/%s", f->dir, below);
    assert_int_equal(symlink(to, path), 0);
}

static hl_store *open_watching(fixture *f) {
    hl_err    err = {0};
    hl_store *s = NULL;
    char      dirs[400];
    (void)snprintf(dirs, sizeof dirs, "%s/w:%s/nothing: ", f->dir, f->dir);
    const hl_store_options o = {.models_path = f->models, .db_path = f->db, .dirs = dirs, .events = &f->sink};
    OK(hl_store_open(&o, &s, &err));
    return s;
}

static bool has(const hl_store_list *l, const char *name) {
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->entries[i].text, name) == 0) return true;
    return false;
}

static void files_are_listed_and_opened_where_they_lie(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_store_list   *l = NULL;
    hl_stored_model *m = NULL;
    hl_name          name;
    fixture_init(&f);
    put(&f, "one-Q4_0.gguf", 0, 1, 1);
    put(&f, "pub/repo/big-Q8_0-00001-of-00002.gguf", 0, 2, 2);
    put(&f, "pub/repo/big-Q8_0-00002-of-00002.gguf", 1, 2, 3);
    put(&f, "models--org--repo/snapshots/aaa/m-F16.gguf", 0, 1, 4); /* not what main is */
    put(&f, "models--org--repo/blobs/data", 0, 1, 5);
    make_dir(&f, "models--org--repo/snapshots/bbb");
    link_to(&f, "../../blobs/data", "models--org--repo/snapshots/bbb/m-F16.gguf");
    make_dir(&f, "models--org--repo/refs");
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/w/models--org--repo/refs/main", f.dir);
    OK(hl_file_write_atomic(path, "bbb", 3, 0644, &err));
    hl_store *s = open_watching(&f);
    for (int round = 0; round < 2; round++) { /* from the headers, then from the index */
        OK(hl_store_list_models(s, NULL, &l, &err));
        assert_int_equal(l->n, 3);
        assert_true(has(l, "one:Q4_0") && has(l, "pub/repo:Q8_0") && has(l, "hf.co/org/repo:F16"));
        for (size_t i = 0; i < l->n; i++) assert_string_equal(l->entries[i].family, "llama");
        hl_store_list_free(l);
    }
    OK(hl_store_find(s, "ONE", &name, &err));
    assert_string_equal(name.tag, "Q4_0");
    OK(hl_store_open_model(s, "pub/repo", HL_OPEN_FOR_LOAD, &m, &err));
    assert_true(m->is_watched);
    assert_int_equal(m->n_shards, 2);
    assert_non_null(strstr(m->shard_paths[1], "/w/pub/repo/big-Q8_0-00002-of-00002.gguf"));
    assert_int_equal(m->n_layers, 0);
    /* what they are is not the store's to change */
    assert_int_equal(hl_store_save_model(s, m, "x", NULL, &err), HL_E_ARG);
    hl_stored_model_free(m);
    assert_int_equal(hl_store_remove(s, "one:Q4_0", NULL, &err), HL_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "one-Q4_0.gguf' of a watched folder"));
    assert_int_equal(hl_store_copy(s, "one", "two", &err), HL_E_UNSUPPORTED);
    assert_int_equal(access(f.models, F_OK), -1); /* only looking writes nothing */
    hl_store_close(s);
    fixture_done(&f);
}

static void links_in_circles_come_to_an_end(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *l = NULL;
    fixture_init(&f);
    put(&f, "a/b/c.gguf", 0, 1, 1);
    link_to(&f, "..", "a/up");
    link_to(&f, "../..", "a/b/top");
    link_to(&f, "a", "again");
    link_to(&f, "nowhere", "gone.gguf");
    link_to(&f, "self.gguf", "self.gguf");
    for (int i = 0; i < 12; i++) { /* each folder with two links to the next: 2^12 paths */
        char name[20], next[20], twice[32];
        (void)snprintf(name, sizeof name, "t%d", i);
        (void)snprintf(next, sizeof next, "../t%d", i + 1);
        make_dir(&f, name);
        (void)snprintf(twice, sizeof twice, "t%d/x", i);
        link_to(&f, next, twice);
        (void)snprintf(twice, sizeof twice, "t%d/y", i);
        link_to(&f, next, twice);
    }
    hl_store *s = open_watching(&f);
    OK(hl_store_list_models(s, NULL, &l, &err));
    assert_int_equal(l->n, 1);
    assert_string_equal(l->entries[0].text, "a/b:latest");
    hl_store_list_free(l);
    hl_store_close(s);
    fixture_done(&f);
}

static void names_that_clash_are_numbered_and_stored_ones_go_before(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *l = NULL;
    char           path[PATH_MAX];
    fixture_init(&f);
    put(&f, "a/x/deep/m-Q4_0.gguf", 0, 1, 1);
    put(&f, "b/x/deep/M-q4_0.gguf", 0, 1, 2);
    put(&f, "m-Q4_0.gguf", 0, 1, 3);
    put(&f, "taken.gguf", 0, 1, 4);
    put(&f, "mmproj-x.gguf", 0, 1, 5);
    hl_store *s = open_watching(&f);
    (void)snprintf(path, sizeof path, "%s/w/taken.gguf", f.dir);
    const char *paths = path;
    OK(hl_store_import(s, &paths, 1, "Taken", NULL, NULL, &err));
    OK(hl_store_list_models(s, NULL, &l, &err));
    assert_int_equal(l->n, 4);
    assert_true(has(l, "m:Q4_0") && has(l, "M:q4_0-2") && has(l, "m:Q4_0-3") && has(l, "Taken:latest"));
    hl_store_list_free(l);
    hl_stored_model *m = NULL;
    OK(hl_store_open_model(s, "m:q4_0-3", HL_OPEN_FOR_LOAD, &m, &err));
    assert_non_null(strstr(m->projector_path, "mmproj-x.gguf"));
    hl_stored_model_free(m);
    OK(hl_store_open_model(s, "taken", HL_OPEN_FOR_LOAD, &m, &err));
    assert_false(m->is_watched);
    hl_stored_model_free(m);
    hl_store_close(s);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_becomes_a_name_that_people_know),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(files_are_listed_and_opened_where_they_lie),
        cmocka_unit_test(links_in_circles_come_to_an_end),
        cmocka_unit_test(names_that_clash_are_numbered_and_stored_ones_go_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
