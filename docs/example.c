/* example.c - load a model, ask it, print the answer as it comes.
 *
 * cc example.c $(pkg-config --cflags --libs hyperlama) -o example && ./example model.gguf */
#include <hyperlama/hyperlama.h>
#include <stdio.h>

static bool print(void *user, const hl_token_event *ev) {
    (void)user;
    fwrite(ev->text.ptr, 1, ev->text.len, stdout);
    return fflush(stdout) == 0; /* false would cancel */
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "model.gguf";
    hl_engine  *engine = NULL;
    hl_model   *model = NULL;
    hl_runner  *runner = NULL;
    hl_usage    usage = {0};
    hl_err      err = {0};
    hl_request  request;
    hl_request_init(&request);
    request.messages_json = "[{\"role\": \"user\", \"content\": \"Why is the sky blue?\"}]";

    hl_status status = hl_engine_new(NULL, &engine, &err);
    if (status == HL_OK) status = hl_model_open(engine, &path, 1, NULL, &model, &err);
    if (status == HL_OK) status = hl_runner_new(model, NULL, &runner, &err);
    if (status == HL_OK) status = hl_runner_generate(runner, &request, print, NULL, &usage, &err);
    if (status == HL_OK) printf("\n[%d + %d tokens]\n", (int)usage.prompt_tokens, (int)usage.answer_tokens);
    if (status != HL_OK) fprintf(stderr, "%s\n", err.text);

    hl_runner_free(runner);
    hl_model_close(model);
    hl_engine_free(engine);
    return hl_status_exit_code(status);
}
