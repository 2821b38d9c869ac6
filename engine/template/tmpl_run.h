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

typedef struct hl_tvar {
    const hl_tsym *name;
    hl_tv          value;
} hl_tvar;

/* Names of one block. A macro keeps the scope it was defined in alive: `is_kept`. */
typedef struct hl_tscope {
    struct hl_tscope *parent; /* NULL for the outermost */
    hl_tvar          *vars;
    uint32_t          n, cap;
    uint32_t         *slots; /* [n_slots] places + 1 by hash; NULL while there are few */
    uint32_t          n_slots;
    bool              is_kept;
} hl_tscope;

struct hl_tmacro {
    const hl_tn *node;
    hl_tscope   *scope; /* where it was defined */
};

struct hl_tloop {
    hl_tv *items; /* [n]; NULL: those of a range */
    hl_tv  of;    /* what is walked */
    size_t i, n;  /* this round; rounds known so far */
    const hl_tv
           *source; /* [n_source] what the loop's own `if` is still to be asked about, from i_source on */
    size_t  i_source, n_source;
    int64_t depth0; /* of recursion */
    const hl_tn *node;
    hl_tscope   *outer;        /* where the node stands */
    hl_tv        last_changed; /* of loop.changed(); MISSING before the first call */
};

/* The arguments of one call. */
typedef struct hl_targs {
    hl_tv          self; /* value before the dot or the pipe; MISSING for plain functions */
    const hl_tv   *pos;
    size_t         n_pos;
    const hl_tvar *kw;
    size_t         n_kw;
    hl_tv          a[HL_TMPL_MAX_ARGS]; /* bound to the callee's parameters; MISSING where not given */
} hl_targs;

/* Room for strings, with a mark for each byte. */
typedef struct hl_tchunk {
    char  *text;  /* [n_bytes] */
    char  *marks; /* [n_bytes] */
    size_t n_bytes;
} hl_tchunk;

typedef bool hl_tfn(hl_trun *r, const hl_targs *c, hl_tv *ret);

/* One builtin: a line of filters.def, tests.def, methods.def or globals.def. */
struct hl_tdef {
    const char *name;
    hl_tfn     *fn;
    uint8_t     n_min; /* parameters that must be given */
    const char
        *params; /* "width,first"; "*" takes anything; "~" first: gives a generator; "/": none by name */
};

/* A filter that gives a generator: it is asked when somebody walks over its items, and not before. */
struct hl_tpending {
    const hl_tdef *def;
    hl_targs       args;
};

struct hl_trun {
    const hl_template       *t;
    const hl_template_input *in;
    int64_t                  now_ms;
    hl_arena                 arena;
    hl_tchunk                chunk;  /* where the newest strings lie */
    hl_tchunk               *chunks; /* [n_chunks] all of them, in the order of their places */
    size_t                   n_chunks, chunks_cap;
    char                    *text_at, *text_end; /* where the next string goes */
    hl_tout                  scratch;
    hl_tout                 *out; /* &scratch while output is captured */
    hl_tscope               *scope;
    hl_tscope               *root;                  /* names set by the template itself */
    hl_tscope               *globals;               /* context and builtins that were asked for */
    hl_tv                    hole;                  /* the value a filter block or block set starts from */
    uint64_t                 n_steps, n_steps_look; /* done; when to look at limits again */
    int                      depth;
    uint32_t                 line;
    hl_status                status;
    hl_err                  *err;
};

/* Errors: record and return false. */
bool hl_trun_fail(hl_trun *r, const char *fmt, ...) HL_PRINTF(2, 3);
bool hl_trun_fail_limit(hl_trun *r, const char *what);
bool hl_trun_fail_undefined(hl_trun *r, hl_tv v);

void *hl_trun_get(hl_trun *r, size_t n, size_t size); /* zeroed; NULL with the error recorded */
/* A step is some 50 ns: an operator or item, 256 bytes copied, 64 searched, 4 walked character by character.
 * What is only added to r->n_steps is looked at with the next operator. */
bool               hl_trun_steps(hl_trun *r, uint64_t n);
bool               hl_trun_enter(hl_trun *r); /* one level deeper; hl_trun_leave only after success */
static inline void hl_trun_leave(hl_trun *r) { r->depth--; }

/* Text. */
bool                 hl_trun_text(hl_trun *r, hl_view v, hl_tv *ret); /* a string with a copy of v */
static inline size_t hl_trun_begin(hl_trun *r) { return r->scratch.len; }
bool                 hl_trun_end(hl_trun *r, size_t mark, hl_tv *ret); /* the string since begin */
bool hl_trun_check_text(hl_trun *r, const hl_tout *s); /* record an error when s failed to grow */

