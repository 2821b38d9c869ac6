/* SPDX-License-Identifier: MIT
 *
 * need.h - what tests need from around them: files that tools/get_test_models.py brings, a processor; and how
 * a test that lacks something says so.
 */
#ifndef HL_TESTS_NEED_H
#define HL_TESTS_NEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ends the test as skipped. tools/run_tests.py reads the reason and knows which ones may be
 * (tests/skips.txt). */
#define skip_because(...)                                                                                    \
    do {                                                                                                     \
        print_message("# skipped: " __VA_ARGS__);                                                            \
        print_message("\n");                                                                                 \
        skip();                                                                                              \
    } while (0)

/* The processor that a run is about (HL_TEST_CPU); NULL: what this machine has. */
static inline const char *test_cpu(void) {
    const char *cpu = getenv("HL_TEST_CPU");
    return cpu && *cpu ? cpu : NULL;
}

/* Make an empty file: "XXXXXX" at the end of its path becomes what no other file is called. */
static inline void make_scratch(char *path) {
    const int fd = mkstemp(path);
    if (fd < 0) fail_msg("%s: no file can be made", path);
    (void)close(fd);
}

/* The path of what tools/get_test_models.py brings as `name`: in $HL_TEST_MODELS, else in out/models;
 * vocabularies and templates may be in the folder of shared test data, too. False: ret_path is where the
 * first would be. */
static inline bool find_fetched(const char *name, char *ret_path, size_t n) {
    const char *models = getenv("HL_TEST_MODELS"), *shared = getenv("HL_TEST_SHARED");
    (void)snprintf(ret_path, n, "%s/data/%s", shared ? shared : "../shared", name);
    if (access(ret_path, R_OK) == 0) return true;
    (void)snprintf(ret_path, n, "%s/%s", models && *models ? models : "out/models", name);
    return access(ret_path, R_OK) == 0;
}

/* A real model, hundreds of megabytes of work: not for `make test-fast`. */
#define need_model(name, path)                                                                               \
    do {                                                                                                     \
        if (getenv("HL_TEST_FAST")) skip_because("real models are left to make test");                       \
        if (!find_fetched(name, path, sizeof(path))) skip_because("%s is not there", path);                  \
    } while (0)

#endif
