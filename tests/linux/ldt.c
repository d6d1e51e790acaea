/* SPDX-License-Identifier: MIT */
/*
 * Segments of the process's own table: data that is reached through them, 32-bit code, a 16-bit stack, other
 * CPUs that see a changed entry. Each switch to or from such a process loads LDTR.
 */
#include <asm/ldt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

#define WRITE_LDT 0x11
#define ROUNDS 100u
#define DATA_ENTRY 0u
#define CODE_ENTRY 1u
#define STACK_ENTRY 2u
/* In the table of the process, at CPL 3. */
#define SELECTOR(entry) ((uint16_t)((entry) << 3 | 4 | 3))
#define FLAT_LIMIT 0xfffffu
#define LOW_SIZE (64u << 10)
/* The selector of 64-bit user code in Linux. */
#define USER_CS 0x33

static int set_entry(unsigned int entry, uintptr_t base, unsigned int limit, unsigned int contents,
		     bool pages, bool wide)
{
	struct user_desc desc = {
		.entry_number = entry,
		.base_addr = (unsigned int)base,
		.limit = limit,
		.seg_32bit = wide,
		.contents = contents & 3,
		.limit_in_pages = pages,
		.useable = 1,
	};

	return (int)syscall(SYS_modify_ldt, WRITE_LDT, &desc, sizeof(desc));
}

static int set_data(const uint32_t *word)
{
	return set_entry(DATA_ENTRY, (uintptr_t)word, sizeof(*word) - 1, MODIFY_LDT_CONTENTS_DATA,
			 false, true);
}

static void load_gs(uint16_t selector)
{
	__asm__ volatile("mov %0, %%gs" : : "r"(selector));
}

static uint32_t read_through_gs(void)
{
	uint32_t value;

	__asm__ volatile("movl %%gs:0, %0" : "=r"(value));
	return value;
}

/* Two processes on one CPU, each with a table of its own behind the same selector. */
static int switches(uint32_t *words)
{
	pid_t child = fork();
	const uint32_t *mine = child ? words : words + 1;
	bool ok = true;

	CHECK(child >= 0);
	ok = run_on(0) == 0 && set_data(mine) == 0;
	load_gs(SELECTOR(DATA_ENTRY));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		ok = read_through_gs() == *mine && ok;
		sched_yield();
	}
	if (child == 0)
		_exit(ok ? 0 : 1);
	CHECK(ended_well(child));
	CHECK(ok);
	return 0;
}

/* A child that has its table before it runs for the first time. */
static bool reads_first_word(void *words)
{
	load_gs(SELECTOR(DATA_ENTRY));
	return read_through_gs() == *(const uint32_t *)words;
}

static int inherited(uint32_t *words)
{
	CHECK(set_data(words) == 0);
	CHECK(child_finds(reads_first_word, words));
	return 0;
}

static uint32_t *shared_words;
static volatile uint32_t seen;
static volatile bool stop;

static void *watch(void *unused)
{
	(void)unused;
	run_on(get_nprocs() - 1);
	while (!stop) {
		/* GS keeps what it was loaded with. */
		load_gs(SELECTOR(DATA_ENTRY));
		seen = read_through_gs();
	}
	return NULL;
}

/* The last CPU uses the entry while this one changes it. */
static int other_cpu(void)
{
	pthread_t thread;

	CHECK(run_on(0) == 0);
	CHECK(set_data(shared_words) == 0);
	CHECK(pthread_create(&thread, NULL, watch, NULL) == 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t *word = shared_words + i % 2;

		CHECK(set_data(word) == 0);
		while (seen != *word)
			sched_yield();
	}
	stop = true;
	CHECK(pthread_join(thread, NULL) == 0);
	return 0;
}

/*
 * 32-bit code: 40h is INC EAX there and a prefix in 64-bit code. Then a 16-bit stack (its selector in EDX), and a
 * system call on it: the kernel's way back to it is a special one (espfix), which keeps the upper half of ESP.
 */
static const uint8_t code32[] = {
	0xb8,	 0x13, 0x00, 0x00, 0x00, /* mov $19, %eax */
	0x40,				 /* inc %eax: 20, getpid */
	0x8c,	 0xd6,			 /* mov %ss, %esi */
	0x89,	 0xe7,			 /* mov %esp, %edi */
	0x8e,	 0xd2,			 /* mov %edx, %ss */
	0xbc,	 0xf0, 0x0f, 0x34, 0x12, /* mov $0x12340ff0, %esp */
	0xcd,	 0x80,			 /* int $0x80 */
	0x89,	 0xe1,			 /* mov %esp, %ecx */
	0x8e,	 0xd6,			 /* mov %esi, %ss */
	0x89,	 0xfc,			 /* mov %edi, %esp */
	0xea,	 0x00, 0x00, 0x00, 0x00, /* ljmp back */
	USER_CS, 0x00,
};
#define BACK_OFFSET (sizeof(code32) - 6)
#define ODD_ESP 0x12340ff0u

static int other_modes(void)
{
	uint8_t *low = mmap(NULL, LOW_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct __attribute__((packed)) {
		uint32_t offset;
		uint16_t selector;
	} far;
	uint32_t result, esp;

	CHECK(low != MAP_FAILED);
	memcpy(low, code32, sizeof(code32));
	CHECK(set_entry(CODE_ENTRY, 0, FLAT_LIMIT, MODIFY_LDT_CONTENTS_CODE, true, true) == 0);
	CHECK(set_entry(STACK_ENTRY, (uintptr_t)low + PAGE, LOW_SIZE - 1, MODIFY_LDT_CONTENTS_DATA,
			false, false) == 0);
	far.offset = (uint32_t)(uintptr_t)low;
	far.selector = SELECTOR(CODE_ENTRY);
	/* Jumps, not a call: no return address is put on a stack that is about to change. */
	__asm__ volatile(
		"mov %%rsp, %%r12\n\t"
		"mov %[stack], %%rsp\n\t"
		"lea 1f(%%rip), %%rax\n\t"
		"mov %%eax, (%[back])\n\t"
		"ljmp *(%[far])\n"
		"1:	mov %%r12, %%rsp"
		: "=&a"(result), "=&c"(esp)
		: [stack] "r"(low + LOW_SIZE), [far] "r"(&far), [back] "r"(low + BACK_OFFSET),
		  "d"(SELECTOR(STACK_ENTRY))
		: "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "memory", "cc");
	CHECK(result == (uint32_t)getpid());
	CHECK(esp == ODD_ESP);
	return 0;
}

int ldt_phase(void)
{
	shared_words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(shared_words != MAP_FAILED);
	shared_words[0] = 0x11111111;
	shared_words[1] = 0x22222222;
	if (switches(shared_words) || inherited(shared_words) || other_modes())
		return 1;
	return get_nprocs() > 1 ? other_cpu() : 0;
}
