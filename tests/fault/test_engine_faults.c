/* SPDX-License-Identifier: MIT
 *
 * test_engine_faults.c - the engine while memory, mappings and threads run out one call after the other,
 * while the model's file is cut short under it, and when it is told to stop.
 */
#define _GNU_SOURCE
#include "tests/need.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../unit/model_fixture.h"
#include "core/base/map.h"
#include "core/data/json.h"
#include "engine/forward/cuts.h"
#include "engine/model_priv.h"
#include "hyperlama/native.h"

/* ---- calls that fail: the library is linked into this program and calls these --------------------- */

static long        mmaps_left = -1; /* that succeed before one fails; -1: all do */
static bool        refuses_threads;
static const char *cut_path; /* cut to cut_bytes when it has been mapped or is read; NULL: nothing is cut */
static off_t       cut_bytes;
static int         cut_at; /* reads before that one; -1: as soon as it is mapped */

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset) {
    if (mmaps_left == 0) {
        mmaps_left = -1;
        errno = ENOMEM;
        return MAP_FAILED;
    }
    if (mmaps_left > 0) mmaps_left--;
    void *p = REAL(void *, mmap, void *, size_t, int, int, int, off_t)(at, n, prot, flags, fd, offset);
    if (fd >= 0 && cut_path && cut_at == -1) assert_int_equal(truncate(cut_path, cut_bytes), 0);
    return p;
}

ssize_t pread(int fd, void *p, size_t n, off_t at) {
    if (cut_path && cut_at >= 0 && cut_at-- == 0) {
        assert_int_equal(truncate(cut_path, cut_bytes), 0);
        cut_path = NULL;
    }
    return REAL(ssize_t, pread, int, void *, size_t, off_t)(fd, p, n, at);
}

int pthread_create(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg) {
    typedef void *start_fn(void *);
    if (refuses_threads) return EAGAIN;
    return REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, start_fn *, void *)(ret, attr, fn,
                                                                                              arg);
}

/* ---- one model for all ----------------------------------------------------------------------------- */

enum { N_VOCAB = 300, N_PROMPT = 200 };

static char    path[] = "/tmp/hl_faults_XXXXXX";
static off_t   full_bytes;
static int32_t prompt[N_PROMPT];

static void write_model(void) {
    static const mf_shape shape = {.n_vocab = N_VOCAB,
                                   .n_embd = 256,
                                   .n_heads = 4,
                                   .n_kv_heads = 2,
                                   .head_dim = 64,
                                   .n_ff = 512,
                                   .n_layers = 3,
                                   .type = HL_TYPE_q8_0};
    struct stat           st;
    mf_must_write(path, &shape);
    assert_int_equal(stat(path, &st), 0);
    full_bytes = st.st_size;
}

typedef struct loaded {
    hl_engine  *e;
    hl_model   *m;
    hl_session *s;
} loaded;

static hl_status load(loaded *x, int32_t n_threads, hl_err *err) {
    const char *p = path;
    *x = (loaded){0};
    hl_status status =
        hl_engine_new(&(hl_engine_params){.n_threads = n_threads, .cpu = test_cpu()}, &x->e, err);
    if (status == HL_OK) status = hl_model_open(x->e, &p, 1, NULL, &x->m, err);
    if (status == HL_OK)
        status = hl_session_new(x->m, &(hl_session_params){.n_ctx = 1024, .n_batch = 64}, &x->s, err);
    return status;
}

static void unload(loaded *x) {
    hl_session_free(x->s);
    hl_model_close(x->m);
    hl_engine_free(x->e);
}

/* ---- memory ---------------------------------------------------------------------------------------- */

typedef struct answer_sum {
    int32_t  n;
    uint32_t ids;
} answer_sum;

static bool add_token(void *user, const hl_token_event *ev) {
    answer_sum *a = user;
    a->n++;
    a->ids = a->ids * 31 + (uint32_t)ev->token;
    return true;
}

static hl_status ask(hl_runner *r, const char *text, answer_sum *ret, hl_err *err) {
    static const char *const stops[] = {"zzz", "never"};
    hl_request               req;
    hl_request_init(&req);
    req.prompt = hl_view_of(text);
    req.raw = true;
    req.max_tokens = 12;
    req.stops = stops;
    req.n_stops = 2;
    req.want_logprobs = true;
    req.n_top = 3;
    req.sampling.seed = 5;
    *ret = (answer_sum){0};
    return hl_runner_generate(r, &req, add_token, ret, NULL, err);
}

