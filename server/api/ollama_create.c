/* SPDX-License-Identifier: MIT
 *
 * ollama_create.c - POST /api/create: a model out of a stored one, or of blobs that were uploaded.
 *
 * Of a stored model the answer is written when all is done, as one block of lines: what is wrong has a
 * status of its own then. Files may take long to read: lines come while that goes on.
 * from: Ollama 0.33 (api/types.go, server/create.go): fields, and the words of its status lines
 */
#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "host/create.h"
#include "server/api/ollama_common.h"
#include "server/server_priv.h"

enum { ARENA_BYTES = 256 << 20, MAX_LIST = 65536 };

typedef struct order {
    hl_exchange *x;
    json_t      *body;
    hl_arena     arena; /* lists that the recipe points to */
    hl_recipe    r;
    const char  *name;
    bool         is_stream;
    hl_file_list drafts;
    char        *imatrix;  /* path of the blob; NULL: none */
    char         step[96]; /* that was told of last */
} order;

static hl_status fail_memory(hl_err *err) { return hl_fail(err, HL_E_NOMEM, "create: no memory"); }

/* ---- the body ---- */

/* A text that is there and not empty: clients send empty ones for nothing. */
static hl_status take_text(const order *o, const char *key, const char **ret, hl_err *err) {
    const char *text = NULL;
    hl_status   status = hl_field_text(o->body, key, &text, err);
    if (status == HL_OK && text && *text) *ret = text;
    return status;
}

static hl_status check_strings(const json_t *list, const char *key, hl_err *err) {
    size_t        i;
    const json_t *v;
    if (json_array_size(list) > MAX_LIST)
        return hl_fail(err, HL_E_LIMIT, "%s: %zu items, expected at most %d", key, json_array_size(list),
                       MAX_LIST);
    json_array_foreach(list, i, v) {
        if (!json_is_string(v)) return hl_fail(err, HL_E_ARG, "%s[%zu]: expected a text", key, i);
        if (strlen(json_string_value(v)) != json_string_length(v))
            return hl_fail(err, HL_E_ARG, "%s[%zu]: a NUL byte is not allowed here", key, i);
    }
    return HL_OK;
}

/* A text, or a list of texts. */
static hl_status take_licenses(order *o, hl_err *err) {
    const json_t *v = json_object_get(o->body, "license");
    const char   *one = NULL;
    hl_status     status = HL_OK;
    if (!v || json_is_null(v)) return HL_OK;
    if (!json_is_array(v)) status = hl_field_text(o->body, "license", &one, err);
    if (status == HL_OK && json_is_array(v)) status = check_strings(v, "license", err);
    if (status != HL_OK) return status;
    const size_t n = json_is_array(v) ? json_array_size(v) : *one != '\0';
    const char **list = hl_arena_get(&o->arena, n, sizeof *list);
    if (!list) return fail_memory(err);
    for (size_t i = 0; i < n; i++) list[i] = one ? one : json_string_value(json_array_get(v, i));
    o->r.more.licenses = list;
    o->r.more.n_licenses = n;
    return HL_OK;
}

static hl_status take_value(order *o, const char *name, const json_t *v, hl_param *ret, hl_err *err) {
    char            buf[HL_OPTION_TEXT_BYTES];
    const char     *text = NULL;
    const hl_status status = hl_option_text(name, v, buf, &text, err);
    if (status != HL_OK) return hl_fail_within(err, status, "parameters");
    *ret = (hl_param){name, hl_arena_get_text(&o->arena, text, strlen(text))};
    return ret->value ? HL_OK : fail_memory(err);
}

static hl_status take_parameters(order *o, hl_err *err) {
    const json_t *all = NULL, *v;
    const char   *name;
    size_t        n = 0;
    hl_status     status = hl_field_object(o->body, "parameters", &all, err);
    if (status != HL_OK || !all) return status;
    json_object_foreach((json_t *)(uintptr_t)all, name, v) n += json_is_array(v) ? json_array_size(v) : 1;
    if (n > MAX_LIST)
        return hl_fail(err, HL_E_LIMIT, "parameters: %zu values, expected at most %d", n, MAX_LIST);
    hl_param *list = hl_arena_get(&o->arena, n, sizeof *list);
    if (!list) return fail_memory(err);
    n = 0;
    json_object_foreach((json_t *)(uintptr_t)all, name, v) {
        if (!json_is_array(v) && !json_is_null(v) && status == HL_OK)
            status = take_value(o, name, v, &list[n++], err);
        for (size_t i = 0; i < json_array_size(v) && status == HL_OK; i++)
            status = take_value(o, name, json_array_get(v, i), &list[n++], err);
    }
    o->r.more.params = list;
    o->r.more.n_params = n;
    return status;
}

