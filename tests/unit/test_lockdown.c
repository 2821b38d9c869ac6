/* SPDX-License-Identifier: MIT
 *
 * test_lockdown.c - processes that lock themselves in, try what they have given up, and go on answering.
 *
 * Each case is a process of its own, because nothing unlocks one. It reports by its exit status.
 */
#define _GNU_SOURCE
#include "tests/need.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/base/file.h"
#include "core/base/lockdown.h"
#include "host/conversation.h"
#include "model_fixture.h"
#include "store_fixture.h"

/* Which line of the child was not true; 0: all were. */
#define EXPECT(x)                                                                                            \
    do {                                                                                                     \
        if (!(x)) {                                                                                          \
            (void)fprintf(stderr, "# line %d: %s (errno %d)\n", __LINE__, #x, errno);                        \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static void need_lockdown(void) {
    hl_lockdown can;
    hl_lockdown_probe(&can);
    if (!can.files) skip_because("no lockdown of files: %s", can.why_not_files);
    if (!can.calls) skip_because("no lockdown of calls: %s", can.why_not_calls);
}

typedef void child_fn(const fixture *f);

static int run_child(child_fn *fn, const fixture *f) {
    int status = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fn(f);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check_child(child_fn *fn) {
    fixture f;
    need_lockdown();
    fixture_init(&f);
    const int status = run_child(fn, &f);
    fixture_done(&f);
    if (WIFSIGNALED(status)) fail_msg("the child was ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool fails_with(long result, int error) { return result == -1 && errno == error; }

static void lock(const hl_lock_rule *rules, size_t n) {
    hl_err          err = {0};
    hl_lockdown     have;
    const hl_status status = hl_lockdown_enter(rules, n, true, &have, &err);
    if (status != HL_OK) (void)fprintf(stderr, "# %s\n", err.text);
    EXPECT(status == HL_OK && have.files && have.calls);
}

static const char *path_in(const fixture *f, const char *name) {
    static char paths[64][PATH_MAX];
    static int  i;
    i = (i + 1) % 64;
    (void)snprintf(paths[i], sizeof paths[i], "%s/%s", f->dir, name);
    return paths[i];
}

static void write_file(const char *path) { EXPECT(hl_file_write_atomic(path, "x", 1, 0600, NULL) == HL_OK); }

static void files(const fixture *f) {
    const char *ours = path_in(f, "ours"), *readable = path_in(f, "readable"), *file = path_in(f, "file");
    EXPECT(mkdir(ours, 0700) == 0 && mkdir(readable, 0700) == 0);
    write_file(path_in(f, "ours/old"));
    write_file(path_in(f, "readable/old"));
    write_file(file);
    write_file(path_in(f, "other"));
    const int          before = open("/etc/passwd", O_RDONLY);
    const hl_lock_rule rules[] = {{ours, HL_LOCK_MAKE},
                                  {readable, HL_LOCK_READ},
                                  {file, HL_LOCK_CHANGE},
                                  {path_in(f, "not there"), HL_LOCK_MAKE},
                                  {NULL, HL_LOCK_MAKE}};
    char               byte;
    lock(rules, 5);
    EXPECT(fails_with(open("/etc/passwd", O_RDONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "other"), O_RDONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "other"), O_WRONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails_with(open("/proc/1/environ", O_RDONLY), EACCES));
    EXPECT(fails_with(unlink(path_in(f, "other")), EACCES));
    EXPECT(fails_with(rename(path_in(f, "other"), path_in(f, "ours/other")), EACCES) || errno == EXDEV);
    EXPECT(fails_with(link(path_in(f, "other"), path_in(f, "ours/link")), EACCES) || errno == EXDEV);
    EXPECT(fails_with(symlink("/etc/passwd", path_in(f, "ours/passwd")), EACCES));
    EXPECT(fails_with(open(path_in(f, "readable/old"), O_WRONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "readable/new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails_with(unlink(path_in(f, "readable/old")), EACCES));
    EXPECT(open(path_in(f, "readable/old"), O_RDONLY) >= 0);
    EXPECT(open(file, O_RDWR) >= 0);
    EXPECT(fails_with(unlink(file), EACCES));
    /* a whole file is written by way of another beside it, which is renamed */
    EXPECT(hl_file_write_atomic(path_in(f, "ours/old"), "y", 1, 0600, NULL) == HL_OK);
    EXPECT(hl_dir_make(path_in(f, "ours/a/b"), 0700, NULL) == HL_OK);
    EXPECT(rename(path_in(f, "ours/old"), path_in(f, "ours/a/old")) == 0 || errno == EXDEV);
    EXPECT(unlink(path_in(f, "ours/a/old")) == 0 || unlink(path_in(f, "ours/old")) == 0);
    EXPECT(read(before, &byte, 1) == 1); /* what was open stays so */
}

static void only_deleting(const fixture *f) {
    write_file(path_in(f, "wal"));
    lock((const hl_lock_rule[]){{f->dir, HL_LOCK_DELETE}}, 1);
    EXPECT(fails_with(open(path_in(f, "wal"), O_WRONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "wal"), O_RDONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(unlink(path_in(f, "wal")) == 0);
}

static void calls(const fixture *f) {
    static char *const args[] = {NULL};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int socket_before = socket(AF_INET, SOCK_STREAM, 0), tty = open("/dev/null", O_RDWR);
    char      key = 'x';
    (void)f;
    lock(NULL, 0);
    EXPECT(fails_with(execve("/bin/true", args, args), EPERM));
    EXPECT(fails_with(fork(), EPERM));
    EXPECT(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM));
    EXPECT(fails_with(socket(AF_INET6, SOCK_DGRAM, 0), EPERM));
    EXPECT(fails_with(socket(AF_UNIX, SOCK_STREAM, 0), EPERM));
    EXPECT(fails_with(connect(socket_before, (struct sockaddr *)&to, sizeof to), EPERM));
    EXPECT(fails_with(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM));
    EXPECT(fails_with(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0), EPERM));
    EXPECT(fails_with(syscall(SYS_bpf, 0, NULL, 0), EPERM));
    EXPECT(fails_with(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0), EPERM));
    EXPECT(fails_with(syscall(SYS_userfaultfd, 0), EPERM));
    EXPECT(fails_with(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
    EXPECT(fails_with(syscall(SYS_kexec_load, 0, 0, NULL, 0), EPERM));
    EXPECT(fails_with(mount("none", "/mnt", "tmpfs", 0, NULL), EPERM));
    EXPECT(fails_with(unshare(CLONE_NEWUSER), EPERM));
    EXPECT(fails_with(setuid(getuid()), EPERM));
    EXPECT(fails_with(kill(getppid(), 0), EPERM));
    EXPECT(fails_with(kill(-1, 0), EPERM));
    EXPECT(fails_with(ioctl(tty, TIOCSTI, &key), EPERM));
    EXPECT(fails_with(syscall(100000), ENOSYS));
    EXPECT(kill(getpid(), 0) == 0 && raise(0) == 0);
    EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static void *try_in_thread(void *arg) {
    (void)arg;
    EXPECT(fails_with(open("/etc/passwd", O_RDONLY), EACCES));
    EXPECT(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM));
    return NULL;
}

static void threads(const fixture *f) {
    pthread_t thread;
    (void)f;
    lock(NULL, 0);
    EXPECT(pthread_create(&thread, NULL, try_in_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

static void *sleep_on(void *arg) {
    (void)pause();
    return arg;
}

/* Such a thread would stay free. */
static void threads_before(const fixture *f) {
    pthread_t   thread;
    hl_err      err = {0};
    hl_lockdown have = {0};
    (void)f;
    EXPECT(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
    EXPECT(hl_lockdown_enter(NULL, 0, true, &have, &err) == HL_E_UNSUPPORTED);
    EXPECT(strstr(err.text, "threads run already"));
    EXPECT(open("/etc/passwd", O_RDONLY) >= 0); /* nothing is locked */
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0);
    EXPECT(hl_lockdown_enter(NULL, 0, false, &have, &err) == HL_OK);
    EXPECT(!have.files && have.calls && have.why_not_files);
}

/* ---- a host that answers ---- */

typedef struct said {
    char   text[1024];
    size_t n;
} said;

static bool on_token(void *user, const hl_token_event *ev) {
    said *s = user;
    if (ev->text.len < sizeof s->text - s->n) memcpy(s->text + s->n, ev->text.ptr, ev->text.len);
    s->n += ev->text.len;
    return true;
}

/* What a run does: find, lock, load, ask. */
static void answer(const fixture *f, bool is_chat, const char *level, said *ret) {
    char            home[160 + 16], question[1200];
    const hl_events events = {0};
    hl_config      *config = NULL;
    hl_host        *h = NULL;
    hl_source      *source = NULL;
    hl_conversation chat;
    hl_reply        reply;
    hl_paths        paths = {0};
    hl_err          err = {0};
    (void)snprintf(home, sizeof home, "HYPERLAMA_HOME=%s/home", f->dir);
    char *const env[] = {home, NULL};
    const char *model = path_in(f, "tiny.gguf");
    EXPECT(hl_config_new(&config, NULL) == HL_OK && hl_paths_init(&paths, env, NULL) == HL_OK);
    EXPECT(hl_config_set(config, HL_SETTING_security_lockdown, hl_view_of(level), HL_ORIGIN_FLAG, "", NULL) ==
           HL_OK);
    EXPECT(hl_config_set(config, HL_SETTING_engine_n_threads, hl_view_of("2"), HL_ORIGIN_FLAG, "", NULL) ==
           HL_OK);
    hl_conversation_init(&chat, config, &events);
    EXPECT(hl_conversation_add_option(&chat, "temperature", "0", &err) == HL_OK);
    EXPECT(hl_conversation_add_option(&chat, "num_predict", "12", &err) == HL_OK);
    EXPECT(hl_host_new(config, &paths, &events, &h, &err) == HL_OK);
    EXPECT(hl_host_find(h, model, HL_OPEN_FOR_LOAD, &source, &err) == HL_OK);
    EXPECT(hl_host_lock_down(h, source, is_chat, NULL, 0, &err) == HL_OK);
    EXPECT(hl_conversation_open_source(&chat, h, source, &err) == HL_OK);
    memset(question, 'a', sizeof question); /* over a block of the cache */
    chat.raw = true;
    EXPECT(hl_conversation_ask(&chat, (hl_view){question, sizeof question}, on_token, ret, &reply, &err) ==
           HL_OK);
    hl_reply_done(&reply);
    hl_conversation_done(&chat);
    hl_host_free(h); /* writes what is to be saved */
    hl_config_free(config);
    hl_paths_done(&paths);
}

static int is_saved(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)at;
    (void)st;
    const size_t n = strlen(path);
    return kind == FTW_F && n > 3 && strcmp(path + n - 3, ".kv") == 0;
}

static void make_model(const fixture *f) {
    static const mf_shape shape = {.n_vocab = 300,
                                   .n_embd = 64,
                                   .n_heads = 4,
                                   .n_kv_heads = 2,
                                   .head_dim = 16,
                                   .n_ff = 96,
                                   .n_layers = 2,
                                   .type = HL_TYPE_f32};
    EXPECT(mf_write(path_in(f, "tiny.gguf"), &shape, NULL) == HL_OK);
}

static void write_said(const fixture *f, const said *s) {
    EXPECT(hl_file_write_atomic(path_in(f, "said"), s->text, s->n, 0600, NULL) == HL_OK);
}

static void answer_freely(const fixture *f) {
    said s = {.n = 0};
    make_model(f);
    answer(f, false, "off", &s);
    write_said(f, &s);
}

static bool has_saved(const fixture *f) { return nftw(path_in(f, "home"), is_saved, 8, 0) == 1; }

static void answer_locked(const fixture *f) {
    said      s = {.n = 0};
    char      kept[1024];
    const int fd = open(path_in(f, "said"), O_RDONLY);
    EXPECT(!has_saved(f));
    answer(f, false, "on", &s);
    EXPECT(read(fd, kept, sizeof kept) == (ssize_t)s.n && memcmp(kept, s.text, s.n) == 0 && s.n > 0);
    EXPECT(has_saved(f));
    EXPECT(fails_with(open("/etc/passwd", O_RDONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "said"), O_RDONLY), EACCES));
    EXPECT(fails_with(open(path_in(f, "home/new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails_with(open(path_in(f, "tiny.gguf"), O_WRONLY), EACCES));
    EXPECT(open(path_in(f, "tiny.gguf"), O_RDONLY) >= 0);
    EXPECT(fails_with(fork(), EPERM));
    EXPECT(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM));
}

static void answer_in_a_chat(const fixture *f) {
    said s = {.n = 0};
    make_model(f);
    answer(f, true, "auto", &s);
    EXPECT(s.n > 0);
    EXPECT(open(path_in(f, "home/history"), O_WRONLY | O_CREAT, 0600) >= 0);
    EXPECT(fails_with(open(path_in(f, "new"), O_WRONLY | O_CREAT, 0600), EACCES));
    EXPECT(fails_with(open("/etc/passwd", O_RDONLY), EACCES));
    EXPECT(fails_with(fork(), EPERM));
}

static void answer_unlocked(const fixture *f) {
    said s = {.n = 0};
    make_model(f);
    answer(f, false, "off", &s);
    EXPECT(open("/etc/passwd", O_RDONLY) >= 0);
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0);
}

/* ---- tests ---- */

static void files_that_are_not_named_are_refused(void **state) {
    (void)state;
    check_child(files);
}

static void the_right_to_delete_is_none_to_read_or_write(void **state) {
    (void)state;
    check_child(only_deleting);
}

static void programs_processes_and_sockets_are_refused(void **state) {
    (void)state;
    check_child(calls);
}

static void threads_made_later_are_locked_too(void **state) {
    (void)state;
    check_child(threads);
}

static void a_process_with_threads_is_not_half_locked_without_a_word(void **state) {
    (void)state;
    check_child(threads_before);
}

static void a_locked_process_says_the_same_and_saves_its_blocks(void **state) {
    (void)state;
    fixture f;
    need_lockdown();
    fixture_init(&f);
    const int freely = run_child(answer_freely, &f);
    assert_int_equal(nftw(path_in(&f, "home"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    const int locked = run_child(answer_locked, &f);
    fixture_done(&f);
    assert_int_equal(freely, 0);
    assert_int_equal(locked, 0);
}

static void a_chat_may_write_its_own_folder_only(void **state) {
    (void)state;
    check_child(answer_in_a_chat);
}

static void off_locks_nothing(void **state) {
    (void)state;
    check_child(answer_unlocked);
}

/* ---- cut off ---- */

static int is_cut; /* atomic */

/* One that ran before. */
static void *try_afterwards(void *user) {
    const int *fd = user;
    while (!__atomic_load_n(&is_cut, __ATOMIC_ACQUIRE)) (void)sched_yield();
    EXPECT(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM));
    EXPECT(fails_with(connect(*fd, NULL, 0), EPERM));
    return NULL;
}

/* A listening socket on the loopback, and where it is. */
static int listen_here(struct sockaddr_in *ret) {
    socklen_t n = sizeof *ret;
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)ret, sizeof *ret) == 0 && listen(fd, 4) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)ret, &n) == 0);
    return fd;
}

static void cannot_reach_out(int before, const struct sockaddr_in *to) {
    struct sockaddr_un own = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};
    char               byte = 'x';
    struct iovec       part = {&byte, 1};
    struct msghdr      m = {
             .msg_name = (void *)(uintptr_t)to, .msg_namelen = sizeof *to, .msg_iov = &part, .msg_iovlen = 1};
    struct mmsghdr mm = {.msg_hdr = m};
    EXPECT(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM));
    EXPECT(fails_with(socket(AF_INET, SOCK_DGRAM, 0), EPERM));
    EXPECT(fails_with(socket(AF_INET6, SOCK_STREAM, 0), EPERM));
    EXPECT(fails_with(socket(AF_NETLINK, SOCK_RAW, 0), EPERM));
    EXPECT(fails_with(socket(AF_PACKET, SOCK_RAW, 0), EPERM));
    EXPECT(fails_with(connect(before, (const struct sockaddr *)to, sizeof *to), EPERM));
    EXPECT(
        fails_with(sendto(before, &byte, 1, MSG_FASTOPEN, (const struct sockaddr *)to, sizeof *to), EPERM));
    EXPECT(fails_with(sendmsg(before, &m, MSG_FASTOPEN), EPERM));
    EXPECT(fails_with(sendmmsg(before, &mm, 1, MSG_FASTOPEN), EPERM));
    EXPECT(fails_with(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
    EXPECT(fails_with(syscall(SYS_pidfd_getfd, 0, 0, 0), EPERM));
    const int local = socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT(local >= 0 && fails_with(connect(local, (struct sockaddr *)&own, sizeof own), EPERM));
    EXPECT(fails_with(sendto(local, &byte, 1, 0, (struct sockaddr *)&own, sizeof own),
                      ENOENT)); /* it may send */
}

static void cut_off(const fixture *f) {
    struct sockaddr_in here;
    pthread_t          old;
    hl_err             err = {0};
    char               byte = 0;
    (void)f;
    const int listener = listen_here(&here), before = socket(AF_INET, SOCK_STREAM, 0),
              client = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(connect(client, (struct sockaddr *)&here, sizeof here) == 0); /* as yet */
    EXPECT(pthread_create(&old, NULL, try_afterwards, (void *)(uintptr_t)&before) == 0);
    const hl_status status = hl_lockdown_cut_off(&err);
    if (status != HL_OK) (void)fprintf(stderr, "# %s\n", err.text);
    EXPECT(status == HL_OK);
    __atomic_store_n(&is_cut, 1, __ATOMIC_RELEASE);
    EXPECT(pthread_join(old, NULL) == 0);
    cannot_reach_out(before, &here);
    const int taken = accept(listener, NULL, NULL);
    EXPECT(taken >= 0 && send(taken, "y", 1, 0) == 1 && recv(client, &byte, 1, 0) == 1 && byte == 'y');
    EXPECT(fails_with(connect(taken, (struct sockaddr *)&here, sizeof here), EPERM));
    const pid_t child = fork();
    int         how = 0;
    if (child == 0) _exit(fails_with(socket(AF_INET, SOCK_STREAM, 0), EPERM) ? 0 : 1);
    EXPECT(waitpid(child, &how, 0) == child && how == 0);
    EXPECT(open("/etc/passwd", O_RDONLY) >= 0); /* files are as they were */
}

static void one_that_is_cut_off_answers_and_does_not_ask(void **state) {
    (void)state;
    check_child(cut_off);
}

/* Everywhere: what the probe says is what happens. */
static void cannot_lock(const fixture *f) {
    hl_err      err = {0};
    hl_lockdown can, have;
    (void)f;
    hl_lockdown_probe(&can);
    const hl_status status = hl_lockdown_enter(NULL, 0, true, &have, &err);
    EXPECT((status == HL_OK) == (can.files && can.calls));
    EXPECT(can.files == !can.why_not_files && can.calls == !can.why_not_calls);
    if (status == HL_OK) return;
    EXPECT(status == HL_E_UNSUPPORTED && strncmp(err.text, "lockdown: ", 10) == 0);
    EXPECT(hl_lockdown_enter(NULL, 0, false, &have, NULL) == HL_OK);
}

static void a_system_without_it_is_told_by_its_reason(void **state) {
    fixture f;
    (void)state;
    fixture_init(&f);
    assert_int_equal(run_child(cannot_lock, &f), 0);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_not_named_are_refused),
        cmocka_unit_test(the_right_to_delete_is_none_to_read_or_write),
        cmocka_unit_test(programs_processes_and_sockets_are_refused),
        cmocka_unit_test(threads_made_later_are_locked_too),
        cmocka_unit_test(a_process_with_threads_is_not_half_locked_without_a_word),
        cmocka_unit_test(a_locked_process_says_the_same_and_saves_its_blocks),
        cmocka_unit_test(a_chat_may_write_its_own_folder_only),
        cmocka_unit_test(off_locks_nothing),
        cmocka_unit_test(one_that_is_cut_off_answers_and_does_not_ask),
        cmocka_unit_test(a_system_without_it_is_told_by_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
