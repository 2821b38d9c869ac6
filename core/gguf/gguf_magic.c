/* SPDX-License-Identifier: MIT
 *
 * gguf_magic.c - what a file is that is no GGUF file: people pass the wrong one more often than a broken one.
 *
 * from: the magic numbers of the formats' own documents
 */
#include <string.h>
#include <strings.h>

#include "core/gguf/gguf_priv.h"

typedef struct magic {
    size_t      at, n;
    const char *bytes;
    const char *what;
} magic;

#define MAGIC(at, bytes, what)                                                                               \
    { at, sizeof bytes - 1, bytes, what }

static const char OLD[] =
    ", an older format that GGUF replaced in 2023; convert the original again, or get the file as GGUF";

static const magic rows[] = {
    MAGIC(0, "lmgg", "a GGML file"),
    MAGIC(0, "fmgg", "a GGMF file"),
    MAGIC(0, "tjgg", "a GGJT file"),
    MAGIC(0, "algg", "a GGLA adapter"),
    MAGIC(0, "version https://git-lfs", "a Git LFS pointer, not the file itself; get it with git lfs pull"),
    MAGIC(0, "PK\3\4", "a ZIP archive (PyTorch weights and many downloads are); convert or unpack it"),
    MAGIC(0, "\x1f\x8b", "compressed with gzip; unpack it"),
    MAGIC(0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it"),
    MAGIC(0,
          "\xfd"
          "7zXZ",
          "compressed with xz; unpack it"),
    MAGIC(0, "BZh", "compressed with bzip2; unpack it"),
    MAGIC(0, "7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    MAGIC(257, "ustar", "a tar archive; unpack it"),
    MAGIC(0,
          "\x7f"
          "ELF",
          "a program"),
    MAGIC(0, "%PDF", "a PDF document"),
    MAGIC(0, "\x89HDF", "an HDF5 file (weights of Keras); convert it"),
    MAGIC(0, "\x93NUMPY", "a NumPy array; convert it"),
    MAGIC(0, "\x80\2", "a Python pickle (older PyTorch weights); convert it"),
    MAGIC(4, "ftyp", "a video or an image"),
    MAGIC(4, "TFL3", "a TensorFlow Lite model; convert it"),
    MAGIC(0, "\0\0\0\0\0\0\0\0", "empty at its start: a download that did not finish?"),
};

/* White space, then one of these words, whatever their case. */
static const char *find_text(const char *p, size_t n) {
    static const struct {
        const char *word, *what;
    } texts[] = {
        {"<!doctype html",
         "a web page: the download gave a page instead of the file (does it need a login?)"},
        {"<html", "a web page: the download gave a page instead of the file (does it need a login?)"},
        {"<?xml", "an XML document: the download gave an error instead of the file?"},
        {"{", "a JSON document"},
        {"FROM ", "a Modelfile; name the GGUF file, and the Modelfile with -f"},
    };
    while (n > 0 && strchr(" \t\r\n", *p)) p++, n--;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const size_t n_word = strlen(texts[i].word);
        if (n >= n_word && strncasecmp(p, texts[i].word, n_word) == 0) return texts[i].what;
    }
    return NULL;
}

/* 8 bytes of length, little endian, then a JSON object of that length. */
static bool is_safetensors(const uint8_t *p, size_t n, size_t file_bytes) {
    uint64_t len = 0;
    for (size_t i = 8; n > 9 && i-- > 0;) len = len << 8 | p[i];
    return n > 9 && p[8] == '{' && (p[9] == '"' || p[9] == ' ' || p[9] == '}') && len >= 2 &&
           len <= file_bytes - 8;
}

const char *hl_gguf_what_is(const uint8_t *p, size_t n, size_t file_bytes, const char **ret_remark) {
    *ret_remark = "";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const magic *m = &rows[i];
        if (n < m->at + m->n || memcmp(p + m->at, m->bytes, m->n) != 0) continue;
        if (i < 4) *ret_remark = OLD;
        return m->what;
    }
    if (is_safetensors(p, n, file_bytes)) return "a safetensors file; convert it to GGUF";
    return find_text((const char *)p, n);
}
