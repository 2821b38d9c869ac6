/* SPDX-License-Identifier: MIT
 *
 * test_store_record.c - all that a model's record holds comes back: from a Modelfile, and in a model like
 * another one.
 */
#define _GNU_SOURCE
#include "store_fixture.h"

#include "core/data/sha256.h"
#include "core/gguf/gguf_writer.h"
#include "models/store_priv.h"

#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != HL_OK) fail_msg("line %d: %s", __LINE__, err.text);                                    \
    } while (0)

/* Make <dir>/<name> a GGUF file that says it is of a type. */
static const char *make_typed(fixture *f, const char *name, const char *type) {
    static char     path[4][PATH_MAX];
    static unsigned i_path;
    char           *to = path[i_path++ % 4];
    hl_err          err = {0};
    const uint64_t  shape[1] = {8};
    const float     data[8] = {0};
    hl_gguf_writer *w = hl_gguf_writer_new();
    assert_non_null(w);
    (void)snprintf(to, PATH_MAX, "%s/%s", f->dir, name);
    hl_gguf_writer_add_text(w, "general.architecture", hl_view_of("llama"));
    if (type) hl_gguf_writer_add_text(w, "general.type", hl_view_of(type));
    hl_gguf_writer_add_text(w, "general.name", hl_view_of(name));
    hl_gguf_writer_add_tensor(w, "x", HL_TYPE_f32, 1, shape, data);
    OK(hl_gguf_writer_save(w, to, &err));
    hl_gguf_writer_free(w);
    return to;
}

static void an_unknown_parameter_is_refused_wherever_it_stands(void **state) {
    (void)state;
    for (size_t bad = 0; bad < 3; bad++) {
        hl_param params[] = {{"temperature", "0.5"}, {"num_ctx", "64"}, {"top_k", "3"}};
        hl_str   s;
        hl_err   err = {0};
        hl_str_init(&s, 1 << 16);
        OK(hl_params_format(params, 3, &s, &err));
        params[bad].name = "temprature";
        assert_int_equal(hl_params_format(params, 3, &s, &err), HL_E_ARG);
        assert_string_equal(err.text, "unknown parameter 'temprature'; did you mean 'temperature'?");
        hl_str_done(&s);
    }
}

static void all_that_a_modelfile_says_is_kept_and_said_again(void **state) {
    (void)state;
    fixture           f;
    hl_err            err = {0};
    hl_stored_model  *m = NULL;
    hl_modelfile     *again = NULL;
    char             *text = NULL;
    hl_import_options o = {
        .renderer = "some-renderer", .parser = "some-\"parser\"", .requires_version = "0.99.0"};
    fixture_init(&f);
    hl_store         *s = fixture_open(&f);
    const char       *path = make_gguf(&f, "a.gguf", 64, 1);
    const hl_param    scales[] = {{"adapter_scale", "0.5"}, {"adapter_scale", "-2"}};
    const char *const gone = "/nonexistent.gguf";
    const char *const adapters[] = {make_typed(&f, "z.gguf", "adapter"),
                                    make_typed(&f, "lora.gguf", "adapter")};
    o.adapter_paths = adapters;
    o.n_adapters = 2;
    o.params = scales;
    o.n_params = 2;
    o.draft_path = make_typed(&f, "draft.gguf", NULL);
    o.projector_path = make_typed(&f, "mmproj.gguf", "mmproj");
    OK(hl_store_import(s, &path, 1, "x", &o, NULL, &err));
    OK(hl_store_open_model(s, "x", HL_OPEN_FOR_LOAD, &m, &err));
    assert_string_equal(m->renderer, "some-renderer");
    assert_string_equal(m->parser, "some-\"parser\"");
    assert_string_equal(m->requires_version, "0.99.0");
    OK(hl_modelfile_format(m, &text, &err));
    OK(hl_modelfile_parse(hl_view_of(text), &again, &err));
    assert_string_equal(again->renderer, "some-renderer");
    assert_string_equal(again->parser, "some-\"parser\"");
    assert_string_equal(again->requires_version, "0.99.0");
    assert_int_equal(m->n_adapters, 2);
    assert_int_equal(again->n_adapters, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(again->adapters[i], m->adapter_paths[i]);
        assert_string_equal(again->params[i].name, "adapter_scale");
        assert_string_equal(again->params[i].value, scales[i].value);
    }
    assert_string_equal(again->draft, m->draft_path);
    assert_int_equal(again->n_from, 2);
    assert_string_equal(again->from[1], m->projector_path);
    hl_free(text);
    hl_modelfile_free(again);
    hl_stored_model_free(m);

    hl_import_options bad = {.adapter_paths = &o.draft_path, .n_adapters = 1};
    assert_int_equal(hl_store_import(s, &path, 1, "y", &bad, NULL, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "of type 'model', expected 'adapter'"));
    bad = (hl_import_options){.adapter_paths = &gone, .n_adapters = 1};
    assert_int_equal(hl_store_import(s, &path, 1, "y", &bad, NULL, &err), HL_E_NOT_FOUND);
    bad = (hl_import_options){.draft_path = "/nonexistent.gguf"};
    assert_int_equal(hl_store_import(s, &path, 1, "y", &bad, NULL, &err), HL_E_NOT_FOUND);
    hl_store_close(s);
    fixture_done(&f);
}

