/* SPDX-License-Identifier: MIT
 *
 * cmd_show.c - hyperlama show: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_show(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "show: this build does not have it yet");
}
