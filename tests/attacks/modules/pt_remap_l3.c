/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* See remap_calls.h. */
#define REMAP_LEVEL 3
#include "remap_calls.h"

static const struct attack pt_remap_l3 = {
	"pt_remap_l3", "kernel-remap,locked-range", NULL, attempt, effect, undo};
ATTACK_MODULE(pt_remap_l3);
