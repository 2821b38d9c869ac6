/* SPDX-License-Identifier: MIT
 *
 * fuzz_settings.c - any text as a settings file: an error or settings within their ranges.
 *
 * fuzz: max_len=8192 words=core/base/config.def
 */
#include <stdlib.h>
#include <string.h>

#include "core/data/config_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hl_config *c = NULL;
    hl_err     err = {0};
    char      *text = malloc(size + 1);
    if (!text || hl_config_new(&c, &err) != HL_OK) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    const hl_status status = hl_config_file_parse(c, text, "fuzz", NULL, &err);
    if (status != HL_OK && err.text[0] == '\0') abort();
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        const hl_setting_row *row = hl_setting_get((hl_setting)i);
        const int64_t         n = hl_config_int(c, (hl_setting)i);
        if (row->kind == HL_SETTING_INT && (n < row->min || n > row->max)) abort();
    }
    hl_config_free(c);
    free(text);
    return 0;
}