static void new_runner(loaded *x, hl_runner **ret) {
    hl_err                 err = {0};
    const hl_runner_params p = {.sched = {.n_ctx = 256}};
    if (load(x, 2, &err) != HL_OK || hl_runner_new(x->m, &p, ret, &err) != HL_OK) fail_msg("%s", err.text);
}

static void a_runner_survives_any_failed_allocation(void **state) {
    (void)state;
    static const char text[] = "The quick brown fox.";
    answer_sum        want = {0}, got = {0};
    loaded            x;
    hl_runner        *r = NULL;
    hl_err            err = {0};
    new_runner(&x, &r);
    assert_int_equal(ask(r, text, &want, &err), HL_OK);
    assert_true(want.n > 0);
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (size_t k = 0;; k++) {
            assert_true(k < 2000);
            err.text[0] = '\0';
            hl_mem_fail_after(k, for_ever ? SIZE_MAX : 1);
            const hl_status status = ask(r, k % 2 ? text : "Another one", &got, &err);
            hl_mem_fail_after(SIZE_MAX, 0);
            if (status != HL_OK && status != HL_E_NOMEM)
                fail_msg("%zu: %s: %s", k, hl_status_name(status), err.text);
            if (status != HL_OK) assert_true(err.text[0]);
            if (ask(r, text, &got, &err) != HL_OK) fail_msg("afterwards: %s", err.text);
            assert_memory_equal(&got, &want, sizeof got); /* nothing of the failure is left */
            if (status == HL_OK && k > 20) break;
        }
    }
    hl_runner_free(r);
    unload(&x);
}

static void every_mapping_may_fail(void **state) {
    (void)state;
    for (long k = 0;; k++) {
        loaded x;
        hl_err err = {0};
        assert_true(k < 20);
        mmaps_left = k;
        const hl_status status = load(&x, 1, &err);
        const bool      failed = mmaps_left < 0;
        mmaps_left = -1;
        unload(&x);
        if (!failed) {
            assert_int_equal(status, HL_OK);
            assert_true(k >= 3); /* file, cache, buffers */
            return;
        }
        if (status != HL_E_NOMEM && status != HL_E_IO)
            fail_msg("%ld: %s: %s", k, hl_status_name(status), err.text);
        assert_true(err.text[0]);
    }
}

static void without_threads_of_its_own_the_engine_works_alone(void **state) {
    (void)state;
    float  want[N_VOCAB];
    loaded x;
    hl_err err = {0};
    for (int refused = 0; refused < 2; refused++) {
        refuses_threads = refused;
        assert_int_equal(load(&x, 2, &err), HL_OK);
        assert_int_equal(hl_session_eval(x.s, prompt, N_PROMPT, &err), HL_OK);
        refuses_threads = false;
        if (refused) assert_memory_equal(want, hl_session_logits(x.s), sizeof want);
        memcpy(want, hl_session_logits(x.s), sizeof want);
        unload(&x);
    }
}

/* ---- a file that is cut short ---------------------------------------------------------------------- */

static void a_file_cut_short_while_in_use_ends_in_an_error(void **state) {
    (void)state;
    hl_map_install_fault_handler(); /* here: cmocka has handlers of its own for each test */
    static const int numbers[] = {0, 1, 2, 50, 90, 99, 100}; /* percent; 100: one byte less */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (int decoding = 0; decoding < 2; decoding++) {
            loaded x;
            hl_err err = {0};
            write_model();
            if (load(&x, 2, &err) != HL_OK) fail_msg("%s", err.text);
            if (decoding) assert_int_equal(hl_session_eval(x.s, prompt, N_PROMPT, &err), HL_OK);
            const int32_t pos = hl_session_pos(x.s);
            assert_int_equal(
                truncate(path, numbers[i] == 100 ? full_bytes - 1 : full_bytes * numbers[i] / 100), 0);
            const hl_status status = hl_session_eval(x.s, prompt, decoding ? 1 : N_PROMPT, &err);
            if (status != HL_E_IO) fail_msg("cut to %d %%: %s", numbers[i], hl_status_name(status));
            assert_non_null(strstr(err.text, "cut short"));
            assert_int_equal(hl_session_pos(x.s), pos);
            assert_int_equal(hl_session_eval(x.s, prompt, 1, &err), HL_E_IO); /* and stays one */
            unload(&x);
        }
    }
    write_model();
}

