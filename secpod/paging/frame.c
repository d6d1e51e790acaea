/* SPDX-License-Identifier: MIT */
#include "secpod/paging/frame.h"

#include <errno.h>

#define ONE_REF (1ULL << FRAME_REFS_SHIFT)
#define REGION_FRAMES (SIZE_2M / SIZE_4K)

_Static_assert(FRAME_TYPES <= FRAME_TYPE + 1, "a type has four bits");
_Static_assert(FRAME_RETIRED < ONE_REF && FRAME_INFO_SHIFT + 28 == 64 &&
		       FRAME_REFS_SHIFT + 24 == FRAME_INFO_SHIFT,
	       "the fields of the word lie side by side");

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static uint64_t regions_of(uint64_t ram_top)
{
	return (ram_top + SIZE_2M - 1) / SIZE_2M;
}

uint64_t frames_bytes(uint64_t ram_top)
{
	return (pages_of(ram_top / PAGE_SIZE * sizeof(uint64_t)) +
		pages_of(regions_of(ram_top) * sizeof(uint16_t))) *
	       PAGE_SIZE;
}

int frames_init(struct frames *frames, struct page_pool *pool, uint64_t ram_top)
{
	uint64_t count = ram_top / PAGE_SIZE;

	if (count == 0)
		return -EINVAL;
	frames->word = page_pool_alloc_contiguous(pool, pages_of(count * sizeof(uint64_t)), 1);
	frames->typed = page_pool_alloc_contiguous(
		pool, pages_of(regions_of(ram_top) * sizeof(uint16_t)), 1);
	if (!frames->word || !frames->typed)
		return -ENOMEM;
	frames->count = count;
	return 0;
}

bool frames_none(const struct frames *frames, uint64_t number, uint64_t count)
{
	uint64_t end = number + count;

	while (number < end) {
		if (number >= frames->count)
			return false;
		if (number % REGION_FRAMES == 0 && end - number >= REGION_FRAMES &&
		    frames->count - number >= REGION_FRAMES) {
			if (__atomic_load_n(&frames->typed[number / REGION_FRAMES],
					    __ATOMIC_ACQUIRE))
				return false;
			number += REGION_FRAMES;
		} else if (frame_type(frames, number++) != FRAME_NONE) {
			return false;
		}
	}
	return true;
}

