/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Every hypercall with arguments of the right kinds, put together at random: tables, code, constants, secure and device
 * memory, buffers that are ours, entries from lawful to hostile. hypercall_fuzz has those of no kind at all. A
 * call is made only where it is refused, or harms at most what is ours.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <asm/desc.h>
#include <asm/unistd.h>

#include "secpod_abi.h"

#define CALLS 50000u
#define APIC_PAGE 0xfee00000ul
#define FOREIGN_MAX 16u
#define FUNCTION_ALIGNMENT 16u
#define LOWER_HALF_END (1ull << 47)

/* The first of them, in the order in which they are found. Both may have second places where they are executed. */
enum { TEXT, OURS };

/* Not written by whatever call: physical, and where we see it. */
static struct {
	u64 physical;
	const u64 *seen; /* NULL: what is there changes by itself */
	u64 sum;
} foreign[FOREIGN_MAX];
static unsigned int foreign_count;

static u64 *table, *buffer, *donated, *list;
static char *name;
static u64 other_root;
static u64 secure_base, secure_size;
static const u64 *text;
static u64 state = 0x2545f4914f6cdd1dull;
static unsigned int made, refused, wrong;
static const char *what = "nothing";
static u64 which
	[3]; /* of the first that was wrong: two arguments and the result, or an entry and its index */

struct call {
	u32 number;
	u64 argument[4];
	bool lawful; /* may succeed */
	bool empty;  /* 0 is as good as an error: there may be nothing to write */
	u64 most;    /* the largest result then */
};

static u64 draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static u64 below(u64 end)
{
	return draw() % end;
}

static u64 sum_of(const u64 *page)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		sum = (sum << 1 | sum >> 63) ^ READ_ONCE(page[i]);
	return sum;
}

static void add_foreign(u64 physical, const void *seen)
{
	const u64 *page = (const u64 *)((unsigned long)seen & PAGE_MASK);

	if (!physical || foreign_count == FOREIGN_MAX)
		return;
	foreign[foreign_count].physical = physical & PAGE_MASK;
	foreign[foreign_count].seen = seen ? page : NULL;
	foreign[foreign_count++].sum = seen ? sum_of(page) : 0;
}

/* The tables that map address, of each level there is. */
static void add_tables(unsigned long address)
{
	for (unsigned int level = 1; level <= ATTACK_LEVELS; level++) {
		const u64 *slot = attack_slot(address, level, NULL);

		if (slot)
			add_foreign(virt_to_phys((void *)slot), NULL);
	}
}

static u64 a_foreign(void)
{
	return foreign[below(foreign_count)].physical + (below(PAGE_SIZE) & ~7ull);
}

static u64 a_table(void)
{
	return virt_to_phys(&table[below(ATTACK_ENTRIES)]);
}

/* Of a present entry, and refused at each level: the monitor's memory, bits that are reserved. */
static u64 an_impossible_value(void)
{
	const u64 flags = _PAGE_PRESENT | below(PAGE_SIZE);

	if (below(2))
		return (flags & ~(u64)_PAGE_PSE) |
		       ((secure_base + below(secure_size)) & PAGE_MASK) | _PAGE_NX;
	return flags |
	       1ull << (boot_cpu_data.x86_phys_bits + below(52 - boot_cpu_data.x86_phys_bits));
}

static u64 a_value(void)
{
	const u64 flags = below(PAGE_SIZE) | (below(2) ? _PAGE_NX : 0);

	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return draw();
	case 2:
		return draw() & ~(u64)_PAGE_PRESENT;
	case 3:
		return a_table() | flags;
	case 4:
		return (a_foreign() & PAGE_MASK) | flags;
	case 5:
		return an_impossible_value();
	case 6:
		return (draw() & PTE_PFN_MASK) | flags | _PAGE_PRESENT;
	default:
		return virt_to_phys(buffer) | flags;
	}
}

