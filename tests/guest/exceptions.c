/* SPDX-License-Identifier: MIT */
/* Exceptions, and exits in the middle of their delivery. SDM: "Interrupt and Exception Handling".
 */
#include "guest-support/include/secpod_abi.h"
#include "tests/guest/apic.h"
#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PAGE 4096u
#define NON_CANONICAL 0x0001000000000000ULL
/* In the upper half of the window nothing is mapped. */
#define UNMAPPED (WINDOW_BASE + 300 * PAGE)

static uint64_t region;

/* One of the frames of the monitor's region, a new one at each call: 0 without SecPod. */
static uint64_t fresh_frame(void)
{
	static uint64_t next;

	if (!region)
		return 0;
	next += PAGE;
	return region + 0x400000 + next;
}

static bool find_region(void)
{
	if (!payload_statistic(SECPOD_STAT_REGION_BASE, &region))
		region = 0;
	return true;
}

/* A function with one instruction and its address in name_here. */
#define CODE(name, text)                                                         \
	__asm__(".text\n"                                                        \
		".balign 16\n" #name ":\n" #name "_here:\n\t" text "\n\tret\n"); \
	void name(void *arg);                                                    \
	extern const char name##_here[]

CODE(raise_de, "xor %ecx, %ecx\n\tdiv %ecx");
CODE(raise_bp, "int3");
CODE(raise_int, "int $0x80");
CODE(raise_ud, "ud2");
CODE(raise_gp, "mov (%rdi), %rax");
CODE(raise_stack, "push %rbp; mov %rdi, %rbp; mov (%rbp), %rax; pop %rbp");
CODE(raise_np, "mov $0x38, %eax\n\tmov %eax, %ds");
CODE(raise_selector, "mov $0x7f8, %eax\n\tmov %eax, %ds");
CODE(raise_read, "mov (%rdi), %al");
CODE(raise_write, "movb $1, (%rdi)");
CODE(raise_icebp, ".byte 0xf1");
CODE(raise_iret, "iretq");

static uint64_t address(const char *code)
{
	return (uint64_t)(uintptr_t)code;
}

static void plain_exceptions(void)
{
	const struct {
		const char *name;
		void (*raise)(void *arg);
		const char *here;
		uint64_t arg;
		unsigned int vector;
		uint64_t error_code;
		unsigned int skip; /* bytes to the RIP that is pushed */
	} rows[] = {
		{"DIV by zero", raise_de, raise_de_here, 0, VECTOR_DE, 0, 2},
		{"INT3", raise_bp, raise_bp_here, 0, VECTOR_BP, 0, 1},
		{"INT 0x80", raise_int, raise_int_here, 0, 0x80, 0, 2},
		{"UD2", raise_ud, raise_ud_here, 0, VECTOR_UD, 0, 0},
		{"non-canonical read", raise_gp, raise_gp_here, NON_CANONICAL, VECTOR_GP, 0, 0},
		{"non-canonical stack read", raise_stack, raise_stack_here, NON_CANONICAL,
		 VECTOR_SS, 0, 4},
		{"selector not present", raise_np, raise_np_here, 0, VECTOR_NP, 0x38, 5},
		{"selector beyond the table", raise_selector, raise_selector_here, 0, VECTOR_GP,
		 0x7f8, 5},
	};

	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		struct trap trap = trap_catch(rows[i].raise, (void *)(uintptr_t)rows[i].arg);

		check(trap.vector == rows[i].vector && trap.error_code == rows[i].error_code,
		      "%s: trap %u, error code %lx", rows[i].name, trap.vector, trap.error_code);
		check(trap.frame.rip == address(rows[i].here) + rows[i].skip, "%s: RIP +%lx",
		      rows[i].name, trap.frame.rip - address(rows[i].here));
	}
}

