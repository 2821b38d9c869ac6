/* SPDX-License-Identifier: MIT
 *
 * test_store.c - import, find, list, load, copy, remove, and what others do to the files meanwhile.
 */
#define _GNU_SOURCE
#include "store_fixture.h"
#include "tests/need.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <utime.h>

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != HL_OK) fail_msg("line %d: %s", __LINE__, err.text);                                    \
    } while (0)

static void import_file(hl_store *s, const char *path, const char *name) {
    hl_err err = {0};
    OK(hl_store_import(s, &path, 1, name, NULL, NULL, &err));
}

static void an_imported_file_is_linked_listed_and_loads(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_name          name;
    hl_store_list   *list = NULL;
    hl_stored_model *m = NULL;
    struct stat      st;
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 1024, 1);
    OK(hl_store_import(s, &path, 1, "Tiny:One", NULL, &name, &err));
    assert_string_equal(name.model, "Tiny");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_nlink, 2);

    OK(hl_store_list_models(s, NULL, &list, &err));
    assert_int_equal(list->n, 1);
    assert_string_equal(list->entries[0].text, "Tiny:One");
    assert_string_equal(list->entries[0].family, "llama");
    assert_string_equal(list->entries[0].parameter_size, "1K");
    assert_string_equal(list->entries[0].quantization, "F32");
    assert_string_equal(list->entries[0].format, "gguf");
    assert_true(list->entries[0].size_bytes > (uint64_t)st.st_size);
    assert_int_equal(list->entries[0].last_used_ms, -1);
    assert_int_equal(strlen(list->entries[0].digest), 64);
    hl_store_list_free(list);

    OK(hl_store_open_model(s, "tiny:ONE", HL_OPEN_FOR_LOAD, &m, &err));
    assert_int_equal(m->n_shards, 1);
    struct stat blob;
    assert_int_equal(stat(m->shard_paths[0], &blob), 0);
    assert_int_equal(blob.st_ino, st.st_ino);
    assert_null(m->system);
    hl_store_add_usage(s, &m->entry.name);
    hl_stored_model_free(m);
    OK(hl_store_list_models(s, "TI", &list, &err));
    assert_int_equal(list->n, 1);
    assert_true(list->entries[0].last_used_ms > 0);
    hl_store_list_free(list);
    OK(hl_store_list_models(s, "x", &list, &err));
    assert_int_equal(list->n, 0);
    hl_store_list_free(list);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_bare_name_finds_the_only_tag(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    hl_name name;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    assert_int_equal(hl_store_find(s, "smollm2", &name, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "empty"));
    import_file(s, make_gguf(&f, "a.gguf", 64, 1), "smollm2:135m-instruct-q4_1");
    OK(hl_store_find(s, "smollm2", &name, &err));
    assert_string_equal(name.tag, "135m-instruct-q4_1");
    assert_int_equal(hl_store_find(s, "smollm2:latest", &name, &err), HL_E_NOT_FOUND);

    import_file(s, make_gguf(&f, "b.gguf", 64, 2), "smollm2:360m");
    assert_int_equal(hl_store_find(s, "smollm2", &name, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "smollm2:360m"));
    assert_non_null(strstr(err.text, "smollm2:135m-instruct-q4_1"));

    import_file(s, make_gguf(&f, "c.gguf", 64, 3), "SMOLLM2");
    OK(hl_store_find(s, "smollm2", &name, &err));
    assert_string_equal(name.tag, "latest");

    assert_int_equal(hl_store_find(s, "smolm2:360m", &name, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "did you mean 'smollm2:360m'"));
    assert_int_equal(hl_store_find(s, "smolm2", &name, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "did you mean '"));
    assert_int_equal(hl_store_find(s, "quite-another", &name, &err), HL_E_NOT_FOUND);
    assert_null(strstr(err.text, "mean"));
    assert_int_equal(hl_store_find(s, "../x", &name, &err), HL_E_ARG);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_name_that_differs_in_case_is_replaced_not_doubled(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_file(s, make_gguf(&f, "a.gguf", 64, 1), "Some/Model:Tag");
    import_file(s, make_gguf(&f, "b.gguf", 64, 2), "some/model:tag");
    OK(hl_store_list_models(s, NULL, &list, &err));
    assert_int_equal(list->n, 1);
    assert_string_equal(list->entries[0].text, "Some/Model:Tag");
    hl_store_list_free(list);
    assert_int_equal(count_blobs(&f, NULL), 2); /* what the name was before is gone */
    hl_store_close(s);
    fixture_done(&f);
}

static void what_options_say_comes_back(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    fixture_init(&f);
    hl_store      *s = fixture_open(&f);
    const char    *path = make_gguf(&f, "a.gguf", 64, 1);
    const hl_param params[] = {
        {"temperature", "0.7"}, {"stop", "<a>"},        {"num_ctx", "8192"},
        {"stop", "\"b\""},      {"temperature", "0.2"}, {"use_mmap", "false"},
    };
    const hl_stored_message messages[] = {{"user", {"hi", 2}},
                                          {"assistant", {"hello\0 \xf0\x9f\x91\x8b", 11}}};
    const char *const       licenses[] = {"MIT", "Apache"};
    const hl_import_options o = {
        .template_text = "{{ .Prompt }}",
        .system = "Be brief.",
        .params = params,
        .n_params = 6,
        .messages = messages,
        .n_messages = 2,
        .licenses = licenses,
        .n_licenses = 2,
    };
    OK(hl_store_import(s, &path, 1, "x", &o, NULL, &err));
    OK(hl_store_open_model(s, "x", HL_OPEN_FOR_SHOW, &m, &err));
    assert_string_equal(m->template_text, "{{ .Prompt }}");
    assert_string_equal(m->system, "Be brief.");
    assert_string_equal(
        m->params_json,
        "{\"temperature\":0.2,\"stop\":[\"<a>\",\"\\\"b\\\"\"],\"num_ctx\":8192,\"use_mmap\":false}");
    assert_int_equal(m->n_params, 5);
    assert_string_equal(m->params[0].value, "0.2");
    assert_string_equal(m->params[2].value, "\"b\"");
    assert_int_equal(m->n_messages, 2);
    assert_int_equal(m->messages[1].content.len, 11); /* a NUL byte inside does not end it */
    assert_memory_equal(m->messages[1].content.ptr, "hello\0 \xf0\x9f\x91\x8b", 12);
    assert_int_equal(m->n_licenses, 2);
    assert_string_equal(m->licenses[1], "Apache");
    hl_stored_model_free(m);

    const hl_param    unknown[] = {{"temprature", "1"}}, wrong[] = {{"num_ctx", "many"}};
    hl_import_options bad = {.params = unknown, .n_params = 1};
    assert_int_equal(hl_store_import(s, &path, 1, "y", &bad, NULL, &err), HL_E_ARG);
    bad.params = wrong;
    assert_int_equal(hl_store_import(s, &path, 1, "y", &bad, NULL, &err), HL_E_ARG);
    assert_int_equal(hl_store_open_model(s, "y", HL_OPEN_FOR_SHOW, &m, &err), HL_E_NOT_FOUND);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_split_model_becomes_one_layer_a_part(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    char             first[PATH_MAX], path[PATH_MAX];
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    for (unsigned i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/m-%05u-of-00003.gguf", f.dir, i + 1);
        write_gguf(path, 64, (float)i, i, 3);
        if (i == 0) memcpy(first, path, sizeof first);
    }
    const char *p = first;
    OK(hl_store_import(s, &p, 1, "split", NULL, NULL, &err));
    OK(hl_store_open_model(s, "split", HL_OPEN_FOR_LOAD, &m, &err));
    assert_int_equal(m->n_shards, 3);
    for (unsigned i = 0; i < 3; i++) {
        char  *a = NULL, *b = NULL;
        size_t n = 0, k = 0;
        (void)snprintf(path, sizeof path, "%s/m-%05u-of-00003.gguf", f.dir, i + 1);
        OK(hl_file_read(path, 1 << 20, &a, &n, &err));
        OK(hl_file_read(m->shard_paths[i], 1 << 20, &b, &k, &err));
        assert_int_equal(n, k);
        assert_memory_equal(a, b, n);
        hl_free(a);
        hl_free(b);
    }
    hl_stored_model_free(m);
    (void)snprintf(path, sizeof path, "%s/m-00002-of-00003.gguf", f.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_not_equal(hl_store_import(s, &p, 1, "split2", NULL, NULL, &err), HL_OK);
    hl_store_close(s);
    fixture_done(&f);
}

static void what_is_no_gguf_is_refused(void **state) {
    (void)state;
    fixture f;
    hl_err  err = {0};
    char    path[PATH_MAX];
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *p = path;
    (void)snprintf(path, sizeof path, "%s/none.gguf", f.dir);
    assert_int_equal(hl_store_import(s, &p, 1, "x", NULL, NULL, &err), HL_E_NOT_FOUND);
    OK(hl_file_write_atomic(path, "hello", 5, 0644, &err));
    assert_int_equal(hl_store_import(s, &p, 1, "x", NULL, NULL, &err), HL_E_FORMAT);
    OK(hl_file_write_atomic(path, "", 0, 0644, &err));
    assert_int_equal(hl_store_import(s, &p, 1, "x", NULL, NULL, &err), HL_E_FORMAT);
    p = f.dir;
    assert_int_equal(hl_store_import(s, &p, 1, "x", NULL, NULL, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a folder"));
    (void)snprintf(path, sizeof path, "%s/fifo", f.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    p = path;
    assert_int_equal(hl_store_import(s, &p, 1, "x", NULL, NULL, &err), HL_E_IO);
    assert_non_null(strstr(err.text, "is a FIFO"));
    p = make_gguf(&f, "ok.gguf", 64, 1);
    assert_int_equal(hl_store_import(s, &p, 1, "../x", NULL, NULL, &err), HL_E_ARG);
    hl_store_close(s);
    fixture_done(&f);
}

static void rm_deletes_what_only_it_used(void **state) {
    (void)state;
    fixture    f;
    hl_err     err = {0};
    hl_removed removed;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_file(s, make_gguf(&f, "a.gguf", 64, 1), "a");
    OK(hl_store_copy(s, "a", "b:two", &err));
    assert_int_equal(hl_store_remove(s, "c", NULL, &err), HL_E_NOT_FOUND);
    OK(hl_store_remove(s, "A", &removed, &err));
    assert_int_equal(removed.n_blobs, 0);
    assert_int_equal(removed.n_kept, 0);
    assert_int_equal(count_blobs(&f, NULL), 2);
    assert_int_equal(hl_store_remove(s, "b", NULL, &err), HL_E_NOT_FOUND); /* no guessing of tags */
    OK(hl_store_remove(s, "b:two", &removed, &err));
    assert_int_equal(removed.n_blobs, 2);
    assert_int_equal(count_blobs(&f, NULL), 0);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/a.gguf", f.dir);
    assert_int_equal(access(path, R_OK), 0); /* the original lives on */
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai", f.models);
    assert_int_not_equal(access(path, F_OK), 0); /* empty folders went, too */
    hl_store_close(s);
    fixture_done(&f);
}

/* A folder as Ollama leaves it: blobs and a manifest that we did not write. */
static void make_foreign(fixture *f, const char *model, float fill) {
    hl_err err = {0};
    char   command[2000], from[400];
    (void)snprintf(from, sizeof from, "%s/made", f->dir);
    const hl_store_options o = {.models_path = from};
    hl_store              *s = NULL;
    OK(hl_store_open(&o, &s, &err));
    const char             *path = make_gguf(f, "foreign.gguf", 64, fill);
    const hl_import_options io = {.system = "foreign", .copy = true};
    OK(hl_store_import(s, &path, 1, model, &io, NULL, &err));
    hl_store_close(s);
    (void)snprintf(command, sizeof command,
                   "mkdir -p '%s' && cp -r '%s/blobs' '%s/manifests' '%s/' && rm -rf '%s'", f->models, from,
                   from, f->models, from);
    assert_int_equal(system(command), 0);
}

static void files_of_others_are_used_and_never_deleted(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_removed       removed;
    hl_stored_model *m = NULL;
    char             path[PATH_MAX];
    fixture_init(&f);
    make_foreign(&f, "theirs", 5);
    hl_store *s = fixture_open(&f);
    OK(hl_store_open_model(s, "theirs", HL_OPEN_FOR_LOAD, &m, &err));
    assert_string_equal(m->system, "foreign");
    hl_stored_model_free(m);
    (void)snprintf(path, sizeof path, "%s/.hyperlama", f.models);
    assert_int_not_equal(access(path, F_OK), 0); /* reading writes nothing into a foreign folder */
    assert_int_equal(count_blobs(&f, NULL), 3);
    /* our own import of the same file uses their blob */
    import_file(s, make_gguf(&f, "same.gguf", 64, 5), "ours");
    assert_int_equal(count_blobs(&f, NULL), 4);
    OK(hl_store_remove(s, "ours", &removed, &err));
    assert_int_equal(count_blobs(&f, NULL), 3);
    OK(hl_store_remove(s, "theirs", &removed, &err));
    assert_int_equal(removed.n_blobs, 0);
    assert_int_equal(removed.n_kept, 3);
    assert_int_equal(count_blobs(&f, NULL), 3);
    hl_store_close(s);
    fixture_done(&f);
}

/* What the list says of a model comes from its config; the index remembers it as long as the manifest is the
 * same, in folders that nobody of us ever wrote to, too: lists of a thousand models read none of them. */
static void lists_of_a_folder_of_others_are_remembered(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    char           path[PATH_MAX], command[PATH_MAX + 100];
    fixture_init(&f);
    make_foreign(&f, "theirs", 5);
    for (int i = 0; i < 2; i++) {
        hl_store *s = fixture_open(&f);
        OK(hl_store_list_models(s, NULL, &list, &err));
        assert_int_equal(list->n, 1);
        assert_string_equal(list->entries[0].quantization, "F32");
        hl_store_list_free(list);
        hl_store_close(s);
        /* gone is what the first list read: the second one does without */
        (void)snprintf(command, sizeof command, "grep -l model_format '%s'/blobs/* | xargs rm -f", f.models);
        assert_int_equal(system(command), 0);
    }
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/theirs/latest", f.models);
    (void)snprintf(command, sizeof command, "touch -d 2001-02-03 '%s'", path);
    assert_int_equal(system(command), 0);
    hl_store *s = fixture_open(&f); /* another manifest, as far as anybody knows */
    OK(hl_store_list_models(s, NULL, &list, &err));
    assert_true(list->n == 0 || strcmp(list->entries[0].quantization, "F32") != 0);
    hl_store_list_free(list);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_manifest_that_cannot_be_read_stops_the_deleting(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_removed     removed;
    hl_store_list *list = NULL;
    char           path[PATH_MAX];
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    import_file(s, make_gguf(&f, "a.gguf", 64, 1), "a");
    import_file(s, make_gguf(&f, "b.gguf", 64, 2), "b");
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/b/latest", f.models);
    OK(hl_file_write_atomic(path, "{", 1, 0644, &err));
    OK(hl_store_list_models(s, NULL, &list, &err));
    assert_int_equal(list->n, 1);
    hl_store_list_free(list);
    assert_non_null(strstr(f.events, "manifest-unreadable"));
    OK(hl_store_remove(s, "a", &removed, &err));
    assert_int_equal(removed.n_blobs, 0);
    assert_non_null(strstr(f.events, "gc-skipped"));
    assert_int_equal(count_blobs(&f, NULL), 4);
    OK(hl_store_remove(s, "b", &removed, &err)); /* and now all of it can go */
    assert_int_equal(count_blobs(&f, NULL), 0);
    hl_store_close(s);
    fixture_done(&f);
}

static void set_times(const char *path, time_t t) {
    const struct timespec both[2] = {{.tv_sec = t}, {.tv_sec = t}};
    assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

static void a_linked_file_that_changed_is_noticed(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 64, 1);
    import_file(s, path, "a");

    set_times(path, 1000000000); /* touched, not changed: the hash says so */
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err));
    hl_stored_model_free(m);
    assert_non_null(strstr(f.events, "blob-rehashed"));
    f.events[0] = '\0';
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err));
    hl_stored_model_free(m);
    assert_null(strstr(f.events, "blob-rehashed")); /* once is enough */

    int fd = open(path, O_WRONLY); /* same size, other bytes */
    assert_int_equal(pwrite(fd, "X", 1, 200), 1);
    (void)close(fd);
    assert_int_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err), HL_E_CHANGED);
    assert_non_null(strstr(err.text, "import"));
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_SHOW, &m, &err)); /* it can still be looked at */
    hl_stored_model_free(m);

    fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "X", 1), 1);
    (void)close(fd);
    assert_int_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err), HL_E_CHANGED);
    assert_non_null(strstr(err.text, "bytes"));

    /* the right file again heals the name */
    import_file(s, make_gguf(&f, "again.gguf", 64, 1), "a");
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err));
    char blob[PATH_MAX];
    (void)snprintf(blob, sizeof blob, "%s", m->shard_paths[0]);
    hl_stored_model_free(m);
    assert_int_equal(unlink(blob), 0);
    assert_int_equal(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
    hl_store_close(s);
    fixture_done(&f);
}