static hl_status take_messages(order *o, hl_err *err) {
    static const char *const roles[] = {"system", "user", "assistant"};
    const json_t            *all = NULL;
    hl_status                status = hl_field_list(o->body, "messages", &all, err);
    const size_t             n = json_array_size(all);
    if (status != HL_OK || n == 0) return status;
    if (n > MAX_LIST) return hl_fail(err, HL_E_LIMIT, "messages: %zu, expected at most %d", n, MAX_LIST);
    hl_stored_message *list = hl_arena_get(&o->arena, n, sizeof *list);
    if (!list) return fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(all, i), *content = json_object_get(m, "content");
        const char   *role = hl_json_text(m, "role");
        list[i].role = NULL;
        for (size_t k = 0; role && k < 3; k++)
            if (strcmp(role, roles[k]) == 0) list[i].role = roles[k];
        if (!list[i].role)
            return hl_fail(err, HL_E_ARG, "messages[%zu].role: '%.40s', expected system, user or assistant",
                           i, role ? role : "");
        if (!json_is_string(content))
            return hl_fail(err, HL_E_ARG, "messages[%zu].content: expected a text", i);
        list[i].content = (hl_view){json_string_value(content), json_string_length(content)};
    }
    o->r.more.messages = list;
    o->r.more.n_messages = n;
    return HL_OK;
}

/* A name below the model's folder, as it was uploaded from: never used as a path here. */
static hl_status check_file_name(const char *key, const char *name, hl_err *err) {
    bool ok = *name && *name != '/' && strlen(name) < 1024;
    for (const char *at = name; ok && *at;) {
        const size_t n = strcspn(at, "/");
        ok = n > 0 && !(n == 1 && at[0] == '.') && !(n == 2 && at[0] == '.' && at[1] == '.');
        at += n + (at[n] == '/' && at[n + 1]);
        if (*at == '/') ok = false;
    }
    return ok ? HL_OK : hl_fail(err, HL_E_ARG, "%s: '%.100s' is no name of a file in a folder", key, name);
}

/* {"name of the file": "digest of the blob", ...} */
static hl_status take_blobs(const order *o, const char *key, hl_file_list *to, hl_err *err) {
    const json_t *all = NULL, *v;
    const char   *name;
    hl_store     *store = NULL;
    hl_status     status = hl_field_object(o->body, key, &all, err);
    if (status == HL_OK && all) status = hl_host_store(o->x->server->host, &store, err);
    if (status != HL_OK || !all) return status;
    json_object_foreach((json_t *)(uintptr_t)all, name, v) {
        char *path = NULL;
        status = check_file_name(key, name, err);
        if (status == HL_OK && !json_is_string(v))
            status = hl_fail(err, HL_E_ARG, "%s.%.100s: expected the digest of a blob", key, name);
        if (status == HL_OK) status = hl_store_locate_blob(store, json_string_value(v), &path, err);
        if (status == HL_OK) status = hl_file_list_add(to, name, path, err);
        hl_free(path);
        if (status != HL_OK) break;
    }
    return status;
}

