/* SPDX-License-Identifier: MIT */
/*
 * Single steps, breakpoints and interrupt shadows over instructions that exit. SDM: "Debug
 * Exceptions", "Masking Exceptions and Interrupts When Switching Stacks".
 */
#include "tests/guest/apic.h"
#include "tests/guest/instructions.h"
#include "tests/guest/machine.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define DR6_B0 X86_BIT(0)
#define DR6_BS X86_BIT(14)
#define DR7_EXECUTE_0 (DR7_INIT | 2) /* global, on execution of one instruction */

#define MAX_STEPS 16u

static struct {
	unsigned int count;
	uint64_t rip[MAX_STEPS];
	uint64_t dr6[MAX_STEPS];
} steps;

static bool record_step(struct trap_frame *frame)
{
	if (steps.count < MAX_STEPS) {
		steps.rip[steps.count] = frame->rip;
		steps.dr6[steps.count] = read_dr6();
	}
	steps.count++;
	write_dr6(DR6_INIT);
	return true;
}

static void start_recording(void)
{
	steps.count = 0;
	write_dr6(DR6_INIT);
	trap_hook(VECTOR_DB, record_step);
}

/*
 * Code under single step: TF is set by the POPF at the start, so the first #DB comes behind the
 * instruction after it; the table of addresses where one is expected follows as .quad differences
 * to the start.
 */
#define STEPPED(name, body, addresses)                                                     \
	__asm__(".text\n"                                                                  \
		".balign 16\n" #name ":\n\t"                                               \
		"push %rbx\n\t"                                                            \
		"push %rbp\n\t"                                                            \
		"mov %rsp, %rbp\n\t"                                                       \
		"pushfq\n\t"                                                               \
		"orl $0x100, (%rsp)\n\t"                                                   \
		"popfq\n\t" body "\n"                                                      \
		"9:\tpushfq\n" /* steps too */                                             \
		"8:\tandl $0xfffffeff, (%rsp)\n"                                           \
		"7:\tpopfq\n"                                                              \
		"6:\tmov %rbp, %rsp\n\t"                                                   \
		"pop %rbp\n\t"                                                             \
		"pop %rbx\n\t"                                                             \
		"ret\n" #name "_expected:\n\t"                                             \
		".quad " addresses "8b - " #name ", 7b - " #name ", 6b - " #name ", 0\n"); \
	void name(void);                                                                   \
	extern const uint64_t name##_expected[]

#define CPUID_0 "xor %eax, %eax\n"

STEPPED(step_cpuid, "nop\n1:\t" CPUID_0 "2:\tcpuid\n3:\tnop",
	"1b - step_cpuid, 2b - step_cpuid, 3b - step_cpuid, 9b - step_cpuid,");
STEPPED(step_rdmsr, "mov $0x3a, %ecx\n1:\trdmsr\n2:\tnop",
	"1b - step_rdmsr, 2b - step_rdmsr, 9b - step_rdmsr,");
STEPPED(step_rdmsr_pat, "mov $0x277, %ecx\n1:\trdmsr\n2:\tnop",
	"1b - step_rdmsr_pat, 2b - step_rdmsr_pat, 9b - step_rdmsr_pat,");
STEPPED(step_wbinvd, "nop\n1:\twbinvd\n2:\tnop",
	"1b - step_wbinvd, 2b - step_wbinvd, 9b - step_wbinvd,");
STEPPED(step_cr0,
	"mov %cr0, %rax\n1:\txor $0x20, %eax\n2:\tmov %rax, %cr0\n3:\txor $0x20, %eax\n"
	"4:\tmov %rax, %cr0\n5:\tnop",
	"1b - step_cr0, 2b - step_cr0, 3b - step_cr0, 4b - step_cr0, 5b - step_cr0, 9b - step_cr0,");
/* MOV SS holds the step back until the instruction behind it is done. */
STEPPED(step_mov_ss, "mov %ss, %ecx\n1:\txor %eax, %eax\n2:\tmov %ecx, %ss\n\tcpuid\n3:\tnop",
	"1b - step_mov_ss, 2b - step_mov_ss, 3b - step_mov_ss, 9b - step_mov_ss,");
STEPPED(step_mov_ss_plain, "mov %ss, %ecx\n1:\tmov %ecx, %ss\n\tnop\n2:\tnop",
	"1b - step_mov_ss_plain, 2b - step_mov_ss_plain, 9b - step_mov_ss_plain,");

static void check_steps(void (*code)(void), const uint64_t *expected)
{
	uint64_t start = (uint64_t)(uintptr_t)code;
	unsigned int n = 0;

	start_recording();
	code();
	for (; expected[n]; n++) {
		check(n < steps.count, "only %u steps", steps.count);
		check(steps.rip[n] - start == expected[n], "step %u at +%lx, not +%lx", n,
		      steps.rip[n] - start, expected[n]);
		check((steps.dr6[n] & (DR6_BS | 0xf)) == DR6_BS, "step %u with DR6 %lx", n,
		      steps.dr6[n]);
	}
	/* TF falls with the POPF; the CPU may report the step of that instruction or not. */
	check(steps.count == n || steps.count + 1 == n, "%u steps, not %u", steps.count, n);
}

static void step_over_cpuid(void)
{
	check_steps(step_cpuid, step_cpuid_expected);
}

static void step_over_intercepted_rdmsr(void)
{
	if (!payload_under_secpod()) {
		skip("native");
		return;
	}
	check_steps(step_rdmsr, step_rdmsr_expected);
}

static void step_over_plain_rdmsr(void)
{
	check_steps(step_rdmsr_pat, step_rdmsr_pat_expected);
}

static void step_over_wbinvd(void)
{
	check_steps(step_wbinvd, step_wbinvd_expected);
}

static void step_over_cr0_write(void)
{
	check_steps(step_cr0, step_cr0_expected);
}

static void step_over_mov_ss(void)
{
	check_steps(step_mov_ss_plain, step_mov_ss_plain_expected);
}

static void step_over_mov_ss_and_cpuid(void)
{
	check_steps(step_mov_ss, step_mov_ss_expected);
}

/* A fault in a single step: the frame holds TF, no step comes before it. */
__asm__(".text\n"
	".balign 16\n"
	"step_fault:\n\t"
	"pushfq\n\t"
	"orl $0x100, (%rsp)\n\t"
	"popfq\n\t"
	"nop\n"
	"step_fault_here:\n\t"
	"vmcall\n\t"
	"ud2\n");
void step_fault(void *arg);
extern const char step_fault_here[];

static void step_into_a_fault(void)
{
	struct trap trap;

	start_recording();
	trap = trap_catch(step_fault, NULL);
	check(trap.vector == VECTOR_UD, "trap %u", trap.vector);
	check(trap.frame.rip == (uint64_t)(uintptr_t)step_fault_here, "RIP %lx", trap.frame.rip);
	check(trap.frame.rflags & RFLAGS_TF, "TF is lost: RFLAGS %lx", trap.frame.rflags);
	check(steps.count == 1 && steps.rip[0] == (uint64_t)(uintptr_t)step_fault_here,
	      "%u steps before the fault", steps.count);
}

/* An execution breakpoint on an instruction that exits: RF lets it through once, and is gone behind
 * it. */
__asm__(".text\n"
	".balign 16\n"
	"breakpoint_code:\n\t"
	"push %rbx\n\t"
	"mov $3, %esi\n"
	"1:\txor %eax, %eax\n"
	"breakpoint_here:\n\t"
	"cpuid\n\t"
	"dec %esi\n\t"
	"jnz 1b\n\t"
	"pop %rbx\n\t"
	"ret\n");
void breakpoint_code(void);
extern const char breakpoint_here[];

static inline void write_dr7(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(value) : "memory");
}

