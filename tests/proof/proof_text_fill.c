/* SPDX-License-Identifier: MIT */
/* A store behind the first byte of an open site. text_store.h */
#define HAS_BORDER 0
#define SITE_AT_STORE NULL
#define KIND TAIL

#include "tests/proof/text_store.h"
