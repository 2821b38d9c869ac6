/* SPDX-License-Identifier: MIT
 *
 * supervisor.c - a guard process for each engine (cli/guard.h), held by a pipe; and asking the engine
 * until it
 * answers.
 */
#define _GNU_SOURCE
#include "host/remote/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/stop.h"
#include "core/net/http_client.h"

enum {
    LOOK_MS = 100,
    TELL_S = 10,
    MAX_LOG_TAIL = 2048,
    MAX_PATH_BYTES = 4096,
    MOST_LOGS = 64,
    EXIT_NOT_STARTED = 127
};

struct hl_engine_process {
    char            url[256], ready_url[256], log_path[MAX_PATH_BYTES];
    pid_t           guard;
    int             hold_fd; /* its guard's standard input: closed, the guard ends all */
    pthread_mutex_t lock;    /* guards what follows */
    bool            is_over;
    int             code; /* of the guard's end */
};

/* ---- Starting ---- */

/* A port that is free now. Somebody else may take it before the engine does: then that ends, and says so. */
static int find_port(void) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t          n = sizeof a;
    const int          fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool         ok =
        fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0;
    if (fd >= 0) (void)close(fd);
    return ok ? ntohs(a.sin_port) : 0;
}

/* A log that no other engine writes to: the launch's own, or the same with a number behind its name. Whoever
 * holds *ret_fd or a copy of it has it for itself. -1: it cannot be written, which is no reason to stop. */