typedef struct watcher {
    uint64_t last, total;
    int      n_calls, cancel_at; /* cancel_at 0: never */
    char     steps[200];
} watcher;

static bool watch(void *user, const hl_store_progress *p) {
    watcher *w = user;
    w->n_calls++;
    if (!strstr(w->steps, p->what)) (void)strcat(strcat(w->steps, p->what), ",");
    w->last = p->done_bytes;
    if (p->total_bytes) w->total = p->total_bytes;
    assert_true(!p->total_bytes || p->done_bytes <= p->total_bytes);
    return w->n_calls != w->cancel_at;
}

static void a_copy_has_progress_and_can_be_cancelled_at_every_step(void **state) {
    (void)state;
    fixture           f;
    hl_err            err = {0};
    struct stat       st;
    size_t            n_partial = 0;
    watcher           w = {0};
    hl_import_options o = {.copy = true, .progress = watch, .progress_user = &w};
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 3 << 20, 1); /* 12 MiB: several reports */
    int         n_cancelled = 0;
    for (int at = 1;; at++) {
        w = (watcher){.cancel_at = at};
        const hl_status status = hl_store_import(s, &path, 1, "a", &o, NULL, &err);
        if (status == HL_OK) break;
        n_cancelled++;
        assert_int_equal(status, HL_E_CANCEL);
        assert_int_equal(count_blobs(&f, &n_partial), 0);
        assert_int_equal(n_partial, 0);
    }
    assert_true(n_cancelled >= 4);
    assert_string_equal(w.steps, "hashing,copying,writing manifest,done,");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(w.total, st.st_size);
    assert_int_equal(st.st_nlink, 1);
    const int stop = 1;
    (void)hl_stop_watch(&stop);
    assert_int_equal(hl_store_import(s, &path, 1, "b", NULL, NULL, &err), HL_E_CANCEL);
    (void)hl_stop_watch(NULL);
    hl_store_close(s);
    fixture_done(&f);
}