/* ---- a model like another one ---- */

/* A record as another program may have left it: parameters of all JSON kinds, keys and layers nobody here
 * knows. */
static void make_foreign(fixture *f, hl_store *s) {
    hl_err            err = {0};
    char              path[PATH_MAX], hex[HL_DIGEST_BYTES], manifest[2000];
    char             *data = NULL;
    size_t            len = 0;
    int               n = 0;
    const char       *from = make_gguf(f, "a.gguf", 64, 1);
    const char *const blobs[][2] = {
        {"params",
         "{\"temperature\":0.7,\"top_k\":40,\"stop\":[\"a\",\"b\"],\"novel\":{\"x\":[1]},\"num_ctx\":4096,"
         "\"novel_number\":1e5}"},
        {"oddity", "not known here"},
        {"license", "MIT"},
        {"system", "old"},
    };
    OK(hl_store_import(s, &from, 1, "plain", NULL, NULL, &err));
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/plain/latest", f->models);
    OK(hl_file_read(path, 1 << 20, &data, &len, &err));
    const char *end = strstr(data, "]}");
    n = snprintf(manifest, sizeof manifest, "%.*s", (int)(end - data), data);
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        OK(hl_sha256_of(blobs[i][1], strlen(blobs[i][1]), hex, &err));
        (void)snprintf(path, sizeof path, "%s/blobs/sha256-%s", f->models, hex);
        OK(hl_file_write_atomic(path, blobs[i][1], strlen(blobs[i][1]), 0644, &err));
        n += snprintf(
            manifest + n, sizeof manifest - (size_t)n,
            ",{\"mediaType\":\"application/vnd.ollama.image.%s\",\"digest\":\"sha256:%s\",\"size\":%zu}",
            blobs[i][0], hex, strlen(blobs[i][1]));
    }
    n += snprintf(manifest + n, sizeof manifest - (size_t)n, "]}");
    /* a config with a key of tomorrow */
    const char config[] =
        "{\"model_format\":\"gguf\",\"renderer\":\"r\",\"tomorrow\":[1,2],\"requires\":\"1.0\"}";
    char was[HL_DIGEST_BYTES];
    OK(hl_sha256_of(config, strlen(config), hex, &err));
    (void)snprintf(path, sizeof path, "%s/blobs/sha256-%s", f->models, hex);
    OK(hl_file_write_atomic(path, config, strlen(config), 0644, &err));
    char *digest = strstr(manifest, "sha256:") + 7;
    memcpy(was, digest, 64);
    memcpy(digest, hex, 64);
    char *size = strstr(digest, "\"size\":") + 7, *rest = size + strspn(size, "0123456789");
    char  tail[1800];
    (void)snprintf(tail, sizeof tail, "%s", rest);
    (void)snprintf(size, sizeof manifest - (size_t)(size - manifest), "%zu%s", strlen(config), tail);
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/foreign", f->models);
    OK(hl_dir_make(path, 0755, &err));
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/foreign/latest", f->models);
    OK(hl_file_write_atomic(path, manifest, strlen(manifest), 0644, &err));
    hl_free(data);
}

