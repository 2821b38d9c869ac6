/* SPDX-License-Identifier: MIT
 *
 * test_resident.c - models that stay loaded: shared, counted, kept, unloaded for others, and never under a
 * user.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/resident.h"
#include "model_fixture.h"

/* The clock that the table sees: the system's, and what the test adds. */
static _Atomic int64_t step_s;

int clock_gettime(clockid_t id, struct timespec *ret) {
    const int rc = (int)syscall(SYS_clock_gettime, id, ret);
    if (rc == 0 && id == CLOCK_MONOTONIC) ret->tv_sec += step_s;
    return rc;
}

enum { N_MODELS = 3 };

typedef struct setup {
    char       dir[64], files[N_MODELS][96];
    hl_config *config;
    hl_paths   paths;
    hl_host   *h;
    hl_source *sources[N_MODELS];
} setup;

static setup begin(hl_setting setting, const char *value) {
    setup          x = {.dir = "/tmp/hl_test_resident.XXXXXX"};
    hl_err         err = {0};
    const mf_shape shape = {.n_vocab = 300,
                            .n_embd = 64,
                            .n_heads = 2,
                            .n_kv_heads = 1,
                            .head_dim = 32,
                            .n_ff = 64,
                            .n_layers = 2,
                            .type = HL_TYPE_q8_0};
    assert_non_null(mkdtemp(x.dir));
    assert_int_equal(hl_config_new(&x.config, &err), HL_OK);
    if (value)
        assert_int_equal(hl_config_set(x.config, setting, hl_view_of(value), HL_ORIGIN_FLAG, "test", &err),
                         HL_OK);
    x.paths = (hl_paths){.home = x.dir, .models = x.dir, .db = x.dir};
    static hl_paths paths; /* must outlive the host */
    paths = x.paths;
    assert_int_equal(hl_host_new(x.config, &paths, NULL, &x.h, &err), HL_OK);
    for (size_t i = 0; i < N_MODELS; i++) {
        (void)snprintf(x.files[i], sizeof x.files[i], "%s/m%zu.gguf", x.dir, i);
        if (mf_write(x.files[i], &shape, &err) != HL_OK) fail_msg("%s", err.text);
        if (hl_host_find(x.h, x.files[i], HL_OPEN_FOR_LOAD, &x.sources[i], &err) != HL_OK)
            fail_msg("%s", err.text);
    }
    return x;
}

static void end(setup *x) {
    for (size_t i = 0; i < N_MODELS; i++) {
        hl_source_free(x->sources[i]);
        (void)unlink(x->files[i]);
    }
    hl_host_free(x->h);
    hl_config_free(x->config);
    (void)rmdir(x->dir);
}

static hl_resident *take_with(setup *x, size_t i, int32_t n_ctx) {
    hl_resident *r = NULL;
    hl_err       err = {0};
    hl_options   o;
    hl_options_init(&o);
    o.num_ctx = n_ctx;
    if (hl_host_acquire(x->h, x->sources[i], &o, &r, &err) != HL_OK) fail_msg("%s", err.text);
    hl_options_done(&o);
    return r;
}

static hl_resident *take(setup *x, size_t i) { return take_with(x, i, 256); }

typedef struct table {
    hl_resident_info v[8]; /* [n] the newest first */
    size_t           n;
} table;

static void take_info(void *user, const hl_resident_info *info) {
    table *t = user;
    assert_true(t->n < 8);
    t->v[t->n++] = *info;
}

static table read_table(setup *x) {
    table t = {.n = 0};
    assert_int_equal(hl_host_each_resident(x->h, take_info, &t, NULL), HL_OK);
    return t;
}

static size_t n_loaded(setup *x) { return read_table(x).n; }

/* NULL: it is not loaded. Until the next call. */
static const hl_resident_info *info_of(setup *x, const char *label) {
    static table t;
    t = read_table(x);
    for (size_t k = 0; k < t.n; k++)
        if (strcmp(t.v[k].label, label) == 0) return &t.v[k];
    return NULL;
}

static bool is_loaded(setup *x, size_t i) { return info_of(x, x->sources[i]->label) != NULL; }

