/* SPDX-License-Identifier: MIT
 *
 * guard.h - a small process between us and an engine of another program: whatever becomes of us, it ends the
 * engine and all that the engine has started.
 */
#ifndef HL_CLI_GUARD_H
#define HL_CLI_GUARD_H

#include <stdbool.h>

/* The life of a guard:
 *   PROGRAM --guard-engine LOG STOP_MS COMMAND ARGUMENT...
 * It starts the command in a process group of its own, writes what that says into LOG (and into LOG.1 what
 * was there before it had 4 MiB), and waits for the end of the command or of its own standard input, which
 * its parent holds: a parent that is killed lets go of it, too. Then it ends all processes that are left:
 * SIGTERM, after STOP_MS SIGKILL. It is two processes, so that this holds for whichever of them is killed;
 * whoever kills both at once kills the command, too, but not what the command has started.
 *
 * Returns the exit code: the command's; 128 + the number of its signal; 127: it could not be started, and
 * LOG says why. */
int hl_guard_main(int argc, char **argv);

#endif
