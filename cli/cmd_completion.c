/* SPDX-License-Identifier: MIT
 *
 * cmd_completion.c - hyperlama completion: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_completion(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "completion: this build does not have it yet");
}
