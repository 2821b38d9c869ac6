/* SPDX-License-Identifier: MIT
 *
 * guard.c - starts one command, keeps its log short, and leaves nobody behind.
 *
 * Engines start processes of their own (MAX a worker, vLLM one for each GPU). As their subreaper the guard
 * gets those that lose their parent, and finds all of them among its children in /proc (proc(5), prctl(2)).
 *
 * A guard that is killed itself cannot do that, so there are two, one the other's parent, both subreapers.
 * The inner one starts the command. Is the outer one killed, the pipe between them closes, and the inner one
 * ends all; is the inner one killed, the kernel kills the command (PR_SET_PDEATHSIG), and all others become
 * children of the outer one. They are in groups of their own, so that no signal to a group meets both.
 */
#define _GNU_SOURCE
#include "cli/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "host/remote/supervisor.h"

enum { MAX_LOG_BYTES = 4 << 20, MAX_PATH_BYTES = 4096, LOOK_MS = 100, EXIT_NOT_STARTED = 127 };

typedef struct guard {
    const char *log_path;
    int         log_fd, signal_fd;
    long        n_logged;
    pid_t       pid;       /* of the command */
    int         code;      /* its end; -1: it runs */
    int         output_fd; /* what it says; -1: all was said */
} guard;

/* ---- The log ---- */

