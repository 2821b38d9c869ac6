/* SPDX-License-Identifier: MIT
 *
 * fuzz_ref.c - any bytes as the name of a model elsewhere, as a hub's list of files and as a key file. A
 * name that is taken is written and read as the same, and none of its parts leaves a folder.
 *
 * fuzz: max_len=4096 words=models/ref.c words=models/registry/hub.c
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "models/registry/key_file.h"
#include "models/registry/pull.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_name(const hl_ref *ref) {
    const char *const parts[] = {ref->name.host, ref->name.space, ref->name.model, ref->name.tag};
    if (ref->kind == HL_REF_PATH) return;
    for (size_t i = 0; i < 4; i++)
        if (!*parts[i] || strchr(parts[i], '/') || *parts[i] == '.') abort();
}

static void try_name(const char *text) {
    hl_ref ref, again;
    hl_str s;
    hl_err err;
    if (hl_ref_parse(text, &ref, &err) != HL_OK) return;
    check_name(&ref);
    hl_str_init(&s, SIZE_MAX);
    hl_ref_format(&ref, &s);
    if (hl_ref_parse(hl_str_text(&s), &again, &err) != HL_OK) abort();
    if (again.kind != ref.kind || again.is_http != ref.is_http || strcmp(again.digest, ref.digest) != 0)
        abort();
    if (strcmp(again.text, ref.text) != 0 || (ref.kind != HL_REF_PATH && !hl_name_eq(&again.name, &ref.name)))
        abort();
    hl_str_done(&s);
}

static void try_list(hl_view json, const char *quant) {
    hl_arena     arena;
    hl_download *files = NULL;
    size_t       n_files = 0;
    char         revision[HL_DIGEST_BYTES];
    hl_err       err;
    hl_arena_init(&arena, 4 << 20);
    if (hl_hub_choose(json, quant, &arena, &files, &n_files, revision, &err) == HL_OK)
        for (size_t i = 0; i < n_files; i++)
            if (files[i].url[0] == '/' || strstr(files[i].url, "/../")) abort();
    hl_free(files);
    hl_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    unsigned char secret[HL_ED25519_KEY_BYTES];
    hl_err        err;
    char         *text = malloc(n + 1);
    if (!text) return 0;
    if (n > 0) memcpy(text, data, n);
    text[n] = '\0';
    try_name(text);
    try_list((hl_view){text, n}, "latest");
    try_list((hl_view){text, n}, "Q4_0");
    if (hl_key_parse((hl_view){text, n}, "fuzz", secret, &err) == HL_OK) text[0] = (char)secret[0];
    free(text);
    return 0;
}
