/* SPDX-License-Identifier: MIT
 *
 * test_gguf.c - GGUF files: what the writer writes the reader reads, and every kind of bad file ends in an
 * error that names what is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/gguf/gguf_writer.h"

/* A file under construction, byte by byte, for what the writer refuses to write. Aligned storage. */
typedef struct raw {
    _Alignas(64) uint8_t bytes[1 << 16];
    size_t n;
} raw;

static raw file; /* one at a time */

static void put(uint64_t x, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) file.bytes[file.n++] = (uint8_t)(x >> 8 * i);
}

static void put_text(const char *s) {
    put(strlen(s), 8);
    memcpy(file.bytes + file.n, s, strlen(s));
    file.n += strlen(s);
}

static void begin(uint64_t n_tensors, uint64_t n_values) {
    memset(&file, 0, sizeof file);
    put(0x46554747, 4); /* "GGUF" */
    put(3, 4);
    put(n_tensors, 8);
    put(n_values, 8);
}

static void put_u32(const char *key, uint32_t x) {
    put_text(key);
    put(HL_GGUF_U32, 4);
    put(x, 4);
}

static void put_tensor(const char *name, uint32_t type, uint64_t rows, uint64_t cols, uint64_t offset) {
    put_text(name);
    put(2, 4);
    put(cols, 8);
    put(rows, 8);
    put(type, 4);
    put(offset, 8);
}

/* Zeros up to the alignment, then n_bytes of data. */
static void put_data(size_t n_bytes) { file.n = (file.n + 31) / 32 * 32 + n_bytes; }

static void expect_fail(hl_status want, const char *words) {
    hl_err          err = {0};
    hl_gguf        *g = NULL;
    const hl_status status = hl_gguf_open_memory(file.bytes, file.n, &g, &err);
    if (status != want)
        fail_msg("status %s (%s), expected %s", hl_status_name(status), err.text, hl_status_name(want));
    assert_null(g);
    if (!strstr(err.text, words)) fail_msg("'%s' does not say '%s'", err.text, words);
}

static hl_gguf *open_raw(void) {
    hl_err   err = {0};
    hl_gguf *g = NULL;
    if (hl_gguf_open_memory(file.bytes, file.n, &g, &err) != HL_OK) fail_msg("%s", err.text);
    return g;
}

static const hl_view colours[] = {{"red", 3}, {"", 0}, {"green", 5}};
static const int16_t numbers[] = {-3, 0, 32767};
static const float   weights[64] = {1.5f, -2.0f};

/* One of everything. */
static hl_gguf_writer *new_sample(void) {
    hl_gguf_writer *w = hl_gguf_writer_new();
    assert_non_null(w);
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("test"));
    hl_gguf_writer_add_u32(w, "a.u32", 4000000000u);
    hl_gguf_writer_add_u64(w, "a.u64", UINT64_C(1) << 40);
    hl_gguf_writer_add_number(w, "a.i8", HL_GGUF_I8, (uint8_t)-5);
    hl_gguf_writer_add_number(w, "a.u16", HL_GGUF_U16, 65535);
    hl_gguf_writer_add_number(w, "a.f64", HL_GGUF_F64, UINT64_C(0x3FF8000000000000)); /* 1.5 */
    hl_gguf_writer_add_f32(w, "a.f32", 2.5f);
    hl_gguf_writer_add_bool(w, "a.bool", true);
    hl_gguf_writer_add_array(w, "a.numbers", HL_GGUF_I16, 3, numbers);
    hl_gguf_writer_add_texts(w, "a.colours", 3, colours);
    hl_gguf_writer_add_tensor(w, "first", HL_TYPE_f32, 2, (const uint64_t[]){3, 5}, weights);
    hl_gguf_writer_add_tensor(w, "second", HL_TYPE_q8_0, 2, (const uint64_t[]){2, 32}, weights);
    hl_gguf_writer_add_tensor(w, "third", HL_TYPE_f16, 1, (const uint64_t[]){7}, weights);
    return w;
}

