/* SPDX-License-Identifier: MIT
 *
 * ed25519.h - signatures with a small key (RFC 8032), by libcrypto.
 */
#ifndef HL_CORE_DATA_ED25519_H
#define HL_CORE_DATA_ED25519_H

#include "hyperlama/base.h"

enum { HL_ED25519_KEY_BYTES = 32, HL_ED25519_SIGNATURE_BYTES = 64 };

/* The public key of a secret one, which is any 32 random bytes. fails HL_E_INTERNAL, HL_E_NOMEM */
HL_MUST_CHECK hl_status hl_ed25519_public(const unsigned char secret[HL_ED25519_KEY_BYTES],
                                          unsigned char ret[HL_ED25519_KEY_BYTES], hl_err *err);
HL_MUST_CHECK hl_status hl_ed25519_sign(const unsigned char secret[HL_ED25519_KEY_BYTES], hl_view words,
                                        unsigned char ret[HL_ED25519_SIGNATURE_BYTES], hl_err *err);

#endif
