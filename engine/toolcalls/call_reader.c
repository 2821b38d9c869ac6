/* SPDX-License-Identifier: MIT
 *
 * call_reader.c - walk a pattern; its last step reads the arguments.
 */
#include "engine/toolcalls/call_reader.h"

#include <string.h>

#include "core/data/json.h"

enum { MAX_NAME_BYTES = 256, MAX_CALL_BYTES = 64 << 20, MAX_FIELD_BYTES = 16 << 20 };

void hl_call_reader_init(hl_call_reader *r) {
    *r = (hl_call_reader){0};
    hl_str_init(&r->name, MAX_NAME_BYTES);
    hl_str_init(&r->id, MAX_NAME_BYTES);
    hl_str_init(&r->args, MAX_CALL_BYTES);
    hl_str_init(&r->left, MAX_CALL_BYTES);
    hl_str_init(&r->field, MAX_FIELD_BYTES);
}

void hl_call_reader_done(hl_call_reader *r) {
    hl_str_done(&r->name);
    hl_str_done(&r->id);
    hl_str_done(&r->args);
    hl_str_done(&r->left);
    hl_str_done(&r->field);
    hl_loose_json_done(&r->json);
    hl_tag_args_done(&r->tags);
    hl_python_call_done(&r->python);
}

void hl_call_reader_start(hl_call_reader *r, const hl_call_format *f, const char *pattern,
                          const json_t *tools) {
    hl_str *const texts[] = {&r->name, &r->id, &r->args, &r->left, &r->field};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) hl_str_clear(texts[i]);
    r->format = f;
    r->tools = tools;
    r->at = pattern;
    r->function = NULL;
    r->has_begun = r->is_strict = r->is_in_list = r->has_args = r->is_open = r->is_in_value = false;
    r->kind = HL_FIELD_OTHER;
    r->depth = 1;
}

/* ---- names ------------------------------------------------------------------------------------ */

/* The name as the tool has it; false: no tool has it. */
static bool know(hl_call_reader *r, hl_view name) {
    r->function = hl_tool_find(r->tools, hl_view_trim(name));
    if (!r->function) return false;
    const hl_view exact = hl_tool_name(r->function);
    hl_str_clear(&r->name);
    hl_str_add_view(&r->name, exact);
    return !r->name.failed;
}

static bool know_quoted(hl_call_reader *r) {
    hl_view v = hl_view_trim(hl_str_view(&r->name));
    if (v.len > 1 && (v.ptr[0] == '"' || v.ptr[0] == '\'') && v.ptr[v.len - 1] == v.ptr[0])
        v = (hl_view){v.ptr + 1, v.len - 2};
    return know(r, v);
}

/* functions.NAME:3 */
static bool know_kimi(hl_call_reader *r) {
    const hl_view v = hl_view_trim(hl_str_view(&r->id));
    size_t        n = v.len;
    while (n > 0 && v.ptr[n - 1] != ':') n--;
    return know(r, n > 0 ? (hl_view){v.ptr, n - 1} : v);
}

bool hl_call_reader_start_named(hl_call_reader *r, const hl_call_format *f, hl_view name,
                                const json_t *tools) {
    hl_call_reader_start(r, f, "%j", tools);
    return know(r, name);
}

/* ---- arguments as an object ------------------------------------------------------------------- */

static hl_read_step leave(hl_call_reader *r, char c) {
    hl_str_add_char(&r->left, c);
    return HL_READ_DONE;
}

/* Broken arguments end where they break. */
static hl_read_step after_loose(hl_call_reader *r, hl_loose_step step, char c) {
    if (step == HL_LOOSE_MORE && !r->args.failed) return HL_READ_MORE;
    if (step == HL_LOOSE_DONE) return HL_READ_DONE;
    return leave(r, c);
}

static hl_read_step feed_json(hl_call_reader *r, char c) {
    if (!r->is_open) {
        if (hl_is_blank(c)) return HL_READ_MORE;
        if (c != '{') return HL_READ_DEAD;
        hl_loose_json_done(&r->json);
        hl_loose_json_init(&r->json, r->format->quote);
        r->is_open = r->has_begun = true;
    }
    const hl_loose_step step = hl_loose_json_feed(&r->json, c, &r->args);
    if (step == HL_LOOSE_BROKEN) hl_loose_json_complete(&r->json, &r->args);
    return after_loose(r, step, c);
}

