/* SPDX-License-Identifier: MIT
 *
 * call_grammar.c - a rule for each tool, put together along the first pattern of a format.
 */
#include "engine/toolcalls/call_grammar.h"

#include <stdio.h>
#include <string.h>

#include "core/data/json.h"

typedef struct writer {
    const hl_call_format *f;
    const json_t         *tools;
    hl_view               name; /* the only tool; empty: all */
    hl_str               *out;
    bool                  failed; /* no memory */
} writer;

/* ---- pieces ----------------------------------------------------------------------------------- */

static void add(writer *w, const char *text) { hl_str_add_text(w->out, text); }

/* A text in quotes, as GBNF has it. */
static void add_quoted(writer *w, hl_view v) {
    hl_str_add_char(w->out, '"');
    for (size_t i = 0; i < v.len; i++) {
        const char c = v.ptr[i];
        if (c == '"' || c == '\\') hl_str_add_char(w->out, '\\');
        if (c == '\n')
            add(w, "\\n");
        else
            hl_str_add_char(w->out, c);
    }
    add(w, "\" ");
}

static void add_mark(writer *w, hl_view v) {
    add(w, "%mark ");
    add_quoted(w, v);
}

/* Text of a pattern: what is in <...> or [...] may be a token of its own. */
static void add_literal(writer *w, hl_view v) {
    const size_t n_token = w->f->token ? strlen(w->f->token) : 0;
    while (v.len > 0) {
        if (n_token > 0 && hl_view_has_prefix(v, w->f->token)) {
            add_mark(w, (hl_view){v.ptr, n_token});
            v = (hl_view){v.ptr + n_token, v.len - n_token};
            continue;
        }
        const char  close = v.ptr[0] == '<' ? '>' : v.ptr[0] == '[' ? ']' : '\0';
        const char *end = close ? memchr(v.ptr, close, v.len) : NULL;
        size_t      n = end ? (size_t)(end - v.ptr) + 1 : 1;
        if (end && n > 1) {
            add_mark(w, (hl_view){v.ptr, n});
        } else {
            const hl_view rest = v;
            while (n < v.len && v.ptr[n] != '<' && v.ptr[n] != '[' &&
                   !(n_token > 0 && hl_view_has_prefix((hl_view){rest.ptr + n, rest.len - n}, w->f->token)))
                n++;
            add_quoted(w, (hl_view){v.ptr, n});
        }
        v = (hl_view){v.ptr + n, v.len - n};
    }
}

/* A value as the format writes it. */
static void add_json(writer *w, const json_t *schema) {
    if (w->f->quote) {
        add(w, "%quoted ");
        add_quoted(w, hl_view_of(w->f->quote));
    } else {
        add(w, "%json ");
    }
    hl_json_format(schema, false, w->out);
    add(w, " ");
}

/* ---- schemas ---------------------------------------------------------------------------------- */

static const json_t *properties_of(const json_t *function) {
    return json_object_get(hl_tool_schema(function), "properties");
}

/* A function without parameters has none, and takes none. */
static void add_arguments(writer *w, const json_t *function) {
    if (json_object_size(properties_of(function)) > 0 || json_object_get(hl_tool_schema(function), "$ref"))
        add_json(w, hl_tool_schema(function));
    else if (json_object_get(hl_tool_schema(function), "additionalProperties"))
        add_json(w, hl_tool_schema(function));
    else
        add(w, "\"{}\" ");
}

/* One property as a schema of its own: what it refers to goes with it. The caller's; NULL: no memory. */
static json_t *copy_property(writer *w, const json_t *function, const char *key) {
    static const char *const places[] = {"$defs", "definitions"};
    const json_t            *schema = json_object_get(properties_of(function), key);
    json_t *copy = json_is_object(schema) ? json_copy((json_t *)(uintptr_t)schema) : json_object();
    for (size_t i = 0; i < 2; i++) {
        json_t *defs = json_object_get(hl_tool_schema(function), places[i]);
        if (defs && json_object_set(copy, places[i], defs) != 0) w->failed = true;
    }
    w->failed |= !copy;
    return copy;
}

