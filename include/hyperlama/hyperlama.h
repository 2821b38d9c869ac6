/* SPDX-License-Identifier: MIT
 *
 * hyperlama.h - the whole interface in one include: every function that libhyperlama has is declared here.
 */
#ifndef HL_HYPERLAMA_H
#define HL_HYPERLAMA_H

#include "hyperlama/base.h"
#include "hyperlama/embed.h"
#include "hyperlama/adapter.h"
#include "hyperlama/engine.h"
#include "hyperlama/experts.h"
#include "hyperlama/format.h"
#include "hyperlama/kv_cache_type.h"
#include "hyperlama/native.h"
#include "hyperlama/quantize.h"
#include "hyperlama/runner.h"
#include "hyperlama/sampler.h"
#include "hyperlama/sched.h"
#include "hyperlama/tokenizer.h"
#include "hyperlama/usage.h"

#endif
