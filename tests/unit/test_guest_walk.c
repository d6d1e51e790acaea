/* SPDX-License-Identifier: MIT */
#include "vmx/guest_walk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/addr.h"
#include "vmm/x86.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define P 1ULL
#define RW 2ULL
#define US 4ULL
#define A 0x20ULL
#define D 0x40ULL
#define PS 0x80ULL
#define XD (1ULL << 63)

/* ---- memory: 32 pages from guest-physical address 0 */

#define MEMORY_PAGES 32u
static uint8_t ram[MEMORY_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
/* Answer so many compare-exchanges as if another CPU had been first. */
static unsigned int races;

static int ram_read(uint64_t gpa, void *to, uint64_t len)
{
	if (!range_ok(gpa, len, sizeof(ram)))
		return -EFAULT;
	memcpy(to, ram + gpa, len);
	return 0;
}

static int ram_write(uint64_t gpa, const void *from, uint64_t len)
{
	if (!range_ok(gpa, len, sizeof(ram)))
		return -EFAULT;
	memcpy(ram + gpa, from, len);
	return 0;
}

static int ram_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	uint64_t now;

	assert_int_equal(gpa % 8, 0);
	if (ram_read(gpa, &now, sizeof(now)))
		return -EFAULT;
	if (races) {
		races--;
		return -EAGAIN;
	}
	if (now != *expected) {
		*expected = now;
		return -EAGAIN;
	}
	return ram_write(gpa, &desired, sizeof(desired));
}

static const struct guest_walk_memory memory = {ram_read, ram_write, ram_cmpxchg64};
static const struct guest_walk_memory looking = {ram_read, ram_write, NULL};

static void put64(uint64_t gpa, uint64_t value)
{
	assert_int_equal(ram_write(gpa, &value, sizeof(value)), 0);
}

static uint64_t get64(uint64_t gpa)
{
	uint64_t value = 0;

	assert_int_equal(ram_read(gpa, &value, sizeof(value)), 0);
	return value;
}

static void put32(uint64_t gpa, uint32_t value)
{
	assert_int_equal(ram_write(gpa, &value, sizeof(value)), 0);
}

static uint32_t get32(uint64_t gpa)
{
	uint32_t value = 0;

	assert_int_equal(ram_read(gpa, &value, sizeof(value)), 0);
	return value;
}

static int clear_ram(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	races = 0;
	return 0;
}

/* ---- a slow reference: one question at a time, in the words of the SDM */

struct entry_seen {
	uint64_t gpa;
	unsigned int bytes;
};

struct reference {
	int result;
	uint32_t error_code;
	uint64_t gpa, size;
	struct entry_seen seen[4];
	unsigned int count;
};

static uint64_t reference_entry(struct reference *r, uint64_t gpa, unsigned int bytes)
{
	uint64_t value = 0;

	r->seen[r->count++] = (struct entry_seen){gpa, bytes};
	if (ram_read(gpa, &value, bytes))
		return bytes == 8 ? ~0ULL : 0xffffffff;
	return value;
}

static bool bit(uint64_t value, unsigned int n)
{
	return value >> n & 1;
}

static bool reference_reserved(const struct guest_paging *g, bool long_mode, unsigned int level,
			       uint64_t e)
{
	for (unsigned int n = 12; n < 64; n++) {
		bool reserved = false;

		if (n >= g->physical_bits && n <= 51)
			reserved = true;
		if (!long_mode && n >= 52 && n <= 62)
			reserved = true;
		if (n == 63 && !(g->efer & EFER_NXE))
			reserved = true;
		if (level == 3 && bit(e, 7) && n >= 13 && n <= 29)
			reserved = true;
		if (level == 2 && bit(e, 7) && n >= 13 && n <= 20)
			reserved = true;
		if (reserved && bit(e, n))
			return true;
	}
	if (level == 4 && bit(e, 7))
		return true;
	return level == 3 && bit(e, 7) && !g->pages_1g;
}

static uint32_t fault_code(const struct guest_paging *g, uint32_t access)
{
	uint32_t code = 0;

	if (access & WALK_WRITE)
		code |= PF_WRITE;
	if (g->cpl == 3 && !(access & WALK_IMPLICIT))
		code |= PF_USER;
	if ((access & WALK_FETCH) &&
	    ((g->cr4 & CR4_SMEP) || ((g->cr4 & CR4_PAE) && (g->efer & EFER_NXE))))
		code |= PF_FETCH;
	return code;
}