static void add_property(writer *w, const json_t *function, const char *key) {
    json_t *copy = copy_property(w, function, key);
    if (copy) add_json(w, copy);
    json_decref(copy);
}

static bool is_required(const json_t *function, const char *key) {
    size_t        i;
    const json_t *v;
    json_array_foreach(json_object_get(hl_tool_schema(function), "required"), i, v) {
        if (json_is_string(v) && strcmp(json_string_value(v), key) == 0) return true;
    }
    return false;
}

/* ---- arguments -------------------------------------------------------------------------------- */

/* A value in a tag: a text as it is, all else as JSON. */
static void add_word(writer *w, const json_t *v) {
    hl_str text;
    hl_str_init(&text, SIZE_MAX);
    if (json_is_string(v))
        hl_str_add(&text, json_string_value(v), json_string_length(v));
    else
        hl_json_format(v, false, &text);
    w->failed |= text.failed;
    add_quoted(w, hl_str_view(&text));
    hl_str_done(&text);
}

/* Texts, numbers and words that are all that the schema allows, as alternatives. False: it allows others. */
static bool add_words(writer *w, const json_t *schema) {
    const json_t *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const"), *v;
    size_t        i;
    if (one && !json_is_object(one) && !json_is_array(one)) {
        add_word(w, one);
        return true;
    }
    json_array_foreach(list, i, v) if (json_is_object(v) || json_is_array(v)) return false;
    if (json_array_size(list) == 0) return false;
    json_array_foreach(list, i, v) {
        add(w, i > 0 ? "| " : "( ");
        add_word(w, v);
    }
    add(w, ") ");
    return true;
}

