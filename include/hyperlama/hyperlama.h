/* SPDX-License-Identifier: MIT
 *
 * hyperlama.h - the whole engine's interface in one include.
 */
#ifndef HL_HYPERLAMA_H
#define HL_HYPERLAMA_H

#include "hyperlama/base.h"
#include "hyperlama/engine.h"
#include "hyperlama/runner.h"
#include "hyperlama/sampler.h"
#include "hyperlama/tokenizer.h"

#endif
