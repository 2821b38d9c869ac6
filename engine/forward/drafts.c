/* SPDX-License-Identifier: MIT
 *
 * drafts.c - the kinds of drafts by number, and what their passes have in common.
 */
#include "engine/forward/drafts.h"

#include "engine/forward/forward_priv.h"

const hl_draft_kind *hl_draft_kind_of(hl_drafts how) {
    static const hl_draft_kind *const kinds[HL_DRAFTS_count] = {
#define HL_DRAFT(name, table) [HL_DRAFTS_##name] = &hl_draft_##table,
#include "engine/arch/drafts.def"
#undef HL_DRAFT
    };
    return kinds[how];
}

static hl_status take_table(const hl_model *d, hl_matrix *own, const hl_matrix *target, const char *name,
                            hl_err *err) {
    if (own->data) return HL_OK;
    if (target->n_cols != d->hp.n_embd)
        return hl_fail(err, HL_E_ARG,
                       "it has no tensor '%s' of its own, is %u wide, and the model's has %zu columns", name,
                       d->hp.n_embd, target->n_cols);
    *own = *target;
    return HL_OK;
}

hl_status hl_draft_take_tables(hl_model *d, const hl_model *target, hl_err *err) {
    hl_status status = take_table(d, &d->tok_embd, &target->tok_embd, "token_embd.weight", err);
    if (status == HL_OK) status = take_table(d, &d->out, &target->out, "output.weight", err);
    if (status != HL_OK) return status;
    if (d->tok_embd.n_rows != target->hp.n_vocab)
        return hl_fail(err, HL_E_ARG, "token_embd.weight has %zu rows, and the model %u tokens",
                       d->tok_embd.n_rows, target->hp.n_vocab);
    d->need_out_in = hl_matrix_needs(&d->out);
    return HL_OK;
}

void hl_draft_lay_out(hl_pass *f, hl_bump *b) {
    const hl_draft_kind *kind = f->m->drafting;
    f->draft_in = kind ? hl_bump_take(b, f->n_rows_cap * kind->in_cols(f->m), sizeof *f->draft_in) : NULL;
}

void hl_draft_project(hl_pass *f, const hl_matrix *w, size_t n_out, float *y) {
    const hl_linear projection = {
        .w = w, .x = hl_act_of(&f->act, 0, f->n_rows, w->n_cols), .y = y, .y_cols = n_out, .y_stride = n_out};
    hl_linear_run(f, &projection, 1);
}
