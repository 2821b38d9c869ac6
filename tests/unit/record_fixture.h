/* SPDX-License-Identifier: MIT
 *
 * record_fixture.h - the records of tests/golden/archs2 as models with room for longer texts.
 */
#ifndef HL_TESTS_UNIT_RECORD_FIXTURE_H
#define HL_TESTS_UNIT_RECORD_FIXTURE_H

#include "tests/golden/skeleton_rules.h"

#include <stdio.h>

/* Write the record's model, for texts of up to n_ctx tokens, to a file of this process; its path to ret_path.
 * in     window  of its attention; 0: as the record says
 * fails  false  there is no such record */
static inline bool write_record(const char *name, int32_t n_ctx, uint32_t window, char ret_path[80]) {
    char    path[120], key[64], window_key[64];
    size_t  k = 0;
    json_t *pair = NULL;
    (void)snprintf(path, sizeof path, "tests/golden/archs2/%s.skeleton.json", name);
    (void)snprintf(key, sizeof key, "%s.context_length", name);
    (void)snprintf(window_key, sizeof window_key, "%s.attention.sliding_window", name);
    json_t *model = json_load_file(path, 0, NULL);
    if (!model) return false;
    json_array_foreach(json_object_get(model, "kv"), k,
                       pair) if (strcmp(json_string_value(json_array_get(pair, 0)), key) == 0)
        json_array_set_new(pair, 2, json_integer(n_ctx));
    if (window > 0)
        json_array_append_new(json_object_get(model, "kv"),
                              json_pack("[ssi]", window_key, "u32", (int)window));
    (void)snprintf(ret_path, 80, "/tmp/hl-record-%s-%u-%d.gguf", name, window, (int)getpid());
    fill_by_rules(model, HL_TYPE_f32, ret_path);
    json_decref(model);
    return true;
}

#endif