static void users_share_what_is_loaded(void **state) {
    (void)state;
    setup        x = begin(0, NULL);
    hl_resident *a = take(&x, 0), *b = take(&x, 0), *c = take(&x, 1);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    const table t = read_table(&x);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.v[0].label, x.sources[1]->label); /* the newest first */
    assert_int_equal(t.v[0].n_users, 1);
    assert_int_equal(t.v[1].n_users, 2);
    assert_int_equal(t.v[0].keep_ms, -1);
    assert_true(t.v[0].cache_bytes > 0 && t.v[0].n_ctx == 256);
    struct stat st;
    assert_int_equal(stat(x.files[1], &st), 0);
    assert_int_equal(t.v[0].weights_bytes, st.st_size);
    assert_false(t.v[0].is_loading || t.v[0].is_pinned);
    assert_non_null(hl_resident_runner(a));
    hl_host_release(x.h, a, 0); /* the other one still uses it */
    assert_int_equal(n_loaded(&x), 2);
    hl_host_release(x.h, b, 0);
    assert_false(is_loaded(&x, 0));
    hl_host_release(x.h, c, 1000);
    assert_in_range(info_of(&x, x.sources[1]->label)->keep_ms, 900, 1000);
    end(&x); /* also with one that is kept */
}

static void idle_models_go_when_their_time_is_over(void **state) {
    (void)state;
    setup x = begin(HL_SETTING_server_keep_alive_s, "300");
    hl_host_release(x.h, take(&x, 0), HL_KEEP_DEFAULT);
    hl_host_release(x.h, take(&x, 1), HL_KEEP_FOREVER);
    hl_resident *used = take(&x, 2);
    assert_in_range(hl_host_expire(x.h), 290000, 300000);
    step_s += 299;
    assert_in_range(hl_host_expire(x.h), 0, 1000);
    assert_int_equal(n_loaded(&x), 3);
    step_s += 2;
    assert_int_equal(hl_host_expire(x.h), -1);
    assert_false(is_loaded(&x, 0));
    assert_true(is_loaded(&x, 1));
    hl_host_release(x.h, used, 5000);
    hl_host_release(x.h, take(&x, 2), 20000); /* the last user's wish counts */
    step_s += 6;
    (void)hl_host_expire(x.h);
    assert_true(is_loaded(&x, 2));
    step_s += 15;
    (void)hl_host_expire(x.h);
    assert_false(is_loaded(&x, 2));
    end(&x);
}

static void the_one_used_longest_ago_makes_room(void **state) {
    (void)state;
    setup        x = begin(HL_SETTING_server_max_loaded_models, "2");
    hl_err       err = {0};
    hl_resident *r = NULL;
    hl_options   o;
    hl_options_init(&o);
    hl_host_release(x.h, take(&x, 0), HL_KEEP_DEFAULT);
    hl_host_release(x.h, take(&x, 1), HL_KEEP_DEFAULT);
    hl_host_release(x.h, take(&x, 0), HL_KEEP_DEFAULT);
    hl_resident *c = take(&x, 2);
    assert_true(is_loaded(&x, 0));
    assert_false(is_loaded(&x, 1));
    hl_resident *a = take(&x, 0);
    assert_int_equal(hl_host_acquire(x.h, x.sources[1], &o, &r, &err), HL_E_BUSY); /* both are in use */
    assert_non_null(strstr(err.text, "2 models are in use"));
    hl_host_release(x.h, a, HL_KEEP_FOREVER);
    hl_host_release(x.h, c, HL_KEEP_DEFAULT);
    hl_host_release(x.h, take(&x, 1), HL_KEEP_DEFAULT); /* what shall stay for ever goes last */
    assert_true(is_loaded(&x, 0));
    assert_false(is_loaded(&x, 2));
    hl_options_done(&o);
    end(&x);
}

