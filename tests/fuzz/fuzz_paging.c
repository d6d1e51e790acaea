/* SPDX-License-Identifier: MIT */
/*
 * The auditor under a guest that does anything in any order. The input is a list of operations on a small
 * kernel under audit (tests/unit/paging_world.h); in the end every invariant is recomputed from the page
 * tables in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/paging_world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory the guest plays with, 2 MiB aligned; the rest of its stores go to the kernel's page tables. */
#define ARENA (24ULL << 20)
#define ARENA_FRAMES 48u
#define KERNEL_TABLES_MAX 32u
#define OPERATIONS_MAX 128u

enum operation {
	STORE,
	STORE_AND, /* a locked AND: only takes bits away */
	EXCHANGE,  /* the entry is kept */
	PUT_BACK,  /* and is stored somewhere */
	STORE_STALE, /* through a translation of now, when a CPU waits for invalidation the next time */
	CLEAR_FRAME,
	LOAD_ROOT,
	NEW_ROOT, /* the kernel's upper half */
	SET_FLAGS,
	SETTLE,
	TRIM,
	SWEEP,
	OPERATIONS
};

/* One operation. */
struct fuzzed {
	uint8_t what; /* operation, CPU */
	uint8_t table;
	uint16_t index; /* of the entry; above: TARGET_* */
	uint8_t target;
	uint8_t high; /* bits 63:56 of the value */
	uint16_t low; /* bits 11:0 of the value; and a bit of the address that is flipped */
} __attribute__((packed));

#define TARGET_SPECIAL 0x0200u /* code, constants, the monitor, ... */
#define TARGET_LARGE 0x0400u   /* 2 MiB aligned */
#define TARGET_FLIP 0x0800u

static struct paging_world world;
static uint64_t kernel_table[KERNEL_TABLES_MAX]; /* gpa */
static uint32_t kernel_tables;
static uint64_t saved, stale_gpa, stale_value;

/* ---- the world as it was when the kernel had been taken over */

static struct {
	struct paging_world world;
	uint8_t *pool;
	uint64_t pool_size;
	uint8_t tables[KERNEL_TABLES_MAX][PAGE_SIZE];
} begun;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* What the world asserts ends the program where libFuzzer sees it. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	pw_open(&world);
	assert_int_equal(paging_activate(&world.paging, &world.cpu[0], &world.swapper, 1, NULL), 0);
	for (uint32_t i = 0; i < PW_CPUS; i++)
		assert_int_equal(pw_load(&world, i, world.swapper), 0);
	for (uint64_t frame = 0; frame < PW_FRAMES; frame++) {
		if (!frame_is_table(frame_type(&world.paging.frames, frame)))
			continue;
		assert_true(kernel_tables < KERNEL_TABLES_MAX);
		memcpy(begun.tables[kernel_tables], world.ram + (frame << PAGE_SHIFT), PAGE_SIZE);
		kernel_table[kernel_tables++] = frame << PAGE_SHIFT;
	}
	begun.world = world;
	/* Pages that were never given out are cleared when they are. */
	begun.pool_size = world.ept.pool.next_fresh * PAGE_SIZE;
	begun.pool = malloc(begun.pool_size);
	assert_non_null(begun.pool);
	memcpy(begun.pool, hpa_to_virt(world.ept.pool.base), begun.pool_size);
	return 0;
}

static void begin_again(void)
{
	world = begun.world;
	memcpy(hpa_to_virt(world.ept.pool.base), begun.pool, begun.pool_size);
	for (uint32_t i = 0; i < kernel_tables; i++)
		memcpy(world.ram + kernel_table[i], begun.tables[i], PAGE_SIZE);
	memset(world.ram + ARENA, 0, ARENA_FRAMES * PAGE_SIZE);
	saved = 0;
	stale_gpa = 0;
}

/* ---- operations */

static uint64_t table_of(const struct fuzzed *f)
{
	if (f->table < 0xc0)
		return ARENA + f->table % ARENA_FRAMES * PAGE_SIZE;
	return kernel_table[f->table % kernel_tables];
}