typedef struct asker {
    hl_store *s;
    int       n_asked;
} asker;

static bool ask(void *user, const hl_store_progress *p) {
    asker         *a = user;
    hl_store_list *list = NULL;
    (void)p;
    if (hl_store_list_models(a->s, NULL, &list, NULL) == HL_OK) a->n_asked++;
    hl_store_list_free(list);
    return true;
}

static void *import_in_thread(void *user) {
    fixture                *f = user;
    hl_store               *s = (hl_store *)f->sink.user;
    char                    path[300];
    const char             *p = path;
    asker                   a = {.s = s};
    const hl_import_options o = {.copy = true, .progress = ask, .progress_user = &a};
    (void)snprintf(path, sizeof path, "%s/a.gguf", f->dir);
    for (int i = 0; i < 5; i++) {
        if (hl_store_import(s, &p, 1, "threads:one", &o, NULL, NULL) != HL_OK) return user;
        if (hl_store_remove(s, "threads:one", NULL, NULL) != HL_OK) return user;
    }
    return a.n_asked > 10 ? NULL : user;
}

static void threads_share_a_store_and_callbacks_may_ask_it(void **state) {
    (void)state;
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    pthread_t      thread;
    void          *bad = NULL;
    fixture_init_fast(&f);
    f.sink.level = HL_LOG_ERROR; /* the sink is not made for two threads */
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 1 << 20, 1);
    fixture     other = f;
    other.sink.user = s;
    assert_int_equal(pthread_create(&thread, NULL, import_in_thread, &other), 0);
    for (int i = 0; i < 20; i++) {
        import_file(s, path, "threads:two");
        OK(hl_store_list_models(s, NULL, &list, &err));
        assert_true(list->n >= 1 && list->n <= 2);
        hl_store_list_free(list);
    }
    assert_int_equal(pthread_join(thread, &bad), 0);
    assert_null(bad);
    hl_store_close(s);
    fixture_done(&f);
}