static bool resume_breakpoint(struct trap_frame *frame)
{
	record_step(frame);
	frame->rflags |= RFLAGS_RF;
	return true;
}

static void breakpoint_on_cpuid(void)
{
	uint64_t here = (uint64_t)(uintptr_t)breakpoint_here;

	start_recording();
	trap_hook(VECTOR_DB, resume_breakpoint);
	write_dr0(here);
	write_dr7(DR7_EXECUTE_0);
	breakpoint_code();
	write_dr7(DR7_INIT);
	check(steps.count == 3, "%u breakpoints, not 3", steps.count);
	for (unsigned int i = 0; i < steps.count && i < 3; i++) {
		check(steps.rip[i] == here, "breakpoint %u at %lx", i, steps.rip[i]);
		check((steps.dr6[i] & (DR6_BS | 0xf)) == DR6_B0, "breakpoint %u: DR6 %lx", i,
		      steps.dr6[i]);
	}
}

#define SHADOW_VECTOR 0xf0u

static struct {
	unsigned int count;
	uint64_t rip;
} interrupt;

static bool record_interrupt(struct trap_frame *frame)
{
	interrupt.count++;
	interrupt.rip = frame->rip;
	frame->rflags &= ~RFLAGS_IF;
	apic_eoi();
	return true;
}

/* A pending interrupt gets in behind the instruction that follows STI, no later. */
__asm__(".text\n"
	".balign 16\n"
	"sti_cpuid:\n\t"
	"push %rbx\n\t"
	"xor %eax, %eax\n\t"
	"sti\n\t"
	"cpuid\n"
	"sti_cpuid_behind:\n\t"
	"nop\n\t"
	"nop\n\t"
	"cli\n\t"
	"pop %rbx\n\t"
	"ret\n"
	"sti_plain:\n\t"
	"sti\n\t"
	"nop\n"
	"sti_plain_behind:\n\t"
	"nop\n\t"
	"nop\n\t"
	"cli\n\t"
	"ret\n");
void sti_cpuid(void);
extern const char sti_cpuid_behind[];
void sti_plain(void);
extern const char sti_plain_behind[];

static void check_shadow(void (*code)(void), const char *behind)
{
	apic_enable();
	trap_hook(SHADOW_VECTOR, record_interrupt);
	interrupt.count = 0;
	apic_interrupt_self(SHADOW_VECTOR);
	code();
	check(interrupt.count == 1, "%u interrupts", interrupt.count);
	check(interrupt.rip == (uint64_t)(uintptr_t)behind, "interrupt at %lx, not %lx",
	      interrupt.rip, (uint64_t)(uintptr_t)behind);
}

static void sti_shadow(void)
{
	check_shadow(sti_plain, sti_plain_behind);
}

static void sti_shadow_over_cpuid(void)
{
	check_shadow(sti_cpuid, sti_cpuid_behind);
}

const struct payload_case step_cases[] = {
	{"step-cpuid", step_over_cpuid},
	{"step-rdmsr-intercepted", step_over_intercepted_rdmsr},
	{"step-rdmsr", step_over_plain_rdmsr},
	{"step-wbinvd", step_over_wbinvd},
	{"step-cr0", step_over_cr0_write},
	{"step-mov-ss", step_over_mov_ss},
	{"step-mov-ss-cpuid", step_over_mov_ss_and_cpuid},
	{"step-fault", step_into_a_fault},
	{"breakpoint-cpuid", breakpoint_on_cpuid},
	{"shadow-sti", sti_shadow},
	{"shadow-sti-cpuid", sti_shadow_over_cpuid},
	{NULL, NULL},
};
