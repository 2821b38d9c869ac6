/* SPDX-License-Identifier: MIT
 *
 * tmpl_value.h - the values a template computes with: Python's, as far as templates can see them.
 *
 * A value is 16 bytes, copied freely, and never changes; what it points to lives in the arena of one
 * rendering, in the parsed template or in the caller's JSON. Only namespaces and the position of a
 * generator change in place, as they do in Python.
 */
#ifndef HL_TEMPLATE_TMPL_VALUE_H
#define HL_TEMPLATE_TMPL_VALUE_H

#include "hyperlama/base.h"

typedef struct hl_tmpl_run     hl_tmpl_run; /* one rendering, tmpl_run.h */
typedef struct hl_tmpl_seq     hl_tmpl_seq;
typedef struct hl_tmpl_dict    hl_tmpl_dict;
typedef struct hl_tmpl_macro   hl_tmpl_macro;
typedef struct hl_tmpl_bound   hl_tmpl_bound;
typedef struct hl_tmpl_loop    hl_tmpl_loop;
typedef struct hl_tmpl_builtin hl_tmpl_builtin;
typedef struct hl_tmpl_big     hl_tmpl_big;

typedef enum hl_tmpl_value_kind {
    HL_TMPL_VALUE_MISSING, /* an argument that was not given; templates never see it */
    HL_TMPL_VALUE_UNDEFINED,
    HL_TMPL_VALUE_NONE,
    HL_TMPL_VALUE_BOOL,
    HL_TMPL_VALUE_INT,
    HL_TMPL_VALUE_BIG, /* an integer that does not fit 64 bits (tmpl_int.h) */
    HL_TMPL_VALUE_FLOAT,
    HL_TMPL_VALUE_STR,
    HL_TMPL_VALUE_LIST,
    HL_TMPL_VALUE_TUPLE,
    HL_TMPL_VALUE_RANGE,
    HL_TMPL_VALUE_VIEW, /* dict.keys(), .values(), .items() */
    HL_TMPL_VALUE_GEN,  /* what map, select and friends give: to be walked once, no length */
    HL_TMPL_VALUE_DICT,
    HL_TMPL_VALUE_NAMESPACE,
    HL_TMPL_VALUE_MACRO,
    HL_TMPL_VALUE_BUILTIN, /* range, raise_exception ... */
    HL_TMPL_VALUE_METHOD,  /* a method bound to its value */
    HL_TMPL_VALUE_LOOP,
    HL_TMPL_VALUE_CYCLER,
    HL_TMPL_VALUE_JOINER,
    HL_TMPL_VALUE_SELF,  /* the template: self.name() gives a block */
    HL_TMPL_VALUE_BLOCK, /* self.name */
} hl_tmpl_value_kind;

enum {
    HL_TMPL_FLAG_MARKUP = 1, /* string: came through |safe, escapes what is added to it */
    HL_TMPL_FLAG_ASCII = 2,  /* string: known to hold only ASCII */
    HL_TMPL_FLAG_UNSAFE = 4, /* undefined: an attribute that the sandbox refuses */
    HL_TMPL_FLAG_GROUP = 8,  /* tuple: made by groupby, has .grouper and .list */
    HL_TMPL_FLAG_OUTSIDE =
        16, /* number, bool, none or container: came from outside or was computed from such a one;
                         * of strings the place of each byte tells (hl_tmpl_run_origin) */
};

typedef struct hl_tmpl_value {
    uint8_t  kind;  /* hl_tmpl_value_kind */
    uint8_t  flags; /* HL_TMPL_FLAG_ */
    uint32_t len;   /* bytes of a string, or of an undefined's name */
    union {
        bool                       b;
        int64_t                    i;
        double                     f;
        const char                *s; /* not terminated */
        hl_tmpl_seq               *seq;
        hl_tmpl_dict              *dict; /* DICT and NAMESPACE */
        hl_tmpl_macro             *macro;
        hl_tmpl_bound             *bound;
        hl_tmpl_loop              *loop;
        const hl_tmpl_builtin     *def;
        const hl_tmpl_big         *big;
        const struct hl_tmpl_node *node;
    } u;
} hl_tmpl_value;

struct hl_tmpl_seq {
    struct hl_tmpl_pending *pending; /* generator: the filter that is still to be asked for its items */
    hl_tmpl_value          *items;   /* NULL for a range */
    size_t                  n, cap;  /* cap: 0 when the items are not to grow */
    size_t                  i_next;  /* generator, joiner, cycler: what was handed out already; range: stop */
    int64_t                 start, step; /* range */
    char                    view;        /* 'k' 'v' 'i' */
    uint8_t                 flags;       /* of a range's numbers */
};

typedef struct hl_tmpl_entry {
    hl_tmpl_value key, value;
} hl_tmpl_entry;

typedef struct hl_tmpl_slot {
    uint32_t hash, place; /* place + 1 of an entry; 0: free */
} hl_tmpl_slot;

struct hl_tmpl_dict {
    hl_tmpl_entry *entries; /* in the order of insertion */
    size_t         n, cap;
    hl_tmpl_slot  *slots; /* [n_slots] by hash; none before a search among more than a few */
    size_t         n_slots;
};

struct hl_tmpl_bound {
    hl_tmpl_value          self;
    const hl_tmpl_builtin *def;
};

