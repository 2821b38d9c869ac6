/* SPDX-License-Identifier: MIT
 *
 * file.h - whole files: read with a limit, write so that a crash leaves the old or the new one,
 * walk through in pieces, link and clone.
 *
 * Errors name the path and what the system said.
 */
#ifndef HL_CORE_BASE_FILE_H
#define HL_CORE_BASE_FILE_H

#include <sys/stat.h>

#include "hyperlama/base.h"

/* What a failed call's errno is in our terms: HL_E_NOT_FOUND, HL_E_NOMEM, HL_E_BUSY (the process or the
 * system has no more descriptors: later it may), else HL_E_IO. */
hl_status hl_errno_status(int error);
/* The same where nobody asked for the path that is not there: that is HL_E_IO, too. */
hl_status hl_errno_io(int error);

/* Open a regular file without ever waiting for somebody. What else may stand under a name (a FIFO, a socket,
 * a device, a folder) is refused by what it is: opening one can hang, and reading one is nothing a file can
 * promise.
 *
 * in     flags  of open(2); O_CLOEXEC, O_NONBLOCK and O_NOCTTY are added
 *        mode   of a file that O_CREAT makes
 * out    ret_st  of the open file; NULL is allowed
 * fails  HL_E_NOT_FOUND, HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_file_open(const char *path, int flags, int mode, int *ret_fd, struct stat *ret_st,
                                     hl_err *err);

/* Read a whole regular file.
 * out    ret_data  terminated (the terminator is not counted); the caller frees it with hl_free()
 * fails  HL_E_NOT_FOUND, HL_E_LIMIT more than limit_bytes, HL_E_IO, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_file_read(const char *path, size_t limit_bytes, char **ret_data, size_t *ret_len,
                                     hl_err *err);

/* Write all bytes to a descriptor, going on after interruptions. `path` is for the message only. */
HL_MUST_CHECK hl_status hl_file_write_fd(int fd, const char *path, const void *data, size_t n, hl_err *err);

/* Replace `path` with new contents: a temporary file beside it, fsync, rename, fsync of the folder.
 * fails  HL_E_IO  `path` is as it was */
HL_MUST_CHECK hl_status hl_file_write_atomic(const char *path, const void *data, size_t n, int mode,
                                             hl_err *err);

/* Make a folder and those above it; one that exists is fine. */
HL_MUST_CHECK hl_status hl_dir_make(const char *path, int mode, hl_err *err);

/* Make renames and links in a folder last through a power cut. */
HL_MUST_CHECK hl_status hl_dir_sync(const char *path, hl_err *err);

/* The folder part of a path ("." when there is none) into ret; false when it does not fit. */
bool hl_path_dir(const char *path, char *ret, size_t cap);

/* One piece of a file; an error ends the walk and is handed on. */
typedef hl_status hl_file_chunk_fn(void *user, const void *data, size_t n, hl_err *err);

/* Read an open file from its start to its end in pieces of up to 1 MiB.
 * fails  HL_E_CANCEL asked to stop; HL_E_IO, HL_E_NOMEM; what fn says */
HL_MUST_CHECK hl_status hl_file_walk(int fd, const char *path, hl_file_chunk_fn *fn, void *user, hl_err *err);

/* Make `to_fd` (empty) share the blocks of `from_fd`, copy-on-write; false where that is not possible. */
bool hl_file_clone(int from_fd, int to_fd);

#endif
