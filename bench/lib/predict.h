/* SPDX-License-Identifier: MIT
 *
 * predict.h - how fast a model will answer here, from its header and what this machine was measured to do.
 *
 * A token costs one reading of the weights, at the rate at which weights of their types are multiplied on
 * this machine, one reading of the keys and values so far, and a little for each parallel region of each
 * layer. Measured rates are kept in the database.
 */
#ifndef HL_BENCH_LIB_PREDICT_H
#define HL_BENCH_LIB_PREDICT_H

#include "bench/lib/machine.h"
#include "host/host.h"

enum { HL_FIT_MAX_ROWS = 16, HL_FIT_MAX_TYPES = 32 };

typedef struct hl_fit_row {
    int32_t        n_ctx;
    hl_memory_plan plan;
    bool           fits;
    bool           from_disk;               /* experts stay in the file: how fast it is, the disk says */
    double         first_per_s, last_per_s; /* tokens/s with an empty and a full context; 0: not known */
} hl_fit_row;

typedef struct hl_fit {
    hl_model_info info; /* its texts live as long as the model that was asked about */
    hl_fit_row    rows[HL_FIT_MAX_ROWS];
    size_t        n_rows;
    double        read_bytes_per_s; /* of this machine */
    uint64_t      available_bytes;
} hl_fit;

typedef struct hl_fit_options {
    int32_t n_ctx;   /* only this context; 0: some, up to what the model was trained for */
    bool    measure; /* the machine, even where it is known */
} hl_fit_options;

/* Memory at several contexts, and speed.
 *
 * cost   reads the header; measures the machine for a second or two where that is not known yet
 * fails  as hl_host_engine(), hl_session_plan(), hl_engine_measure() */
HL_MUST_CHECK hl_status hl_fit_model(hl_host *h, const hl_model *model, const hl_fit_options *o, hl_fit *ret,
                                     hl_err *err);

#endif
