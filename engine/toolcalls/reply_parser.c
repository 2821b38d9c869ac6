/* SPDX-License-Identifier: MIT
 *
 * reply_parser.c - bytes are held while they may be a mark or a call, and are text when they can be neither.
 */
#include "engine/toolcalls/reply_parser.h"

#include <string.h>

enum { MAX_HELD_BYTES = 16 << 20, MAX_BLANK_BYTES = 64 << 10, MAX_HEADER_BYTES = 512 };

/* What small models write where the answer begins, whatever their format. */
static const char *const bare_for_all[] = {" %o", "```json %o", "``` %o", "<tool_call> %o"};

void hl_reply_parser_init(hl_reply_parser *r, const hl_call_format *format, const json_t *tools,
                          bool splits_thinking, bool starts_thinking, hl_reply_fn *fn, void *user) {
    *r = (hl_reply_parser){.format = format,
                           .tools = json_array_size(tools) > 0 ? tools : NULL,
                           .fn = fn,
                           .user = user,
                           .splits_thinking = splits_thinking};
    hl_str *const texts[] = {&r->held, &r->held_hidden, &r->blank, &r->blank_hidden, &r->out};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) hl_str_init(texts[i], 2 * MAX_HELD_BYTES);
    for (size_t i = 0; i < HL_REPLY_READERS; i++) hl_call_reader_init(&r->readers[i]);
    const bool may_begin = splits_thinking || r->tools;
    r->mode = format->has_channels && splits_thinking ? HL_IN_HEADER
              : starts_thinking                       ? HL_IN_THINKING
              : may_begin                             ? HL_AT_START
                                                      : HL_IN_TEXT;
    if (format->begun && may_begin) (void)hl_reply_parser_feed(r, hl_view_of(format->begun), true);
}

void hl_reply_parser_done(hl_reply_parser *r) {
    hl_str *const texts[] = {&r->held, &r->held_hidden, &r->blank, &r->blank_hidden, &r->out};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) hl_str_done(texts[i]);
    for (size_t i = 0; i < HL_REPLY_READERS; i++) hl_call_reader_done(&r->readers[i]);
}

/* ---- what goes out ---------------------------------------------------------------------------- */

static void send(hl_reply_parser *r, const hl_reply_part *part) {
    if (!r->is_cancelled && !r->fn(r->user, part)) r->is_cancelled = true;
}

/* Bytes at the front that are whole characters; what is no UTF-8 at all counts as whole. */
static size_t whole_bytes(hl_view v) {
    for (size_t back = 1; back <= 3 && back <= v.len; back++) {
        const unsigned char b = (unsigned char)v.ptr[v.len - back];
        if (b < 0x80) break;
        const size_t n = b >= 0xF0 ? 4 : b >= 0xE0 ? 3 : b >= 0xC0 ? 2 : 0;
        if (n > 0) return n > back ? v.len - back : v.len;
    }
    return v.len;
}

static void send_out(hl_reply_parser *r, size_t n) {
    const hl_reply_part part = {.kind = r->out_mode == HL_IN_THINKING ? HL_REPLY_THINKING : HL_REPLY_TEXT,
                                .text = {hl_str_text(&r->out), n},
                                .is_hidden = r->out_hidden};
    if (r->out.failed) r->failed = true;
    if (n == 0 || r->out.failed) return;
    send(r, &part);
    memmove(r->out.ptr, r->out.ptr + n, r->out.len - n);
    r->out.len -= n;
    r->out.ptr[r->out.len] = '\0';
}

static void send_args(hl_reply_parser *r, bool is_last) {
    hl_str      *args = &r->call->args;
    const size_t n = is_last ? args->len : whole_bytes(hl_str_view(args));
    if (args->failed) r->failed = true;
    if (n == 0 || args->failed) return;
    send(r, &(hl_reply_part){.kind = HL_REPLY_ARGUMENTS, .text = {args->ptr, n}});
    memmove(args->ptr, args->ptr + n, args->len - n);
    args->len -= n;
    args->ptr[args->len] = '\0';
}