static void across_file_systems_a_file_is_copied(void **state) {
    (void)state;
    fixture          f, other;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    struct stat      a, b;
    if (access("/dev/shm", W_OK) != 0) skip_because("no second file system to write to");
    fixture_init(&f);
    fixture_init_in(&other, "/dev/shm");
    const char *path = make_gguf(&other, "a.gguf", 4096, 1);
    if (stat(path, &a) != 0 || stat(f.dir, &b) != 0 || a.st_dev == b.st_dev) {
        fixture_done(&f);
        fixture_done(&other);
        skip_because("no second file system to write to");
    }
    hl_store *s = fixture_open(&f);
    import_file(s, path, "a");
    assert_int_equal(unlink(path), 0); /* the store has its own */
    OK(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err));
    hl_stored_model_free(m);
    hl_store_close(s);
    fixture_done(&f);
    fixture_done(&other);
}

static void two_processes_may_import_at_once(void **state) {
    (void)state;
    enum { N = 4, ROUNDS = 5 };
    fixture        f;
    hl_err         err = {0};
    hl_store_list *list = NULL;
    size_t         n_partial = 0;
    fixture_init(&f);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", make_gguf(&f, "a.gguf", 64 << 10, 1));
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pids[N];
        for (int i = 0; i < N; i++) {
            pids[i] = fork();
            if (pids[i] != 0) continue;
            const hl_store_options  so = {.models_path = f.models, .db_path = f.db};
            const hl_import_options o = {.copy = i & 1};
            hl_store               *s = NULL;
            const char             *p = path;
            char                    name[40];
            (void)snprintf(name, sizeof name, "m%d:r%d", i / 2, round);
            hl_status status = hl_store_open(&so, &s, &err);
            if (status == HL_OK) status = hl_store_import(s, &p, 1, name, &o, NULL, &err);
            if (status != HL_OK) fprintf(stderr, "%s\n", err.text);
            hl_store_close(s);
            _exit(status == HL_OK ? 0 : 1);
        }
        for (int i = 0; i < N; i++) {
            int how = 0;
            assert_int_equal(waitpid(pids[i], &how, 0), pids[i]);
            assert_int_equal(how, 0);
        }
    }
    hl_store *s = fixture_open(&f);
    OK(hl_store_list_models(s, NULL, &list, &err));
    assert_int_equal(list->n, N / 2 * ROUNDS);
    hl_store_list_free(list);
    assert_int_equal(count_blobs(&f, &n_partial), 2);
    assert_int_equal(n_partial, 0);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_killed_import_leaves_nothing_that_the_next_one_does_not_heal(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL;
    hl_store_list   *list = NULL;
    size_t           n_partial = 0;
    int              n_killed = 0, n_finished = 0;
    fixture_init(&f);
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", make_gguf(&f, "a.gguf", 256 << 10, 1));
    for (int i = 0; i < 60; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            const hl_store_options  so = {.models_path = f.models, .db_path = f.db};
            const hl_import_options o = {.copy = i & 1, .system = "x"};
            hl_store               *s = NULL;
            const char             *p = path;
            if (hl_store_open(&so, &s, NULL) != HL_OK) _exit(1);
            _exit(hl_store_import(s, &p, 1, "a", &o, NULL, NULL) == HL_OK ? 0 : 1);
        }
        (void)usleep((useconds_t)(i * 400)); /* 0 .. 24 ms: every phase gets its turn */
        (void)kill(pid, SIGKILL);
        int how = 0;
        assert_int_equal(waitpid(pid, &how, 0), pid);
        if (WIFSIGNALED(how)) n_killed++;
        if (WIFEXITED(how)) {
            assert_int_equal(WEXITSTATUS(how), 0);
            n_finished++;
        }
        hl_store *s = fixture_open(&f); /* sweeps */
        (void)count_blobs(&f, &n_partial);
        assert_int_equal(n_partial, 0);
        OK(hl_store_list_models(s, NULL, &list, &err));
        if (list->n) { /* what is visible is whole */
            OK(hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err));
            assert_string_equal(m->system, "x");
            hl_stored_model_free(m);
        }
        if (i % 3 == 2) { /* run again: heals, and cleans what the killed one left */
            import_file(s, path, "a");
            assert_int_equal(count_blobs(&f, NULL), 2);
            OK(hl_store_remove(s, "a", NULL, &err));
            assert_int_equal(count_blobs(&f, NULL), 0);
        }
        hl_store_list_free(list);
        hl_store_close(s);
    }
    assert_true(n_killed > 0);
    fixture_done(&f);
}

