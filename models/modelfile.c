/* SPDX-License-Identifier: MIT
 *
 * modelfile.c - read and write Modelfiles.
 *
 * A Modelfile is a list of instructions. A value runs to the end of its line, or sits between " and ",
 * or """ and """, and may then span lines; there are no escapes. The parser walks once over clean
 * UTF-8 (UTF-16 is turned first) and keeps texts in an arena of about the size of the input.
 * from: Ollama's Modelfile documentation (docs/modelfile.mdx) and the lexical rules noted there
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "models/store_priv.h"

enum { MAX_TEXT_BYTES = 16 << 20, MAX_ITEMS = 65536, ARENA_BYTES = 192 << 20 };

typedef struct file_box {
    hl_modelfile file; /* first: the file is the box */
    hl_arena     arena;
} file_box;

typedef struct word_list {
    const char **v;
    size_t       n, cap;
} word_list;

typedef struct parser {
    file_box   *box;
    const char *at, *end;
    unsigned    line;                               /* of `at`, from 1 */
    word_list   from, adapters, licenses, messages; /* the last one holds pairs */
    word_list   params;                             /* name, value, number of the line */
    hl_err     *err;
} parser;

/* ---- clean text ---- */

/* Characters that a Modelfile drops: controls other than tab and line ends, and the byte order mark. */
static bool is_dropped(uint32_t cp) {
    return (cp < 0x20 && cp != '\n' && cp != '\r' && cp != '\t') || (cp >= 0x7f && cp < 0xa0) || cp == 0xfeff;
}