static void more_context_than_there_is_means_loading_again(void **state) {
    (void)state;
    setup        x = begin(HL_SETTING_engine_kv_budget_mib, "1");
    hl_resident *r = NULL;
    hl_err       err = {0};
    hl_options   o;
    hl_options_init(&o);
    hl_resident *a = take_with(&x, 0, 256);
    hl_resident *b = take_with(&x, 0, 1024); /* the cache holds it: shared */
    assert_ptr_equal(a, b);
    o.num_ctx = INT32_MAX; /* more than anything holds: what is there stays of use */
    assert_int_not_equal(hl_host_acquire(x.h, x.sources[0], &o, &r, &err), HL_OK);
    assert_int_equal(n_loaded(&x), 1);
    hl_resident *c = take_with(&x, 0, 256);
    assert_ptr_equal(a, c);
    hl_host_release(x.h, c, HL_KEEP_DEFAULT);
    hl_resident *d = take_with(&x, 0, 8192); /* it is in use: another beside it */
    assert_ptr_not_equal(a, d);
    assert_int_equal(n_loaded(&x), 2);
    hl_resident *e = take_with(&x, 0, 256); /* which serves those with less, too */
    assert_ptr_equal(d, e);
    hl_host_release(x.h, a, HL_KEEP_DEFAULT);
    assert_int_equal(n_loaded(&x), 2);
    hl_host_release(x.h, b, HL_KEEP_FOREVER); /* its last user leaves: it goes, whatever was asked for */
    assert_int_equal(n_loaded(&x), 1);
    hl_host_release(x.h, d, HL_KEEP_DEFAULT);
    hl_host_release(x.h, e, HL_KEEP_DEFAULT);
    hl_resident *f = take_with(&x, 0, 16384); /* nobody uses it: loaded again at once */
    assert_int_equal(n_loaded(&x), 1);
    hl_runner_info info;
    hl_runner_get_info(hl_resident_runner(f), &info);
    assert_int_equal(info.n_ctx, 16384);
    hl_host_release(x.h, f, 0);
    assert_int_equal(n_loaded(&x), 0);
    hl_options_done(&o);
    end(&x);
}

static void another_batch_size_means_loading_again(void **state) {
    (void)state;
    setup      x = begin(0, NULL);
    hl_options o;
    hl_options_init(&o);
    o.num_ctx = 256;
    hl_resident *a = take(&x, 0), *b = NULL;
    assert_int_equal(hl_host_acquire(x.h, x.sources[0], &o, &b, NULL), HL_OK);
    assert_ptr_equal(a, b);
    hl_host_release(x.h, b, HL_KEEP_DEFAULT);
    o.num_batch = 64;
    assert_int_equal(hl_host_acquire(x.h, x.sources[0], &o, &b, NULL), HL_OK);
    assert_ptr_not_equal(a, b);
    hl_host_release(x.h, b, HL_KEEP_DEFAULT);
    hl_host_release(x.h, a, HL_KEEP_DEFAULT);
    assert_int_equal(n_loaded(&x), 1);
    hl_options_done(&o);
    end(&x);
}

static void a_pinned_model_stays_until_it_is_unloaded(void **state) {
    (void)state;
    setup        x = begin(HL_SETTING_server_max_loaded_models, "1");
    hl_resident *a = take(&x, 0), *r = NULL;
    hl_options   o;
    hl_options_init(&o);
    hl_host_pin(x.h, a, true);
    hl_host_release(x.h, a, 0); /* not even then */
    assert_true(info_of(&x, x.sources[0]->label)->is_pinned);
    step_s += 1000;
    assert_int_equal(hl_host_expire(x.h), -1);
    assert_true(is_loaded(&x, 0));
    assert_int_equal(hl_host_acquire(x.h, x.sources[1], &o, &r, NULL), HL_E_BUSY); /* nor for others */
    assert_true(is_loaded(&x, 0));
    a = take(&x, 0);
    hl_host_pin(x.h, a, false);
    hl_host_release(x.h, a, HL_KEEP_FOREVER);
    hl_host_release(x.h, take(&x, 1), HL_KEEP_DEFAULT); /* it makes room again */
    assert_false(is_loaded(&x, 0));
    a = take(&x, 1);
    hl_host_pin(x.h, a, true);
    assert_int_equal(hl_host_unload(x.h, x.sources[1], NULL), HL_OK);
    hl_host_release(x.h, a, HL_KEEP_DEFAULT);
    assert_int_equal(n_loaded(&x), 0);
    hl_options_done(&o);
    end(&x);
}

