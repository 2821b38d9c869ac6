/* SPDX-License-Identifier: MIT
 *
 * test_ref.c - what names of models elsewhere mean, and which of a hub's files a quantization is.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "models/registry/key_file.h"
#include "models/registry/pull.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_name_means_a_registry_a_hub_a_url_or_a_path(void **state) {
    (void)state;
    static const struct {
        const char *text;
        hl_ref_kind kind;
        const char *name; /* full; "": none */
        bool        is_http;
        const char *again; /* as it is written */
    } cases[] = {
        {"smollm2", HL_REF_REGISTRY, "registry.ollama.ai/library/smollm2:latest", false, "smollm2:latest"},
        {"me/m:1", HL_REF_REGISTRY, "registry.ollama.ai/me/m:1", false, "me/m:1"},
        {"127.0.0.1:5000/me/m", HL_REF_REGISTRY, "127.0.0.1:5000/me/m:latest", false,
         "127.0.0.1:5000/me/m:latest"},
        {"http://h:1/a/b:c", HL_REF_REGISTRY, "h:1/a/b:c", true, "http://h:1/a/b:c"},
        {"https://h/a/b", HL_REF_REGISTRY, "h/a/b:latest", false, "https://h/a/b:latest"},
        {"m:t@sha256:" HEX, HL_REF_REGISTRY, "registry.ollama.ai/library/m:t", false, "m:t@sha256:" HEX},
        {"hf.co/org/Repo.x-GGUF:Q4_K_M", HL_REF_HUB, "hf.co/org/Repo.x-GGUF:Q4_K_M", false,
         "hf.co/org/Repo.x-GGUF:Q4_K_M"},
        {"huggingface.co/o/r", HL_REF_HUB, "huggingface.co/o/r:latest", false, "huggingface.co/o/r:latest"},
        {"https://e.org/x/My%20Model.Q4_0.gguf?k=s", HL_REF_URL,
         "registry.ollama.ai/library/my-model.q4_0:latest", false,
         "https://e.org/x/My%20Model.Q4_0.gguf?k=s"},
        {"HTTP://e.org/--A.GGUF", HL_REF_URL, "registry.ollama.ai/library/a:latest", true,
         "HTTP://e.org/--A.GGUF"},
        {"./x.gguf", HL_REF_PATH, "", false, "./x.gguf"},
        {"/x/y", HL_REF_PATH, "", false, "/x/y"},
        {"~/y", HL_REF_PATH, "", false, "~/y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hl_ref ref;
        hl_err err = {0};
        char   full[HL_NAME_TEXT_BYTES] = "";
        hl_str again;
        if (hl_ref_parse(cases[i].text, &ref, &err) != HL_OK) fail_msg("%s: %s", cases[i].text, err.text);
        assert_int_equal(ref.kind, cases[i].kind);
        assert_int_equal(ref.is_http, cases[i].is_http);
        if (ref.kind != HL_REF_PATH) hl_name_format_full(&ref.name, full);
        assert_string_equal(full, cases[i].name);
        hl_str_init(&again, SIZE_MAX);
        hl_ref_format(&ref, &again);
        assert_string_equal(hl_str_text(&again), cases[i].again);
        hl_str_done(&again);
        assert_string_equal(ref.digest, strchr(cases[i].text, '@') ? HEX : "");
    }
}

static void what_is_no_name_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "a b",
                                      "m@sha256:12",
                                      "m@md5:" HEX,
                                      "ftp://h/a/b",
                                      "http://h/../b",
                                      "a/../b",
                                      "https:///x.gguf",
                                      "https://u:p@h/x.gguf",
                                      "https://h/a b.gguf",
                                      "https://h/.gguf",
                                      "m:../x",
                                      "hf.co/o/r@sha256:" HEX,
                                      "h/a/b/c",
                                      "..",
                                      "-a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hl_ref ref;
        hl_err err = {0};
        if (hl_ref_parse(bad[i], &ref, &err) != HL_E_ARG || !err.text[0]) fail_msg("%s was taken", bad[i]);
        assert_null(strstr(err.text, "u:p"));
    }
}

/* ---- the hub ---- */