static void emit(hl_reply_parser *r, char c, bool is_hidden) {
    const hl_reply_mode mode = r->mode == HL_IN_THINKING ? HL_IN_THINKING : HL_IN_TEXT;
    if (r->out.len > 0 && (r->out_mode != mode || r->out_hidden != is_hidden)) send_out(r, r->out.len);
    r->out_mode = mode;
    r->out_hidden = is_hidden;
    hl_str_add_char(&r->out, c);
}

/* The white space that was kept back: shown, or not. */
static void emit_blank(hl_reply_parser *r, bool is_shown) {
    for (size_t i = 0; i < r->blank.len; i++) emit(r, r->blank.ptr[i], !is_shown || r->blank_hidden.ptr[i]);
    hl_str_clear(&r->blank);
    hl_str_clear(&r->blank_hidden);
}

static void keep_blank(hl_reply_parser *r, char c, bool is_hidden) {
    if (r->blank.len >= MAX_BLANK_BYTES) emit_blank(r, true);
    hl_str_add_char(&r->blank, c);
    hl_str_add_char(&r->blank_hidden, is_hidden);
    r->failed |= r->blank.failed || r->blank_hidden.failed;
}

static void clear_held(hl_reply_parser *r) {
    hl_str_clear(&r->held);
    hl_str_clear(&r->held_hidden);
}

/* A mark that is all of what is held. */
static void emit_mark(hl_reply_parser *r) {
    for (size_t i = 0; i < r->held.len; i++) emit(r, r->held.ptr[i], true);
    clear_held(r);
}

/* A byte that is neither part of a mark nor of a call. */
static void take_plain(hl_reply_parser *r, char c, bool is_hidden) {
    const bool is_blank = hl_is_blank(c) || is_hidden;
    if (r->mode == HL_AT_START && is_blank) {
        if (r->drops_blank)
            emit(r, c, true);
        else
            keep_blank(r, c, is_hidden);
        return;
    }
    if (r->mode == HL_BEHIND_CALL && (is_blank || (r->may_be_stray && c && strchr("]},;", c)))) {
        if (c == ']') r->is_in_list = false;
        emit(r, c, true);
        return;
    }
    if (r->mode == HL_AT_START || r->mode == HL_BEHIND_CALL) {
        r->splits_thinking = false;
        r->mode = HL_IN_TEXT;
    }
    r->has_thought = true;
    if (r->tools && hl_is_blank(c) && !is_hidden) {
        keep_blank(r, c, false);
        return;
    }
    emit_blank(r, true);
    emit(r, c, is_hidden);
}

/* ---- calls ------------------------------------------------------------------------------------ */

static void step(hl_reply_parser *r, char c, bool is_hidden);

static void begin_call(hl_reply_parser *r, hl_call_reader *reader) {
    if (r->mode == HL_IN_THINKING) r->splits_thinking = false; /* a call ends it */
    emit_blank(r, false);
    send_out(r, r->out.len);
    clear_held(r);
    r->mode = HL_IN_CALL;
    r->call = reader;
    r->n_calls++;
    send(r, &(hl_reply_part){
                .kind = HL_REPLY_CALL, .text = hl_str_view(&reader->name), .id = hl_str_view(&reader->id)});
}

static void end_call(hl_reply_parser *r, bool is_cut) {
    hl_call_reader *reader = r->call;
    send_args(r, true);
    send(r, &(hl_reply_part){.kind = HL_REPLY_CALL_END, .is_cut = is_cut});
    r->is_in_list = reader->is_in_list;
    r->may_be_stray = true;
    r->mode = HL_BEHIND_CALL;
    r->call = NULL;
    hl_str left = reader->left; /* the reader may be used again meanwhile */
    hl_str_init(&reader->left, left.limit_bytes);
    for (size_t i = 0; i < left.len; i++) step(r, left.ptr[i], false);
    hl_str_done(&left);
}

