/* SPDX-License-Identifier: MIT */
/* Registers that belong to a process: vectors, segment bases, and debugging by one process of another. */
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <asm/prctl.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"
#include "vectors.h"

#define ROUNDS 200u

/* ---- vectors */

typedef bool (*survive_function)(uint32_t seed, long number, long first, long second, long third);

static void (*clobber)(void);
static volatile sig_atomic_t handled;

static void on_signal(int number)
{
	(void)number;
	clobber();
	handled++;
}

/* Two processes on one CPU with other values each; signals whose handler has values of its own; other CPUs. */
static int vectors(survive_function survive, void (*overwrite)(void))
{
	cpu_set_t set;
	pid_t child;
	bool ok = true;

	clobber = overwrite;
	CHECK(signal(SIGUSR1, on_signal) != SIG_ERR);
	CHECK(run_on(0) == 0);
	child = fork();
	CHECK(child >= 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		ok = survive(2 * i + (child == 0), SYS_sched_yield, 0, 0, 0) && ok;
		ok = survive(i, SYS_tgkill, getpid(), (long)syscall(SYS_gettid), SIGUSR1) && ok;
	}
	ok = ok && handled == (int)ROUNDS;
	if (child == 0)
		_exit(ok ? 0 : 1);
	CHECK(ended_well(child));
	CHECK(ok);
	for (int i = 0; i < 4 * get_nprocs(); i++) {
		CPU_ZERO(&set);
		CPU_SET((size_t)(i % get_nprocs()), &set);
		CHECK(survive((uint32_t)i, SYS_sched_setaffinity, 0, sizeof(set), (long)&set));
		CHECK(sched_getcpu() == i % get_nprocs());
	}
	return 0;
}

static int avx(void)
{
	if (!__builtin_cpu_supports("avx"))
		return phase_skip("the CPU has no AVX");
	return vectors(ymm_survive, ymm_clobber);
}

static int avx512(void)
{
	if (!__builtin_cpu_supports("avx512f"))
		return phase_skip("the CPU has no AVX-512");
	return vectors(zmm_survive, zmm_clobber);
}

/* ---- segment bases */

#define HWCAP2_FSGSBASE_BIT 2ul

static __attribute__((target("fsgsbase"))) uint64_t read_gs_base(void)
{
	return __builtin_ia32_rdgsbase64();
}

static __attribute__((target("fsgsbase"))) void write_gs_base(uint64_t base)
{
	__builtin_ia32_wrgsbase64(base);
}

static uint64_t base_in_handler;

static void look_at_base(int number)
{
	(void)number;
	base_in_handler = read_gs_base();
}

static int fsgsbase(void)
{
	uint64_t base, asked;
	pid_t child;
	bool ok = true;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT))
		return phase_skip("the CPU has no FSGSBASE");
	CHECK(signal(SIGUSR1, look_at_base) != SIG_ERR);
	CHECK(run_on(0) == 0);
	child = fork();
	CHECK(child >= 0);
	base = child ? 0x123456789000 : 0x7654321000;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		write_gs_base(base + i);
		sched_yield();
		ok = read_gs_base() == base + i && ok;
	}
	raise(SIGUSR1);
	ok = ok && base_in_handler == base + ROUNDS - 1;
	ok = ok && syscall(SYS_arch_prctl, ARCH_GET_GS, &asked) == 0 && asked == base + ROUNDS - 1;
	ok = ok && syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0 && read_gs_base() == base;
	if (child == 0)
		_exit(ok ? 0 : 1);
	CHECK(ended_well(child));
	CHECK(ok);
	for (int cpu = 0; cpu < get_nprocs(); cpu++)
		CHECK(run_on(cpu) == 0 && read_gs_base() == base);
	return 0;
}

/* ---- ptrace */

/*
 * Instructions to be stepped over: what exits under SecPod, a system call, a flag register with TF in it. The
 * addresses of all of them: where the step before each ends. No SYSCALL: the emulator traps behind it although
 * IA32_FMASK clears TF, and the kernel complains.
 */
void stepped(void);
extern const uint64_t stepped_at[];
extern volatile uint64_t watched;
volatile uint64_t watched;

