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

typedef enum hl_tmpl_token_kind {
    HL_TMPL_TOKEN_EOF,
    HL_TMPL_TOKEN_DATA,
    HL_TMPL_TOKEN_VAR_BEGIN,
    HL_TMPL_TOKEN_VAR_END,
    HL_TMPL_TOKEN_BLOCK_BEGIN,
    HL_TMPL_TOKEN_BLOCK_END,
    HL_TMPL_TOKEN_NAME,
    HL_TMPL_TOKEN_STRING,
    HL_TMPL_TOKEN_INT,
    HL_TMPL_TOKEN_FLOAT,
    HL_TMPL_TOKEN_OP, /* op holds one or two characters: '+', '=' << 8 | '=' */
} hl_tmpl_token_kind;

typedef struct hl_tmpl_token {
    uint8_t       kind; /* hl_tmpl_token_kind */
    uint16_t      op;
    uint32_t      line; /* from 1 */
    uint32_t      at;   /* byte in the source, for the column of an error */
    hl_view       text;
    hl_tmpl_value number; /* INT, FLOAT */
} hl_tmpl_token;

#define HL_TMPL_OP2(a, b) ((uint16_t)((unsigned char)(a) << 8 | (unsigned char)(b)))

typedef struct hl_tmpl_node hl_tmpl_node;

/* A name of the template, one object per spelling: compared by address. */
typedef struct hl_tmpl_symbol {
    hl_view       text; /* not terminated */
    uint32_t      hash;
    uint32_t      i_list; /* the last list of names that has it, while parsing: none comes twice */
    hl_tmpl_node *block;  /* {% block NAME %} */
} hl_tmpl_symbol;

typedef enum hl_tmpl_op {
    HL_TMPL_OP_ADD,
    HL_TMPL_OP_SUB,
    HL_TMPL_OP_MUL,
    HL_TMPL_OP_DIV,
    HL_TMPL_OP_FLOORDIV,
    HL_TMPL_OP_MOD,
    HL_TMPL_OP_POW,
    HL_TMPL_OP_EQ,
    HL_TMPL_OP_NE,
    HL_TMPL_OP_LT,
    HL_TMPL_OP_LE,
    HL_TMPL_OP_GT,
    HL_TMPL_OP_GE,
    HL_TMPL_OP_IN,
    HL_TMPL_OP_NOT_IN,
} hl_tmpl_op;

/* What the children of each kind are: */
typedef enum hl_tmpl_node_kind {
    /* statements, linked by `next` */
    HL_TMPL_NODE_DATA,  /* value: the text */
    HL_TMPL_NODE_PRINT, /* a: expressions */
    HL_TMPL_NODE_IF,    /* a: test, b: body, c: else body */
    HL_TMPL_NODE_FOR,   /* a: target, b: iterable, c: test or NULL, d: body, e: else body; op: recursive */
    HL_TMPL_NODE_SET,   /* a: target, b: value */
    HL_TMPL_NODE_SET_BLOCK,    /* a: target, b: filters over a hole or NULL, d: body */
    HL_TMPL_NODE_MACRO,        /* sym: name, a: parameters (PARAM), d: body */
    HL_TMPL_NODE_CALL_BLOCK,   /* b: the call, a: parameters, d: body */
    HL_TMPL_NODE_FILTER_BLOCK, /* b: filters over a hole, d: body */
    HL_TMPL_NODE_WITH,         /* a: targets, b: values, d: body */
    HL_TMPL_NODE_SCOPE,        /* d: body with names of its own; op: sees the outermost names only */
    HL_TMPL_NODE_BREAK,
    HL_TMPL_NODE_CONTINUE,
    /* expressions */
    HL_TMPL_NODE_CONST,   /* value */
    HL_TMPL_NODE_NAME,    /* sym */
    HL_TMPL_NODE_NSREF,   /* sym: namespace, value: attribute; only as a target */
    HL_TMPL_NODE_LIST,    /* a: items */
    HL_TMPL_NODE_TUPLE,   /* a: items */
    HL_TMPL_NODE_DICT,    /* a: key, value, key, value ... */
    HL_TMPL_NODE_AND,     /* a, b */
    HL_TMPL_NODE_OR,      /* a, b */
    HL_TMPL_NODE_NOT,     /* a */
    HL_TMPL_NODE_NEG,     /* a */
    HL_TMPL_NODE_POS,     /* a */
    HL_TMPL_NODE_BINARY,  /* op, a, b */
    HL_TMPL_NODE_COMPARE, /* a, b: list of OPERAND */
    HL_TMPL_NODE_OPERAND, /* op, a */
    HL_TMPL_NODE_CONCAT,  /* a: parts */
    HL_TMPL_NODE_COND,    /* a: test, b: if true, c: else or NULL */
    HL_TMPL_NODE_GETATTR, /* a, value: name */
    HL_TMPL_NODE_GETITEM, /* a, b */
    HL_TMPL_NODE_SLICE,   /* a: start, b: stop, c: step, each or NULL; only below GETITEM */
    HL_TMPL_NODE_CALL,    /* a: callee, b: arguments */
    HL_TMPL_NODE_FILTER,  /* a: value, def, value: name, b: arguments */
    HL_TMPL_NODE_TEST,    /* a: value, def, value: name, b: arguments */
    HL_TMPL_NODE_HOLE,    /* the text a filter block captured */
    /* arguments and parameters */
    HL_TMPL_NODE_KWARG,    /* sym, a */
    HL_TMPL_NODE_STAR,     /* a: *args */
    HL_TMPL_NODE_STARSTAR, /* a: **kwargs */
    HL_TMPL_NODE_PARAM,    /* sym, a: default or NULL */
} hl_tmpl_node_kind;