static void feed_call(hl_reply_parser *r, char c) {
    const hl_read_step read = hl_call_reader_feed(r->call, c);
    if (read == HL_READ_MORE) return;
    if (read == HL_READ_DEAD) { /* only where a header named the function: there are no arguments */
        hl_str_add_text(&r->call->args, "{}");
        hl_str_add_char(&r->call->left, c);
    }
    end_call(r, false);
}

/* ---- candidates ------------------------------------------------------------------------------- */

static void start_readers(hl_reply_parser *r, const char *const *patterns, size_t n, size_t *at,
                          bool is_strict) {
    for (size_t i = 0; i < n && patterns[i] && *at < HL_REPLY_READERS; i++, (*at)++) {
        hl_call_reader_start(&r->readers[*at], r->format, patterns[i], r->tools);
        r->readers[*at].is_strict = is_strict;
        r->is_alive[*at] = true;
    }
}

/* Whoever may begin where the first held byte stands. */
static void start_all(hl_reply_parser *r) {
    static const char *const more_python[] = {"%c"}, *const more_objects[] = {"%o"};
    const hl_call_format *f = r->format;
    size_t                at = 0;
    if (r->tools && !(r->mode == HL_IN_THINKING && f->thinks_apart))
        start_readers(r, f->calls, HL_FORMAT_WORDS, &at, false);
    if (r->tools && r->mode == HL_AT_START) {
        start_readers(r, f->bare, HL_FORMAT_WORDS, &at, true);
        start_readers(r, bare_for_all, sizeof bare_for_all / sizeof *bare_for_all, &at, true);
    }
    if (r->tools && r->mode == HL_BEHIND_CALL && r->is_in_list) {
        start_readers(r, more_python, 1, &at, false);
        start_readers(r, more_objects, 1, &at, false);
        r->readers[at - 1].is_in_list = true; /* its bracket came */
    }
    for (; at < HL_REPLY_READERS; at++) r->is_alive[at] = false;
}

/* Returns whether one of them lives. A call that has begun is r->call. */
static bool feed_readers(hl_reply_parser *r, char c) {
    bool any = false;
    for (size_t i = 0; i < HL_REPLY_READERS; i++) {
        if (!r->is_alive[i]) continue;
        hl_call_reader    *reader = &r->readers[i];
        const hl_read_step read = hl_call_reader_feed(reader, c);
        if (reader->has_begun) {
            begin_call(r, reader);
            if (read == HL_READ_DONE) end_call(r, false);
            return true;
        }
        r->is_alive[i] = read == HL_READ_MORE && r->held.len < MAX_HELD_BYTES;
        any |= r->is_alive[i];
    }
    return any;
}

/* ---- marks ------------------------------------------------------------------------------------ */

typedef enum mark_kind {
    NO_MARK,
    PART_OF_MARK,
    OPEN_MARK,   /* reasoning begins */
    CLOSE_MARK,  /* and ends */
    DROP_MARK,   /* says nothing */
    HEADER_MARK, /* a header begins with it */
    END_MARK     /* a message ends: a header follows */
} mark_kind;

static void look_for(const hl_reply_parser *r, const char *mark, mark_kind kind, mark_kind *found) {
    const size_t n = strlen(mark), have = r->held.len;
    if (have > n || memcmp(r->held.ptr, mark, have) != 0) return;
    if (have == n)
        *found = kind;
    else if (*found == NO_MARK)
        *found = PART_OF_MARK;
}

static void look_for_each(const hl_reply_parser *r, const char *const *marks, size_t n, mark_kind *found) {
    for (size_t i = 0; i < n && marks[i]; i++) look_for(r, marks[i], DROP_MARK, found);
}

