/* SPDX-License-Identifier: MIT
 *
 * cmd_rm.c - hyperlama rm: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_rm(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "rm: this build does not have it yet");
}