static const char *choose(const char *json, const char *quant, char ret[700]) {
    hl_arena     arena;
    hl_download *files = NULL;
    size_t       n = 0;
    char         revision[HL_DIGEST_BYTES];
    hl_err       err = {0};
    hl_arena_init(&arena, 1 << 20);
    ret[0] = '\0';
    if (hl_hub_choose(hl_view_of(json), quant, &arena, &files, &n, revision, &err) != HL_OK)
        (void)snprintf(ret, 700, "! %s", err.text);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(ret + strlen(ret), 700 - strlen(ret), "%s%s%s", i ? " " : "", files[i].url,
                       strcmp(files[i].media_type, HL_MEDIA_PROJECTOR) == 0 ? "(p)" : "");
    hl_free(files);
    hl_arena_done(&arena);
    return ret;
}

#define FILE_(name) "{\"rfilename\":\"" name "\",\"size\":5,\"lfs\":{\"sha256\":\"" HEX "\",\"size\":9}}"

/* clang-format off */
static void a_quantization_is_found_among_a_hub_s_files(void **state) {
    (void)state;
    char              got[700];
    static const char many[] =
        "{\"sha\":\"ab12\",\"siblings\":[" FILE_("README.md") "," FILE_("m-Q8_0.gguf") ","
        FILE_("m-Q4_K_M.gguf") "," FILE_("m.IQ2_XXS.gguf") "," FILE_("mmproj-m-f16.gguf") ","
        FILE_("sub/m-F16-00002-of-00002.gguf") "," FILE_("sub/m-F16-00001-of-00002.gguf") "]}";
    assert_string_equal(choose(many, "latest", got), "m-Q4_K_M.gguf mmproj-m-f16.gguf(p)");
    assert_string_equal(choose(many, "q8_0", got), "m-Q8_0.gguf mmproj-m-f16.gguf(p)");
    assert_string_equal(choose(many, "iq2_xxs", got), "m.IQ2_XXS.gguf mmproj-m-f16.gguf(p)");
    assert_string_equal(choose(many, "F16", got),
                        "sub/m-F16-00001-of-00002.gguf sub/m-F16-00002-of-00002.gguf mmproj-m-f16.gguf(p)");
    assert_string_equal(choose(many, "m-Q8_0.gguf", got), "m-Q8_0.gguf mmproj-m-f16.gguf(p)");
    assert_non_null(strstr(choose(many, "Q4", got), "it has Q8_0, Q4_K_M, IQ2_XXS, F16"));
    assert_string_equal(choose("{\"siblings\":[" FILE_("odd.gguf") "]}", "latest", got), "odd.gguf");
    assert_non_null(
        strstr(choose("{\"siblings\":[" FILE_("m-00001-of-00002.gguf") "]}", "latest", got), "part 2 of 2"));
    assert_non_null(
        strstr(choose("{\"siblings\":[" FILE_("../x.gguf") "," FILE_("/x.gguf") "," FILE_("a/../x.gguf") "]}",
                      "latest", got),
               "no GGUF files"));
    assert_non_null(strstr(choose("{\"siblings\":5}", "latest", got), "siblings"));
    assert_non_null(strstr(choose("[", "latest", got), "list of files"));
}

/* clang-format on */

/* ---- keys ---- */

static void a_key_file_is_read_as_it_was_written(void **state) {
    (void)state;
    char          path[] = "/tmp/hl-key-XXXXXX", file[64];
    unsigned char made[HL_ED25519_KEY_BYTES], read[HL_ED25519_KEY_BYTES];
    hl_err        err = {0};
    assert_non_null(mkdtemp(path));
    (void)snprintf(file, sizeof file, "%s/id", path);
    assert_int_equal(hl_key_load(file, made, &err), HL_OK);
    assert_int_equal(hl_key_load(file, read, &err), HL_OK);
    assert_memory_equal(made, read, sizeof made);
    static const char *const bad[] = {
        "", "x", "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n"
        "-----END OPENSSH PRIVATE KEY-----"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(hl_key_parse(hl_view_of(bad[i]), "x", read, &err), HL_E_FORMAT);
    assert_int_equal(remove(file), 0);
    (void)snprintf(file, sizeof file, "%s/id.pub", path);
    assert_int_equal(remove(file), 0);
    assert_int_equal(remove(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_means_a_registry_a_hub_a_url_or_a_path),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(a_quantization_is_found_among_a_hub_s_files),
        cmocka_unit_test(a_key_file_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