/* ---- Drafts ---- */

/* As if the first model were stored with the second one as its draft. */
static void give_draft(setup *x, hl_stored_model *stored) {
    *stored = (hl_stored_model){.entry.text = "with-draft:latest", .draft_path = x->files[1]};
    x->sources[0]->stored = stored;
}

static void take_draft_back(setup *x) { x->sources[0]->stored = NULL; } /* it is not the source's */

static const char draft_label[] = "with-draft:latest (draft)";

static void a_draft_is_shared_and_goes_with_the_last_model_that_uses_it(void **state) {
    (void)state;
    setup           x = begin(0, NULL);
    hl_stored_model stored;
    give_draft(&x, &stored);
    hl_resident            *a = take(&x, 0);
    const hl_resident_info *draft = info_of(&x, draft_label);
    assert_non_null(draft);
    assert_int_equal(draft->n_targets, 1);
    assert_int_equal(draft->n_users, 0);
    assert_int_equal(draft->n_ctx, 0); /* it answers nobody */
    assert_int_equal(draft->keep_ms, -1);
    hl_host_release(x.h, a, HL_KEEP_DEFAULT);
    assert_non_null(info_of(&x, draft_label)); /* kept alive with its target */
    hl_resident *b = take(&x, 1);              /* the same file, asked to answer: the same model */
    assert_int_equal(n_loaded(&x), 2);
    const hl_resident_info *both = info_of(&x, x.sources[1]->label);
    assert_int_equal(both->n_targets, 1);
    assert_int_equal(both->n_users, 1);
    assert_int_equal(both->n_ctx, 256);
    hl_host_release(x.h, b, 0); /* it drafts still */
    both = info_of(&x, x.sources[1]->label);
    assert_non_null(both);
    assert_int_equal(both->n_ctx, 0);
    assert_int_equal(hl_host_unload(x.h, x.sources[0], NULL), HL_OK);
    assert_int_equal(n_loaded(&x), 0);
    b = take(&x, 1); /* the other way round: it answers before it drafts */
    a = take(&x, 0);
    assert_int_equal(info_of(&x, x.sources[1]->label)->n_targets, 1);
    hl_host_release(x.h, b, 5000);
    hl_host_release(x.h, a, 0);
    assert_int_equal(info_of(&x, x.sources[1]->label)->n_targets, 0);
    assert_int_equal(n_loaded(&x), 1); /* its own user wanted it for a while */
    step_s += 6;
    (void)hl_host_expire(x.h);
    assert_int_equal(n_loaded(&x), 0);
    hl_host_release(x.h, take(&x, 0), HL_KEEP_FOREVER);
    take_draft_back(&x);
    end(&x); /* with a draft in use */
}

static void a_draft_that_was_stopped_goes_when_its_target_does(void **state) {
    (void)state;
    setup           x = begin(0, NULL);
    hl_stored_model stored;
    give_draft(&x, &stored);
    hl_host_release(x.h, take(&x, 1), HL_KEEP_FOREVER);
    hl_resident *a = take(&x, 0);
    assert_int_equal(hl_host_unload(x.h, x.sources[1], NULL), HL_OK);
    assert_int_equal(n_loaded(&x), 2);
    hl_host_release(x.h, a, 0);
    assert_int_equal(n_loaded(&x), 0);
    take_draft_back(&x);
    end(&x);
}

static void a_draft_is_no_answering_model_to_the_limit(void **state) {
    (void)state;
    setup           x = begin(HL_SETTING_server_max_loaded_models, "2");
    hl_stored_model stored;
    give_draft(&x, &stored);
    hl_host_release(x.h, take(&x, 0), HL_KEEP_DEFAULT);
    hl_host_release(x.h, take(&x, 2), HL_KEEP_DEFAULT);
    assert_int_equal(n_loaded(&x), 3); /* two that answer, and a draft */
    hl_host_release(x.h, take(&x, 1), HL_KEEP_DEFAULT);
    assert_false(is_loaded(&x, 0)); /* the draft answers, too: one of the others goes */
    assert_int_equal(n_loaded(&x), 2);
    take_draft_back(&x);
    end(&x);
}

