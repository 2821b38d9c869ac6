/* SPDX-License-Identifier: MIT
 *
 * profiles.h - how engines of other programs are started: profiles.ini, and the user's own file.
 */
#ifndef HL_HOST_REMOTE_PROFILES_H
#define HL_HOST_REMOTE_PROFILES_H

#include "hyperlama/base.h"

enum { HL_PROFILE_MOST_ENV = 32 };

typedef struct hl_profile {
    char  *name;
    char  *command; /* words divided by spaces, with {model}, {port} and {name} */
    char  *env[HL_PROFILE_MOST_ENV];
    size_t n_env;
    char  *base, *ready;     /* paths */
    int    start_s, stop_ms; /* 0: not said */
} hl_profile;

extern const char hl_profiles_ini[]; /* host/remote/profiles.ini */

/* The profile of that name: of the user's file, else of ours.
 *
 * in     path  of the user's file; one that is not there has none
 * fails  HL_E_NOT_FOUND  with the names that there are
 *        HL_E_FORMAT     a line that is no part of a profile, a profile without a command, ...
 *        HL_E_IO, HL_E_NOMEM
 * owns   hl_profile_done() */
HL_MUST_CHECK hl_status hl_profile_find(const char *name, const char *path, hl_profile *ret, hl_err *err);
void                    hl_profile_done(hl_profile *p);

/* The words of the command, with what stands for {model}, {port} and {name}.
 * owns  hl_profile_free_words() */
HL_MUST_CHECK hl_status hl_profile_make_words(const hl_profile *p, const char *model, const char *port,
                                              const char *name, char ***ret_words, hl_err *err);
void                    hl_profile_free_words(char **words);

#endif