/* As a program does that writes a new file over the old one without making room first. */
static void write_over(off_t from, off_t n) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t i = from; i < from + n; i++) assert_int_equal(pwrite(fd, "\xff", 1, i), 1);
    (void)close(fd);
}

static void a_file_written_over_while_in_use_ends_in_an_error(void **state) {
    (void)state;
    const struct timespec long_ago[2] = {{.tv_sec = 1000000},
                                         {.tv_sec = 1000000}}; /* clocks of files are coarse */
    for (int decoding = 0; decoding < 2; decoding++) {
        loaded x;
        hl_err err = {0};
        write_model();
        assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
        if (load(&x, 2, &err) != HL_OK) fail_msg("%s", err.text);
        if (decoding) assert_int_equal(hl_session_eval(x.s, prompt, N_PROMPT, &err), HL_OK);
        write_over(0, 20000); /* all lengths of the header, and weights */
        assert_int_equal(hl_session_eval(x.s, prompt, 1, &err), HL_E_IO);
        assert_non_null(strstr(err.text, "was changed or cut short"));
        unload(&x);
    }
    write_model();
}

static void a_file_cut_short_while_it_is_opened_is_refused(void **state) {
    (void)state;
    hl_map_install_fault_handler();
    for (off_t to = 0; to < full_bytes; to += to < 20000 ? 1900 : full_bytes / 5) {
        for (int when = -1;; when++) {
            loaded x;
            hl_err err = {0};
            cut_path = path;
            cut_bytes = to;
            cut_at = when;
            const hl_status status = load(&x, 1, &err);
            const bool      was_cut = when < 0 || !cut_path;
            cut_path = NULL;
            if (!was_cut) { /* there are no more reads */
                assert_int_equal(status, HL_OK);
                assert_true(when >= 1);
                unload(&x);
                break;
            }
            if (status != HL_E_IO) fail_msg("cut to %ld: %s: %s", (long)to, hl_status_name(status), err.text);
            assert_non_null(strstr(err.text, "cut short"));
            unload(&x);
            write_model();
        }
    }
}

/* ---- stopping --------------------------------------------------------------------------------------- */

static hl_kernels   real;
static hl_session  *to_stop;
static atomic_llong n_calls, stop_at, n_after;

/* Before every call of a kernel that takes long: count it, and stop the session at the one that was asked
 * for. */
static void look(long long macs) {
    const long long call = atomic_fetch_add(&n_calls, 1);
    if (call == atomic_load(&stop_at)) hl_session_stop(to_stop);
    if (call > atomic_load(&stop_at)) atomic_fetch_add(&n_after, macs);
}

static void counting_panel(const hl_panel *p, const hl_act *x, float *y, size_t y_stride) {
    look((long long)(p->n_rows * p->n_cols * x->n_tokens));
    real.gemm_panel(p, x, y, y_stride);
}

static void counting_gemv(size_t n_rows, const void *w, size_t row_bytes, const hl_act *x, float *y,
                          size_t y_stride) {
    look((long long)(n_rows * x->n_cols * x->n_tokens));
    real.gemv[HL_TYPE_q8_0](n_rows, w, row_bytes, x, y, y_stride);
}

static void counting_attend(const hl_attend_in *in, float *o, float *max, float *sum, void *scratch) {
    look((long long)in->n_queries * (in->pos_end - in->pos_begin) * in->head_dim * 2);
    real.attend(in, o, max, sum, scratch);
}