static void load_sample(void) {
    hl_err          err = {0};
    hl_gguf_writer *w = new_sample();
    uint8_t        *data = NULL;
    size_t          n = 0;
    if (hl_gguf_writer_build(w, &data, &n, &err) != HL_OK) fail_msg("%s", err.text);
    memset(&file, 0, sizeof file);
    memcpy(file.bytes, data, n);
    file.n = n;
    hl_free(data);
    hl_gguf_writer_free(w);
}

static void check_sample(const hl_gguf *g) {
    hl_err   err = {0};
    uint32_t u = 0;
    uint64_t u64 = 0;
    float    f = 0;
    bool     b = false;
    hl_view  s = {0}, colour = {0};
    int64_t  i = 0;
    assert_int_equal(hl_gguf_version(g), 3);
    assert_int_equal(hl_gguf_get_u32(g, "a.u32", &u, &err), HL_OK);
    assert_true(u == 4000000000u);
    assert_int_equal(hl_gguf_get_u32(g, "a.u16", &u, &err), HL_OK);
    assert_int_equal(u, 65535);
    assert_int_equal(hl_gguf_get_u64(g, "a.u64", &u64, &err), HL_OK);
    assert_true(u64 == UINT64_C(1) << 40);
    assert_int_equal(hl_gguf_get_f32(g, "a.f32", &f, &err), HL_OK);
    assert_true(f == 2.5f);
    assert_int_equal(hl_gguf_get_f32(g, "a.f64", &f, &err), HL_OK);
    assert_true(f == 1.5f);
    assert_int_equal(hl_gguf_get_bool(g, "a.bool", &b, &err), HL_OK);
    assert_true(b);
    assert_int_equal(hl_gguf_get_text(g, "general.architecture", &s, &err), HL_OK);
    assert_true(hl_view_is(s, "test"));

    const hl_gguf_value *v = hl_gguf_find(g, "a.numbers");
    assert_true(hl_gguf_elem_i64(v, 0, &i) && i == -3);
    assert_true(hl_gguf_elem_i64(v, 2, &i) && i == 32767);
    assert_false(hl_gguf_elem_i64(v, 3, &i));
    hl_gguf_strings it;
    assert_false(hl_gguf_strings_init(&it, v));
    assert_true(hl_gguf_strings_init(&it, hl_gguf_find(g, "a.colours")));
    for (int k = 0; k < 3; k++)
        assert_true(hl_gguf_strings_next(&it, &colour) && hl_view_eq(colour, colours[k]));
    assert_false(hl_gguf_strings_next(&it, &colour));

    const hl_gguf_tensor *t = hl_gguf_find_tensor(g, "first");
    assert_int_equal(hl_gguf_n_tensors(g), 3);
    assert_non_null(t);
    assert_int_equal(t->shape[0], 3);
    assert_int_equal(t->shape[1], 5);
    assert_int_equal(t->shape[2], 1);
    assert_int_equal(t->n_bytes, 60);
    assert_memory_equal(t->data, weights, 60);
    assert_null(hl_gguf_find_tensor(g, "fourth"));
    assert_null(hl_gguf_find(g, "a"));
}

static void what_the_writer_writes_the_reader_reads(void **state) {
    (void)state;
    load_sample();
    hl_gguf *g = open_raw();
    check_sample(g);
    hl_gguf_close(g);
}

static void a_saved_file_is_complete_and_leaves_nothing_else(void **state) {
    (void)state;
    hl_err   err = {0};
    hl_gguf *g = NULL;
    char     dir[] = "/tmp/hl-gguf-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/x.gguf", dir);
    hl_gguf_writer *w = new_sample();
    if (hl_gguf_writer_save(w, path, &err) != HL_OK) fail_msg("%s", err.text);
    if (hl_gguf_open(path, &g, &err) != HL_OK) fail_msg("%s", err.text);
    check_sample(g);
    hl_gguf_close(g);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0); /* nothing else was in it */
    assert_int_equal(hl_gguf_writer_save(w, path, &err), HL_E_IO);
    hl_gguf_writer_free(w);
}

