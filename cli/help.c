/* SPDX-License-Identifier: MIT
 *
 * help.c - help texts and the man page, all from the two tables.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/term/wrap.h"

static const char *const later_mark = " (not in this build yet)";

enum { MAX_LEFT = 30 }; /* columns of what is to be typed */

static int width_of(const hl_command *c) {
    return (int)(strlen(c->name) + (c->args[0] ? 1 : 0) + strlen(c->args));
}

/* "  left      text" with the text in a column of its own, below what is too long to stand beside it. */
static void print_row(FILE *out, const char *left, int width, const char *text) {
    const int at = width < MAX_LEFT ? width + 4 : MAX_LEFT + 4, n = (int)strlen(left) + 2;
    fprintf(out, "  %s", left);
    if (n + 2 > at)
        fprintf(out, "\n%*s", at, "");
    else
        fprintf(out, "%*s", at - n, "");
    hl_wrap_print(out, text, hl_wrap_columns(out), at, at);
    fputc('\n', out);
}

void hl_help_all(FILE *out) {
    const hl_command *c;
    int               width = 0;
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        if (c->state != HL_COMMAND_ELSEWHERE && width_of(c) > width && width_of(c) <= MAX_LEFT)
            width = width_of(c);
    }
    fprintf(out, "hyperlama %s - run language models on this machine\n\n", hl_version());
    fputs("usage: hyperlama COMMAND [OPTIONS] [ARGUMENTS]\n\n", out);
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        char left[96], text[200];
        if (c->state == HL_COMMAND_ELSEWHERE) continue;
        (void)snprintf(left, sizeof left, "%s%s%s", c->name, c->args[0] ? " " : "", c->args);
        (void)snprintf(text, sizeof text, "%s%s", c->help, c->state == HL_COMMAND_NOT_YET ? later_mark : "");
        print_row(out, left, width, text);
    }
    fputs("\nhyperlama COMMAND --help prints the options of a command;\n--version prints the version.\n"
          "Settings: `hyperlama config`.\nA first answer: hyperlama run MODEL \"Why is the sky blue?\"\n",
          out);
}

static void format_option(const hl_option *o, char *buf, size_t cap) {
    char letter[8] = "    ";
    if (o->letter) (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    if (o->kind == HL_OPTION_FLAG)
        (void)snprintf(buf, cap, "%s--%s", letter, o->name);
    else
        (void)snprintf(buf, cap, "%s--%s%s%s%s", letter, o->name, o->kind == HL_OPTION_MAYBE ? "[=" : " ",
                       o->arg, o->kind == HL_OPTION_MAYBE ? "]" : "");
}

static bool belongs_to(const hl_option *o, const hl_command *c) { return strcmp(o->command, c->name) == 0; }

/* "0..1024", or the words of a choice; "" when there is nothing to say. */
static void format_range(const hl_option *o, char *buf, size_t cap) {
    buf[0] = '\0';
    if (o->kind != HL_OPTION_TUNE) return;
    const hl_setting_row *row = hl_setting_get(o->setting);
    if (row->kind == HL_SETTING_CHOICE) (void)snprintf(buf, cap, ": %s", row->unit);
    if (row->kind == HL_SETTING_INT)
        (void)snprintf(buf, cap, " (%" PRId64 "..%" PRId64 ")", row->min, row->max);
}

static void print_aliases(FILE *out, const hl_command *c) {
    const char *alias, *name;
    for (size_t i = 0; (alias = hl_command_alias_at(i, &name)); i++) {
        if (strcmp(name, c->name) == 0) fprintf(out, "also: hyperlama %s\n", alias);
    }
}

void hl_help_command(FILE *out, const hl_command *c) {
    const hl_option *o;
    char             text[96], range[96], words[400];
    int              width = 10; /* of "    --help" */
    bool             has_settings = false;
    (void)snprintf(words, sizeof words, "hyperlama %s: %s%s\n\n", c->name, c->help,
                   c->state == HL_COMMAND_NOT_YET ? later_mark : "");
    hl_wrap_print(out, words, hl_wrap_columns(out), 0, 0);
    fprintf(out, "usage: hyperlama %s [OPTIONS]%s%s\n", c->name, c->args[0] ? " " : "", c->args);
    print_aliases(out, c);
    fputc('\n', out);
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (!belongs_to(o, c)) continue;
        format_option(o, text, sizeof text);
        if ((int)strlen(text) > width && strlen(text) <= MAX_LEFT) width = (int)strlen(text);
    }
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (!belongs_to(o, c)) continue;
        format_option(o, text, sizeof text);
        format_range(o, range, sizeof range);
        (void)snprintf(words, sizeof words, "%s%s%s", hl_option_help(o), range,
                       o->kind == HL_OPTION_LATER ? later_mark : "");
        print_row(out, text, width, words);
        has_settings = true;
    }
    print_row(out, "-h, --help", width, "print this");
    if (strcmp(c->name, "serve") == 0)
        fputs("\nIt listens on 127.0.0.1:11434, or where --server-host HOST:PORT says (setting\n"
              "server.host; HYPERLAMA_SERVER_HOST or OLLAMA_HOST in the environment).\n"
              "docs/serve.md has the other forms.\n",
              out);
    if (has_settings)
        fputs("\nEvery setting is a flag too: --engine-n-threads 2 (see `hyperlama config`).\n", out);
}

