/* SPDX-License-Identifier: MIT */
/*
 * The monitor's memory as the guest finds it: reads give all ones, writes and fetches #GP(0), and
 * nothing changes. Needs "debug-stats = yes", which tells where it is.
 */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PAGE 4096u
#define ONES (~0ULL)
/* Offsets into the region whose frames one case each touches first. */
#define FRAME(n) (16 * PAGE * (uint64_t)(n))

static uint64_t base, size;

static bool find_region(void)
{
	return payload_statistic(SECPOD_STAT_REGION_BASE, &base) &&
	       payload_statistic(SECPOD_STAT_REGION_SIZE, &size);
}

static void *at(uint64_t offset)
{
	return (void *)(uintptr_t)(base + offset);
}

static void region_is_plausible(void)
{
	check(base && !(base & (PAGE - 1)) && size >= FRAME(40) && !(size & (PAGE - 1)),
	      "region %lx, size %lx", base, size);
	payload_note("region %lx, size %lx", base, size);
}

/* Reads */

static uint64_t read_wide(uint64_t offset, unsigned int bytes)
{
	void *where = at(offset);

	switch (bytes) {
	case 1:
		return *(volatile uint8_t *)where;
	case 2:
		return *(volatile uint16_t *)where;
	case 4:
		return *(volatile uint32_t *)where;
	default:
		return *(volatile uint64_t *)where;
	}
}

static void check_ones(uint64_t offset, unsigned int bytes)
{
	uint64_t ones = ONES >> (64 - 8 * bytes);
	uint64_t value = read_wide(offset, bytes);

	check(value == ones, "%u bytes at +%lx read %lx", bytes, offset, value);
}

static void reads_give_ones(void)
{
	for (unsigned int bytes = 1; bytes <= 8; bytes *= 2) {
		check_ones(0, bytes);
		check_ones(size - bytes, bytes);
		check_ones(FRAME(1) + 1, bytes);
		check_ones(FRAME(2) - 1, bytes); /* across two frames, when wider than a byte */
		check_ones(FRAME(3) + PAGE - bytes, bytes);
	}
}

static void reads_across_the_borders(void)
{
	uint32_t before = *(volatile uint32_t *)at(0 - 4ULL);
	uint32_t behind = *(volatile uint32_t *)at(size);
	uint64_t value = *(volatile uint64_t *)at(0 - 4ULL);

	check(value >> 32 == 0xffffffff, "first bytes read %lx", value);
	check((uint32_t)value == before, "bytes before the region read %lx, not %x", value, before);
	value = *(volatile uint64_t *)at(size - 4);
	check((uint32_t)value == 0xffffffff, "last bytes read %lx", value);
	check(value >> 32 == behind, "bytes behind the region read %lx, not %x", value, behind);
}

static void every_frame_reads_as_ones(void)
{
	for (uint64_t offset = 0; offset < size; offset += PAGE) {
		if (!check(*(volatile uint64_t *)at(offset + 8) == ONES, "+%lx is not ones",
			   offset))
			return;
	}
}

static void string_reads_give_ones(void)
{
	uint8_t *copy = machine_page();
	void *to = copy;
	const void *from = at(FRAME(4) - 100);
	uint64_t count = 200;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	check(!count && to == copy + 200, "count %lu left", count);
	for (unsigned int i = 0; i < 200; i++)
		check(copy[i] == 0xff, "byte %u is %x", i, copy[i]);
	check(copy[200] == 0, "a byte too many is written");
}

static void user_read(void)
{
	uint64_t value = *(volatile uint64_t *)at(FRAME(5));

	__asm__ volatile("ud2" : : "a"(value));
}

static void enter_user(void *code)
{
	machine_user(*(void (*const *)(void))code);
}

static void user_reads_give_ones(void)
{
	void (*code)(void) = user_read;
	struct trap trap = trap_catch(enter_user, (void *)&code);

	check(trap.vector == VECTOR_UD, "trap %u", trap.vector);
	check(trap.frame.rax == ONES, "CPL 3 reads %lx", trap.frame.rax);
}

/* Writes */

