/* SPDX-License-Identifier: MIT */
/*
 * LOCK holds each entry there is against the rules that begin with it (secpod/paging/lock.c): whatever tables there
 * are, whatever other CPUs make of them meanwhile; any one entry of any one frame is looked at. What is made, or
 * changed, when LOCK has begun is judged by all the rules elsewhere.
 */
#include <errno.h>

#include "tests/proof/proof.h"
#include "vmm/guest_mem.h"

#define FRAMES 2u

static struct paging paging;
static struct table_info info[FRAMES];
static uint32_t level[FRAMES]; /* of a table that was there before LOCK; 0: none */
static uint64_t frame_of_slot; /* the frame that is watched, */
static uint32_t watched;       /* the entry, */
static uint64_t entry;	       /* and what it is */
static bool held[FRAMES], busy_once;
static bool judged, refused, gone;

static bool is_begun(void)
{
	return paging.locked;
}

struct table_info *lock_info(uint64_t number)
{
	prove(number < FRAMES && held[number], "a table is read by who has its lock");
	return &info[number];
}

uint64_t lock_word(uint64_t frame)
{
	prove(frame < FRAMES && is_begun(), "what comes while it is looked is under the rules");
	/* Others may end what was there, and make tables; what was there is seen. */
	if (!level[frame] || nondet_bool()) {
		gone = gone || frame == frame_of_slot;
		return any_below(FRAME_TYPES);
	}
	return level[frame];
}

int frame_lock(struct frames *frames, uint64_t number, uint64_t *word)
{
	(void)frames;
	prove(number < FRAMES && !held[number], "no lock is taken twice");
	if (!busy_once && nondet_bool()) {
		busy_once = true;
		return -EAGAIN;
	}
	if (!level[number] || nondet_bool()) {
		gone = gone || number == frame_of_slot;
		return -ENOENT;
	}
	held[number] = true;
	*word = (nondet_u64() & ((1ULL << FRAME_INFO_SHIFT) - 1) & ~FRAME_TYPE) | level[number] |
		number << FRAME_INFO_SHIFT;
	return 0;
}

void lock_give_back(uint64_t frame)
{
	prove(frame < FRAMES && held[frame], "whose lock is given back had it");
	held[frame] = false;
}

int guest_read(uint64_t gpa, void *to, uint64_t len)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	uint64_t *words = to;

	prove(frame < FRAMES && held[frame] && is_begun(),
	      "an entry is read when it can only become what the rules let");
	prove(gpa % PAGE_SIZE + len <= PAGE_SIZE, "in the table");
	if (nondet_bool())
		return -EFAULT;
	__CPROVER_havoc_slice(to, len);
	if (frame == frame_of_slot && gpa % PAGE_SIZE / 8 <= watched &&
	    watched < (gpa % PAGE_SIZE + len) / 8)
		words[watched - gpa % PAGE_SIZE / 8] = entry;
	return 0;
}

struct pte_place pte_place_of(const struct paging *p, const struct table_info *table, uint32_t at,
			      uint32_t index)
{
	prove(p == &paging && table->frame < FRAMES && at == level[table->frame],
	      "the table's own level");
	return (struct pte_place){.level = at,
				  .index = index,
				  .slot = (table->frame << PAGE_SHIFT) + index * 8,
				  .locked = is_begun()};
}

int judge_standing(const struct paging *p, const struct pte_place *place, uint64_t value)
{
	const bool refuse = nondet_bool();

	(void)p;
	prove(place->locked, "by the rules of LOCK");
	if (place->slot == (frame_of_slot << PAGE_SHIFT) + watched * 8) {
		prove(value == entry, "as it is");
		judged = true;
	}
	refused = refused || refuse;
	return refuse ? -EPERM : 0;
}

int main(void)
{
	bool was_active;
	int error;

	__CPROVER_havoc_object(&paging);
	was_active = paging.active;
	assume(!paging.locked);
	paging.frames.count = FRAMES;
	frame_of_slot = any_below(FRAMES);
	watched = (uint32_t)any_below(PT_ENTRIES);
	entry = nondet_u64();
	for (uint32_t i = 0; i < FRAMES; i++) {
		level[i] = (uint32_t)any_below(PT_LEVELS + 1);
		info[i].frame = i;
		info[i].half = (uint8_t)any_below(HALF_SPECIAL + 1);
	}
	error = paging_lock(&paging);
	for (uint32_t i = 0; i < FRAMES; i++)
		prove(!held[i], "each lock is given back");
	prove(paging.locked == !error, "the rules hold from then on, or what failed is over");
	if (error) {
		prove(error == -EPERM || error == -EFAULT, "no other error");
		prove(error != -EPERM || refused || !was_active, "something was refused");
		return 0;
	}
	prove(was_active && !refused, "nothing that breaks a rule is left");
	if (gone || !level[frame_of_slot])
		return 0;
	prove(judged || !(entry & PTE_P || level[frame_of_slot] == PT_LEVELS) ||
		      (level[frame_of_slot] < PT_LEVELS && info[frame_of_slot].half == HALF_USER),
	      "each entry of the kernel's is judged, and what a root has not");
	return 0;
}
