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
#include <string.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "hyperlama/models.h"

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
    unsigned    line;                                       /* of `at`, from 1 */
    word_list   from, adapters, licenses, params, messages; /* the last two hold pairs */
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
    if (status == HL_OK && out->failed) status = hl_fail(err, HL_E_NOMEM, "Modelfile: no memory");
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
    const hl_status status = take_value(p, "PARAMETER", &value);
    return status == HL_OK ? add_pair(p, &p->params, name, value) : status;
}

static hl_status parse_message(parser *p) {
    static const char *const roles[] = {"system", "user", "assistant"};
    skip_blanks(p);
    const unsigned line = p->line;
    const hl_view  role = take_word(p);
    for (size_t i = 0; i < 3; i++) {
        hl_view text = {0};
        if (role.len != strlen(roles[i]) || strncasecmp(role.ptr, roles[i], role.len) != 0) continue;
        const hl_status status = take_value(p, "MESSAGE", &text);
        return status == HL_OK ? add_pair(p, &p->messages, hl_view_of(roles[i]), text) : status;
    }
    return hl_fail(p->err, HL_E_FORMAT,
                   "Modelfile: line %u: MESSAGE role is '%.*s', expected system, user or assistant", line,
                   (int)(role.len < 40 ? role.len : 40), role.ptr);
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
    hl_param          *params = hl_arena_get(&p->box->arena, p->params.n / 2, sizeof *params);
    hl_stored_message *messages = hl_arena_get(&p->box->arena, p->messages.n / 2, sizeof *messages);
    if (!params || !messages) return hl_fail(p->err, HL_E_NOMEM, "Modelfile: no memory");
    for (size_t i = 0; i + 1 < p->params.n; i += 2)
        params[i / 2] = (hl_param){p->params.v[i], p->params.v[i + 1]};
    for (size_t i = 0; i + 1 < p->messages.n; i += 2)
        messages[i / 2] = (hl_stored_message){p->messages.v[i], hl_view_of(p->messages.v[i + 1])};
    f->params = params;
    f->n_params = p->params.n / 2;
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

/* Write a value so that the parser reads it back: bare where a line says it all, else in quotes. */
static void add_value(hl_str *s, const char *text) {
    const hl_view v = hl_view_of(text);
    const bool    spans = memchr(text, '\n', v.len) || memchr(text, '\r', v.len);
    const bool    padded = v.len == 0 || is_blank(text[0]) || is_blank(text[v.len - 1]);
    const bool    quoted = memchr(text, '"', v.len) != NULL;
    if (spans || (padded && quoted) || text[0] == '"')
        hl_str_add_format(s, "\"\"\"%s\"\"\"", text);
    else if (padded)
        hl_str_add_format(s, "\"%s\"", text);
    else
        hl_str_add_text(s, text);
}

static void add_line(hl_str *s, const char *command, const char *text) {
    if (!text) return;
    hl_str_add_format(s, "%s ", command);
    add_value(s, text);
    hl_str_add_char(s, '\n');
}

static void add_block(hl_str *s, const char *command, const char *text) {
    if (text) hl_str_add_format(s, "%s \"\"\"%s\"\"\"\n", command, text);
}

hl_status hl_modelfile_format(const hl_stored_model *m, char **ret_text, hl_err *err) {
    hl_str s;
    hl_str_init(&s, 4 * (size_t)MAX_TEXT_BYTES);
    hl_str_add_format(&s, "# Modelfile of %s\n# To build on it, replace the FROM lines by:\n# FROM %s\n\n",
                      m->entry.text, m->entry.text);
    for (size_t i = 0; i < m->n_shards; i++) add_line(&s, "FROM", m->shard_paths[i]);
    add_line(&s, "ADAPTER", m->adapter_path);
    add_line(&s, "DRAFT", m->draft_path);
    add_line(&s, "FROM", m->projector_path);
    add_block(&s, "TEMPLATE", m->template_text);
    add_block(&s, "SYSTEM", m->system);
    add_line(&s, "RENDERER", m->renderer);
    add_line(&s, "PARSER", m->parser);
    add_line(&s, "REQUIRES", m->requires_version);
    for (size_t i = 0; i < m->n_params; i++) {
        hl_str_add_format(&s, "PARAMETER %s ", m->params[i].name);
        add_value(&s, m->params[i].value);
        hl_str_add_char(&s, '\n');
    }
    for (size_t i = 0; i < m->n_licenses; i++) add_block(&s, "LICENSE", m->licenses[i]);
    for (size_t i = 0; i < m->n_messages; i++) {
        hl_str_add_format(&s, "MESSAGE %s ", m->messages[i].role);
        add_value(&s, m->messages[i].content.ptr);
        hl_str_add_char(&s, '\n');
    }
    char *text = s.failed ? NULL : hl_str_take(&s);
    hl_str_done(&s);
    if (!text) return hl_fail(err, HL_E_NOMEM, "Modelfile of '%s': no memory", m->entry.text);
    *ret_text = text;
    return HL_OK;
}