static inline hl_tmpl_value hl_tmpl_undefined(hl_view name) {
    return (hl_tmpl_value){.kind = HL_TMPL_VALUE_UNDEFINED, .len = (uint32_t)name.len, .u.s = name.ptr};
}
static inline hl_tmpl_value hl_tmpl_none(void) { return (hl_tmpl_value){.kind = HL_TMPL_VALUE_NONE}; }
static inline hl_tmpl_value hl_tmpl_bool(bool b) {
    return (hl_tmpl_value){.kind = HL_TMPL_VALUE_BOOL, .u.b = b};
}
static inline hl_tmpl_value hl_tmpl_int(int64_t i) {
    return (hl_tmpl_value){.kind = HL_TMPL_VALUE_INT, .u.i = i};
}
static inline hl_tmpl_value hl_tmpl_float(double f) {
    return (hl_tmpl_value){.kind = HL_TMPL_VALUE_FLOAT, .u.f = f};
}
/* `v`, which was made of what has these flags. */
static inline hl_tmpl_value hl_tmpl_made_of(hl_tmpl_value v, unsigned flags) {
    v.flags |= (uint8_t)(flags & HL_TMPL_FLAG_OUTSIDE);
    return v;
}
static inline hl_tmpl_value hl_tmpl_str(hl_view v) {
    return (hl_tmpl_value){.kind = HL_TMPL_VALUE_STR, .len = (uint32_t)v.len, .u.s = v.ptr};
}
static inline hl_view hl_tmpl_view(hl_tmpl_value v) { return (hl_view){v.u.s, v.len}; }
static inline bool    hl_tmpl_is_outside(hl_tmpl_value v) {
       return v.flags & HL_TMPL_FLAG_OUTSIDE;
} /* not of strings */
static inline bool hl_tmpl_is_str(hl_tmpl_value v) { return v.kind == HL_TMPL_VALUE_STR; }
static inline bool hl_tmpl_is_int(hl_tmpl_value v) { /* of 64 bits */
    return v.kind == HL_TMPL_VALUE_INT || v.kind == HL_TMPL_VALUE_BOOL;
}
static inline bool hl_tmpl_is_integer(hl_tmpl_value v) {
    return hl_tmpl_is_int(v) || v.kind == HL_TMPL_VALUE_BIG;
}
static inline bool hl_tmpl_is_number(hl_tmpl_value v) {
    return hl_tmpl_is_integer(v) || v.kind == HL_TMPL_VALUE_FLOAT;
}
static inline int64_t hl_tmpl_as_int(hl_tmpl_value v) { return v.kind == HL_TMPL_VALUE_BOOL ? v.u.b : v.u.i; }
/* Has items in an order: list, tuple, range, view, generator. */
static inline bool hl_tmpl_is_seq(hl_tmpl_value v) {
    return v.kind >= HL_TMPL_VALUE_LIST && v.kind <= HL_TMPL_VALUE_GEN;
}

bool        hl_tmpl_truth(hl_tmpl_value v);
const char *hl_tmpl_type_name(hl_tmpl_value v); /* Python's: "str", "NoneType" */

/* All below return false after the rendering has recorded an error. */
bool hl_tmpl_equal(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, bool *ret);
bool hl_tmpl_compare(hl_tmpl_run *r, const char *op, hl_tmpl_value a, hl_tmpl_value b,
                     int *ret); /* <0 0 >0; 2 unordered (NaN) */
bool hl_tmpl_contains(hl_tmpl_run *r, hl_tmpl_value item, hl_tmpl_value in, bool *ret);
bool hl_tmpl_length(hl_tmpl_run *r, hl_tmpl_value v, size_t *ret);

/* Walking anything that can be iterated: strings by character, dicts by key. */
typedef struct hl_tmpl_iter {
    hl_tmpl_value of;
    size_t        i, n;   /* n: items, or bytes of a string */
    bool          is_gen; /* takes the items out of the generator */
} hl_tmpl_iter;

bool          hl_tmpl_iter_init(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_iter *ret_it);
bool          hl_tmpl_iter_next(hl_tmpl_iter *it, hl_tmpl_value *ret); /* false at the end; cannot fail */
bool          hl_tmpl_can_iterate(hl_tmpl_value v);
bool          hl_tmpl_to_items(hl_tmpl_run *r, hl_tmpl_value v, hl_tmpl_value **ret_items,
                               size_t *ret_n); /* a list's own items, or a copy */
hl_tmpl_value hl_tmpl_seq_at(const hl_tmpl_seq *s, size_t i);

bool           hl_tmpl_new_seq(hl_tmpl_run *r, hl_tmpl_value_kind kind, size_t n,
                               hl_tmpl_value *ret); /* items to be filled by the caller */
bool           hl_tmpl_new_list(hl_tmpl_run *r, hl_tmpl_value_kind kind,
                                hl_tmpl_value *ret); /* empty, for hl_tmpl_append */
bool           hl_tmpl_append(hl_tmpl_run *r, hl_tmpl_value list, hl_tmpl_value item);
bool           hl_tmpl_new_pair(hl_tmpl_run *r, hl_tmpl_value a, hl_tmpl_value b, hl_tmpl_value *ret);
bool           hl_tmpl_new_dict(hl_tmpl_run *r, hl_tmpl_value_kind kind, size_t cap, hl_tmpl_value *ret);
bool           hl_tmpl_dict_find(hl_tmpl_run *r, hl_tmpl_dict *d, hl_tmpl_value key,
                                 hl_tmpl_value **ret_value); /* NULL when absent */
hl_tmpl_value *hl_tmpl_dict_find_text(hl_tmpl_run *r, hl_tmpl_dict *d, hl_view key);
bool           hl_tmpl_check_hashable(hl_tmpl_run  *r,
                                      hl_tmpl_value key); /* lists, dicts and tuples with such are no keys */
bool           hl_tmpl_is_hashable(hl_tmpl_value key);
bool           hl_tmpl_dict_put(hl_tmpl_run *r, hl_tmpl_dict *d, hl_tmpl_value key, hl_tmpl_value value);
bool           hl_tmpl_view_of(hl_tmpl_run *r, const hl_tmpl_dict *d, char view, hl_tmpl_value *ret);

#endif
