/* SPDX-License-Identifier: MIT
 *
 * go_run.h - the state of one rendering of a Go template, and what every part of the interpreter asks of it.
 *
 * Everything a rendering makes lives in one arena with a limit. Text under construction is on a stack
 * (`scratch`): begin remembers its height, end takes the text above it away. Functions return false once an
 * error is recorded; the first one stays.
 */
#ifndef HL_GOTEMPLATE_GO_RUN_H
#define HL_GOTEMPLATE_GO_RUN_H

#include "engine/gotemplate/go_ast.h"

enum {
    HL_GO_MAX_ARENA_BYTES = 64 << 20,
    HL_GO_MAX_STEPS = 20000000, /* about a second; a chat of 20 messages takes some thousand */
    HL_GO_MAX_DEPTH = 400,      /* of branches, pipelines, templates and values inside one another */
    HL_GO_MAX_WIDTH = 1000000,  /* of a printf, as in Go */
    HL_GO_NUMBER_MARK = 0xFF, /* before the digits of a number that json_t does not hold, as in template.h */
};

typedef struct hl_go_var {
    hl_view     name;
    hl_go_value value;
} hl_go_var;

typedef struct hl_go_run {
    const hl_gotemplate *t;
    hl_arena             arena;
    hl_tainted          *out;
    hl_tainted           scratch;
    hl_go_var           *vars; /* [n_vars] a stack; of one template those from vars_from on are visible */
    size_t               n_vars, vars_cap, vars_from;
    json_t              *parsed; /* array of JSON that was text in the request; NULL: none */
    int64_t              now_ms;
    uint64_t             n_steps;
    int                  depth;
    uint32_t             at; /* of what is being evaluated, for errors */
    hl_status            status;
    hl_err              *err;
} hl_go_run;

/* Errors: record and return false. */
bool hl_go_fail(hl_go_run *r, const char *fmt, ...) HL_PRINTF(2, 3);
bool hl_go_fail_limit(hl_go_run *r, const char *what);
bool hl_go_fail_memory(hl_go_run *r);

void              *hl_go_get(hl_go_run *r, size_t n, size_t size); /* zeroed; NULL with the error recorded */
bool               hl_go_steps(hl_go_run *r, uint64_t n);
bool               hl_go_enter(hl_go_run *r); /* one level deeper; hl_go_leave only after success */
static inline void hl_go_leave(hl_go_run *r) { r->depth--; }

/* Text. A piece of a string goes out with what is known of its bytes. */
static inline size_t hl_go_begin(hl_go_run *r) { return r->scratch.text.len; }
bool                 hl_go_end(hl_go_run *r, size_t mark, hl_go_value *ret); /* the string since begin */
void                 hl_go_cut(hl_tainted *t, size_t len);
bool                 hl_go_check_text(hl_go_run *r, const hl_tainted *t); /* record when it failed to grow */
bool                 hl_go_add_piece(hl_go_run *r, hl_tainted *to, hl_go_value s, size_t begin, size_t end);
bool hl_go_new_string(hl_go_run *r, hl_view text, bool is_outside, hl_go_value *ret); /* text is borrowed */

/* go_exec.c: run a list of statements with `dot`. */
bool hl_go_exec(hl_go_run *r, const hl_go_node *first, hl_go_value dot);

/* go_eval.c */
bool hl_go_eval_pipe(hl_go_run *r, const hl_go_node *pipe, hl_go_value dot, hl_go_value *ret);
bool hl_go_push_var(hl_go_run *r, hl_view name, hl_go_value value);
bool hl_go_set_var(hl_go_run *r, hl_view name, hl_go_value value);

/* go_print.c: as fmt.Print and fmt.Sprintf do. */
bool hl_go_print_action(hl_go_run *r, hl_tainted *to, hl_go_value v);              /* what an action gives */
bool hl_go_print(hl_go_run *r, hl_tainted *to, const hl_go_value *args, size_t n); /* print */
bool hl_go_print_line(hl_go_run *r, hl_tainted *to, const hl_go_value *args, size_t n);
bool hl_go_printf(hl_go_run *r, hl_tainted *to, hl_go_value format, const hl_go_value *args, size_t n);

/* go_json.c */
bool hl_go_from_json(hl_go_run *r, const json_t *j, hl_go_value *ret);
bool hl_go_map_from_json(hl_go_run *r, const json_t *j, const hl_go_type *type, hl_go_value *ret);
bool hl_go_new_map(hl_go_run *r, const hl_go_type *type, hl_go_entry *entries, size_t n, hl_go_value *ret);
bool hl_go_write_json(hl_go_run *r, hl_tainted *to, hl_go_value v);
bool hl_go_call_string(hl_go_run *r, hl_go_value v, hl_go_value *ret); /* String() of a type that has it */

/* go_compare.c: -1 0 1 for less, equal, greater as `lt` and `eq` see it. */
bool hl_go_equal(hl_go_run *r, hl_go_value a, hl_go_value b, bool *ret);
bool hl_go_less(hl_go_run *r, hl_go_value a, hl_go_value b, bool *ret);

/* go_env.c: what Ollama's templates see of messages and tools. */
typedef struct hl_go_env {
    hl_go_value        system; /* all system texts */
    hl_go_value        messages;
    hl_go_value        tools;
    const hl_go_value *list; /* [n] the messages again, as structs */
    size_t             n;
} hl_go_env;
bool        hl_go_env_make(hl_go_run *r, const json_t *messages, const json_t *tools, hl_go_env *ret);
hl_view     hl_go_message_role(hl_go_value message);
hl_go_value hl_go_message_content(hl_go_value message);
bool        hl_go_typescript_type(hl_go_run *r, hl_tainted *to, hl_go_value property);

#endif