static int open_log(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Copied, not renamed: whoever started us has locked this file, so that it is nobody else's log. */
static void turn_log(guard *g) {
    char      old[MAX_PATH_BYTES];
    const int from = open(g->log_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from >= 0 && snprintf(old, sizeof old, "%s.1", g->log_path) < (int)sizeof old) {
        const int to = open_log(old);
        while (to >= 0 && sendfile(to, from, NULL, MAX_LOG_BYTES) > 0) continue;
        if (to >= 0) (void)close(to);
    }
    if (from >= 0) (void)close(from);
    if (g->log_fd < 0) g->log_fd = open_log(g->log_path);
    if (g->log_fd >= 0 && ftruncate(g->log_fd, 0) == 0) (void)lseek(g->log_fd, 0, SEEK_SET);
    g->n_logged = 0;
}

/* What cannot be written is lost: a full disk is no reason to stop an engine. */
static void log_bytes(guard *g, const char *bytes, ssize_t n) {
    if (g->n_logged + n > MAX_LOG_BYTES) turn_log(g);
    if (g->log_fd >= 0 && write(g->log_fd, bytes, (size_t)n) > 0) g->n_logged += n;
}

static void take_output(guard *g) {
    char          bytes[16384];
    const ssize_t n = read(g->output_fd, bytes, sizeof bytes);
    if (n > 0) {
        log_bytes(g, bytes, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        (void)close(g->output_fd);
        g->output_fd = -1;
    }
}

/* ---- The command ---- */

static void run_command(char **argv, int output_fd, pid_t guard_pid) {
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the guard itself be killed */
    if (getppid() != guard_pid) _exit(EXIT_NOT_STARTED);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(output_fd, STDOUT_FILENO);
    (void)dup2(output_fd, STDERR_FILENO);
    (void)execvp(argv[0], argv);
    (void)dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

static bool start(guard *g, char **argv) {
    int         ends[2];
    const pid_t me = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    g->pid = fork();
    if (g->pid == 0) run_command(argv, ends[1], me);
    (void)close(ends[1]);
    if (g->pid < 0) {
        (void)close(ends[0]);
        return false;
    }
    (void)setpgid(g->pid, g->pid);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    g->output_fd = ends[0];
    return true;
}

/* Take the ends of children, and that of g->pid. False: there are no more of them. */
static bool reap(guard *g) {
    for (;;) {
        int         status = 0;
        const pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) return true;
        if (pid < 0) return errno == EINTR;
        if (pid != g->pid) continue;
        g->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

/* To each child, those among them that were left to us. */
static void kill_children(int signal) {
    char path[64], pid[32];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "re");
    for (size_t n = 0; children;) {
        const int c = fgetc(children);
        if (c >= '0' && c <= '9' && n + 1 < sizeof pid) {
            pid[n++] = (char)c;
            continue;
        }
        pid[n] = '\0';
        if (n > 0) (void)kill((pid_t)strtol(pid, NULL, 10), signal);
        n = 0;
        if (c == EOF) break;
    }
    if (children) (void)fclose(children);
}

static void kill_all(const guard *g, int signal) {
    (void)kill(-g->pid, signal); /* the command's group */
    kill_children(signal);
}

/* Wait for output, ends of children and the parent. False: the parent is gone, or wants the end. */
static bool look(guard *g, bool watch_parent, int wait_ms) {
    struct pollfd fds[] = {{.fd = watch_parent ? STDIN_FILENO : -1, .events = POLLIN},
                           {.fd = g->signal_fd, .events = POLLIN},
                           {.fd = g->output_fd, .events = POLLIN}};
    (void)poll(fds, 3, wait_ms);
    if (fds[2].revents) take_output(g);
    struct signalfd_siginfo info;
    bool                    was_told = false;
    while (read(g->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        was_told |= info.ssi_signo != SIGCHLD;
    char       byte;
    const bool is_gone = fds[0].revents && read(STDIN_FILENO, &byte, 1) <= 0;
    return !is_gone && !was_told;
}

static void end_all(guard *g, long stop_ms) {
    const int64_t kill_ns = hl_clock_ns() + stop_ms * 1000000;
    bool          is_killing = false;
    kill_all(g, SIGTERM);
    while (reap(g)) {
        const bool is_late = hl_clock_ns() >= kill_ns;
        if (is_late || is_killing || g->code >= 0) kill_all(g, SIGKILL);
        is_killing |= is_late || g->code >= 0;
        (void)look(g, false, LOOK_MS);
    }
    while (g->output_fd >= 0) take_output(g); /* the last words: nobody is left who holds the other end */
}

/* Until the parent lets go, or what we have started ends. */
static void watch(guard *g) {
    bool goes_on = true;
    while (goes_on && g->code < 0) {
        goes_on = look(g, true, -1);
        (void)reap(g);
    }
}

static int guard_command(guard *g, char **argv) {
    g->log_path = argv[2];
    g->log_fd = open_log(g->log_path);
    if (!start(g, argv + 4)) return EXIT_NOT_STARTED;
    watch(g);
    end_all(g, strtol(argv[3], NULL, 10));
    return g->code < 0 ? EXIT_NOT_STARTED : g->code;
}

/* The inner guard's way into the world: our hold of it is its standard input. */
static void become_inner(int hold_fd) {
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* fork(2) does not hand it on */
    (void)dup2(hold_fd, STDIN_FILENO);
}

/* It ends all in its own time, as the profile has it; then whoever is left is killed. */
static int guard_inner(guard *g, int hold_fd) {
    (void)setpgid(g->pid, g->pid);
    watch(g);
    (void)close(hold_fd);
    while (reap(g)) {
        if (g->code >= 0) kill_children(SIGKILL);
        (void)look(g, false, LOOK_MS);
    }
    return g->code < 0 ? EXIT_NOT_STARTED : g->code;
}

int hl_guard_main(int argc, char **argv) {
    sigset_t watched;
    int      ends[2];
    guard    g = {.log_fd = -1, .code = -1, .output_fd = -1};
    if (argc < 5) {
        (void)fprintf(stderr, "usage: %s " HL_GUARD_WORD " LOG STOP_MS COMMAND ARGUMENT...\n", argv[0]);
        return 2;
    }
    (void)sigemptyset(&watched);
    (void)sigaddset(&watched, SIGCHLD);
    (void)sigaddset(&watched, SIGTERM);
    (void)sigaddset(&watched, SIGINT);
    (void)sigaddset(&watched, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &watched, NULL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    g.signal_fd = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    if (g.signal_fd < 0 || pipe2(ends, O_CLOEXEC) != 0) return EXIT_NOT_STARTED;
    g.pid = fork();
    if (g.pid < 0) return EXIT_NOT_STARTED;
    if (g.pid > 0) {
        (void)close(ends[0]);
        return guard_inner(&g, ends[1]);
    }
    become_inner(ends[0]);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return guard_command(&g, argv);
}
