/* SPDX-License-Identifier: MIT */
/* A store where no site begins that makes one: INT3, or an exchanged prefix. text_store.h */
#define HAS_BORDER 0
#define SITE_AT_STORE NULL
#define KIND WHOLE

#include "tests/proof/text_store.h"
