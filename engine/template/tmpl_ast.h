/* SPDX-License-Identifier: MIT
 *
 * tmpl_ast.h - tokens and syntax tree of a template, and the functions that make them.
 *
 * Nodes live in the template's arena and never change after parsing, so that any number of threads
 * may render at once.
 */
#ifndef HL_TEMPLATE_TMPL_AST_H
#define HL_TEMPLATE_TMPL_AST_H

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "engine/template/template.h"
#include "engine/template/tmpl_value.h"

enum { HL_TMPL_MAX_NESTING = 200, HL_TMPL_MAX_SOURCE_BYTES = 4 << 20 };

/* A text for "%.*s" in a message; of a long one its beginning. */
#define HL_TMPL_ARG(view) (int)((view).len < 100 ? (view).len : 100), (view).ptr

typedef enum hl_ttok {
    HL_TTOK_EOF,
    HL_TTOK_DATA,
    HL_TTOK_VAR_BEGIN,
    HL_TTOK_VAR_END,
    HL_TTOK_BLOCK_BEGIN,
    HL_TTOK_BLOCK_END,
    HL_TTOK_NAME,
    HL_TTOK_STRING,
    HL_TTOK_INT,
    HL_TTOK_FLOAT,
    HL_TTOK_OP, /* op holds one or two characters: '+', '=' << 8 | '=' */
} hl_ttok;

typedef struct hl_ttoken {
    uint8_t  kind; /* hl_ttok */
    uint16_t op;
    uint32_t line; /* from 1 */
    uint32_t at;   /* byte in the source, for the column of an error */
    hl_view  text;
    hl_tv    number; /* INT, FLOAT */
} hl_ttoken;

#define HL_TOP2(a, b) ((uint16_t)((unsigned char)(a) << 8 | (unsigned char)(b)))

typedef struct hl_tn hl_tn;

/* A name of the template, one object per spelling: compared by address. */
typedef struct hl_tsym {
    hl_view  text; /* not terminated */
    uint32_t hash;
    uint32_t i_list; /* the last list of names that has it, while parsing: none comes twice */
    hl_tn   *block;  /* {% block NAME %} */
} hl_tsym;

typedef enum hl_top {
    HL_TOP_ADD,
    HL_TOP_SUB,
    HL_TOP_MUL,
    HL_TOP_DIV,
    HL_TOP_FLOORDIV,
    HL_TOP_MOD,
    HL_TOP_POW,
    HL_TOP_EQ,
    HL_TOP_NE,
    HL_TOP_LT,
    HL_TOP_LE,
    HL_TOP_GT,
    HL_TOP_GE,
    HL_TOP_IN,
    HL_TOP_NOT_IN,
} hl_top;

/* What the children of each kind are: */
typedef enum hl_tnk {
    /* statements, linked by `next` */
    HL_TN_DATA,         /* value: the text */
    HL_TN_PRINT,        /* a: expressions */
    HL_TN_IF,           /* a: test, b: body, c: else body */
    HL_TN_FOR,          /* a: target, b: iterable, c: test or NULL, d: body, e: else body; op: recursive */
    HL_TN_SET,          /* a: target, b: value */
    HL_TN_SET_BLOCK,    /* a: target, b: filters over a hole or NULL, d: body */
    HL_TN_MACRO,        /* sym: name, a: parameters (PARAM), d: body */
    HL_TN_CALL_BLOCK,   /* b: the call, a: parameters, d: body */
    HL_TN_FILTER_BLOCK, /* b: filters over a hole, d: body */
    HL_TN_WITH,         /* a: targets, b: values, d: body */
    HL_TN_SCOPE,        /* d: body with names of its own; op: sees the outermost names only */
    HL_TN_BREAK,
    HL_TN_CONTINUE,
    /* expressions */
    HL_TN_CONST,   /* value */
    HL_TN_NAME,    /* sym */
    HL_TN_NSREF,   /* sym: namespace, value: attribute; only as a target */
    HL_TN_LIST,    /* a: items */
    HL_TN_TUPLE,   /* a: items */
    HL_TN_DICT,    /* a: key, value, key, value ... */
    HL_TN_AND,     /* a, b */
    HL_TN_OR,      /* a, b */
    HL_TN_NOT,     /* a */
    HL_TN_NEG,     /* a */
    HL_TN_POS,     /* a */
    HL_TN_BINARY,  /* op, a, b */
    HL_TN_COMPARE, /* a, b: list of OPERAND */
    HL_TN_OPERAND, /* op, a */
    HL_TN_CONCAT,  /* a: parts */
    HL_TN_COND,    /* a: test, b: if true, c: else or NULL */
    HL_TN_GETATTR, /* a, value: name */
    HL_TN_GETITEM, /* a, b */
    HL_TN_SLICE,   /* a: start, b: stop, c: step, each or NULL; only below GETITEM */
    HL_TN_CALL,    /* a: callee, b: arguments */
    HL_TN_FILTER,  /* a: value, def, value: name, b: arguments */
    HL_TN_TEST,    /* a: value, def, value: name, b: arguments */
    HL_TN_HOLE,    /* the text a filter block captured */
    /* arguments and parameters */
    HL_TN_KWARG,    /* sym, a */
    HL_TN_STAR,     /* a: *args */
    HL_TN_STARSTAR, /* a: **kwargs */
    HL_TN_PARAM,    /* sym, a: default or NULL */
} hl_tnk;

