/* SPDX-License-Identifier: MIT
 *
 * build_commit.h - which commit this build is of.
 *
 * In a file of its own, which is all that is compiled again when the commit is another one.
 */
#ifndef HL_ENGINE_BUILD_COMMIT_H
#define HL_ENGINE_BUILD_COMMIT_H

const char *hl_build_commit(void); /* as `git describe --always --dirty` says it; "" when built without git */

#endif