static void page_faults(void)
{
	uint64_t own = (uint64_t)(uintptr_t)machine_page();
	void *read_only = machine_window(0, own, PTE_P);
	void *unmapped = (void *)(uintptr_t)(UNMAPPED + 5);
	struct trap trap = trap_catch(raise_read, unmapped);

	check(trap.vector == VECTOR_PF && trap.error_code == 0 && trap.cr2 == UNMAPPED + 5,
	      "read: trap %u, error code %lx, CR2 %lx", trap.vector, trap.error_code, trap.cr2);
	trap = trap_catch(raise_write, unmapped);
	check(trap.vector == VECTOR_PF && trap.error_code == 2 && trap.cr2 == UNMAPPED + 5,
	      "write: trap %u, error code %lx, CR2 %lx", trap.vector, trap.error_code, trap.cr2);
	trap = trap_catch(raise_write, read_only);
	check(trap.vector == VECTOR_PF && trap.error_code == 3 && trap.cr2 == WINDOW_BASE,
	      "read-only: trap %u, error code %lx, CR2 %lx", trap.vector, trap.error_code,
	      trap.cr2);
}

static uint64_t cr2_after_exits;

static bool exit_then_look(struct trap_frame *frame)
{
	for (uint32_t i = 0; i < 5; i++)
		cpuid(i, 0);
	cr2_after_exits = read_cr2();
	frame->rip += 2; /* MOV (%rdi), %al */
	return true;
}

static void cr2_survives_exits(void)
{
	uint64_t frame = fresh_frame();

	trap_hook(VECTOR_PF, exit_then_look);
	raise_read((void *)(uintptr_t)(UNMAPPED + 77));
	check(cr2_after_exits == UNMAPPED + 77, "CR2 is %lx behind exits in the handler",
	      cr2_after_exits);
	write_cr2(0xabcdef);
	wbinvd();
	cpuid(0, 0);
	check(read_cr2() == 0xabcdef, "CR2 is %lx", read_cr2());
	if (frame) {
		raise_read((void *)(uintptr_t)frame);
		check(read_cr2() == 0xabcdef, "CR2 is %lx behind an EPT violation", read_cr2());
	}
}

/* An exception in the handler of another. */
static bool fault_in_handler(struct trap_frame *frame)
{
	(void)frame;
	raise_ud(NULL);
	return true;
}

static void nested_exceptions(void)
{
	struct trap trap;

	trap_hook(VECTOR_PF, fault_in_handler);
	trap = trap_catch(raise_read, (void *)(uintptr_t)UNMAPPED);
	check(trap.vector == VECTOR_UD && trap.frame.rip == address(raise_ud_here), "trap %u",
	      trap.vector);
}

/* Run a function on another stack, whose top may be anywhere. */
struct on_stack {
	void (*run)(void *arg);
	void *arg;
	uint64_t top;
};

static void do_on_stack(void *arg)
{
	const struct on_stack *call = arg;

	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "mov %0, %%rsp\n\t"
			 "jmp *%1"
			 :
			 : "r"(call->top), "r"(call->run), "D"(call->arg)
			 : "rbx", "memory");
	__builtin_unreachable();
}

static struct trap catch_on_stack(void (*run)(void *arg), uint64_t arg, uint64_t top)
{
	struct on_stack call = {run, (void *)(uintptr_t)arg, top};

	return trap_catch(do_on_stack, &call);
}

/* The stack is not mapped: delivery of the first exception raises #PF, and that one's delivery
 * again: #DF. */