#define WRITER(function, text)                                                \
	static void function(void *where)                                     \
	{                                                                     \
		__asm__ volatile(text                                         \
				 :                                            \
				 : "D"(where), "a"(0), "c"(1), "d"(0), "b"(0) \
				 : "cc", "memory");                           \
	}

WRITER(write_1, "movb $0, (%%rdi)")
WRITER(write_2, "movw $0, (%%rdi)")
WRITER(write_4, "movl $0, (%%rdi)")
WRITER(write_8, "movq $0, (%%rdi)")
WRITER(write_xchg, "xchg %%rax, (%%rdi)")
WRITER(write_add, "lock addq $1, (%%rdi)")
WRITER(write_bts, "lock btrq $3, (%%rdi)")
WRITER(write_cmpxchg, "mov $-1, %%rax; lock cmpxchg %%rcx, (%%rdi)")
WRITER(write_cmpxchg16, "mov $-1, %%rax; mov $-1, %%rdx; lock cmpxchg16b (%%rdi)")
WRITER(write_stos, "rep stosb")
WRITER(write_push, "mov %%rsp, %%rdx; lea 8(%%rdi), %%rsp; push %%rax; mov %%rdx, %%rsp")
WRITER(write_sgdt, "sgdt (%%rdi)")
WRITER(write_fxsave, "fxsave64 (%%rdi)")
WRITER(write_call, "mov %%rsp, %%rdx; lea 8(%%rdi), %%rsp; call 1f; 1: mov %%rdx, %%rsp")

static const struct {
	const char *name;
	void (*write)(void *where);
} writers[] = {
	{"MOV of 1", write_1},	   {"MOV of 2", write_2},      {"MOV of 4", write_4},
	{"MOV of 8", write_8},	   {"XCHG", write_xchg},       {"LOCK ADD", write_add},
	{"LOCK BTR", write_bts},   {"CMPXCHG", write_cmpxchg}, {"CMPXCHG16B", write_cmpxchg16},
	{"REP STOSB", write_stos}, {"PUSH", write_push},       {"SGDT", write_sgdt},
	{"FXSAVE", write_fxsave},  {"CALL", write_call},
};

static void check_refused(const char *name, void (*write)(void *where), uint64_t offset)
{
	struct trap trap;

	/* PUSH and CALL move RSP there; the exception must have another stack. */
	machine_set_ist(VECTOR_GP, IST_SPARE_STACK);
	trap = trap_catch(write, at(offset));
	machine_set_ist(VECTOR_GP, 0);
	check(trap.vector == VECTOR_GP && !trap.error_code, "%s at +%lx: trap %u, error code %lx",
	      name, offset, trap.vector, trap.error_code);
	check(*(volatile uint64_t *)at(offset & ~7ULL) == ONES,
	      "%s at +%lx: %lx is read afterwards", name, offset,
	      *(volatile uint64_t *)at(offset & ~7ULL));
}

static void writes_are_refused(void)
{
	/* CR0.EM and TS would get in FXSAVE's way. */
	uint64_t cr0 = read_cr0();

	write_cr0(cr0 & ~(CR0_EM | CR0_TS));
	for (unsigned int i = 0; i < COUNT_OF(writers); i++) {
		/* A frame not touched before, and again now that it has been read; first and last
		 * frame. */
		check_refused(writers[i].name, writers[i].write, FRAME(6 + i));
		check_refused(writers[i].name, writers[i].write, FRAME(6 + i));
		check_refused(writers[i].name, writers[i].write, 0);
		check_refused(writers[i].name, writers[i].write, size - PAGE);
	}
	write_cr0(cr0);
}

static void writes_at_the_last_bytes(void)
{
	check_refused("MOV of 1", write_1, size - 1);
	check_refused("MOV of 2", write_2, size - 2);
	check_refused("MOV of 4", write_4, size - 4);
	check_refused("MOV of 8", write_8, size - 8);
}

