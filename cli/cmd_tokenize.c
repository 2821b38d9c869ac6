/* SPDX-License-Identifier: MIT
 *
 * cmd_tokenize.c - hyperlama tokenize MODEL|FILE.gguf [TEXT...]: ids and pieces.
 *
 * One line per token: id, tab, the bytes it stands for, quoted as in JSON. Files with only a vocabulary will
 * do.
 */
#include <inttypes.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/json_print.h"
#include "cli/term/say.h"

enum { MAX_INPUT_BYTES = 1 << 30, MAX_PIECE_BYTES = 1024 };

static hl_status read_input(const hl_args *args, hl_str *out, hl_err *err) {
    const char *path = hl_args_text(args, "file");
    hl_status   status = HL_OK;
    if (path) {
        status = hl_read_path(path, out, err);
    } else if (hl_args_count(args) > 1) {
        for (size_t i = 1; i < hl_args_count(args); i++) {
            if (i > 1) hl_str_add_char(out, ' ');
            hl_str_add_text(out, hl_args_at(args, i));
        }
    } else {
        status = hl_read_stream(stdin, "standard input", out, err);
    }
    return status == HL_OK ? hl_str_check(out, "text", err) : status;
}

static void print_plain(const hl_app *app, const hl_tokenizer *t, const hl_tokens *tokens, bool only_ids) {
    char   piece[MAX_PIECE_BYTES];
    hl_str line;
    hl_str_init(&line, 8 * MAX_PIECE_BYTES);
    for (size_t i = 0; i < tokens->n && !ferror(app->out); i++) {
        if (only_ids) {
            fprintf(app->out, "%s%" PRId32, i ? " " : "", tokens->ids[i]);
            continue;
        }
        const size_t n = hl_tokenizer_piece(t, tokens->ids[i], true, piece, sizeof piece);
        hl_str_clear(&line);
        hl_str_add_json(&line, (hl_view){piece, n < sizeof piece ? n : sizeof piece});
        fprintf(app->out, "%" PRId32 "\t%s\n", tokens->ids[i], hl_say_str(&line));
    }
    if (only_ids) fputc('\n', app->out);
    hl_str_done(&line);
}

static hl_status print_json(const hl_app *app, const hl_tokenizer *t, const hl_tokens *tokens, hl_err *err) {
    char        piece[MAX_PIECE_BYTES];
    hl_json_out j;
    hl_json_init(&j);
    hl_json_open(&j, NULL, '{');
    hl_json_add_int(&j, "count", (int64_t)tokens->n);
    hl_json_open(&j, "tokens", '[');
    for (size_t i = 0; i < tokens->n; i++) {
        const int32_t id = tokens->ids[i];
        const size_t  n = hl_tokenizer_piece(t, id, true, piece, sizeof piece);
        hl_json_open(&j, NULL, '{');
        hl_json_add_int(&j, "id", id);
        hl_json_add_view(&j, "piece", (hl_view){piece, n < sizeof piece ? n : sizeof piece});
        hl_json_add_view(&j, "spelling", hl_tokenizer_spelling(t, id));
        hl_json_close(&j, '}');
    }
    hl_json_close(&j, ']');
    hl_json_close(&j, '}');
    return hl_json_print(&j, app->out, err);
}

static hl_status print_tokens(const hl_app *app, const hl_args *args, const hl_model *m, hl_view text,
                              hl_err *err) {
    const hl_tokenizer *t = hl_model_tokenizer(m);
    hl_tokens           tokens = {0};
    unsigned            flags = 0;
    if (!t) return hl_fail(err, HL_E_UNSUPPORTED, "%s has no vocabulary", hl_args_at(args, 0));
    if (!hl_args_has(args, "no-bos")) flags |= HL_TOKENIZE_BOS_EOS;
    if (hl_args_has(args, "special")) flags |= HL_TOKENIZE_SPECIAL;
    hl_status status = hl_tokenizer_encode(t, text, flags, &tokens, err);
    if (status == HL_OK) {
        if (hl_args_has(args, "json"))
            status = print_json(app, t, &tokens, err);
        else if (hl_args_has(args, "count"))
            fprintf(app->out, "%zu\n", tokens.n);
        else
            print_plain(app, t, &tokens, hl_args_has(args, "ids"));
    }
    hl_tokens_done(&tokens);
    return status;
}

hl_status hl_cmd_tokenize(hl_app *app, const hl_args *args, hl_err *err) {
    hl_host   *host = NULL;
    hl_source *source = NULL;
    hl_model  *model = NULL;
    hl_str     text;
    hl_str_init(&text, MAX_INPUT_BYTES);
    hl_status status = hl_host_new(app->config, &app->paths, &app->events, &host, err);
    if (status == HL_OK) status = hl_host_find(host, hl_args_at(args, 0), HL_OPEN_FOR_LOAD, &source, err);
    if (status == HL_OK) status = hl_host_open_model(host, source, true, &model, err);
    if (status == HL_OK) status = read_input(args, &text, err);
    if (status == HL_OK) status = print_tokens(app, args, model, hl_str_view(&text), err);
    hl_str_done(&text);
    hl_model_close(model);
    hl_source_free(source);
    hl_host_free(host);
    return status;
}
