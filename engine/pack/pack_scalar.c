/* SPDX-License-Identifier: MIT
 *
 * pack_scalar.c - pack_body.h for any processor.
 */
#include "engine/pack/pack_body.h"
