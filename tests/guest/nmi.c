/* SPDX-License-Identifier: MIT */
/* NMIs through the local APIC to the sender itself. SDM: "Nonmaskable Interrupt (NMI)", "Virtual
 * NMIs". */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/apic.h"
#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PATIENCE 20000000ULL /* TSC ticks until an NMI counts as lost */

static uint32_t self;
static volatile unsigned int count, depth, deepest;
static void (*volatile in_handler)(void);

static bool handle_nmi(struct trap_frame *frame)
{
	(void)frame;
	count++;
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (in_handler)
		in_handler();
	depth--;
	return true;
}

static void start(void (*handler)(void))
{
	apic_enable();
	self = apic_id();
	count = depth = deepest = 0;
	in_handler = handler;
	trap_hook(VECTOR_NMI, handle_nmi);
}

static bool wait_for(unsigned int wanted)
{
	uint64_t begin = rdtsc();

	while (count < wanted && rdtsc() - begin < PATIENCE)
		cpu_relax();
	return count == wanted;
}

/* Time for an NMI too many to show up. */
static void settle(void)
{
	for (unsigned int i = 0; i < 1000; i++)
		cpuid(0, 0);
}

static void spaced_nmis_all_arrive(void)
{
	start(NULL);
	for (unsigned int n = 1; n <= 200; n++) {
		apic_nmi(self);
		if (!check(wait_for(n), "%u of %u arrived", count, n))
			return;
	}
	settle();
	check(count == 200, "%u arrived of 200", count);
}

static void nmis_arrive_in_a_cpuid_loop(void)
{
	start(NULL);
	for (unsigned int n = 1; n <= 200; n++) {
		apic_nmi(self);
		for (unsigned int i = 0; i < n % 7; i++)
			cpuid(i, 0);
		if (!check(wait_for(n), "%u of %u arrived", count, n))
			return;
	}
	settle();
	check(count == 200, "%u arrived of 200", count);
}

static void send_another_once(void)
{
	if (count == 1)
		apic_nmi(self);
	/* Time for it to arrive, were NMIs not blocked; with exits and without. */
	for (unsigned int i = 0; i < 100; i++)
		cpuid(0, 0);
	for (unsigned int i = 0; i < 1000; i++)
		cpu_relax();
}

static void nmis_are_blocked_until_iret(void)
{
	start(send_another_once);
	apic_nmi(self);
	check(wait_for(2), "%u of 2 arrived", count);
	settle();
	check(count == 2, "%u arrived of 2", count);
	check(deepest == 1, "handlers nested %u deep", deepest);
}

static void send_three_more_once(void)
{
	if (count != 1)
		return;
	for (unsigned int i = 0; i < 3; i++) {
		apic_nmi(self);
		settle();
	}
}

/* While one is being served the CPU remembers one more, not how many. */
static void one_nmi_is_latched(void)
{
	start(send_three_more_once);
	apic_nmi(self);
	check(wait_for(2), "%u of 2 arrived", count);
	settle();
	check(count == 2, "%u arrived of 2", count);
	check(deepest == 1, "handlers nested %u deep", deepest);
}

/* A fault inside the handler returns with IRET, and that opens NMIs: seen by the next one. */
static void do_ud2(void)
{
	__asm__ volatile("ud2");
}

static bool skip_ud2(struct trap_frame *frame)
{
	frame->rip += 2;
	return true;
}

static void fault_and_send(void)
{
	if (count != 1)
		return;
	do_ud2();
	apic_nmi(self);
	settle();
}

static void iret_of_a_fault_opens_nmis(void)
{
	start(fault_and_send);
	/* The second one comes inside the first: it must not use the same stack. */
	machine_set_ist(VECTOR_NMI, 0);
	trap_hook(VECTOR_UD, skip_ud2);
	apic_nmi(self);
	check(wait_for(2), "%u of 2 arrived", count);
	check(deepest == 2, "handlers nested %u deep, not 2", deepest);
	machine_set_ist(VECTOR_NMI, IST_NMI_STACK);
}

