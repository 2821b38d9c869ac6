/* SPDX-License-Identifier: MIT
 *
 * key_file.h - the ed25519 key that registries of Ollama's kind know somebody by, in OpenSSH's form.
 */
#ifndef HL_MODELS_REGISTRY_KEY_FILE_H
#define HL_MODELS_REGISTRY_KEY_FILE_H

#include "core/base/str.h"
#include "core/data/ed25519.h"

/* Read the secret half from the text of a private key file without a passphrase.
 * fails HL_E_FORMAT, HL_E_UNSUPPORTED (a passphrase, another kind of key) */
HL_MUST_CHECK hl_status hl_key_parse(hl_view text, const char *what, unsigned char ret[HL_ED25519_KEY_BYTES],
                                     hl_err *err);
/* Append the public half as such files and servers show it: base64 of "ssh-ed25519" and the key, each with
 * its length in front. */
HL_MUST_CHECK hl_status hl_key_add_public(const unsigned char secret[HL_ED25519_KEY_BYTES], hl_str *out,
                                          hl_err *err);
/* The key in this file, which is made (0600, and PATH.pub) when it is not there.
 * fails HL_E_IO, HL_E_FORMAT, HL_E_UNSUPPORTED */
HL_MUST_CHECK hl_status hl_key_load(const char *path, unsigned char ret[HL_ED25519_KEY_BYTES], hl_err *err);

#endif