static void work_behind_a_stop_is_a_chunk_a_thread_at_most(void **state) {
    (void)state;
    loaded x;
    hl_err err = {0};
    assert_int_equal(load(&x, 2, &err), HL_OK);
    to_stop = x.s;
    real = x.e->kernels;
    x.e->kernels.gemm_panel = counting_panel;
    x.e->kernels.gemv[HL_TYPE_q8_0] = counting_gemv;
    x.e->kernels.attend = counting_attend;
    for (int decoding = 0; decoding < 2; decoding++) {
        const size_t n = decoding ? 1 : N_PROMPT;
        atomic_store(&n_calls, 0);
        atomic_store(&stop_at, INT64_MAX);
        assert_int_equal(hl_session_eval(x.s, prompt, n, &err), HL_OK);
        const long long all = atomic_load(&n_calls);
        for (long long at = 0; at < all - 1; at += 1 + all / 25) {
            hl_session_truncate(x.s, 0);
            atomic_store(&n_calls, 0);
            atomic_store(&n_after, 0);
            atomic_store(&stop_at, at);
            const hl_status status = hl_session_eval(x.s, prompt, n, &err);
            if (status != HL_E_CANCEL)
                fail_msg("stopped at call %lld of %lld: %s", at, all, hl_status_name(status));
            assert_true(atomic_load(&n_after) <= (long long)(2 * HL_CUT_MACS));
            /* 2 threads, a quarter of a small matrix each; panels meet a few tokens at a time */
            assert_true(atomic_load(&n_calls) - at <= 40 * (decoding ? 1 : N_PROMPT / 6 + 1));
        }
        atomic_store(&stop_at, INT64_MAX);
        hl_session_truncate(x.s, 0);
    }
    unload(&x);
}

static void cuts_cover_everything_and_none_is_too_long(void **state) {
    (void)state;
    static const uint32_t units[] = {1, 2, 11, 100, 448, 4008, 100000};
    static const uint32_t threads[] = {1, 2, 7, 64, 1024};
    static const uint64_t macs[] = {1, 32 * 2048, 32 * 4096 * 512, HL_CUT_MACS * 3};
    for (size_t i = 0; i < 7 * 5 * 4; i++) {
        const uint32_t n = units[i % 7];
        const uint64_t each = macs[i / 35];
        hl_cuts        c;
        hl_cuts_make(n, threads[i / 7 % 5], 1, each, &c);
        assert_in_range(c.n, 1, HL_MAX_CUTS);
        assert_int_equal(c.at[0], 0);
        assert_int_equal(c.at[c.n], n);
        for (uint32_t k = 0; k < c.n; k++) {
            const uint32_t take = c.at[k + 1] - c.at[k];
            assert_true(take > 0);
            if (take > (n + HL_MAX_CUTS - 1) / HL_MAX_CUTS)
                assert_true(take == 1 || take * each <= HL_CUT_MACS);
        }
    }
}

static void last_cuts_are_even(void **state) {
    (void)state;
    static const struct {
        uint32_t n_units, n_threads, min_units, n, at[8];
    } cases[] = {
        {18, 2, 6, 2, {0, 9, 18}},                               /* not 6 6 6 */
        {30, 2, 6, 4, {0, 8, 16, 23, 30}}, {5, 2, 6, 1, {0, 5}}, /* not worth two */
        {7, 2, 6, 2, {0, 6, 7}},           {60, 4, 5, 12, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hl_cuts c;
        hl_cuts_make(cases[i].n_units, cases[i].n_threads, cases[i].min_units, 1, &c);
        assert_int_equal(c.n, cases[i].n);
        for (uint32_t k = 0; cases[i].at[1] && k <= c.n; k++) assert_int_equal(c.at[k], cases[i].at[k]);
    }
}

static int begin(void **state) {
    (void)state;
    const int fd = mkstemp(path);
    if (fd < 0) return -1;
    (void)close(fd);
    write_model();
    for (int i = 0; i < N_PROMPT; i++) prompt[i] = (i * 53 + 11) % N_VOCAB;
    return 0;
}

static int end(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runner_survives_any_failed_allocation),
        cmocka_unit_test(every_mapping_may_fail),
        cmocka_unit_test(without_threads_of_its_own_the_engine_works_alone),
        cmocka_unit_test(a_file_cut_short_while_in_use_ends_in_an_error),
        cmocka_unit_test(a_file_written_over_while_in_use_ends_in_an_error),
        cmocka_unit_test(a_file_cut_short_while_it_is_opened_is_refused),
        cmocka_unit_test(work_behind_a_stop_is_a_chunk_a_thread_at_most),
        cmocka_unit_test(cuts_cover_everything_and_none_is_too_long),
        cmocka_unit_test(last_cuts_are_even),
    };
    hl_json_use_mem();
    return cmocka_run_group_tests_name("engine faults", tests, begin, end);
}