static void values_copied_from_a_file_come_out_the_same(void **state) {
    (void)state;
    load_sample();
    hl_err          err = {0};
    hl_gguf        *g = open_raw(), *copy = NULL;
    hl_gguf_writer *w = hl_gguf_writer_new();
    uint8_t        *data = NULL;
    size_t          n = 0;
    for (size_t i = 0; i < hl_gguf_n_values(g); i++) hl_gguf_writer_add_value(w, hl_gguf_value_at(g, i));
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        hl_gguf_writer_add_tensor(w, t->name, t->type, t->n_dims, t->shape, t->data);
    }
    assert_int_equal(hl_gguf_writer_build(w, &data, &n, &err), HL_OK);
    assert_int_equal(n, file.n);
    assert_memory_equal(data, file.bytes, n);
    assert_int_equal(hl_gguf_open_memory(data, n, &copy, &err), HL_OK);
    check_sample(copy);
    hl_gguf_close(copy);
    hl_gguf_close(g);
    hl_free(data);
    hl_gguf_writer_free(w);
}

static void the_writer_reports_its_first_mistake(void **state) {
    (void)state;
    hl_err          err = {0};
    uint8_t        *data = NULL;
    size_t          n = 0;
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_gguf_writer_add_tensor(w, "odd", HL_TYPE_q4_0, 1, (const uint64_t[]){33}, weights);
    hl_gguf_writer_add_tensor(w, "", HL_TYPE_f32, 1, (const uint64_t[]){1}, weights);
    assert_int_equal(hl_gguf_writer_build(w, &data, &n, &err), HL_E_ARG);
    assert_non_null(strstr(err.text, "'odd'"));
    hl_gguf_writer_free(w);
}

static void version_2_reads_like_version_3(void **state) {
    (void)state;
    load_sample();
    file.bytes[4] = 2;
    hl_gguf *g = open_raw();
    assert_int_equal(hl_gguf_version(g), 2);
    hl_gguf_close(g);
}