/* Give the model "plain" one more layer, whose blob its manifest says to be n_said bytes long. */
static void add_layer(fixture *f, const char *manifest, const char *kind, hl_view text, size_t n_said) {
    hl_err      err = {0};
    char        path[PATH_MAX], hex[HL_DIGEST_BYTES], to[4000];
    const char *end = strstr(manifest, "]}");
    OK(hl_sha256_of(text.ptr, text.len, hex, &err));
    (void)snprintf(path, sizeof path, "%s/blobs/sha256-%s", f->models, hex);
    OK(hl_file_write_atomic(path, text.ptr, text.len, 0644, &err));
    const int n = snprintf(
        to, sizeof to,
        "%.*s,{\"mediaType\":\"application/vnd.ollama.image.%s\",\"digest\":\"sha256:%s\",\"size\":%zu}]}",
        (int)(end - manifest), manifest, kind, hex, n_said);
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/plain/latest", f->models);
    OK(hl_file_write_atomic(path, to, (size_t)n, 0644, &err));
}

static void layers_of_others_that_make_no_sense_are_told(void **state) {
    (void)state;
    static const struct {
        const char *kind, *text, *words; /* NULL: it loads */
        size_t      n_more;              /* said than there is */
        size_t      n_params, n_messages;
    } rows[] = {
        {"params", "{}", NULL, 0, 0, 0},
        {"params", "{\"stop\":[\"a\",\"b\"],\"top_k\":3}", NULL, 0, 3, 0},
        {"params", "[1]", "stored parameters", 0, 0, 0},
        {"params", "{\"a\":", "stored parameters", 0, 0, 0},
        {"params", "{\"top_k\":3}", "has 11 bytes, its manifest says 12", 1, 0, 0},
        {"messages", "[]", NULL, 0, 0, 0},
        {"messages", "[{\"role\":\"user\",\"content\":\"\"},{\"role\":\"system\",\"content\":\"x\"}]", NULL,
         0, 0, 2},
        {"messages", "{}", "stored messages: not a JSON list", 0, 0, 0},
        {"messages", "[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\"}]",
         "message 1 has no content", 0, 0, 0},
        {"messages", "[{\"content\":\"a\"}]", "message 0 has no role", 0, 0, 0},
        {"messages", "[3]", "message 0 has no role", 0, 0, 0},
    };
    fixture     f;
    hl_err      err = {0};
    char        path[PATH_MAX], *manifest = NULL;
    size_t      len = 0;
    const char *from = NULL;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    from = make_gguf(&f, "a.gguf", 64, 1);
    OK(hl_store_import(s, &from, 1, "plain", NULL, NULL, &err));
    (void)snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/plain/latest", f.models);
    OK(hl_file_read(path, 1 << 20, &manifest, &len, &err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_stored_model *m = NULL;
        const hl_view    text = hl_view_of(rows[i].text);
        add_layer(&f, manifest, rows[i].kind, text, text.len + rows[i].n_more);
        const hl_status status = hl_store_open_model(s, "plain", HL_OPEN_FOR_LOAD, &m, &err);
        if (rows[i].words) {
            if (status == HL_OK || !strstr(err.text, rows[i].words))
                fail_msg("%s: %s, expected '%s'", rows[i].text, err.text, rows[i].words);
            continue;
        }
        if (status != HL_OK) fail_msg("%s: %s", rows[i].text, err.text);
        assert_int_equal(m->n_params, rows[i].n_params);
        assert_int_equal(m->n_messages, rows[i].n_messages);
        hl_stored_model_free(m);
    }
    hl_stored_model *m = NULL;
    add_layer(&f, manifest, "system", (hl_view){"a\0b", 3}, 3);
    assert_int_equal(hl_store_open_model(s, "plain", HL_OPEN_FOR_LOAD, &m, &err), HL_E_FORMAT);
    assert_non_null(strstr(err.text, "holds NUL bytes, expected text"));
    hl_free(manifest);
    hl_store_close(s);
    fixture_done(&f);
}

static void a_saved_model_keeps_what_nobody_changed(void **state) {
    (void)state;
    fixture          f;
    hl_err           err = {0};
    hl_stored_model *m = NULL, *saved = NULL;
    hl_name          written;
    fixture_init(&f);
    hl_store *s = fixture_open(&f);
    make_foreign(&f, s);
    OK(hl_store_open_model(s, "foreign", HL_OPEN_FOR_LOAD, &m, &err));
    assert_int_equal(m->n_params, 6);

    /* as it is */
    OK(hl_store_save_model(s, m, "same", &written, &err));
    assert_string_equal(written.model, "same");
    OK(hl_store_open_model(s, "same", HL_OPEN_FOR_LOAD, &saved, &err));
    assert_string_equal(saved->params_json,
                        "{\"temperature\":0.69999999999999996,\"top_k\":40,\"stop\":[\"a\",\"b\"],"
                        "\"novel\":{\"x\":[1]},\"num_ctx\":4096,\"novel_number\":100000.0}");
    assert_string_equal(saved->system, "old");
    assert_string_equal(saved->renderer, "r");
    assert_string_equal(saved->requires_version, "1.0");
    assert_non_null(strstr(saved->config_json, "\"tomorrow\":[1,2]"));
    assert_non_null(strstr(saved->manifest_json, "application/vnd.ollama.image.oddity"));
    assert_int_equal(saved->n_licenses, 1);
    assert_int_equal(saved->n_shards, 1);
    assert_string_equal(saved->shard_paths[0], m->shard_paths[0]);
    hl_stored_model_free(saved);

    /* with changes: one parameter changed, a list made shorter, one left out, a new one; texts gone and
     * new */
    const hl_param params[] = {
        {"temperature", "0.7"}, {"top_k", "5"}, {"stop", "a"}, {"novel_number", "100000"}, {"seed", "7"}};
    const hl_stored_message messages[] = {{"user", {"one\0two", 7}}};
    hl_stored_model         changed = *m;
    changed.params = params;
    changed.n_params = 5;
    changed.system = "";
    changed.template_text = "{{ .Prompt }}";
    changed.messages = messages;
    changed.n_messages = 1;
    OK(hl_store_save_model(s, &changed, "other", NULL, &err));
    OK(hl_store_open_model(s, "other", HL_OPEN_FOR_LOAD, &saved, &err));
    assert_string_equal(saved->params_json,
                        "{\"temperature\":0.69999999999999996,\"novel\":{\"x\":[1]},"
                        "\"novel_number\":100000.0,\"seed\":7,\"top_k\":5,\"stop\":[\"a\"]}");
    assert_null(saved->system);
    assert_string_equal(saved->template_text, "{{ .Prompt }}");
    assert_int_equal(saved->n_messages, 1);
    assert_int_equal(saved->messages[0].content.len, 7);
    assert_memory_equal(saved->messages[0].content.ptr, "one\0two", 7);
    hl_stored_model_free(saved);

    /* what cannot be */
    const hl_param wrong[] = {{"novel", "1"}};
    changed.params = wrong;
    changed.n_params = 1;
    assert_int_equal(hl_store_save_model(s, &changed, "bad", NULL, &err), HL_E_ARG);
    assert_int_equal(unlink(m->shard_paths[0]), 0);
    assert_int_equal(hl_store_save_model(s, m, "bad", NULL, &err), HL_E_NOT_FOUND);
    assert_int_equal(hl_store_open_model(s, "bad", HL_OPEN_FOR_SHOW, &saved, &err), HL_E_NOT_FOUND);
    hl_stored_model_free(m);
    hl_store_close(s);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_others_that_make_no_sense_are_told),
        cmocka_unit_test(an_unknown_parameter_is_refused_wherever_it_stands),
        cmocka_unit_test(all_that_a_modelfile_says_is_kept_and_said_again),
        cmocka_unit_test(a_saved_model_keeps_what_nobody_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