/* Where the text at p came from: what a template says is its own, what the interpreter made has its marks,
 * and all else is from outside. So a view into a string needs no marks of its own. */
hl_torigin hl_trun_origin(const hl_trun *r, const char *p);
void       hl_trun_add(hl_trun *r, hl_tout *to, hl_view v);                  /* with its origin */
bool       hl_trun_is_outside(const hl_trun *r, hl_view v);                  /* any byte of it? */
bool       hl_trun_text_of(hl_trun *r, hl_view v, bool outside, hl_tv *ret); /* a string, said to be so */

/* The interpreter's own texts, for where a string is expected. */
typedef struct hl_town {
    char blank[1], zero[1], newline[1], comma[1], comma_blank[2], colon_blank[2], dots[3], indent[64];
} hl_town;
extern const hl_town hl_tmpl_own;
#define HL_TMPL_OWN(which) ((hl_view){hl_tmpl_own.which, sizeof hl_tmpl_own.which})
bool hl_tv_join(hl_trun *r, hl_view a, hl_view b, hl_tv *ret);

/* tmpl_text.c: Python's str() and repr(), appended to scratch or out. */
bool hl_tv_write(hl_trun *r, hl_tout *to, hl_tv v);
bool hl_tv_write_repr(hl_trun *r, hl_tout *to, hl_tv v);
bool hl_tv_to_str(hl_trun *r, hl_tv v, hl_tv *ret);
void hl_tstr_write_float(hl_tout *to, double f, bool outside);
void hl_tstr_format_float(char *to, size_t n, double f); /* the same, terminated; n at least 40 */
bool hl_tstr_ascii(hl_trun *r, hl_tv s, hl_tv *ret);     /* with escapes for what is not ASCII */

/* tmpl_string.c: text by code points. */
size_t  hl_tstr_count(hl_trun *r, hl_tv s);
size_t  hl_tstr_offset(hl_trun *r, hl_tv s,
                       size_t i_char); /* bytes before that character; s.len when past the end */
hl_view hl_tstr_strip(hl_view s, bool left, bool right);         /* white space */
bool    hl_tstr_parse_float(hl_trun *r, hl_view s, double *ret); /* Python float(): blanks, _, inf, nan */
bool hl_tstr_read_float(hl_view s, double *ret, bool *ret_ok); /* the same without blanks; false: no memory */
void hl_tstr_add_upper(hl_tout *to, uint32_t cp, bool outside);
void hl_tstr_add_title(hl_tout *to, uint32_t cp, bool outside);
void hl_tstr_add_lower(hl_tout *to, hl_view s, size_t at, bool outside); /* of the character at byte `at` */
bool hl_tstr_escape(hl_trun *r, hl_view s, hl_tv *ret); /* & < > ' " as HTML, marked as markup */

/* Python's ideas of a character. */
bool hl_tchar_is_space(uint32_t cp);
bool hl_tchar_is_upper(uint32_t cp);
bool hl_tchar_is_lower(uint32_t cp);
bool hl_tchar_is_title(uint32_t cp); /* neither of both: one letter of two, the first a capital */
bool hl_tchar_is_cased(uint32_t cp);
bool hl_tchar_is_alpha(uint32_t cp);
bool hl_tchar_is_decimal(uint32_t cp);
bool hl_tchar_is_digit(uint32_t cp);
bool hl_tchar_is_numeric(uint32_t cp);
bool hl_tchar_is_printable(uint32_t cp);
bool hl_tchar_is_name_start(uint32_t cp);
bool hl_tchar_is_name(uint32_t cp);

/* tmpl_markup.c: strings that are known to be safe escape what is put into them. */
bool hl_tmarkup_call(hl_trun *r, const hl_tdef *method, hl_targs *c, hl_tv *ret);
bool hl_tmarkup_escape(hl_trun *r, hl_tv v, hl_tv *ret); /* str(v) as HTML, unless it is safe already */

/* tmpl_methods_str.c */
bool hl_tstr_replace(hl_trun *r, hl_view s, hl_view old, hl_view new, int64_t most, hl_tv *ret);
/* Fill up to `width` characters: the gap goes right of the text (0), to both sides (1), left (2). */
bool hl_tstr_pad(hl_trun *r, hl_tv s, int64_t width, hl_view fill, int64_t n_left_of_2, hl_tv *ret);