static bool reference_allowed(const struct guest_paging *g, uint32_t access, bool writable,
			      bool user_page, bool execute_disable)
{
	const bool user_access = g->cpl == 3 && !(access & WALK_IMPLICIT);
	const bool wp = g->cr0 & CR0_WP;

	if (user_access && !user_page)
		return false;
	if (access & WALK_FETCH) {
		if (!user_access && user_page && (g->cr4 & CR4_SMEP))
			return false;
		return !execute_disable;
	}
	if (!user_access && user_page && (g->cr4 & CR4_SMAP)) {
		if (access & WALK_IMPLICIT)
			return false;
		if (!(g->rflags & RFLAGS_AC))
			return false;
	}
	if (access & WALK_WRITE) {
		if (user_access)
			return writable;
		return writable || !wp;
	}
	return true;
}

static bool reference_key(const struct guest_paging *g, uint32_t access, bool user_page,
			  unsigned int key)
{
	const uint32_t rights = user_page ? g->pkru : g->pkrs;
	const bool user_access = g->cpl == 3 && !(access & WALK_IMPLICIT);

	if (!(g->efer & EFER_LMA) || (access & WALK_FETCH))
		return true;
	if (user_page ? !(g->cr4 & CR4_PKE) : !(g->cr4 & CR4_PKS))
		return true;
	if (bit(rights, 2 * key))
		return false;
	if (!(access & WALK_WRITE) || !bit(rights, 2 * key + 1))
		return true;
	if (user_page && user_access)
		return false;
	return !(g->cr0 & CR0_WP);
}

static void reference_fault(struct reference *r, uint32_t code)
{
	r->result = -EFAULT;
	r->error_code = code;
}

static struct reference reference_walk(const struct guest_paging *g, uint64_t gva, uint32_t access)
{
	struct reference r = {0};
	const bool long_mode = g->efer & EFER_LMA, pae = g->cr4 & CR4_PAE;
	const uint32_t code = fault_code(g, access);
	bool writable = true, user_page = true, execute_disable = false;
	unsigned int level = long_mode ? 4 : 2, key = 0;
	uint64_t table, e = 0;

	if (!long_mode)
		gva &= 0xffffffff;
	for (unsigned int n = 48; long_mode && n < 64; n++) {
		if (bit(gva, n) != bit(gva, 47)) {
			r.result = -EINVAL;
			return r;
		}
	}
	if (!(g->cr0 & CR0_PG)) {
		r.gpa = gva;
		r.size = 4096;
		return r;
	}
	table = long_mode ? g->cr3 & 0xffffffffff000 : g->cr3 & 0xfffff000;
	if (pae && !long_mode) {
		e = g->pdpte[gva >> 30];
		table = e & 0xffffffffff000;
		if (!bit(e, 0)) {
			reference_fault(&r, code);
			return r;
		}
	}
	for (; level; level--) {
		const unsigned int width = pae ? 9 : 10, bytes = pae ? 8 : 4;
		const unsigned int shift = 12 + width * (level - 1);

		e = reference_entry(&r, table + (gva >> shift) % (1u << width) * bytes, bytes);
		if (!bit(e, 0)) {
			reference_fault(&r, code);
			return r;
		}
		if (pae && reference_reserved(g, long_mode, level, e)) {
			reference_fault(&r, code | PF_PRESENT | PF_RESERVED);
			return r;
		}
		writable = writable && bit(e, 1);
		user_page = user_page && bit(e, 2);
		execute_disable = execute_disable || bit(e, 63);
		r.size = 1ULL << shift;
		table = pae ? e & 0xffffffffff000 : e & 0xfffff000;
		if (!pae && level == 2 && bit(e, 7) && (g->cr4 & CR4_PSE)) {
			for (unsigned int n = 13; n <= 21; n++) {
				if (bit(e, n) && (n == 21 || n + 19 >= g->physical_bits)) {
					reference_fault(&r, code | PF_PRESENT | PF_RESERVED);
					return r;
				}
			}
			table = (e & 0xffc00000) | (e >> 13 & 0xff) << 32;
			break;
		}
		if (pae && level > 1 && bit(e, 7))
			break;
	}
	key = (unsigned int)(e >> 59) & 15;
	if (!reference_allowed(g, access, writable, user_page, execute_disable))
		reference_fault(&r, code | PF_PRESENT);
	if (!reference_key(g, access, user_page, key))
		reference_fault(&r, code | PF_PRESENT | PF_PROTECTION_KEY);
	r.gpa = table - table % r.size + gva % r.size;
	return r;
}