/* All general registers, flags and CR2 are as before after an NMI that came between exits. */
static void nmis_disturb_nothing(void)
{
	uint64_t wrong = 0;

	start(NULL);
	write_cr2(0x123456789000);
	for (unsigned int n = 1; n <= 20; n++) {
		uint64_t rsi = 0x11, rdi = 0x22, r8 = 0x33;

		apic_nmi(self);
		__asm__ volatile("mov %1, %%r9; mov %2, %%r10\n\t"
				 "xor %%eax, %%eax; cpuid; pause; cpuid\n\t"
				 "sub %1, %%r9; sub %2, %%r10; or %%r9, %0; or %%r10, %0"
				 : "+r"(wrong), "+S"(rsi), "+D"(rdi), "+r"(r8)
				 :
				 : "rax", "rbx", "rcx", "rdx", "r9", "r10", "cc", "memory");
		wait_for(n);
	}
	check(!wrong, "a register changed");
	check(count == 20, "%u arrived of 20", count);
	check(read_cr2() == 0x123456789000, "CR2 is %lx", read_cr2());
}

/* The NMI comes behind the instruction in the shadow of MOV SS, never between the two. */
__asm__(".text\n"
	".balign 16\n"
	"nmi_mov_ss:\n\t"
	"push %rbx\n\t"
	"mov %ss, %ecx\n\t"
	"xor %eax, %eax\n\t"
	"mov %esi, (%rdi)\n" /* ICR: send */
	"mov %ecx, %ss\n"
	"nmi_mov_ss_inside:\n\t"
	"cpuid\n\t"
	"nop\n\t"
	"pop %rbx\n\t"
	"ret\n");
void nmi_mov_ss(volatile uint32_t *icr, uint32_t command);
extern const char nmi_mov_ss_inside[];

static uint64_t nmi_rip;

static bool record_nmi(struct trap_frame *frame)
{
	count++;
	nmi_rip = frame->rip;
	return true;
}

static void mov_ss_holds_nmis_back(void)
{
	start(NULL);
	trap_hook(VECTOR_NMI, record_nmi);
	for (unsigned int n = 1; n <= 20; n++) {
		*apic_register(APIC_REG_ICR_HIGH) = self << 24;
		nmi_mov_ss(apic_register(APIC_REG_ICR_LOW),
			   APIC_ICR_DELIVERY_NMI | APIC_ICR_ASSERT);
		check(wait_for(n), "%u of %u arrived", count, n);
		check(nmi_rip != (uint64_t)(uintptr_t)nmi_mov_ss_inside, "in the shadow of MOV SS");
	}
}

/*
 * The NMI's stack lies in the monitor's memory: its delivery is refused with #GP, whose handler
 * gives it a good stack. A CPU loses such an NMI; the next must arrive.
 */
static uint64_t good_stack;
static unsigned int refusals;

static bool mend_stack(struct trap_frame *frame)
{
	(void)frame;
	refusals++;
	machine_set_ist_stack(IST_NMI_STACK, good_stack);
	return refusals < 3;
}

static void refused_delivery_is_survived(void)
{
	uint64_t base;

	if (!payload_statistic(SECPOD_STAT_REGION_BASE, &base)) {
		skip("native");
		return;
	}
	start(NULL);
	refusals = 0;
	good_stack = machine_ist_stack(IST_NMI_STACK);
	trap_hook(VECTOR_GP, mend_stack);
	machine_set_ist_stack(IST_NMI_STACK, base + 0x2000);
	apic_nmi(self);
	settle();
	check(refusals == 1, "%u refusals", refusals);
	check(count <= 1, "%u arrived of 1", count);
	machine_set_ist_stack(IST_NMI_STACK, good_stack);
	count = 0;
	apic_nmi(self);
	check(wait_for(1), "%u of 1 arrived behind it", count);
}

static const struct payload_case nmi_cases[] = {
	{"spaced", spaced_nmis_all_arrive},
	{"cpuid-loop", nmis_arrive_in_a_cpuid_loop},
	{"blocked-until-iret", nmis_are_blocked_until_iret},
	{"latched", one_nmi_is_latched},
	{"iret-of-fault", iret_of_a_fault_opens_nmis},
	{"registers", nmis_disturb_nothing},
	{"mov-ss-shadow", mov_ss_holds_nmis_back},
	{"refused-delivery", refused_delivery_is_survived},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {nmi_cases, NULL};

const struct payload payload = {"nmi", cases, NULL};