/* Half in ordinary memory, half in the region: neither half changes. */
static void writes_across_a_border_change_nothing(void)
{
	uint8_t *own = machine_page();
	uint64_t window =
		(uint64_t)(uintptr_t)machine_window(0, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW);
	struct trap trap;

	machine_window(1, base + FRAME(21), PTE_P | PTE_RW);
	trap = trap_catch(write_8, (void *)(uintptr_t)(window + PAGE - 4));
	check(trap.vector == VECTOR_GP, "upwards: trap %u", trap.vector);
	own[PAGE - 4] = 0x5a;
	trap = trap_catch(write_8, (void *)(uintptr_t)(window + PAGE - 4));
	check(trap.vector == VECTOR_GP, "upwards again: trap %u", trap.vector);
	check(own[PAGE - 4] == 0x5a, "upwards: the own half changed");
	check_ones(FRAME(21), 8);

	machine_window(2, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW);
	own[3] = 0x5a;
	trap = trap_catch(write_8, (void *)(uintptr_t)(window + 2 * PAGE - 4));
	check(trap.vector == VECTOR_GP, "downwards: trap %u", trap.vector);
	check(own[3] == 0x5a, "downwards: the own half changed");
	check_ones(FRAME(21) + PAGE - 8, 8);
}

static void do_stos(void *where)
{
	uint64_t count = 16;

	__asm__ volatile("rep stosb" : "+D"(where), "+c"(count) : "a"(0x33) : "memory");
}

/* A string write that runs into the region stops there, with its registers at the border. */
static void string_write_stops_at_the_border(void)
{
	uint8_t *own = machine_page();
	uint64_t window =
		(uint64_t)(uintptr_t)machine_window(0, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW);
	struct trap trap;

	machine_window(1, base + FRAME(22), PTE_P | PTE_RW);
	trap = trap_catch(do_stos, (void *)(uintptr_t)(window + PAGE - 8));
	check(trap.vector == VECTOR_GP, "trap %u", trap.vector);
	check(trap.frame.rdi == window + PAGE && trap.frame.rcx == 8, "RDI %lx, RCX %lx",
	      trap.frame.rdi, trap.frame.rcx);
	for (unsigned int i = 1; i <= 8; i++)
		check(own[PAGE - i] == 0x33, "byte %u before the border is %x", i, own[PAGE - i]);
	check_ones(FRAME(22), 8);
}

static void user_write(void)
{
	*(volatile uint64_t *)at(FRAME(23)) = 0;
}

static void user_writes_are_refused(void)
{
	void (*code)(void) = user_write;
	struct trap trap = trap_catch(enter_user, (void *)&code);

	check(trap.vector == VECTOR_GP && !trap.error_code && (trap.frame.cs & 3) == 3,
	      "trap %u, error code %lx, CS %lx", trap.vector, trap.error_code, trap.frame.cs);
	check_ones(FRAME(23), 8);
}

/* Fetches */

static void jump_to(void *where)
{
	((void (*)(void))where)();
}

static void check_fetch(void *where, const char *name)
{
	struct trap trap = trap_catch(jump_to, where);

	check(trap.vector == VECTOR_GP && !trap.error_code, "%s: trap %u, error code %lx", name,
	      trap.vector, trap.error_code);
	check(trap.frame.rip == (uint64_t)(uintptr_t)where, "%s: RIP %lx", name, trap.frame.rip);
}

static void fetches_are_refused(void)
{
	check_fetch(at(FRAME(24)), "fresh frame");
	check_fetch(at(FRAME(24)), "frame again");
	check_ones(FRAME(25), 8);
	check_fetch(at(FRAME(25)), "frame read before");
	check_fetch(at(0), "first byte");
	check_fetch(at(size - 1), "last byte");
}

/* An instruction that begins in ordinary memory and ends in the region. */
static void fetch_across_the_border(void)
{
	uint8_t *own = machine_page();
	uint64_t window =
		(uint64_t)(uintptr_t)machine_window(0, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW);

	machine_window(1, base + FRAME(26), PTE_P | PTE_RW);
	own[PAGE - 2] = 0x48; /* MOV RAX, imm64: eight more bytes */
	own[PAGE - 1] = 0xb8;
	check_fetch((void *)(uintptr_t)(window + PAGE - 2), "instruction across");
}

/* Paging structures there read as ones: present, with reserved bits set. */

static void read_byte(void *where)
{
	*(volatile uint8_t *)where;
}