/* ---- the walk against the reference */

static uint64_t seed = 1;

static uint64_t random64(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed ^ seed >> 31) * 0x9e3779b97f4a7c15ULL;
}

static bool one_in(unsigned int n)
{
	return (random64() >> 32) % n == 0;
}

/* Mostly present and pointing into ram, tables onto tables and themselves; at times anything. */
static uint64_t random_entry(void)
{
	uint64_t entry = (random64() % MEMORY_PAGES) << 12 | P;

	if (one_in(40))
		entry = random64();
	if (!one_in(6))
		entry |= RW;
	if (!one_in(6))
		entry |= US;
	if (one_in(3))
		entry |= A;
	if (one_in(3))
		entry |= D;
	if (one_in(12))
		entry |= PS;
	if (one_in(12))
		entry |= XD;
	if (one_in(4))
		entry |= (random64() & 15) << 59;
	if (one_in(60))
		entry |= 1ULL << (random64() % 52);
	if (one_in(30))
		entry &= ~P;
	return entry;
}

static void random_ram(bool pae)
{
	for (uint64_t gpa = 0; gpa < sizeof(ram); gpa += 8) {
		uint64_t entry = random_entry();

		/* Legal in a PDE of a 2 MiB page more often than chance would have it. */
		if (pae && (entry & PS) && !one_in(4))
			entry &= ~0x3fffe000ULL;
		if (!pae)
			entry = (uint32_t)entry | random_entry() << 32;
		put64(gpa, entry);
	}
}

static struct guest_paging random_paging(void)
{
	static const uint32_t widths[] = {36, 39, 46, 52};
	struct guest_paging g = {
		.cr0 = CR0_PE | (one_in(20) ? 0 : CR0_PG) | (random64() & CR0_WP),
		.cr3 = (random64() % MEMORY_PAGES) << 12 | (random64() & 0x18),
		.cr4 = random64() & (CR4_PSE | CR4_PAE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS),
		.efer = random64() & EFER_NXE,
		.rflags = random64() & RFLAGS_AC,
		.physical_bits = widths[random64() % COUNT_OF(widths)],
		.pages_1g = random64() & 1,
		.cpl = random64() & 1 ? 3 : 0,
		.pkru = (uint32_t)(random64() & random64()),
		.pkrs = (uint32_t)(random64() & random64()),
	};

	if ((g.cr0 & CR0_PG) && (g.cr4 & CR4_PAE) && (random64() & 1))
		g.efer |= EFER_LMA | EFER_LME;
	for (unsigned int i = 0; i < COUNT_OF(g.pdpte); i++)
		g.pdpte[i] = one_in(10) ? 0 : (random64() % MEMORY_PAGES) << 12 | P;
	return g;
}

static uint64_t random_gva(void)
{
	uint64_t gva = random64();

	if (one_in(8))
		return gva;
	/* Canonical, either half. */
	gva &= 0x0000ffffffffffffULL;
	return gva >> 47 & 1 ? gva | 0xffff000000000000ULL : gva;
}

static uint8_t before[sizeof(ram)];

/* Only accessed and dirty flags may have changed, in the entries that were used. */
static void check_flags(const struct reference *r, uint32_t access)
{
	for (unsigned int i = 0; i < r->count; i++) {
		uint8_t *now = ram + r->seen[i].gpa;

		/* No memory: read as all ones, flags and all. */
		if (r->seen[i].gpa >= sizeof(ram))
			continue;
		assert_true(*now & A);
		if (i + 1 == r->count && (access & WALK_WRITE))
			assert_true(*now & D);
		before[r->seen[i].gpa] |= (uint8_t)A;
		if (i + 1 == r->count && (access & WALK_WRITE))
			before[r->seen[i].gpa] |= (uint8_t)D;
	}
	assert_memory_equal(ram, before, sizeof(ram));
}

