/* SPDX-License-Identifier: MIT
 *
 * test_gguf_changed.c - others write to a model's file: what was read of its header stays what it was, and
 * that the file is another one now is noticed. Lengths that are read twice would be found here (or by the
 * address sanitizer).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/map.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_priv.h"
#include "core/gguf/gguf_writer.h"

enum { N_WORDS = 20000, N_FLOATS = 64 }; /* a header of more than the first piece that is read, 64 KiB */

static char path[] = "/tmp/hl-gguf-changed-XXXXXX";

static hl_view word(size_t i, char buf[32]) {
    const int n = snprintf(buf, 32, "word-%zu-%.*s", i, (int)(i % 13), "abcdefghijklm");
    return (hl_view){buf, (size_t)n};
}

/* The file as bytes; the caller frees them. */
static uint8_t *build(size_t *ret_n) {
    static const float    weights[N_FLOATS] = {1};
    static const uint64_t shape[1] = {N_FLOATS};
    char(*bufs)[32] = calloc(N_WORDS, sizeof *bufs);
    hl_view        *words = calloc(N_WORDS, sizeof *words);
    hl_err          err = {0};
    uint8_t        *data = NULL;
    hl_gguf_writer *w = hl_gguf_writer_new();
    assert_true(bufs && words && w);
    for (size_t i = 0; i < N_WORDS; i++) words[i] = word(i, bufs[i]);
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
    hl_gguf_writer_add_texts(w, "words", N_WORDS, words);
    hl_gguf_writer_add_text(w, "template", hl_view_of("{{ messages }}"));
    for (int i = 0; i < 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t%d", i);
        hl_gguf_writer_add_tensor(w, name, HL_TYPE_f32, 1, shape, weights);
    }
    if (hl_gguf_writer_build(w, &data, ret_n, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
    free(words);
    free(bufs);
    return data;
}

/* Write bytes into the file that is there: the same inode. Its time is one of long ago. */
static void put(const uint8_t *data, size_t n) {
    const struct timespec long_ago[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    const int             fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, 0), n);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    assert_int_equal(futimens(fd, long_ago), 0);
    (void)close(fd);
}

/* All that a header has, looked at to its last byte. */
static void check_contents(const hl_gguf *g) {
    hl_gguf_strings it;
    hl_view         s = {0};
    char            buf[32];
    size_t          i = 0;
    assert_true(hl_gguf_strings_init(&it, hl_gguf_find(g, "words")));
    for (; hl_gguf_strings_next(&it, &s); i++) assert_true(hl_view_eq(s, word(i, buf)));
    assert_int_equal(i, N_WORDS);
    assert_int_equal(hl_gguf_get_text(g, "template", &s, NULL), HL_OK);
    assert_true(hl_view_is(s, "{{ messages }}"));
    assert_int_equal(hl_gguf_n_tensors(g), 100);
    assert_int_equal(hl_gguf_find_tensor(g, "t99")->n_elems, N_FLOATS);
}

static void what_was_read_stays_when_the_file_is_written_over(void **state) {
    (void)state;
    size_t   n = 0;
    uint8_t *data = build(&n);
    hl_err   err = {0};
    hl_gguf *g = NULL;
    put(data, n);
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    check_contents(g);
    assert_false(hl_gguf_is_broken(g));
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    uint8_t  *other = malloc(n);
    memset(other, 0xff, n);
    assert_int_equal(pwrite(fd, other, n, 0), n); /* the same size */
    (void)close(fd);
    assert_true(hl_gguf_is_broken(g));
    check_contents(g);
    hl_gguf_close(g);
    free(other);
    hl_free(data);
}

static void a_file_that_is_only_read_stays_whole(void **state) {
    (void)state;
    size_t   n = 0;
    uint8_t *data = build(&n);
    hl_err   err = {0};
    hl_gguf *g = NULL;
    char     link_path[sizeof path + 8];
    put(data, n);
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    /* links, names and rights say nothing about contents */
    (void)snprintf(link_path, sizeof link_path, "%s.link", path);
    assert_int_equal(link(path, link_path), 0);
    assert_int_equal(chmod(path, 0400), 0);
    assert_false(hl_gguf_is_broken(g));
    assert_int_equal(unlink(path), 0);
    assert_false(hl_gguf_is_broken(g));
    assert_int_equal(rename(link_path, path), 0);
    assert_int_equal(chmod(path, 0600), 0);
    check_contents(g);
    hl_gguf_close(g);
    hl_free(data);
}

static void touch_now(void) { assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0); }

static void write_byte_one(uint8_t byte) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
    (void)close(fd);
}

static void touching_a_file_is_no_write(void **state) {
    (void)state;
    size_t   n = 0;
    uint8_t *data = build(&n);
    hl_err   err = {0};
    hl_gguf *g = NULL;
    put(data, n);
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    for (int i = 0; i < 3; i++) {
        touch_now();
        assert_false(hl_gguf_is_broken(g));
    }
    write_byte_one(data[100]); /* the same byte: a write all the same */
    assert_true(hl_gguf_is_broken(g));
    touch_now(); /* what was written stays written */
    assert_true(hl_gguf_is_broken(g));
    hl_gguf_close(g);
    /* times that are set to anything else may hide a write */
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 6}};
    put(data, n);
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_true(hl_gguf_is_broken(g));
    hl_gguf_close(g);
    hl_free(data);
}

