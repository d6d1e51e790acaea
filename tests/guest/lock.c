/* SPDX-License-Identifier: MIT */
/*
 * The phases by hypercall, and what is pinned in LOCKED, without an operating system. The cases follow each
 * other: there is no way back. (There is no Linux here for paging delegation to take over: it says so and
 * stays off, and everything else is locked all the same.)
 */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/access.h"
#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PAGE 4096u
#define RECORDS 16u
#define TABLE_GDTR 0u
#define TABLE_IDTR 1u
#define RIGHT_LSTAR 0xffffffff81c00080ULL

static int64_t call(uint64_t number, uint64_t first, uint64_t second, uint64_t third)
{
	register uint64_t fourth __asm__("r10") = 0;
	int64_t result = (int64_t)(SECPOD_HYPERCALL | number);

	__asm__ volatile("vmcall"
			 : "+a"(result)
			 : "D"(first), "S"(second), "d"(third), "r"(fourth)
			 : "memory", "cc");
	return result;
}

static uint32_t phase(void)
{
	return cpuid(SECPOD_CPUID_VERSION, 0).ecx;
}

static bool check_call(uint64_t number, int64_t expected, uint32_t phase_then)
{
	int64_t result = call(number, 0, 0, 0);

	return check(result == expected && phase() == phase_then,
		     "call %lx: %lx instead of %lx, phase %u", number, (uint64_t)result,
		     (uint64_t)expected, phase());
}

static bool needs_secpod(void)
{
	if (payload_under_secpod())
		return true;
	skip("no hypercalls without SecPod");
	return false;
}

static void a_phase_is_not_jumped_over(void)
{
	if (needs_secpod())
		check_call(SECPOD_CALL_LOCK, -SECPOD_EPERM, SECPOD_PHASE_GUEST);
}

static void activate_is_a_step(void)
{
	if (!needs_secpod())
		return;
	check_call(SECPOD_CALL_ACTIVATE, 0, SECPOD_PHASE_ACTIVE);
	check_call(SECPOD_CALL_ACTIVATE, 0, SECPOD_PHASE_ACTIVE);
}

/* As docs/architecture.md says of ACTIVE. */
static void registers_are_free_in_active(void)
{
	uint64_t cr0 = read_cr0(), lstar = rdmsr(MSR_LSTAR), seen;

	if (!needs_secpod())
		return;
	check(try_write_cr0(cr0 & ~CR0_WP) == TRAP_NONE && !(read_cr0() & CR0_WP), "CR0.WP stays");
	write_cr0(cr0);
	check(try_wrmsr(MSR_LSTAR, RIGHT_LSTAR) == TRAP_NONE, "LSTAR faults");
	check(try_rdmsr(MSR_LSTAR, &seen) == TRAP_NONE && seen == RIGHT_LSTAR, "LSTAR is %lx",
	      seen);
	wrmsr(MSR_LSTAR, lstar);
}

/* What would be pinned protects nothing: not the moment. */
static void an_unprotected_machine_is_not_locked(void)
{
	const uint64_t cr0 = read_cr0(), efer = rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE;

	if (!needs_secpod())
		return;
	wrmsr(MSR_EFER, efer);
	write_cr0(cr0 & ~CR0_WP);
	check_call(SECPOD_CALL_LOCK, -SECPOD_EPERM, SECPOD_PHASE_ACTIVE);
	write_cr0(cr0 | CR0_WP);
	wrmsr(MSR_EFER, efer & ~EFER_NXE);
	check_call(SECPOD_CALL_LOCK, -SECPOD_EPERM, SECPOD_PHASE_ACTIVE);
	wrmsr(MSR_EFER, efer);
}

static void lock_is_a_step(void)
{
	if (!needs_secpod())
		return;
	wrmsr(MSR_LSTAR, RIGHT_LSTAR);
	check_call(SECPOD_CALL_LOCK, 0, SECPOD_PHASE_LOCKED);
	check_call(SECPOD_CALL_LOCK, 0, SECPOD_PHASE_LOCKED);
	check_call(SECPOD_CALL_ACTIVATE, 0, SECPOD_PHASE_LOCKED);
}