static void agrees_with_the_reference(void **state)
{
	static const uint32_t accesses[] = {0, WALK_WRITE, WALK_FETCH, WALK_IMPLICIT,
					    WALK_IMPLICIT | WALK_WRITE};
	unsigned int found[4] = {0}, faults = 0;

	(void)state;
	for (unsigned int round = 0; round < 60000; round++) {
		struct guest_paging g = random_paging();
		uint64_t gva = random_gva();
		uint32_t access = accesses[random64() % COUNT_OF(accesses)];
		struct guest_walk walk;
		struct reference r;
		int result;

		if (round % 200 == 0)
			random_ram(round / 200 % 2);
		memcpy(before, ram, sizeof(ram));
		r = reference_walk(&g, gva, access);
		result = guest_walk(&g, &memory, gva, access, &walk);
		assert_int_equal(result, r.result);
		if (result == -EFAULT) {
			assert_int_equal(walk.error_code, r.error_code);
			assert_int_equal(walk.fault_gva, g.efer & EFER_LMA ? gva : (uint32_t)gva);
			faults++;
		}
		if (result) {
			assert_memory_equal(ram, before, sizeof(ram));
			continue;
		}
		assert_int_equal(walk.gpa, r.gpa);
		assert_int_equal(walk.size, r.size);
		check_flags(&r, access);
		found[r.count > 3 ? 3 : r.count ? r.count - 1 : 0]++;
	}
	/* The tables were neither all good nor all bad. */
	assert_true(faults > 5000);
	assert_true(found[0] > 100 && found[1] > 1000 && found[2] > 100 && found[3] > 1000);
}

/* ---- by hand */

/* 4-level tables in pages 1 to 4 that map GVA and the page after it to pages 8 and 9. */
#define GVA 0x0000123456789000ULL
#define PML4_AT 0x1000ULL
#define PDPT_AT 0x2000ULL
#define PD_AT 0x3000ULL
#define PT_AT 0x4000ULL
#define SLOT(table, shift) ((table) + (511 & GVA >> (shift)) * 8)

static struct guest_paging long_mode(void)
{
	return (struct guest_paging){
		.cr0 = CR0_PE | CR0_PG | CR0_WP,
		.cr3 = PML4_AT,
		.cr4 = CR4_PAE | CR4_SMEP | CR4_SMAP,
		.efer = EFER_LME | EFER_LMA | EFER_NXE,
		.physical_bits = 39,
		.pages_1g = true,
	};
}

static void map_by_hand(uint64_t rights)
{
	put64(SLOT(PML4_AT, 39), PDPT_AT | P | RW | US);
	put64(SLOT(PDPT_AT, 30), PD_AT | P | RW | US);
	put64(SLOT(PD_AT, 21), PT_AT | P | RW | US);
	put64(SLOT(PT_AT, 12), 0x8000 | rights);
	put64(SLOT(PT_AT, 12) + 8, 0x9000 | rights);
}

struct right_case {
	const char *what;
	uint64_t rights, clear_cr0, clear_cr4, rflags;
	uint8_t cpl;
	uint32_t access;
	int error_code; /* -1: allowed */
};

