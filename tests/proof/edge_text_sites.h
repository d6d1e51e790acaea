/* SPDX-License-Identifier: MIT */
/* Included before secpod/text/sites.c: two buckets, so that lines share them, and one small page of sites. */
#ifndef SECPOD_TESTS_PROOF_EDGE_TEXT_SITES_H
#define SECPOD_TESTS_PROOF_EDGE_TEXT_SITES_H

#include "secpod/text/text.h"

#undef TEXT_BUCKETS
#define TEXT_BUCKETS 2u
#undef TEXT_SITES_PER_PAGE
#define TEXT_SITES_PER_PAGE 4u

#endif
