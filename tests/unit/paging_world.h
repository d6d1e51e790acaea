/* SPDX-License-Identifier: MIT */
/*
 * A guest for the auditor's tests: some MiB of RAM in which a Linux-like kernel has its page tables
 * (image, direct map, module area) and processes have theirs, under a real EPT map. Implements
 * vmm/guest_mem.h. The guest's own CPUs are played by the test: guest_poke() is a store by an
 * instruction, as EPT would let it pass.
 */
#ifndef SECPOD_TESTS_UNIT_PAGING_WORLD_H
#define SECPOD_TESTS_UNIT_PAGING_WORLD_H

#include "secpod/paging/internal.h"
#include "secpod/rules.h"
#include "tests/unit/ept_fixture.h"

#define PW_RAM (64ULL << 20)
#define PW_FRAMES (PW_RAM / PAGE_SIZE)
#define PW_SECURE_BASE (32ULL << 20)
#define PW_SECURE_SIZE SIZE_2M
/* No memory, though below the top of it: a device's page, which the monitor keeps read-only. */
#define PW_DEVICE (PW_RAM - PAGE_SIZE)
#define PW_CPUS 4u

/* Where this kernel is; the fixed places are Linux's. */
#define PW_DIRECT 0xffff8cc000000000ULL
#define PW_IMAGE 0xffffffff93000000ULL
#define PW_IMAGE_GPA (16ULL << 20)
#define PW_TEXT_PAGES 8u
#define PW_RODATA_PAGES 4u
#define PW_DATA_PAGES 8u
#define PW_MODULES 0xffffffffc0000000ULL
#define PW_VMALLOC 0xffffb00000000000ULL
#define PW_CPU_ENTRY 0xfffffe0000000000ULL

/* Leaf bits Linux uses. */
#define PW_KERNEL_RW (PTE_P | PTE_RW | PTE_A | PTE_D | PTE_G | PTE_NX)
#define PW_KERNEL_RO (PTE_P | PTE_A | PTE_D | PTE_G | PTE_NX)
#define PW_KERNEL_RX (PTE_P | PTE_A | PTE_D | PTE_G)
#define PW_USER_RW (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX)
#define PW_USER_RX (PTE_P | PTE_US | PTE_A)
#define PW_KERNEL_TABLE (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PW_USER_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

struct paging_world {
	struct world ept; /* pool and EPT map */
	struct paging paging;
	struct paging_cpu cpu[PW_CPUS];
	uint8_t *ram;
	uint64_t next_frame; /* bump allocator of the guest's own */
	uint64_t swapper;    /* gpa of the kernel's root */
	uint64_t flushes;
	uint64_t trims;
	uint32_t trims_late; /* so many times to come the other CPUs have not trimmed yet */
	/* What was refused: how often by rule, and the last one. */
	uint32_t refusals[SECPOD_RULE_COUNT];
	uint32_t last_rule;
	uint64_t last_slot;
	bool let_pass;	/* answer of all rules that have one: off */
	bool deny_code; /* answer of those about new code: deny */
	uint32_t own;	/* the CPU that the auditor takes for its own */
	bool mbec;	/* set before pw_open(): the CPUs have mode-based execute control */
	/* What another CPU does while one waits for all to invalidate; not called while it runs. */
	void (*meanwhile)(struct paging_world *world);
	/* And just before the guest's memory at gpa is read. */
	void (*before_read)(struct paging_world *world, uint64_t gpa);
	/* And just before the entry at gpa becomes next, the lock of its table being held. */
	void (*before_exchange)(struct paging_world *world, uint64_t gpa, uint64_t next);
};

/* The one world there is; the fake guest_mem works on it. */
extern struct paging_world *paging_world;

/* pw_open - RAM, EPT, kernel tables; nothing is active. pw_close - and all memory was accounted for. */
void pw_open(struct paging_world *world);
void pw_close(struct paging_world *world);

/* pw_activate - activate on the kernel's root, lock, root loaded on CPU 0. pw_start - pw_open() and that. */
void pw_activate(struct paging_world *world);
void pw_start(struct paging_world *world);

/* pw_frame - a zeroed frame of the guest's; its number. */
uint64_t pw_frame(struct paging_world *world);

/* The entry at gpa as it is now. */
uint64_t pw_peek(uint64_t gpa);

/*
 * pw_poke - a store of the guest's kernel of a whole entry: done at once where EPT lets it, else by
 * paging_store() on this CPU, as the exit would, again while that says so.
 * Result: 0, or the error of paging_store().
 */
int pw_poke(struct paging_world *world, uint32_t cpu, uint64_t gpa, uint64_t value);

/* pw_set_value - a paging_change: the operand (uint64_t *) whatever was there. */
uint64_t pw_set_value(void *operand, uint64_t old);

/*
 * pw_map - set the leaf for va below root, with entries of tables as given for missing ones; through
 * pw_poke(). level: of the leaf. Result: 0 or the first error.
 */
int pw_map(struct paging_world *world, uint32_t cpu, uint64_t root, uint64_t va, uint64_t leaf,
	   uint32_t level, uint64_t table_bits);

/* pw_slot - gpa of the entry for va at level below root; 0: there is no table. */
uint64_t pw_slot(uint64_t root, uint64_t va, uint32_t level);

/* pw_process - a new root with the kernel's upper half, not loaded. Result: its gpa. */
uint64_t pw_process(struct paging_world *world);

/* pw_load - paging_root_load() on cpu, again while it says so. */
int pw_load(struct paging_world *world, uint32_t cpu, uint64_t root);

/*
 * pw_check - every invariant of secpod/paging/paging.h, recomputed from the tables in memory; fails
 * the running test.
 */
void pw_check(struct paging_world *world);

/* pw_teardown - pw_check() and pw_close() of the one world, as cmocka calls it after a test. Result: 0. */
int pw_teardown(void **state);

#endif
