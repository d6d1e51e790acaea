/* SPDX-License-Identifier: MIT */
/*
 * The word of a frame (secpod/paging/frame.c). One CPU does any one of the operations, from any
 * state that the invariant allows; before each of its atomic accesses the other CPUs do whatever
 * they may. That the invariant then still holds, and nothing was taken from the others, is the step of an
 * induction: it holds after any number of operations on any number of CPUs.
 *
 * What the operations ask of their callers (frame.h) is assumed: who gives a reference back has one, who
 * unlocks has locked, who admits has claimed. secpod/paging/ has frame_set() from NONE only.
 */
#include "secpod/paging/frame.h"

#include <errno.h>

#include "tests/proof/proof.h"

/* The frame that is worked on is the last one of two regions of 2 MiB, the second cut short. */
#define REGION 512u
#define number ((uint64_t)REGION)
#define FRAMES (REGION + 1u)

/* How often the others act while one operation goes on; each time as much as they like. */
#define TURNS 2u
/* Counts of a region, beside this frame's: the other frames, and what CPUs are about to take back. */
#define REGION_OTHERS (REGION - 1u)
#define CPUS 256u

#define TAKEN (FRAME_CLAIMED | FRAME_DOOMED)

/* What somebody has of the frame. */
struct holdings {
	uint64_t refs;
	bool locked;  /* of a page table */
	bool held;    /* of ordinary memory */
	bool claimed; /* or doomed: the word is his */
	bool doomed;
};

static uint64_t words[FRAMES];
static uint16_t typed[2];
static struct frames frames = {.word = words, .count = FRAMES, .typed = typed};

static struct holdings mine, others;
static uint64_t region_others; /* frames of the region that are not NONE, without this one */
static uint64_t others_ahead;  /* that the others have counted and not made yet, or unmade */
static uint64_t my_ahead;
static unsigned int turns;
/* Changes made by the operation, and the last of them. */
static unsigned int changes;
static uint64_t before, after;

static bool has_refs(uint64_t word)
{
	return frame_is_table(frame_word_type(word)) || frame_word_type(word) == FRAME_CODE_DYN;
}

static bool one_owner(bool is, bool me, bool other)
{
	return me && other ? false : is == (me || other);
}

/* What is so between any two atomic accesses. */
static bool invariant(uint64_t word)
{
	const enum frame_type type = frame_word_type(word);
	const bool table = frame_is_table(type), locked = word & FRAME_LOCKED;
	const uint64_t refs = frame_word_refs(word);

	if (type >= FRAME_OUTSIDE || refs != mine.refs + others.refs)
		return false;
	if (!one_owner(word & FRAME_CLAIMED, mine.claimed, others.claimed) ||
	    !one_owner(word & FRAME_DOOMED, mine.doomed, others.doomed) ||
	    !one_owner(locked && table, mine.locked, others.locked) ||
	    !one_owner(locked && !table, mine.held, others.held))
		return false;
	if (type == FRAME_NONE)
		return !(word & ~FRAME_LOCKED);
	/* Marks only where allowed. */
	if ((locked || (word & FRAME_RETIRED)) && !table)
		return false;
	if (frame_word_info(word) && !table && !frame_is_code(type))
		return false;
	if ((word & FRAME_FLUID) && !frame_is_code(type) && type != FRAME_EFI_RT)
		return false;
	if ((word & TAKEN) && !has_refs(word))
		return false;
	if (refs && (!has_refs(word) || (word & (TAKEN | FRAME_RETIRED))))
		return false;
	if ((word & FRAME_CLAIMED) && (word & (FRAME_LOCKED | FRAME_DOOMED | FRAME_RETIRED)))
		return false;
	if ((word & FRAME_DOOMED) && (locked || (table && !(word & FRAME_RETIRED))))
		return false;
	if ((word & FRAME_PERMANENT) && (!table || (word & (TAKEN | FRAME_RETIRED))))
		return false;
	if ((word & FRAME_USER_EXEC) && type != FRAME_RODATA)
		return false;
	return true;
}

/* A table has the same side information as long as it is one; code gets its place once. */
static bool keeps_info(uint64_t old, uint64_t next)
{
	return frame_word_info(old) == frame_word_info(next) ||
	       (frame_is_code(frame_word_type(old)) && !frame_word_info(old));
}

/* Is this change one that somebody with these holdings can live with? */
static bool respects(const struct holdings *holdings, uint64_t old, uint64_t next)
{
	if (holdings->claimed || holdings->doomed || holdings->held)
		return old == next;
	if (holdings->refs || holdings->locked)
		return frame_word_type(old) == frame_word_type(next) && keeps_info(old, next);
	return true;
}

/* Types come from NONE and go to it; what is permanent stays. */
static bool is_legal(uint64_t old, uint64_t next)
{
	const enum frame_type was = frame_word_type(old), is = frame_word_type(next);

	if ((old & ~next & FRAME_PERMANENT) || (old & ~next & FRAME_USER_EXEC))
		return false;
	if (was == is)
		return keeps_info(old, next);
	return was == FRAME_NONE || (is == FRAME_NONE && (old & TAKEN));
}

