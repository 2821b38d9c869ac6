/* SPDX-License-Identifier: MIT
 *
 * reserve.c - fallocate(), looked at first and taken back where it fails.
 *
 * Some file systems (ext4) allocate as much as they have before they say that it is not enough, and keep it.
 */
#define _GNU_SOURCE
#include "core/base/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t hl_file_room(int fd) {
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0) return UINT64_MAX;
    return (uint64_t)(geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * fs.f_frsize;
}

int hl_file_reserve(int fd, uint64_t n_bytes) {
    struct stat    st;
    struct rlimit  most;
    const uint64_t room = hl_file_room(fd);
    if (n_bytes == 0) return 0;
    if (n_bytes > INT64_MAX) return EFBIG;
    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && n_bytes > most.rlim_cur) return EFBIG;
    if (fstat(fd, &st) != 0) return 0; /* writing will say what is wrong */
    const uint64_t has = (uint64_t)st.st_blocks * 512;
    if (room != UINT64_MAX && n_bytes > has && n_bytes - has > room) return ENOSPC;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)n_bytes) == 0) return 0;
    const int why = errno;
    if (why != ENOSPC && why != EDQUOT && why != EFBIG) return 0;
    if (ftruncate(fd, st.st_size) != 0) return why; /* gives back what lies behind the end */
    return why;
}
