/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Clears CR0.WP and redirects LSTAR again and again, and counts what each refusal costs from the exit to the entry:
 * where the TSC counts instructions, those of the monitor. The way from the #GP to the instruction behind is the
 * kernel's; a load from an address that is none takes it without leaving the guest, and is subtracted.
 */
#include "attack.h"

#include <linux/minmax.h>
#include <asm/msr.h>
#include <asm/processor-flags.h>

#define ROUNDS 16u
#define NO_ADDRESS 0x5ec90d0000000000ul

static u64 fault_cost = U64_MAX, cr0_cost = U64_MAX, msr_cost = U64_MAX;
static unsigned int passed;

/* The time stamps around the instruction and its fault, if it had one; the least of all rounds goes to cost. */
#define COUNT(cost, instruction, ...)                \
	do {                                         \
		unsigned int fault = 1;              \
		u64 begin = rdtsc();                 \
                                                     \
		asm volatile(ATTACK_TRY(instruction) \
			     : [fault] "+r"(fault)   \
			     : __VA_ARGS__           \
			     : "memory", "cc");      \
		(cost) = min(cost, rdtsc() - begin); \
		failed = fault;                      \
	} while (0)

static void count(void)
{
	const u64 lstar = __rdmsr(MSR_LSTAR), other = lstar + PAGE_SIZE;
	const unsigned long cr0 = attack_read_cr0();
	unsigned int failed;

	COUNT(fault_cost, "testb $0, (%[address])", [address] "r"(NO_ADDRESS));
	COUNT(cr0_cost, "mov %[value], %%cr0", [value] "r"(cr0 & ~X86_CR0_WP));
	if (!failed) {
		attack_write_cr0(cr0);
		passed++;
	}
	COUNT(msr_cost, "wrmsr", "c"(MSR_LSTAR), "a"((u32)other), "d"((u32)(other >> 32)));
	if (!failed) {
		native_wrmsrl(MSR_LSTAR, lstar);
		passed++;
	}
}

static int attempt(void)
{
	unsigned long flags;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		local_irq_save(flags);
		count();
		local_irq_restore(flags);
	}
	return 0;
}

static bool effect(void)
{
	if (passed)
		attack_detail("%u of %u writes passed", passed, 2 * ROUNDS);
	else
		attack_detail("exit to entry: CR0 %llu, MSR %llu instructions",
			      cr0_cost - fault_cost, msr_cost - fault_cost);
	return passed;
}

static const struct attack refusal_cost = {
	"refusal_cost", "cr0,syscall-msr", NULL, attempt, effect, NULL};
ATTACK_MODULE(refusal_cost);
