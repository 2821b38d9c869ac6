/* SPDX-License-Identifier: MIT
 *
 * go_ast.h - tokens and syntax tree of a Go template, and the functions that make them.
 *
 * Nodes live in the template's arena and never change after parsing, so that any number of threads may render
 * at once.
 */
#ifndef HL_GOTEMPLATE_GO_AST_H
#define HL_GOTEMPLATE_GO_AST_H

#include "core/base/arena.h"
#include "engine/gotemplate/go_value.h"
#include "engine/gotemplate/gotemplate.h"

enum {
    HL_GO_MAX_SOURCE_BYTES = 4 << 20,
    HL_GO_MAX_TREE_BYTES = 256 << 20,
    HL_GO_MAX_NESTING = 200,
    HL_GO_MAX_NAMED = 500, /* templates; variables in sight: both are looked up one by one */
};

typedef enum hl_go_token_kind {
    HL_GO_TOK_EOF,
    HL_GO_TOK_TEXT,
    HL_GO_TOK_LEFT,  /* {{ */
    HL_GO_TOK_RIGHT, /* }} */
    HL_GO_TOK_SPACE,
    HL_GO_TOK_OPEN,
    HL_GO_TOK_CLOSE,
    HL_GO_TOK_PIPE,
    HL_GO_TOK_ASSIGN,
    HL_GO_TOK_DECLARE,
    HL_GO_TOK_COMMA,
    HL_GO_TOK_OTHER, /* a printable character that means nothing */
    HL_GO_TOK_DOT,
    HL_GO_TOK_FIELD,    /* .Name, text without the dot */
    HL_GO_TOK_VARIABLE, /* $name, text with the dollar */
    HL_GO_TOK_NUMBER,
    HL_GO_TOK_CHAR,   /* with its quotes, as the two below */
    HL_GO_TOK_STRING, /* "..." */
    HL_GO_TOK_RAW,    /* `...` */
    HL_GO_TOK_NAME,   /* a word; the keywords follow */
    HL_GO_TOK_BLOCK,
    HL_GO_TOK_BREAK,
    HL_GO_TOK_CONTINUE,
    HL_GO_TOK_DEFINE,
    HL_GO_TOK_ELSE,
    HL_GO_TOK_END,
    HL_GO_TOK_IF,
    HL_GO_TOK_NIL,
    HL_GO_TOK_RANGE,
    HL_GO_TOK_TEMPLATE,
    HL_GO_TOK_WITH,
} hl_go_token_kind;

typedef struct hl_go_token {
    hl_go_token_kind kind;
    uint32_t         at; /* byte in the source */
    hl_view          text;
} hl_go_token;

typedef enum hl_go_node_kind {
    HL_GO_N_TEXT,
    HL_GO_N_ACTION,
    HL_GO_N_IF,
    HL_GO_N_WITH,
    HL_GO_N_RANGE,
    HL_GO_N_TEMPLATE,
    HL_GO_N_BREAK,
    HL_GO_N_CONTINUE,
    HL_GO_N_PIPE,
    HL_GO_N_COMMAND,
    HL_GO_N_DOT,
    HL_GO_N_NIL,
    HL_GO_N_LITERAL,
    HL_GO_N_FIELD,    /* of dot */
    HL_GO_N_VARIABLE, /* perhaps with fields */
    HL_GO_N_CALL,     /* the name of a function */
    HL_GO_N_CHAIN,    /* (pipe).Field or function.Field */
} hl_go_node_kind;

typedef struct hl_go_func hl_go_func;
typedef struct hl_go_node hl_go_node;

struct hl_go_node {
    uint8_t        kind; /* hl_go_node_kind */
    uint8_t        n_vars;
    bool           is_assign;
    uint32_t       at;
    hl_go_node    *next;      /* the next statement, command or argument */
    hl_go_node    *pipe;      /* of an action, a branch, a template call, a chain (its head); NULL: none */
    hl_go_node    *first;     /* body of a branch, commands of a pipe, arguments of a command */
    hl_go_node    *otherwise; /* else of a branch */
    hl_view        text;      /* literal text, name of a template, of a variable or of a function */
    const hl_view *names; /* pipe: [n_vars] what it declares or assigns; else [n_names] fields, behind dots */
    size_t         n_names;
    const hl_go_value *literal;
    const hl_go_func  *func;
};

typedef struct hl_go_define {
    struct hl_go_define *next;
    hl_view              name;
    hl_go_node          *first;
} hl_go_define;

struct hl_gotemplate {
    hl_arena      arena;
    hl_view       source;
    hl_go_define *defines; /* the template itself has the empty name */
    hl_go_node   *root;
    hl_go_node   *last_turn;                  /* root up to the first .Response */
    bool          has_messages, has_response; /* mentions them */
};

/* Memory of the tree, zeroed; NULL with `err` set: HL_E_NOMEM, or HL_E_LIMIT where the tree is too large. */
void *hl_go_tree_get(hl_gotemplate *t, size_t n, size_t size, hl_err *err);

/* Record "template line L, column C: ..." for a byte of the source. Returns `status`. */
hl_status hl_go_fail_at(const hl_gotemplate *t, hl_status status, uint32_t at, hl_err *err, const char *fmt,
                        ...) HL_PRINTF(5, 6);

/* All tokens, ended by one of kind EOF; the caller frees *ret_tokens with hl_free(). */
HL_MUST_CHECK hl_status hl_go_lex(const hl_gotemplate *t, hl_go_token **ret_tokens, size_t *ret_n,
                                  hl_err *err);
/* Scan one number from `at` on; returns where it ends. */
size_t hl_go_lex_number(hl_view source, size_t at);

/* Fills t->defines and t->root. */
HL_MUST_CHECK hl_status hl_go_parse(hl_gotemplate *t, const hl_go_token *tokens, size_t n, hl_err *err);

/* go_literal.c: what a constant means; false when it is malformed.
 * in     to    room for quoted.len bytes
 *        room  for text.len + 1 bytes; c: where a complex number goes */
bool hl_go_read_string(hl_view quoted, char *to, hl_view *ret);
bool hl_go_read_char(hl_view quoted, int64_t *ret);
bool hl_go_read_number(hl_view text, char *room, hl_go_complex *c, hl_go_value *ret, const char **ret_why);

/* go_letters.c: Go's classes of characters. */
bool hl_go_is_space(uint32_t cp);
bool hl_go_is_word(uint32_t cp); /* letter, digit or underscore */
bool hl_go_is_printable(uint32_t cp);

#endif