static bool replace(struct frames *frames, uint64_t number, uint64_t *old, uint64_t next)
{
	return __atomic_compare_exchange_n(&frames->word[number], old, next, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The region's count goes up before the type and down after it: never too low. */
static void count_typed(struct frames *frames, uint64_t number, int change)
{
	__atomic_fetch_add(&frames->typed[number / REGION_FRAMES], (uint16_t)change,
			   __ATOMIC_ACQ_REL);
}

static void count_type(struct frames *frames, enum frame_type type, int change)
{
	if (type != FRAME_NONE)
		__atomic_fetch_add(&frames->of_type[type], (uint64_t)(int64_t)change,
				   __ATOMIC_RELAXED);
}

/* NONE to something else. */
static bool leave_none(struct frames *frames, uint64_t number, uint64_t *old, uint64_t next)
{
	bool done;

	count_typed(frames, number, 1);
	done = replace(frames, number, old, next);
	if (done)
		count_type(frames, frame_word_type(next), 1);
	else
		count_typed(frames, number, -1);
	return done;
}

int frame_set(struct frames *frames, uint64_t number, enum frame_type from, enum frame_type to)
{
	uint64_t old;

	if (number >= frames->count || frame_is_table(from) || frame_is_table(to))
		return -EINVAL;
	old = frame_read(frames, number);
	do {
		if (frame_word_type(old) != from || (old & FRAME_LOCKED))
			return -EBUSY;
	} while (from == FRAME_NONE && to != FRAME_NONE ? !leave_none(frames, number, &old, to)
							: !replace(frames, number, &old, to));
	if (from == to)
		return 0;
	if (from != FRAME_NONE) {
		count_type(frames, from, -1);
		count_type(frames, to, 1);
	}
	if (to == FRAME_NONE)
		count_typed(frames, number, -1);
	return 0;
}

int frame_hold(struct frames *frames, uint64_t number)
{
	uint64_t old = FRAME_NONE;

	if (number >= frames->count)
		return -EPERM;
	if (replace(frames, number, &old, FRAME_NONE | FRAME_LOCKED))
		return 0;
	return old == (FRAME_NONE | FRAME_LOCKED) ? -EBUSY : -EPERM;
}

void frame_release(struct frames *frames, uint64_t number)
{
	__atomic_store_n(&frames->word[number], FRAME_NONE, __ATOMIC_RELEASE);
}

void frame_mark(struct frames *frames, uint64_t number, uint64_t mark)
{
	__atomic_fetch_or(&frames->word[number],
			  mark & (FRAME_PERMANENT | FRAME_USER_EXEC | FRAME_FLUID),
			  __ATOMIC_ACQ_REL);
}

void frame_note_place(struct frames *frames, uint64_t number, uint64_t va)
{
	uint64_t *word = &frames->word[number];
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (frame_is_code(frame_word_type(old)) && !frame_word_info(old) &&
	       !__atomic_compare_exchange_n(word, &old,
					    old | frame_place_of(va) << FRAME_INFO_SHIFT, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		continue;
}

static enum frame_type type_of_level(uint32_t level)
{
	return level == FRAME_CODE_LEVEL ? FRAME_CODE_DYN : (enum frame_type)level;
}

int frame_claim(struct frames *frames, uint64_t number, uint32_t level, uint64_t info)
{
	const uint64_t word = type_of_level(level) | FRAME_CLAIMED | info << FRAME_INFO_SHIFT;
	uint64_t old = FRAME_NONE;

	if (number >= frames->count)
		return -EPERM;
	if (leave_none(frames, number, &old, word))
		return 0;
	return old & (FRAME_CLAIMED | FRAME_DOOMED | FRAME_LOCKED) ? -EBUSY : -EPERM;
}

void frame_admit(struct frames *frames, uint64_t number)
{
	/* The mark goes and the reference comes in one step; nobody else has changed the word. */
	__atomic_fetch_add(&frames->word[number], ONE_REF - FRAME_CLAIMED, __ATOMIC_ACQ_REL);
}

/* The word of a frame nobody else can change: claimed or doomed by this CPU. */
static void to_none(struct frames *frames, uint64_t number)
{
	count_type(frames, frame_type(frames, number), -1);
	__atomic_store_n(&frames->word[number], FRAME_NONE, __ATOMIC_RELEASE);
	count_typed(frames, number, -1);
}

void frame_unclaim(struct frames *frames, uint64_t number)
{
	to_none(frames, number);
}

int frame_get(struct frames *frames, uint64_t number, uint32_t level)
{
	uint64_t old = frame_read(frames, number);

	do {
		if (frame_word_type(old) != type_of_level(level))
			return -EPERM;
		if (old & (FRAME_CLAIMED | FRAME_DOOMED))
			return -EAGAIN;
		if (frame_word_refs(old) == FRAME_REFS_MAX)
			return -EOVERFLOW;
	} while (!replace(frames, number, &old, (old + ONE_REF) & ~FRAME_RETIRED));
	return 0;
}

bool frame_put(struct frames *frames, uint64_t number)
{
	uint64_t old = __atomic_fetch_sub(&frames->word[number], ONE_REF, __ATOMIC_ACQ_REL);

	return frame_word_refs(old) == 1;
}

bool frame_put_code(struct frames *frames, uint64_t number)
{
	uint64_t old = frame_read(frames, number);

	do {
		if (frame_word_type(old) != FRAME_CODE_DYN || frame_word_refs(old) == 0)
			return false;
	} while (!replace(frames, number, &old, old - ONE_REF));
	return frame_word_refs(old) == 1;
}

int frame_lock(struct frames *frames, uint64_t number, uint64_t *word)
{
	uint64_t old = frame_read(frames, number);

	for (;;) {
		if (!frame_is_table(frame_word_type(old)))
			return -ENOENT;
		if (old & (FRAME_CLAIMED | FRAME_DOOMED))
			return -EAGAIN;
		if (old & FRAME_LOCKED) {
			__builtin_ia32_pause();
			old = frame_read(frames, number);
		} else if (replace(frames, number, &old, old | FRAME_LOCKED)) {
			*word = old | FRAME_LOCKED;
			return 0;
		}
	}
}

bool frame_retire(struct frames *frames, uint64_t number)
{
	uint64_t old = frame_read(frames, number);

	do {
		if (!frame_is_table(frame_word_type(old)) || frame_word_refs(old) != 0 ||
		    old & (FRAME_CLAIMED | FRAME_DOOMED | FRAME_PERMANENT))
			return false;
	} while (!replace(frames, number, &old, old | FRAME_RETIRED));
	return true;
}

int frame_doom(struct frames *frames, uint64_t number)
{
	uint64_t old = frame_read(frames, number);

	do {
		const bool table = frame_is_table(frame_word_type(old));

		if ((!table && frame_word_type(old) != FRAME_CODE_DYN) || old & FRAME_DOOMED)
			return -ENOENT;
		if (frame_word_refs(old) != 0 || old & (FRAME_CLAIMED | FRAME_PERMANENT) ||
		    (table && !(old & FRAME_RETIRED)))
			return -EBUSY;
		if (old & FRAME_LOCKED)
			return -EAGAIN;
	} while (!replace(frames, number, &old, old | FRAME_DOOMED));
	return 0;
}

void frame_undoom(struct frames *frames, uint64_t number)
{
	__atomic_fetch_and(&frames->word[number], ~FRAME_DOOMED, __ATOMIC_ACQ_REL);
}

void frame_free(struct frames *frames, uint64_t number)
{
	to_none(frames, number);
}
