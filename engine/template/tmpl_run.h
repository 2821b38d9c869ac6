/* SPDX-License-Identifier: MIT
 *
 * tmpl_run.h - the state of one rendering, and what every part of the interpreter asks of it.
 *
 * Everything a rendering makes lives in one arena with a limit. Text under construction and captured
 * output share one stack (`scratch`): begin remembers its height, end takes the text above it away.
 * Functions return false once an error is recorded; the first one stays.
 */
#ifndef HL_TEMPLATE_TMPL_RUN_H
#define HL_TEMPLATE_TMPL_RUN_H

#include <jansson.h>

#include "core/base/arena.h"
#include "core/base/str.h"
#include "engine/template/tmpl_ast.h"
#include "engine/template/tmpl_out.h"
#include "engine/template/tmpl_value.h"

enum {
    HL_TMPL_MAX_ARENA_BYTES = 128 << 20,
    HL_TMPL_MAX_TEXT_BYTES = 64 << 20, /* of one string */
    HL_TMPL_MAX_STEPS = 20000000,      /* about a second; a chat of 20 messages takes some ten thousand */
    HL_TMPL_MAX_DEPTH = 600,           /* of expressions, blocks and macros inside one another */
    HL_TMPL_MAX_RANGE = 100000,        /* items, as in the sandbox of the reference */
    HL_TMPL_NUMBER_MARK = 0xFF,        /* before the digits of hl_template_number() */
    HL_TMPL_WORD_MARK = 0xFE,          /* before the word of hl_template_word() */
    HL_TMPL_MAX_ARGS = 8,              /* named parameters of a builtin */
};

typedef struct hl_tmpl_var {
    const hl_tmpl_symbol *name;
    hl_tmpl_value         value;
} hl_tmpl_var;

/* Names of one block. A macro keeps the scope it was defined in alive: `is_kept`. */
typedef struct hl_tmpl_scope {
    struct hl_tmpl_scope *parent; /* NULL for the outermost */
    hl_tmpl_var          *vars;
    uint32_t              n, cap;
    uint32_t             *slots; /* [n_slots] places + 1 by hash; NULL while there are few */
    uint32_t              n_slots;
    bool                  is_kept;
} hl_tmpl_scope;

struct hl_tmpl_macro {
    const hl_tmpl_node *node;
    hl_tmpl_scope      *scope; /* where it was defined */
};

struct hl_tmpl_loop {
    hl_tmpl_value *items; /* [n]; NULL: those of a range */
    hl_tmpl_value  of;    /* what is walked */
    size_t         i, n;  /* this round; rounds known so far */
    const hl_tmpl_value
           *source; /* [n_source] what the loop's own `if` is still to be asked about, from i_source on */
    size_t  i_source, n_source;
    int64_t depth0; /* of recursion */
    const hl_tmpl_node *node;
    hl_tmpl_scope      *outer;        /* where the node stands */
    hl_tmpl_value       last_changed; /* of loop.changed(); MISSING before the first call */
};

/* The arguments of one call. */
typedef struct hl_tmpl_args {
    hl_tmpl_value        self; /* value before the dot or the pipe; MISSING for plain functions */
    const hl_tmpl_value *pos;
    size_t               n_pos;
    const hl_tmpl_var   *kw;
    size_t               n_kw;
    hl_tmpl_value        a[HL_TMPL_MAX_ARGS]; /* bound to the callee's parameters; MISSING where not given */
} hl_tmpl_args;

/* Room for strings, with a mark for each byte. */
typedef struct hl_tmpl_chunk {
    char  *text;  /* [n_bytes] */
    char  *marks; /* [n_bytes] */
    size_t n_bytes;
} hl_tmpl_chunk;

typedef bool hl_tmpl_fn(hl_tmpl_run *r, const hl_tmpl_args *c, hl_tmpl_value *ret);

/* One builtin: a line of filters.def, tests.def, methods.def or globals.def. */
struct hl_tmpl_builtin {
    const char *name;
    hl_tmpl_fn *fn;
    uint8_t     n_min; /* parameters that must be given */
    const char
        *params; /* "width,first"; "*" takes anything; "~" first: gives a generator; "/": none by name */
};

/* A filter that gives a generator: it is asked when somebody walks over its items, and not before. */
struct hl_tmpl_pending {
    const hl_tmpl_builtin *def;
    hl_tmpl_args           args;
};

