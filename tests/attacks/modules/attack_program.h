/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What secpod_attack.ko does for attacks that are programs. */
#ifndef SECPOD_TESTS_ATTACKS_ATTACK_PROGRAM_H
#define SECPOD_TESTS_ATTACKS_ATTACK_PROGRAM_H

#include <linux/compiler.h>

#include "attack_device.h"

/* attack_for_program - a command of attack_device.h, for the calling program. Result: 0, or a negative errno. */
long attack_for_program(unsigned int command, struct attack_request __user *argument);

/* attack_pair, attack_pair_end - the commands PAIR and PAIR_END. Result: 0, or a negative errno. */
int attack_pair(struct attack_request *request);
int attack_pair_end(struct attack_request *request);

#endif
