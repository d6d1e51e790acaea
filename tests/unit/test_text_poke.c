/* SPDX-License-Identifier: MIT */
/*
 * A kernel that patches itself as Linux does (arch/x86/kernel/alternative.c): jump labels, static calls, calls of tracers, probes of one
 * byte and of five, LOCK prefixes, side by side and across pages. Each of its stores arrives whole or in parts, and
 * none may be refused, whatever bytes it has; in the end all is as it was.
 */
#include "tests/unit/text_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SPOTS 1024u
#define BATCH 8u
#define LONGEST 6u
#define CODE_BYTES (64u << 20) /* there is code to lead to */
#define LOCK 0xf0u
#define DS 0x3eu

enum kind { LABEL, LABEL_SHORT, STATIC_CALL, STATIC_BRANCH, TRACE, PROBE, PREFIX, KINDS };

struct spot {
	uint64_t va;
	enum kind kind;
	uint32_t length; /* of the instruction */
	bool probed;
	uint8_t original[LONGEST];
};

static struct spot spot[SPOTS];
static uint32_t spots;
static uint8_t before[sizeof(image)];

static bool is_any_code(void *context, uint64_t va)
{
	(void)context;
	return va - BEGIN < CODE_BYTES;
}

static const struct text_code code = {read_code, text_world_write, is_any_code, NULL, false};

static uint32_t any(uint32_t limit)
{
	return (uint32_t)rand() % limit;
}

static uint8_t any_byte(void)
{
	static const uint8_t telling[] = {0xcc, LOCK, DS, 0xe8, 0xe9, 0x90, 0x0f, 0x00};

	return any(2) ? telling[any(sizeof(telling))] : (uint8_t)any(256);
}

/* ---- stores, in parts that lie in one aligned word each, as they reach the judge */

static void arrive(uint64_t va, const uint8_t *bytes, uint32_t count)
{
	if (text_world_store(&code, va, bytes, count))
		fail_msg("%u bytes at +%#x, the first %#x: refused", count,
			 (unsigned int)(va - BEGIN), bytes[0]);
}

static void poke(uint64_t va, const uint8_t *bytes, uint32_t count)
{
	const uint32_t width = 1u << any(4);

	while (count) {
		uint32_t part = (uint32_t)(width - va % width);

		if (part > count)
			part = count;
		arrive(va, bytes, part);
		va += part;
		bytes += part;
		count -= part;
	}
}

struct change {
	const struct spot *at;
	uint32_t length;
	uint8_t bytes[LONGEST];
};

/* INT3 everywhere, then all that is behind, then the first bytes (text_poke_bp_batch()). */
static void poke_live(const struct change *change, uint32_t count)
{
	const uint8_t int3 = 0xcc;

	for (uint32_t i = 0; i < count; i++)
		poke(change[i].at->va, &int3, 1);
	for (uint32_t i = 0; i < count; i++) {
		if (change[i].length > 1)
			poke(change[i].at->va + 1, change[i].bytes + 1, change[i].length - 1);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (change[i].bytes[0] != 0xcc)
			poke(change[i].at->va, change[i].bytes, 1);
		assert_memory_equal(image + (change[i].at->va - BEGIN), change[i].bytes,
				    change[i].length);
	}
}

/* ---- what comes to a place */

static void lead(struct change *change, uint8_t opcode, uint32_t length)
{
	const uint64_t end = change->at->va + length;
	int32_t far = 0;

	do {
		for (uint32_t i = 0; i < sizeof(far); i++)
			far = (int32_t)((uint32_t)far << 8 | any_byte());
	} while (!is_any_code(NULL, end + (uint64_t)(int64_t)far));
	change->bytes[0] = opcode;
	change->length = length;
	memcpy(change->bytes + length - sizeof(far), &far, sizeof(far));
}

static void lead_near(struct change *change)
{
	do {
		change->bytes[1] = any_byte();
	} while (!is_any_code(NULL,
			      change->at->va + 2 + (uint64_t)(int64_t)(int8_t)change->bytes[1]));
	change->bytes[0] = 0xeb;
	change->length = 2;
}

static void become(struct change *change, const char *bytes, uint32_t length)
{
	memcpy(change->bytes, bytes, length);
	change->length = length;
}

static void put_back(struct change *change)
{
	become(change, (const char *)change->at->original, change->at->length);
}

static void choose_new(struct change *change)
{
	switch (change->at->kind) {
	case LABEL:
		any(2) ? lead(change, 0xe9, 5) : become(change, "\x0f\x1f\x44\x00\x00", 5);
		break;
	case LABEL_SHORT:
		any(2) ? lead_near(change) : become(change, "\x66\x90", 2);
		break;
	case STATIC_CALL:
		switch (any(4)) {
		case 0:
			become(change, "\x66\x66\x48\x31\xc0", 5);
			break;
		case 1:
			become(change, "\xc3\xcc\xcc\xcc\xcc", 5);
			break;
		default:
			lead(change, any(2) ? 0xe8 : 0xe9, 5);
		}
		break;
	case STATIC_BRANCH:
		lead(change, 0x0f, 6);
		change->bytes[1] = (uint8_t)(0x80 | any(16));
		break;
	default:
		any(2) ? lead(change, 0xe8, 5) : become(change, "\x0f\x1f\x44\x00\x00", 5);
	}
}

