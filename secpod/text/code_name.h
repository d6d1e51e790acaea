/* SPDX-License-Identifier: MIT */
/*
 * Names that the guest has given to code (CODE_OK), so that a record says whose code it was. A name is what the
 * caller says and no more; but it is given once: until other code comes to its place nobody can change it or
 * take it away. Pure.
 *
 * Names are looked up while a record is made, which takes no lock and may happen in an NMI: a reader copies a row
 * and keeps it if no row has changed meanwhile. After some tries it goes without.
 */
#ifndef SECPOD_SECPOD_TEXT_CODE_NAME_H
#define SECPOD_SECPOD_TEXT_CODE_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-support/include/secpod_abi.h"
#include "vmm/page_pool.h"
#include "vmm/spinlock.h"

#define CODE_NAME_WORDS (SECPOD_CODE_NAME / sizeof(uint64_t))

struct code_name {
	uint64_t begin; /* linear */
	uint64_t end;
	uint64_t gone; /* CODE_GONE has said so; the name stays */
	uint64_t name[CODE_NAME_WORDS];
};

struct code_names {
	struct spinlock lock; /* of whoever changes rows */
	struct code_name *row;
	uint32_t capacity;
	uint32_t count;	  /* the first ones are in use */
	uint32_t changes; /* odd: one is going on */
};

/* code_names_init - none. Result: 0, -ENOMEM. */
int code_names_init(struct code_names *names, struct page_pool *pool);

/*
 * code_name_ok - is it a name: letters, digits, '_', '-' and '.', at least one of them, and zeros behind them, one
 * at the least?
 */
bool code_name_ok(const char name[SECPOD_CODE_NAME]);

/*
 * code_name_give - code at [begin, end) gets a name. When there is no room the name of code that is gone makes some.
 * Result: 0; -EBUSY: some of it has one; -ENOMEM.
 */
int code_name_give(struct code_names *names, uint64_t begin, uint64_t end,
		   const char name[SECPOD_CODE_NAME]);

/* code_name_gone - what begins there will not be executed any more, says the guest. Result: 0, -ENOENT. */
int code_name_gone(struct code_names *names, uint64_t begin);

/* code_name_forget - other code has come to va: a name that was there is over, of all that it was given to. */
void code_name_forget(struct code_names *names, uint64_t va);

/* code_names_any - has any code a name? */
static inline bool code_names_any(const struct code_names *names)
{
	return __atomic_load_n(&names->count, __ATOMIC_RELAXED) != 0;
}

/*
 * code_name_search - whose code is at va? Result: true, with its name and whether it was said to be gone; false, and
 * both are 0.
 */
bool code_name_search(const struct code_names *names, uint64_t va, char name[SECPOD_CODE_NAME],
		      uint8_t *gone);

#endif
