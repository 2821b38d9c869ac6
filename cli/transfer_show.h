/* SPDX-License-Identifier: MIT
 *
 * transfer_show.h - how far a pull or a push is: a bar per file on a terminal, plain lines elsewhere, JSON
 * lines where they are asked for.
 */
#ifndef HL_CLI_TRANSFER_SHOW_H
#define HL_CLI_TRANSFER_SHOW_H

#include "cli/app.h"
#include "models/registry.h"

typedef struct hl_transfer_show hl_transfer_show;

/* in     as_json   lines to app->out
 *        is_quiet  nothing at all
 * fails  HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_transfer_show_new(const hl_app *app, bool as_json, bool is_quiet,
                                             hl_transfer_show **ret_show, hl_err *err);
void                    hl_transfer_show_free(hl_transfer_show *s); /* NULL is allowed */

/* An hl_transfer_progress_fn; user is the show. */
bool hl_transfer_show_step(void *user, const hl_transfer_progress *p);
/* No more is shown from here on; what stands there stays. */
void hl_transfer_show_end(hl_transfer_show *s);

#endif
