/* SPDX-License-Identifier: MIT
 *
 * streams.c - eight answers at the same time from one model. cc streams.c $(pkg-config --cflags --libs
 * hyperlama)
 *
 * Each thread asks the same runner; one pass over the weights serves all of them, and what their prompts have
 * in common is read once.
 */
#include <hyperlama/hyperlama.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { N_STREAMS = 8, ANSWER_BYTES = 4096 };

typedef struct stream {
    hl_runner *runner;
    int        number;
    char       answer[ANSWER_BYTES];
    size_t     n;
    hl_usage   usage;
    hl_status  status;
    hl_err     err;
} stream;

static bool keep(void *user, const hl_token_event *ev) {
    stream *s = user;
    if (s->n + ev->text.len >= ANSWER_BYTES) return false;
    memcpy(s->answer + s->n, ev->text.ptr, ev->text.len);
    s->n += ev->text.len;
    return true;
}

static void *ask(void *arg) {
    stream    *s = arg;
    hl_request r;
    char       messages[200];
    hl_request_init(&r);
    snprintf(messages, sizeof messages,
             "[{\"role\":\"user\",\"content\":\"Say something about the number %d.\"}]", s->number);
    r.messages_json = messages;
    r.max_tokens = 40;
    r.sampling.seed = s->number;
    s->status = hl_runner_generate(s->runner, &r, keep, s, &s->usage, &s->err);
    return NULL;
}

int main(int argc, char **argv) {
    static stream streams[N_STREAMS];
    pthread_t     threads[N_STREAMS];
    hl_err        err = {0};
    hl_engine    *engine = NULL;
    hl_model     *model = NULL;
    hl_runner    *runner = NULL;
    const char   *path = argc > 1 ? argv[1] : "model.gguf";
    hl_status     status = hl_engine_new(NULL, &engine, &err);
    if (status == HL_OK) status = hl_model_open(engine, &path, 1, NULL, &model, &err);
    if (status == HL_OK) status = hl_runner_new(model, NULL, &runner, &err);
    if (status != HL_OK) return fprintf(stderr, "%s\n", err.text), hl_status_exit_code(status);
    for (int i = 0; i < N_STREAMS; i++) {
        streams[i] = (stream){.runner = runner, .number = i + 1};
        pthread_create(&threads[i], NULL, ask, &streams[i]);
    }
    for (int i = 0; i < N_STREAMS; i++) {
        pthread_join(threads[i], NULL);
        printf("%d: %.*s\n(%d tokens, %d of the prompt's were known) %s\n", i + 1, (int)streams[i].n,
               streams[i].answer, streams[i].usage.answer_tokens, streams[i].usage.cached_tokens,
               streams[i].err.text);
        if (streams[i].status != HL_OK) status = streams[i].status;
    }
    hl_runner_free(runner);
    hl_model_close(model);
    hl_engine_free(engine);
    return hl_status_exit_code(status);
}