static uint64_t target_of(const struct fuzzed *f)
{
	static const uint64_t special[] = {
		PW_IMAGE_GPA,
		PW_IMAGE_GPA + PW_TEXT_PAGES * PAGE_SIZE,
		PW_IMAGE_GPA + (PW_TEXT_PAGES + PW_RODATA_PAGES) * PAGE_SIZE,
		PW_SECURE_BASE,
		PW_SECURE_BASE + PW_SECURE_SIZE - PAGE_SIZE,
		PW_DEVICE,
		PW_RAM,
		SIZE_1G,
	};
	const uint64_t count = sizeof(special) / sizeof(special[0]);

	if (f->index & TARGET_LARGE)
		return f->target % (2 * PW_RAM / SIZE_2M) * SIZE_2M;
	if (!(f->index & TARGET_SPECIAL))
		return ARENA + f->target % ARENA_FRAMES * PAGE_SIZE;
	return f->target % 2 ? special[f->target / 2 % count]
			     : kernel_table[f->target / 2 % kernel_tables];
}

static uint64_t value_of(const struct fuzzed *f)
{
	const uint64_t value = target_of(f) | (f->low & 0xfffu) | (uint64_t)f->high << 56;

	return f->index & TARGET_FLIP ? value ^ 1ULL << (PAGE_SHIFT + (f->low >> 12) * 3) : value;
}

static bool may_write(uint64_t gpa)
{
	struct ept_leaf leaf;

	assert_int_equal(ept_lookup(&world.ept.ept, gpa, &leaf), 0);
	return leaf.rights & EPT_WRITE;
}

static void write_stale(struct paging_world *w)
{
	if (stale_gpa)
		memcpy(w->ram + stale_gpa, &stale_value, sizeof(stale_value));
	stale_gpa = 0;
}

static uint64_t and_with(void *operand, uint64_t old)
{
	return old & *(uint64_t *)operand;
}

static void fill(uint32_t cpu, uint64_t gpa, const uint64_t *words)
{
	for (uint32_t i = 0; i < PT_ENTRIES; i++)
		(void)pw_poke(&world, cpu, gpa + i * sizeof(uint64_t), words ? words[i] : 0);
}

static void new_root(uint32_t cpu, uint64_t gpa)
{
	uint64_t words[PT_ENTRIES] = {0};

	memcpy(words + PT_KERNEL_FIRST, world.ram + world.swapper + PAGE_SIZE / 2, PAGE_SIZE / 2);
	if (may_write(gpa))
		fill(cpu, gpa, words);
}

static void run(const struct fuzzed *f)
{
	const uint32_t cpu = f->what / OPERATIONS % PW_CPUS;
	const uint64_t table = table_of(f), slot = table + f->index % PT_ENTRIES * 8;
	uint64_t value = value_of(f), old;

	switch ((enum operation)(f->what % OPERATIONS)) {
	case STORE:
		(void)pw_poke(&world, cpu, slot, value);
		break;
	case STORE_AND:
		(void)paging_store(&world.paging, &world.cpu[cpu], slot, and_with, &value, &old);
		break;
	case EXCHANGE:
		saved = pw_peek(slot);
		(void)pw_poke(&world, cpu, slot, 0);
		break;
	case PUT_BACK:
		(void)pw_poke(&world, cpu, slot, saved);
		break;
	case STORE_STALE:
		stale_gpa = may_write(slot) ? slot : 0;
		stale_value = value;
		break;
	case CLEAR_FRAME:
		if (may_write(table))
			fill(cpu, table, NULL);
		break;
	case LOAD_ROOT:
		(void)pw_load(&world, cpu, f->index & TARGET_SPECIAL ? target_of(f) : table);
		break;
	case NEW_ROOT:
		new_root(cpu, table);
		break;
	case SET_FLAGS:
		(void)paging_flag_update(&world.paging, slot);
		break;
	case SETTLE:
		(void)paging_settle(&world.paging, &world.cpu[cpu], target_of(f) >> PAGE_SHIFT);
		break;
	case TRIM:
		paging_roots_trim(&world.paging, &world.cpu[cpu]);
		break;
	case SWEEP:
	default:
		paging_flush(&world.paging);
		retire_sweep(&world.paging, &world.cpu[cpu], ~0u);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzzed f;

	if (size < 1)
		return 0;
	begin_again();
	world.meanwhile = write_stale;
	if (data[0] & 1)
		assert_int_equal(paging_lock(&world.paging), 0);
	for (size_t at = 1, i = 0; i < OPERATIONS_MAX && size - at >= sizeof(f);
	     at += sizeof(f), i++) {
		memcpy(&f, data + at, sizeof(f));
		run(&f);
	}
	world.meanwhile = NULL;
	pw_check(&world);
	return 0;
}
