/* SPDX-License-Identifier: MIT
 *
 * lockdown.c - Landlock for files, seccomp for calls, by their bare system calls.
 *
 * A list of what is refused rather than of what is allowed: what libc calls changes with its versions, and a
 * call that a list has forgotten would end an answer. Calls that are newer than this file say ENOSYS, which
 * every library is ready for.
 * from: Linux Documentation/userspace-api/landlock.rst and seccomp_filter.rst, landlock(7), seccomp(2);
 *       numbers of calls: asm/unistd.h of Linux 6.1
 */
#define _GNU_SOURCE
#include "core/base/file.h"
#include "core/base/lockdown.h"

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HL_LOCKDOWN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef HL_LOCKDOWN
#endif
#endif

#ifdef HL_LOCKDOWN

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- files ---- */

/* As of Linux 6.12; our own, because a distribution's headers are older than its kernels. */
enum {
    NR_CREATE_RULESET = 444,
    NR_ADD_RULE = 445,
    NR_RESTRICT_SELF = 446,
    CREATE_VERSION = 1,
    RULE_PATH = 1,
    MAX_VERSION = 6, /* that this file knows; newer ones have all of it */
};
typedef struct ruleset_attr {
    uint64_t files, net, scoped; /* what is refused unless a rule allows it */
} ruleset_attr;
typedef struct path_attr {
    uint64_t allowed;
    int32_t  fd;
} __attribute__((packed)) path_attr;

enum {
    F_EXECUTE = 1 << 0,
    F_WRITE = 1 << 1,
    F_READ = 1 << 2,
    F_READ_DIR = 1 << 3,
    F_REMOVE_DIR = 1 << 4,
    F_REMOVE = 1 << 5,
    F_MAKE_DIR = 1 << 7,
    F_MAKE_FILE = 1 << 8,
    F_ALL_1 = (1 << 13) - 1, /* of version 1; those that are not named here are for nobody */
    F_REFER = 1 << 13,       /* 2: to another folder */
    F_TRUNCATE = 1 << 14,    /* 3 */
    F_IOCTL = 1 << 15,       /* 5 */
    F_OF_A_FILE = F_EXECUTE | F_WRITE | F_READ | F_TRUNCATE | F_IOCTL,
    NET_ALL = 3,   /* 4: TCP */
    SCOPED_ALL = 3 /* 6: abstract sockets, signals to others */
};

static uint64_t known_rights(int version) {
    return F_ALL_1 | (version >= 2 ? F_REFER : 0) | (version >= 3 ? F_TRUNCATE : 0) |
           (version >= 5 ? F_IOCTL : 0);
}

static uint64_t rights_of(hl_lock_access access) {
    static const uint64_t rights[] = {
        [HL_LOCK_READ] = F_READ | F_READ_DIR,
        [HL_LOCK_CHANGE] = F_READ | F_READ_DIR | F_WRITE | F_TRUNCATE,
        [HL_LOCK_MAKE] = F_READ | F_READ_DIR | F_WRITE | F_TRUNCATE | F_REMOVE_DIR | F_REMOVE | F_MAKE_DIR |
                         F_MAKE_FILE | F_REFER,
        [HL_LOCK_DELETE] = F_REMOVE | F_READ_DIR,
    };
    return rights[access];
}

/* What libc, SQLite, libcrypto, libedit and the engine read while they work; nothing of it is anybody's
 * secret. Of /proc only our own folder. */
static const hl_lock_rule of_the_system[] = {
    {"/usr", HL_LOCK_READ},
    {"/lib", HL_LOCK_READ},
    {"/lib64", HL_LOCK_READ},
    {"/etc/ld.so.cache", HL_LOCK_READ},
    {"/etc/localtime", HL_LOCK_READ},
    {"/etc/ssl/openssl.cnf", HL_LOCK_READ},
    {"/etc/terminfo", HL_LOCK_READ},
    {"/dev/null", HL_LOCK_CHANGE},
    {"/dev/urandom", HL_LOCK_READ},
    {"/proc/self", HL_LOCK_READ},
    {"/proc/meminfo", HL_LOCK_READ},
    {"/proc/cpuinfo", HL_LOCK_READ},
    {"/sys/devices/system/cpu", HL_LOCK_READ},
    {"/sys/devices/system/node", HL_LOCK_READ},
    {"/sys/fs/cgroup", HL_LOCK_READ},
};

