/* SPDX-License-Identifier: MIT */
#include "secpod/text/code_name.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "vmm/addr.h"

/* Some 580 names: a module has two until it has started, and one from then on. */
#define PAGES 8u
#define TRIES 4u
#define WORDS (sizeof(struct code_name) / sizeof(uint64_t))

_Static_assert(SECPOD_CODE_NAME % sizeof(uint64_t) == 0, "a name is copied by words");

int code_names_init(struct code_names *names, struct page_pool *pool)
{
	*names = (struct code_names){0};
	names->row = page_pool_alloc_contiguous(pool, PAGES, 1);
	if (!names->row)
		return -ENOMEM;
	names->capacity = (uint32_t)(PAGES * PAGE_SIZE / sizeof(names->row[0]));
	return 0;
}

bool code_name_ok(const char name[SECPOD_CODE_NAME])
{
	uint32_t length = 0;

	while (length < SECPOD_CODE_NAME - 1 && (isalnum((unsigned char)name[length]) ||
						 (name[length] && strchr("_-.", name[length]))))
		length++;
	for (uint32_t i = length; i < SECPOD_CODE_NAME; i++) {
		if (name[i])
			return false;
	}
	return length != 0;
}

/* Word by word, as readers look at the same time. */
static void copy(struct code_name *to, const struct code_name *from)
{
	for (uint32_t i = 0; i < WORDS; i++)
		__atomic_store_n((uint64_t *)to + i,
				 __atomic_load_n((const uint64_t *)from + i, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
}

static void begin_change(struct code_names *names)
{
	__atomic_store_n(&names->changes, names->changes + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end_change(struct code_names *names)
{
	__atomic_store_n(&names->changes, names->changes + 1, __ATOMIC_RELEASE);
}

static bool has_name(const struct code_names *names, uint64_t begin, uint64_t end)
{
	for (uint32_t i = 0; i < names->count; i++) {
		if (begin < names->row[i].end && end > names->row[i].begin)
			return true;
	}
	return false;
}

/* A new row, or that of code that is gone. NULL: there is none. */
static struct code_name *room(struct code_names *names)
{
	if (names->count < names->capacity) {
		__atomic_store_n(&names->count, names->count + 1, __ATOMIC_RELAXED);
		return &names->row[names->count - 1];
	}
	for (uint32_t i = 0; i < names->count; i++) {
		if (names->row[i].gone)
			return &names->row[i];
	}
	return NULL;
}

int code_name_give(struct code_names *names, uint64_t begin, uint64_t end,
		   const char name[SECPOD_CODE_NAME])
{
	struct code_name next = {.begin = begin, .end = end};
	struct code_name *row;
	int error = -EBUSY;

	memcpy(next.name, name, sizeof(next.name));
	spin_lock(&names->lock);
	if (!has_name(names, begin, end)) {
		begin_change(names);
		row = room(names);
		if (row)
			copy(row, &next);
		end_change(names);
		error = row ? 0 : -ENOMEM;
	}
	spin_unlock(&names->lock);
	return error;
}

int code_name_gone(struct code_names *names, uint64_t begin)
{
	int error = -ENOENT;

	spin_lock(&names->lock);
	for (uint32_t i = 0; i < names->count; i++) {
		if (names->row[i].begin != begin)
			continue;
		__atomic_store_n(&names->row[i].gone, 1, __ATOMIC_RELAXED);
		error = 0;
	}
	spin_unlock(&names->lock);
	return error;
}

void code_name_forget(struct code_names *names, uint64_t va)
{
	if (!code_names_any(names))
		return;
	spin_lock(&names->lock);
	for (uint32_t i = 0; i < names->count; i++) {
		if (va - names->row[i].begin >= names->row[i].end - names->row[i].begin)
			continue;
		/* No other has this place: names do not overlap. */
		begin_change(names);
		copy(&names->row[i], &names->row[names->count - 1]);
		__atomic_store_n(&names->count, names->count - 1, __ATOMIC_RELAXED);
		end_change(names);
		break;
	}
	spin_unlock(&names->lock);
}

static void look(const struct code_names *names, uint64_t va, struct code_name *found)
{
	const uint32_t count = __atomic_load_n(&names->count, __ATOMIC_RELAXED);

	*found = (struct code_name){0};
	for (uint32_t i = 0; i < count; i++) {
		const struct code_name *row = &names->row[i];

		if (va >= __atomic_load_n(&row->begin, __ATOMIC_RELAXED) &&
		    va < __atomic_load_n(&row->end, __ATOMIC_RELAXED)) {
			copy(found, row);
			return;
		}
	}
}

bool code_name_search(const struct code_names *names, uint64_t va, char name[SECPOD_CODE_NAME],
		      uint8_t *gone)
{
	struct code_name found;
	uint32_t before;
	bool steady = false;

	for (uint32_t i = 0; i < TRIES && !steady; i++) {
		before = __atomic_load_n(&names->changes, __ATOMIC_ACQUIRE);
		look(names, va, &found);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		steady = !(before & 1) &&
			 __atomic_load_n(&names->changes, __ATOMIC_RELAXED) == before;
	}
	if (!steady)
		found = (struct code_name){0};
	memcpy(name, found.name, sizeof(found.name));
	*gone = found.gone != 0;
	return found.end != 0;
}