static void two_models_may_draft_for_each_other_and_one_for_itself(void **state) {
    (void)state;
    setup           x = begin(0, NULL);
    hl_stored_model stored, other;
    give_draft(&x, &stored);
    other = (hl_stored_model){.entry.text = "other:latest", .draft_path = x.files[0]};
    x.sources[1]->stored = &other;
    hl_resident *a = take(&x, 0), *b = take(&x, 1);
    assert_int_equal(n_loaded(&x), 2);
    assert_int_equal(info_of(&x, x.sources[0]->label)->n_targets, 1);
    assert_int_equal(info_of(&x, x.sources[1]->label)->n_targets, 1);
    hl_host_release(x.h, a, 0);
    hl_host_release(x.h, b, 0);
    assert_int_equal(n_loaded(&x), 0);
    other.draft_path = x.files[1];
    b = take(&x, 1);
    const table t = read_table(&x);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.v[0].n_targets, 0);
    hl_host_release(x.h, b, 0);
    assert_int_equal(n_loaded(&x), 0);
    x.sources[1]->stored = NULL;
    take_draft_back(&x);
    end(&x);
}

static void a_stored_draft_that_cannot_be_had_costs_speed_only_one_that_is_asked_for_must_be(void **state) {
    (void)state;
    setup           x = begin(0, NULL);
    hl_stored_model stored;
    give_draft(&x, &stored);
    assert_int_equal(truncate(x.files[1], 100), 0);
    hl_resident *a = take(&x, 0);
    assert_int_equal(n_loaded(&x), 1);
    hl_host_release(x.h, a, 0);
    take_draft_back(&x);
    end(&x);
    x = begin(HL_SETTING_engine_draft, "./no such file.gguf");
    hl_err     err = {0};
    hl_options o;
    hl_options_init(&o);
    assert_int_equal(hl_host_acquire(x.h, x.sources[0], &o, &a, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "draft model"));
    assert_int_equal(n_loaded(&x), 0);
    hl_options_done(&o);
    end(&x);
}

static void unloading_waits_for_the_users(void **state) {
    (void)state;
    setup        x = begin(0, NULL);
    hl_resident *a = take(&x, 0);
    assert_int_equal(hl_host_unload(x.h, x.sources[1], NULL), HL_E_NOT_FOUND);
    assert_int_equal(hl_host_unload(x.h, x.sources[0], NULL), HL_OK);
    assert_true(is_loaded(&x, 0)); /* it is in use */
    hl_resident *b = take(&x, 0);  /* but not for new ones */
    assert_ptr_not_equal(a, b);
    assert_int_equal(n_loaded(&x), 2);
    hl_host_release(x.h, a, HL_KEEP_FOREVER);
    assert_int_equal(n_loaded(&x), 1);
    hl_host_release(x.h, b, HL_KEEP_FOREVER);
    assert_int_equal(hl_host_unload(x.h, NULL, NULL), HL_OK);
    assert_int_equal(n_loaded(&x), 0);
    end(&x);
}

static void a_load_that_fails_leaves_nothing(void **state) {
    (void)state;
    setup        x = begin(0, NULL);
    hl_resident *r = NULL;
    hl_err       err = {0};
    hl_options   o;
    hl_options_init(&o);
    assert_int_equal(truncate(x.files[0], 100), 0);
    assert_int_equal(hl_host_acquire(x.h, x.sources[0], &o, &r, &err), HL_E_FORMAT);
    assert_int_equal(n_loaded(&x), 0);
    assert_int_equal(unlink(x.files[1]), 0);
    assert_int_equal(hl_host_acquire(x.h, x.sources[1], &o, &r, &err), HL_E_NOT_FOUND);
    assert_null(r);
    hl_options_done(&o);
    end(&x);
}

typedef struct worker {
    setup   *x;
    unsigned seed;
} worker;

