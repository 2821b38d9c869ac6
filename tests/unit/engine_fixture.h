/* SPDX-License-Identifier: MIT
 *
 * engine_fixture.h - an engine with just as many threads as a test says.
 */
#ifndef HL_TESTS_UNIT_ENGINE_FIXTURE_H
#define HL_TESTS_UNIT_ENGINE_FIXTURE_H

#include "engine/model_priv.h"
#include "tests/need.h"

/* An engine of its own accord uses no more threads than there are processors.
 * in     cpu   NULL: test_cpu()
 *        bits  of activations; 0: the default */
static inline hl_engine *new_engine(int32_t n_threads, const char *cpu, int32_t bits) {
    const hl_engine_params p = {.n_threads = 1, .cpu = cpu ? cpu : test_cpu(), .activation_bits = bits};
    hl_engine             *e = NULL;
    hl_err                 err = {0};
    if (hl_engine_new(&p, &e, &err) != HL_OK) fail_msg("%s", err.text);
    hl_pool_free(e->pool);
    if (hl_pool_new(n_threads, &e->pool, &err) != HL_OK) fail_msg("%s", err.text);
    return e;
}

#endif
