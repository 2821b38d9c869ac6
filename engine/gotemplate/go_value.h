/* SPDX-License-Identifier: MIT
 *
 * go_value.h - the values a Go template computes with: Go's own, as far as templates can tell them apart.
 *
 * A value carries its Go type, since templates see it: in comparisons, in fields and methods, in what %T and
 * %v print. Values are copied freely and never change; what they point to lives in the arena of one rendering
 * or of the parsed template, or in the caller's JSON.
 *
 * Every value knows whether it came from outside (`is_outside`); of a string that was put together, `spans`
 * says which bytes did.
 */
#ifndef HL_GOTEMPLATE_GO_VALUE_H
#define HL_GOTEMPLATE_GO_VALUE_H

#include "core/base/taint.h"

typedef enum hl_go_kind {
    HL_GO_INVALID, /* no value at all: prints as <no value> */
    HL_GO_NIL,     /* an interface that holds nothing: JSON's null, or a key that is not there */
    HL_GO_BOOL,
    HL_GO_INT,
    HL_GO_UINT8, /* a byte of a string */
    HL_GO_FLOAT,
    HL_GO_COMPLEX,
    HL_GO_STRING,
    HL_GO_SLICE,
    HL_GO_MAP, /* keys are strings */
    HL_GO_STRUCT,
    HL_GO_POINTER,
    HL_GO_SEQ, /* a function that walks a map in the order of the request; only `range` takes it */
} hl_go_kind;

typedef struct hl_go_type hl_go_type;

typedef struct hl_go_field {
    const char       *name, *json_name;
    bool              omit_empty; /* left out of JSON when empty */
    const hl_go_type *type;       /* NULL: any */
} hl_go_field;

enum {                         /* methods of a type, hl_go_type.methods */
       HL_GO_M_STRING = 1,     /* String(): what printing it gives */
       HL_GO_M_TYPESCRIPT = 2, /* ToTypeScriptType() */
       HL_GO_M_ORDERED = 4,    /* Len(), All(), ToMap() of an ordered map */
};

struct hl_go_type {
    const char        *name; /* as %T writes it */
    hl_go_kind         kind;
    unsigned           methods;
    const hl_go_type  *elem; /* of slices, maps and pointers; NULL: any */
    const hl_go_field *fields;
    size_t             n_fields;
};

typedef struct hl_go_string {
    const char    *ptr; /* not terminated */
    size_t         len;
    const hl_span *spans; /* [n_spans] what came from outside, unless the value says it all did */
    size_t         n_spans;
} hl_go_string;

typedef struct hl_go_complex {
    double re, im;
} hl_go_complex;

typedef struct hl_go_list  hl_go_list;
typedef struct hl_go_map   hl_go_map;
typedef struct hl_go_value hl_go_value;

struct hl_go_value {
    const hl_go_type *type; /* NULL: invalid */
    bool              is_outside;
    const hl_view    *digits; /* a float that JSON wrote with more digits than it holds; NULL otherwise */
    union {
        bool                 b;
        int64_t              i; /* INT and UINT8 */
        double               f;
        const hl_go_complex *c;
        const hl_go_string  *s;
        const hl_go_list    *list;   /* NULL: a nil slice */
        const hl_go_map     *map;    /* NULL: a nil map; of a SEQ too */
        const hl_go_value   *fields; /* of a struct, [type->n_fields] */
        const hl_go_value   *to;     /* of a pointer; NULL: nil */
    } u;
};

struct hl_go_list {
    size_t             n;
    const hl_go_value *items;
};

typedef struct hl_go_entry {
    hl_view     key;
    size_t      i_given; /* place in the request, from 0 */
    hl_go_value value;
} hl_go_entry;

struct hl_go_map {
    size_t             n;
    const hl_go_entry *entries; /* sorted by key */
};

/* go_types.c: the types that need a name elsewhere. */
extern const hl_go_type hl_go_type_nil, hl_go_type_bool, hl_go_type_int, hl_go_type_uint8, hl_go_type_float,
    hl_go_type_complex, hl_go_type_string, hl_go_type_any_slice, hl_go_type_any_map, hl_go_type_strings;
extern const hl_go_type hl_go_type_messages, hl_go_type_message_pointer, hl_go_type_message,
    hl_go_type_images, hl_go_type_image, hl_go_type_calls, hl_go_type_call, hl_go_type_call_function,
    hl_go_type_call_arguments;
extern const hl_go_type hl_go_type_tools, hl_go_type_tool, hl_go_type_tool_function,
    hl_go_type_tool_parameters, hl_go_type_tool_properties, hl_go_type_property, hl_go_type_property_slice,
    hl_go_type_property_type, hl_go_type_ordered_pointer, hl_go_type_ordered, hl_go_type_property_map,
    hl_go_type_property_seq;

static inline hl_go_kind hl_go_kind_of(hl_go_value v) { return v.type ? v.type->kind : HL_GO_INVALID; }

static inline hl_go_value hl_go_invalid(void) { return (hl_go_value){0}; }
static inline hl_go_value hl_go_nil(void) { return (hl_go_value){.type = &hl_go_type_nil}; }
static inline hl_go_value hl_go_bool(bool b) { return (hl_go_value){.type = &hl_go_type_bool, .u.b = b}; }
static inline hl_go_value hl_go_int(int64_t i) { return (hl_go_value){.type = &hl_go_type_int, .u.i = i}; }

/* An interface that holds nothing is no value, wherever Go looks through interfaces. */
static inline hl_go_value hl_go_through(hl_go_value v) {
    return hl_go_kind_of(v) == HL_GO_NIL ? hl_go_invalid() : v;
}

bool               hl_go_truth(hl_go_value v);
bool               hl_go_is_nil(hl_go_value v); /* no value, or the nil of its type */
size_t             hl_go_len(hl_go_value v);    /* of strings, slices and maps */
hl_view            hl_go_view(hl_go_value v);   /* of a string */
const hl_go_value *hl_go_map_find(const hl_go_map *m, hl_view key);
bool               hl_go_string_is_outside(hl_go_value s, size_t begin, size_t end);
/* What a value of this type is before anything is put into it; `any` (NULL) gives nil. */
hl_go_value hl_go_zero(const hl_go_type *type);

#endif
