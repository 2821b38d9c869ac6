/* SPDX-License-Identifier: MIT
 *
 * answer.c - load a model, stream an answer. cc answer.c $(pkg-config --cflags --libs hyperlama)
 */
#include <hyperlama/hyperlama.h>
#include <stdio.h>

static bool print(void *user, const hl_token_event *ev) {
    (void)user;
    return fwrite(ev->text.ptr, 1, ev->text.len, stdout) == ev->text.len && fflush(stdout) == 0;
}

int main(int argc, char **argv) {
    hl_err      err = {0};
    hl_engine  *engine = NULL;
    hl_model   *model = NULL;
    hl_runner  *runner = NULL;
    hl_usage    usage;
    hl_request  req;
    const char *path = argc > 1 ? argv[1] : "model.gguf";
    hl_request_init(&req);
    req.messages_json = "[{\"role\":\"user\",\"content\":\"Say hello.\"}]";
    hl_status status = hl_engine_new(NULL, &engine, &err);
    if (status == HL_OK) status = hl_model_open(engine, &path, 1, NULL, &model, &err);
    if (status == HL_OK) status = hl_runner_new(model, NULL, &runner, &err);
    if (status == HL_OK) status = hl_runner_generate(runner, &req, print, NULL, &usage, &err);
    if (status == HL_OK)
        printf("\n(%d tokens)\n", usage.answer_tokens);
    else
        fprintf(stderr, "%s\n", err.text);
    hl_runner_free(runner);
    hl_model_close(model);
    hl_engine_free(engine);
    return hl_status_exit_code(status);
}