/* Text for troff: a leading dot or quote and every backslash and dash are made harmless. */
static void man_text(FILE *out, const char *text) {
    if (*text == '.' || *text == '\'') fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void man_options(FILE *out, const hl_command *c) {
    const hl_option *o;
    char             text[96], range[96];
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (!belongs_to(o, c)) continue;
        format_option(o, text, sizeof text);
        format_range(o, range, sizeof range);
        fputs(".RS\n.TP\n\\fB", out);
        man_text(out, text + strspn(text, " "));
        fputs("\\fR\n", out);
        man_text(out, hl_option_help(o));
        man_text(out, range);
        if (o->kind == HL_OPTION_LATER) man_text(out, later_mark);
        fputs("\n.RE\n", out);
    }
}

static void man_settings(FILE *out) {
    for (int i = 0; i < HL_N_SETTINGS; i++) {
        const hl_setting_row *row = hl_setting_get((hl_setting)i);
        fputs(".TP\n\\fB", out);
        man_text(out, row->key);
        fputs("\\fR\n", out);
        man_text(out, row->help);
        if (row->kind == HL_SETTING_CHOICE) fprintf(out, " (%s)", row->unit);
        fputs("\n", out);
    }
}

static void man_statuses(FILE *out) {
#define HL_STATUS(name, value, http, exit_code, text) fprintf(out, ".TP\n%d\n%s\n", exit_code, text);
#include "hyperlama/status.def"
#undef HL_STATUS
    fputs(".TP\n130\nstopped by Ctrl\\-C\n.TP\n141\nthe reader of standard output went away\n", out);
}

void hl_help_man(FILE *out) {
    const hl_command *c;
    fprintf(out, ".TH HYPERLAMA 1 \"\" \"hyperlama %s\" \"User Commands\"\n", hl_version());
    fputs(".SH NAME\nhyperlama \\- run language models on this machine\n"
          ".SH SYNOPSIS\n\\fBhyperlama\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
          ".SH DESCRIPTION\nGets a model, runs it and answers in the terminal.\n"
          "A MODEL is the name of a stored model or the path of a GGUF file.\n.SH COMMANDS\n",
          out);
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        if (c->state == HL_COMMAND_ELSEWHERE) continue;
        fprintf(out, ".TP\n\\fB%s\\fR ", c->name);
        man_text(out, c->args);
        fputc('\n', out);
        man_text(out, c->help);
        if (c->state == HL_COMMAND_NOT_YET) man_text(out, later_mark);
        fputc('\n', out);
        man_options(out, c);
    }
    fputs(".SH SETTINGS\nA flag wins over an environment variable, that over the settings file, that over "
          "the default.\n"
          "engine.n_threads is \\fB\\-\\-engine\\-n\\-threads\\fR, HYPERLAMA_ENGINE_N_THREADS,\n"
          "and n_threads in section [engine] of the file.\n",
          out);
    man_settings(out);
    fputs(".SH FILES\n.TP\n~/.local/share/hyperlama\nmodels, database, history; HYPERLAMA_HOME names another "
          "place\n"
          ".TP\n~/.config/hyperlama/hyperlama.ini\nsettings; HYPERLAMA_CONFIG names another file\n"
          ".SH EXIT STATUS\n",
          out);
    man_statuses(out);
}
