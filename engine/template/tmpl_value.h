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

typedef struct hl_trun   hl_trun; /* one rendering, tmpl_run.h */
typedef struct hl_tseq   hl_tseq;
typedef struct hl_tdict  hl_tdict;
typedef struct hl_tmacro hl_tmacro;
typedef struct hl_tbound hl_tbound;
typedef struct hl_tloop  hl_tloop;
typedef struct hl_tdef   hl_tdef;
typedef struct hl_tbig   hl_tbig;

typedef enum hl_tkind {
    HL_TK_MISSING, /* an argument that was not given; templates never see it */
    HL_TK_UNDEFINED,
    HL_TK_NONE,
    HL_TK_BOOL,
    HL_TK_INT,
    HL_TK_BIG, /* an integer that does not fit 64 bits (tmpl_int.h) */
    HL_TK_FLOAT,
    HL_TK_STR,
    HL_TK_LIST,
    HL_TK_TUPLE,
    HL_TK_RANGE,
    HL_TK_VIEW, /* dict.keys(), .values(), .items() */
    HL_TK_GEN,  /* what map, select and friends give: to be walked once, no length */
    HL_TK_DICT,
    HL_TK_NAMESPACE,
    HL_TK_MACRO,
    HL_TK_BUILTIN, /* range, raise_exception ... */
    HL_TK_METHOD,  /* a method bound to its value */
    HL_TK_LOOP,
    HL_TK_CYCLER,
    HL_TK_JOINER,
    HL_TK_SELF,  /* the template: self.name() gives a block */
    HL_TK_BLOCK, /* self.name */
} hl_tkind;

enum {
    HL_TF_MARKUP = 1,   /* string: came through |safe, escapes what is added to it */
    HL_TF_ASCII = 2,    /* string: known to hold only ASCII */
    HL_TF_UNSAFE = 4,   /* undefined: an attribute that the sandbox refuses */
    HL_TF_GROUP = 8,    /* tuple: made by groupby, has .grouper and .list */
    HL_TF_OUTSIDE = 16, /* number, bool, none or container: came from outside or was computed from such a one;
                         * of strings the place of each byte tells (hl_trun_origin) */
};

typedef struct hl_tv {
    uint8_t  kind;  /* hl_tkind */
    uint8_t  flags; /* HL_TF_ */
    uint32_t len;   /* bytes of a string, or of an undefined's name */
    union {
        bool                b;
        int64_t             i;
        double              f;
        const char         *s; /* not terminated */
        hl_tseq            *seq;
        hl_tdict           *dict; /* DICT and NAMESPACE */
        hl_tmacro          *macro;
        hl_tbound          *bound;
        hl_tloop           *loop;
        const hl_tdef      *def;
        const hl_tbig      *big;
        const struct hl_tn *node;
    } u;
} hl_tv;

struct hl_tseq {
    struct hl_tpending *pending;     /* generator: the filter that is still to be asked for its items */
    hl_tv              *items;       /* NULL for a range */
    size_t              n, cap;      /* cap: 0 when the items are not to grow */
    size_t              i_next;      /* generator, joiner, cycler: what was handed out already; range: stop */
    int64_t             start, step; /* range */
    char                view;        /* 'k' 'v' 'i' */
    uint8_t             flags;       /* of a range's numbers */
};

typedef struct hl_tentry {
    hl_tv key, value;
} hl_tentry;

typedef struct hl_tslot {
    uint32_t hash, place; /* place + 1 of an entry; 0: free */
} hl_tslot;

struct hl_tdict {
    hl_tentry *entries; /* in the order of insertion */
    size_t     n, cap;
    hl_tslot  *slots; /* [n_slots] by hash; none before a search among more than a few */
    size_t     n_slots;
};

struct hl_tbound {
    hl_tv          self;
    const hl_tdef *def;
};

