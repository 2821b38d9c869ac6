/* SPDX-License-Identifier: MIT
 *
 * cmd_doctor.c - hyperlama doctor: stands in until the parts it needs have landed.
 */
#include "cli/args.h"

hl_status hl_cmd_doctor(hl_app *app, const hl_args *args, hl_err *err) {
    (void)app, (void)args;
    return hl_fail(err, HL_E_NOT_YET, "doctor: this build does not have it yet");
}
