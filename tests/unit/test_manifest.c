/* SPDX-License-Identifier: MIT
 *
 * test_manifest.c - manifests good and bad, digests, files and JSON underneath.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/data/json.h"
#include "core/data/sha256.h"
#include "models/manifest.h"

#define D1 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define D2 "sha256:ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static hl_status parse(const char *text, hl_manifest *m, hl_arena *arena, hl_err *err) {
    hl_arena_init(arena, 1 << 20);
    return hl_manifest_parse(hl_view_of(text), "manifest of 'x'", arena, m, err);
}

static void a_manifest_reads_and_writes_the_same(void **state) {
    (void)state;
    static const char text[] =
        "{\"schemaVersion\":2,\"mediaType\":\"" HL_MEDIA_MANIFEST
        "\",\"config\":{\"mediaType\":\"" HL_MEDIA_CONFIG "\",\"digest\":\"" D1
        "\",\"size\":7},\"layers\":[{\"mediaType\":\"" HL_MEDIA_MODEL "\",\"digest\":\"" D2
        "\",\"size\":123456789012},{\"mediaType\":\"" HL_MEDIA_PARAMS "\",\"digest\":\"" D1
        "\",\"size\":1}]}";
    hl_arena    arena;
    hl_manifest m;
    hl_err      err = {0};
    hl_str      s;
    assert_int_equal(parse(text, &m, &arena, &err), HL_OK);
    assert_int_equal(m.n_layers, 2);
    assert_string_equal(m.layers[0].digest, &D2[7]);
    assert_true(hl_manifest_size(&m) == UINT64_C(123456789020));
    hl_str_init(&s, 1 << 20);
    hl_manifest_format(&m, &s);
    assert_string_equal(hl_str_text(&s), text);
    hl_str_done(&s);
    hl_arena_done(&arena);
}

static void unknown_fields_and_types_are_let_through(void **state) {
    (void)state;
    hl_arena    arena;
    hl_manifest m;
    hl_err      err = {0};
    assert_int_equal(
        parse("{\"schemaVersion\":2,\"extra\":{},\"config\":{\"digest\":\"\",\"size\":0},\"layers\":[{"
              "\"mediaType\":\"application/x-new\",\"digest\":\"" D1
              "\",\"size\":0,\"from\":\"/x\",\"name\":\"t\"}]}",
              &m, &arena, &err),
        HL_OK);
    assert_int_equal(m.n_layers, 1);
    assert_string_equal(m.config.digest, "");
    hl_arena_done(&arena);
    assert_int_equal(parse("{\"schemaVersion\":2,\"layers\":null}", &m, &arena, &err), HL_OK);
    hl_arena_done(&arena);
}

static void bad_manifests_are_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "{\"schemaVersion\":1}",
        "{\"schemaVersion\":\"2\"}",
        "{\"schemaVersion\":2,\"layers\":{}}",
        "{\"schemaVersion\":2,\"layers\":[1]}",
        "{\"schemaVersion\":2,\"layers\":[{}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" D1 "\"}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" D1 "\",\"size\":-1}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" D1 "\",\"size\":1.5}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" D1 "\",\"size\":99999999999999999999}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" D1 "0\",\"size\":1}]}",
        "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"sha256:../../../../etc/passwd\",\"size\":1}]}",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"md5:0\",\"size\":1},\"layers\":[]}",
        "{\"schemaVersion\":2,\"layers\":[]} x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hl_arena    arena;
        hl_manifest m = {.n_layers = 77};
        hl_err      err = {0};
        if (parse(bad[i], &m, &arena, &err) != HL_E_FORMAT) fail_msg("accepted: %s", bad[i]);
        assert_int_equal(m.n_layers, 77);
        assert_non_null(strstr(err.text, "manifest of 'x'"));
        hl_arena_done(&arena);
    }
    char *deep = hl_new(200001, 1);
    memset(deep, '[', 200000);
    hl_arena    arena;
    hl_manifest m;
    assert_int_equal(parse(deep, &m, &arena, NULL), HL_E_LIMIT);
    hl_free(deep);
}

static void a_digest_has_two_spellings(void **state) {
    (void)state;
    char hex[HL_DIGEST_BYTES];
    assert_true(hl_digest_parse(D1, hex));
    assert_true(
        hl_digest_parse("sha256-0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", hex));
    assert_string_equal(hex, &D1[7]);
    assert_false(hl_digest_parse(&D1[7], hex));
    assert_false(hl_digest_parse("sha256:", hex));
    assert_false(hl_digest_parse(NULL, hex));
}

static void sha256_is_that_of_the_standard(void **state) {
    (void)state;
    char hex[HL_SHA256_HEX_BYTES]; /* from: FIPS 180-4 examples */
    assert_int_equal(hl_sha256_of("abc", 3, hex, NULL), HL_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(hl_sha256_of("", 0, hex, NULL), HL_OK);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hl_sha256 *h = NULL;
    assert_int_equal(hl_sha256_new(&h, NULL), HL_OK);
    for (int i = 0; i < 3; i++) assert_int_equal(hl_sha256_add(h, &"abc"[i], 1, NULL), HL_OK);
    assert_int_equal(hl_sha256_finish(h, hex, NULL), HL_OK);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hl_sha256_free(h);
}