static void choose(struct change *change)
{
	if (any(3) == 0)
		put_back(change);
	else
		choose_new(change);
}

/* ---- probes (arch/x86/kernel/kprobes/): INT3, a jump in its place where there is room, and back */

static void probe(struct spot *at)
{
	struct change change = {.at = at};
	const uint8_t int3 = 0xcc;

	if (at->probed) {
		poke(at->va, at->original, 1);
	} else {
		poke(at->va, &int3, 1);
		if (at->length >= 5 && any(2)) {
			lead(&change, 0xe9, 5);
			poke_live(&change, 1);
			/* arch_unoptimize_kprobe(): what is behind, while the INT3 stays. */
			poke(at->va, &int3, 1);
			poke(at->va + 1, at->original + 1, 4);
		}
	}
	at->probed = !at->probed;
}

/* alternatives_smp_lock(), _unlock(): all of them. */
static void change_locks(uint8_t prefix)
{
	for (uint32_t i = 0; i < spots; i++) {
		if (spot[i].kind == PREFIX && image[spot[i].va - BEGIN] != prefix)
			poke(spot[i].va, &prefix, 1);
	}
}

static bool is_patched_live(const struct spot *at)
{
	return at->kind != PROBE && at->kind != PREFIX;
}

static void patch_some(void)
{
	struct change change[BATCH] = {0};
	const uint32_t wanted = 1 + any(BATCH);
	uint32_t count = 0;

	for (uint32_t i = any(spots); i < spots && count < wanted; i++) {
		if (is_patched_live(&spot[i])) {
			change[count].at = &spot[i];
			choose(&change[count++]);
		}
	}
	poke_live(change, count);
}

/* ---- the kernel */

static uint32_t length_of(enum kind kind)
{
	switch (kind) {
	case LABEL_SHORT:
		return 2;
	case STATIC_BRANCH:
		return 6;
	case PROBE:
		return 1 + any(LONGEST);
	case PREFIX:
		return 1;
	default:
		return 5;
	}
}

static void lay_out(void)
{
	static const uint8_t first[] = {0x48, 0x55, 0x89, 0x0f, 0x31};
	uint64_t va = BEGIN + 16;

	for (uint32_t i = 0; i < sizeof(image); i++)
		image[i] = any_byte();
	for (spots = 0; spots < SPOTS; spots++) {
		struct spot *at = &spot[spots];
		struct change change = {.at = at};

		*at = (struct spot){.va = va, .kind = (enum kind)any(KINDS)};
		at->length = length_of(at->kind);
		if (va + at->length + 16 > BEGIN + sizeof(image))
			break;
		if (at->kind == PREFIX) {
			image[va - BEGIN] = LOCK;
		} else if (at->kind == PROBE) {
			image[va - BEGIN] = first[any(sizeof(first))];
		} else {
			choose_new(&change);
			memcpy(image + (va - BEGIN), change.bytes, at->length);
		}
		memcpy(at->original, image + (va - BEGIN), at->length);
		va += at->length + (any(4) ? 0 : any(4));
	}
	memcpy(before, image, sizeof(image));
	measure(PAGES);
}

static void end_all(void)
{
	for (uint32_t i = 0; i < spots; i++) {
		struct change change = {.at = &spot[i]};

		put_back(&change);
		if (is_patched_live(&spot[i]))
			poke_live(&change, 1);
		else if (spot[i].probed)
			probe(&spot[i]);
	}
	change_locks(LOCK);
}

static void check_all(void)
{
	for (uint64_t va = BEGIN; va < BEGIN + sizeof(image); va += PAGE_SIZE)
		assert_int_equal(verified(va), 0);
}

static void run(unsigned int seed)
{
	srand(seed);
	text_world_open(0);
	lay_out();
	for (uint32_t step = 0; step < 2000; step++) {
		struct spot *at = &spot[any(spots)];

		if (any(100) == 0)
			change_locks(any(2) ? LOCK : DS);
		else if (at->kind == PROBE)
			probe(at);
		else
			patch_some();
	}
	check_all();
	end_all();
	assert_memory_equal(image, before, sizeof(image));
	assert_int_equal(text.sites, 0);
	assert_int_equal(text.stats.refused, 0);
	check_all();
	text_world_close();
}

static void no_patch_is_refused_in_whatever_parts_it_comes(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 20; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_patch_is_refused_in_whatever_parts_it_comes),
	};

	return cmocka_run_group_tests_name("text_poke", tests, NULL, NULL);
}
