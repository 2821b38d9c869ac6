/* SPDX-License-Identifier: MIT
 *
 * editor.c - a private file, a child process, and the file again.
 *
 * The editor shares our terminal and process group: a Ctrl-C or Ctrl-Z typed in it comes to both, so the
 * first is left to the editor and the second stops us along with it.
 */
#include "cli/term/editor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/config.h"
#include "core/base/file.h"
#include "core/base/mem.h"

static const char *find_editor(char *const *envp) {
    static const char *const names[] = {"OLLAMA_EDITOR", "VISUAL", "EDITOR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *editor = hl_env_get(envp, names[i]);
        if (editor) return editor;
    }
    return "vi";
}

static hl_status write_file(int fd, hl_view text, hl_err *err) {
    while (text.len > 0) {
        const ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return hl_fail(err, HL_E_IO, "write a file for the editor: %s", strerror(errno));
        text = (hl_view){text.ptr + n, text.len - (size_t)n};
    }
    return HL_OK;
}

static void run_child(const char *command, char *const *envp, char *path) {
    char script[] = "-c", shell[] = "sh";
    union { /* execve() wants char *, and does not write to it */
        const char *in;
        char       *out;
    } text = {.in = command};
    char *const argv[] = {shell, script, text.out, shell, path, NULL};
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGXFSZ, SIG_DFL);
    (void)execve("/bin/sh", argv, envp);
    _exit(127);
}

static hl_status wait_for(pid_t child, const char *editor, hl_err *err) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return hl_fail(err, HL_E_IO, "editor '%.100s': %s", editor, strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return HL_OK;
    if (WIFEXITED(status))
        return hl_fail(err, HL_E_IO, "editor '%.100s' ended with %d ($VISUAL or $EDITOR names another)",
                       editor, WEXITSTATUS(status));
    return hl_fail(err, HL_E_IO, "editor '%.100s' was ended by signal %d", editor, WTERMSIG(status));
}

static hl_status run_editor(char *const *envp, char *path, hl_err *err) {
    const char      *editor = find_editor(envp);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL}, old_stop, old_suspend;
    char             command[1024];
    if (snprintf(command, sizeof command, "%s \"$1\"", editor) >= (int)sizeof command)
        return hl_fail(err, HL_E_ARG, "editor: the command is over %zu bytes", sizeof command);
    (void)sigaction(SIGINT, &ignore, &old_stop);
    (void)sigaction(SIGTSTP, &plain, &old_suspend);
    const pid_t child = fork();
    if (child == 0) run_child(command, envp, path);
    const hl_status status =
        child < 0 ? hl_fail(err, HL_E_IO, "editor: %s", strerror(errno)) : wait_for(child, editor, err);
    (void)sigaction(SIGINT, &old_stop, NULL);
    (void)sigaction(SIGTSTP, &old_suspend, NULL);
    return status;
}

hl_status hl_editor_run(char *const *envp, hl_str *text, hl_err *err) {
    const char *tmp = hl_env_get(envp, "TMPDIR");
    char        path[4096], *data = NULL;
    size_t      n = 0;
    if (snprintf(path, sizeof path, "%s/hyperlama-XXXXXX", tmp ? tmp : "/tmp") >= (int)sizeof path)
        return hl_fail(err, HL_E_ARG, "editor: TMPDIR is too long");
    const int fd = mkstemp(path); /* 0600 */
    if (fd < 0)
        return hl_fail(err, HL_E_IO, "make a file for the editor in '%.200s': %s", path, strerror(errno));
    hl_status status = write_file(fd, hl_str_view(text), err);
    if (close(fd) != 0 && status == HL_OK)
        status = hl_fail(err, HL_E_IO, "'%.200s': %s", path, strerror(errno));
    if (status == HL_OK) status = run_editor(envp, path, err);
    if (status == HL_OK) status = hl_file_read(path, HL_EDITOR_MAX_BYTES, &data, &n, err);
    if (status == HL_OK) {
        while (n > 0 && data[n - 1] == '\n') n--;
        hl_str_clear(text);
        hl_str_add(text, data, n);
    }
    (void)unlink(path);
    hl_free(data);
    return status;
}