/* An entry of our table may become whatever is let pass; those of the kernel's only what is not. */
static void an_entry(u64 *slot, u64 *value, bool *lawful)
{
	*lawful = below(2);
	*slot = *lawful ? a_table() : a_foreign();
	*value = *lawful ? a_value() : an_impossible_value();
	if (!below(16))
		*slot = virt_to_phys(buffer) + (below(PAGE_SIZE) & ~7ull);
	if (!below(16)) {
		*slot |= 1 + below(7);
		*lawful = false;
	}
}

static void a_buffer(struct call *c)
{
	c->lawful = below(2);
	c->argument[0] =
		c->lawful ? virt_to_phys(buffer) + (below(PAGE_SIZE) & ~7ull)
			  : (below(4) ? a_foreign() : APIC_PAGE + (below(PAGE_SIZE) & ~7ull));
	if (!below(16)) {
		c->argument[0] |= 1 + below(7);
		c->lawful = false;
	}
}

static u64 a_root(void)
{
	switch (below(4)) {
	case 0:
		return attack_read_cr3() & PTE_PFN_MASK;
	case 1:
		return other_root;
	case 2:
		return virt_to_phys(table);
	default:
		return a_foreign() & (below(4) ? PAGE_MASK : ~0ull);
	}
}

static void make_structure(struct call *c)
{
	a_buffer(c);
	c->argument[1] = below(4) ? SECPOD_STATS_MIN + 8 * below(400) : below(2 * PAGE_SIZE);
	c->most = PAGE_SIZE;
}

static void make_records(struct call *c)
{
	a_buffer(c);
	c->argument[1] = below(SECPOD_LOG_READ_MAX + 2);
	c->argument[2] = below(8) ? 0 : draw();
	c->empty = true;
	c->most = SECPOD_LOG_READ_MAX;
}

static void make_sites(struct call *c)
{
	a_buffer(c);
	c->argument[1] = draw() >> below(64);
	c->empty = true;
	c->argument[2] = below(SECPOD_TEXT_SITES_MAX + 2);
	c->most = SECPOD_TEXT_SITES_MAX;
}

static void make_step(struct call *c)
{
	c->lawful = below(2);
	c->argument[0] = c->lawful ? 0 : draw() | 1;
}

static void make_entry(struct call *c)
{
	an_entry(&c->argument[0], &c->argument[1], &c->lawful);
	c->most = c->number == SECPOD_CALL_PT_COMMIT ? SECPOD_COMMIT_DIRTY : 0;
}

static void make_list(struct call *c)
{
	const u64 first = below(SECPOD_BATCH_MAX);

	for (unsigned int i = 0; i < ATTACK_ENTRIES; i += 2) {
		bool lawful;

		an_entry(&list[i], &list[i + 1], &lawful);
		list[i] |= below(2);
	}
	c->lawful = true;
	c->argument[0] = virt_to_phys(list) + first * sizeof(struct secpod_pt_op);
	c->argument[1] = below(SECPOD_BATCH_MAX + 2);
	c->most = SECPOD_BATCH_MAX - first;
	if (below(4))
		return;
	c->lawful = false;
	c->argument[0] = secure_base + (below(secure_size) & ~7ull);
}

static void make_protection(struct call *c)
{
	const u64 begin = draw() >> (17 + below(47)) & PAGE_MASK;

	c->lawful = true;
	c->argument[0] = a_root();
	c->argument[1] = begin;
	c->argument[2] = begin + (draw() >> (17 + below(47)) & PAGE_MASK);
	c->argument[3] = 0;
	c->most = LOWER_HALF_END;
	if (below(4))
		return;
	c->lawful = false;
	/* A bit that the CPU has a use for, or two of the others. */
	c->argument[3] = below(2) ? 1ull << below(9) : 3ull << 9;
}

static void make_end(struct call *c)
{
	c->lawful = true;
	c->argument[0] = a_root();
	c->argument[1] = below(2) ? 0 : a_root();
}

static void make_shown(struct call *c)
{
	c->lawful = !below(8);
	c->argument[0] = below(4) ? below(4) : draw();
	c->argument[1] =
		c->lawful ? virt_to_phys(donated) : a_foreign() & (below(4) ? PAGE_MASK : ~0ull);
}