enum {
    HL_TN_USES_CALLER = 1,
    HL_TN_USES_VARARGS = 2,
    HL_TN_USES_KWARGS = 4,
    HL_TN_HAS_CALLER = 8, /* as a parameter */
    HL_TN_HAS_KWARGS = 16,
    HL_TN_HAS_VARARGS = 32
};

struct hl_tn {
    uint8_t        kind;  /* hl_tnk */
    uint8_t        op;    /* hl_top */
    uint8_t        flags; /* HL_TN_USES_ of a macro */
    uint32_t       line;
    hl_tn         *next; /* in a list */
    hl_tn         *a, *b, *c, *d, *e;
    hl_tv          value;
    const hl_tsym *sym;
    const hl_tdef *def; /* NULL: no such filter or test, an error when it is reached */
};

struct hl_template {
    hl_arena       arena;
    char          *text; /* [text_bytes] all that is the template's own: its source, and strings made of it */
    size_t         text_bytes;
    char          *literals; /* where the next such string goes; none is longer than what it is made of */
    hl_view        source;   /* newlines normalized; in `text` */
    hl_hash_keys   hash_keys;
    hl_tsym      **syms; /* [n_sym_slots] by hash, a power of two */
    size_t         n_syms, n_sym_slots;
    uint32_t       n_lists;
    uint64_t       n_steps; /* of parsing */
    hl_tn         *body;
    const hl_tsym *sym_loop, *sym_caller, *sym_varargs, *sym_kwargs;
};

/* Cut the source into tokens, the last of them EOF. owns: the caller frees *ret_tokens with hl_free(). */
HL_MUST_CHECK hl_status hl_tmpl_lex(hl_template *t, hl_ttoken **ret_tokens, size_t *ret_n, hl_err *err);
/* Make t->body out of the tokens. */
HL_MUST_CHECK hl_status hl_tmpl_parse_tokens(hl_template *t, const hl_ttoken *tokens, size_t n, hl_err *err);

/* One token or node more: now and then looks whether to stop. */
HL_MUST_CHECK hl_status hl_tmpl_step(hl_template *t, hl_err *err);

/* "line 3, column 7: ..." */
hl_status hl_tmpl_fail(const hl_template *t, uint32_t at, hl_err *err, const char *fmt, ...) HL_PRINTF(4, 5);

/* Add `more` to the string that begins at `begin` and ends at t->literals: nothing else was kept
 * meanwhile. */
hl_view hl_tmpl_keep(hl_template *t, const char *begin, hl_view more);

hl_tsym       *hl_tmpl_sym(hl_template *t, hl_view text);            /* NULL: no memory */
const hl_tsym *hl_tmpl_find_sym(const hl_template *t, hl_view text); /* NULL: the template has no such name */

#endif
