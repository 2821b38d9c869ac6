/* SPDX-License-Identifier: MIT
 *
 * go_compare.c - eq and lt: numbers with numbers of their kind, strings by bytes, anything with nil.
 */
#include <string.h>

#include "core/base/str.h"
#include "engine/gotemplate/go_run.h"

static const char *name_of(hl_go_value v) { return v.type ? v.type->name : "no value"; }

static bool is_basic(hl_go_kind k) { return k >= HL_GO_BOOL && k <= HL_GO_STRING; }
static bool is_integer(hl_go_kind k) { return k == HL_GO_INT || k == HL_GO_UINT8; }

static bool equal_basic(hl_go_value a, hl_go_value b) {
    switch (a.type->kind) {
    case HL_GO_BOOL: return a.u.b == b.u.b;
    case HL_GO_FLOAT: return a.u.f == b.u.f;
    case HL_GO_COMPLEX: return a.u.c->re == b.u.c->re && a.u.c->im == b.u.c->im;
    case HL_GO_STRING: return hl_view_eq(hl_go_view(a), hl_go_view(b));
    default: return a.u.i == b.u.i;
    }
}

bool hl_go_equal(hl_go_run *r, hl_go_value a, hl_go_value b, bool *ret) {
    const hl_go_kind ka = hl_go_kind_of(a), kb = hl_go_kind_of(b);
    if ((ka == kb && is_basic(ka)) || (is_integer(ka) && is_integer(kb))) {
        *ret = equal_basic(a, b);
        return hl_go_steps(r, ka == HL_GO_STRING ? 1 + a.u.s->len / 256 : 1);
    }
    if (ka == HL_GO_INVALID || kb == HL_GO_INVALID) {
        *ret = is_basic(ka) || is_basic(kb) ? false : hl_go_is_nil(a) == hl_go_is_nil(b);
        return true;
    }
    if (ka != kb) return hl_go_fail(r, "%s and %s cannot be compared", name_of(a), name_of(b));
    if (hl_go_is_nil(a) || hl_go_is_nil(b)) {
        *ret = hl_go_is_nil(a) == hl_go_is_nil(b);
        return true;
    }
    if (ka != HL_GO_POINTER) return hl_go_fail(r, "values of type %s cannot be compared", name_of(b));
    *ret = a.type == b.type && a.u.to == b.u.to;
    return true;
}

bool hl_go_less(hl_go_run *r, hl_go_value a, hl_go_value b, bool *ret) {
    const hl_go_kind ka = hl_go_kind_of(a), kb = hl_go_kind_of(b);
    if (is_integer(ka) && is_integer(kb)) {
        *ret = a.u.i < b.u.i;
        return true;
    }
    if (ka != kb || (ka != HL_GO_FLOAT && ka != HL_GO_STRING))
        return hl_go_fail(r, "%s and %s have no order", name_of(a), name_of(b));
    if (ka == HL_GO_FLOAT) {
        *ret = a.u.f < b.u.f;
        return true;
    }
    const hl_view va = hl_go_view(a), vb = hl_go_view(b);
    const size_t  n = va.len < vb.len ? va.len : vb.len;
    const int     c = n ? memcmp(va.ptr, vb.ptr, n) : 0;
    *ret = c < 0 || (c == 0 && va.len < vb.len);
    return hl_go_steps(r, 1 + n / 256);
}
