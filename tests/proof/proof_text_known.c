/* SPDX-License-Identifier: MIT */
/* A store where a site begins: INT3, the first byte of one that is open, and a prefix that is exchanged again. text_store.h */
#define HAS_BORDER 1
#define SITE_AT_STORE (&site0)
#define KIND WHOLE

#include "tests/proof/text_store.h"