static bool is_typed(uint64_t word)
{
	return frame_word_type(word) != FRAME_NONE;
}

static void set_typed(void)
{
	typed[number / REGION] =
		(uint16_t)(region_others + is_typed(words[number]) + others_ahead + my_ahead);
}

/* Any state of word, others and counts. */
static void havoc(void)
{
	words[number] = nondet_u64();
	others.refs = any_below(FRAME_REFS_MAX + 1);
	others.locked = nondet_bool();
	others.held = nondet_bool();
	others.claimed = nondet_bool();
	others.doomed = nondet_bool();
	region_others = any_below(REGION_OTHERS + 1);
	others_ahead = any_below(CPUS);
	assume(invariant(words[number]));
	set_typed();
}

static void others_act(void)
{
	const uint64_t old = words[number];

	turns--;
	havoc();
	assume(is_legal(old, words[number]));
	assume(respects(&mine, old, words[number]));
}

static void interfere(void)
{
	if (turns && nondet_bool())
		others_act();
}

static void follow_bit(uint64_t old, uint64_t next, uint64_t bit, bool *have)
{
	if (!((old ^ next) & bit))
		return;
	prove(!!(old & bit) == *have, "only who set a bit clears it");
	*have = next & bit;
}

/* The operation has changed the word: what it has now follows from the bits. */
static void changed(uint64_t old)
{
	const uint64_t next = words[number];
	const bool table = frame_is_table(frame_word_type(is_typed(old) ? old : next));

	if (next == old)
		return;
	before = old;
	after = next;
	changes++;
	follow_bit(old, next, FRAME_CLAIMED, &mine.claimed);
	follow_bit(old, next, FRAME_DOOMED, &mine.doomed);
	follow_bit(old, next, FRAME_LOCKED, table ? &mine.locked : &mine.held);
	mine.refs += frame_word_refs(next) - frame_word_refs(old);
	if (!is_typed(old) && is_typed(next)) {
		prove(my_ahead, "counted before it is typed");
		my_ahead--;
	}
	if (is_typed(old) && !is_typed(next))
		my_ahead++;
	prove(mine.refs <= FRAME_REFS_MAX, "no reference is given back twice");
	prove(invariant(next), "the invariant holds");
	prove(is_legal(old, next), "types come from NONE and go to it");
	prove(respects(&others, old, next), "nothing is taken from the others");
}

/* ---- the atomic accesses of frame.c */

static uint64_t at_word(const uint64_t *word)
{
	prove(word == &words[number], "no other word is touched");
	interfere();
	return words[number];
}

uint64_t shared_load(const uint64_t *word)
{
	return at_word(word);
}

void shared_store(uint64_t *word, uint64_t value)
{
	const uint64_t old = at_word(word);

	words[number] = value;
	changed(old);
}

uint64_t shared_add(uint64_t *word, uint64_t value)
{
	uint64_t old;

	/* Statistics: nothing rests on them. */
	if (__CPROVER_same_object(word, &frames)) {
		prove(word >= frames.of_type && word < frames.of_type + FRAME_TYPES, "a count");
		return 0;
	}
	old = at_word(word);

	words[number] += value;
	changed(old);
	return old;
}

uint64_t shared_and(uint64_t *word, uint64_t value)
{
	const uint64_t old = at_word(word);

	words[number] &= value;
	changed(old);
	return old;
}

uint64_t shared_or(uint64_t *word, uint64_t value)
{
	const uint64_t old = at_word(word);

	words[number] |= value;
	changed(old);
	return old;
}

bool shared_exchange(uint64_t *word, uint64_t *expected, uint64_t value)
{
	const uint64_t old = at_word(word);

	if (old != *expected) {
		*expected = old;
		return false;
	}
	words[number] = value;
	changed(old);
	return true;
}

uint16_t shared_load_count(const uint16_t *count)
{
	interfere();
	return *count;
}

uint16_t shared_add_count(uint16_t *count, uint16_t value)
{
	const uint16_t old = *count;

	prove(count == &typed[number / REGION], "no other region's count is touched");
	interfere();
	*count += value;
	my_ahead += (uint64_t)(int16_t)value;
	prove(my_ahead <= 1, "a region's count is never too low");
	return old;
}

/* Who waits is not kept waiting for ever. */
void shared_wait(void)
{
	assume(turns);
	others_act();
}

/* ---- the operations */

static void any_start(void)
{
	turns = TURNS;
	my_ahead = 0;
	mine.refs = any_below(FRAME_REFS_MAX + 1);
	mine.locked = nondet_bool();
	mine.held = nondet_bool();
	mine.claimed = nondet_bool();
	mine.doomed = nondet_bool();
	havoc();
}

