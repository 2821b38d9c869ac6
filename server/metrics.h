/* SPDX-License-Identifier: MIT
 *
 * metrics.h - what is counted for each model. Any thread.
 */
#ifndef HL_SERVER_METRICS_H
#define HL_SERVER_METRICS_H

#include "core/base/str.h"
#include "hyperlama/usage.h"

enum { HL_METRIC_BUCKETS = 24 };

typedef struct hl_histogram {
    uint64_t buckets[HL_METRIC_BUCKETS], n; /* each value in the first bucket that it fits; n: all */
    double   sum;
} hl_histogram;

typedef struct hl_model_metrics hl_model_metrics;
typedef struct hl_metrics       hl_metrics;

hl_metrics *hl_metrics_new(void); /* NULL: no memory */
void        hl_metrics_free(hl_metrics *m);

/* The counts of a model, which live as long as `m`. NULL: no memory, or there are too many; for NULL
 * nothing is counted. */
hl_model_metrics *hl_metrics_of(hl_metrics *m, const char *model);

void hl_metrics_add_gap(hl_model_metrics *m, int64_t ns); /* between two tokens */
/* in     usage  NULL: the client left before the end */
void hl_metrics_add_end(hl_model_metrics *m, hl_status status, const hl_usage *usage);

/* Append all of it in Prometheus' text format.
 * from: "Exposition formats", version 0.0.4 */
void hl_metrics_write(hl_metrics *m, hl_str *out);

/* One gauge, "# HELP" and "# TYPE" included. model NULL: without labels */
void hl_metrics_write_head(hl_str *out, const char *name, const char *kind, const char *help);
void hl_metrics_write_value(hl_str *out, const char *name, const char *model, double value);

#endif