static void access_rights(void **state)
{
	static const struct right_case rows[] = {
		{"kernel reads its own", P, 0, 0, 0, 0, 0, -1},
		{"kernel writes read-only", P, 0, 0, 0, 0, WALK_WRITE, PF_PRESENT | PF_WRITE},
		{"kernel writes read-only without WP", P, CR0_WP, 0, 0, 0, WALK_WRITE, -1},
		{"kernel reads user page", P | US, 0, 0, 0, 0, 0, PF_PRESENT},
		{"kernel reads user page with AC", P | US, 0, 0, RFLAGS_AC, 0, 0, -1},
		{"CPU reads user page with AC", P | US, 0, 0, RFLAGS_AC, 0, WALK_IMPLICIT,
		 PF_PRESENT},
		{"kernel reads user page without SMAP", P | US, 0, CR4_SMAP, 0, 0, 0, -1},
		{"kernel runs user page", P | US, 0, 0, 0, 0, WALK_FETCH, PF_PRESENT | PF_FETCH},
		{"kernel runs user page without SMEP", P | US, 0, CR4_SMEP, 0, 0, WALK_FETCH, -1},
		{"kernel runs data", P | XD, 0, 0, 0, 0, WALK_FETCH, PF_PRESENT | PF_FETCH},
		{"user reads kernel page", P, 0, 0, 0, 3, 0, PF_PRESENT | PF_USER},
		{"CPU reads kernel page for the user", P, 0, 0, 0, 3, WALK_IMPLICIT, -1},
		{"user writes", P | RW | US, 0, 0, 0, 3, WALK_WRITE, -1},
		{"user writes read-only without WP", P | US, CR0_WP, 0, 0, 3, WALK_WRITE,
		 PF_PRESENT | PF_USER | PF_WRITE},
		{"not present", RW | US, 0, 0, 0, 3, WALK_WRITE, PF_USER | PF_WRITE},
		{"reserved address bit", P | 1ULL << 39, 0, 0, 0, 0, 0, PF_PRESENT | PF_RESERVED},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct right_case *row = &rows[i];
		struct guest_paging g = long_mode();
		struct guest_walk walk;
		int result;

		clear_ram(state);
		map_by_hand(row->rights);
		g.cr0 &= ~row->clear_cr0;
		g.cr4 &= ~row->clear_cr4;
		g.rflags = row->rflags;
		g.cpl = row->cpl;
		result = guest_walk(&g, &memory, GVA + 0x123, row->access, &walk);
		if (result != (row->error_code < 0 ? 0 : -EFAULT))
			fail_msg("%s: %d", row->what, result);
		if (result == -EFAULT && walk.error_code != (uint32_t)row->error_code)
			fail_msg("%s: error code %#x", row->what, walk.error_code);
		if (!result)
			assert_int_equal(walk.gpa, 0x8123);
	}
}

static void flags_are_set_as_the_cpu_does(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;

	(void)state;
	map_by_hand(P | RW);
	/* Who only looks changes nothing. */
	assert_int_equal(guest_walk(&g, &looking, GVA, WALK_WRITE, &walk), 0);
	assert_int_equal(get64(SLOT(PT_AT, 12)), 0x8000 | P | RW);
	assert_int_equal(guest_walk(&g, &memory, GVA, 0, &walk), 0);
	assert_int_equal(get64(SLOT(PML4_AT, 39)), PDPT_AT | P | RW | US | A);
	assert_int_equal(get64(SLOT(PDPT_AT, 30)), PD_AT | P | RW | US | A);
	assert_int_equal(get64(SLOT(PD_AT, 21)), PT_AT | P | RW | US | A);
	assert_int_equal(get64(SLOT(PT_AT, 12)), 0x8000 | P | RW | A);
	assert_int_equal(guest_walk(&g, &memory, GVA, WALK_WRITE, &walk), 0);
	assert_int_equal(get64(SLOT(PT_AT, 12)), 0x8000 | P | RW | A | D);
	assert_int_equal(get64(SLOT(PD_AT, 21)), PT_AT | P | RW | US | A);
	/* The neighbour was not touched. */
	assert_int_equal(get64(SLOT(PT_AT, 12) + 8), 0x9000 | P | RW);
}

static void races_are_bounded(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;

	(void)state;
	map_by_hand(P | RW);
	races = 3;
	assert_int_equal(guest_walk(&g, &memory, GVA, 0, &walk), 0);
	map_by_hand(P | RW);
	races = 1000;
	assert_int_equal(guest_walk(&g, &memory, GVA, 0, &walk), -EAGAIN);
	assert_true(races > 900);
}

/* One page is table of all levels at once, and maps itself. */
static void self_mapped_tables(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;
	const uint64_t self =
		0xffff000000000000ULL | 511ULL << 39 | 511ULL << 30 | 511ULL << 21 | 511ULL << 12;

	(void)state;
	put64(PML4_AT + 511 * 8, PML4_AT | P | RW);
	assert_int_equal(guest_walk(&g, &memory, self | 511 * 8, WALK_WRITE, &walk), 0);
	assert_int_equal(walk.gpa, PML4_AT + 511 * 8);
	assert_int_equal(get64(PML4_AT + 511 * 8), PML4_AT | P | RW | A | D);
}

