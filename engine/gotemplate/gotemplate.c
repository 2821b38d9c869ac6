/* SPDX-License-Identifier: MIT
 *
 * gotemplate.c - the front door: parse once, render often; and the two ways in which Ollama's templates are
 * rendered.
 *
 * from: what Ollama documents of TEMPLATE, and what its template package does with messages, August 2026
 */
#include "engine/gotemplate/gotemplate.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "engine/gotemplate/go_run.h"

hl_status hl_go_fail_at(const hl_gotemplate *t, hl_status status, uint32_t at, hl_err *err, const char *fmt,
                        ...) {
    char    text[HL_ERR_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const hl_text_place p = hl_utf8_place(t->source, at);
    return hl_fail(err, status, "template line %zu, column %zu: %s", p.line, p.column, text);
}

void *hl_go_tree_get(hl_gotemplate *t, size_t n, size_t size, hl_err *err) {
    void *p = hl_arena_get(&t->arena, n, size);
    if (p) return p;
    if (size > 0 && n >= (t->arena.limit_bytes - t->arena.used_bytes) / size)
        (void)hl_fail(err, HL_E_LIMIT, "template: its tree needs more than %d MiB",
                      HL_GO_MAX_TREE_BYTES >> 20);
    else
        (void)hl_fail(err, HL_E_NOMEM, "template: no memory");
    return NULL;
}

/* ---- What a template mentions ---- */

static bool is_name(hl_view v, const char *lower) {
    for (size_t i = 0; i < v.len; i++) {
        const char c = v.ptr[i] >= 'A' && v.ptr[i] <= 'Z' ? (char)(v.ptr[i] + 32) : v.ptr[i];
        if (lower[i] != c) return false; /* also where `lower` ends */
    }
    return lower[v.len] == '\0';
}

static bool nodes_mention(const hl_go_node *first, const char *name) {
    for (const hl_go_node *n = first; n; n = n->next) {
        if (n->kind == HL_GO_N_VARIABLE && is_name(n->text, name)) return true;
        for (size_t i = 0; i < n->n_names; i++)
            if (is_name(n->names[i], name)) return true;
        if (nodes_mention(n->pipe, name) || nodes_mention(n->first, name) ||
            nodes_mention(n->otherwise, name))
            return true;
    }
    return false;
}

bool hl_gotemplate_mentions(const hl_gotemplate *t, const char *name) {
    for (const hl_go_define *d = t->defines; d; d = d->next)
        if (nodes_mention(d->first, name)) return true;
    return false;
}

/* ---- The last turn ---- */

typedef struct cutter {
    hl_gotemplate *t;
    hl_err        *err; /* never NULL */
    bool           is_cut;
    hl_status      status;
} cutter;

static hl_go_node *copy_node(cutter *c, const hl_go_node *n) {
    hl_go_node *copy = hl_go_tree_get(c->t, 1, sizeof *copy, c->err);
    if (!copy) {
        c->status = c->err->status;
        return NULL;
    }
    *copy = *n;
    copy->next = NULL;
    return copy;
}

static bool names_response(const hl_go_node *n) {
    for (size_t i = 0; n->kind == HL_GO_N_FIELD && i < n->n_names; i++)
        if (hl_view_is(n->names[i], "Response")) return true;
    return false;
}

/* A list up to the first .Response, that one included, and others within its pipeline. A command of which
 * nothing is left takes its pipeline with it, and an action without a pipeline goes too. Conditions are not
 * looked into: what they ask for is not what they print. */
static hl_go_node *cut_list(cutter *c, const hl_go_node *first, bool *ret_empty_command) {
    hl_go_node *head = NULL, **end = &head;
    for (const hl_go_node *n = first; n && c->status == HL_OK; n = n->next) {
        if (c->is_cut && n->kind != HL_GO_N_COMMAND && !names_response(n)) continue;
        hl_go_node *copy = copy_node(c, n);
        bool        is_gone = false, ignored = false;
        if (!copy) break;
        if (n->kind == HL_GO_N_IF || n->kind == HL_GO_N_WITH || n->kind == HL_GO_N_RANGE) {
            copy->first = cut_list(c, n->first, &ignored);
            copy->otherwise = cut_list(c, n->otherwise, &ignored);
        } else if (n->kind == HL_GO_N_ACTION) {
            copy->pipe = cut_list(c, n->pipe, &is_gone);
            is_gone = is_gone || !copy->pipe;
        } else if (n->kind == HL_GO_N_PIPE) {
            copy->first = cut_list(c, n->first, &is_gone);
            if (is_gone) *ret_empty_command = true;
        } else if (n->kind == HL_GO_N_COMMAND) {
            copy->first = cut_list(c, n->first, &ignored);
            is_gone = !copy->first;
            if (is_gone) *ret_empty_command = true;
        } else if (names_response(n)) {
            c->is_cut = true;
        }
        if (is_gone) continue;
        *end = copy;
        end = &copy->next;
    }
    return head;
}

/* ---- Parsing ---- */

/* A template that is rendered turn by turn has another one for the last. */
static hl_status finish(hl_gotemplate *t, hl_err *err) {
    hl_err why = {0};
    cutter c = {.t = t, .err = &why};
    bool   ignored = false;
    t->has_messages = hl_gotemplate_mentions(t, "messages");
    t->has_response = hl_gotemplate_mentions(t, "response");
    t->last_turn = t->root;
    if (t->has_messages || !t->has_response) return HL_OK;
    t->last_turn = cut_list(&c, t->root, &ignored);
    if (c.status != HL_OK && err) *err = why;
    return c.status;
}

hl_status hl_gotemplate_parse(hl_view source, hl_gotemplate **ret_template, hl_err *err) {
    if (source.len > HL_GO_MAX_SOURCE_BYTES)
        return hl_fail(err, HL_E_LIMIT, "template of %zu bytes: expected at most %d", source.len,
                       HL_GO_MAX_SOURCE_BYTES);
    if (!hl_utf8_is_valid(source.ptr, source.len))
        return hl_fail(err, HL_E_FORMAT, "template is not valid UTF-8");
    hl_gotemplate *t = hl_new(1, sizeof *t);
    if (!t) return hl_fail(err, HL_E_NOMEM, "template: no memory");
    hl_arena_init(&t->arena, HL_GO_MAX_TREE_BYTES);
    hl_go_token *tokens = NULL;
    size_t       n_tokens = 0;
    hl_status    status = HL_OK;
    const char  *copy = hl_arena_get_text(&t->arena, source.ptr, source.len);
    t->source = (hl_view){copy, source.len};
    if (!copy) status = hl_fail(err, HL_E_NOMEM, "template: no memory");
    if (status == HL_OK) status = hl_go_lex(t, &tokens, &n_tokens, err);
    if (status == HL_OK) status = hl_go_parse(t, tokens, n_tokens, err);
    if (status == HL_OK) status = finish(t, err);
    hl_free(tokens);
    if (status == HL_OK)
        *ret_template = t;
    else
        hl_gotemplate_free(t);
    return status;
}

void hl_gotemplate_free(hl_gotemplate *t) {
    if (!t) return;
    hl_arena_done(&t->arena);
    hl_free(t);
}

/* ---- Rendering ---- */

static void run_init(hl_go_run *r, const hl_gotemplate *t, int64_t now_ms, hl_tainted *out, hl_err *err) {
    *r = (hl_go_run){.t = t, .now_ms = now_ms, .out = out, .err = err};
    hl_arena_init(&r->arena, HL_GO_MAX_ARENA_BYTES);
    hl_tainted_init(&r->scratch, HL_GO_MAX_ARENA_BYTES);
}

/* Ends a rendering; nothing half-written stays behind in `out`. */
static hl_status run_done(hl_go_run *r, size_t len_before) {
    (void)hl_go_check_text(r, r->out);
    if (r->status != HL_OK) {
        r->out->text.failed = false;
        hl_go_cut(r->out, len_before);
    }
    hl_arena_done(&r->arena);
    hl_tainted_done(&r->scratch);
    hl_free(r->vars);
    json_decref(r->parsed);
    return r->status;
}

static bool exec_with(hl_go_run *r, const hl_go_node *first, hl_go_entry *entries, size_t n) {
    hl_go_value data;
    r->n_vars = r->vars_from = 0;
    return hl_go_new_map(r, &hl_go_type_any_map, entries, n, &data) && hl_go_exec(r, first, data);
}

enum { MAX_VARIABLES = 8 };

typedef struct variables {
    hl_go_entry entries[MAX_VARIABLES];
    size_t      n;
} variables;

static void add(variables *v, const char *name, hl_go_value value) {
    v->entries[v->n++] = (hl_go_entry){.key = hl_view_of(name), .value = value};
}

/* What every template sees. */
static bool add_common(hl_go_run *r, const hl_gotemplate_input *in, variables *v) {
    hl_go_value level;
    const char *text = in->think_level ? in->think_level : in->think ? "medium" : "";
    if (!hl_go_new_string(r, hl_view_of(text), false, &level)) return false;
    add(v, "Think", hl_go_bool(in->think));
    add(v, "ThinkLevel", level);
    add(v, "IsThinkSet", hl_go_bool(in->is_think_set));
    return true;
}

static bool render_fill(hl_go_run *r, const hl_gotemplate_input *in) {
    variables   v = {.n = 0};
    hl_go_value prompt, suffix;
    if (!hl_go_new_string(r, in->prompt, true, &prompt) || !hl_go_new_string(r, in->suffix, true, &suffix))
        return false;
    add(&v, "Prompt", prompt);
    add(&v, "Suffix", suffix);
    add(&v, "Response", hl_go_zero(&hl_go_type_string));
    return add_common(r, in, &v) && exec_with(r, r->t->root, v.entries, v.n);
}

static bool render_messages(hl_go_run *r, const hl_gotemplate_input *in, const hl_go_env *env) {
    variables v = {.n = 0};
    add(&v, "System", env->system);
    add(&v, "Messages", env->messages);
    add(&v, "Tools", env->tools);
    add(&v, "Response", hl_go_zero(&hl_go_type_string));
    return add_common(r, in, &v) && exec_with(r, r->t->root, v.entries, v.n);
}

typedef struct turn {
    hl_go_value system, prompt, response;
} turn;

/* A template that does not say where the response goes has it at the end. */
static bool render_turn(hl_go_run *r, const hl_gotemplate_input *in, const hl_go_node *first, turn *t) {
    variables v = {.n = 0};
    add(&v, "System", t->system);
    add(&v, "Prompt", t->prompt);
    add(&v, "Response", t->response);
    const hl_go_value empty = hl_go_zero(&hl_go_type_string);
    bool              ok = add_common(r, in, &v) && exec_with(r, first, v.entries, v.n);
    if (ok && !r->t->has_response) ok = hl_go_print_action(r, r->out, t->response);
    *t = (turn){empty, empty, empty};
    return ok;
}

/* One rendering per turn: a turn ends where a system text or a question comes after what would be behind
 * it. */
static bool render_turns(hl_go_run *r, const hl_gotemplate_input *in, const hl_go_env *env) {
    const hl_go_value empty = hl_go_zero(&hl_go_type_string);
    turn              t = {empty, empty, empty};
    for (size_t i = 0; i < env->n; i++) {
        const hl_view     role = hl_go_message_role(env->list[i]);
        const hl_go_value content = hl_go_message_content(env->list[i]);
        const bool        is_system = hl_view_is(role, "system"), is_user = hl_view_is(role, "user");
        const bool        has_response = hl_go_len(t.response) > 0, has_prompt = hl_go_len(t.prompt) > 0;
        if (((is_system && (has_prompt || has_response)) || (is_user && has_response)) &&
            !render_turn(r, in, r->t->root, &t))
            return false;
        if (is_system) t.system = content;
        if (is_user) t.prompt = content;
        if (hl_view_is(role, "assistant")) t.response = content;
    }
    return render_turn(r, in, r->t->last_turn, &t);
}

hl_status hl_gotemplate_render(const hl_gotemplate *t, const hl_gotemplate_input *in, hl_tainted *out,
                               hl_err *err) {
    hl_go_run    r;
    hl_go_env    env;
    const size_t len = out->text.len;
    run_init(&r, t, in->now_ms, out, err);
    if (in->prompt.len > 0 && in->suffix.len > 0)
        (void)render_fill(&r, in);
    else if (hl_go_env_make(&r, in->messages, in->tools, &env))
        (void)(t->has_messages ? render_messages(&r, in, &env) : render_turns(&r, in, &env));
    return run_done(&r, len);
}

hl_status hl_gotemplate_execute(const hl_gotemplate *t, const json_t *data, int64_t now_ms, hl_tainted *out,
                                hl_err *err) {
    hl_go_run    r;
    hl_go_value  v;
    const size_t len = out->text.len;
    run_init(&r, t, now_ms, out, err);
    if (hl_go_from_json(&r, data, &v)) (void)hl_go_exec(&r, t->root, hl_go_through(v));
    return run_done(&r, len);
}

/* ---- Go or Jinja? ---- */

static size_t skip_spaces(hl_view s, size_t i) {
    while (i < s.len && strchr(" \t\r\n", s.ptr[i]) && s.ptr[i]) i++;
    return i;
}

/* Is what stands behind {{ and a trim marker Go's? A field, a variable, a comment, or a word of Go with what
 * must follow it: Jinja has variables of such names, too, and range(). */
static bool is_go_action(hl_view s) {
    static const struct {
        const char *word,
            *before; /* one of these must come behind the space; NULL: space or the end is enough */
    } words[] = {{"if", NULL},        {"else", NULL},   {"end", NULL},      {"range", NULL},
                 {"with", NULL},      {"break", NULL},  {"continue", NULL}, {"define", "\"`"},
                 {"template", "\"`"}, {"block", "\"`"}, {"json", ".$("}};
    size_t begin = skip_spaces(s, s.len && s.ptr[0] == '-' ? 1 : 0), end = begin;
    while (begin < s.len && s.ptr[begin] == '(') end = begin = skip_spaces(s, begin + 1);
    if (begin < s.len && s.ptr[begin] && strchr(".$/", s.ptr[begin])) return true;
    while (end < s.len && s.ptr[end] >= 'a' && s.ptr[end] <= 'z') end++;
    const size_t next = skip_spaces(s, end);
    const char   c = next < s.len ? s.ptr[next] : '\0';
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        if (!hl_view_is((hl_view){s.ptr + begin, end - begin}, words[k].word)) continue;
        return words[k].before ? c && strchr(words[k].before, c) : next > end || c == '}';
    }
    return false;
}

hl_template_look hl_template_looks(hl_view source) {
    for (size_t i = 0; i + 1 < source.len; i++) {
        if (source.ptr[i] != '{') continue;
        if (source.ptr[i + 1] == '%' || source.ptr[i + 1] == '#') return HL_LOOKS_LIKE_JINJA;
        if (source.ptr[i + 1] == '{' && is_go_action((hl_view){source.ptr + i + 2, source.len - i - 2}))
            return HL_LOOKS_LIKE_GO;
    }
    return HL_LOOKS_LIKE_NEITHER;
}