/* What is held, as a mark that counts where we are. */
static mark_kind find_mark(const hl_reply_parser *r) {
    static const char *const fences[] = {"```"};
    const hl_call_format    *f = r->format;
    mark_kind                found = NO_MARK;
    if (r->held.len > HL_FORMAT_MAX_MARK) return NO_MARK;
    if (f->has_channels && r->mode != HL_AT_START) {
        look_for(r, "<|channel|>", HEADER_MARK, &found);
        look_for(r, "<|start|>", HEADER_MARK, &found);
        look_for(r, "<|end|>", END_MARK, &found);
        look_for(r, "<|call|>", END_MARK, &found);
        look_for(r, "<|return|>", END_MARK, &found);
        return found;
    }
    if (r->mode == HL_IN_THINKING) {
        look_for(r, hl_call_format_think_close(r->format), CLOSE_MARK, &found);
        if (!r->has_thought) look_for(r, hl_call_format_think_open(r->format), OPEN_MARK, &found);
    } else if (r->mode == HL_BEHIND_CALL) {
        look_for_each(r, f->closers, HL_FORMAT_WORDS, &found);
        if (f->call_close) look_for_each(r, &f->call_close, 1, &found);
        if (r->may_be_stray) look_for_each(r, fences, 1, &found);
    } else {
        if (r->mode == HL_AT_START && r->splits_thinking)
            look_for(r, hl_call_format_think_open(r->format), OPEN_MARK, &found);
        look_for_each(r, f->drops, HL_FORMAT_WORDS, &found);
    }
    return found;
}

static void take_mark(hl_reply_parser *r, mark_kind kind) {
    if (kind == HEADER_MARK) { /* it stays: it says what follows */
        r->mode = HL_IN_HEADER;
        return;
    }
    if (r->mode == HL_BEHIND_CALL) r->is_in_list = r->may_be_stray = false;
    emit_blank(r, kind == CLOSE_MARK || kind == DROP_MARK);
    emit_mark(r);
    if (kind == OPEN_MARK) {
        r->mode = HL_IN_THINKING;
        r->has_thought = false;
    } else if (kind == CLOSE_MARK) {
        r->splits_thinking = false;
        r->drops_blank = true;
        r->mode = HL_AT_START;
    } else if (kind == END_MARK) {
        r->mode = HL_IN_HEADER;
    }
}

/* What is held is no mark and no call: its first byte is text, and all but the last where it is long, so that
 * nothing is looked at too often. */
static void shift(hl_reply_parser *r) {
    const size_t n = r->held.len > HL_FORMAT_MAX_MARK ? r->held.len - 1 : 1;
    char         rest[HL_FORMAT_MAX_MARK], rest_hidden[HL_FORMAT_MAX_MARK];
    const size_t n_rest = r->held.len - n;
    for (size_t i = 0; i < n; i++) take_plain(r, r->held.ptr[i], r->held_hidden.ptr[i]);
    memcpy(rest, r->held.ptr + n, n_rest);
    memcpy(rest_hidden, r->held_hidden.ptr + n, n_rest);
    clear_held(r);
    for (size_t i = 0; i < n_rest; i++) step(r, rest[i], rest_hidden[i]);
}

/* ---- headers of messages ---------------------------------------------------------------------- */

static hl_view word_behind(hl_view v, const char *mark) {
    const size_t n = strlen(mark);
    for (size_t i = 0; i + n <= v.len; i++) {
        if (memcmp(v.ptr + i, mark, n) != 0) continue;
        size_t end = i + n;
        while (end < v.len && !hl_is_blank(v.ptr[end]) && v.ptr[end] != '<') end++;
        return (hl_view){v.ptr + i + n, end - i - n};
    }
    return (hl_view){"", 0};
}

