/* SPDX-License-Identifier: MIT */
/*
 * The roots of a pair do not differ (secpod/paging/pair.c), whatever other CPUs do at the same time: one step of an
 * induction, for any one index. A root has agreed at it since its entry was exchanged, or judged when it was claimed.
 * Where both have agreed, entries that are present in both are the same. Other CPUs act before each access, keep
 * that, and do not act on what the lock is for while it is held.
 */
#include <errno.h>

#include "tests/proof/proof.h"
#include "vmm/guest_mem.h"

#define FRAMES_MAX (1ULL << 40)
#define PRESENT 3u

static struct paging paging;
static struct table_info info; /* of our root, whose lock or claim we have */
static uint32_t watched;       /* the index */
static uint64_t own, other;    /* the entries at it */
static uint64_t other_word;
static enum root_kind other_kind;
static uint32_t present;
static bool own_agreed, other_agreed;
static bool held, judging, asked, let_pass, done;

static bool is_same(uint64_t a, uint64_t b)
{
	return !(a & b & PTE_P) || judge_is_harmless(a | PTE_NX, b | PTE_NX);
}

static bool is_shared(uint32_t index)
{
	return index < PT_KERNEL_FIRST || index == LDT_REMAP_INDEX;
}

/* A root that has agreed is known to be the other one of the pair. */
static bool is_sound(void)
{
	if (other_agreed &&
	    (frame_word_type(other_word) != FRAME_L4 ||
	     other_kind != (info.root_kind == ROOT_KIND_USER ? ROOT_KIND_NORMAL : ROOT_KIND_USER)))
		return false;
	return !own_agreed || !other_agreed || is_same(own, other);
}

/* Flags that the CPU sets, and what it does not look at, change at any time; so does what goes. */
static uint64_t any_harmless(uint64_t entry)
{
	const uint64_t next = nondet_u64();

	assume(judge_is_harmless(entry, next) || !(next & PTE_P));
	return next;
}

static void others_act(void)
{
	const uint64_t before = own;

	own = any_harmless(own);
	/* Whose lock or claim we have changes in nothing but flags. */
	assume(judge_is_harmless(before, own));
	if (held) {
		other = any_harmless(other);
	} else {
		other = nondet_u64();
		other_word = nondet_u64();
		other_kind = (enum root_kind)any_below(ROOT_KINDS);
		other_agreed = nondet_bool();
	}
	assume(is_sound());
}

void pair_lock_take(void)
{
	prove(!held, "the lock is not taken twice");
	others_act();
	held = true;
}

void pair_lock_release(void)
{
	prove(held, "whose lock is given back had it");
	prove(is_sound(), "where both have agreed they are the same");
	if (judging && (!other_agreed || is_same(own, other)))
		own_agreed = !let_pass;
	held = false;
}

uint64_t pair_word(uint64_t frame)
{
	prove(frame == (info.frame ^ 1), "the other frame of the pair");
	others_act();
	return other_word;
}

const struct table_info *pair_info(void)
{
	return &info;
}

enum root_kind pair_kind(void)
{
	others_act();
	return other_kind;
}

static bool refuse(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next)
{
	const bool refused = nondet_bool();

	(void)context, (void)slot, (void)old, (void)next;
	prove(!held, "nobody is called with the lock held");
	prove(rule == SECPOD_RULE_PT_PAIR, "by its own rule");
	asked = true;
	/* Of what policy lets pass nothing is said. */
	if (!refused) {
		let_pass = true;
		own_agreed = false;
	}
	return refused;
}

/* At most PRESENT entries are: any, but the one that is watched is not left out. */
uint32_t pair_next_present(const uint64_t *entry, uint32_t i)
{
	const uint32_t next = (uint32_t)any_below(PT_ENTRIES + 1);

	assume(next >= i && (next == PT_ENTRIES || (entry[next] & PTE_P)));
	assume(next <= watched || i > watched || !(own & PTE_P));
	assume(next == PT_ENTRIES || present++ < PRESENT);
	return next;
}

/* ---- the guest's memory */

static uint64_t slot_of(uint64_t frame, uint32_t index)
{
	return (frame << PAGE_SHIFT) + index * sizeof(uint64_t);
}

int guest_read(uint64_t gpa, void *to, uint64_t len)
{
	prove(held && len == sizeof(other), "what is compared does not change meanwhile");
	others_act();
	*(uint64_t *)to = gpa == slot_of(info.frame ^ 1, watched) ? other : nondet_u64();
	return !other_agreed && nondet_bool() ? -EFAULT : 0;
}

int guest_cmpxchg64(uint64_t gpa, uint64_t *expected, uint64_t desired)
{
	others_act();
	prove(held && gpa == slot_of(info.frame, watched), "the entry that was asked about");
	if (nondet_bool())
		return -EFAULT;
	if (*expected != own) {
		*expected = own;
		return -EAGAIN;
	}
	own = desired;
	done = true;
	return 0;
}

/* ---- what is proved */

static void exchange(void)
{
	const struct pte_place place = {
		.level = PT_LEVELS, .index = watched, .slot = slot_of(info.frame, watched)};
	const uint64_t next = nondet_u64();
	uint64_t expected = nondet_u64();
	int error;

	prove(pair_has(&paging, &info, &place, next) ==
		      ((next & PTE_P) && is_shared(watched) && info.root_kind != ROOT_KIND_SPECIAL),
	      "whatever is present and shared is compared");
	assume(pair_has(&paging, &info, &place, next));
	assume((info.frame & 1) == (info.root_kind == ROOT_KIND_USER));
	own_agreed = true;
	assume(is_sound());
	error = pair_exchange(&paging, &info, &place, &expected, next);
	prove(!held, "the lock is given back");
	prove((error == 0) == done, "done, or not");
	prove(error != -EPERM || asked, "what is refused is on record");
}

/* A claimed root, whose entries cannot change. Before the first look others may have agreed to anything. */
static void judge(void)
{
	static uint64_t entry[PT_ENTRIES];
	const bool misplaced = (info.frame & 1) != (info.root_kind == ROOT_KIND_USER);
	int error;

	__CPROVER_havoc_object(entry);
	entry[watched] = own;
	judging = true;
	error = pair_judge(&paging, &info, entry);
	prove(!held, "the lock is given back");
	prove(!error || asked, "what is refused is on record");
	if (error || let_pass || info.root_kind == ROOT_KIND_SPECIAL)
		return;
	prove(!misplaced, "a root is where one of its kind belongs");
	prove(own_agreed || !(own & PTE_P) || !is_shared(watched),
	      "a root that is admitted agrees with the other one");
}

int main(void)
{
	__CPROVER_havoc_object(&paging);
	__CPROVER_havoc_object(&info);
	paging.ops.refuse = refuse;
	paging.template_known = 1u << ROOT_KIND_NORMAL | 1u << ROOT_KIND_USER;
	info.frame = any_below(FRAMES_MAX);
	info.root_kind = (uint8_t)any_below(ROOT_KINDS);
	watched = (uint32_t)any_below(PT_ENTRIES);
	own = nondet_u64();
	others_act();
	if (nondet_bool())
		exchange();
	else
		judge();
	return 0;
}
