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

/*
 * What the kernel does for a program that attacks, as one that has been broken into would:
 *  TARGET: a word of its constants. Result: its physical address, and what it holds.
 *  TABLE_MAP: the program's page at address becomes a page table of its own; or, when that is 0, a page
 *	of the kernel's does, and maps itself. Result: where the program sees the table, and the address that its
 *	first entry maps. TABLE_UNMAP: not any more.
 *  OPEN: gives user mode a page of the kernel's. Result: its address. CLOSE: takes it back. Result: its first word.
 *  LIFT: lets programs map any memory through /dev/mem. DROP: not any more.
 */
struct attack_request {
	unsigned long address;
	unsigned long value;
};
#define ATTACK_TARGET _IOR('S', 3, struct attack_request)
#define ATTACK_TABLE_MAP _IOWR('S', 4, struct attack_request)
#define ATTACK_TABLE_UNMAP _IO('S', 5)
#define ATTACK_OPEN _IOR('S', 6, struct attack_request)
#define ATTACK_CLOSE _IOR('S', 7, struct attack_request)
#define ATTACK_LIFT _IO('S', 8)
#define ATTACK_DROP _IO('S', 9)

#endif