/* [ to=WHOM]<|channel|>CHANNEL[ to=WHOM][ <|constrain|>TYPE]<|message|> */
static void end_header(hl_reply_parser *r) {
    const hl_view   v = hl_str_view(&r->held);
    const hl_view   whom = word_behind(v, "to="), channel = word_behind(v, "<|channel|>");
    const bool      is_analysis = hl_view_is(channel, "analysis");
    hl_call_reader *reader = &r->readers[0];
    const bool      is_call =
        r->tools && whom.len > 0 && hl_call_reader_start_named(reader, r->format, whom, r->tools);
    r->mode = HL_IN_TEXT;
    emit_mark(r);
    if (is_call)
        begin_call(r, reader);
    else if (is_analysis)
        r->mode = HL_IN_THINKING;
}

static void feed_header(hl_reply_parser *r, char c, bool is_hidden) {
    static const char end[] = "<|message|>";
    const size_t      n_end = sizeof end - 1;
    if (r->held.len == 0 && c != '<' && !hl_is_blank(c)) { /* there is none */
        r->mode = HL_IN_TEXT;
        step(r, c, is_hidden);
        return;
    }
    hl_str_add_char(&r->held, c);
    hl_str_add_char(&r->held_hidden, is_hidden);
    if (r->held.len >= n_end && memcmp(r->held.ptr + r->held.len - n_end, end, n_end) == 0)
        end_header(r);
    else if (r->held.len > MAX_HEADER_BYTES)
        emit_mark(r);
}

/* ---- front door ------------------------------------------------------------------------------- */

static void step(hl_reply_parser *r, char c, bool is_hidden) {
    if (r->mode == HL_IN_CALL) {
        feed_call(r, c);
        return;
    }
    if (r->mode == HL_IN_HEADER) {
        feed_header(r, c, is_hidden);
        return;
    }
    if (r->held.len == 0) start_all(r);
    hl_str_add_char(&r->held, c);
    hl_str_add_char(&r->held_hidden, is_hidden);
    if (r->held.failed || r->held_hidden.failed) {
        r->failed = true;
        clear_held(r);
        return;
    }
    const mark_kind mark = find_mark(r);
    if (mark > PART_OF_MARK) {
        take_mark(r, mark);
        return;
    }
    if (!feed_readers(r, c) && mark == NO_MARK) shift(r);
}

bool hl_reply_parser_feed(hl_reply_parser *r, hl_view text, bool is_hidden) {
    for (size_t i = 0; i < text.len && !r->failed && !r->is_cancelled; i++) step(r, text.ptr[i], is_hidden);
    if (r->call) send_args(r, false);
    send_out(r, whole_bytes(hl_str_view(&r->out)));
    return !r->is_cancelled;
}

/* Is what is held the start of a mark, or a call's mark and some of its name? A few bytes may be text, unless
 * no text was allowed at all. */
static bool is_half_a_call(const hl_reply_parser *r) {
    enum { FEW_BYTES = 4 };
    const char *const *calls = r->format->calls;
    if (r->must_call && r->mode != HL_IN_THINKING) return true;
    if (r->held.len < FEW_BYTES) return false;
    if (find_mark(r) == PART_OF_MARK) return true;
    for (size_t i = 0; i < HL_FORMAT_WORDS && calls[i]; i++) /* its readers are the first ones */
        if (r->is_alive[i] && calls[i][0] != '%') return true;
    return false;
}

bool hl_reply_parser_finish(hl_reply_parser *r, bool is_cut) {
    if (r->call) {
        const hl_read_step read = hl_call_reader_finish(r->call, is_cut);
        if (read == HL_READ_DEAD && !is_cut) hl_str_add_text(&r->call->args, "{}");
        end_call(r, is_cut);
    }
    if (r->mode == HL_IN_HEADER) emit_mark(r);
    const bool is_no_text = is_cut && r->must_call && r->mode != HL_IN_THINKING;
    if (is_cut && is_half_a_call(r)) clear_held(r); /* nobody shows that to people */
    while (r->held.len > 0 && !r->failed) {         /* nothing comes that could make a mark or a call of it */
        memset(r->is_alive, 0, sizeof r->is_alive);
        shift(r);
    }
    emit_blank(r, !is_no_text);
    send_out(r, r->out.len);
    return !r->is_cancelled;
}
