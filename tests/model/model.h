/* SPDX-License-Identifier: MIT */
/*
 * A random hostile guest against the auditor, and a slow reference that says whether the auditor did
 * its duty. The guest lives in the world of tests/unit/paging_world.h; what this adds is CPUs: each
 * has the translations it cached, uses them until it invalidates, and only then sees EPT again. So an
 * invalidation that is missing or late shows as a store that lands in a page table.
 *
 *	machine.c	CPUs: cached translations, VM entry and exit, invalidation as ept/invalidate.c has it
 *	guest.c		what the guest does next
 *	requests.c	or asks for
 *	values.c	and what it stores
 *	judge.c		the rules once more, written from their description, not from secpod/paging/judge.c
 *	expect.c	what the auditor should answer, for one CPU at a time
 *	reference.c	everything recomputed from the page tables in memory, while all CPUs stand still
 *	main.c		seeds, bursts, threads
 *
 * With one thread, which plays all CPUs, a seed gives the same run every time; what other CPUs do meanwhile
 * happens where one waits for the others to invalidate. With more, each CPU is a thread.
 */
#ifndef SECPOD_TESTS_MODEL_MODEL_H
#define SECPOD_TESTS_MODEL_MODEL_H

#include "ept/invalidate.h"
#include "tests/unit/paging_world.h"

#define MODEL_CPUS PW_CPUS
/* What a CPU keeps of translations; older ones give way. */
#define CACHED_WRITES 24u
#define CACHED_TABLES 48u
#define CACHED_CODE 8u

/* The frames the guest plays with, and the first of them, which it likes as roots. */
#define ARENA_FIRST ((24ULL << 20) >> PAGE_SHIFT)
#define ARENA_FRAMES 160u
#define ARENA_ROOTS 12u
#define KERNEL_TABLES_MAX 64u

struct cached_table {
	uint64_t frame;
	uint32_t level;
};

struct cpu {
	uint32_t number;
	struct random *random;
	uint64_t cr3;			   /* gpa; changes without an exit between targets */
	uint64_t target[PAGING_CPU_ROOTS]; /* CR3-target values; PAGING_NO_ROOT: none */
	uint64_t trims;			   /* seen */
	uint64_t saved;			   /* an entry the guest has taken out of a table */
	uint32_t depth; /* one thread: waits for invalidation it is called from */
	/* Translations: frames it may write or execute, tables it may go on walking. Rings. */
	uint64_t writes[CACHED_WRITES];
	uint32_t next_write;
	uint64_t code[CACHED_CODE];
	uint32_t next_code;
	struct cached_table tables[CACHED_TABLES];
	uint32_t next_table;
	struct random own;
};

struct model {
	struct paging_world world;
	struct ept_flush flush;
	struct cpu cpu[MODEL_CPUS];
	uint32_t cpus;
	bool threaded;
	bool isolated;	 /* page-table isolation: the kernel's root has a pair */
	bool sets_flags; /* the CPUs write A and D to read-only page tables: EPT paging-write */
	bool locked;
	bool quiet; /* one thread: nothing happens on other CPUs meanwhile */
	uint64_t trims;
	uint64_t kernel_table[KERNEL_TABLES_MAX]; /* frames */
	uint32_t kernel_tables;
	uint64_t special;    /* gpa of the root for CPUs that start */
	uint64_t broken;     /* one thread: rules the auditor named since it was cleared, as bits */
	uint64_t operations; /* of the guest, all CPUs */
	uint64_t compared;   /* answers held against expect.c */
	uint64_t seed;
	uint32_t burst;
};

extern struct model model;
extern _Thread_local struct cpu *this_cpu;