static void control_registers_are_pinned(void)
{
	static const uint64_t cr0_pinned[] = {CR0_WP, CR0_PG, CR0_PE | CR0_PG};
	static const uint64_t cr4_pinned[] = {
		CR4_PAE, CR4_UMIP, CR4_FSGSBASE, CR4_PCIDE, CR4_SMEP,	 CR4_SMAP,
		CR4_PKE, CR4_CET,  CR4_PKS,	 CR4_LASS,  CR4_LAM_SUP,
	};
	static const uint64_t free[] = {CR4_TSD, CR4_PCE, CR4_PGE};
	const uint64_t cr0 = read_cr0(), cr4 = read_cr4();

	if (!needs_secpod())
		return;
	for (unsigned int i = 0; i < COUNT_OF(cr0_pinned); i++)
		check(try_write_cr0(cr0 ^ cr0_pinned[i]) == VECTOR_GP && read_cr0() == cr0,
		      "CR0 bit %lx: CR0 %lx", cr0_pinned[i], read_cr0());
	for (unsigned int i = 0; i < COUNT_OF(cr4_pinned); i++)
		check(try_write_cr4(cr4 ^ cr4_pinned[i]) == VECTOR_GP && read_cr4() == cr4,
		      "CR4 bit %lx: CR4 %lx", cr4_pinned[i], read_cr4());
	for (unsigned int i = 0; i < COUNT_OF(free); i++) {
		check(try_write_cr4(cr4 ^ free[i]) == TRAP_NONE && read_cr4() == (cr4 ^ free[i]),
		      "CR4 bit %lx: CR4 %lx", free[i], read_cr4());
		check(try_write_cr4(cr4) == TRAP_NONE, "CR4 cannot be what it was");
	}
	check(try_write_cr0(cr0 | CR0_TS) == TRAP_NONE && (read_cr0() & CR0_TS), "CR0.TS");
	check(try_write_cr0(cr0) == TRAP_NONE && read_cr0() == cr0, "CR0 is %lx", read_cr0());
}

static void registers_are_pinned(void)
{
	static const struct {
		uint32_t msr;
		uint64_t flip;
	} pinned[] = {
		{MSR_EFER, EFER_NXE},	  {MSR_EFER, EFER_SCE},	  {MSR_EFER, EFER_LME},
		{MSR_STAR, 1ULL << 48},	  {MSR_LSTAR, 0x10},	  {MSR_CSTAR, 0x10},
		{MSR_FMASK, 0x200},	  {MSR_SYSENTER_CS, 0x8}, {MSR_SYSENTER_ESP, 0x10},
		{MSR_SYSENTER_EIP, 0x10}, {MSR_PAT, 1},		  {MSR_APIC_BASE, APIC_BASE_ENABLE},
	};

	if (!needs_secpod())
		return;
	for (unsigned int i = 0; i < COUNT_OF(pinned); i++) {
		const uint64_t value = rdmsr(pinned[i].msr);

		check(try_wrmsr(pinned[i].msr, value ^ pinned[i].flip) == VECTOR_GP &&
			      rdmsr(pinned[i].msr) == value,
		      "MSR %x: %lx, was %lx", pinned[i].msr, rdmsr(pinned[i].msr), value);
		check(try_wrmsr(pinned[i].msr, value) == TRAP_NONE, "MSR %x: the same faults",
		      pinned[i].msr);
	}
	check(rdmsr(MSR_LSTAR) == RIGHT_LSTAR, "LSTAR is %lx", rdmsr(MSR_LSTAR));
}

/* ---- descriptor tables, and what is on record of them */

extern const char lock_lgdt[], lock_lidt[];

static void do_lgdt(void *table)
{
	__asm__ volatile("lock_lgdt:\n\tlgdt %0" : : "m"(*(struct pseudo_descriptor *)table));
}

static void do_lidt(void *table)
{
	__asm__ volatile("lock_lidt:\n\tlidt %0" : : "m"(*(struct pseudo_descriptor *)table));
}

static bool same(const struct pseudo_descriptor *a, const struct pseudo_descriptor *b)
{
	return a->base == b->base && a->limit == b->limit;
}

/* The newest record that was read. */
static struct secpod_record last;

static void read_log_until_empty(struct secpod_record *records)
{
	int64_t count;

	while ((count = call(SECPOD_CALL_LOG_READ, (uint64_t)(uintptr_t)records, RECORDS, 0)) > 0)
		last = records[count - 1];
	check(count == 0, "LOG_READ: %lx", (uint64_t)count);
}

