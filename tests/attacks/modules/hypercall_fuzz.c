/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Every hypercall, and numbers that are none, with hostile arguments. Nothing may come of it: registers
 * other than RAX stay, what is no call raises #UD, what is unknown answers an error, no memory of ours
 * changes. No argument names memory that a call may rightly write.
 */
#include "attack.h"

#include <linux/io.h>
#include <linux/sched.h>
#include <linux/string.h>

#define CALLS 50000u
/* Without SecPod each is #UD; that takes no 50,000 to see. */
#define CALLS_WITHOUT 100u
#define CALL_PREFIX 0x5ec00000ul
#define CANARY 0x5ec90d00ca4a4155ul
#define CANARY_WORDS (PAGE_SIZE / sizeof(unsigned long))

static const u16 known[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18};
static unsigned long readable[CANARY_WORDS] __aligned(PAGE_SIZE);
static const unsigned long read_only[CANARY_WORDS] __aligned(PAGE_SIZE) = {CANARY};

static u64 state = 0x9e3779b97f4a7c15ull;
static u64 secure_base, secure_size;
static unsigned long secure_linear;
static unsigned int made, wrong, answered;
static const char *what = "nothing";
static u64 wrong_call;

static u64 draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static u64 hostile(void)
{
	switch (draw() % 12) {
	case 0:
		return secure_base + draw() % secure_size;
	case 1:
		return secure_base - 8; /* begins before it */
	case 2:
		return secure_linear + draw() % PAGE_SIZE;
	case 3:
		return 1ull << 63 | draw() >> 20; /* not canonical */
	case 4:
		return 1ull << boot_cpu_data.x86_phys_bits | (draw() & PAGE_MASK) >> 24;
	case 5:
		return 1ull << (boot_cpu_data.x86_phys_bits - 1); /* no memory there */
	case 6:
		return ~0ull - draw() % 16;
	case 7:
		return (unsigned long)read_only + draw() % PAGE_SIZE;
	case 8:
		return 1ull << draw() % 64 | 1ull << 62;
	case 9:
		return ~0ull << 47 | 7; /* lowest canonical of the upper half, not mapped */
	case 10:
		return 1ull << 62 | draw() >> 2;
	default:
		return ~0ull >> 1;
	}
}

static u64 hostile_call(bool *junk, bool *unknown)
{
	u64 number;

	*junk = false;
	*unknown = false;
	switch (draw() % 4) {
	case 0:
		*junk = true;
		number = draw();
		return (number & ~0ull << 16) == CALL_PREFIX ? ~number : number;
	case 1:
		/* Half of them beside those that are known. */
		number = draw() & (draw() & 1 ? 0xffff : 0x1f);
		for (unsigned int i = 0; i < ARRAY_SIZE(known); i++)
			if (number == known[i])
				return CALL_PREFIX | number;
		*unknown = true;
		return CALL_PREFIX | number;
	default:
		return CALL_PREFIX | known[draw() % ARRAY_SIZE(known)];
	}
}

static void note(const char *text, u64 call)
{
	wrong++;
	what = text;
	wrong_call = call;
}

static void call_once(void)
{
	bool junk, unknown;
	u64 call = hostile_call(&junk, &unknown);
	/* The last two are 0 for most calls, which look at nothing else when they are not. */
	bool few = draw() % 2;
	u64 first = hostile(), second = hostile();
	u64 third = few ? 0 : hostile(), fourth = few ? 0 : hostile();
	u64 rax = call, rdi = first, rsi = second, rdx = third, rbx = draw(), rcx = draw();
	u64 rbx_before = rbx, rcx_before = rcx, r10_after, r8_after, r9_after;
	unsigned int fault = 1;

	asm volatile("mov %[fourth], %%r10\n\t"
		     "mov %[fourth], %%r8\n\t"
		     "mov %[fourth], %%r9\n\t" ATTACK_TRY("vmcall") "mov %%r10, %[r10_after]\n\t"
								    "mov %%r8, %[r8_after]\n\t"
								    "mov %%r9, %[r9_after]"
		     : [fault] "+m"(fault), "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+b"(rbx),
		       "+c"(rcx), [r10_after] "=m"(r10_after), [r8_after] "=m"(r8_after),
		       [r9_after] "=m"(r9_after)
		     : [fourth] "m"(fourth)
		     : "r8", "r9", "r10", "memory", "cc");
	if (rdi != first || rsi != second || rdx != third || rbx != rbx_before ||
	    rcx != rcx_before || r10_after != fourth || r8_after != fourth || r9_after != fourth)
		note("a register changed", call);
	if (fault ? rax != call : junk)
		note(fault ? "RAX changed by a fault" : "no #UD", call);
	if (!fault && unknown && (long)rax >= 0)
		note("an unknown call succeeded", call);
	if (!fault && !unknown && !junk && (long)rax > 0)
		note("an answer that is neither 0 nor an error", call);
	answered += !fault;
	made++;
}

static bool canaries_live(void)
{
	for (unsigned int i = 0; i < CANARY_WORDS; i++)
		if (readable[i] != CANARY || READ_ONCE(read_only[i]) != (i ? 0 : CANARY))
			return false;
	return true;
}

static int attempt(void)
{
	unsigned int calls = attack_under_secpod() ? CALLS : CALLS_WITHOUT;
	int result = attack_secure_space(&secure_base, &secure_size);

	if (result)
		return result;
	/* Where the direct map would have it. */
	secure_linear = (unsigned long)phys_to_virt(secure_base);
	for (unsigned int i = 0; i < CANARY_WORDS; i++)
		readable[i] = CANARY;
	for (unsigned int i = 0; i < calls; i++) {
		call_once();
		cond_resched();
	}
	if (!canaries_live())
		note("memory changed", 0);
	return 0;
}

static bool effect(void)
{
	/* One that did not come back, as another one that did harm, is no refusal. */
	if (made < (attack_under_secpod() ? CALLS : CALLS_WITHOUT))
		note("not all calls came back", 0);
	attack_detail("%u made, %u answered, %u wrong: %s (0x%llx)", made, answered, wrong, what,
		      wrong_call);
	return wrong;
}

/* Outside VMX operation there is no such instruction. */
static bool possible(void)
{
	return false;
}

static const struct attack hypercall_fuzz = {
	"hypercall_fuzz", "hypercall,instruction", possible, attempt, effect, NULL};
ATTACK_MODULE(hypercall_fuzz);