static void unmapped_stack_gives_double_fault(void)
{
	struct trap trap = catch_on_stack(raise_ud, 0, UNMAPPED + PAGE);

	check(trap.vector == VECTOR_DF && trap.error_code == 0, "#UD: trap %u", trap.vector);
	check(trap.frame.rip == address(raise_ud_here), "#UD: RIP %lx", trap.frame.rip);
	machine_set_ist(VECTOR_PF, IST_SPARE_STACK);
	trap = catch_on_stack(raise_ud, 0, UNMAPPED + PAGE);
	machine_set_ist(VECTOR_PF, 0);
	/* #UD is benign, so #PF comes alone; its stack is good. */
	check(trap.vector == VECTOR_PF && trap.error_code == 2, "#PF with a stack: trap %u",
	      trap.vector);
	machine_set_ist(VECTOR_PF, IST_SPARE_STACK);
	trap = catch_on_stack(raise_gp, NON_CANONICAL, UNMAPPED + PAGE);
	machine_set_ist(VECTOR_PF, 0);
	/* #GP is contributory, #PF behind it is not: handled one after the other. */
	check(trap.vector == VECTOR_PF, "#GP then #PF: trap %u", trap.vector);
}

/* The same with the stack in the monitor's memory: each push exits in the middle of a delivery. */

static bool needs_secpod(void)
{
	if (!region)
		skip("native");
	return region != 0;
}

static void refused_stack_gives_double_fault(void)
{
	static const struct {
		const char *name;
		void (*raise)(void *arg);
		const char *here;
		uint64_t arg;
	} rows[] = {
		{"#UD", raise_ud, raise_ud_here, 0},
		{"#GP", raise_gp, raise_gp_here, NON_CANONICAL},
		{"#PF", raise_read, raise_read_here, UNMAPPED},
		{"INT3", raise_bp, raise_bp_here, 0},
		{"INT 0x80", raise_int, raise_int_here, 0},
	};

	if (!needs_secpod())
		return;
	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		struct trap trap = catch_on_stack(rows[i].raise, rows[i].arg, fresh_frame() + PAGE);

		check(trap.vector == VECTOR_DF && trap.error_code == 0,
		      "%s: trap %u, error code %lx", rows[i].name, trap.vector, trap.error_code);
		check(trap.frame.rip == address(rows[i].here), "%s: RIP +%lx", rows[i].name,
		      trap.frame.rip - address(rows[i].here));
	}
}

/* With a good stack for #GP: benign first events give way to it, contributory ones make #DF with
 * it. */
static void refused_stack_gives_gp(void)
{
	static const struct {
		const char *name;
		void (*raise)(void *arg);
		uint64_t arg;
		unsigned int vector;
	} rows[] = {
		{"#UD", raise_ud, 0, VECTOR_GP},       {"INT3", raise_bp, 0, VECTOR_GP},
		{"INT 0x80", raise_int, 0, VECTOR_GP}, {"#PF", raise_read, UNMAPPED, VECTOR_DF},
		{"#DE", raise_de, 0, VECTOR_DF},
	};

	if (!needs_secpod())
		return;
	for (unsigned int i = 0; i < COUNT_OF(rows); i++) {
		struct trap trap;

		machine_set_ist(VECTOR_GP, IST_SPARE_STACK);
		trap = catch_on_stack(rows[i].raise, rows[i].arg, fresh_frame() + PAGE);
		machine_set_ist(VECTOR_GP, 0);
		check(trap.vector == rows[i].vector && trap.error_code == 0,
		      "%s: trap %u, error code %lx", rows[i].name, trap.vector, trap.error_code);
	}
}

/*
 * The gate of a vector lies in the monitor's memory: reading it exits once, the event is injected
 * again, and the gate, all ones, is not a gate: #GP with the vector as error code.
 */
static void set_idt(uint64_t base, uint16_t limit)
{
	const struct pseudo_descriptor idtr = {limit, base};

	__asm__ volatile("lidt %0" : : "m"(idtr) : "memory");
}

CODE(raise_int_40, "int $0x40");

