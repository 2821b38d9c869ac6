/* SPDX-License-Identifier: MIT
 *
 * cmd_tokenize.c - hyperlama tokenize: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_tokenize(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "tokenize: this build does not have it yet");
}
