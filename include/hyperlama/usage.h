/* SPDX-License-Identifier: MIT
 *
 * usage.h - how an answer ended and what it took, and what may be tried to make it faster: shared by runners
 * and schedulers.
 */
#ifndef HL_USAGE_H
#define HL_USAGE_H

#include "hyperlama/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hl_end {
    HL_END_NONE,
    HL_END_STOP,   /* the model ended its answer, or a stop string came */
    HL_END_LENGTH, /* max_tokens, or the context is full */
    HL_END_CANCEL,
    HL_END_TIMEOUT, /* the request's time was over */
} hl_end;

typedef enum hl_speculate {
    HL_SPECULATE_AUTO, /* draft where it pays */
    HL_SPECULATE_OFF,
    HL_SPECULATE_ALWAYS /* draft as much as there is room for: for tests and measurements */
} hl_speculate;

/* What a server that was to answer instead of us said when it refused. */
typedef struct hl_refusal {
    int32_t code;     /* its HTTP status; 0: it did not refuse */
    int64_t retry_ms; /* when it wants to be asked again; 0: it does not say */
} hl_refusal;

/* Three parts: the result, what was counted, and where the time went. A runner that cannot know a count or a
 * time leaves it 0. */
typedef struct hl_usage {
    hl_end  end;
    int64_t seed;        /* that was used */
    int32_t stop_number; /* of the request's stop string that ended it, counted from 1; 0: none did */

    int32_t prompt_tokens; /* of the whole prompt */
    int32_t cached_tokens; /* of these, not computed again */
    /* Where a long prompt leaves what is cached, though what is cached goes on: the token that stood there
     * and the one that stands there now. 0: it does not */
    int32_t break_at, break_was, break_is;
    int32_t answer_tokens;
    int32_t drafted_tokens;    /* draft tokens that were verified */
    int32_t accepted_tokens;   /* of these, accepted */
    int32_t drafted_branches;  /* alternatives that were verified beside the main draft */
    int32_t accepted_branches; /* of these, accepted where the main draft was not */
    int32_t preemptions;       /* times that it gave its memory to others and began again */

    int64_t queue_ns;       /* from the call until work on it began */
    int64_t prompt_ns;      /* evaluating the prompt */
    int64_t answer_ns;      /* generating */
    int64_t first_token_ns; /* from the call to the first token */
    int64_t total_ns;

    hl_refusal refusal; /* of answers that came to nothing */
} hl_usage;

#ifdef __cplusplus
}
#endif
#endif