static hl_status clean_utf16(hl_view in, bool big, hl_str *out, hl_err *err) {
    if (in.len % 2)
        return hl_fail(err, HL_E_FORMAT, "Modelfile: UTF-16 with an odd number of bytes (%zu)", in.len);
    const unsigned char *p = (const unsigned char *)in.ptr;
    for (size_t i = 0; i < in.len; i += 2) {
        uint32_t cp = big ? (uint32_t)(p[i] << 8 | p[i + 1]) : (uint32_t)(p[i + 1] << 8 | p[i]);
        if (cp >= 0xd800 && cp < 0xdc00 && i + 3 < in.len) {
            const uint32_t low =
                big ? (uint32_t)(p[i + 2] << 8 | p[i + 3]) : (uint32_t)(p[i + 3] << 8 | p[i + 2]);
            if (low >= 0xdc00 && low < 0xe000) {
                cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        if (!is_dropped(cp)) hl_str_add_utf8(out, cp); /* lone surrogates become U+FFFD */
    }
    return HL_OK;
}

static hl_status clean_utf8(hl_view in, hl_str *out, hl_err *err) {
    unsigned line = 1;
    for (size_t i = 0; i < in.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(in.ptr + i, in.len - i, &cp);
        if (n == 0)
            return hl_fail(err, HL_E_FORMAT, "Modelfile: line %u: byte 0x%02x is not UTF-8", line,
                           (unsigned char)in.ptr[i]);
        if (cp == '\n') line++;
        if (!is_dropped(cp)) hl_str_add(out, in.ptr + i, n);
        i += n;
    }
    return HL_OK;
}

static hl_status clean(hl_view in, hl_str *out, hl_err *err) {
    if (in.len > MAX_TEXT_BYTES)
        return hl_fail(err, HL_E_LIMIT, "Modelfile: %zu bytes, expected at most %d", in.len, MAX_TEXT_BYTES);
    const bool little = in.len >= 2 && memcmp(in.ptr, "\xff\xfe", 2) == 0;
    const bool big = in.len >= 2 && memcmp(in.ptr, "\xfe\xff", 2) == 0;
    hl_status  status = little || big ? clean_utf16((hl_view){in.ptr + 2, in.len - 2}, big, out, err)
                                      : clean_utf8(in, out, err);
    if (status == HL_OK) status = hl_str_check(out, "Modelfile", err);
    return status;
}

/* ---- lexing ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static void skip_blanks(parser *p) {
    while (p->at < p->end && is_blank(*p->at)) p->at++;
}

/* The rest of the line without white space at its end; the position is after the line. */
static hl_view take_line(parser *p) {
    const char *nl = memchr(p->at, '\n', (size_t)(p->end - p->at));
    hl_view     v = {p->at, (size_t)((nl ? nl : p->end) - p->at)};
    p->at = nl ? nl + 1 : p->end;
    if (nl) p->line++;
    while (v.len && is_blank(v.ptr[v.len - 1])) v.len--;
    return v;
}

static hl_view take_word(parser *p) {
    const char *begin = p->at;
    while (p->at < p->end && !is_blank(*p->at) && *p->at != '\n') p->at++;
    return (hl_view){begin, (size_t)(p->at - begin)};
}

/* The text between quotes, which may span lines; only white space may follow on the line. */
static hl_status take_quoted(parser *p, hl_view *ret) {
    const bool     triple = p->end - p->at >= 3 && memcmp(p->at, "\"\"\"", 3) == 0;
    const size_t   n_quote = triple ? 3 : 1;
    const unsigned first_line = p->line;
    const char    *begin = p->at + n_quote;
    const char    *close = memmem(begin, (size_t)(p->end - begin), "\"\"\"", n_quote);
    if (!close)
        return hl_fail(p->err, HL_E_FORMAT, "Modelfile: line %u: %s is never closed", first_line,
                       triple ? "\"\"\"" : "a quote \"");
    if (triple) /* four or five quotes: the text itself ends in one or two */
        while (close + 3 < p->end && close[3] == '"') close++;
    for (const char *c = begin; c < close; c++) p->line += *c == '\n';
    p->at = close + n_quote;
    const unsigned last_line = p->line;
    const hl_view  rest = hl_view_trim(take_line(p));
    if (rest.len)
        return hl_fail(p->err, HL_E_FORMAT,
                       "Modelfile: line %u: '%.*s' after the closing quote, expected the end of the line",
                       last_line, (int)(rest.len < 40 ? rest.len : 40), rest.ptr);
    *ret = (hl_view){begin, (size_t)(close - begin)};
    return HL_OK;
}

static hl_status take_value(parser *p, const char *command, hl_view *ret) {
    const unsigned line = p->line;
    skip_blanks(p);
    if (p->at < p->end && *p->at == '"') return take_quoted(p, ret);
    const hl_view v = take_line(p);
    if (v.len == 0) return hl_fail(p->err, HL_E_FORMAT, "Modelfile: line %u: %s has no value", line, command);
    *ret = v;
    return HL_OK;
}

/* ---- instructions ---- */

static hl_status keep_text(parser *p, hl_view v, const char **ret) {
    const char *kept = hl_arena_get_text(&p->box->arena, v.len ? v.ptr : "", v.len);
    if (!kept) return hl_fail(p->err, HL_E_NOMEM, "Modelfile: no memory");
    *ret = kept;
    return HL_OK;
}

static hl_status add_text(parser *p, word_list *list, hl_view v) {
    if (list->n >= MAX_ITEMS)
        return hl_fail(p->err, HL_E_LIMIT, "Modelfile: line %u: more than %d of one kind", p->line,
                       MAX_ITEMS);
    if (list->n == list->cap) {
        const size_t cap = list->cap ? 2 * list->cap : 8;
        const char **grown = hl_arena_get(&p->box->arena, cap, sizeof *grown);
        if (!grown) return hl_fail(p->err, HL_E_NOMEM, "Modelfile: no memory");
        if (list->n) memcpy(grown, list->v, list->n * sizeof *grown);
        list->v = grown;
        list->cap = cap;
    }
    const hl_status status = keep_text(p, v, &list->v[list->n]);
    if (status == HL_OK) list->n++;
    return status;
}

static hl_status add_pair(parser *p, word_list *list, hl_view first, hl_view second) {
    const hl_status status = add_text(p, list, first);
    return status == HL_OK ? add_text(p, list, second) : status;
}

static hl_status parse_parameter(parser *p) {
    skip_blanks(p);
    const unsigned line = p->line;
    const hl_view  name = take_word(p);
    hl_view        value = {0};
    if (name.len == 0)
        return hl_fail(p->err, HL_E_FORMAT, "Modelfile: line %u: PARAMETER has no name and value", line);
    hl_status status = take_value(p, "PARAMETER", &value);
    char      number[16];
    (void)snprintf(number, sizeof number, "%u", line);
    if (status == HL_OK) status = add_pair(p, &p->params, name, value);
    if (status == HL_OK) status = add_text(p, &p->params, hl_view_of(number));
    if (status != HL_OK) return status;
    const hl_param param = {p->params.v[p->params.n - 3], p->params.v[p->params.n - 2]};
    status = hl_param_check(&param, p->err);
    if (status != HL_OK) (void)hl_fail_within(p->err, status, "Modelfile: line %u", line);
    return status;
}

/* A role that a Modelfile knows, in lower case; else NULL. */
static const char *find_role(hl_view role) {
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (role.len == strlen(roles[i]) && strncasecmp(role.ptr, roles[i], role.len) == 0) return roles[i];
    return NULL;
}

static hl_status parse_message(parser *p) {
    skip_blanks(p);
    const unsigned line = p->line;
    const hl_view  role = take_word(p);
    const char    *known = find_role(role);
    hl_view        text = {0};
    if (!known)
        return hl_fail(p->err, HL_E_FORMAT,
                       "Modelfile: line %u: MESSAGE role is '%.*s', expected system, user or assistant", line,
                       (int)(role.len < 40 ? role.len : 40), role.ptr);
    const hl_status status = take_value(p, "MESSAGE", &text);
    return status == HL_OK ? add_pair(p, &p->messages, hl_view_of(known), text) : status;
}

static hl_status parse_instruction(parser *p, hl_view word) {
    hl_modelfile *f = &p->box->file;
    const struct {
        const char  *name;
        word_list   *list; /* repeatable */
        const char **text; /* else: the last one wins */
    } rows[] = {
        {"FROM", &p->from, NULL},
        {"ADAPTER", &p->adapters, NULL},
        {"LICENSE", &p->licenses, NULL},
        {"TEMPLATE", NULL, &f->template_text},
        {"SYSTEM", NULL, &f->system},
        {"RENDERER", NULL, &f->renderer},
        {"PARSER", NULL, &f->parser},
        {"DRAFT", NULL, &f->draft},
        {"REQUIRES", NULL, &f->requires_version},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hl_view v = {0};
        if (word.len != strlen(rows[i].name) || strncasecmp(word.ptr, rows[i].name, word.len) != 0) continue;
        const hl_status status = take_value(p, rows[i].name, &v);
        if (status != HL_OK) return status;
        return rows[i].list ? add_text(p, rows[i].list, v) : keep_text(p, v, rows[i].text);
    }
    if (word.len == 9 && strncasecmp(word.ptr, "PARAMETER", 9) == 0) return parse_parameter(p);
    if (word.len == 7 && strncasecmp(word.ptr, "MESSAGE", 7) == 0) return parse_message(p);
    return hl_fail(
        p->err, HL_E_FORMAT,
        "Modelfile: line %u: '%.*s' is no instruction; expected one of FROM PARAMETER TEMPLATE SYSTEM "
        "ADAPTER LICENSE MESSAGE RENDERER PARSER REQUIRES DRAFT",
        p->line, (int)(word.len < 40 ? word.len : 40), word.ptr);
}

static hl_status parse_all(parser *p) {
    hl_status status = HL_OK;
    while (status == HL_OK && p->at < p->end) {
        skip_blanks(p);
        if (p->at == p->end) break;
        if (*p->at == '#' || *p->at == '\n')
            (void)take_line(p);
        else
            status = parse_instruction(p, take_word(p));
    }
    if (status == HL_OK && p->from.n == 0)
        status = hl_fail(p->err, HL_E_FORMAT, "Modelfile: no FROM line, expected a model name or a path");
    return status;
}

static hl_status set_lists(parser *p) {
    hl_modelfile      *f = &p->box->file;
    const size_t       n_params = p->params.n / 3;
    hl_param          *params = hl_arena_get(&p->box->arena, n_params, sizeof *params);
    unsigned          *lines = hl_arena_get(&p->box->arena, n_params, sizeof *lines);
    hl_stored_message *messages = hl_arena_get(&p->box->arena, p->messages.n / 2, sizeof *messages);
    if (!params || !lines || !messages) return hl_fail(p->err, HL_E_NOMEM, "Modelfile: no memory");
    for (size_t i = 0; i < n_params; i++) {
        params[i] = (hl_param){p->params.v[3 * i], p->params.v[3 * i + 1]};
        lines[i] = (unsigned)strtoul(p->params.v[3 * i + 2], NULL, 10);
    }
    for (size_t i = 0; i + 1 < p->messages.n; i += 2)
        messages[i / 2] = (hl_stored_message){p->messages.v[i], hl_view_of(p->messages.v[i + 1])};
    f->params = params;
    f->n_params = n_params;
    f->param_lines = lines;
    f->messages = messages;
    f->n_messages = p->messages.n / 2;
    f->from = p->from.v;
    f->n_from = p->from.n;
    f->adapters = p->adapters.v;
    f->n_adapters = p->adapters.n;
    f->licenses = p->licenses.v;
    f->n_licenses = p->licenses.n;
    return HL_OK;
}

hl_status hl_modelfile_parse(hl_view text, hl_modelfile **ret_file, hl_err *err) {
    hl_str    cleaned;
    file_box *box = hl_new(1, sizeof *box);
    if (!box) return hl_fail(err, HL_E_NOMEM, "Modelfile: no memory");
    hl_arena_init(&box->arena, ARENA_BYTES);
    hl_str_init(&cleaned, 2 * MAX_TEXT_BYTES);
    hl_status status = clean(text, &cleaned, err);
    if (status == HL_OK) {
        const char *begin = hl_str_text(&cleaned);
        parser      p = {.box = box, .at = begin, .end = begin + cleaned.len, .line = 1, .err = err};
        status = parse_all(&p);
        if (status == HL_OK) status = set_lists(&p);
    }
    hl_str_done(&cleaned);
    if (status != HL_OK) {
        hl_modelfile_free(&box->file);
        return status;
    }
    *ret_file = &box->file;
    return HL_OK;
}

void hl_modelfile_free(hl_modelfile *f) {
    if (!f) return;
    file_box *box = (file_box *)f;
    hl_arena_done(&box->arena);
    hl_free(box);
}

/* ---- writing ---- */

/* Why the parser cannot read a text back, however it is quoted; NULL: it can. */
static const char *find_unsayable(hl_view v) {
    for (size_t i = 0; i < v.len;) {
        uint32_t     cp = 0;
        const size_t n = hl_utf8_read(v.ptr + i, v.len - i, &cp);
        if (n == 0) return "bytes that are no UTF-8";
        if (is_dropped(cp)) return "a control character";
        i += n;
    }
    return NULL;
}

/* Between """ and """: the first three quotes end it, with those that follow at once. */
static bool fits_block(hl_view v) {
    size_t n_quotes = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (n_quotes >= 3 && v.ptr[i] != '"') return false;
        n_quotes = v.ptr[i] == '"' ? n_quotes + 1 : 0;
    }
    return true;
}

static bool fits_line(hl_view v) {
    return v.len > 0 && !memchr(v.ptr, '\n', v.len) && !memchr(v.ptr, '\r', v.len) && !is_blank(v.ptr[0]) &&
           !is_blank(v.ptr[v.len - 1]) && v.ptr[0] != '"';
}

typedef struct writer {
    hl_str      s;
    const char *model;
    hl_err     *err;
    hl_status   status; /* of the first failure */
} writer;

/* Write a value so that the parser reads it back: bare where a line says it all and may be bare, else in
 * quotes. */
static void add_value(writer *w, const char *command, hl_view v, bool may_be_bare) {
    const char *unsayable = find_unsayable(v);
    if (w->status != HL_OK) return;
    if (unsayable) {
        w->status = hl_fail(w->err, HL_E_UNSUPPORTED, "%s of '%s' holds %s, which no Modelfile can say",
                            command, w->model, unsayable);
        return;
    }
    const bool has_quote = memchr(v.ptr, '"', v.len) != NULL;
    const bool one_quote = !has_quote && !memchr(v.ptr, '\n', v.len);
    if (may_be_bare && fits_line(v))
        hl_str_add_view(&w->s, v);
    else if (may_be_bare && one_quote)
        hl_str_add_format(&w->s, "\"%s\"", v.ptr);
    else if (fits_block(v))
        hl_str_add_format(&w->s, "\"\"\"%s\"\"\"", v.ptr);
    else if (fits_line(v))
        hl_str_add_view(&w->s, v);
    else
        w->status =
            hl_fail(w->err, HL_E_UNSUPPORTED,
                    "%s of '%s' holds three quotes in a row, which no Modelfile can say in a text of several "
                    "lines or with blanks around it",
                    command, w->model);
    hl_str_add_char(&w->s, '\n');
}

static void add_line(writer *w, const char *command, const char *text) {
    if (!text) return;
    hl_str_add_format(&w->s, "%s ", command);
    add_value(w, command, hl_view_of(text), true);
}

static void add_block(writer *w, const char *command, const char *text) {
    if (!text) return;
    hl_str_add_format(&w->s, "%s ", command);
    add_value(w, command, hl_view_of(text), false);
}

/* A store may hold any text as the name of a parameter; here it must stay one word of its line. */
static void check_word(writer *w, const char *name) {
    bool ok = *name != '\0';
    for (const char *p = name; *p; p++)
        ok = ok && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                    *p == '_' || *p == '-' || *p == '.');
    if (!ok && w->status == HL_OK)
        w->status =
            hl_fail(w->err, HL_E_UNSUPPORTED,
                    "a parameter of '%s' has the name '%.40s', which no Modelfile can say", w->model, name);
}