/* tmpl_json.c */
bool hl_tv_from_json(hl_trun *r, const json_t *j, bool outside, hl_tv *ret);
bool hl_tv_from_json_text(hl_trun *r, hl_view text, hl_tv *ret);

/* tmpl_filters_seq.c: stable, in both directions. wrapped: two keys that are equal are not compared. */
typedef struct hl_tkeyed {
    hl_tv key, value;
} hl_tkeyed;
bool hl_tv_sort(hl_trun *r, hl_tkeyed *all, size_t n, bool wrapped, bool reverse);

/* tmpl_access.c */
bool hl_tv_get_attr(hl_trun *r, hl_tv of, hl_view name, hl_tv *ret);
bool hl_tv_get_item(hl_trun *r, hl_tv of, hl_tv key, hl_tv *ret);
bool hl_tv_get_slice(hl_trun *r, hl_tv of, hl_tv start, hl_tv stop, hl_tv step, hl_tv *ret);
/* "function.name", 0; an undefined part, also on the way, becomes if_missing unless that is MISSING or
 * none */
bool           hl_tv_get_path(hl_trun *r, hl_tv of, hl_tv path, hl_tv if_missing, hl_tv *ret);
bool           hl_tloop_length(hl_trun *r, hl_tloop *l, size_t *ret);
const hl_tdef *hl_tmethod_find(hl_tv of, hl_view name, bool *ret_unsafe);

/* tmpl_arith.c */
bool hl_tv_to_float(hl_trun *r, hl_tv v, double *ret); /* of a number */
bool hl_tv_arith(hl_trun *r, hl_top op, hl_tv a, hl_tv b, hl_tv *ret);
bool hl_tv_test_op(hl_trun *r, hl_top op, hl_tv a, hl_tv b, bool *ret);

/* tmpl_format.c: "%s" % x and "{}".format(x). */
bool hl_tstr_percent(hl_trun *r, hl_tv fmt, hl_tv args, hl_tv *ret);
bool hl_tstr_format(hl_trun *r, hl_tv fmt, const hl_targs *c, hl_tv *ret);
bool hl_tstr_format_map(hl_trun *r, hl_tv fmt, hl_tv map, hl_tv *ret); /* map: a dict */

/* tmpl_eval.c, tmpl_expr.c, tmpl_call.c */
typedef enum hl_tflow { HL_TFLOW_NEXT, HL_TFLOW_BREAK, HL_TFLOW_CONTINUE, HL_TFLOW_FAIL } hl_tflow;
hl_tflow hl_trun_block(hl_trun *r, const hl_tn *first);
bool     hl_trun_loop_again(hl_trun *r, const hl_tloop *l, hl_tv of, hl_tv *ret); /* loop(of) */
bool hl_tloop_know(hl_trun *r, hl_tloop *l, size_t n); /* ask until n rounds are known or there are no more */
bool hl_trun_capture(hl_trun *r, hl_tscope *scope, const hl_tn *first, hl_tv *ret);
bool hl_trun_eval(hl_trun *r, const hl_tn *n, hl_tv *ret);
bool hl_trun_call(hl_trun *r, hl_tv callee, hl_targs *c, hl_tv *ret);
bool hl_tgen_ask(hl_trun *r, hl_tseq *gen); /* of a generator that is pending */
bool hl_trun_call_def(hl_trun *r, const hl_tdef *def, hl_targs *c, hl_tv *ret);
bool hl_trun_call_method(hl_trun *r, const hl_tdef *def, hl_targs *c, hl_tv *ret);
bool hl_trun_eval_args(hl_trun *r, const hl_tn *first, hl_targs *c);

void       hl_tscope_clear(hl_tscope *s);
hl_tscope *hl_tscope_new(hl_trun *r, hl_tscope *parent); /* NULL with the error recorded */
bool       hl_tscope_set(hl_trun *r, hl_tscope *s, const hl_tsym *name, hl_tv value);
bool       hl_trun_find_name(hl_trun *r, const hl_tsym *name, hl_tv *ret);

/* Tables. */
const hl_tdef *hl_tfilter_find(hl_view name);
const hl_tdef *hl_ttest_find(hl_view name);
const hl_tdef *hl_tglobal_find(hl_view name);

/* Arguments of builtins. An integer past 64 bits counts as the nearest of those. */
bool hl_targ_int(hl_trun *r, hl_tv v, const char *what, int64_t if_missing, int64_t *ret);
bool hl_targ_str(hl_trun *r, hl_tv v, const char *what, hl_view *ret);

#endif