static void typed_access_names_the_key_and_what_it_is(void **state) {
    (void)state;
    hl_err   err = {0};
    uint32_t u = 7;
    bool     b = false;
    hl_view  s;
    load_sample();
    hl_gguf *g = open_raw();
    assert_int_equal(hl_gguf_get_u32(g, "a.u64", &u, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'a.u64' is 1099511627776"));
    assert_int_equal(hl_gguf_get_u32(g, "a.i8", &u, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'a.i8' is -5"));
    assert_int_equal(hl_gguf_get_u32(g, "a.f32", &u, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'a.f32' is f32"));
    assert_int_equal(hl_gguf_get_u32(g, "none", &u, &err), HL_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "'none'"));
    assert_int_equal(hl_gguf_get_bool(g, "a.u16", &b, &err), HL_E_FORMAT);
    assert_int_equal(hl_gguf_get_text(g, "a.colours", &s, &err), HL_E_FORMAT);
    assert_int_equal(u, 7);
    hl_gguf_close(g);
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    load_sample();
    const size_t whole = file.n;
    const size_t last = whole - 32 + 14; /* 7 f16 of the last tensor, then padding that nobody misses */
    for (size_t n = 0; n < last; n++) {
        hl_err   err = {0};
        hl_gguf *g = NULL;
        /* exactly n bytes, so that a sanitizer sees one more being read */
        uint8_t *copy = hl_new(n, 1);
        memcpy(copy, file.bytes, n);
        const hl_status status = hl_gguf_open_memory(copy, n, &g, &err);
        if (status == HL_OK) fail_msg("%zu of %zu bytes were enough", n, whole);
        assert_true(err.text[0] != 0);
        hl_free(copy);
    }
    file.n = last;
    hl_gguf_close(open_raw());
}

/* Walk everything that an opened file offers. */
static uint64_t touch(const hl_gguf *g) {
    uint64_t sum = 0;
    for (size_t i = 0; i < hl_gguf_n_values(g); i++) {
        const hl_gguf_value *v = hl_gguf_value_at(g, i);
        hl_gguf_strings      it;
        hl_view              s;
        double               x = 0;
        sum += v->key.len + (uint8_t)v->key.ptr[0];
        if (hl_gguf_strings_init(&it, v))
            while (hl_gguf_strings_next(&it, &s)) sum += s.len ? (uint8_t)s.ptr[s.len - 1] : 0;
        for (uint64_t k = 0; k < v->n && k < 100; k++) sum += hl_gguf_elem_f64(v, k, &x);
    }
    for (size_t i = 0; i < hl_gguf_n_tensors(g); i++) {
        const hl_gguf_tensor *t = hl_gguf_tensor_at(g, i);
        sum += ((const uint8_t *)t->data)[0] + ((const uint8_t *)t->data)[t->n_bytes - 1];
    }
    return sum;
}

static void a_flipped_bit_never_harms(void **state) {
    (void)state;
    load_sample();
    size_t   n_opened = 0;
    uint64_t sum = 0;
    uint8_t *copy = hl_new_aligned(file.n, 1);
    for (size_t bit = 0; bit < 8 * file.n; bit++) {
        hl_err   err = {0};
        hl_gguf *g = NULL;
        memcpy(copy, file.bytes, file.n);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (hl_gguf_open_memory(copy, file.n, &g, &err) != HL_OK) {
            assert_true(err.text[0] != 0);
            continue;
        }
        sum += touch(g);
        n_opened++;
        hl_gguf_close(g);
    }
    hl_free(copy);
    assert_true(n_opened > 0 && sum > 0);
}

static void what_is_no_gguf_is_told_so(void **state) {
    (void)state;
    hl_err   err = {0};
    hl_gguf *g = NULL;
    begin(0, 0);
    memcpy(file.bytes, "PK\x03\x05", 4);
    expect_fail(HL_E_FORMAT, "not a GGUF file: it starts with 50 4b 03 05, expected 47 47 55 46");
    file.n = 0;
    expect_fail(HL_E_FORMAT, "cut short");
    begin(0, 0);
    file.bytes[4] = 1;
    expect_fail(HL_E_UNSUPPORTED, "version 1 is not supported; supported are 2 and 3");
    file.bytes[4] = 4;
    expect_fail(HL_E_UNSUPPORTED, "version 4");
    memcpy(file.bytes + 4, "\0\0\0\3", 4);
    expect_fail(HL_E_UNSUPPORTED, "big-endian");
    assert_int_equal(hl_gguf_open("/nowhere/at/all.gguf", &g, &err), HL_E_NOT_FOUND);
    assert_int_equal(hl_gguf_open("/tmp", &g, &err), HL_E_IO);
}

static void what_a_file_is_instead_is_said(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t      n;
        const char *text;
    } rows[] = {
        {"lmgg\1\0\0\0", 8, "a GGML file, an older format that GGUF replaced"},
        {"fmgg\1\0\0\0", 8, "a GGMF file, an older format"},
        {"tjgg\3\0\0\0", 8,
         "a GGJT file, an older format that GGUF replaced in 2023; convert the original again"},
        {"algg\1\0\0\0", 8, "a GGLA adapter, an older format"},
        {"\x30\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"pt\"},\"w\":{}}          ", 57,
         "a safetensors file; convert it"},
        {"PK\3\4\0\0\0\0", 8, "a ZIP archive"},
        {"\x1f\x8b\x08\0", 4, "compressed with gzip; unpack it"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", 65, "a Git LFS pointer"},
        {"<!DOCTYPE html>\n<html>", 22, "a web page"},
        {"\r\n  <HTML lang=en>", 18, "a web page"},
        {"<?xml version=\"1.0\"?><Error>", 28, "an XML document"},
        {"{\"error\":\"Repository not found\"}", 32, "a JSON document"},
        {"FROM llama3\n", 12, "a Modelfile"},
        {"\x80\2}q\0", 5, "a Python pickle"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", 12, "empty at its start: a download that did not finish?"},
        {"hello", 5, "it starts with 68 65 6c 6c, expected 47 47 55 46"},
        {"{", 1, "a JSON document"},
        {"GG", 2, "cut short: a file of 2 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin(0, 0);
        memcpy(file.bytes, rows[i].bytes, rows[i].n);
        file.n = rows[i].n;
        expect_fail(HL_E_FORMAT, rows[i].text);
    }
    /* a tar archive says it further on */
    begin(0, 0);
    memset(file.bytes, 'a', 600);
    memcpy(file.bytes + 257, "ustar", 5);
    file.n = 600;
    expect_fail(HL_E_FORMAT, "a tar archive");
    file.n = 261;
    expect_fail(HL_E_FORMAT, "it starts with 61 61 61 61");
}

static void counts_that_cannot_be_are_refused(void **state) {
    (void)state;
    begin(UINT64_MAX, 0);
    expect_fail(HL_E_FORMAT, "tensor count");
    begin(1000, 0);
    expect_fail(HL_E_FORMAT, "tensor count is 1000, more than");
    begin(0, UINT64_C(1) << 63);
    expect_fail(HL_E_FORMAT, "key count");
    begin(0, 100);
    expect_fail(HL_E_FORMAT, "key count is 100, more than");
    begin(0, 1);
    put(UINT64_MAX, 8);
    file.n += 64;
    expect_fail(HL_E_FORMAT, "cut short");
}

static void bad_keys_are_named(void **state) {
    (void)state;
    begin(0, 2);
    put_u32("same", 1);
    put_u32("same", 1);
    expect_fail(HL_E_FORMAT, "'same' is there twice");
    begin(0, 1);
    put_u32("", 1);
    expect_fail(HL_E_FORMAT, "0 bytes");
    begin(0, 1);
    put_u32("a\nb", 1);
    expect_fail(HL_E_FORMAT, "holds the control or invisible character U+000A");
    begin(0, 1);
    put_text("k");
    put(13, 4);
    file.n += 64;
    expect_fail(HL_E_FORMAT, "'k': value type 13");
    begin(0, 1);
    put_text("k");
    put(HL_GGUF_BOOL, 4);
    put(2, 8);
    expect_fail(HL_E_FORMAT, "'k': bool with value 2");
    begin(0, 1);
    put_text("k");
    put(HL_GGUF_ARRAY, 4);
    put(HL_GGUF_ARRAY, 4);
    file.n += 64;
    expect_fail(HL_E_FORMAT, "'k': array of arrays");
    begin(0, 1);
    put_text("k");
    put(HL_GGUF_ARRAY, 4);
    put(HL_GGUF_U64, 4);
    put(UINT64_C(1) << 61, 8); /* times 8 is 0 */
    file.n += 64;
    expect_fail(HL_E_FORMAT, "'k': array of 2305843009213693952 u64");
    begin(0, 1);
    put_text("k");
    put(HL_GGUF_ARRAY, 4);
    put(HL_GGUF_STRING, 4);
    put(2, 8);
    put_text("x");
    put(UINT64_MAX - 7, 8);
    expect_fail(HL_E_FORMAT, "'k'[1]");
}

static void a_bad_alignment_is_named(void **state) {
    (void)state;
    static const uint32_t bad[] = {0, 1, 4, 24, 33};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        begin(0, 1);
        put_u32("general.alignment", bad[i]);
        expect_fail(HL_E_FORMAT, "'general.alignment' is");
    }
    begin(0, 1);
    put_text("general.alignment");
    put(HL_GGUF_STRING, 4);
    put_text("32");
    expect_fail(HL_E_FORMAT, "'general.alignment' is string");
    begin(1, 1);
    put_u32("general.alignment", 1u << 31);
    put_tensor("t", 0, 1, 1, 0);
    put_data(4);
    expect_fail(HL_E_FORMAT, "cut short: tensor 't'");
}

static void bad_tensors_are_named(void **state) {
    (void)state;
    static const struct {
        uint32_t    type;
        uint64_t    rows, cols, offset;
        hl_status   status;
        const char *words;
    } cases[] = {
        {0, 0, 4, 0, HL_E_FORMAT, "'t': dimension 0 is 0"},
        {0, 4, 0, 0, HL_E_FORMAT, "'t': dimension 1 is 0"},
        {0, UINT64_MAX, 4, 0, HL_E_FORMAT, "'t': dimension 0 is -1"},
        {0, UINT64_C(1) << 40, UINT64_C(1) << 40, 0, HL_E_FORMAT, "more elements than"},
        {0, UINT64_C(1) << 31, UINT64_C(1) << 31, 0, HL_E_FORMAT, ""},
        {2, 4, 33, 0, HL_E_FORMAT, "'t' (q4_0) has rows of 33"},
        {4, 4, 32, 0, HL_E_UNSUPPORTED,
         "'t' has type q4_2 (4), which was taken out of GGUF: quantize the original again"},
        {31, 4, 32, 0, HL_E_UNSUPPORTED, "'t' has type q4_0_4_4 (31), which was taken out of GGUF"},
        {38, 4, 32, 0, HL_E_UNSUPPORTED, "'t' has type iq4_nl_8_8 (38), which was taken out of GGUF"},
        {9999, 4, 32, 0, HL_E_UNSUPPORTED, "'t' has type 9999, which this program does not know"},
        {15, 4, 256, 0, HL_E_UNSUPPORTED,
         "'t' has type q8_k (15), which is not supported; supported are f32"},
        {UINT32_MAX, 4, 32, 0, HL_E_UNSUPPORTED, "which this program does not know"},
        {0, 4, 4, 7, HL_E_FORMAT, "offset 7 is no multiple of the alignment 32"},
        {0, 4, 4, 64, HL_E_FORMAT, "'t' needs 64 bytes at 64"},
        {0, 4, 4, UINT64_MAX - 31, HL_E_FORMAT, "cut short: tensor 't'"},
        {0, 4, 5, 0, HL_E_FORMAT, "cut short: tensor 't' needs 80 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(1, 0);
        put_tensor("t", cases[i].type, cases[i].rows, cases[i].cols, cases[i].offset);
        put_data(64);
        expect_fail(cases[i].status, cases[i].words);
    }
    begin(1, 0);
    put_text("t");
    put(5, 4);
    file.n += 64;
    expect_fail(HL_E_FORMAT, "'t' has 5 dimensions, expected at most 4");
    begin(1, 0);
    put_tensor("a-name-of-sixty-four-bytes-is-one-byte-longer-than-the-format-has-", 0, 1, 1, 0);
    put_data(4);
    expect_fail(HL_E_FORMAT, "bytes, expected 1..63");
}

static void tensors_that_overlap_or_share_a_name_are_refused(void **state) {
    (void)state;
    begin(2, 0);
    put_tensor("a", 0, 4, 4, 32);
    put_tensor("b", 0, 4, 4, 0);
    put_data(128);
    expect_fail(HL_E_FORMAT, "tensors 'b' (bytes 0..64) and 'a' (from 32) overlap");
    begin(2, 0);
    put_tensor("a", 0, 4, 4, 0);
    put_tensor("a", 0, 4, 4, 64);
    put_data(128);
    expect_fail(HL_E_FORMAT, "'a' is there twice");
}

static void gaps_and_any_order_of_tensors_are_fine(void **state) {
    (void)state;
    begin(3, 0);
    put_tensor("a", 0, 4, 4, 192);
    put_tensor("b", 0, 4, 4, 0);
    put_text("scalar");
    put(0, 4); /* no dimensions */
    put(0, 4);
    put(128, 8);
    put_data(256);
    hl_gguf *g = open_raw();
    assert_int_equal(hl_gguf_find_tensor(g, "scalar")->n_dims, 1);
    assert_int_equal(hl_gguf_find_tensor(g, "scalar")->n_elems, 1);
    assert_int_equal(touch(g), 0);
    hl_gguf_close(g);
}

static void a_file_without_tensors_may_end_after_its_keys(void **state) {
    (void)state;
    begin(0, 1);
    put_u32("k", 1);
    hl_gguf_close(open_raw());
}

static void many_keys_take_no_time(void **state) {
    (void)state;
    hl_err          err = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_gguf        *g = NULL;
    uint8_t        *data = NULL;
    size_t          n = 0;
    char            key[32];
    for (uint32_t i = 0; i < 100000; i++) {
        (void)snprintf(key, sizeof key, "key.%u", i);
        hl_gguf_writer_add_u32(w, key, i);
    }
    assert_int_equal(hl_gguf_writer_build(w, &data, &n, &err), HL_OK);
    assert_int_equal(hl_gguf_open_memory(data, n, &g, &err), HL_OK);
    uint32_t x = 0;
    assert_int_equal(hl_gguf_get_u32(g, "key.77777", &x, &err), HL_OK);
    assert_int_equal(x, 77777);
    hl_gguf_close(g);
    hl_free(data);
    hl_gguf_writer_free(w);
}

/* Split files. */
static char folder[] = "/tmp/hl-split-XXXXXX";

static const char *shard_path(int i, int n) {
    static char paths[4][96];
    static int  next;
    char       *p = paths[next++ % 4];
    (void)snprintf(p, sizeof paths[0], "%s/m-%05d-of-%05d.gguf", folder, i, n);
    return p;
}

static void save_shard(const char *path, uint32_t no, uint32_t count, uint32_t n_tensors,
                       const char *tensor) {
    hl_err          err = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    hl_gguf_writer_add_number(w, "split.no", HL_GGUF_U16, no);
    hl_gguf_writer_add_number(w, "split.count", HL_GGUF_U16, count);
    hl_gguf_writer_add_number(w, "split.tensors.count", HL_GGUF_I32, n_tensors);
    hl_gguf_writer_add_tensor(w, tensor, HL_TYPE_f32, 1, (const uint64_t[]){8}, weights);
    if (hl_gguf_writer_save(w, path, &err) != HL_OK) fail_msg("%s", err.text);
    hl_gguf_writer_free(w);
}

static void expect_open_fail(const char *path, hl_status want, const char *words) {
    hl_err          err = {0};
    hl_gguf        *g = NULL;
    const hl_status status = hl_gguf_open(path, &g, &err);
    if (status != want)
        fail_msg("status %s (%s), expected %s", hl_status_name(status), err.text, hl_status_name(want));
    if (!strstr(err.text, words)) fail_msg("'%s' does not say '%s'", err.text, words);
}

static void split_files_open_as_one_and_bad_sets_are_refused(void **state) {
    (void)state;
    hl_err   err = {0};
    hl_gguf *g = NULL;
    char     other[96];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(other, sizeof other, "%s/other.gguf", folder);
    save_shard(shard_path(1, 3), 0, 3, 3, "a");
    save_shard(shard_path(2, 3), 1, 3, 3, "b");
    expect_open_fail(shard_path(1, 3), HL_E_NOT_FOUND, "m-00003-of-00003.gguf");
    save_shard(shard_path(3, 3), 2, 3, 3, "c");
    if (hl_gguf_open(shard_path(1, 3), &g, &err) != HL_OK) fail_msg("%s", err.text);
    assert_int_equal(hl_gguf_n_shards(g), 3);
    assert_int_equal(hl_gguf_n_tensors(g), 3);
    assert_int_equal(hl_gguf_find_tensor(g, "c")->i_shard, 2);
    assert_memory_equal(hl_gguf_find_tensor(g, "c")->data, weights, 32);
    hl_gguf_close(g);

    const char *out_of_order[] = {shard_path(1, 3), shard_path(3, 3), shard_path(2, 3)};
    assert_int_equal(hl_gguf_open_shards(out_of_order, 3, &g, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "split.no"));
    const char *too_few[] = {shard_path(1, 3), shard_path(2, 3)};
    assert_int_equal(hl_gguf_open_shards(too_few, 2, &g, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "'split.count' is 3, expected 2"));

    expect_open_fail(shard_path(2, 3), HL_E_FORMAT, "is shard 2 of 3, expected the first one");
    save_shard(other, 0, 3, 3, "a");
    expect_open_fail(other, HL_E_FORMAT, "-00001-of-00003.gguf");
    assert_int_equal(unlink(shard_path(3, 3)), 0); /* a circle: the third is the first again */
    assert_int_equal(symlink(shard_path(1, 3), shard_path(3, 3)), 0);
    expect_open_fail(shard_path(1, 3), HL_E_FORMAT, "'split.no' is 0, expected 2");
    assert_int_equal(unlink(shard_path(3, 3)), 0);
    save_shard(shard_path(3, 3), 2, 3, 3, "a");
    expect_open_fail(shard_path(1, 3), HL_E_FORMAT, "tensor 'a' is there twice");
    save_shard(shard_path(3, 3), 2, 4, 3, "c");
    expect_open_fail(shard_path(1, 3), HL_E_FORMAT, "'split.count' is 4, expected 3");
    save_shard(shard_path(1, 3), 0, 3, 5, "a");
    save_shard(shard_path(3, 3), 2, 3, 3, "c");
    expect_open_fail(shard_path(1, 3), HL_E_FORMAT, "'split.tensors.count' is 5, but the shards hold 3");
    save_shard(shard_path(1, 3), 0, 60000, 5, "a");
    expect_open_fail(shard_path(1, 3), HL_E_FORMAT, "'split.count' is 60000, expected at most");

    for (int i = 1; i <= 3; i++) assert_int_equal(unlink(shard_path(i, 3)), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void every_type_has_a_name_and_sizes_that_fit(void **state) {
    (void)state;
    hl_type found;
    for (int t = 0; t < HL_TYPE_count; t++) {
        assert_true(hl_type_find(hl_type_name((hl_type)t), &found) && found == (hl_type)t);
        assert_true(hl_type_find_gguf(hl_type_gguf_id((hl_type)t), &found) && found == (hl_type)t);
        assert_string_equal(hl_type_gguf_name(hl_type_gguf_id((hl_type)t)), hl_type_name((hl_type)t));
    }
    assert_false(hl_type_find("q9_9", &found));
    assert_null(hl_type_gguf_name(1000000));
    assert_int_equal(hl_type_row_bytes(HL_TYPE_q4_k, 512), 288);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_writer_writes_the_reader_reads),
        cmocka_unit_test(a_saved_file_is_complete_and_leaves_nothing_else),
        cmocka_unit_test(values_copied_from_a_file_come_out_the_same),
        cmocka_unit_test(the_writer_reports_its_first_mistake),
        cmocka_unit_test(version_2_reads_like_version_3),
        cmocka_unit_test(typed_access_names_the_key_and_what_it_is),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(a_flipped_bit_never_harms),
        cmocka_unit_test(what_is_no_gguf_is_told_so),
        cmocka_unit_test(what_a_file_is_instead_is_said),
        cmocka_unit_test(counts_that_cannot_be_are_refused),
        cmocka_unit_test(bad_keys_are_named),
        cmocka_unit_test(a_bad_alignment_is_named),
        cmocka_unit_test(bad_tensors_are_named),
        cmocka_unit_test(tensors_that_overlap_or_share_a_name_are_refused),
        cmocka_unit_test(gaps_and_any_order_of_tensors_are_fine),
        cmocka_unit_test(a_file_without_tensors_may_end_after_its_keys),
        cmocka_unit_test(many_keys_take_no_time),
        cmocka_unit_test(split_files_open_as_one_and_bad_sets_are_refused),
        cmocka_unit_test(every_type_has_a_name_and_sizes_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
