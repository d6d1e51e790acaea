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
 *  PAIR: with page-table isolation makes the two roots of the program differ as to its page at address, in the way number
 *	value (below). Result: what the kernel reads there. Without isolation -EOPNOTSUPP. PAIR_END: not any more.
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
#define ATTACK_PAIR _IOWR('S', 10, struct attack_request)
#define ATTACK_PAIR_END _IO('S', 11)

/* What becomes of the entries of level 4: that of the user's root, of the kernel's, and of the user's when both were gone. */
enum attack_pair_way {
	ATTACK_PAIR_USER,
	ATTACK_PAIR_KERNEL,
	ATTACK_PAIR_ANEW,
	/* The kernel's may be executed. Result: whether it may. */
	ATTACK_PAIR_EXECUTE,
	/* A copy of the kernel's root is loaded, in a place for users' roots. Result: whether it was. */
	ATTACK_PAIR_PLACE,
	ATTACK_PAIR_WAYS
};

#endif