static hl_status take_log(const hl_launch *l, char ret_path[MAX_PATH_BYTES], int *ret_fd, hl_err *err) {
    const char *dot = strrchr(l->log_path, '.'), *slash = strrchr(l->log_path, '/');
    const int   n_stem =
        (int)(dot && (!slash || dot > slash) ? (size_t)(dot - l->log_path) : strlen(l->log_path));
    for (int i = 1; i <= MOST_LOGS; i++) {
        char number[16] = "";
        if (i > 1) (void)snprintf(number, sizeof number, "-%d", i);
        if (snprintf(ret_path, MAX_PATH_BYTES, "%.*s%s%s", n_stem, l->log_path, number,
                     l->log_path + n_stem) >= MAX_PATH_BYTES)
            return hl_fail(err, HL_E_LIMIT, "engine '%s': the path of its log is too long", l->profile->name);
        *ret_fd = open(ret_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*ret_fd < 0 || flock(*ret_fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return HL_OK;
        (void)close(*ret_fd);
    }
    return hl_fail(err, HL_E_LIMIT, "engine '%s' runs %d times", l->profile->name, (int)MOST_LOGS);
}

/* Our environment with the profile's variables in place of those of the same names. The texts are others'. */
static char **make_env(const hl_launch *l) {
    size_t n = 0, n_made = 0;
    while (l->envp[n]) n++;
    char **made = hl_new(n + l->profile->n_env + 1, sizeof *made);
    for (size_t i = 0; made && i < n; i++) {
        bool is_theirs = false;
        for (size_t k = 0; k < l->profile->n_env && !is_theirs; k++) {
            const char  *v = l->profile->env[k];
            const size_t len = (size_t)(strchr(v, '=') - v) + 1;
            is_theirs = strncmp(l->envp[i], v, len) == 0;
        }
        if (!is_theirs) made[n_made++] = l->envp[i];
    }
    for (size_t k = 0; made && k < l->profile->n_env; k++) made[n_made++] = l->profile->env[k];
    return made;
}

/* PROGRAM --guard-engine LOG STOP_MS words: pointers into others' texts. */
static char **make_guard_words(const hl_engine_process *p, const hl_launch *l, char **words,
                               char stop_ms[16]) {
    size_t n = 0;
    while (words[n]) n++;
    char **made = hl_new(n + 5, sizeof *made);
    if (!made) return NULL;
    (void)snprintf(stop_ms, 16, "%d", l->profile->stop_ms);
    made[0] = (char *)(uintptr_t)l->program;
    made[1] = (char *)(uintptr_t)HL_GUARD_WORD;
    made[2] = (char *)(uintptr_t)p->log_path;
    made[3] = stop_ms;
    memcpy(made + 4, words, n * sizeof *made);
    return made;
}

/* in  log_fd  of take_log(): the guard holds it as its standard output */
static hl_status spawn(hl_engine_process *p, const hl_launch *l, int log_fd, char **words, char **env,
                       hl_err *err) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t          attr;
    sigset_t                   none;
    int                        ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return hl_fail(err, hl_errno_io(errno), "engine '%s': no pipe: %s", l->profile->name,
                       strerror(errno));
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setpgroup(&attr, 0); /* Ctrl-C at our terminal is ours to answer */
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    if (log_fd >= 0) (void)posix_spawn_file_actions_adddup2(&actions, log_fd, STDOUT_FILENO);
    const int rc = posix_spawn(&p->guard, l->program, &actions, &attr, words, env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(ends[0]);
    if (rc == 0) {
        p->hold_fd = ends[1];
        return HL_OK;
    }
    (void)close(ends[1]);
    return hl_fail(err, HL_E_IO, "engine '%s' cannot be started: %s", l->profile->name, strerror(rc));
}

static hl_status launch(hl_engine_process *p, const hl_launch *l, int port, hl_err *err) {
    char      text[16], stop_ms[16];
    char    **words = NULL;
    int       log_fd = -1;
    hl_status status = HL_OK;
    (void)snprintf(text, sizeof text, "%d", port);
    status = hl_profile_make_words(l->profile, l->model, text, l->name, &words, err);
    if (status == HL_OK) status = take_log(l, p->log_path, &log_fd, err);
    if (status != HL_OK) {
        hl_profile_free_words(words);
        return status;
    }
    char **env = make_env(l), **all = make_guard_words(p, l, words, stop_ms);
    status = env && all ? spawn(p, l, log_fd, all, env, err)
                        : hl_fail(err, HL_E_NOMEM, "engine '%s': no memory", l->profile->name);
    if (log_fd >= 0) (void)close(log_fd);
    hl_free(all);
    hl_free(env);
    hl_profile_free_words(words);
    return status;
}

/* ---- Watching ---- */

bool hl_engine_is_alive(hl_engine_process *p) {
    int status = 0;
    (void)pthread_mutex_lock(&p->lock);
    if (!p->is_over && waitpid(p->guard, &status, WNOHANG) != 0) {
        p->is_over = true;
        p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    const bool is_alive = !p->is_over;
    (void)pthread_mutex_unlock(&p->lock);
    return is_alive;
}

/* The last line of its log that says something. */
static void read_last_line(const char *path, char *ret, size_t cap) {
    char          tail[MAX_LOG_TAIL + 1];
    const int     fd = open(path, O_RDONLY | O_CLOEXEC);
    const off_t   size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    const off_t   from = size > MAX_LOG_TAIL ? size - MAX_LOG_TAIL : 0;
    const ssize_t n = fd >= 0 ? pread(fd, tail, MAX_LOG_TAIL, from) : 0;
    if (fd >= 0) (void)close(fd);
    tail[n > 0 ? n : 0] = '\0';
    char *end = tail + strlen(tail);
    while (end > tail && (unsigned char)end[-1] <= ' ') *--end = '\0';
    const char *line = strrchr(tail, '\n');
    (void)snprintf(ret, cap, "%s", line ? line + 1 : tail);
}

static hl_status fail_ended(const hl_engine_process *p, const hl_launch *l, hl_err *err) {
    char said[400];
    read_last_line(p->log_path, said, sizeof said);
    if (p->code == EXIT_NOT_STARTED && strstr(said, strerror(ENOENT)))
        return hl_fail(err, HL_E_IO, "engine '%s': its program is not in PATH: %s", l->profile->name, said);
    return hl_fail(err, HL_E_NET, "engine '%s' ended with %d before it could be asked; it said last: %s (%s)",
                   l->profile->name, p->code, said, p->log_path);
}

static bool is_ready(const hl_engine_process *p) {
    hl_str             body;
    int                code = 0;
    const hl_http_call call = {.method = "GET", .url = p->ready_url, .connect_ms = 1000, .total_ms = 5000};
    hl_str_init(&body, 1 << 20);
    const hl_status status = hl_http_ask(&call, &body, &code, NULL);
    hl_str_done(&body);
    return status == HL_OK && code == 200;
}

static void tell_progress(const hl_engine_process *p, const hl_launch *l, int64_t since_ns) {
    char said[400];
    read_last_line(p->log_path, said, sizeof said);
    hl_event(l->events, HL_LOG_INFO, "host", "engine-starts", "engine=%s seconds=%lld says=\"%s\"",
             l->profile->name, (long long)((hl_clock_ns() - since_ns) / 1000000000), said);
}

static hl_status wait_until_ready(hl_engine_process *p, const hl_launch *l, hl_err *err) {
    const int64_t began_ns = hl_clock_ns(), until_ns = began_ns + l->profile->start_s * 1000000000ll;
    int64_t       tell_ns = began_ns + TELL_S * 1000000000ll;
    while (!is_ready(p)) {
        if (hl_stop_asked()) return hl_fail(err, HL_E_CANCEL, "engine '%s': stopped", l->profile->name);
        if (!hl_engine_is_alive(p)) return fail_ended(p, l, err);
        if (hl_clock_ns() >= until_ns)
            return hl_fail(err, HL_E_NET,
                           "engine '%s' cannot be asked after %d s (start_s of its profile); see %s",
                           l->profile->name, l->profile->start_s, p->log_path);
        if (hl_clock_ns() >= tell_ns) {
            tell_progress(p, l, began_ns);
            tell_ns = hl_clock_ns() + TELL_S * 1000000000ll;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000}, NULL);
    }
    hl_event(l->events, HL_LOG_INFO, "host", "engine-ready", "engine=%s ms=%lld", l->profile->name,
             (long long)((hl_clock_ns() - began_ns) / 1000000));
    return HL_OK;
}

hl_status hl_engine_start(const hl_launch *l, hl_engine_process **ret_process, hl_err *err) {
    const int          port = find_port();
    hl_engine_process *p = port > 0 ? hl_new(1, sizeof *p) : NULL;
    if (!p) return hl_fail(err, HL_E_NOMEM, "engine '%s': no free port, or no memory", l->profile->name);
    p->hold_fd = -1;
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)snprintf(p->url, sizeof p->url, "http://127.0.0.1:%d%s", port, l->profile->base);
    (void)snprintf(p->ready_url, sizeof p->ready_url, "http://127.0.0.1:%d%s", port, l->profile->ready);
    hl_status status = launch(p, l, port, err);
    if (status == HL_OK) status = wait_until_ready(p, l, err);
    if (status == HL_OK)
        *ret_process = p;
    else
        hl_engine_stop(p);
    return status;
}

void hl_engine_stop(hl_engine_process *p) {
    if (!p) return;
    if (p->hold_fd >= 0) (void)close(p->hold_fd);
    while (p->hold_fd >= 0 && hl_engine_is_alive(p))
        (void)nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 100000}, NULL);
    (void)pthread_mutex_destroy(&p->lock);
    hl_free(p);
}

const char *hl_engine_url(const hl_engine_process *p) { return p->url; }
