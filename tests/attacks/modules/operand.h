/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Instructions that store a system register, and that a hypervisor may carry out itself: with its rights, not the guest's. */
#ifndef SECPOD_TESTS_ATTACKS_OPERAND_H
#define SECPOD_TESTS_ATTACKS_OPERAND_H

#include "attack.h"

#define OPERAND_BYTES 64u
#define OPERAND_STORES 4u

#define OPERAND_STORE(faults, instruction, to)                          \
	do {                                                            \
		unsigned int fault = 1;                                 \
                                                                        \
		asm volatile(ATTACK_TRY(instruction " %[place]")        \
			     : [fault] "+r"(fault), [place] "+m"(*(to)) \
			     :                                          \
			     : "memory", "cc");                         \
		(faults) += fault;                                      \
	} while (0)

/* operand_stores - each of them stores to a place of its own of OPERAND_BYTES. Result: how many raised an exception. */
static inline unsigned int operand_stores(u8 *to)
{
	unsigned int faults = 0;

	OPERAND_STORE(faults, "sgdt", &to[0]);
	OPERAND_STORE(faults, "sidt", &to[16]);
	OPERAND_STORE(faults, "sldt", &to[32]);
	OPERAND_STORE(faults, "str", &to[40]);
	return faults;
}

#endif