/* ---- an object with name and arguments -------------------------------------------------------- */

static bool key_is(const hl_call_reader *r, const char *const *names) {
    hl_view key = hl_str_view(&r->json.key);
    if (key.len < 2) return false;
    key = (hl_view){key.ptr + 1, key.len - 2};
    for (; *names; names++)
        if (hl_view_is(key, *names)) return true;
    return false;
}

static hl_object_field field_of(const hl_call_reader *r) {
    static const char *const names[] = {"name", "tool_name", "function", "tool", NULL};
    static const char *const ids[] = {"id", "call_id", NULL};
    static const char *const arguments[] = {"arguments", "parameters", "args", NULL};
    if (r->format->name_is_key) return r->function ? HL_FIELD_OTHER : HL_FIELD_ARGUMENTS;
    if (key_is(r, names) && !r->function) return HL_FIELD_NAME;
    if (key_is(r, ids) && r->id.len == 0) return HL_FIELD_ID;
    return key_is(r, arguments) && !r->has_args ? HL_FIELD_ARGUMENTS : HL_FIELD_OTHER;
}

/* The text of a JSON string; false: it is none. */
static bool decode(const hl_str *json, hl_str *to) {
    json_t    *text = NULL;
    const bool is_text =
        hl_json_parse_any(hl_str_view(json), "text", &text, NULL) == HL_OK && json_is_string(text);
    if (is_text) hl_str_add(to, json_string_value(text), json_string_length(text));
    json_decref(text);
    return is_text;
}

/* Arguments that are a string with JSON in it. False: there is none. */
static bool unwrap(hl_call_reader *r) {
    hl_str inner;
    hl_str_init(&inner, MAX_FIELD_BYTES);
    bool          ok = decode(&r->field, &inner);
    const hl_view v = hl_view_trim(hl_str_view(&inner));
    ok = ok && (v.len == 0 || (v.ptr[0] == '{' && hl_loose_json_convert(v, &r->args)));
    r->has_args = ok && v.len > 0;
    hl_str_done(&inner);
    return ok;
}

/* What an id may be made of, so that it can stand for itself everywhere. */
static void take_id(hl_call_reader *r) {
    size_t n = 0;
    hl_str_clear(&r->id);
    if (!decode(&r->field, &r->id)) hl_str_clear(&r->id);
    while (n < r->id.len && r->id.ptr[n] > 0x20 && r->id.ptr[n] < 0x7F) n++;
    if (n < r->id.len || n > 64) hl_str_clear(&r->id);
}

/* A field of the object is whole. False: this is no call. */
static bool end_field(hl_call_reader *r) {
    const char first = r->field.len > 0 ? r->field.ptr[0] : '\0';
    bool       ok = !r->field.failed;
    if (r->kind == HL_FIELD_NAME && first == '"') {
        hl_str_clear(&r->name);
        ok = ok && decode(&r->field, &r->name) && know_quoted(r);
    } else if (r->kind == HL_FIELD_ID) {
        take_id(r);
    } else if (r->kind == HL_FIELD_ARGUMENTS) {
        ok = ok &&
             (first == '"' ? unwrap(r) : r->has_args || hl_view_has_prefix(hl_str_view(&r->field), "null"));
    }
    hl_str_clear(&r->field);
    r->kind = HL_FIELD_OTHER;
    r->is_in_value = false;
    return ok;
}

/* The first byte of a field's value. False: this is no call. */
static bool begin_field(hl_call_reader *r, char c) {
    static const char *const function[] = {"function", NULL}, *const harmless[] = {"type", "tool_call_id",
                                                                                   "id", NULL};
    r->kind = field_of(r);
    if (r->is_strict && r->kind == HL_FIELD_OTHER && !key_is(r, harmless)) return false;
    r->is_in_value = true;
    hl_str_clear(&r->field);
    if (r->kind == HL_FIELD_NAME && c == '{' && r->depth == 1 &&
        key_is(r, function)) { /* OpenAI's own shape */
        r->depth = 2;
        r->is_in_value = false;
    }
    if (r->format->name_is_key && r->kind == HL_FIELD_ARGUMENTS) {
        hl_str_clear(&r->name);
        if (!decode(&r->json.key, &r->name) || !know_quoted(r)) return false;
    }
    return true;
}