struct hl_tmpl_run {
    const hl_template       *t;
    const hl_template_input *in;
    int64_t                  now_ms;
    hl_arena                 arena;
    hl_tmpl_chunk            chunk;  /* where the newest strings lie */
    hl_tmpl_chunk           *chunks; /* [n_chunks] all of them, in the order of their places */
    size_t                   n_chunks, chunks_cap;
    char                    *text_at, *text_end; /* where the next string goes */
    hl_tmpl_out              scratch;
    hl_tmpl_out             *out; /* &scratch while output is captured */
    hl_tmpl_scope           *scope;
    hl_tmpl_scope           *root;                  /* names set by the template itself */
    hl_tmpl_scope           *globals;               /* context and builtins that were asked for */
    hl_tmpl_value            hole;                  /* the value a filter block or block set starts from */
    uint64_t                 n_steps, n_steps_look; /* done; when to look at limits again */
    int                      depth;
    uint32_t                 line;
    hl_status                status;
    hl_err                  *err;
};

/* Errors: record and return false. */
bool hl_tmpl_run_fail(hl_tmpl_run *r, const char *fmt, ...) HL_PRINTF(2, 3);
bool hl_tmpl_run_fail_limit(hl_tmpl_run *r, const char *what);
bool hl_tmpl_run_fail_undefined(hl_tmpl_run *r, hl_tmpl_value v);

void *hl_tmpl_run_get(hl_tmpl_run *r, size_t n, size_t size); /* zeroed; NULL with the error recorded */
/* A step is some 50 ns: an operator or item, 256 bytes copied, 64 searched, 4 walked character by character.
 * What is only added to r->n_steps is looked at with the next operator. */
bool hl_tmpl_run_steps(hl_tmpl_run *r, uint64_t n);
bool hl_tmpl_run_enter(hl_tmpl_run *r); /* one level deeper; hl_tmpl_run_leave only after success */
static inline void hl_tmpl_run_leave(hl_tmpl_run *r) { r->depth--; }

/* Text. */
bool hl_tmpl_run_text(hl_tmpl_run *r, hl_view v, hl_tmpl_value *ret); /* a string with a copy of v */
static inline size_t hl_tmpl_run_begin(hl_tmpl_run *r) { return r->scratch.len; }
bool hl_tmpl_run_end(hl_tmpl_run *r, size_t mark, hl_tmpl_value *ret); /* the string since begin */
bool hl_tmpl_run_check_text(hl_tmpl_run *r, const hl_tmpl_out *s); /* record an error when s failed to grow */

/* Where the text at p came from: what a template says is its own, what the interpreter made has its marks,
 * and all else is from outside. So a view into a string needs no marks of its own. */
hl_tmpl_origin hl_tmpl_run_origin(const hl_tmpl_run *r, const char *p);
void           hl_tmpl_run_add(hl_tmpl_run *r, hl_tmpl_out *to, hl_view v); /* with its origin */
bool           hl_tmpl_run_is_outside(const hl_tmpl_run *r, hl_view v);     /* any byte of it? */
bool           hl_tmpl_run_text_of(hl_tmpl_run *r, hl_view v, bool outside,
                                   hl_tmpl_value *ret); /* a string, said to be so */

/* The interpreter's own texts, for where a string is expected. */
typedef struct hl_tmpl_own_texts {
    char blank[1], zero[1], newline[1], comma[1], comma_blank[2], colon_blank[2], dots[3], indent[64];
} hl_tmpl_own_texts;
extern const hl_tmpl_own_texts hl_tmpl_own;
#define HL_TMPL_OWN(which) ((hl_view){hl_tmpl_own.which, sizeof hl_tmpl_own.which})
bool hl_tmpl_join(hl_tmpl_run *r, hl_view a, hl_view b, hl_tmpl_value *ret);

/* tmpl_text.c: Python's str() and repr(), appended to scratch or out. */
bool hl_tmpl_write(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v);
bool hl_tmpl_write_repr(hl_tmpl_run *r, hl_tmpl_out *to, hl_tmpl_value v);
bool hl_tmpl_to_str(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_value *ret);
void hl_tmpl_str_write_float(hl_tmpl_out *to, double f, bool outside);
void hl_tmpl_str_format_float(char *to, size_t n, double f); /* the same, terminated; n at least 40 */
bool hl_tmpl_str_ascii(hl_tmpl_run *r, hl_tmpl_value s,
                       hl_tmpl_value *ret); /* with escapes for what is not ASCII */