static hl_status add_rule(int set, int version, const hl_lock_rule *r, hl_err *err) {
    struct stat st;
    path_attr   a = {.allowed = rights_of(r->access) & known_rights(version)};
    if (!r->path || !r->path[0]) return HL_OK;
    a.fd = open(r->path, O_PATH | O_CLOEXEC);
    if (a.fd < 0) return HL_OK; /* nothing there, or not for us: it stays refused */
    if (fstat(a.fd, &st) != 0 || !S_ISDIR(st.st_mode)) a.allowed &= F_OF_A_FILE;
    const long bad = a.allowed ? syscall(NR_ADD_RULE, set, RULE_PATH, &a, 0) : 0;
    const int  error = errno;
    (void)close(a.fd);
    return bad == 0 ? HL_OK : hl_fail(err, HL_E_IO, "lockdown: allow '%.200s': %s", r->path, strerror(error));
}

static hl_status lock_files(int version, const hl_lock_rule *rules, size_t n, hl_err *err) {
    ruleset_attr a = {.files = known_rights(version),
                      .net = version >= 4 ? NET_ALL : 0,
                      .scoped = version >= 6 ? SCOPED_ALL : 0};
    /* an older kernel is content with fields that it does not know as long as they are 0 */
    const int set = (int)syscall(NR_CREATE_RULESET, &a, sizeof a, 0);
    if (set < 0)
        return hl_fail(err, hl_errno_io(errno), "lockdown: make a Landlock ruleset: %s", strerror(errno));
    hl_status status = HL_OK;
    for (size_t i = 0; i < sizeof of_the_system / sizeof *of_the_system && status == HL_OK; i++)
        status = add_rule(set, version, &of_the_system[i], err);
    for (size_t i = 0; i < n && status == HL_OK; i++) status = add_rule(set, version, &rules[i], err);
    if (status == HL_OK && syscall(NR_RESTRICT_SELF, set, 0) != 0)
        status = hl_fail(err, hl_errno_io(errno), "lockdown: Landlock: %s", strerror(errno));
    (void)close(set);
    return status;
}

/* ---- calls ---- */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

#ifdef OUR_ARCH
enum { LAST_KNOWN_CALL = 450, X32_BIT = 0x40000000, MAX_PROGRAM = 512 };

static const uint16_t refused[] = {
    /* another program, another process */
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    /* the network, and services behind sockets of the machine: nothing is sent anywhere */
    SYS_socket,
    SYS_bind,
    SYS_connect,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    /* other views of the system */
    SYS_unshare,
    SYS_setns,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_swapon,
    SYS_swapoff,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_mknodat,
    SYS_fanotify_init,
    SYS_acct,
    /* parts of the kernel that have been ways into it, and that no answer needs */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_setup,
    SYS_io_submit,
    SYS_vmsplice,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_personality,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_lookup_dcookie,
    /* what is for administrators */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_syslog,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
    /* other rights than we have */
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capset,
#ifdef __x86_64__
    SYS_fork,
    SYS_vfork,
    SYS_kexec_file_load,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_mknod,
    SYS_ustat,
    SYS_sysfs,
#endif
};

typedef struct program {
    struct sock_filter code[MAX_PROGRAM];
    size_t             n;
} program;

static void emit(program *p, uint16_t code, uint8_t if_true, uint8_t if_false, uint32_t k) {
    if (p->n < MAX_PROGRAM)
        p->code[p->n] = (struct sock_filter){.code = code, .jt = if_true, .jf = if_false, .k = k};
    p->n++; /* one that does not fit is told by its length */
}