/* What is known, by its bytes, is not asked for: it would be done. */
static void make_redirection(struct call *c)
{
	const u64 place = (u64)text + below(PAGE_SIZE), code = (u64)make_redirection;

	c->argument[0] = below(2) ? place & ~(u64)(FUNCTION_ALIGNMENT - 1) : place;
	switch (below(5)) {
	case 0:
		c->argument[1] = code;
		break;
	case 1:
		c->argument[1] = (u64)buffer;
		break;
	case 2:
		c->argument[1] = (u64)phys_to_virt(secure_base);
		break;
	case 3:
		c->argument[1] = place;
		break;
	default:
		c->argument[1] = draw();
	}
}

/* To what is no code of a module's: the kernel's text has the NOPs that are asked for, as padding. */
static void make_calls(struct call *c)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i += 2) {
		list[i] = (u64)text + below(PAGE_SIZE);
		list[i + 1] =
			below(2) ? (u64)text + below(PAGE_SIZE) : (below(2) ? (u64)buffer : draw());
	}
	c->argument[0] = below(4) ? virt_to_phys(list) : a_foreign();
	c->argument[1] = below(SECPOD_REARM_MAX + 2);
}

/* Of the kernel's text, constants and data nobody gets a name; our own code may have one. */
static void make_name(struct call *c)
{
	const bool ours = below(2);

	c->argument[0] = (ours ? (u64)make_name : (below(2) ? (u64)text : (u64)buffer)) & PAGE_MASK;
	c->argument[1] = below(4) ? PAGE_SIZE << below(9) : draw();
	c->argument[2] = below(4) ? virt_to_phys(name) : a_foreign();
	c->lawful = ours;
	if (!below(8))
		c->argument[0] = draw();
}

/* LOCKED: none is taken any more, whatever it is. */
static void make_profile(struct call *c)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		list[i] = below(4) ? virt_to_phys(buffer) : a_foreign();
	c->argument[0] = below(4) ? virt_to_phys(list) : a_foreign();
	c->argument[1] = below(8) ? 8 * below(2 * PAGE_SIZE) : draw();
}

/* Of ours, if it has got one. */
static void make_gone(struct call *c)
{
	c->lawful = below(2);
	c->argument[0] = c->lawful ? (u64)make_name & PAGE_MASK : draw();
}

static const struct {
	u32 number;
	void (*make)(struct call *call);
	const char *name;
} kinds[] = {
	{SECPOD_CALL_INFO, make_structure, "INFO"},
	{SECPOD_CALL_STATS, make_structure, "STATS"},
	{SECPOD_CALL_LOG_READ, make_records, "LOG_READ"},
	{SECPOD_CALL_TEXT_SITES, make_sites, "TEXT_SITES"},
	{SECPOD_CALL_ACTIVATE, make_step, "ACTIVATE"},
	{SECPOD_CALL_LOCK, make_step, "LOCK"},
	{SECPOD_CALL_PT_SET, make_entry, "PT_SET"},
	{SECPOD_CALL_PT_XCHG, make_entry, "PT_XCHG"},
	{SECPOD_CALL_PT_COMMIT, make_entry, "PT_COMMIT"},
	{SECPOD_CALL_PT_BATCH, make_list, "PT_BATCH"},
	{SECPOD_CALL_WRPROTECT, make_protection, "WRPROTECT"},
	{SECPOD_CALL_UNPIN, make_end, "UNPIN"},
	{SECPOD_CALL_SETUP, make_shown, "SETUP"},
	{SECPOD_CALL_REDIRECT, make_redirection, "REDIRECT"},
	{SECPOD_CALL_REARM, make_calls, "REARM"},
	{SECPOD_CALL_CODE_OK, make_name, "CODE_OK"},
	{SECPOD_CALL_CODE_GONE, make_gone, "CODE_GONE"},
	{SECPOD_CALL_PROFILE, make_profile, "PROFILE"},
};

static void note(const char *text_of_it, u64 first, u64 second, u64 third)
{
	if (wrong++)
		return;
	what = text_of_it;
	which[0] = first;
	which[1] = second;
	which[2] = third;
}

