/* SPDX-License-Identifier: MIT
 *
 * taint.c - a text and the spans of it that came from outside.
 */
#include "core/base/taint.h"

#include <string.h>

#include "core/base/mem.h"

void hl_tainted_init(hl_tainted *t, size_t limit_bytes) {
    *t = (hl_tainted){0};
    hl_str_init(&t->text, limit_bytes);
}

void hl_tainted_done(hl_tainted *t) {
    hl_str_done(&t->text);
    hl_free(t->tainted);
    *t = (hl_tainted){0};
}

static bool add_span(hl_tainted *t, hl_span span) {
    if (t->n_tainted > 0 && t->tainted[t->n_tainted - 1].end == span.begin) {
        t->tainted[t->n_tainted - 1].end = span.end;
        return true;
    }
    if (t->n_tainted == t->tainted_cap) {
        const size_t cap = t->tainted_cap ? t->tainted_cap * 2 : 16;
        hl_span     *more = hl_resize(t->tainted, cap, sizeof *more);
        if (!more) return false;
        t->tainted = more;
        t->tainted_cap = cap;
    }
    t->tainted[t->n_tainted++] = span;
    return true;
}

void hl_tainted_add(hl_tainted *t, hl_view v, bool is_tainted) {
    const size_t begin = t->text.len;
    hl_str_add_view(&t->text, v);
    if (t->text.failed || !is_tainted || v.len == 0) return;
    if (!add_span(t, (hl_span){begin, t->text.len})) t->text.failed = t->text.lacks_memory = true;
}

void hl_tainted_drop_front(hl_tainted *t, size_t n) {
    size_t n_left = 0;
    if (t->text.failed || n == 0) return;
    for (size_t i = 0; i < t->n_tainted; i++) {
        const hl_span s = t->tainted[i];
        if (s.end > n) t->tainted[n_left++] = (hl_span){s.begin > n ? s.begin - n : 0, s.end - n};
    }
    t->n_tainted = n_left;
    memmove(t->text.ptr, t->text.ptr + n, t->text.len - n + 1); /* with its end */
    t->text.len -= n;
}

bool hl_spans_touch(const hl_span *spans, size_t n_spans, size_t begin, size_t end) {
    size_t lo = 0, hi = n_spans; /* the first span that ends behind `begin` */
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (spans[mid].end > begin)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo < n_spans && spans[lo].begin < end && begin < end;
}