static void check_record(const struct secpod_record *r, const struct pseudo_descriptor *wanted,
			 uint64_t table, uint64_t pinned, const char *rip, uint8_t opcode)
{
	check(r->rule == SECPOD_RULE_DESCRIPTOR_TABLE && r->answer == SECPOD_ANSWER_DENY &&
		      r->phase == SECPOD_PHASE_LOCKED && r->cpl == 0 && r->cpu == 0,
	      "rule %u, answer %u, phase %u, CPL %u, CPU %u", r->rule, r->answer, r->phase, r->cpl,
	      r->cpu);
	check(r->rip == (uint64_t)(uintptr_t)rip && r->cr3 == read_cr3(), "RIP %lx, CR3 %lx",
	      r->rip, r->cr3);
	check(r->detail[0] == wanted->base && r->detail[1] == wanted->limit &&
		      r->detail[2] == table && r->detail[3] == pinned,
	      "words %lx %lx %lx %lx", r->detail[0], r->detail[1], r->detail[2], r->detail[3]);
	check(r->insn_len >= 3 && r->insn[0] == 0x0f && r->insn[1] == opcode, "%u bytes: %x %x",
	      r->insn_len, r->insn[0], r->insn[1]);
	check(r->tsc && r->tsc < rdtsc(), "time stamp %lx", r->tsc);
}

static void one_table_is_pinned(void (*load)(void *), struct pseudo_descriptor (*read)(void),
				uint64_t table, const char *rip)
{
	struct pseudo_descriptor now = read(), copy = {.limit = now.limit};
	struct secpod_record *records = machine_page();
	uint8_t *to = machine_page();
	uint64_t before;
	uint32_t vector;

	for (uint32_t i = 0; i <= now.limit; i++)
		to[i] = ((const uint8_t *)(uintptr_t)now.base)[i];
	copy.base = (uint64_t)(uintptr_t)to;
	read_log_until_empty(records);
	before = last.seq;
	vector = trap_catch(load, &copy).vector;
	check(vector == VECTOR_GP, "a copy: trap %u", vector);
	read_log_until_empty(records);
	check(last.seq == before + 1, "record %lu behind %lu", last.seq, before);
	check_record(&last, &copy, table, now.base, rip, 0x01);
	copy = read();
	check(same(&copy, &now), "base %lx, limit %x", copy.base, copy.limit);
	check(trap_catch(load, &now).vector == TRAP_NONE, "the same one faults");
}

static void descriptor_tables_are_pinned(void)
{
	if (!needs_secpod())
		return;
	one_table_is_pinned(do_lgdt, read_gdtr, TABLE_GDTR, lock_lgdt);
	one_table_is_pinned(do_lidt, read_idtr, TABLE_IDTR, lock_lidt);
}

/* Linux resets machines with it when all else fails. */
static void an_empty_idt_can_be_loaded(void)
{
	struct pseudo_descriptor now = read_idtr(), empty = {.limit = 0};

	if (!needs_secpod())
		return;
	__asm__ volatile("lidt %0\n\tlidt %1" : : "m"(empty), "m"(now));
	empty = read_idtr();
	check(same(&empty, &now), "base %lx, limit %x", empty.base, empty.limit);
}

static void malformed_reads_of_the_log_give_nothing(void)
{
	const uint64_t page = (uint64_t)(uintptr_t)machine_page();
	uint64_t secure = 0;
	const struct {
		uint64_t gpa, max, flags;
		int64_t result;
	} rows[] = {
		{page, 0, 0, -SECPOD_EINVAL},
		{page, SECPOD_LOG_READ_MAX + 1, 0, -SECPOD_EINVAL},
		{page, 1ULL << 57, 0, -SECPOD_EINVAL},
		{page, 1, 1, -SECPOD_EINVAL},
		{page + 1, 1, 0, -SECPOD_EINVAL},
		{~7ULL, 1, 0, -SECPOD_EFAULT},
		{0, 1, 0, -SECPOD_EFAULT}, /* the secure space */
	};

	if (!needs_secpod())
		return;
	check(payload_statistic(SECPOD_STAT_REGION_BASE, &secure), "no statistics");
	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		const uint64_t gpa = rows[i].gpa ? rows[i].gpa : secure;
		int64_t result = call(SECPOD_CALL_LOG_READ, gpa, rows[i].max, rows[i].flags);

		check(result == rows[i].result, "row %u: %lx", i, (uint64_t)result);
	}
	for (unsigned int i = 0; i < PAGE; i++)
		check(!((const uint8_t *)(uintptr_t)page)[i], "byte %u was written", i);
}

static const struct payload_case lock_cases[] = {
	{"lock-first", a_phase_is_not_jumped_over},
	{"activate", activate_is_a_step},
	{"active-is-free", registers_are_free_in_active},
	{"lock-unprotected", an_unprotected_machine_is_not_locked},
	{"lock", lock_is_a_step},
	{"control-registers", control_registers_are_pinned},
	{"registers", registers_are_pinned},
	{"descriptor-tables", descriptor_tables_are_pinned},
	{"empty-idt", an_empty_idt_can_be_loaded},
	{"log-read", malformed_reads_of_the_log_give_nothing},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {lock_cases, NULL};

const struct payload payload = {"lock", cases, NULL};
