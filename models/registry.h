/* SPDX-License-Identifier: MIT
 *
 * registry.h - models that are elsewhere: pull and push. The second front door of models/.
 *
 * Where from: a registry of Ollama's kind, or any that speaks OCI's distribution protocol
 * ("[host/][namespace/]model[:tag][@sha256:...]"), Hugging Face ("hf.co/org/repo[:quant]"), or the URL of a
 * GGUF file. What comes is checked before anything names it; what was broken off is gone on with the next
 * time, by whatever process.
 */
#ifndef HL_MODELS_REGISTRY_H
#define HL_MODELS_REGISTRY_H

#include "core/base/str.h"
#include "models/models.h"

/* ---- Names of models elsewhere ---- */

enum { HL_REF_URL_BYTES = 2048 };

typedef enum hl_ref_kind {
    HL_REF_REGISTRY,
    HL_REF_HUB,  /* Hugging Face */
    HL_REF_URL,  /* of a GGUF file */
    HL_REF_PATH, /* of a file on this machine: "./x.gguf", "/x.gguf", "~/x.gguf" */
} hl_ref_kind;

typedef struct hl_ref {
    hl_ref_kind kind;
    hl_name     name;                    /* under which it is stored; of a path: not set */
    bool        has_scheme, is_http;     /* "http://" was said */
    char        digest[HL_DIGEST_BYTES]; /* of the manifest that is wanted; "": whatever the tag means */
    char        text[HL_REF_URL_BYTES];  /* the URL or the path */
} hl_ref;

/* The one place where it is decided what a name means.
 * fails  HL_E_ARG  what is wrong with which part */
HL_MUST_CHECK hl_status hl_ref_parse(const char *text, hl_ref *ret, hl_err *err);
/* Append it so that hl_ref_parse() reads the same. */
void hl_ref_format(const hl_ref *ref, hl_str *out);

/* ---- Options of whoever pulls or pushes ---- */

typedef struct hl_remote_options { /* all zero is the default; NULL and "" are the same */
    const char *ca_file;           /* PEM with authorities; else the system's */
    const char *hub_url;           /* instead of https://huggingface.co */
    const char *hub_token;         /* shown to the hub alone */
    const char *key_file;          /* ed25519 in OpenSSH's form; made when a registry asks for one */
    const char *auth_file; /* user names and passwords of registries, as Docker's config.json has them */
    int64_t     max_bytes_s, time_limit_ms, stall_ms; /* 0: none, none, 30 s */
    int         n_requests;                           /* at a time; 0: up to 8, as many as help */
} hl_remote_options;

typedef struct hl_transfer_progress {
    const char *status;     /* in Ollama's words: "pulling manifest", "pulling 81b8e808a6c3", "success" */
    const char *digest;     /* "sha256:..."; "": it is about no file */
    uint64_t    done_bytes; /* of the file */
    uint64_t    total_bytes;
    bool        is_waiting; /* another process fetches it, and we share what it gets */
} hl_transfer_progress;

/* Called from the thread that asked. False: stop. */
typedef bool hl_transfer_progress_fn(void *user, const hl_transfer_progress *p);

/* What a pull is about to fetch. */
typedef struct hl_coming {
    hl_name  name;
    uint64_t total_bytes;   /* of all files; UINT64_MAX: the server has not said yet */
    uint64_t missing_bytes; /* of those, what is not here */
    uint64_t weights_bytes; /* of the model's GGUF files; UINT64_MAX as above */
    uint64_t room_bytes;    /* on the disk, for what is missing; UINT64_MAX: nobody knows */
    void    *pull;
} hl_coming;

/* The headers of the model's GGUF files, in order: each in a file that is as long as the real one and lives
 * in memory, its weights zeros that take no room. */
typedef struct hl_headers {
    const char *const *paths; /* [n] */
    size_t             n;
    uint64_t           n_bytes;       /* of all of the real files */
    uint64_t           fetched_bytes; /* that came for it */
} hl_headers;

/* Fetch them by ranges (64 MiB each at most; a server without ranges is hung up on when there is enough).
 * They are checked as headers, but nothing vouches for them before the whole file is here.
 * fails  as hl_store_pull(), hl_gguf_open()
 * owns   hl_headers_free() */
HL_MUST_CHECK hl_status hl_coming_fetch_headers(const hl_coming *c, hl_headers **ret, hl_err *err);
void                    hl_headers_free(hl_headers *h); /* NULL is allowed */

/* Called when it is known what would come and before it does, in a dry run, too; other than HL_OK ends the
 * pull with it. */
typedef hl_status hl_pull_look_fn(void *user, const hl_coming *c, hl_err *err);

typedef struct hl_pull_options { /* all zero is the default */
    const char *store_as;        /* NULL: the name that was asked for */
    bool        insecure;        /* plain http, or certificates that nobody vouches for, will do */
    bool        dry_run;         /* only say what would come */
    bool        glances;         /* nobody means to fetch it: hl_host_pull() does not ask whether it fits */
    hl_transfer_progress_fn *progress; /* NULL: silence */
    void                    *user;
    hl_pull_look_fn         *look; /* NULL: nobody does */
    void                    *look_user;
} hl_pull_options;

typedef struct hl_pulled {
    hl_name  name;
    char     digest[HL_DIGEST_BYTES];    /* of the manifest; "" in a dry run where it is made here */
    uint64_t total_bytes, fetched_bytes; /* of all files; of those, what came or (dry run) would come */
    size_t   n_files;
    bool     is_new; /* the name means something else now, or (dry run) would */
} hl_pulled;

/* Get a model. The name means the old one until all of the new is there, or what it meant before for good.
 *
 * out    ret_pulled  NULL is allowed
 * fails  HL_E_ARG        the name; http without `insecure`
 *        HL_E_NOT_FOUND  there is no such model: with what there is, where the server says
 *        HL_E_AUTH       it wants credentials, or other ones
 *        HL_E_NET        no answer, broken off, refused redirects; what came stays for the next time
 *        HL_E_FORMAT     the manifest, a size or a digest is not what it should be
 *        HL_E_UNSUPPORTED no weights that this program knows
 *        HL_E_CANCEL     progress said no, or hl_stop_watch()'s flag; what came stays
 *        HL_E_IO         no room, ...; HL_E_BUSY, HL_E_LIMIT, HL_E_NOMEM
 * thread any; several pulls of one model at the same time, by threads or processes, share one download */
HL_MUST_CHECK hl_status hl_store_pull(hl_store *s, const hl_remote_options *remote, const char *name,
                                      const hl_pull_options *options, hl_pulled *ret_pulled, hl_err *err);

typedef struct hl_push_options {
    const char *store_as; /* the stored model, where the name elsewhere is another one; NULL: the same */
    bool        insecure;
    hl_transfer_progress_fn *progress;
    void                    *user;
} hl_push_options;

/* Send a stored model to a registry: blobs that it does not have, then the manifest.
 * fails  as hl_store_pull() and hl_store_find() */
HL_MUST_CHECK hl_status hl_store_push(hl_store *s, const hl_remote_options *remote, const char *name,
                                      const hl_push_options *options, hl_err *err);

#endif