/* Fields that make another model when they are passed over. */
static hl_status refuse_fields(const order *o, hl_err *err) {
    static const struct {
        const char *key, *why;
    } rows[] = {
        {"modelfile", "is gone from this interface: from, files, parameters and the like say it"},
        {"path", "is gone from this interface: upload blobs, and name them in files"},
        {"draft", "is no field here: draft_files has the blob of a draft model"},
        {"adapter", "is no field here: adapters has the blobs of adapters"},
        {"remote_host", "models that another host runs are not stored here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *v = json_object_get(o->body, rows[i].key);
        if (v && !json_is_null(v) && !(json_is_string(v) && json_string_length(v) == 0))
            return hl_fail(err, HL_E_UNSUPPORTED, "%s: %s", rows[i].key, rows[i].why);
    }
    return HL_OK;
}

static hl_status take_files(order *o, hl_file_list *drafts, hl_err *err) {
    hl_status status = take_text(o, "from", &o->r.from, err);
    if (status == HL_OK) status = take_blobs(o, "files", &o->r.files, err);
    if (status == HL_OK) status = take_blobs(o, "adapters", &o->r.adapters, err);
    if (status == HL_OK) status = take_blobs(o, "draft_files", drafts, err);
    if (status == HL_OK && drafts->n > 1)
        return hl_fail(err, HL_E_ARG, "draft_files: %zu files, expected one", drafts->n);
    if (drafts->n) o->r.draft_path = drafts->v[0].path;
    return status;
}

/* Ours: Ollama quantizes without one. */
static hl_status take_imatrix(order *o, hl_err *err) {
    const char *digest = NULL;
    hl_store   *store = NULL;
    hl_status   status = take_text(o, "imatrix", &digest, err);
    if (status != HL_OK || !digest) return status;
    status = hl_host_store(o->x->server->host, &store, err);
    if (status == HL_OK)
        status = hl_fail_within(err, hl_store_locate_blob(store, digest, &o->imatrix, err), "imatrix");
    o->r.imatrix_path = o->imatrix;
    return status;
}

static hl_status read_order(order *o, hl_file_list *drafts, hl_err *err) {
    hl_import_options *more = &o->r.more;
    hl_status          status = hl_exchange_read_json(o->x, &o->body, err);
    if (status == HL_OK) status = hl_ollama_read_name(o->body, &o->name, err);
    if (status == HL_OK) status = refuse_fields(o, err);
    if (status == HL_OK) status = take_files(o, drafts, err);
    if (status == HL_OK) status = take_text(o, "system", &more->system, err);
    if (status == HL_OK) status = take_text(o, "template", &more->template_text, err);
    if (status == HL_OK) status = take_text(o, "renderer", &more->renderer, err);
    if (status == HL_OK) status = take_text(o, "parser", &more->parser, err);
    if (status == HL_OK) status = take_text(o, "requires", &more->requires_version, err);
    if (status == HL_OK) status = take_text(o, "quantization", &o->r.quantize, err);
    if (status == HL_OK) status = take_text(o, "quantize", &o->r.quantize, err);
    if (status == HL_OK) status = take_text(o, "draft_quantize", &o->r.draft_quantize, err);
    if (status == HL_OK) status = take_imatrix(o, err);
    if (status == HL_OK) status = take_licenses(o, err);
    if (status == HL_OK) status = take_parameters(o, err);
    if (status == HL_OK) status = take_messages(o, err);
    if (status == HL_OK) status = hl_field_bool(o->body, "insecure", &o->r.insecure, err);
    if (status == HL_OK) status = hl_field_bool(o->body, "stream", &o->is_stream, err);
    return status;
}

/* ---- the answer ---- */

static void add_status(const order *o, const char *text) {
    hl_exchange *x = o->x;
    hl_json_out  line;
    hl_json_init(&line);
    hl_json_open(&line, NULL, '{');
    hl_json_add_text(&line, "status", text);
    hl_json_close(&line, '}');
    if (x->feed.work) {
        (void)hl_feed_add(x, hl_str_view(&line.text)); /* a client that left is seen by the store */
    } else {
        hl_str_add_view(&x->out.text, hl_str_view(&line.text));
        hl_str_add_char(&x->out.text, '\n');
    }
    hl_json_done(&line);
}

static void add_layers(const order *o, const hl_name *name, const hl_stored_model *before) {
    hl_store        *store = NULL;
    hl_stored_model *m = NULL;
    char             text[HL_NAME_TEXT_BYTES], line[160];
    hl_name_format(name, text);
    if (hl_host_store(o->x->server->host, &store, NULL) != HL_OK) return;
    if (hl_store_open_model(store, text, HL_OPEN_FOR_SHOW, &m, NULL) != HL_OK) return;
    for (size_t i = 0; i < m->n_layers; i++) {
        bool is_there = false;
        for (size_t k = 0; before && k < before->n_layers; k++)
            is_there |= strcmp(before->layers[k].digest, m->layers[i].digest) == 0;
        (void)snprintf(line, sizeof line, "%s layer sha256:%s", is_there ? "using existing" : "creating new",
                       m->layers[i].digest);
        add_status(o, line);
    }
    hl_stored_model_free(m);
}

static void write_answer(const order *o, const hl_name *name, const hl_stored_model *before) {
    if (o->is_stream) {
        if (!o->x->feed.work) o->x->content_type = "application/x-ndjson";
        add_layers(o, name, before);
        add_status(o, "writing manifest");
    }
    add_status(o, "success");
}

/* What is there of `from` before: its layers are no news. */
static hl_stored_model *open_before(const order *o) {
    hl_store        *store = NULL;
    hl_stored_model *m = NULL;
    if (!o->r.from || hl_host_store(o->x->server->host, &store, NULL) != HL_OK) return NULL;
    return hl_store_open_model(store, o->r.from, HL_OPEN_FOR_SHOW, &m, NULL) == HL_OK ? m : NULL;
}

static void order_free(void *user) {
    order *o = user;
    if (!o) return;
    hl_recipe_done(&o->r);
    hl_file_list_done(&o->drafts);
    hl_free(o->imatrix);
    hl_arena_done(&o->arena);
    json_decref(o->body);
    hl_free(o);
}

static hl_status carry_out(order *o, hl_err *err) {
    hl_name          name;
    hl_stored_model *before = open_before(o);
    const hl_status  status = hl_host_create(o->x->server->host, &o->r, o->name, &name, err);
    if (status == HL_OK) write_answer(o, &name, before);
    hl_stored_model_free(before);
    return status;
}

/* Steps in Ollama's manner: a line for each, and how far it is. */
static bool on_progress(void *user, const hl_store_progress *p) {
    order      *o = user;
    hl_json_out line;
    const bool  is_new = strcmp(o->step, p->what) != 0;
    if (!is_new && p->total_bytes == 0) return true;
    (void)snprintf(o->step, sizeof o->step, "%s", p->what);
    if (strcmp(p->what, "done") == 0 || strcmp(p->what, "writing manifest") == 0) return true;
    hl_json_init(&line);
    hl_json_open(&line, NULL, '{');
    hl_json_add_text(&line, "status", p->what);
    if (strncmp(p->what, "pulling ", strlen("pulling ")) == 0 && p->path[0])
        hl_json_add_text(&line, "digest", p->path);
    if (strncmp(p->what, "quantizing ", strlen("quantizing ")) == 0)
        hl_json_add_text(&line, "digest", "0000000000000000000"); /* as there: its clients show a bar then */
    if (p->total_bytes > 0) {
        hl_json_add_int(&line, "total", (int64_t)p->total_bytes);
        hl_json_add_int(&line, "completed", (int64_t)p->done_bytes);
    }
    hl_json_close(&line, '}');
    const bool goes_on = hl_feed_add(o->x, hl_str_view(&line.text));
    hl_json_done(&line);
    return goes_on;
}

static hl_status feed(hl_exchange *x, void *user, hl_err *err) {
    (void)x;
    return carry_out(user, err);
}

/* Is there more to do than to write small layers? */
static bool takes_long(const order *o) {
    if (o->r.files.n > 0 || o->r.quantize || o->r.draft_quantize) return true;
    hl_stored_model *m = open_before(o);
    const bool       is_here = m != NULL;
    hl_stored_model_free(m);
    return o->r.from && !is_here && hl_host_may_pull(o->x->server->host, o->r.from);
}

hl_status hl_api_create(hl_exchange *x, hl_err *err) {
    order *o = hl_new(1, sizeof *o);
    if (!o) return fail_memory(err);
    *o = (order){.x = x, .is_stream = true};
    hl_arena_init(&o->arena, ARENA_BYTES);
    hl_status status = read_order(o, &o->drafts, err);
    if (status == HL_OK && o->is_stream && takes_long(o)) {
        o->r.more.progress = on_progress;
        o->r.more.progress_user = o;
        hl_feed_start(x, feed, o, order_free);
        return HL_OK;
    }
    if (status == HL_OK) status = carry_out(o, err);
    order_free(o);
    return status;
}
