/* SPDX-License-Identifier: MIT
 *
 * gguf_writer.h - build a GGUF file (version 3) from keys and tensors, and put it in place as a whole.
 *
 * Adding never fails visibly: the first mistake (no memory, a bad name or shape) is kept and reported by the
 * call that ends the work. Keys come out in the order they were added, tensors likewise, each at the next
 * multiple of the alignment.
 */
#ifndef HL_CORE_GGUF_GGUF_WRITER_H
#define HL_CORE_GGUF_GGUF_WRITER_H

#include "core/gguf/gguf.h"

typedef struct hl_gguf_writer hl_gguf_writer;

hl_gguf_writer *hl_gguf_writer_new(void);               /* NULL: no memory */
void            hl_gguf_writer_free(hl_gguf_writer *w); /* NULL is allowed */

void hl_gguf_writer_add_u32(hl_gguf_writer *w, const char *key, uint32_t x);
void hl_gguf_writer_add_u64(hl_gguf_writer *w, const char *key, uint64_t x);
void hl_gguf_writer_add_f32(hl_gguf_writer *w, const char *key, float x);
void hl_gguf_writer_add_bool(hl_gguf_writer *w, const char *key, bool x);
void hl_gguf_writer_add_text(hl_gguf_writer *w, const char *key, hl_view text);

/* A number of any kind: `bits` holds it in its lower bytes (floats as their bit pattern). */
void hl_gguf_writer_add_number(hl_gguf_writer *w, const char *key, hl_gguf_kind kind, uint64_t bits);

/* n numbers or bools of one kind, packed and little endian. */
void hl_gguf_writer_add_array(hl_gguf_writer *w, const char *key, hl_gguf_kind kind, size_t n,
                              const void *data);
void hl_gguf_writer_add_texts(hl_gguf_writer *w, const char *key, size_t n, const hl_view *texts);

/* Copy a key/value pair as another file has it. */
void hl_gguf_writer_add_value(hl_gguf_writer *w, const hl_gguf_value *v);

/* in     shape  [n_dims] slowest first, as in hl_gguf_tensor
 *        data   must stay until the file is written */
void hl_gguf_writer_add_tensor(hl_gguf_writer *w, const char *name, hl_type type, uint32_t n_dims,
                               const uint64_t *shape, const void *data);

/* A tensor of n whole numbers, i64.
 * in     data  must stay until the file is written */
void hl_gguf_writer_add_numbers(hl_gguf_writer *w, const char *name, uint64_t n, const void *data);

/* As hl_gguf_writer_add_tensor(); the bytes are made when they are written, one tensor at a time.
 * in     fn  fills `to` with all n_bytes of the tensor; called once for each time that the file is written */
typedef hl_status hl_gguf_fill_fn(void *user, void *to, size_t n_bytes, hl_err *err);
void              hl_gguf_writer_add_made(hl_gguf_writer *w, const char *name, hl_type type, uint32_t n_dims,
                                          const uint64_t *shape, hl_gguf_fill_fn *fn, void *user);

/* Write all of it to an open, empty file, and sync that. `path` names it in messages.
 * in     progress  told of bytes, about every 16 MiB; false ends it (HL_E_CANCEL). NULL: nobody is
 * fails  HL_E_ARG what was added wrongly, HL_E_NOMEM, HL_E_CANCEL, HL_E_IO: also when the disk has too little
 *        room, before anything is written; as the functions that make tensors */
typedef bool            hl_gguf_progress_fn(void *user, uint64_t done_bytes, uint64_t all_bytes);
HL_MUST_CHECK hl_status hl_gguf_writer_write(hl_gguf_writer *w, int fd, const char *path,
                                             hl_gguf_progress_fn *progress, void *user, hl_err *err);

/* Write the file: a temporary one beside `path`, fsync, rename. On failure `path` is as it was.
 * fails  HL_E_ARG what was added wrongly, HL_E_NOMEM, HL_E_IO: also when the disk has too little room, before
 *        anything is written */
HL_MUST_CHECK hl_status hl_gguf_writer_save(hl_gguf_writer *w, const char *path, hl_err *err);

/* The same into memory, for small files; the caller frees *ret_data with hl_free(). */
HL_MUST_CHECK hl_status hl_gguf_writer_build(hl_gguf_writer *w, uint8_t **ret_data, size_t *ret_n,
                                             hl_err *err);

#endif
