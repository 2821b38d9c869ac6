/* SPDX-License-Identifier: MIT
 *
 * build_commit.c - the Makefile writes the commit into gen/commit.h of the build.
 */
#include "engine/build_commit.h"

#include "gen/commit.h"

const char *hl_build_commit(void) { return HL_COMMIT; }