static void load(program *p, size_t at) { emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)at); }
static void answer(program *p, uint32_t action) { emit(p, BPF_RET | BPF_K, 0, 0, action); }
static void refuse(program *p, int error) {
    answer(p, SECCOMP_RET_ERRNO | ((uint32_t)error & SECCOMP_RET_DATA));
}

/* The lower half of an argument: all that these calls look at. */
static size_t arg(int i) {
    return offsetof(struct seccomp_data, args) + 8 * (size_t)i +
           (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

/* What follows is skipped unless the call is this one; it must end in an answer and have so many lines. */
static void only_for(program *p, uint32_t call, uint8_t n_lines) {
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, n_lines, call);
}

static void add_threads(program *p) {
    /* its flags stand in memory, where a filter cannot look; libc then takes clone() */
    only_for(p, SYS_clone3, 1);
    refuse(p, ENOSYS);
    only_for(p, SYS_clone, 4);
    load(p, arg(0));
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, CLONE_THREAD);
    answer(p, SECCOMP_RET_ALLOW);
    refuse(p, EPERM);
}

/* Signals to ourselves only. */
static void add_signals(program *p, uint32_t call) {
    only_for(p, call, 4);
    load(p, arg(0));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)getpid());
    answer(p, SECCOMP_RET_ALLOW);
    refuse(p, EPERM);
}

/* Nobody types for the user: such keys would be the shell's after we have gone. */
static void add_terminal(program *p) {
    only_for(p, SYS_ioctl, 5);
    load(p, arg(1));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, TIOCSTI);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, TIOCLINUX);
    refuse(p, EPERM);
    answer(p, SECCOMP_RET_ALLOW);
}

/* What every filter begins with; the call's number is loaded then. */
static void begin_program(program *p) {
    load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, OUR_ARCH);
    answer(p, SECCOMP_RET_KILL_PROCESS); /* 32-bit calls from a 64-bit program are an attack */
    load(p, offsetof(struct seccomp_data, nr));
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
    refuse(p, EPERM);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, 0, 1, LAST_KNOWN_CALL);
    refuse(p, ENOSYS);
}

static void write_program(program *p) {
    begin_program(p);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        only_for(p, refused[i], 1);
        refuse(p, EPERM);
    }
    add_threads(p);
    add_signals(p, SYS_kill);
    add_signals(p, SYS_tgkill);
    add_terminal(p);
    answer(p, SECCOMP_RET_ALLOW);
}

/* The calls that could reach out, or take the sockets of another process; io_uring does what it does past
 * every filter. */
static const uint16_t refused_outside[] = {
    SYS_connect,     SYS_io_uring_setup, SYS_io_uring_enter,    SYS_io_uring_register,
    SYS_pidfd_getfd, SYS_ptrace,         SYS_process_vm_writev,
};

/* A connected socket that was closed by its other end could connect again in the call that sends. */
static void add_fast_open(program *p, uint32_t call, int i_flags) {
    only_for(p, call, 4);
    load(p, arg(i_flags));
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 0, 1, MSG_FASTOPEN);
    refuse(p, EPERM);
    answer(p, SECCOMP_RET_ALLOW);
}

static void write_cut(program *p) {
    begin_program(p);
    for (size_t i = 0; i < sizeof refused_outside / sizeof *refused_outside; i++) {
        only_for(p, refused_outside[i], 1);
        refuse(p, EPERM);
    }
    only_for(p, SYS_socket, 4);
    load(p, arg(0));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AF_UNIX);
    refuse(p, EPERM);
    answer(p, SECCOMP_RET_ALLOW);
    add_fast_open(p, SYS_sendto, 3);
    add_fast_open(p, SYS_sendmsg, 2);
    add_fast_open(p, SYS_sendmmsg, 3);
    answer(p, SECCOMP_RET_ALLOW);
}