static void check_walk(uint64_t *entry, uint64_t frame, uint64_t va, const char *level)
{
	const uint64_t reserved_bit = 1 << 3;
	uint64_t saved = *entry;
	struct trap trap;

	*entry = (base + frame) | PTE_P | PTE_RW | PTE_US;
	write_cr3(read_cr3());
	trap = trap_catch(read_byte, (void *)(uintptr_t)va);
	check(trap.vector == VECTOR_PF && (trap.error_code & reserved_bit),
	      "%s: trap %u, error code %lx", level, trap.vector, trap.error_code);
	check(trap.cr2 == va, "%s: CR2 %lx", level, trap.cr2);
	trap = trap_catch(write_1, (void *)(uintptr_t)va);
	check(trap.vector == VECTOR_PF, "%s, write: trap %u", level, trap.vector);
	*entry = saved;
	write_cr3(read_cr3());
	check_ones(frame, 8);
}

static uint64_t *table_of(uint64_t entry)
{
	return (uint64_t *)(uintptr_t)(entry & APIC_BASE_ADDR);
}

static void page_tables_in_the_region_fault(void)
{
	uint64_t *pml4 = machine_pml4();
	uint64_t *pdpt = table_of(pml4[WINDOW_BASE >> 39]);
	uint64_t *pd = table_of(pdpt[0]);

	machine_window(0, (uint64_t)(uintptr_t)machine_page(), PTE_P | PTE_RW);
	check_walk(&pml4[WINDOW_BASE >> 39], FRAME(27), WINDOW_BASE, "PDPT");
	check_walk(&pdpt[0], FRAME(28), WINDOW_BASE, "PD");
	check_walk(&pd[0], FRAME(29), WINDOW_BASE, "PT");
}

/* A descriptor there is all ones: conforming code, present, of DPL 3. */
static void load_ds(void *selector)
{
	__asm__ volatile("mov %w0, %%ds" : : "r"(*(const uint16_t *)selector) : "memory");
}

static void descriptors_in_the_region_read_as_ones(void)
{
	struct pseudo_descriptor gdtr = read_gdtr(), there;
	uint8_t *own = machine_page();
	const uint8_t *old = (const uint8_t *)(uintptr_t)gdtr.base;
	uint16_t selector = PAGE / 2;
	struct trap trap;

	/* The GDT's first half stays ours: the exception needs its code segment. */
	for (unsigned int i = 0; i <= gdtr.limit; i++)
		own[PAGE / 2 + i] = old[i];
	there.base =
		(uint64_t)(uintptr_t)machine_window(0, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW) +
		PAGE / 2;
	machine_window(1, base + FRAME(30), PTE_P | PTE_RW);
	there.limit = 2 * PAGE - 1;
	__asm__ volatile("lgdt %0" : : "m"(there) : "memory");
	trap = trap_catch(load_ds, &selector);
	__asm__ volatile("lgdt %0" : : "m"(gdtr) : "memory");
	check(trap.vector == TRAP_NONE, "trap %u, error code %lx", trap.vector, trap.error_code);
	selector = SELECTOR_DATA;
	load_ds(&selector);
	check_ones(FRAME(30), 8);
}

static void monitor_still_works(void)
{
	uint64_t exits, again;

	check(payload_statistic(SECPOD_STAT_EXITS, &exits), "no statistics any more");
	check(payload_statistic(SECPOD_STAT_EXITS, &again) && again > exits, "exits do not count");
}

static const struct payload_case region_cases[] = {
	{"region", region_is_plausible},
	{"read", reads_give_ones},
	{"read-borders", reads_across_the_borders},
	{"read-string", string_reads_give_ones},
	{"read-user", user_reads_give_ones},
	{"write", writes_are_refused},
	{"write-last-bytes", writes_at_the_last_bytes},
	{"write-across", writes_across_a_border_change_nothing},
	{"write-string", string_write_stops_at_the_border},
	{"write-user", user_writes_are_refused},
	{"fetch", fetches_are_refused},
	{"fetch-across", fetch_across_the_border},
	{"page-tables", page_tables_in_the_region_fault},
	{"descriptors", descriptors_in_the_region_read_as_ones},
	{"read-every-frame", every_frame_reads_as_ones},
	{"monitor-works", monitor_still_works},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {region_cases, NULL};

const struct payload payload = {"secure", cases, find_region};