static void take(void)
{
	const uint32_t level = (uint32_t)any_below(FRAME_LEVELS + 1);
	const uint64_t info = any_below(FRAME_INFO_MAX + 1);
	const uint64_t had = mine.refs;
	uint64_t word = 0;
	int error;

	/* One CPU has one lock at a time, and takes none of a frame it has claimed. */
	switch (any_below(6)) {
	case 0:
		error = frame_claim(&frames, number, level, info);
		prove((error == 0) == (changes == 1), "claim: done or nothing");
		prove(error || (mine.claimed && after == (words[number] & after)), "claim");
		prove(error || (frame_word_info(after) == info && !is_typed(before)),
		      "only ordinary memory is claimed");
		break;
	case 1:
		error = frame_get(&frames, number, level);
		prove((error == 0) == (mine.refs == had + 1), "get: one more, or nothing");
		prove(error || frame_word_type(after) ==
				       (level ? (enum frame_type)level : FRAME_CODE_DYN),
		      "get: of the type asked for");
		break;
	case 2:
		assume(!mine.locked);
		error = frame_lock(&frames, number, &word);
		prove((error == 0) == (changes == 1), "lock: done or nothing");
		prove(error || (mine.locked && word == after && !(word & TAKEN)), "lock");
		break;
	case 3:
		assume(!mine.held);
		error = frame_hold(&frames, number);
		prove((error == 0) == (changes == 1), "hold: done or nothing");
		prove(error || (mine.held && !is_typed(words[number])), "hold");
		break;
	case 4:
		assume(!mine.doomed);
		error = frame_doom(&frames, number);
		prove((error == 0) == (changes == 1), "doom: done or nothing");
		prove(error || mine.doomed, "doom");
		break;
	default:
		error = frame_retire(&frames, number);
		prove(!changes || (error && (after & FRAME_RETIRED)), "retire: marked or nothing");
		break;
	}
}

static void give_back(void)
{
	const uint64_t had = mine.refs;
	bool last;

	switch (any_below(8)) {
	case 0:
		assume(mine.claimed);
		frame_admit(&frames, number);
		prove(mine.refs == 1 && !mine.claimed, "admit: the first reference is mine");
		break;
	case 1:
		assume(mine.claimed);
		frame_unclaim(&frames, number);
		prove(!mine.claimed && !is_typed(after), "unclaim");
		break;
	case 2:
		assume(mine.refs && frame_is_table(frame_word_type(words[number])));
		last = frame_put(&frames, number);
		prove(mine.refs == had - 1, "put: one less");
		prove(last == !frame_word_refs(after), "put: who puts the last one knows");
		break;
	case 3:
		assume(mine.refs && !frame_is_table(frame_word_type(words[number])));
		last = frame_put_code(&frames, number);
		prove(mine.refs == had - 1, "put_code: one less");
		prove(last == !frame_word_refs(after), "put_code: who puts the last one knows");
		break;
	case 4:
		assume(mine.locked);
		frame_unlock(&frames, number);
		prove(!mine.locked, "unlock");
		break;
	case 5:
		assume(mine.held);
		frame_release(&frames, number);
		prove(!mine.held, "release");
		break;
	case 6:
		assume(mine.doomed);
		frame_undoom(&frames, number);
		prove(!mine.doomed, "undoom");
		break;
	default:
		assume(mine.doomed);
		frame_free(&frames, number);
		prove(!mine.doomed && !is_typed(after), "free");
		break;
	}
}

static void mark(void)
{
	/* Something, and not again ordinary memory. */
	const enum frame_type type = (enum frame_type)(1 + any_below(FRAME_SECURE));

	if (nondet_bool()) {
		const int error = frame_set(&frames, number, FRAME_NONE, type);

		prove(error || frame_is_table(type) || frame_word_type(after) == type || !changes,
		      "set");
		prove(!error || !changes, "set: done or nothing");
	} else if (nondet_bool()) {
		assume(mine.refs && frame_is_table(frame_word_type(words[number])));
		frame_mark(&frames, number, FRAME_PERMANENT);
	} else if (nondet_bool()) {
		assume(frame_word_type(words[number]) == FRAME_CODE);
		frame_note_place(&frames, number, nondet_u64());
	} else if (nondet_bool()) {
		assume(frame_word_type(words[number]) == FRAME_EFI_RT);
		frame_mark(&frames, number, FRAME_FLUID);
	} else {
		assume(frame_word_type(words[number]) == FRAME_RODATA);
		frame_mark(&frames, number, FRAME_USER_EXEC);
	}
}

/* Frames that the table does not have, by the functions that may be asked for them. */
static void outside(void)
{
	const uint64_t none = nondet_u64();

	assume(none >= FRAMES);
	prove(frame_claim(&frames, none, 1, 1) == -EPERM, "claim outside");
	prove(frame_hold(&frames, none) == -EPERM, "hold outside");
	prove(frame_set(&frames, none, FRAME_NONE, FRAME_CODE) == -EINVAL, "set outside");
	prove(frame_type(&frames, none) == FRAME_OUTSIDE, "read outside");
	prove(!changes, "nothing is changed outside");
}

int main(void)
{
	any_start();
	switch (any_below(4)) {
	case 0:
		take();
		break;
	case 1:
		give_back();
		break;
	case 2:
		mark();
		break;
	default:
		outside();
		break;
	}
	prove(changes <= 1, "an operation is one change");
	prove(!my_ahead, "the region's count is right again");
	return 0;
}