__asm__(".pushsection .text\n"
	"stepped:\n"
	"	push %rbx\n"
	"1:	nop\n"
	"2:	xor %eax, %eax\n"
	"3:	cpuid\n"
	"4:	rdtsc\n"
	"5:	mov $64, %eax\n" /* getppid of the 32-bit interface */
	"6:	int $0x80\n"
	"7:	pushf\n"
	"8:	pop %rax\n"
	"9:	xor %ecx, %ecx\n"
	"10:	xgetbv\n"
	"11:	mov watched(%rip), %rax\n"
	"12:	movq $1, watched(%rip)\n"
	"13:	pop %rbx\n"
	"14:	ret\n"
	".popsection\n"
	".pushsection .rodata\n"
	".balign 8\n"
	"stepped_at:\n"
	"	.quad 1b, 2b, 3b, 4b, 5b, 6b, 7b, 8b, 9b, 10b, 11b, 12b, 13b, 14b, 0\n"
	".popsection\n");

/* SDM "Debug Registers": DR7 enables breakpoint n locally with bit 2n, its type and length from bit 16 + 4n. */
#define DR7_LOCAL(n) (1ul << (2 * (n)))
#define DR7_WRITE_8(n) (0x9ul << (16 + 4 * (n)))
#define DR6_BREAKPOINT(n) (1ul << (n))

static long set_debug(pid_t child, unsigned int number, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, child,
		      offsetof(struct user, u_debugreg) + number * sizeof(unsigned long), value);
}

static unsigned long get_debug(pid_t child, unsigned int number)
{
	return (unsigned long)ptrace(
		PTRACE_PEEKUSER, child,
		offsetof(struct user, u_debugreg) + number * sizeof(unsigned long), 0);
}

static bool stops(pid_t child, int signal)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
	       WSTOPSIG(status) == signal;
}

static uint64_t rip_of(pid_t child)
{
	struct user_regs_struct regs;

	return ptrace(PTRACE_GETREGS, child, 0, &regs) ? 0 : regs.rip;
}

/* A stopped child that will call stepped() and end with 0. */
static pid_t start_stepped(void)
{
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		stepped();
		_exit(watched == 1 ? 0 : 1);
	}
	return stops(child, SIGSTOP) ? child : -1;
}

static int ptrace_step(void)
{
	pid_t child = start_stepped();

	CHECK(child > 0);
	/* A breakpoint in a debug register brings it to the first instruction. */
	CHECK(set_debug(child, 0, stepped_at[0]) == 0);
	CHECK(set_debug(child, 7, DR7_LOCAL(0)) == 0);
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0 && stops(child, SIGTRAP));
	CHECK(rip_of(child) == stepped_at[0]);
	CHECK(get_debug(child, 6) & DR6_BREAKPOINT(0));
	CHECK(set_debug(child, 7, 0) == 0);
	for (const uint64_t *at = stepped_at + 1; *at; at++) {
		CHECK(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0 && stops(child, SIGTRAP));
		CHECK(rip_of(child) == *at);
	}
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0 && ended_well(child));
	return 0;
}

static int ptrace_watch(void)
{
	const unsigned int number = 3;
	pid_t child = start_stepped();
	uint64_t rip;

	CHECK(child > 0);
	CHECK(set_debug(child, number, (unsigned long)&watched) == 0);
	CHECK(set_debug(child, 7, DR7_LOCAL(number) | DR7_WRITE_8(number)) == 0);
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0 && stops(child, SIGTRAP));
	CHECK(get_debug(child, 6) & DR6_BREAKPOINT(number));
	/* A trap: behind the one instruction that writes. */
	rip = rip_of(child);
	CHECK(rip == stepped_at[12]);
	CHECK(ptrace(PTRACE_PEEKDATA, child, &watched, 0) == 1);
	CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0 && ended_well(child));
	return 0;
}

const struct phase features_cpu[] = {
	{"avx", avx},	    {"avx512", avx512},		  {"fsgsbase", fsgsbase},
	{"ldt", ldt_phase}, {"ptrace-step", ptrace_step}, {"ptrace-watch", ptrace_watch},
	{NULL, NULL},
};