/* Where the bytes go that the object's reader lets out. */
static hl_str *sink_of(hl_call_reader *r, char c) {
    if (!r->is_in_value) return &r->field;
    const bool is_object = r->kind == HL_FIELD_ARGUMENTS && (r->has_args || (r->field.len == 0 && c == '{'));
    r->has_args |= is_object;
    return is_object ? &r->args : &r->field;
}

static hl_read_step end_object(hl_call_reader *r) {
    if (!r->function) return HL_READ_DEAD;
    if (!r->has_args) hl_str_add_text(&r->args, "{}");
    r->has_begun = r->has_args = true;
    return HL_READ_DONE;
}

/* Broken in the middle: what was begun is a call all the same. */
static hl_read_step break_object(hl_call_reader *r, char c) {
    if (!r->has_begun) return HL_READ_DEAD;
    if (r->is_in_value && r->kind == HL_FIELD_ARGUMENTS && r->has_args) {
        r->json.depth -= r->depth; /* the levels around them are not theirs */
        for (int i = 0; i + r->depth < HL_LOOSE_MAX_DEPTH; i++) {
            const int      from = i + r->depth;
            const uint64_t bit = UINT64_C(1) << (i % 64);
            const bool     is_object = r->json.objects[from / 64] >> (from % 64) & 1;
            r->json.objects[i / 64] =
                is_object ? r->json.objects[i / 64] | bit : r->json.objects[i / 64] & ~bit;
        }
        hl_loose_json_complete(&r->json, &r->args);
    }
    return leave(r, c);
}

static hl_read_step open_object(hl_call_reader *r, char c) {
    if (hl_is_blank(c)) return HL_READ_MORE;
    if (c == '[' && !r->is_in_list) {
        r->is_in_list = true;
        return HL_READ_MORE;
    }
    if (c != '{') return HL_READ_DEAD;
    hl_loose_json_done(&r->json);
    hl_loose_json_init(&r->json, NULL);
    r->is_open = true;
    return hl_loose_json_feed(&r->json, c, &r->field) == HL_LOOSE_MORE ? HL_READ_MORE : HL_READ_DEAD;
}

static hl_read_step feed_object(hl_call_reader *r, char c) {
    if (!r->is_open) return open_object(r, c);
    const bool begins = r->json.depth == r->depth && r->json.state == HL_LOOSE_VALUE && !hl_is_blank(c);
    if (begins && !begin_field(r, c)) return HL_READ_DEAD;
    const hl_loose_step step = hl_loose_json_feed(&r->json, c, sink_of(r, c));
    if (step == HL_LOOSE_BROKEN || r->field.failed || r->args.failed) return break_object(r, c);
    const bool is_behind =
        r->json.depth <= r->depth && r->json.state != HL_LOOSE_VALUE &&
        (r->json.depth < r->depth || r->json.state == HL_LOOSE_AFTER || r->json.state == HL_LOOSE_KEY);
    if (r->is_in_value && is_behind && !end_field(r)) return r->has_begun ? leave(r, c) : HL_READ_DEAD;
    if (!r->is_in_value) hl_str_clear(&r->field);
    if (r->json.depth < r->depth && r->depth == 2) r->depth = 1;
    if (step == HL_LOOSE_DONE) return end_object(r);
    if (r->function && r->has_args) r->has_begun = true;
    return HL_READ_MORE;
}

/* ---- a call as Python writes it --------------------------------------------------------------- */

