/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * /dev/secpod_attack, between the runner and secpod_attack.ko: what is done to the attack whose module was
 * loaded last.
 */
#ifndef SECPOD_TESTS_ATTACKS_ATTACK_DEVICE_H
#define SECPOD_TESTS_ATTACKS_ATTACK_DEVICE_H

#define ATTACK_DEVICE "secpod_attack"
#define ATTACK_NAME_SIZE 64

/* Make the attempt. The calling process may not live to see the end. */
#define ATTACK_ATTEMPT _IO('S', 0)
/* Say what came of it, from another process. */
#define ATTACK_JUDGE _IO('S', 1)
/* Say which rules are on record for an attack that is a program; argument: its name. */
#define ATTACK_RECORDS _IOW('S', 2, char[ATTACK_NAME_SIZE])

#endif
