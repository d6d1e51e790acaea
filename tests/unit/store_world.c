/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_world.h"

#include <stdbool.h>
#include <string.h>

static bool outside(uint64_t address, uint64_t base, uint64_t len)
{
	return address < base || len > WORLD_SIZE || address - base > WORLD_SIZE - len;
}

static int fail(unsigned int *calls, const struct store_world *world, int error)
{
	if (error && *calls >= world->fail_after)
		return error;
	++*calls;
	return 0;
}

static int world_read(void *context, uint64_t gva, void *to, size_t len)
{
	struct store_world *world = context;
	int error = fail(&world->reads, world, world->read_error);

	if (error)
		return error;
	if (len == 0 || len > 8)
		world->violation = "a read of no bytes, or more than 8";
	if (outside(gva, world->gva, len))
		return -1;
	memcpy(to, &world->bytes[gva - world->gva], len);
	return 0;
}

/* One run of whole bytes? */
static bool mask_ok(uint64_t mask)
{
	if (!mask)
		return false;
	while (!(mask & 0xff))
		mask >>= 8;
	while ((mask & 0xff) == 0xff)
		mask >>= 8;
	return mask == 0;
}

static int world_update(void *context, uint64_t gpa, const struct store_change *change,
			uint64_t *old)
{
	struct store_world *world = context;
	int error = fail(&world->updates, world, world->update_error);
	uint64_t word;

	if (error)
		return error;
	if (gpa % sizeof(word) || outside(gpa, WORLD_GPA, sizeof(word))) {
		world->violation = "an update of what is not a word of the memory";
		return -1;
	}
	if (!mask_ok(change->mask))
		world->violation = "a mask that is not of neighbouring bytes";
	memcpy(&word, &world->bytes[gpa - WORLD_GPA], sizeof(word));
	*old = word;
	word = store_change_apply(change, word);
	world->stored += (unsigned int)__builtin_popcountll(change->mask) / 8;
	if ((word ^ *old) & ~change->mask)
		world->violation = "a change outside its mask";
	memcpy(&world->bytes[gpa - WORLD_GPA], &word, sizeof(word));
	return 0;
}

static int world_locate(void *context, uint64_t gva, uint64_t *gpa)
{
	struct store_world *world = context;
	int error = fail(&world->locates, world, world->locate_error);

	if (error)
		return error;
	if (outside(gva, world->gva, 1))
		return -1;
	*gpa = gva - world->gva + WORLD_GPA;
	return 0;
}

void store_world_open(struct store_world *world, uint64_t gva)
{
	*world = (struct store_world){
		.gva = gva,
		.memory = {world_read, world_update, world_locate, world},
	};
}

struct store_target store_world_target(const struct store_world *world, uint64_t gva)
{
	return (struct store_target){.gva = gva, .gpa = gva - world->gva + WORLD_GPA};
}