static inline hl_tv hl_tv_undefined(hl_view name) {
    return (hl_tv){.kind = HL_TK_UNDEFINED, .len = (uint32_t)name.len, .u.s = name.ptr};
}
static inline hl_tv hl_tv_none(void) { return (hl_tv){.kind = HL_TK_NONE}; }
static inline hl_tv hl_tv_bool(bool b) { return (hl_tv){.kind = HL_TK_BOOL, .u.b = b}; }
static inline hl_tv hl_tv_int(int64_t i) { return (hl_tv){.kind = HL_TK_INT, .u.i = i}; }
static inline hl_tv hl_tv_float(double f) { return (hl_tv){.kind = HL_TK_FLOAT, .u.f = f}; }
/* `v`, which was made of what has these flags. */
static inline hl_tv hl_tv_made_of(hl_tv v, unsigned flags) {
    v.flags |= (uint8_t)(flags & HL_TF_OUTSIDE);
    return v;
}
static inline hl_tv hl_tv_str(hl_view v) {
    return (hl_tv){.kind = HL_TK_STR, .len = (uint32_t)v.len, .u.s = v.ptr};
}
static inline hl_view hl_tv_view(hl_tv v) { return (hl_view){v.u.s, v.len}; }
static inline bool    hl_tv_is_outside(hl_tv v) { return v.flags & HL_TF_OUTSIDE; } /* not of strings */
static inline bool    hl_tv_is_str(hl_tv v) { return v.kind == HL_TK_STR; }
static inline bool    hl_tv_is_int(hl_tv v) { /* of 64 bits */
    return v.kind == HL_TK_INT || v.kind == HL_TK_BOOL;
}
static inline bool    hl_tv_is_integer(hl_tv v) { return hl_tv_is_int(v) || v.kind == HL_TK_BIG; }
static inline bool    hl_tv_is_number(hl_tv v) { return hl_tv_is_integer(v) || v.kind == HL_TK_FLOAT; }
static inline int64_t hl_tv_as_int(hl_tv v) { return v.kind == HL_TK_BOOL ? v.u.b : v.u.i; }
/* Has items in an order: list, tuple, range, view, generator. */
static inline bool hl_tv_is_seq(hl_tv v) { return v.kind >= HL_TK_LIST && v.kind <= HL_TK_GEN; }

bool        hl_tv_truth(hl_tv v);
const char *hl_tv_type_name(hl_tv v); /* Python's: "str", "NoneType" */

/* All below return false after the rendering has recorded an error. */
bool hl_tv_equal(hl_trun *r, hl_tv a, hl_tv b, bool *ret);
bool hl_tv_compare(hl_trun *r, const char *op, hl_tv a, hl_tv b, int *ret); /* <0 0 >0; 2 unordered (NaN) */
bool hl_tv_contains(hl_trun *r, hl_tv item, hl_tv in, bool *ret);
bool hl_tv_length(hl_trun *r, hl_tv v, size_t *ret);

/* Walking anything that can be iterated: strings by character, dicts by key. */
typedef struct hl_titer {
    hl_tv  of;
    size_t i, n;   /* n: items, or bytes of a string */
    bool   is_gen; /* takes the items out of the generator */
} hl_titer;

bool  hl_titer_init(hl_trun *r, hl_tv v, hl_titer *ret_it);
bool  hl_titer_next(hl_titer *it, hl_tv *ret); /* false at the end; cannot fail */
bool  hl_tv_can_iterate(hl_tv v);
bool  hl_tv_to_items(hl_trun *r, hl_tv v, hl_tv **ret_items,
                     size_t *ret_n); /* a list's own items, or a copy */
hl_tv hl_tseq_at(const hl_tseq *s, size_t i);

bool   hl_tv_new_seq(hl_trun *r, hl_tkind kind, size_t n, hl_tv *ret); /* items to be filled by the caller */
bool   hl_tv_new_list(hl_trun *r, hl_tkind kind, hl_tv *ret);          /* empty, for hl_tv_append */
bool   hl_tv_append(hl_trun *r, hl_tv list, hl_tv item);
bool   hl_tv_new_pair(hl_trun *r, hl_tv a, hl_tv b, hl_tv *ret);
bool   hl_tv_new_dict(hl_trun *r, hl_tkind kind, size_t cap, hl_tv *ret);
bool   hl_tdict_find(hl_trun *r, hl_tdict *d, hl_tv key, hl_tv **ret_value); /* NULL when absent */
hl_tv *hl_tdict_find_text(hl_trun *r, hl_tdict *d, hl_view key);
bool   hl_tv_check_hashable(hl_trun *r, hl_tv key); /* lists, dicts and tuples with such are no keys */
bool   hl_tv_is_hashable(hl_tv key);
bool   hl_tdict_put(hl_trun *r, hl_tdict *d, hl_tv key, hl_tv value);
bool   hl_tv_view_of(hl_trun *r, const hl_tdict *d, char view, hl_tv *ret);

#endif