static hl_status lock_calls(void (*write)(program *p), hl_err *err) {
    program p = {.n = 0};
    write(&p);
    if (p.n > MAX_PROGRAM) return hl_fail(err, HL_E_INTERNAL, "lockdown: the filter has %zu lines", p.n);
    const struct sock_fprog prog = {.len = (unsigned short)p.n, .filter = p.code};
    /* SPEC_ALLOW: older kernels would switch off speculation for us, which costs speed and is not wanted */
    const unsigned long flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog) != 0)
        return hl_fail(err, hl_errno_io(errno), "lockdown: seccomp: %s", strerror(errno));
    return HL_OK;
}

static const char *look_at_calls(void) {
    const uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? NULL
                                                                           : "the kernel has no seccomp";
}
#else
typedef struct program program;
static void            write_program(program *p) { (void)p; }
static void            write_cut(program *p) { (void)p; }
static hl_status       lock_calls(void (*write)(program *p), hl_err *err) {
          (void)write;
          return hl_fail(err, HL_E_INTERNAL, "lockdown: no filter");
}
static const char *look_at_calls(void) { return "no filter for this processor's calls"; }
#endif

/* ---- both ---- */

static const char *look_at_files(int *ret_version) {
    const long  version = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);
    struct stat tasks;
    *ret_version = version > MAX_VERSION ? MAX_VERSION : version > 0 ? (int)version : 0;
    if (version > 0 && stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3)
        return "threads run already";
    if (version > 0) return NULL;
    return errno == EOPNOTSUPP ? "Landlock is switched off in the kernel" : "the kernel has no Landlock";
}

void hl_lockdown_probe(hl_lockdown *ret) {
    *ret = (hl_lockdown){0};
    ret->why_not_files = look_at_files(&ret->files_version);
    ret->why_not_calls = look_at_calls();
    ret->files = !ret->why_not_files;
    ret->calls = !ret->why_not_calls;
}

hl_status hl_lockdown_enter(const hl_lock_rule *rules, size_t n, bool must, hl_lockdown *ret, hl_err *err) {
    hl_lockdown can;
    hl_lockdown_probe(&can);
    if (must && !(can.files && can.calls))
        return hl_fail(err, HL_E_UNSUPPORTED, "lockdown: %s",
                       can.why_not_files ? can.why_not_files : can.why_not_calls);
    if ((can.files || can.calls) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return hl_fail(err, hl_errno_io(errno), "lockdown: no new privileges: %s", strerror(errno));
    hl_status status = HL_OK;
    if (can.files) status = lock_files(can.files_version, rules, n, err);
    if (status == HL_OK && can.calls) status = lock_calls(write_program, err);
    if (status == HL_OK) *ret = can;
    return status;
}

hl_status hl_lockdown_cut_off(hl_err *err) {
    const char *why_not = look_at_calls();
    if (why_not) return hl_fail(err, HL_E_UNSUPPORTED, "cannot be cut off from the network: %s", why_not);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return hl_fail(err, hl_errno_io(errno), "lockdown: no new privileges: %s", strerror(errno));
    return lock_calls(write_cut, err);
}

#else

void hl_lockdown_probe(hl_lockdown *ret) {
    static const char why[] = "this build has none";
    *ret = (hl_lockdown){.why_not_files = why, .why_not_calls = why};
}

hl_status hl_lockdown_enter(const hl_lock_rule *rules, size_t n, bool must, hl_lockdown *ret, hl_err *err) {
    (void)rules;
    (void)n;
    hl_lockdown_probe(ret);
    return must ? hl_fail(err, HL_E_UNSUPPORTED, "lockdown: %s", ret->why_not_files) : HL_OK;
}

hl_status hl_lockdown_cut_off(hl_err *err) {
    return hl_fail(err, HL_E_UNSUPPORTED,
                   "cannot be cut off from the network: this build has no filter of calls");
}

#endif