/* tmpl_string.c: text by code points. */
size_t  hl_tmpl_str_count(hl_tmpl_run *r, hl_tmpl_value s);
size_t  hl_tmpl_str_offset(hl_tmpl_run *r, hl_tmpl_value s,
                           size_t i_char); /* bytes before that character; s.len when past the end */
hl_view hl_tmpl_str_strip(hl_view s, bool left, bool right); /* white space */
bool    hl_tmpl_str_parse_float(hl_tmpl_run *r, hl_view s,
                                double *ret); /* Python float(): blanks, _, inf, nan */
bool    hl_tmpl_str_read_float(hl_view s, double *ret,
                               bool *ret_ok); /* the same without blanks; false: no memory */
void    hl_tmpl_str_add_upper(hl_tmpl_out *to, uint32_t cp, bool outside);
void    hl_tmpl_str_add_title(hl_tmpl_out *to, uint32_t cp, bool outside);
void    hl_tmpl_str_add_lower(hl_tmpl_out *to, hl_view s, size_t at,
                              bool outside); /* of the character at byte `at` */
bool    hl_tmpl_str_escape(hl_tmpl_run *r, hl_view s,
                           hl_tmpl_value *ret); /* & < > ' " as HTML, marked as markup */

/* Python's ideas of a character. */
bool hl_tmpl_char_is_space(uint32_t cp);
bool hl_tmpl_char_is_upper(uint32_t cp);
bool hl_tmpl_char_is_lower(uint32_t cp);
bool hl_tmpl_char_is_title(uint32_t cp); /* neither of both: one letter of two, the first a capital */
bool hl_tmpl_char_is_cased(uint32_t cp);
bool hl_tmpl_char_is_alpha(uint32_t cp);
bool hl_tmpl_char_is_decimal(uint32_t cp);
bool hl_tmpl_char_is_digit(uint32_t cp);
bool hl_tmpl_char_is_numeric(uint32_t cp);
bool hl_tmpl_char_is_printable(uint32_t cp);
bool hl_tmpl_char_is_name_start(uint32_t cp);
bool hl_tmpl_char_is_name(uint32_t cp);

/* tmpl_markup.c: strings that are known to be safe escape what is put into them. */
bool hl_tmpl_markup_call(hl_tmpl_run *r, const hl_tmpl_builtin *method, hl_tmpl_args *c, hl_tmpl_value *ret);
bool hl_tmpl_markup_escape(hl_tmpl_run *r, hl_tmpl_value v,
                           hl_tmpl_value *ret); /* str(v) as HTML, unless it is safe already */

/* tmpl_methods_str.c */
bool hl_tmpl_str_replace(hl_tmpl_run *r, hl_view s, hl_view old, hl_view new, int64_t most,
                         hl_tmpl_value *ret);
/* Fill up to `width` characters: the gap goes right of the text (0), to both sides (1), left (2). */
bool hl_tmpl_str_pad(hl_tmpl_run *r, hl_tmpl_value s, int64_t width, hl_view fill, int64_t n_left_of_2,
                     hl_tmpl_value *ret);

/* tmpl_json.c */
bool hl_tmpl_from_json(hl_tmpl_run *r, const json_t *j, bool outside, hl_tmpl_value *ret);
bool hl_tmpl_from_json_text(hl_tmpl_run *r, hl_view text, hl_tmpl_value *ret);

/* tmpl_filters_seq.c: stable, in both directions. wrapped: two keys that are equal are not compared. */
typedef struct hl_tmpl_keyed {
    hl_tmpl_value key, value;
} hl_tmpl_keyed;
bool hl_tmpl_sort(hl_tmpl_run *r, hl_tmpl_keyed *all, size_t n, bool wrapped, bool reverse);

/* tmpl_access.c */
bool hl_tmpl_get_attr(hl_tmpl_run *r, hl_tmpl_value of, hl_view name, hl_tmpl_value *ret);
bool hl_tmpl_get_item(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value key, hl_tmpl_value *ret);
bool hl_tmpl_get_slice(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value start, hl_tmpl_value stop,
                       hl_tmpl_value step, hl_tmpl_value *ret);
/* "function.name", 0; an undefined part, also on the way, becomes if_missing unless that is MISSING or
 * none */
bool hl_tmpl_get_path(hl_tmpl_run *r, hl_tmpl_value of, hl_tmpl_value path, hl_tmpl_value if_missing,
                      hl_tmpl_value *ret);
