/* SPDX-License-Identifier: MIT */
/* Entries a hostile guest would try: right ones, right ones in the wrong place, and nonsense. */
#include "tests/model/model.h"

uint64_t dice(uint64_t sides)
{
	return random_below(this_cpu->random, sides);
}

uint64_t arena_frame(void)
{
	return ARENA_FIRST + dice(ARENA_FRAMES);
}

/* One of the frames that are something else than the guest's memory, and what lies outside. */
static uint64_t sore_spot(void)
{
	switch (dice(9)) {
	case 0:
		return (PW_IMAGE_GPA >> PAGE_SHIFT) + dice(PW_TEXT_PAGES);
	case 1:
		return (PW_IMAGE_GPA >> PAGE_SHIFT) + PW_TEXT_PAGES + dice(PW_RODATA_PAGES);
	case 2:
		return (PW_IMAGE_GPA >> PAGE_SHIFT) + PW_TEXT_PAGES + PW_RODATA_PAGES +
		       dice(PW_DATA_PAGES);
	case 3:
		return (PW_SECURE_BASE + dice(PW_SECURE_SIZE)) >> PAGE_SHIFT;
	case 4:
		return PW_DEVICE >> PAGE_SHIFT;
	case 5:
		return PW_FRAMES + dice(1u << 20);
	case 6:
		return model.special >> PAGE_SHIFT;
	default:
		return model.kernel_table[dice(model.kernel_tables)];
	}
}

/* A frame that is a page table of this level, if one is found soon. */
static uint64_t table_frame(uint32_t level)
{
	for (uint32_t i = 0; i < 16; i++) {
		const uint64_t frame = arena_frame();

		if (type_now(frame) == (enum frame_type)level)
			return frame;
	}
	return model.kernel_table[dice(model.kernel_tables)];
}

static uint64_t user_leaf_bits(void)
{
	static const uint64_t bits[] = {
		PW_USER_RW,
		PW_USER_RW & ~(PTE_A | PTE_D),
		PW_USER_RX,
		PW_USER_RW & ~PTE_RW,
		PW_USER_RX | PTE_RW,
		/* Text is patched through such a page. */
		PW_KERNEL_RW,
		PW_KERNEL_RX,
	};

	return bits[dice(sizeof(bits) / sizeof(bits[0]))];
}

static uint64_t kernel_leaf_bits(void)
{
	static const uint64_t bits[] = {
		PW_KERNEL_RW, PW_KERNEL_RO, PW_KERNEL_RX, PW_KERNEL_RX | PTE_RW, PW_USER_RW,
	};

	return bits[dice(sizeof(bits) / sizeof(bits[0]))];
}

static uint64_t leaf_value(uint64_t slot, uint32_t level, bool kernel)
{
	const uint64_t bits = kernel ? kernel_leaf_bits() : user_leaf_bits();
	const uint64_t now = pw_peek(slot);
	uint64_t frame = dice(5) ? arena_frame() : sore_spot();

	/* Other rights for what is there. */
	if (dice(3) == 0 && (now & PTE_P))
		frame = pte_table_frame(now);
	if (level == 1)
		return frame << PAGE_SHIFT | bits;
	/* 2 MiB of plain memory, mostly; the arena, the image, the monitor. */
	if (dice(2))
		frame = (uint64_t)(2 + dice(6)) << 9;
	return (frame & ~(pte_leaf_frames(level) - 1)) << PAGE_SHIFT | bits | PTE_PS;
}

static uint64_t link_value(uint32_t level, bool kernel)
{
	uint64_t bits = kernel ? PW_KERNEL_TABLE : PW_USER_TABLE;
	uint64_t frame;

	/* In the kernel's root of a pair Linux has it so. */
	if (level == PT_LEVELS && !kernel && model.isolated && dice(8))
		bits |= PTE_NX;

	switch (dice(8)) {
	case 0:
		frame = sore_spot();
		break;
	case 1:
	case 2:
	case 3:
		frame = table_frame(level - 1);
		break;
	default:
		frame = arena_frame();
	}
	return frame << PAGE_SHIFT | (dice(16) ? bits : bits ^ PTE_US);
}

/* Another entry of the page tables there are: what was right there is somewhere else now. */
static uint64_t stolen_value(void)
{
	const uint64_t frame =
		dice(2) ? arena_frame() : model.kernel_table[dice(model.kernel_tables)];

	return pw_peek((frame << PAGE_SHIFT) + dice(PT_ENTRIES) * sizeof(uint64_t));
}

/* By the table's word, which may be another one's by now: a guess. */
__attribute__((no_sanitize("thread"))) static enum table_half guess_half(uint64_t word)
{
	return (enum table_half)table_info_of(&model.world.paging.infos, frame_word_info(word))
		->half;
}

uint64_t guest_value(uint64_t slot)
{
	const uint64_t frame = slot >> PAGE_SHIFT;
	const uint64_t word = frame_read(&model.world.paging.frames, frame);
	const bool table = frame_is_table(frame_word_type(word));
	const uint32_t level = table ? (uint32_t)frame_word_type(word) : 1 + (uint32_t)dice(4);
	bool kernel = dice(4) == 0;

	if (level == PT_LEVELS)
		kernel = slot % PAGE_SIZE >= PAGE_SIZE / 2;
	else if (table)
		kernel = guess_half(word) == HALF_KERNEL;
	switch (dice(16)) {
	case 0:
	case 1:
	case 2:
		return 0;
	case 3:
		return pw_peek(slot) ^ 1ULL << dice(64);
	case 4:
		return dice(4) ? stolen_value() : random_next(this_cpu->random);
	case 5:
		return this_cpu->saved;
	default:
		if (level == 1 || dice(8) == 0)
			return leaf_value(slot, level, kernel);
		return link_value(level, kernel);
	}
}
