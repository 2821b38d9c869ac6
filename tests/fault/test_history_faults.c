/* SPDX-License-Identifier: MIT
 *
 * test_history_faults.c - the k-th system call on the file of what was typed fails, or the process is killed
 * just before it or in the middle of a write, for all k: entries are whole or not there, those that were said
 * to be kept are there, and the next run works.
 */
#define _GNU_SOURCE
#define HL_CATCH_MORE
#include "../unit/store_fixture.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/term/history.h"
#include "io_faults.h"

enum { N_OLD = 9, N_KEPT = 4, N_NEW = 3, MAX_LINES = 64 };

typedef struct lines {
    size_t n;
    char   text[MAX_LINES][64];
} lines;

static bool *is_acked; /* [N_NEW], shared with children */

static void see(void *user, const char *line) {
    lines *l = user;
    assert_true(l->n < MAX_LINES);
    (void)snprintf(l->text[l->n++], sizeof l->text[0], "%s", line);
}

static void ignore(void *user, const char *line) {
    (void)user;
    (void)line;
}

static void old_line(int i, char ret[64]) { (void)snprintf(ret, 64, "old entry\nnumber %d", i); }
static void new_line(int i, char ret[64]) { (void)snprintf(ret, 64, "new entry\\number %d", i); }

/* One chat: what was typed before is read, and cut; three questions are asked. */
static void work(const char *path) {
    char line[64];
    hl_history_load(path, N_KEPT, ignore, NULL);
    for (int i = 0; i < N_NEW; i++) {
        new_line(i, line);
        is_acked[i] = hl_history_add(path, line);
    }
}

/* Nothing but whole entries, in their order: the last old ones, then all new ones that were said to be
 * kept. */
static void check(const lines *l) {
    char   want[64];
    size_t at = 0;
    int    first = 0;
    for (; first < N_OLD; first++) {
        old_line(first, want);
        if (l->n > 0 && strcmp(l->text[0], want) == 0) break;
    }
    assert_true(first <= N_OLD - N_KEPT);
    for (int i = first; i < N_OLD; i++) {
        old_line(i, want);
        assert_true(at < l->n);
        assert_string_equal(l->text[at++], want);
    }
    for (int i = 0; i < N_NEW; i++) {
        new_line(i, want);
        const bool is_there = at < l->n && strcmp(l->text[at], want) == 0;
        if (is_acked[i]) assert_true(is_there);
        at += is_there;
    }
    assert_int_equal(at, l->n);
}

static size_t count_files(const char *dir) {
    size_t n = 0;
    DIR   *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) (void)closedir(d);
    return n;
}

static void check_sound(const char *path, const char *dir) {
    struct stat st;
    lines       l = {.n = 0};
    memset(&fault, 0, sizeof fault);
    hl_history_load(path, MAX_LINES, see, &l);
    check(&l);
    assert_true(hl_history_add(path, "the next run")); /* works, and loses nothing */
    lines again = {.n = 0};
    hl_history_load(path, MAX_LINES, see, &again);
    assert_int_equal(again.n, l.n + 1);
    assert_string_equal(again.text[l.n], "the next run");
    again.n = 0;
    for (int i = 0; i < 2 * N_KEPT; i++) assert_true(hl_history_add(path, "more"));
    hl_history_load(path, N_KEPT, see, &again); /* cuts: what was left behind goes */
    assert_int_equal(again.n, N_KEPT);
    assert_int_equal(count_files(dir), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void begin(fixture *f, char path[PATH_MAX]) {
    char line[64];
    memset(&fault, 0, sizeof fault);
    memset(is_acked, 0, N_NEW * sizeof *is_acked);
    fixture_init_fast(f);
    (void)snprintf(path, PATH_MAX, "%s/history", f->dir);
    for (int i = 0; i < N_OLD; i++) {
        old_line(i, line);
        assert_true(hl_history_add(path, line));
    }
}

static void a_process_killed_at_any_call_loses_nothing_that_was_kept(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        for (long k = 0;; k++) {
            fixture f;
            char    path[PATH_MAX];
            int     how = 0;
            begin(&f, path);
            const pid_t pid = fork();
            if (pid == 0) {
                fault.half = half;
                fault.n_left = k;
                fault.armed = true;
                work(path);
                _exit(0);
            }
            assert_int_equal(waitpid(pid, &how, 0), pid);
            check_sound(path, f.dir);
            fixture_done(&f);
            if (WIFEXITED(how)) {
                assert_int_equal(how, 0);
                assert_true(k > 10 && is_acked[N_NEW - 1]);
                break;
            }
        }
    }
}

static void a_call_that_fails_loses_nothing_that_was_kept(void **state) {
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        for (long k = 0;; k++) {
            fixture f;
            char    path[PATH_MAX];
            begin(&f, path);
            fault.error = k % 2 ? ENOSPC : EIO;
            fault.half = variant & 1;
            fault.for_ever = variant & 2;
            fault.n_left = k;
            fault.armed = true;
            work(path);
            fault.armed = false;
            const bool past_the_end = fault.n_calls <= k;
            check_sound(path, f.dir);
            fixture_done(&f);
            if (past_the_end) {
                assert_true(k > 10 && is_acked[0] && is_acked[N_NEW - 1]);
                break;
            }
        }
    }
}

/* Two programs, of which one cuts the file again and again. */
static void what_one_program_adds_while_another_one_cuts_stays(void **state) {
    (void)state;
    enum { N_CUT = 20, N_ADDED = 1000 };
    fixture f;
    char    path[PATH_MAX], line[64];
    int     how = 0;
    begin(&f, path);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* whatever becomes of the test */
        for (;; (void)usleep(200)) hl_history_load(path, N_CUT, ignore, NULL);
    }
    for (int i = 1; i <= N_ADDED; i++) {
        (void)snprintf(line, sizeof line, "%d", i);
        int n_tries = 0; /* the other one may not run for long while it holds the file */
        while (!hl_history_add(path, line)) assert_true(n_tries++ < 100);
        if (i % N_CUT != 0) continue;
        lines l = {.n = 0};
        hl_history_load(path, N_CUT, see, &l);
        assert_int_equal(l.n, N_CUT);
        for (int k = 0; k < N_CUT; k++) assert_int_equal(atoi(l.text[k]), i - N_CUT + 1 + k);
    }
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    fixture_done(&f);
}

int main(void) {
    is_acked = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (is_acked == MAP_FAILED) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_killed_at_any_call_loses_nothing_that_was_kept),
        cmocka_unit_test(a_call_that_fails_loses_nothing_that_was_kept),
        cmocka_unit_test(what_one_program_adds_while_another_one_cuts_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