/* model_fail - say what is wrong, with the seed, and stop. */
_Noreturn void model_fail(const char *file, int line, const char *what, uint64_t a, uint64_t b);
#define MODEL_CHECK(condition, a, b)                                                              \
	do {                                                                                      \
		if (!(condition))                                                                 \
			model_fail(__FILE__, __LINE__, #condition, (uint64_t)(a), (uint64_t)(b)); \
	} while (0)

/* ---- machine.c */

/* machine_open - the world for a seed, active and (but for some seeds) locked. machine_close. */
void machine_open(uint64_t seed, uint32_t cpus, bool threaded);
void machine_close(void);

/*
 * What a guest can do on the CPU it runs on (this_cpu); each enters the guest and leaves it again.
 * machine_store: change an entry, at once where a cached translation or EPT lets it, else as the exit does it.
 * machine_fill: a page of the guest's becomes these words, as far as it can be written without an exit.
 * machine_walk: translate something, beginning in CR3 or in what is cached, and use the translation;
 * machine_access: a linear address.
 * machine_reuse: write and execute what has been cached before. machine_load: CR3. machine_switch: CR3, to a target. machine_settle: a write that hits read-only memory.
 */
void machine_store(uint64_t gpa, paging_change change, void *operand);
void machine_fill(uint64_t frame, const uint64_t *words);
void machine_walk(void);
void machine_access(uint64_t va);
void machine_reuse(void);
void machine_load(uint64_t root);
void machine_switch(void);
void machine_settle(uint64_t frame);

/* machine_request - a hypercall of the guest's, on this_cpu. */
void machine_request(void (*request)(struct paging *paging, struct paging_cpu *cpu));

/* machine_lock - the phase LOCKED. No CPU is in the guest. */
void machine_lock(void);

/* machine_memory - take memory from the monitor until it has this many pages, or give all back. */
#define ALL_MEMORY (~0ULL)
void machine_memory(uint64_t pages);

/* ---- requests.c: the guest asks for a change instead of making it. */
void op_request(void);
void op_exit(void);

/* ---- guest.c: one thing a guest does on this_cpu; places it likes. values.c: an entry for a slot, from the CPU's dice. */
void guest_step(void);
uint64_t some_slot(void);
uint64_t some_root(void);
uint64_t guest_value(uint64_t slot);
uint64_t arena_frame(void);
uint64_t dice(uint64_t sides);

/* ---- judge.c */

/* Where an entry is and what is known of the frames it names. */
struct slow_place {
	uint32_t level;
	uint32_t index;
	enum table_half half;
	enum root_kind root;
	uint64_t va;
	bool locked;
	enum frame_type (*type)(uint64_t frame);
};

/* slow_rules - the rules that next breaks where old was, a bit for each SECPOD_RULE_*. */
uint64_t slow_rules(const struct slow_place *place, uint64_t old, uint64_t next);

/* slow_stands - may entry, made before LOCK, stay where it is? */
bool slow_stands(const struct slow_place *place, uint64_t entry);

/* slow_same - do the entries differ in nothing but A, D, G and ignored bits, or are both not present? */
bool slow_same(uint64_t old, uint64_t next);

/* slow_place_of - entry index of a table of level whose other properties are in above. */
struct slow_place slow_place_below(const struct slow_place *above, uint32_t index);

enum frame_type type_now(uint64_t frame);

/*
 * slow_misplaced - with page-table isolation: does a root of this kind not belong into a frame of this number?
 * slow_differs - is entry, at index of that root, another one than in the root beside?
 */
bool slow_misplaced(uint64_t frame, enum root_kind root);
bool slow_differs(uint64_t frame, enum root_kind root, uint32_t index, uint64_t entry);

/* ---- expect.c */

/*
 * expect_store, expect_root - the rules whose breach the auditor may name when it is asked to do this
 * now; 0: it has to do it.
 */
uint64_t expect_store(uint64_t slot, uint64_t old, uint64_t next);
uint64_t expect_root(uint64_t frame);

/* ---- reference.c */

/* reference_begin - remember what must not change. reference_check - all invariants. */
void reference_begin(void);
void reference_check(bool short_of_memory);

/* reference_lock - LOCK finds what must not stay, and nothing else. Afterwards the phase is what it was. */
void reference_lock(void);

/* reference_end - the guest gives everything up; nothing may be left of it. */
void reference_end(void);

#endif
