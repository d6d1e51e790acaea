/* SPDX-License-Identifier: MIT */
/*
 * Placing the monitor: a static position-independent 64-bit ELF file that needs no relocation but
 * R_X86_64_RELATIVE. Every field of the file is checked before it is used. Pure: compiled
 * unchanged on the host.
 */
#ifndef SECPOD_BOOT_ELF_H
#define SECPOD_BOOT_ELF_H

#include <stddef.h>
#include <stdint.h>

struct elf_layout {
	uint64_t size;	/* bytes of memory the image takes, whole pages */
	uint64_t entry; /* offset of the entry point from the start of the image */
};

/*
 * elf_place - copy the segments, clear what lies between and behind them, apply the relocations.
 * file, size: the file in memory, in bytes.
 * memory, memory_size: destination, in bytes.
 * address: where the image will run (that of memory itself, but for the tests).
 * layout: filled in when the result is 0.
 * problem: set to a constant text that names the rule broken, when the result is not 0.
 * Result: 0; -ENOEXEC when it is no file of the kind described above; -ENOSPC when the memory is
 * too small. After an error, the memory's contents are undefined.
 */
int elf_place(const void *file, size_t size, void *memory, size_t memory_size, uint64_t address,
	      struct elf_layout *layout, const char **problem);

#endif
