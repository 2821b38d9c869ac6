/* SPDX-License-Identifier: MIT
 *
 * fuzz_modelfile.c - any bytes as a Modelfile, and any text as the name of a model.
 *
 * fuzz: max_len=8192 words=models/modelfile.c,host/model_options.def,include/hyperlama/sampler.def
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/models.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    hl_modelfile *f = NULL;
    hl_name       name;
    char          text[HL_NAME_TEXT_BYTES];
    hl_err        err;
    if (hl_modelfile_parse((hl_view){(const char *)data, n}, &f, &err) == HL_OK && f->n_from == 0) abort();
    hl_modelfile_free(f);
    char *word = hl_strndup((const char *)data, n);
    if (word && hl_name_parse(word, &name, &err) == HL_OK) {
        hl_name_format_full(&name, text);
        if (strstr(text, "..") == text || strstr(text, "/.") || text[0] == '/') abort();
    }
    hl_free(word);
    return 0;
}