static hl_read_step feed_python(hl_call_reader *r, char c) {
    r->is_in_list = true;
    if (!r->is_open) {
        const bool is_first = r->name.len == 0;
        if (is_first && (hl_is_blank(c) || c == '[' || c == ',')) return HL_READ_MORE;
        if (c != '(') {
            const bool had_blank = !is_first && hl_is_blank(r->name.ptr[r->name.len - 1]);
            hl_str_add_char(&r->name, c);
            const bool is_name = !strchr("<>{}[]\"':;=", c) && !(had_blank && !hl_is_blank(c));
            return r->name.failed || !is_name ? HL_READ_DEAD : HL_READ_MORE;
        }
        if (!know_quoted(r)) return HL_READ_DEAD;
        hl_python_call_done(&r->python);
        hl_python_call_init(&r->python, r->function);
        r->is_open = r->has_begun = true;
        return HL_READ_MORE;
    }
    const hl_loose_step step = hl_python_call_feed(&r->python, c, &r->args);
    if (step == HL_LOOSE_BROKEN) hl_python_call_complete(&r->python, &r->args);
    return after_loose(r, step, c);
}

/* ---- tags ------------------------------------------------------------------------------------- */

/* The call begins as soon as nothing but tags is to come. */
static void open_tags(hl_call_reader *r) {
    const char *at = r->at + (r->at[0] == ' ');
    if (!r->function || r->is_open || at[0] != '%' || at[1] != 'p') return;
    r->at = at;
    hl_tag_args_done(&r->tags);
    hl_tag_args_init(&r->tags, r->format, r->function);
    r->is_open = r->has_begun = true;
}

static hl_read_step feed_tags(hl_call_reader *r, char c) {
    const bool has_ended = hl_tag_args_feed(&r->tags, c, &r->args);
    if (!has_ended && !r->args.failed) return HL_READ_MORE;
    hl_str_add_view(&r->left, hl_str_view(&r->tags.look));
    return HL_READ_DONE;
}

/* ---- the pattern ------------------------------------------------------------------------------ */

/* Does a name or an id end in front of this byte? */
static bool ends_word(const hl_call_reader *r, char c) {
    const char next = r->at[2] == ' ' ? r->at[3] : r->at[2];
    return hl_is_blank(c) || c == '<' || c == '[' || c == '(' || c == '{' || c == '>' ||
           (next && next != '%' && c == next);
}

/* A byte of %n, %i or %k. True: it was taken. */
static bool take_word(hl_call_reader *r, char c, bool *ret_is_dead) {
    hl_str *to = r->at[1] == 'n' ? &r->name : &r->id;
    if (!ends_word(r, c)) {
        hl_str_add_char(to, c);
        *ret_is_dead = to->failed || (unsigned char)c < 0x20;
        return true;
    }
    const bool is_known = r->at[1] == 'n' ? know_quoted(r) : r->at[1] == 'k' ? know_kimi(r) : to->len > 0;
    *ret_is_dead = !is_known;
    r->at += 2;
    open_tags(r);
    return false;
}

hl_read_step hl_call_reader_feed(hl_call_reader *r, char c) {
    for (;;) {
        bool is_dead = false;
        if (r->at[0] == ' ') {
            if (hl_is_blank(c)) return HL_READ_MORE;
            r->at++;
        } else if (r->at[0] != '%') {
            if (!*r->at || *r->at++ != c) return HL_READ_DEAD;
            open_tags(r);
            return HL_READ_MORE;
        } else if (r->at[1] == 'n' || r->at[1] == 'i' || r->at[1] == 'k') {
            if (take_word(r, c, &is_dead)) return is_dead ? HL_READ_DEAD : HL_READ_MORE;
            if (is_dead) return HL_READ_DEAD;
        } else {
            break;
        }
    }
    switch (r->at[1]) {
    case 'j': return feed_json(r, c);
    case 'o': return feed_object(r, c);
    case 'c': return feed_python(r, c);
    default: return feed_tags(r, c);
    }
}

hl_read_step hl_call_reader_finish(hl_call_reader *r, bool is_cut) {
    if (!r->has_begun) return HL_READ_DEAD;
    if (is_cut) return HL_READ_MORE;
    switch (r->at[1]) {
    case 'j': hl_loose_json_complete(&r->json, &r->args); break;
    case 'o':
        (void)break_object(r, ' ');
        hl_str_clear(&r->left);
        break;
    case 'c': hl_python_call_complete(&r->python, &r->args); break;
    default: hl_tag_args_complete(&r->tags, &r->args); break;
    }
    return HL_READ_DONE;
}
