/* SPDX-License-Identifier: MIT */
/*
 * Page-table roots of a kernel that boots: which of them its CPUs may load without a VM exit, and
 * which load is the first of a user program after the boot. Pure.
 *
 * Linux patches its text through an address space of its own (text_poke()), two loads of CR3 for
 * each patch, thousands on a machine with one CPU. Those loads need not be seen; but nothing that
 * is let through may hide the load that is waited for. The root of a dead process cannot be told
 * from a kernel's: its user half is empty, and its frame may be init's root next. So only a root
 * that was loaded before the first process is taken for the kernel's: the frames of swapper_pg_dir,
 * poking_mm and efi_mm stay what they are for as long as the kernel runs.
 */
#ifndef SECPOD_VMX_BOOT_ROOTS_H
#define SECPOD_VMX_BOOT_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

/* What is mapped below the kernel's half. */
enum user_half {
	USER_HALF_EMPTY,
	USER_HALF_SUPERVISOR, /* pages of the kernel only, as text_poke() and EFI calls use them */
	USER_HALF_USER,	      /* pages of a process */
	USER_HALF_UNKNOWN,    /* too many tables to tell */
};

/*
 * user_half_of - look through the user half of 4-level tables, at a limited number of them.
 * read: guest_read(); a table that cannot be read maps nothing. root: gpa of the topmost table.
 * SDM: "4-Level Paging", "Determination of Access Rights" (U/S of all entries on the way).
 */
enum user_half user_half_of(int (*read)(uint64_t gpa, void *to, uint64_t len), uint64_t root);

#define BOOT_ROOTS_MAX 4u

/* Of the machine: a root is the same on all its CPUs. The caller locks. */
struct boot_roots {
	uint64_t root[BOOT_ROOTS_MAX]; /* the kernel's own */
	uint32_t count;
	bool user_seen; /* a process has run: no root can be taken for the kernel's any more */
};

enum root_verdict {
	ROOT_WATCH,	 /* nothing of note; later loads are to be seen too */
	ROOT_KERNEL,	 /* the kernel's own: its loads need not be seen */
	ROOT_USER,	 /* a process's, while the kernel's text can still be written */
	ROOT_FIRST_USER, /* a user program, and the text is read-only: the boot is over */
};

/*
 * boot_roots_load - a CPU loads root. half: of its tables now; text_read_only: the kernel's text
 * is mapped without write permission on that CPU.
 */
enum root_verdict boot_roots_load(struct boot_roots *roots, uint64_t root, enum user_half half,
				  bool text_read_only);

#endif
