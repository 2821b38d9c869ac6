/* SPDX-License-Identifier: MIT
 *
 * adapter_args.c - FILE, or FILE:SCALE.
 */
#include "cli/adapter_args.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static hl_status add_one(const char *word, hl_source *source, hl_err *err) {
    char        path[PATH_MAX];
    const char *colon = strrchr(word, ':');
    if (!colon || colon == word || access(word, F_OK) == 0)
        return hl_source_add_adapter(source, word, 1, err);
    if (snprintf(path, sizeof path, "%.*s", (int)(colon - word), word) >= (int)sizeof path)
        return hl_fail(err, HL_E_ARG, "the path is too long");
    char       *end = NULL;
    const float scale = strtof(colon + 1, &end);
    if (end == colon + 1 || *end || !isfinite(scale))
        return hl_fail(err, HL_E_ARG, "'%.200s': '%.40s' is no scale, expected FILE or FILE:NUMBER", word,
                       colon + 1);
    return hl_source_add_adapter(source, path, scale, err);
}

hl_status hl_adapter_args_add(const hl_args *args, hl_source *source, hl_err *err) {
    const char *word;
    hl_status   status = HL_OK;
    for (size_t i = 0; status == HL_OK && (word = hl_args_many(args, "adapter", i)) != NULL; i++)
        status = hl_fail_within(err, add_one(word, source, err), "--adapter");
    return status;
}