static void *take_and_release(void *arg) {
    worker *w = arg;
    for (int i = 0; i < 40; i++) {
        const size_t which = (size_t)rand_r(&w->seed) % N_MODELS;
        hl_options   o;
        hl_resident *r = NULL;
        hl_options_init(&o);
        o.num_ctx = 128;
        const hl_status status = hl_host_acquire(w->x->h, w->x->sources[which], &o, &r, NULL);
        hl_options_done(&o);
        if (status == HL_E_BUSY) continue; /* the others hold both places */
        assert_int_equal(status, HL_OK);
        hl_runner_info info;
        hl_runner_get_info(hl_resident_runner(r), &info);
        assert_true(info.n_ctx_cap >= 128);
        if (i % 7 == 0) (void)hl_host_unload(w->x->h, w->x->sources[which], NULL);
        (void)hl_host_expire(w->x->h);
        hl_host_release(w->x->h, r, i % 3 == 0 ? 0 : 1000);
    }
    return NULL;
}

static void many_threads_never_lose_a_model_they_hold(void **state) {
    (void)state;
    setup           x = begin(HL_SETTING_server_max_loaded_models, "2");
    pthread_t       threads[6];
    worker          workers[6];
    hl_stored_model stored, other = {.entry.text = "other:latest", .draft_path = x.files[0]};
    give_draft(&x, &stored); /* and the other way round */
    x.sources[1]->stored = &other;
    for (size_t i = 0; i < 6; i++) {
        workers[i] = (worker){&x, (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &workers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) (void)pthread_join(threads[i], NULL);
    assert_int_equal(hl_host_unload(x.h, NULL, NULL), HL_OK);
    assert_int_equal(n_loaded(&x), 0);
    x.sources[1]->stored = NULL;
    take_draft_back(&x);
    end(&x);
}

static void settings_choose_the_cache_and_sizes_and_a_models_options_win(void **state) {
    (void)state;
    static const struct {
        const char      *word;
        hl_kv_cache_type type;
    } rows[] = {{"f16", HL_KV_CACHE_F16},
                {"f32", HL_KV_CACHE_F32},
                {"bf16", HL_KV_CACHE_BF16},
                {"q8_0", HL_KV_CACHE_Q8_0}};
    hl_session_params p;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup x = begin(HL_SETTING_engine_kv_type, rows[i].word);
        hl_host_session_params(x.h, NULL, &p);
        assert_int_equal(p.kv_type, rows[i].type);
        end(&x);
    }
    setup      x = begin(HL_SETTING_engine_n_ctx, "3000");
    hl_options o;
    hl_host_session_params(x.h, NULL, &p);
    assert_int_equal(p.n_ctx, 3000);
    hl_options_init(&o);
    o.num_ctx = 77;
    o.num_batch = 33;
    hl_host_session_params(x.h, &o, &p);
    assert_int_equal(p.n_ctx, 77);
    assert_int_equal(p.n_batch, 33);
    hl_options_done(&o);
    end(&x);
    x = begin(HL_SETTING_engine_n_batch, "99");
    hl_host_session_params(x.h, NULL, &p);
    assert_int_equal(p.n_batch, 99);
    end(&x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_choose_the_cache_and_sizes_and_a_models_options_win),
        cmocka_unit_test(users_share_what_is_loaded),
        cmocka_unit_test(idle_models_go_when_their_time_is_over),
        cmocka_unit_test(the_one_used_longest_ago_makes_room),
        cmocka_unit_test(more_context_than_there_is_means_loading_again),
        cmocka_unit_test(another_batch_size_means_loading_again),
        cmocka_unit_test(a_pinned_model_stays_until_it_is_unloaded),
        cmocka_unit_test(a_draft_is_shared_and_goes_with_the_last_model_that_uses_it),
        cmocka_unit_test(a_draft_that_was_stopped_goes_when_its_target_does),
        cmocka_unit_test(a_draft_is_no_answering_model_to_the_limit),
        cmocka_unit_test(two_models_may_draft_for_each_other_and_one_for_itself),
        cmocka_unit_test(a_stored_draft_that_cannot_be_had_costs_speed_only_one_that_is_asked_for_must_be),
        cmocka_unit_test(unloading_waits_for_the_users),
        cmocka_unit_test(a_load_that_fails_leaves_nothing),
        cmocka_unit_test(many_threads_never_lose_a_model_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