static void add_message(writer *w, const hl_stored_message *m) {
    if (!find_role(hl_view_of(m->role)) && w->status == HL_OK)
        w->status =
            hl_fail(w->err, HL_E_UNSUPPORTED,
                    "MESSAGE of '%s' has the role '%.40s', which no Modelfile can say", w->model, m->role);
    hl_str_add_format(&w->s, "MESSAGE %s ", m->role);
    add_value(w, "MESSAGE", m->content, true);
}

hl_status hl_modelfile_format(const hl_stored_model *m, char **ret_text, hl_err *err) {
    writer w = {.model = m->entry.text, .err = err};
    hl_str_init(&w.s, 4 * (size_t)MAX_TEXT_BYTES);
    hl_str_add_format(&w.s, "# Modelfile of %s\n# To build on it, replace the FROM lines by:\n# FROM %s\n\n",
                      m->entry.text, m->entry.text);
    for (size_t i = 0; i < m->n_shards; i++) add_line(&w, "FROM", m->shard_paths[i]);
    if (m->remote_json) add_line(&w, "FROM", m->entry.text);
    for (size_t i = 0; i < m->n_adapters; i++) add_line(&w, "ADAPTER", m->adapter_paths[i]);
    add_line(&w, "DRAFT", m->draft_path);
    add_line(&w, "FROM", m->projector_path);
    add_block(&w, "TEMPLATE", m->template_text);
    add_block(&w, "SYSTEM", m->system);
    add_line(&w, "RENDERER", m->renderer);
    add_line(&w, "PARSER", m->parser);
    add_line(&w, "REQUIRES", m->requires_version);
    for (size_t i = 0; i < m->n_params; i++) {
        check_word(&w, m->params[i].name);
        hl_str_add_format(&w.s, "PARAMETER %s ", m->params[i].name);
        add_value(&w, "PARAMETER", hl_view_of(m->params[i].value), true);
    }
    for (size_t i = 0; i < m->n_licenses; i++) add_block(&w, "LICENSE", m->licenses[i]);
    for (size_t i = 0; i < m->n_messages; i++) add_message(&w, &m->messages[i]);
    char *text = w.s.failed || w.status != HL_OK ? NULL : hl_str_take(&w.s);
    hl_str_done(&w.s);
    if (w.status != HL_OK) return w.status;
    if (!text) return hl_fail(err, HL_E_NOMEM, "Modelfile of '%s': no memory", m->entry.text);
    *ret_text = text;
    return HL_OK;
}
