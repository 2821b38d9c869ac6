/* SPDX-License-Identifier: MIT
 *
 * cmd_run.c - hyperlama run: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_run(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "run: this build does not have it yet");
}
