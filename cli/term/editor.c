/* SPDX-License-Identifier: MIT
 *
 * editor.c - a private file, a child process, and the file again.
 *
 * A process that is locked in cannot do that, so it forks one before that does it when asked: a message is
 * a head and a text, in both directions. It ends when we do, because then its pipe ends.
 *
 * The editor shares our terminal and process group: a Ctrl-C or Ctrl-Z typed in it comes to both, so the
 * first is left to the editor and the second stops us along with it.
 */
#define _GNU_SOURCE /* pipe2() */
#include "cli/term/editor.h"

#include <errno.h>
#include <fcntl.h>
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
        if (n <= 0)
            return hl_fail(err, hl_errno_io(errno), "write a file for the editor: %s", strerror(errno));
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
        if (errno != EINTR)
            return hl_fail(err, hl_errno_io(errno), "editor '%.100s': %s", editor, strerror(errno));
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
    const hl_status status = child < 0 ? hl_fail(err, hl_errno_io(errno), "editor: %s", strerror(errno))
                                       : wait_for(child, editor, err);
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
        return hl_fail(err, hl_errno_io(errno), "make a file for the editor in '%.200s': %s", path,
                       strerror(errno));
    hl_status status = write_file(fd, hl_str_view(text), err);
    if (close(fd) != 0 && status == HL_OK)
        status = hl_fail(err, hl_errno_io(errno), "'%.200s': %s", path, strerror(errno));
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

/* ---- the process that does it for one that is locked in ---- */

struct hl_editor {
    pid_t child;
    int   to, from;
};

typedef struct head {
    uint32_t status; /* of an answer */
    uint32_t len;    /* of the text that follows; of an error, its words */
} head;

static bool read_all(int fd, void *to, size_t n) {
    char *p = to;
    while (n > 0) {
        const ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool send_message(int fd, hl_status status, hl_view text) {
    const head h = {(uint32_t)status, (uint32_t)text.len};
    return hl_file_write_fd(fd, "editor", &h, sizeof h, NULL) == HL_OK &&
           hl_file_write_fd(fd, "editor", text.ptr, text.len, NULL) == HL_OK;
}

static bool take_message(int fd, hl_status *ret_status, hl_str *text) {
    head  h;
    char *data = NULL;
    bool  ok = read_all(fd, &h, sizeof h) && h.len <= HL_EDITOR_MAX_BYTES;
    if (ok) ok = (data = hl_new((size_t)h.len + 1, 1)) != NULL && read_all(fd, data, h.len);
    if (ok) {
        *ret_status = (hl_status)h.status;
        hl_str_clear(text);
        hl_str_add(text, data, h.len);
    }
    hl_free(data);
    return ok && !text->failed;
}

static void serve(char *const *envp, int from, int to) {
    hl_status status;
    hl_str    text;
    hl_str_init(&text, HL_EDITOR_MAX_BYTES);
    while (take_message(from, &status, &text)) {
        hl_err err = {0};
        status = hl_editor_run(envp, &text, &err);
        if (!send_message(to, status, status == HL_OK ? hl_str_view(&text) : hl_view_of(err.text))) break;
    }
    hl_str_done(&text);
}

/* A Ctrl-C is for whoever is asked; a Ctrl-Z stops all of us. */
static void be_quiet(void) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL};
    (void)sigaction(SIGINT, &ignore, NULL);
    (void)sigaction(SIGTERM, &plain, NULL);
    (void)sigaction(SIGTSTP, &plain, NULL);
}

hl_status hl_editor_new(char *const *envp, hl_editor **ret_editor, hl_err *err) {
    int        there[2] = {-1, -1}, back[2] = {-1, -1};
    hl_editor *e = hl_new(1, sizeof *e);
    if (!e) return hl_fail(err, HL_E_NOMEM, "editor: no memory");
    e->child = -1;
    if (pipe2(there, O_CLOEXEC) == 0 && pipe2(back, O_CLOEXEC) == 0) e->child = fork();
    if (e->child == 0) {
        (void)close(there[1]);
        (void)close(back[0]);
        be_quiet();
        serve(envp, there[0], back[1]);
        _exit(0);
    }
    const int error = errno;
    if (there[0] >= 0) (void)close(there[0]);
    if (back[1] >= 0) (void)close(back[1]);
    e->to = there[1];
    e->from = back[0];
    if (e->child < 0) {
        hl_editor_free(e);
        return hl_fail(err, HL_E_IO, "editor: %s", strerror(error));
    }
    *ret_editor = e;
    return HL_OK;
}

void hl_editor_free(hl_editor *e) {
    if (!e) return;
    if (e->to >= 0) (void)close(e->to);
    if (e->from >= 0) (void)close(e->from);
    while (e->child > 0 && waitpid(e->child, NULL, 0) < 0 && errno == EINTR) continue;
    hl_free(e);
}

hl_status hl_editor_edit(const hl_editor *e, hl_str *text, hl_err *err) {
    struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL}, old_stop, old_suspend;
    hl_status        status = HL_OK;
    hl_str           answer;
    if (text->len > HL_EDITOR_MAX_BYTES) return hl_fail(err, HL_E_LIMIT, "editor: the text is over 1 MiB");
    hl_str_init(&answer, HL_EDITOR_MAX_BYTES);
    (void)sigaction(SIGINT, &ignore, &old_stop);
    (void)sigaction(SIGTSTP, &plain, &old_suspend);
    if (!send_message(e->to, HL_OK, hl_str_view(text)) || !take_message(e->from, &status, &answer))
        status = hl_fail(err, HL_E_IO, "editor: the process that runs it is gone");
    else if (status != HL_OK)
        status = hl_fail(err, status, "%s", hl_str_text(&answer));
    (void)sigaction(SIGINT, &old_stop, NULL);
    (void)sigaction(SIGTSTP, &old_suspend, NULL);
    if (status == HL_OK) {
        hl_str_clear(text);
        hl_str_add_view(text, hl_str_view(&answer));
    }
    hl_str_done(&answer);
    return status;
}