enum {
    HL_TMPL_NODE_USES_CALLER = 1,
    HL_TMPL_NODE_USES_VARARGS = 2,
    HL_TMPL_NODE_USES_KWARGS = 4,
    HL_TMPL_NODE_HAS_CALLER = 8, /* as a parameter */
    HL_TMPL_NODE_HAS_KWARGS = 16,
    HL_TMPL_NODE_HAS_VARARGS = 32
};

struct hl_tmpl_node {
    uint8_t                kind;  /* hl_tmpl_node_kind */
    uint8_t                op;    /* hl_tmpl_op */
    uint8_t                flags; /* HL_TMPL_NODE_USES_ of a macro */
    uint32_t               line;
    hl_tmpl_node          *next; /* in a list */
    hl_tmpl_node          *a, *b, *c, *d, *e;
    hl_tmpl_value          value;
    const hl_tmpl_symbol  *sym;
    const hl_tmpl_builtin *def; /* NULL: no such filter or test, an error when it is reached */
};

struct hl_template {
    hl_arena     arena;
    char        *text; /* [text_bytes] all that is the template's own: its source, and strings made of it */
    size_t       text_bytes;
    char        *literals; /* where the next such string goes; none is longer than what it is made of */
    hl_view      source;   /* newlines normalized; in `text` */
    hl_hash_keys hash_keys;
    hl_tmpl_symbol      **syms; /* [n_sym_slots] by hash, a power of two */
    size_t                n_syms, n_sym_slots;
    uint32_t              n_lists;
    uint64_t              n_steps; /* of parsing */
    hl_tmpl_node         *body;
    const hl_tmpl_symbol *sym_loop, *sym_caller, *sym_varargs, *sym_kwargs;
};

/* Cut the source into tokens, the last of them EOF. owns: the caller frees *ret_tokens with hl_free(). */
HL_MUST_CHECK hl_status hl_tmpl_lex(hl_template *t, hl_tmpl_token **ret_tokens, size_t *ret_n, hl_err *err);
/* Make t->body out of the tokens. */
HL_MUST_CHECK hl_status hl_tmpl_parse_tokens(hl_template *t, const hl_tmpl_token *tokens, size_t n,
                                             hl_err *err);

/* One token or node more: now and then looks whether to stop. */
HL_MUST_CHECK hl_status hl_tmpl_step(hl_template *t, hl_err *err);

/* "line 3, column 7: ..." */
hl_status hl_tmpl_fail(const hl_template *t, uint32_t at, hl_err *err, const char *fmt, ...) HL_PRINTF(4, 5);

/* Add `more` to the string that begins at `begin` and ends at t->literals: nothing else was kept
 * meanwhile. */
hl_view hl_tmpl_keep(hl_template *t, const char *begin, hl_view more);

hl_tmpl_symbol       *hl_tmpl_sym(hl_template *t, hl_view text); /* NULL: no memory */
const hl_tmpl_symbol *hl_tmpl_find_sym(const hl_template *t,
                                       hl_view            text); /* NULL: the template has no such name */

#endif