/* Tables where no memory is read as all ones: a reserved bit, or in 32-bit tables the top page. */
static void tables_outside_memory(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;

	(void)state;
	g.cr3 = sizeof(ram);
	assert_int_equal(guest_walk(&g, &memory, GVA, 0, &walk), -EFAULT);
	assert_int_equal(walk.error_code, PF_PRESENT | PF_RESERVED);
	g.cr3 = ~0xfffULL & 0xffffffffff000ULL;
	assert_int_equal(guest_walk(&g, &memory, GVA, 0, &walk), -EFAULT);

	g = (struct guest_paging){.cr0 = CR0_PE | CR0_PG, .cr3 = 0xfffff000, .physical_bits = 39};
	assert_int_equal(guest_walk(&g, &looking, 0x12345678, 0, &walk), 0);
	assert_int_equal(walk.gpa, 0xfffff678);
	/* There is nowhere to set the flag when the page table cannot be written either. */
	put32(0x1000, 0xfffff000 | P | RW | A);
	g.cr3 = 0x1000;
	assert_int_equal(guest_walk(&g, &memory, 0x00000678, 0, &walk), 0);
	put32(0x1000, (uint32_t)sizeof(ram) | P | RW);
	assert_int_equal(guest_walk(&g, &memory, 0x00000678, 0, &walk), 0);
	assert_int_equal(get32(0x1000), (uint32_t)sizeof(ram) | P | RW | A);
}

static void addresses(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;

	(void)state;
	assert_int_equal(guest_walk(&g, &memory, 0x0000800000000000ULL, 0, &walk), -EINVAL);
	assert_int_equal(guest_walk(&g, &memory, 0xffff7fffffffffffULL, 0, &walk), -EINVAL);
	assert_int_equal(guest_walk(&g, &memory, 0x00007fffffffffffULL, 0, &walk), -EFAULT);
	assert_int_equal(guest_walk(&g, &memory, 0xffff800000000000ULL, 0, &walk), -EFAULT);

	/* Without paging the address is the address, of 32 bits. */
	g = (struct guest_paging){.physical_bits = 39};
	assert_int_equal(guest_walk(&g, &memory, 0x100012345ULL, WALK_FETCH, &walk), 0);
	assert_int_equal(walk.gpa, 0x12345);
}

/* "32-Bit Paging": two entries in the 8 bytes that are exchanged, and 4 MiB pages above 4 GiB. */
static void paging_of_32_bits(void **state)
{
	struct guest_paging g = {
		.cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .cr4 = CR4_PSE, .physical_bits = 36};
	struct guest_walk walk;

	(void)state;
	put32(0x1000, 0x2000 | P | RW);
	put32(0x1004, 0x00400000 | 1 << 13 | P | RW | PS);
	put32(0x1008, 1u << 21 | P | RW | PS);
	put32(0x100c, 1u << 17 | P | RW | PS);
	put32(0x2000, 0x8000 | P | RW);
	put32(0x2004, 0x9000 | P | RW);
	assert_int_equal(guest_walk(&g, &memory, 0x1234, WALK_WRITE, &walk), 0);
	assert_int_equal(walk.gpa, 0x9234);
	assert_int_equal(get32(0x2004), 0x9000 | P | RW | A | D);
	assert_int_equal(get32(0x2000), 0x8000 | P | RW);
	assert_int_equal(guest_walk(&g, &memory, 0x412345, 0, &walk), 0);
	assert_int_equal(walk.gpa, 0x100412345ULL);
	assert_int_equal(walk.size, 4u << 20);
	assert_int_equal(guest_walk(&g, &memory, 0x800000, 0, &walk), -EFAULT);
	assert_int_equal(guest_walk(&g, &memory, 0xc00000, 0, &walk), -EFAULT);
	g.physical_bits = 40;
	assert_int_equal(guest_walk(&g, &memory, 0xc00000, 0, &walk), 0);
	assert_int_equal(walk.gpa, 1ULL << 36);
	/* Without PSE the bit means nothing. */
	g.cr4 = 0;
	assert_int_equal(guest_walk(&g, &looking, 0x400000, 0, &walk), 0);
	assert_int_equal(walk.size, 4096);
}