static void open_interrupts(void *arg)
{
	(void)arg;
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void gate_in_the_region(void)
{
	const uint64_t selector_idt = 2, external = 1;
	struct pseudo_descriptor idtr = read_idtr();
	const uint8_t *old = (const uint8_t *)(uintptr_t)idtr.base;
	uint8_t *own = machine_page();
	uint64_t base;
	struct trap trap;

	if (!needs_secpod())
		return;
	/* Gates 0-31 end the first page of the window, the others are in the second. */
	base = (uint64_t)(uintptr_t)machine_window(0, (uint64_t)(uintptr_t)own, PTE_P | PTE_RW) +
	       PAGE - 32 * 16;
	for (unsigned int i = 0; i < 32 * 16; i++)
		own[PAGE - 32 * 16 + i] = old[i];

	machine_window(1, fresh_frame(), PTE_P | PTE_RW);
	set_idt(base, 256 * 16 - 1);
	trap = trap_catch(raise_int_40, NULL);
	set_idt(idtr.base, idtr.limit);
	check(trap.vector == VECTOR_GP && trap.error_code == (0x40 * 8 | selector_idt),
	      "INT 0x40: trap %u, error code %lx", trap.vector, trap.error_code);
	check(trap.frame.rip == address(raise_int_40_here), "INT 0x40: RIP +%lx",
	      trap.frame.rip - address(raise_int_40_here));

	/* An external interrupt: acknowledged by then, so what remains of it is the #GP. */
	apic_enable();
	machine_window(1, fresh_frame(), PTE_P | PTE_RW);
	apic_interrupt_self(0x50);
	set_idt(base, 256 * 16 - 1);
	trap = trap_catch(open_interrupts, NULL);
	set_idt(idtr.base, idtr.limit);
	apic_eoi();
	check(trap.vector == VECTOR_GP && trap.error_code == (0x50 * 8 | selector_idt | external),
	      "interrupt 0x50: trap %u, error code %lx", trap.vector, trap.error_code);
}

static void icebp_is_a_trap(void)
{
	struct trap trap = trap_catch(raise_icebp, NULL);

	check(trap.vector == VECTOR_DB, "trap %u", trap.vector);
	check(trap.frame.rip == address(raise_icebp_here) + 1, "RIP +%lx",
	      trap.frame.rip - address(raise_icebp_here));
}

/* Debug registers */

#define DR7_WRITE_8 (DR7_INIT | 2 | 0x9ULL << 16)
#define DR7_GD (DR7_INIT | X86_BIT(13))
#define DR6_B0 X86_BIT(0)
#define DR6_BD X86_BIT(13)
#define DR6_CAUSES (0xfULL | X86_BIT(13) | X86_BIT(14) | X86_BIT(15))

static inline void write_dr7(uint64_t value)
{
	__asm__ volatile("mov %0, %%dr7" : : "r"(value) : "memory");
}

static uint64_t debug_dr6, debug_dr7, debug_rip;
static unsigned int debug_count;

static bool record_debug(struct trap_frame *frame)
{
	debug_dr6 = read_dr6();
	debug_dr7 = read_dr7();
	debug_rip = frame->rip;
	debug_count++;
	return true;
}

static void data_breakpoint(void)
{
	static uint64_t watched;

	trap_hook(VECTOR_DB, record_debug);
	debug_count = 0;
	write_dr6(DR6_INIT);
	write_dr0((uint64_t)(uintptr_t)&watched);
	write_dr7(DR7_WRITE_8);
	raise_write(&watched);
	write_dr7(DR7_INIT);
	check(debug_count == 1, "%u debug exceptions", debug_count);
	check((debug_dr6 & DR6_CAUSES) == DR6_B0, "DR6 is %lx", debug_dr6);
	/* A trap: behind the three bytes of the store. */
	check(debug_rip == address(raise_write_here) + 3, "RIP +%lx",
	      debug_rip - address(raise_write_here));
}

static void general_detect(void)
{
	trap_hook(VECTOR_DB, record_debug);
	debug_count = 0;
	write_dr6(DR6_INIT);
	write_dr7(DR7_GD);
	/* The handler finds GD cleared, so that the access goes through on return. */
	write_dr6(DR6_INIT);
	write_dr7(DR7_INIT);
	check(debug_count == 1, "%u debug exceptions", debug_count);
	check((debug_dr6 & DR6_CAUSES) == DR6_BD, "DR6 is %lx", debug_dr6);
	check(debug_dr7 == DR7_INIT, "DR7 is %lx in the handler", debug_dr7);
}

static void debug_registers_survive_exits(void)
{
	uint64_t dr0, dr3, dr6, dr7;

	write_dr0(0x1111);
	write_dr3(0x4444);
	write_dr6(DR6_INIT | 5);
	write_dr7(DR7_INIT | X86_BIT(9));
	cpuid(0, 0);
	wbinvd();
	__asm__ volatile("mov %%dr0, %0; mov %%dr3, %1" : "=r"(dr0), "=r"(dr3));
	dr6 = read_dr6();
	dr7 = read_dr7();
	write_dr7(DR7_INIT);
	write_dr6(DR6_INIT);
	check(dr0 == 0x1111 && dr3 == 0x4444, "DR0 %lx, DR3 %lx", dr0, dr3);
	check(dr6 == (DR6_INIT | 5), "DR6 is %lx", dr6);
	check(dr7 == (DR7_INIT | X86_BIT(9)), "DR7 is %lx", dr7);
}

/* Alignment checks: at CPL 3, with CR0.AM and RFLAGS.AC. */
static uint64_t aligned_word[2];

static void user_misaligned(void)
{
	__asm__ volatile("pushfq\n\t"
			 "orl $0x40000, (%%rsp)\n\t"
			 "popfq\n\t"
			 "mov 1(%0), %%rax\n\t"
			 "ud2"
			 :
			 : "r"(aligned_word)
			 : "rax", "memory", "cc");
}

static void enter_user(void *code)
{
	machine_user(*(void (*const *)(void))code);
}

static void alignment_check(void)
{
	void (*code)(void) = user_misaligned;
	uint64_t cr0 = read_cr0();
	struct trap trap;

	write_cr0(cr0 & ~CR0_AM);
	trap = trap_catch(enter_user, (void *)&code);
	check(trap.vector == VECTOR_UD, "AM clear: trap %u", trap.vector);
	write_cr0(cr0 | CR0_AM);
	trap = trap_catch(enter_user, (void *)&code);
	write_cr0(cr0);
	check(trap.vector == VECTOR_AC && trap.error_code == 0, "AM set: trap %u, error code %lx",
	      trap.vector, trap.error_code);
	check((trap.frame.cs & 3) == 3, "CS %lx", trap.frame.cs);
}

/* IRET to a bad frame faults at the IRET. */
static void bad_iret(void)
{
	static uint64_t frame[5];
	struct trap trap;

	frame[0] = NON_CANONICAL;
	frame[1] = SELECTOR_CODE64;
	frame[2] = RFLAGS_FIXED1;
	frame[3] = (uint64_t)(uintptr_t)machine_page() + PAGE;
	frame[4] = SELECTOR_DATA;
	machine_set_ist(VECTOR_GP, IST_SPARE_STACK);
	trap = catch_on_stack(raise_iret, 0, (uint64_t)(uintptr_t)frame);
	machine_set_ist(VECTOR_GP, 0);
	check(trap.vector == VECTOR_GP, "trap %u", trap.vector);
}

static const struct payload_case exception_cases[] = {
	{"plain", plain_exceptions},
	{"page-fault", page_faults},
	{"cr2-survives-exits", cr2_survives_exits},
	{"nested", nested_exceptions},
	{"double-fault", unmapped_stack_gives_double_fault},
	{"refused-stack-df", refused_stack_gives_double_fault},
	{"refused-stack-gp", refused_stack_gives_gp},
	{"gate-in-region", gate_in_the_region},
	{"bad-iret", bad_iret},
	{"data-breakpoint", data_breakpoint},
	{"general-detect", general_detect},
	{"debug-registers", debug_registers_survive_exits},
	{"alignment-check", alignment_check},
	{"icebp", icebp_is_a_trap},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {exception_cases, NULL};

const struct payload payload = {"exceptions", cases, find_region};
