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

static size_t n_loaded(setup *x) { return hl_host_list_residents(x->h, NULL, 0); }

static bool is_loaded(setup *x, size_t i) {
    hl_resident_info infos[8];
    const size_t     n = hl_host_list_residents(x->h, infos, 8);
    for (size_t k = 0; k < n; k++)
        if (strcmp(infos[k].label, x->sources[i]->label) == 0) return true;
    return false;
}

static void users_share_what_is_loaded(void **state) {
    (void)state;
    setup            x = begin(0, NULL);
    hl_resident     *a = take(&x, 0), *b = take(&x, 0), *c = take(&x, 1);
    hl_resident_info infos[4];
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(hl_host_list_residents(x.h, infos, 4), 2);
    assert_int_equal(infos[0].n_users + infos[1].n_users, 3);
    assert_int_equal(infos[0].keep_ms, -1);
    assert_true(infos[0].cache_bytes > 0 && infos[0].weights_bytes > 0 && infos[0].n_ctx == 256);
    assert_non_null(hl_resident_runner(a));
    hl_host_release(x.h, a, 0); /* the other one still uses it */
    assert_int_equal(n_loaded(&x), 2);
    hl_host_release(x.h, b, 0);
    assert_false(is_loaded(&x, 0));
    hl_host_release(x.h, c, 1000);
    assert_true(is_loaded(&x, 1));
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

static void more_context_than_there_is_means_loading_anew(void **state) {
    (void)state;
    setup        x = begin(HL_SETTING_engine_kv_budget_mib, "1");
    hl_resident *r = NULL;
    hl_err       err = {0};
    hl_options   o;
    hl_options_init(&o);
    hl_resident *a = take_with(&x, 0, 256);
    hl_resident *b = take_with(&x, 0, 1024); /* the cache holds it: shared */
    assert_ptr_equal(a, b);
    o.num_ctx = 1 << 20;
    assert_int_equal(hl_host_acquire(x.h, x.sources[0], &o, &r, &err), HL_E_BUSY);
    assert_non_null(strstr(err.text, "in use"));
    hl_host_release(x.h, a, HL_KEEP_DEFAULT);
    hl_host_release(x.h, b, HL_KEEP_DEFAULT);
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
    setup     x = begin(HL_SETTING_server_max_loaded_models, "2");
    pthread_t threads[6];
    worker    workers[6];
    for (size_t i = 0; i < 6; i++) {
        workers[i] = (worker){&x, (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_release, &workers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) (void)pthread_join(threads[i], NULL);
    assert_int_equal(hl_host_unload(x.h, NULL, NULL), HL_OK);
    assert_int_equal(n_loaded(&x), 0);
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
        cmocka_unit_test(more_context_than_there_is_means_loading_anew),
        cmocka_unit_test(unloading_waits_for_the_users),
        cmocka_unit_test(a_load_that_fails_leaves_nothing),
        cmocka_unit_test(many_threads_never_lose_a_model_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