static void call_once(void)
{
	const size_t kind = below(ARRAY_SIZE(kinds));
	struct call c = {.number = kinds[kind].number};
	long result;

	kinds[kind].make(&c);
	result = attack_hypercall(c.number, c.argument[0], c.argument[1], c.argument[2],
				  c.argument[3]);
	if (result >= 0 && !(c.empty && !result) && (!c.lawful || (u64)result > c.most))
		note(kinds[kind].name, c.argument[0], c.argument[1], (u64)result);
	refused += result < 0;
	made++;
}

/* Whatever our table has by now is what any kernel may have. */
static void check_entries(void)
{
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++) {
		const u64 entry = READ_ONCE(table[i]), physical = entry & PTE_PFN_MASK;
		const bool code =
			physical == foreign[TEXT].physical || physical == foreign[OURS].physical;

		if (!(entry & _PAGE_PRESENT))
			continue;
		if ((!(entry & _PAGE_NX) && (!code || (entry & _PAGE_RW))) ||
		    (entry & _PAGE_USER) || physical - secure_base < secure_size)
			note("an entry", entry, i, 0);
	}
}

static bool all_is_as_it_was(void)
{
	for (unsigned int i = 0; i < foreign_count; i++)
		if (foreign[i].seen && sum_of(foreign[i].seen) != foreign[i].sum)
			return false;
	return true;
}

static int find_foreign(void)
{
	const u64 *constants = (u64 *)attack_symbol("sys_call_table");
	struct desc_ptr idt;

	text = (u64 *)attack_symbol("emergency_restart");
	if (!text || !constants)
		return -ENOENT;
	text = (u64 *)((unsigned long)text & PAGE_MASK);
	store_idt(&idt);
	add_foreign(attack_physical(text), text);
	add_foreign(attack_physical((void *)note), (void *)note);
	add_foreign(attack_physical(constants), constants);
	add_foreign(attack_physical((void *)idt.address), (void *)idt.address);
	add_foreign(secure_base, NULL);
	add_foreign(secure_base + secure_size - PAGE_SIZE, NULL);
	add_tables((unsigned long)text);
	add_tables((unsigned long)buffer);
	return 0;
}

static int attempt(void)
{
	int result = attack_secure_space(&secure_base, &secure_size);

	if (!attack_under_secpod())
		return -EOPNOTSUPP;
	table = attack_page(0);
	/* As large as the largest answer that begins in its first page. */
	buffer = attack_page(2);
	donated = attack_page(0);
	list = attack_page(0);
	if (result || !attack_area() || !table || !buffer || !donated || !list ||
	    !attack_link(table))
		return -ENOMEM;
	/* Of a process that sleeps meanwhile: it will be judged anew. */
	other_root = virt_to_phys(current->real_parent->mm->pgd);
	result = find_foreign();
	for (unsigned int i = 0; !result && i < CALLS; i++) {
		call_once();
		cond_resched();
	}
	return result;
}

static bool effect(void)
{
	u32 version, features, phase, zero;

	cpuid(SECPOD_CPUID_VERSION, &version, &features, &phase, &zero);
	if (made != CALLS)
		note("not all calls came back", 0, 0, 0);
	if (phase != SECPOD_PHASE_LOCKED)
		note("not LOCKED any more", phase, 0, 0);
	check_entries();
	if (!all_is_as_it_was())
		note("memory changed", 0, 0, 0);
	attack_link(NULL);
	attack_detail("%u made, %u refused, %u wrong: %s 0x%llx 0x%llx 0x%llx", made, refused,
		      wrong, what, which[0], which[1], which[2]);
	return wrong;
}

/* Outside VMX operation there are no such calls. */
static bool possible(void)
{
	return false;
}

static const struct attack hypercall_kinds = {
	"hypercall_kinds",
	"hypercall,page-table-entry,page-table-secure,page-table-type,kernel-exec,kernel-user,table-alias,kernel-remap,user-map",
	possible,
	attempt,
	effect,
	NULL};
ATTACK_MODULE(hypercall_kinds);