bool hl_tmpl_loop_length(hl_tmpl_run *r, hl_tmpl_loop *l, size_t *ret);
const hl_tmpl_builtin *hl_tmpl_method_find(hl_tmpl_value of, hl_view name, bool *ret_unsafe);

/* tmpl_arith.c */
bool hl_tmpl_to_float(hl_tmpl_run *r, hl_tmpl_value v, double *ret); /* of a number */
bool hl_tmpl_arith(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret);
bool hl_tmpl_test_op(hl_tmpl_run *r, hl_tmpl_op op, hl_tmpl_value a, hl_tmpl_value b, bool *ret);

/* tmpl_format.c: "%s" % x and "{}".format(x). */
bool hl_tmpl_str_percent(hl_tmpl_run *r, hl_tmpl_value fmt, hl_tmpl_value args, hl_tmpl_value *ret);
bool hl_tmpl_str_format(hl_tmpl_run *r, hl_tmpl_value fmt, const hl_tmpl_args *c, hl_tmpl_value *ret);
bool hl_tmpl_str_format_map(hl_tmpl_run *r, hl_tmpl_value fmt, hl_tmpl_value map,
                            hl_tmpl_value *ret); /* map: a dict */

/* tmpl_eval.c, tmpl_expr.c, tmpl_call.c */
typedef enum hl_tmpl_flow {
    HL_TMPL_FLOW_NEXT,
    HL_TMPL_FLOW_BREAK,
    HL_TMPL_FLOW_CONTINUE,
    HL_TMPL_FLOW_FAIL
} hl_tmpl_flow;
hl_tmpl_flow hl_tmpl_run_block(hl_tmpl_run *r, const hl_tmpl_node *first);
bool         hl_tmpl_run_loop_again(hl_tmpl_run *r, const hl_tmpl_loop *l, hl_tmpl_value of,
                                    hl_tmpl_value *ret); /* loop(of) */
bool         hl_tmpl_loop_know(hl_tmpl_run *r, hl_tmpl_loop *l,
                               size_t n); /* ask until n rounds are known or there are no more */
bool hl_tmpl_run_capture(hl_tmpl_run *r, hl_tmpl_scope *scope, const hl_tmpl_node *first, hl_tmpl_value *ret);
bool hl_tmpl_run_eval(hl_tmpl_run *r, const hl_tmpl_node *n, hl_tmpl_value *ret);
bool hl_tmpl_run_call(hl_tmpl_run *r, hl_tmpl_value callee, hl_tmpl_args *c, hl_tmpl_value *ret);
bool hl_tmpl_gen_ask(hl_tmpl_run *r, hl_tmpl_seq *gen); /* of a generator that is pending */
bool hl_tmpl_run_call_builtin(hl_tmpl_run *r, const hl_tmpl_builtin *def, hl_tmpl_args *c,
                              hl_tmpl_value *ret);
bool hl_tmpl_run_call_method(hl_tmpl_run *r, const hl_tmpl_builtin *def, hl_tmpl_args *c, hl_tmpl_value *ret);
bool hl_tmpl_run_eval_args(hl_tmpl_run *r, const hl_tmpl_node *first, hl_tmpl_args *c);

void           hl_tmpl_scope_clear(hl_tmpl_scope *s);
hl_tmpl_scope *hl_tmpl_scope_new(hl_tmpl_run *r, hl_tmpl_scope *parent); /* NULL with the error recorded */
bool hl_tmpl_scope_set(hl_tmpl_run *r, hl_tmpl_scope *s, const hl_tmpl_symbol *name, hl_tmpl_value value);
bool hl_tmpl_run_find_name(hl_tmpl_run *r, const hl_tmpl_symbol *name, hl_tmpl_value *ret);

/* Tables. */
const hl_tmpl_builtin *hl_tmpl_filter_find(hl_view name);
const hl_tmpl_builtin *hl_tmpl_test_find(hl_view name);
const hl_tmpl_builtin *hl_tmpl_global_find(hl_view name);

/* Arguments of builtins. An integer past 64 bits counts as the nearest of those. */
bool hl_tmpl_arg_int(hl_tmpl_run *r, hl_tmpl_value v, const char *what, int64_t if_missing, int64_t *ret);
bool hl_tmpl_arg_str(hl_tmpl_run *r, hl_tmpl_value v, const char *what, hl_view *ret);

#endif