/* Does the schema ask more of a text than to be one? */
static bool asks_of_text(const json_t *schema) {
    static const char *const words[] = {"pattern", "format", "minLength", "maxLength"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (json_object_get(schema, words[i])) return true;
    return false;
}

/* The text of a tag: what begins its end, or begins another tag, stands nowhere in it. */
static void add_tag_text(writer *w, const json_t *function, const char *key) {
    const char   *end = w->f->is_nested ? w->f->token : w->f->value_close;
    const json_t *schema = hl_tool_param_schema(function, hl_view_of(key));
    json_t       *copy = asks_of_text(schema) ? copy_property(w, function, key) : NULL;
    add(w, copy ? "%raw " : "%free ");
    add_quoted(w, hl_view_of(end));
    if (copy) hl_json_format(copy, false, w->out);
    if (copy) add(w, " ");
    json_decref(copy);
}

/* A value in a tag: text up to its end where it may be a string, else JSON; of an enumeration one. */
static void add_tag_value(writer *w, const json_t *function, const char *key) {
    if (add_words(w, hl_tool_param_schema(function, hl_view_of(key)))) return;
    if (hl_tool_param_types(function, hl_view_of(key)) & HL_VALUE_STRING) {
        add_tag_text(w, function, key);
    } else {
        add_property(w, function, key);
    }
}

static void add_tag(writer *w, const json_t *function, const char *key) {
    const hl_call_format *f = w->f;
    const char           *frame = f->is_framed ? "\"\\n\" " : "";
    const bool            is_text = hl_tool_param_types(function, hl_view_of(key)) & HL_VALUE_STRING;
    add(w, is_required(function, key) ? "" : "( ");
    const bool has_quotes = f->is_quoted && !f->is_nested;
    add_literal(w, hl_view_of(f->key_open));
    if (has_quotes) add(w, "\"\\\"\" ");
    add_quoted(w, hl_view_of(key));
    if (has_quotes) add(w, "\"\\\"\" ");
    if (f->says_type) add_quoted(w, hl_view_of(is_text ? " string=\"true\"" : " string=\"false\""));
    add_literal(w, hl_view_of(f->key_close));
    add(w, frame);
    if (f->value_open) add_literal(w, hl_view_of(f->value_open));
    add_tag_value(w, function, key);
    add(w, frame);
    add_literal(w, hl_view_of(f->value_close));
    if (f->is_nested) add_quoted(w, hl_view_of(key));
    if (f->is_nested) add_literal(w, hl_view_of(f->key_close));
    add(w, f->is_framed ? "\"\\n\" " : "ws ");
    if (!is_required(function, key)) add(w, ")? ");
}

static void add_tags(writer *w, const json_t *function) {
    const char *key;
    for (size_t i = 0; (key = hl_tool_param_at(function, i)); i++) add_tag(w, function, key);
    add_literal(w, hl_view_of(w->f->call_close));
}

static void add_keyword(writer *w, const json_t *function, const char *key, bool is_first) {
    if (!is_first) add_quoted(w, hl_view_of(", "));
    add_quoted(w, hl_view_of(key));
    add(w, "\"=\" ");
    add_property(w, function, key);
}

/* Those from the i-th on, each of which may be left out, behind others. */
static void add_rest(writer *w, const json_t *function, size_t i) {
    const char *key;
    for (; (key = hl_tool_param_at(function, i)); i++) {
        if (is_required(function, key)) continue;
        add(w, "( ");
        add_keyword(w, function, key, false);
        add(w, ")? ");
    }
}

/* NAME(key=value, ...): required ones first, so that commas stand between two. */
static void add_python(writer *w, const json_t *function) {
    const char *key;
    size_t      n = 0;
    add_quoted(w, hl_tool_name(function));
    add(w, "\"(\" ");
    for (size_t i = 0; (key = hl_tool_param_at(function, i)); i++)
        if (is_required(function, key)) add_keyword(w, function, key, n++ == 0);
    if (n > 0) {
        add_rest(w, function, 0);
    } else if (hl_tool_param_at(function, 0)) { /* any of them may be the first */
        add(w, "( ");
        for (size_t i = 0; (key = hl_tool_param_at(function, i)); i++) {
            add(w, i > 0 ? "| " : "");
            add_keyword(w, function, key, true);
            add_rest(w, function, i + 1);
        }
        add(w, ")? ");
    }
    add(w, "\")\" ");
}

/* {"name": NAME, "arguments": ...}, or {NAME: ...} */
static void add_object(writer *w, const json_t *function) {
    const hl_call_format *f = w->f;
    hl_str                head;
    hl_str_init(&head, SIZE_MAX);
    hl_str_add_text(&head, "{\"");
    if (!f->name_is_key) hl_str_add_format(&head, "%s\": \"", f->name_key ? f->name_key : "name");
    hl_str_add_view(&head, hl_tool_name(function));
    if (!f->name_is_key) hl_str_add_format(&head, "\", \"%s", f->args_key ? f->args_key : "arguments");
    hl_str_add_text(&head, "\": ");
    w->failed |= head.failed;
    add_quoted(w, hl_str_view(&head));
    hl_str_done(&head);
    add_arguments(w, function);
    add(w, "\"}\" ");
}

/* ---- calls ------------------------------------------------------------------------------------ */

/* What the pattern ends with. */
static char last_of(const char *pattern) { return pattern[strlen(pattern) - 1]; }

/* A pattern up to its arguments; function NULL: it has no name in it. */
static void add_head(writer *w, const char *pattern, const json_t *function) {
    size_t n_end = strlen(pattern) - 2;
    if (last_of(pattern) == 'p' && n_end > 0 && pattern[n_end - 1] == ' ') n_end--; /* the tags' own matter */
    for (size_t at = 0; at < n_end;) {
        const char *p = pattern + at;
        size_t      n = strcspn(p, " %");
        if (n > n_end - at) n = n_end - at;
        if (n > 0) {
            add_literal(w, (hl_view){p, n});
        } else if (p[0] == ' ') {
            add(w, "ws ");
            n = 1;
        } else {
            if (p[1] == 'k') add(w, "\"functions.\" ");
            if (w->f->is_quoted && p[1] == 'n') add(w, "\"\\\"\" ");
            if (p[1] == 'n' || p[1] == 'k') add_quoted(w, hl_tool_name(function));
            if (w->f->is_quoted && p[1] == 'n') add(w, "\"\\\"\" ");
            if (p[1] == 'k') add(w, "\":\" [0-9] [0-9]? ");
            if (p[1] == 'i') add(w, "[a-zA-Z0-9]{9} ");
            n = 2;
        }
        at += n;
    }
}

static bool is_wanted(const writer *w, const json_t *function) {
    return w->name.len == 0 || hl_view_eq(hl_tool_name(function), w->name);
}

static void add_one(writer *w, const char *pattern, const json_t *function) {
    switch (last_of(pattern)) {
    case 'o': add_object(w, function); break;
    case 'c': add_python(w, function); break;
    case 'j':
        add_head(w, pattern, function);
        add_arguments(w, function);
        break;
    default:
        add_head(w, pattern, function);
        add(w, w->f->is_framed ? "\"\\n\" " : "ws ");
        add_tags(w, function);
        break;
    }
}

/* A rule of which each alternative is a tool. Returns how many. */
static size_t add_rule(writer *w, const char *rule, const char *pattern) {
    size_t        i, n = 0;
    const json_t *tool;
    add(w, rule);
    add(w, " ::= ");
    json_array_foreach(w->tools, i, tool) {
        const json_t *function = hl_tool_function(tool);
        if (!is_wanted(w, function)) continue;
        add(w, n++ > 0 ? "| " : "");
        add_one(w, pattern, function);
    }
    add(w, "\n");
    return n;
}

static void add_closer(writer *w, size_t i) {
    if (!w->f->closers[i]) return;
    add(w, "ws ");
    add_literal(w, hl_view_of(w->f->closers[i]));
}

/* Objects or Python's calls between two marks: one, or a list. */
static void add_list(writer *w, const char *pattern, bool one_call) {
    const bool has_brackets = w->f->is_listed || last_of(pattern) == 'c';
    add(w, "calls ::= ");
    add_head(w, pattern, NULL);
    if (has_brackets) add(w, "\"[\" ");
    add(w, "one ");
    if (has_brackets && !one_call) add(w, "( \",\" \" \"? one )* ");
    if (has_brackets) add(w, "\"]\" ");
    add_closer(w, 0);
    if (!has_brackets && !one_call && w->f->closers[0]) {
        add(w, "( ws ");
        add_head(w, pattern, NULL);
        add(w, "one ");
        add_closer(w, 0);
        add(w, ")* ");
    }
    add(w, "\n");
}

/* Calls with marks of their own; between two marks for all, those behind the first have another pattern. */
static void add_sequence(writer *w, bool one_call) {
    const bool has_end = w->f->is_section && w->f->closers[1];
    const bool ends_each = !w->f->is_section || has_end;
    add(w, "calls ::= one ");
    if (ends_each) add_closer(w, 0);
    if (!one_call) {
        add(w, w->f->is_section ? "( ws more " : "( ws one ");
        if (ends_each) add_closer(w, 0);
        add(w, ")* ");
    }
    if (w->f->is_section) add_closer(w, has_end ? 1 : 0);
    add(w, "\n");
}

/* gpt-oss: a message to the function, behind which the answer ends. */
static size_t add_channels(writer *w, const hl_call_wish *wish) {
    size_t        i, n = 0;
    const json_t *tool;
    if (wish->is_lazy) { /* headers as models write them; what names no function is free */
        add(w,
            "root ::= %free \"<|channel|>\" ( %mark \"<|channel|>\" other )* ( %mark \"<|channel|>\" calls "
            ")?\n"
            "other ::= ( \"analysis\" | \"commentary\" | \"final\" ) ( \" to=\" ( \"assistant\" | \"user\" | "
            "( \"browser\" | \"container\" | \"python\" ) ( \".\" [a-z_]+ )? ) )? "
            "( \" \"? %mark \"<|constrain|>\" [a-zA-Z_-]+ | \" \" [a-z]* )? %mark \"<|message|>\" %free "
            "\"<|channel|>\"\n"
            "calls ::= ( \"commentary\" | \"analysis\" ) \" to=functions.\" one\n");
    } else {
        add(w, "root ::= %mark \"<|channel|>\" \"commentary to=functions.\" one ");
        if (wish->instead.len > 0) add(w, "| %mark \"<|channel|>\" \"final\" %mark \"<|message|>\" ");
        hl_str_add_view(w->out, wish->instead);
        add(w, "\n");
    }
    add(w, "type ::= ( \" \"? %mark \"<|constrain|>\" \"json\" | \" json\" | \" \" )? %mark "
           "\"<|message|>\"\none ::= ");
    json_array_foreach(w->tools, i, tool) {
        const json_t *function = hl_tool_function(tool);
        if (!is_wanted(w, function)) continue;
        add(w, n++ > 0 ? "| " : "");
        add_quoted(w, hl_tool_name(function));
        add(w, "type ");
        add_arguments(w, function);
    }
    add(w, "\n");
    return n;
}

/* What a pattern begins with: up to the end of a control token, where it is one. */
static hl_view first_mark(const hl_call_format *f) {
    const char  *pattern = f->calls[0] ? f->calls[0] : "";
    const size_t n = strcspn(pattern, " %");
    const char  *end = pattern[0] == '<' ? memchr(pattern, '>', n) : NULL;
    if (f->token && hl_view_has_prefix((hl_view){pattern, n}, f->token)) return hl_view_of(f->token);
    return (hl_view){pattern, end ? (size_t)(end - pattern) + 1 : n};
}

/* Lazy: any text up to the mark of a call, and behind one again. */
static void add_root(writer *w, hl_view instead, bool is_lazy, bool one_call) {
    const hl_view mark = first_mark(w->f);
    add(w, "root ::= ");
    if (!is_lazy) {
        add(w, "ws calls ");
        if (instead.len > 0) add(w, "| ws ");
        hl_str_add_view(w->out, instead);
        add(w, "\n");
        return;
    }
    add(w, "%free ");
    add_quoted(w, mark);
    add(w, "( calls ");
    if (!one_call) {
        add(w, "%free ");
        add_quoted(w, mark);
    }
    add(w, one_call ? ")?\n" : ")*\n");
}

static size_t add_pattern(writer *w, const char *pattern, const hl_call_wish *wish) {
    const char last = last_of(pattern);
    const bool is_list = last == 'o' || last == 'c';
    add_root(w, wish->instead, wish->is_lazy, wish->one_call);
    if (is_list)
        add_list(w, pattern, wish->one_call);
    else
        add_sequence(w, wish->one_call);
    add(w, "ws ::= [ \\n]?\n");
    const size_t n = add_rule(w, "one", pattern);
    if (w->f->is_section && !is_list) (void)add_rule(w, "more", w->f->calls[1]);
    return n;
}

static hl_status unsupported(const hl_call_format *f, hl_err *err) {
    return hl_fail(err, HL_E_UNSUPPORTED, "calls as models of the format '%s' write them cannot be enforced",
                   f->name);
}

hl_status hl_call_grammar_write(const hl_call_format *f, const json_t *tools, const hl_call_wish *wish,
                                hl_str *out, hl_err *err) {
    const bool    is_lazy = wish->is_lazy;
    const hl_view name = wish->name;
    writer        w = {.f = f, .tools = tools, .name = name, .out = out};
    const char   *pattern = f->forced && !is_lazy ? f->forced : f->calls[0];
    if ((!pattern && !f->has_channels) || (is_lazy && f->forced)) return unsupported(f, err);
    const size_t n = f->has_channels ? add_channels(&w, wish) : add_pattern(&w, pattern, wish);
    if (n == 0) return hl_fail(err, HL_E_NOT_FOUND, "tools: none is called '%.*s'", (int)name.len, name.ptr);
    if (w.failed || out->failed) return hl_fail(err, HL_E_NOMEM, "tools: no memory");
    return HL_OK;
}