static void a_full_disk_leaves_nothing_recorded(void **state) {
    (void)state;
    fixture           f;
    hl_err            err = {0};
    size_t            n_partial = 0;
    hl_import_options o = {.copy = true};
    struct rlimit     old, small;
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 1 << 20, 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){1 << 20, old.rlim_max}; /* 4 MiB do not fit */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const hl_status status = hl_store_import(s, &path, 1, "a", &o, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, HL_E_IO);
    assert_int_equal(count_blobs(&f, &n_partial), 0);
    assert_int_equal(n_partial, 0);
    OK(hl_store_import(s, &path, 1, "a", &o, NULL, &err)); /* after the remedy */
    hl_store_close(s);
    fixture_done(&f);
}

static void a_read_only_folder_can_be_read_and_says_so_when_written(void **state) {
    (void)state;
    fixture f;
    fixture_init(&f);
    hl_store   *s = fixture_open(&f);
    const char *path = make_gguf(&f, "a.gguf", 64, 1);
    import_file(s, path, "a");
    hl_store_close(s);
    char command[700];
    (void)snprintf(command, sizeof command, "chmod 755 '%s'; chmod -R a+rX,a-w '%s'; chmod a-w '%s'", f.dir,
                   f.models, f.dir);
    assert_int_equal(system(command), 0);
    const pid_t pid = fork();
    if (pid == 0) { /* root is not stopped by permissions */
        hl_err           err = {0};
        hl_stored_model *m = NULL;
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(77);
        const hl_store_options o = {.models_path = f.models, .db_path = f.db};
        if (hl_store_open(&o, &s, &err) != HL_OK) _exit(1);
        if (hl_store_open_model(s, "a", HL_OPEN_FOR_LOAD, &m, &err) != HL_OK) _exit(2);
        hl_stored_model_free(m);
        if (hl_store_import(s, &path, 1, "b", NULL, NULL, &err) != HL_E_IO) _exit(3);
        if (!strstr(err.text, "denied")) _exit(4);
        if (hl_store_remove(s, "a", NULL, &err) != HL_E_IO) _exit(5);
        hl_store_close(s);
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    fixture_done(&f);
    if (WIFEXITED(how) && WEXITSTATUS(how) == 77) skip_because("no other user to be");
    assert_int_equal(how, 0);
}

static void results_are_kept_and_read_back_run_by_run(void **state) {
    (void)state;
    fixture           f;
    hl_err            err = {0};
    hl_bench_history *h = NULL;
    fixture_init(&f);
    hl_store       *s = fixture_open(&f);
    hl_bench_result r[2] = {
        {.machine = "m",
         .cpu = "c",
         .build = "b",
         .commit = "abc",
         .isa = "avx2",
         .kv_type = "f16",
         .n_threads = 2,
         .date_ms = 5,
         .model = "x:latest",
         .digest = "",
         .metric = "decode",
         .n = 64,
         .value = 12.5,
         .unit = "tokens/s",
         .share = 0.5},
        {.machine = "m",
         .model = "x:latest",
         .date_ms = 5,
         .metric = "prefill",
         .n = 512,
         .value = 100,
         .unit = "tokens/s"},
    };
    for (int run = 0; run < 3; run++) {
        r[0].date_ms = r[1].date_ms = 5 + run;
        r[0].value = 12.5 + run;
        OK(hl_store_add_results(s, r, 2, &err));
    }
    OK(hl_store_list_results(s, "x:latest", "m", 2, &h, &err));
    assert_int_equal(h->n, 4); /* two runs of two rows, the older one first */
    assert_true(h->results[0].date_ms == 6 && h->results[0].value == 13.5 && h->results[0].share == 0.5);
    assert_string_equal(h->results[0].isa, "avx2");
    assert_string_equal(h->results[3].metric, "prefill");
    assert_true(h->results[3].date_ms == 7 && h->results[3].share == 0 && h->results[3].n_threads == 0);
    hl_bench_history_free(h);
    OK(hl_store_list_results(s, "x:latest", "another", 2, &h, &err));
    assert_int_equal(h->n, 0);
    hl_bench_history_free(h);
    hl_store_close(s);
    const hl_store_options o = {.models_path = f.models};
    OK(hl_store_open(&o, &s, &err));
    assert_int_equal(hl_store_add_results(s, r, 2, &err), HL_E_IO); /* nowhere to keep them */
    assert_int_equal(hl_store_list_results(s, "x:latest", "m", 2, &h, &err), HL_E_IO);
    hl_store_close(s);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_imported_file_is_linked_listed_and_loads),
        cmocka_unit_test(a_bare_name_finds_the_only_tag),
        cmocka_unit_test(a_name_that_differs_in_case_is_replaced_not_doubled),
        cmocka_unit_test(what_options_say_comes_back),
        cmocka_unit_test(a_split_model_becomes_one_layer_a_part),
        cmocka_unit_test(what_is_no_gguf_is_refused),
        cmocka_unit_test(rm_deletes_what_only_it_used),
        cmocka_unit_test(files_of_others_are_used_and_never_deleted),
        cmocka_unit_test(lists_of_a_folder_of_others_are_remembered),
        cmocka_unit_test(a_manifest_that_cannot_be_read_stops_the_deleting),
        cmocka_unit_test(a_linked_file_that_changed_is_noticed),
        cmocka_unit_test(a_copy_has_progress_and_can_be_cancelled_at_every_step),
        cmocka_unit_test(threads_share_a_store_and_callbacks_may_ask_it),
        cmocka_unit_test(across_file_systems_a_file_is_copied),
        cmocka_unit_test(two_processes_may_import_at_once),
        cmocka_unit_test(a_killed_import_leaves_nothing_that_the_next_one_does_not_heal),
        cmocka_unit_test(a_full_disk_leaves_nothing_recorded),
        cmocka_unit_test(a_read_only_folder_can_be_read_and_says_so_when_written),
        cmocka_unit_test(results_are_kept_and_read_back_run_by_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
