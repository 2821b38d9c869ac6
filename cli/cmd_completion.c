/* SPDX-License-Identifier: MIT
 *
 * cmd_completion.c - hyperlama completion bash|zsh|fish.
 *
 * The scripts carry the tables as they are at build time and ask `hyperlama list --quiet` for the names of
 * models. bash and zsh share one function: zsh runs it through its bash emulation.
 */
#include <string.h>

#include "cli/args.h"

static bool belongs_to(const hl_option *o, const hl_command *c) { return strcmp(o->command, c->name) == 0; }

static void print_names(FILE *out) {
    const hl_command *c;
    const char       *alias, *name;
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        if (c->state != HL_COMMAND_ELSEWHERE) fprintf(out, "%s ", c->name);
    }
    for (size_t i = 0; (alias = hl_command_alias_at(i, &name)); i++) fprintf(out, "%s ", alias);
}

static void print_options(FILE *out, const hl_command *c) {
    const hl_option *o;
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        if (belongs_to(o, c)) fprintf(out, "--%s ", o->name);
    }
    fputs("--help", out);
}

/* What stands at the command's arguments: "models", "files", "both", "commands", "shells" or "nothing". */
static const char *kind_of_args(const hl_command *c) {
    if (strcmp(c->name, "help") == 0) return "commands";
    if (strcmp(c->name, "completion") == 0) return "shells";
    const bool models = strstr(c->args, "MODEL") || strstr(c->args, "PREFIX"),
               files = strstr(c->args, "FILE") || models;
    if (strcmp(c->name, "list") == 0 || strcmp(c->name, "rm") == 0) return "models";
    return models ? "both" : files ? "files" : "nothing";
}

static void print_bash(FILE *out) {
    const hl_command *c;
    fputs("# bash completion for hyperlama; made by `hyperlama completion bash`\n"
          "_hyperlama() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]} opts= kind=\n"
          "    local names=\"",
          out);
    print_names(out);
    fputs("\"\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"$names --help --version\" -- \"$cur\")); return\n    fi\n"
          "    case $cmd in\n",
          out);
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        if (c->state == HL_COMMAND_ELSEWHERE) continue;
        const char *alias, *name;
        fprintf(out, "    %s", c->name);
        for (size_t k = 0; (alias = hl_command_alias_at(k, &name)); k++) {
            if (strcmp(name, c->name) == 0) fprintf(out, "|%s", alias);
        }
        fputs(") opts=\"", out);
        print_options(out, c);
        fprintf(out, "\"; kind=%s ;;\n", kind_of_args(c));
    }
    fputs("    esac\n"
          "    case $cur in -*) COMPREPLY=($(compgen -W \"$opts\" -- \"$cur\")); return ;; esac\n"
          "    local words=\n"
          "    case $kind in\n"
          "    models|both) words=$(hyperlama list --quiet 2>/dev/null) ;;\n"
          "    commands) words=$names ;;\n"
          "    shells) words=\"bash zsh fish\" ;;\n"
          "    esac\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    case $kind in files|both) COMPREPLY+=($(compgen -f -- \"$cur\")) ;; esac\n"
          "    if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions \"$cur\"; "
          "fi\n"
          "}\n"
          "complete -o filenames -F _hyperlama hyperlama\n",
          out);
}

static void print_zsh(FILE *out) {
    fputs("#compdef hyperlama\n# zsh completion for hyperlama; made by `hyperlama completion zsh`\n"
          "autoload -U +X bashcompinit && bashcompinit\n",
          out);
    print_bash(out);
}

/* Text inside single quotes of fish. */
static void fish_text(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\') fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_fish(FILE *out) {
    const hl_command *c;
    const hl_option  *o;
    fputs("# fish completion for hyperlama; made by `hyperlama completion fish`\n"
          "complete -c hyperlama -f\n"
          "complete -c hyperlama -n __fish_use_subcommand -l help -d 'print help'\n"
          "complete -c hyperlama -n __fish_use_subcommand -l version -d 'print the version'\n",
          out);
    for (size_t i = 0; (c = hl_command_at(i)); i++) {
        if (c->state == HL_COMMAND_ELSEWHERE) continue;
        fprintf(out, "complete -c hyperlama -n __fish_use_subcommand -a %s -d '", c->name);
        fish_text(out, c->help);
        fputs("'\n", out);
        const char *kind = kind_of_args(c);
        if (strcmp(kind, "models") == 0 || strcmp(kind, "both") == 0)
            fprintf(out,
                    "complete -c hyperlama -n '__fish_seen_subcommand_from %s' -a '(hyperlama list --quiet "
                    "2>/dev/null)'\n",
                    c->name);
        if (strcmp(kind, "files") == 0 || strcmp(kind, "both") == 0)
            fprintf(out, "complete -c hyperlama -n '__fish_seen_subcommand_from %s' -F\n", c->name);
    }
    for (size_t i = 0; (o = hl_option_at(i)); i++) {
        fprintf(out, "complete -c hyperlama -n '__fish_seen_subcommand_from %s' -l %s", o->command, o->name);
        if (o->letter) fprintf(out, " -s %c", o->letter);
        if (o->kind == HL_OPTION_FILE) fputs(" -rF", out);
        if (o->kind != HL_OPTION_FILE && o->kind != HL_OPTION_FLAG && o->kind != HL_OPTION_MAYBE)
            fputs(" -x", out);
        fputs(" -d '", out);
        fish_text(out, hl_option_help(o));
        fputs("'\n", out);
    }
}

hl_status hl_cmd_completion(hl_app *app, const hl_args *args, hl_err *err) {
    const char *shell = hl_args_at(args, 0);
    if (strcmp(shell, "bash") == 0)
        print_bash(app->out);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(app->out);
    else if (strcmp(shell, "fish") == 0)
        print_fish(app->out);
    else
        return hl_fail(err, HL_E_ARG, "completion: shell '%.40s': expected bash, zsh or fish", shell);
    return HL_OK;
}