static void files_are_read_within_limits_and_written_whole(void **state) {
    (void)state;
    char   dir[] = "/tmp/hl-file-XXXXXX", path[64], below[64], *data = NULL;
    size_t len = 0;
    hl_err err = {0};
    assert_non_null(mkdtemp(dir));
    (void)snprintf(below, sizeof below, "%s/a/b/c", dir);
    (void)snprintf(path, sizeof path, "%s/a/b/c/f", dir);
    assert_int_equal(hl_dir_make(below, 0700, &err), HL_OK);
    assert_int_equal(hl_dir_make(below, 0700, &err), HL_OK);
    assert_int_equal(hl_file_read(path, 100, &data, &len, &err), HL_E_NOT_FOUND);
    assert_int_equal(hl_file_write_atomic(path, "hello", 5, 0600, &err), HL_OK);
    assert_int_equal(hl_file_read(path, 5, &data, &len, &err), HL_OK);
    assert_int_equal(len, 5);
    assert_string_equal(data, "hello");
    hl_free(data);
    assert_int_equal(hl_file_read(path, 4, &data, &len, &err), HL_E_LIMIT);
    assert_int_equal(hl_file_read(below, 4, &data, &len, &err), HL_E_IO);
    assert_int_equal(hl_file_read("/proc/self/status", 1 << 20, &data, &len, &err),
                     HL_OK); /* stat says 0 bytes */
    assert_true(len > 100);
    hl_free(data);
    assert_int_equal(hl_file_read("/proc/self/status", 10, &data, &len, &err), HL_E_LIMIT);
    (void)snprintf(below, sizeof below, "%s/a/b/c/f/g", dir);
    assert_int_equal(hl_dir_make(below, 0700, &err), HL_E_IO);
    assert_int_equal(hl_file_write_atomic(below, "x", 1, 0600, &err), HL_E_IO);
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void json_errors_say_where(void **state) {
    (void)state;
    json_t *v = NULL;
    hl_err  err = {0};
    hl_str  s;
    assert_int_equal(hl_json_parse(hl_view_of("{\"a\":\n 1,}"), "thing", &v, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "thing: line 2"));
    assert_int_equal(hl_json_parse(hl_view_of(""), "thing", &v, &err), HL_E_FORMAT);
    assert_int_equal(hl_json_parse(hl_view_of("{\"a\":1,\"b\":true,\"c\":\"x\"}"), "thing", &v, &err), HL_OK);
    assert_int_equal(hl_json_int(v, "a", 5), 1);
    assert_int_equal(hl_json_int(v, "b", 5), 5);
    assert_true(hl_json_bool(v, "b", false));
    assert_string_equal(hl_json_text(v, "c"), "x");
    assert_null(hl_json_text(v, "d"));
    hl_str_init(&s, 1000);
    hl_json_format(v, false, &s);
    assert_string_equal(hl_str_text(&s), "{\"a\":1,\"b\":true,\"c\":\"x\"}");
    hl_str_done(&s);
    json_decref(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_reads_and_writes_the_same),
        cmocka_unit_test(unknown_fields_and_types_are_let_through),
        cmocka_unit_test(bad_manifests_are_refused),
        cmocka_unit_test(a_digest_has_two_spellings),
        cmocka_unit_test(sha256_is_that_of_the_standard),
        cmocka_unit_test(files_are_read_within_limits_and_written_whole),
        cmocka_unit_test(json_errors_say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