static void copies_cross_pages(void **state)
{
	struct guest_paging g = long_mode();
	struct guest_walk walk;
	uint64_t value = 0;
	const uint64_t number = 0x1122334455667788ULL;

	(void)state;
	map_by_hand(P | RW);
	put64(SLOT(PT_AT, 12), 0x9000 | P | RW);
	put64(SLOT(PT_AT, 12) + 8, 0x8000 | P | RW);
	assert_int_equal(
		guest_write_linear(&g, &memory, GVA + 0xffd, &number, sizeof(number), 0, &walk), 0);
	assert_int_equal(ram[0x9ffd], 0x88);
	assert_int_equal(ram[0x8000], 0x55);
	assert_int_equal(
		guest_read_linear(&g, &memory, GVA + 0xffd, &value, sizeof(value), 0, &walk), 0);
	assert_int_equal(value, number);

	/* A fault at the second page: nothing is written, CR2 is its first byte. */
	put64(SLOT(PT_AT, 12) + 8, 0x8000 | P);
	value = 0;
	assert_int_equal(
		guest_write_linear(&g, &memory, GVA + 0xffd, &value, sizeof(value), 0, &walk),
		-EFAULT);
	assert_int_equal(walk.fault_gva, GVA + 0x1000);
	assert_int_equal(walk.error_code, PF_PRESENT | PF_WRITE);
	assert_int_equal(ram[0x9ffd], 0x88);
	/* Reading needs no right to write. */
	assert_int_equal(
		guest_read_linear(&g, &memory, GVA + 0xffd, &value, sizeof(value), 0, &walk), 0);

	/* The longest copy there is. */
	static uint8_t page[PAGE_SIZE];
	assert_int_equal(guest_read_linear(&g, &memory, GVA + 1, page, sizeof(page), 0, &walk), 0);
	assert_memory_equal(page, ram + 0x9001, sizeof(page) - 1);
	assert_int_equal(page[PAGE_SIZE - 1], ram[0x8000]);

	/* A page that is no memory. */
	put64(SLOT(PT_AT, 12), sizeof(ram) | P | RW);
	assert_int_equal(guest_read_linear(&g, &memory, GVA + 8, &value, sizeof(value), 0, &walk),
			 -EIO);
	assert_int_equal(walk.gpa, sizeof(ram) + 8);
	assert_int_equal(guest_write_linear(&g, &memory, GVA + 16, &value, sizeof(value), 0, &walk),
			 -EIO);
	assert_int_equal(walk.gpa, sizeof(ram) + 16);
	/* The page before it is one, the page behind it too: told is the one that is none. */
	put64(SLOT(PT_AT, 12) - 8, 0x8000 | P | RW);
	assert_int_equal(guest_read_linear(&g, &memory, GVA - 2, &value, sizeof(value), 0, &walk),
			 -EIO);
	assert_int_equal(walk.gpa, sizeof(ram));
	assert_int_equal(
		guest_read_linear(&g, &memory, GVA + 0xffd, &value, sizeof(value), 0, &walk), -EIO);
	assert_int_equal(walk.gpa, sizeof(ram) + 0xffd);
	assert_int_equal(guest_read_linear(&g, &memory, GVA, &value, PAGE_SIZE + 1, 0, &walk),
			 -EIO);

	/* Into the hole between the halves. */
	assert_int_equal(guest_read_linear(&g, &memory, 0xfffffffffffffffeULL, &value,
					   sizeof(value), 0, &walk),
			 -EFAULT);
	/* The end of 32 bits goes on at 0. */
	g = (struct guest_paging){.cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .physical_bits = 36};
	put32(0x1000 + 1023 * 4, 0x2000 | P | RW);
	put32(0x1000, 0x2000 | P | RW);
	put32(0x2000 + 1023 * 4, 0x5000 | P | RW);
	put32(0x2000, 0x6000 | P | RW);
	put64(0x5ff8, 0x7777777777777777ULL);
	put64(0x6000, 0x8888888888888888ULL);
	assert_int_equal(
		guest_read_linear(&g, &memory, 0xfffffffe, &value, sizeof(value), 0, &walk), 0);
	assert_int_equal(value, 0x8888888888887777ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(agrees_with_the_reference, clear_ram),
		cmocka_unit_test_setup(access_rights, clear_ram),
		cmocka_unit_test_setup(flags_are_set_as_the_cpu_does, clear_ram),
		cmocka_unit_test_setup(races_are_bounded, clear_ram),
		cmocka_unit_test_setup(self_mapped_tables, clear_ram),
		cmocka_unit_test_setup(tables_outside_memory, clear_ram),
		cmocka_unit_test_setup(addresses, clear_ram),
		cmocka_unit_test_setup(paging_of_32_bits, clear_ram),
		cmocka_unit_test_setup(copies_cross_pages, clear_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
