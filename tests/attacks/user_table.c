/* SPDX-License-Identifier: MIT */
/*
 * What a bug in the kernel leads to: a program that has a page table among its pages, where it writes entries of
 * its own ("dirty page table"), or a page of the kernel's. It stores at CPL 3, by various instructions.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "tests/attacks/modules/attack_device.h"
#include "tests/attacks/user.h"

#define PAGE_SIZE 4096ul
#define PLANTED 0x0badc0de5ec90d34ul
/* Present, writable, user, accessed, dirty, not executable. */
#define ENTRY_RIGHTS 0x8000000000000067ul
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct store {
	volatile unsigned long *to;
	unsigned long value;
	unsigned int form;
};

static void by_mov(const struct store *s)
{
	*s->to = s->value;
}

static void by_halves(const struct store *s)
{
	volatile uint32_t *half = (volatile uint32_t *)s->to;

	half[1] = (uint32_t)(s->value >> 32);
	half[0] = (uint32_t)s->value;
}

static void by_xchg(const struct store *s)
{
	__atomic_exchange_n(s->to, s->value, __ATOMIC_SEQ_CST);
}

static void by_cmpxchg(const struct store *s)
{
	unsigned long found = *s->to;

	__atomic_compare_exchange_n(s->to, &found, s->value, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
}

static void by_string(const struct store *s)
{
	volatile unsigned long *to = s->to;
	unsigned long count = 1;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(s->value) : "memory");
}

static void by_sse(const struct store *s)
{
	const unsigned long pair[] = {s->value, 0};

	__asm__ volatile("movups (%1), %%xmm0\n\tmovups %%xmm0, (%0)"
			 :
			 : "r"(s->to), "r"(pair)
			 : "xmm0", "memory");
}

static void by_push(const struct store *s)
{
	__asm__ volatile("mov %%rsp, %%r9\n\t"
			 "lea 8(%0), %%rsp\n\t"
			 "push %1\n\t"
			 "mov %%r9, %%rsp"
			 :
			 : "r"(s->to), "r"(s->value)
			 : "r9", "memory");
}

static void (*const forms[])(const struct store *) = {by_mov,	 by_halves, by_xchg, by_cmpxchg,
						      by_string, by_sse,    by_push};

static void store(void *argument)
{
	const struct store *s = argument;

	forms[s->form](s);
}

/* The kernel's word is written by way of an entry that was stored in this form. */
static bool plant(volatile unsigned long *table, unsigned long window, unsigned int form)
{
	struct attack_request target = {0, 0};
	struct store entry = {table, 0, form}, word = {NULL, PLANTED, 0};
	unsigned long before;
	bool planted;

	if (user_control(ATTACK_TARGET, &target))
		return false;
	before = target.value;
	entry.value = (target.address & ~(PAGE_SIZE - 1)) | ENTRY_RIGHTS;
	if (user_try(store, &entry))
		return false;
	word.to = (unsigned long *)(window + target.address % PAGE_SIZE);
	(void)user_try(store, &word);
	planted = !user_control(ATTACK_TARGET, &target) && target.value != before;
	word.value = before;
	if (planted)
		(void)user_try(store, &word);
	entry.value = 0;
	(void)user_try(store, &entry);
	return planted;
}

static int with_table(unsigned long page)
{
	struct attack_request table = {page, 0};
	int error = user_control(ATTACK_TABLE_MAP, &table);

	for (unsigned int form = 0; !error && form < COUNT_OF(forms); form++)
		user_shared->value += plant((unsigned long *)table.address, table.value, form);
	if (user_control(ATTACK_TABLE_UNMAP, NULL))
		return -EPERM;
	/* To map it is half of the attack. */
	return error == -EPERM ? 0 : error;
}

static int attempt_table(void)
{
	unsigned long *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int error;

	if (page == MAP_FAILED)
		return -errno;
	error = with_table((unsigned long)page);
	return error ? error : with_table(0);
}

/* All of the tries without SecPod; under it one is too many. */
static bool effect_of(unsigned long tries)
{
	snprintf(user_shared->detail, USER_DETAIL_SIZE, "%lu of %lu tries",
		 (unsigned long)user_shared->value, tries);
	return user_under_secpod() ? user_shared->value : user_shared->value == tries;
}

static bool effect_table(void)
{
	return effect_of(2 * COUNT_OF(forms));
}

static int attempt_kernel(void)
{
	struct attack_request page = {0, 0};
	struct store word = {NULL, PLANTED, 0};
	int error = user_control(ATTACK_OPEN, &page);

	if (error)
		return error;
	word.to = (unsigned long *)page.address;
	(void)user_try(store, &word);
	error = user_control(ATTACK_CLOSE, &page);
	user_shared->value = page.value == PLANTED;
	return error;
}

static bool effect_kernel(void)
{
	return effect_of(1);
}

const struct user_attack user_table = {"user_table", "user-map,page-table-store", NULL,
				       attempt_table, effect_table};
const struct user_attack user_kernel = {"user_kernel", "kernel-user,kernel-template", NULL,
					attempt_kernel, effect_kernel};
