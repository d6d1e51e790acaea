/* SPDX-License-Identifier: MIT */
/*
 * The boot-attempt counter: the UEFI variable SecPodBootAttempts counts the boots under SecPod that
 * nothing in the guest has confirmed by deleting it or setting it to 0. It ends a loop of boots
 * that hang or crash; it is no protection, since whoever may write variables may reset or raise it.
 */
#ifndef SECPOD_BOOT_ATTEMPTS_H
#define SECPOD_BOOT_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * attempts_allowed - may this boot go on under SecPod?
 * limit: unconfirmed boots allowed, 0 for no limit; then the variable is not looked at.
 * Result: false, after having said so, when the limit is reached.
 */
bool attempts_allowed(uint32_t limit);

/* attempts_count - count this boot, if there is a limit. */
void attempts_count(void);

/* attempts_withdraw - this boot goes on without SecPod: undo attempts_count(). */
void attempts_withdraw(void);

#endif
