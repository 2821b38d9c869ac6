/* SPDX-License-Identifier: MIT
 *
 * replay.c - run a fuzz target without a fuzzer: over its corpus, and over small damage to every file of it.
 *
 * Linked with fuzz_<name>.c it becomes replay_<name>, which finds tests/fuzz/corpus/<name> from its own name.
 * Damage is pseudo-random but always the same, so that `make test` finds the same things every time.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hyperlama/base.h"

enum { MAX_INPUT_BYTES = 1 << 22, MAX_NOISE_BYTES = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A target that has figures prints them here, after --random. */
void                       replay_report(void);
__attribute__((weak)) void replay_report(void) {}
/* How many inputs of each kind: fewer where one takes tens of milliseconds. */
extern const int                replay_n_inputs;
__attribute__((weak)) const int replay_n_inputs = 200;

static uint32_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* The target gets its own copy, so that reading past its end is seen by the address sanitizer. */
static void feed(const uint8_t *data, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) abort();
    if (n) memcpy(copy, data, n);
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void feed_damaged(uint8_t *data, size_t n, uint64_t *state) {
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) abort();
    for (int i = 0; n > 0 && i < replay_n_inputs; i++) {
        memcpy(copy, data, n);
        for (uint32_t k = next_random(state) % 4 + 1; k > 0; k--)
            copy[next_random(state) % n] = (uint8_t)next_random(state);
        feed(copy, i % 3 ? n : next_random(state) % n);
    }
    free(copy);
}

static void feed_file(const char *path, uint64_t *state) {
    FILE    *f = fopen(path, "rb");
    uint8_t *data = malloc(MAX_INPUT_BYTES);
    if (f && data) {
        const size_t n = fread(data, 1, MAX_INPUT_BYTES, f);
        feed(data, n);
        feed_damaged(data, n, state);
    }
    if (f) (void)fclose(f);
    free(data);
}

static void feed_noise(long count, uint64_t *state) {
    uint8_t noise[MAX_NOISE_BYTES];
    for (long i = 0; i < count; i++) {
        const size_t n = next_random(state) % MAX_NOISE_BYTES;
        for (size_t k = 0; k < n; k++) noise[k] = (uint8_t)next_random(state);
        feed(noise, n);
    }
}

int main(int argc, char **argv) {
    const char *name = strstr(argv[0], "replay_");
    char        folder[512], path[1024];
    uint64_t    state = 1;
    if (argc > 2 && strcmp(argv[1], "--random") == 0) { /* COUNT [SEED]: so many random inputs */
        state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
        feed_noise(strtol(argv[2], NULL, 10), &state);
        replay_report();
        return 0;
    }
    if (argc > 1) {
        for (int i = 1; i < argc; i++) feed_file(argv[i], &state);
        return 0;
    }
    feed(NULL, 0);
    feed_noise(replay_n_inputs, &state);
    (void)snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name ? name + 7 : "");
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        feed_file(path, &state);
    }
    if (d) (void)closedir(d);
    return 0;
}