/* Within one step of the clock that files are dated by: the times do not move. */
static void a_write_right_behind_the_opening_is_seen(void **state) {
    (void)state;
    size_t   n = 0;
    uint8_t *data = build(&n);
    put(data, n);
    for (int i = 0; i < 50; i++) {
        hl_err   err = {0};
        hl_gguf *g = NULL;
        write_byte_one(data[100]);
        if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
        assert_false(hl_gguf_is_broken(g));
        write_byte_one(data[100]);
        assert_true(hl_gguf_is_broken(g));
        hl_gguf_close(g);
    }
    hl_free(data);
}

/* Only so many are watched; the others tell by the time. */
static void many_files_can_be_open(void **state) {
    (void)state;
    enum { MANY = 40 };
    size_t   n = 0;
    uint8_t *data = build(&n);
    hl_gguf *files[MANY];
    hl_err   err = {0};
    put(data, n);
    for (int i = 0; i < MANY; i++)
        if (hl_gguf_open(path, &files[i], &err) != HL_OK) fail_msg("%s", err.text);
    for (int i = 0; i < MANY; i++) assert_false(hl_gguf_is_broken(files[i]));
    write_byte_one(data[100]);
    for (int i = 0; i < MANY; i++) assert_true(hl_gguf_is_broken(files[i]));
    for (int i = 0; i < MANY; i++) hl_gguf_close(files[i]);
    hl_free(data);
}

/* ---- while it is opened ---- */

static atomic_bool done;

typedef struct writing {
    const uint8_t *data;
    size_t         n;
} writing;

/* Change lengths back and forth for as long as the other opens the file. */
static void *write_on(void *arg) {
    const writing *w = arg;
    const int      fd = open(path, O_WRONLY | O_CLOEXEC);
    uint64_t       seed = 1;
    while (!atomic_load(&done)) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const size_t at = (size_t)(seed >> 33) % w->n;
        (void)!pwrite(fd, "\xff\xff\xff\xff", at + 4 <= w->n ? 4 : 1, (off_t)at);
        (void)!pwrite(fd, w->data + at, at + 4 <= w->n ? 4 : 1, (off_t)at);
    }
    (void)close(fd);
    return NULL;
}

static void a_file_written_to_while_it_is_opened_is_an_error_or_is_read(void **state) {
    (void)state;
    size_t    n = 0;
    uint8_t  *data = build(&n);
    writing   w = {data, n};
    pthread_t thread;
    put(data, n);
    atomic_store(&done, false);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int i = 0; i < 300; i++) {
        hl_err   err = {0};
        hl_gguf *g = NULL;
        if (hl_gguf_open(path, &g, &err) != HL_OK) {
            assert_true(err.text[0]);
            continue;
        }
        hl_gguf_strings      it;
        hl_view              s = {0};
        size_t               sum = 0;
        const hl_gguf_value *words = hl_gguf_find(g, "words");
        if (words && hl_gguf_strings_init(&it, words))
            for (; hl_gguf_strings_next(&it, &s); sum += s.len)
                if (s.len) sum += (uint8_t)s.ptr[s.len - 1];
        assert_true(sum < n * 256);
        hl_gguf_close(g);
    }
    atomic_store(&done, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    hl_free(data);
}

/* ---- how long a header may be ---- */

static void a_header_over_the_limit_is_refused_without_reading_it(void **state) {
    (void)state;
    hl_err    err = {0};
    hl_gguf  *g = NULL;
    hl_str    s;
    const int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    hl_str_init(&s, 1000);
    hl_str_add(&s, "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24); /* no tensors, one key */
    hl_str_add(&s, "\1\0\0\0\0\0\0\0k\11\0\0\0\0\0\0\0", 17);           /* "k", array of u8 */
    const uint64_t n = HL_GGUF_MAX_HEADER_BYTES;
    hl_str_add(&s, (const char *)&n, 8);
    assert_int_equal(pwrite(fd, s.ptr, s.len, 0), s.len);
    assert_int_equal(ftruncate(fd, (off_t)HL_GGUF_MAX_HEADER_BYTES + 4096), 0); /* a hole: takes no room */
    (void)close(fd);
    assert_int_equal(hl_gguf_open(path, &g, &err), HL_E_LIMIT);
    assert_non_null(strstr(err.text, "the header has more than 268435456 bytes"));
    hl_str_done(&s);
}

static int make_file(void **state) {
    (void)state;
    const int fd = mkstemp(path);
    if (fd < 0) return -1;
    (void)close(fd);
    return 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_read_stays_when_the_file_is_written_over),
        cmocka_unit_test(a_file_that_is_only_read_stays_whole),
        cmocka_unit_test(touching_a_file_is_no_write),
        cmocka_unit_test(a_write_right_behind_the_opening_is_seen),
        cmocka_unit_test(many_files_can_be_open),
        cmocka_unit_test(a_file_written_to_while_it_is_opened_is_an_error_or_is_read),
        cmocka_unit_test(a_header_over_the_limit_is_refused_without_reading_it),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
