/* SPDX-License-Identifier: MIT
 *
 * lock_down.c - what an answering process keeps when it locks itself in.
 *
 * Before the first byte of a model is read, because parsing is where a hostile file would do its harm, and
 * before there are threads, because files are locked by thread. What is there by then (the database, standard
 * files) stays open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/lockdown.h"
#include "core/base/mem.h"
#include "host/host_priv.h"

enum { MAX_RULES = 64 };

typedef struct rule_list {
    hl_lock_rule rules[MAX_RULES];
    size_t       n;
    bool         is_full;
} rule_list;

static void add(rule_list *l, const char *path, hl_lock_access access) {
    if (l->n < MAX_RULES)
        l->rules[l->n++] = (hl_lock_rule){path, access};
    else
        l->is_full = true;
}

/* The shards of a model stand in one folder or in the store; a model of more shards than rules is read by
 * the folder of each. */
static void add_source(rule_list *l, const hl_source *s, char *folder, size_t cap) {
    enum { FEW = 16 };
    for (size_t i = 0; i < s->n_paths && s->n_paths <= FEW; i++) add(l, s->paths[i], HL_LOCK_READ);
    for (size_t i = 0; i < s->n_added; i++) add(l, s->added[i].path, HL_LOCK_READ);
    if (s->n_paths > FEW && hl_path_dir(s->paths[0], folder, cap)) add(l, folder, HL_LOCK_READ);
}

/* A chat may go on with a model of a watched folder. `dirs` is cut at its ':'; a link out of the folder leads
 * nowhere then. */
static void add_watched(rule_list *l, char *dirs) {
    for (char *at = dirs; at && *at;) {
        const size_t n = strcspn(at, ":");
        const bool   is_last = at[n] == '\0';
        at[n] = '\0';
        if (n > 0 && access(at, R_OK) == 0) add(l, at, HL_LOCK_READ);
        at = is_last ? NULL : at + n + 1;
    }
}

/* Rules are for what exists: make what will be written to. A home that cannot be written is somebody's
 * choice. */
static void make_folders(const hl_host *h, bool is_chat, const char *saved) {
    const bool saves = hl_config_int(h->config, HL_SETTING_cache_quota_mib) > 0 && saved[0];
    if (is_chat && hl_dir_make(h->paths->home, 0700, NULL) != HL_OK) return;
    if (saves && hl_path_is_writable(saved) && hl_dir_make(saved, 0700, NULL) != HL_OK) return;
}

/* One answer changes the saved blocks and the count of uses; it cannot write to a model. SQLite deletes its
 * side files at the end, and the kernel knows the right to delete for folders only. */
static void add_own(rule_list *l, const hl_host *h, bool is_chat, const char *saved, char sides[2][4096]) {
    add(l, h->paths->models, is_chat ? HL_LOCK_MAKE : HL_LOCK_READ);
    add(l, saved, HL_LOCK_MAKE);
    if (is_chat) {
        add(l, h->paths->home, HL_LOCK_MAKE);
        return;
    }
    (void)snprintf(sides[0], sizeof sides[0], "%s-wal", h->paths->db);
    (void)snprintf(sides[1], sizeof sides[1], "%s-shm", h->paths->db);
    add(l, h->paths->home, HL_LOCK_DELETE);
    add(l, h->paths->db, HL_LOCK_CHANGE);
    add(l, sides[0], HL_LOCK_CHANGE);
    add(l, sides[1], HL_LOCK_CHANGE);
}

static hl_status lock(hl_host *h, const rule_list *l, bool must, hl_err *err) {
    hl_lockdown have = {0};
    hl_err      why = {0};
    if (l->is_full) return hl_fail(err, HL_E_LIMIT, "lockdown: over %d files and folders to read", MAX_RULES);
    const int64_t   start_ns = hl_clock_ns();
    const hl_status status = hl_lockdown_enter(l->rules, l->n, must, &have, &why);
    const int64_t   us = (hl_clock_ns() - start_ns) / 1000;
    if (status != HL_OK && must)
        return hl_fail(err, status, "security.lockdown is on: %s (auto locks what it can)", why.text);
    h->is_locked = have.files;
    if (status != HL_OK)
        hl_event(h->events, HL_LOG_WARN, "host", "not-locked-down", "why=\"%s\"", why.text);
    else if (have.files && have.calls)
        hl_event(h->events, HL_LOG_DEBUG, "host", "locked-down", "landlock=%d seccomp=1 us=%lld",
                 have.files_version, (long long)us);
    else
        hl_event(h->events, HL_LOG_INFO, "host", "not-locked-down", "files=\"%s\" calls=\"%s\"",
                 have.files ? "locked" : have.why_not_files, have.calls ? "locked" : have.why_not_calls);
    return HL_OK;
}

hl_status hl_host_lock_down(hl_host *h, const hl_source *source, bool is_chat, const char *const *also,
                            size_t n_also, hl_err *err) {
    const char *how = hl_config_text(h->config, HL_SETTING_security_lockdown);
    char        saved[4096] = "", sides[2][4096], folders[2][4096];
    hl_source  *draft = NULL;
    bool        is_asked = false;
    rule_list   l = {.n = 0};
    if (strcmp(how, "off") == 0) return HL_OK;
    if (source->remote) { /* it has to ask somebody, and no file of a stranger is read here */
        if (strcmp(how, "on") != 0) return HL_OK;
        return hl_fail(err, HL_E_UNSUPPORTED, "security.lockdown is on, and model '%s' is answered elsewhere",
                       source->label);
    }
    if (hl_host_find_draft(h, source, &draft, &is_asked, NULL) != HL_OK) draft = NULL; /* loading tells */
    if (!hl_host_saved_folder(h, saved, sizeof saved)) saved[0] = '\0';
    make_folders(h, is_chat, saved);
    add_own(&l, h, is_chat, saved, sides);
    add_source(&l, source, folders[0], sizeof folders[0]);
    if (draft) add_source(&l, draft, folders[1], sizeof folders[1]);
    for (size_t i = 0; i < n_also; i++) add(&l, also[i], HL_LOCK_READ);
    char *dirs = is_chat && h->paths->dirs ? hl_strdup(h->paths->dirs) : NULL;
    add_watched(&l, dirs);
    const hl_status status = lock(h, &l, strcmp(how, "on") == 0, err);
    hl_free(dirs);
    hl_source_free(draft);
    return status;
}

void hl_host_add_why_locked(const hl_host *h, const hl_source *source, hl_err *err) {
    if (!h->is_locked || !err) return;
    for (size_t i = 0; i < source->n_paths; i++) {
        const int fd = open(source->paths[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
        } else if (errno == EACCES) {
            (void)hl_fail(err, HL_E_IO,
                          "model '%s': this chat is locked in and reads models of the store only: `hyperlama "
                          "import` it, or start with --security-lockdown=off",
                          source->label);
            return;
        }
    }
}
