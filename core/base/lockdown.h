/* SPDX-License-Identifier: MIT
 *
 * lockdown.h - a process that gives up what it does not need, before it reads what strangers wrote.
 *
 * Files: only those that the caller names, and what libc and the engine read of the system (libraries, the
 * processor's topology, memory limits). Calls: no other program, no process, no socket, no other process'
 * memory, no new namespace, nothing of the kernel's that is for administrators. Both hold for this process
 * and all threads it makes from now on, and nothing takes them back.
 * Linux only (Landlock, seccomp); elsewhere, and in builds with sanitizers, whose checker at exit is a
 * process of its own, there is nothing to lock with.
 */
#ifndef HL_CORE_BASE_LOCKDOWN_H
#define HL_CORE_BASE_LOCKDOWN_H

#include "hyperlama/base.h"

typedef enum hl_lock_access {
    HL_LOCK_READ,   /* a file, or all below a folder */
    HL_LOCK_CHANGE, /* read, write */
    HL_LOCK_MAKE,   /* read, write, make, rename and delete all below a folder */
    HL_LOCK_DELETE  /* list, and delete files, below a folder */
} hl_lock_access;

typedef struct hl_lock_rule {
    const char    *path; /* NULL, or nothing of that name: no rule. A link stands for what it points to now */
    hl_lock_access access;
} hl_lock_rule;

typedef struct hl_lockdown {
    bool        files, calls;  /* what is locked (hl_lockdown_enter) or can be (hl_lockdown_probe) */
    int         files_version; /* of Landlock; 0: none */
    const char *why_not_files; /* NULL: they are */
    const char *why_not_calls;
} hl_lockdown;

void hl_lockdown_probe(hl_lockdown *ret);

/* Lock this process. Call it while there is one thread: the kernel locks files by thread, and threads that
 * are there already would stay free.
 *
 * in     must  fail unless both can be locked; else lock what can be
 * out    ret   what is locked
 * fails  HL_E_UNSUPPORTED  must, and one cannot be: nothing is locked
 *        HL_E_IO           the kernel refused half way */
HL_MUST_CHECK hl_status hl_lockdown_enter(const hl_lock_rule *rules, size_t n, bool must, hl_lockdown *ret,
                                          hl_err *err);

/* Cut this process off: from now on none of its threads, those that run already among them, can make a
 * connection, or a socket other than one of the machine's own (AF_UNIX, which cannot connect either). Sockets
 * that listen go on taking connections, and those are answered. Nothing takes it back; programs that are
 * started inherit it.
 *
 * fails  HL_E_UNSUPPORTED  this system or build has no filter of calls
 *        HL_E_IO           the kernel refused */
HL_MUST_CHECK hl_status hl_lockdown_cut_off(hl_err *err);

#endif
