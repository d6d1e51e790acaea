/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* See remap_calls.h. */
#define REMAP_LEVEL 2
#include "remap_calls.h"

static const struct attack pt_remap_l2 = {
	"pt_remap_l2", "kernel-remap,locked-range", NULL, attempt, effect, undo};
ATTACK_MODULE(pt_remap_l2);
