/* SPDX-License-Identifier: MIT */
/*
 * MTRR settings of real machines, from the kernel logs and firmware logs their owners published,
 * and what they mean: for each a list of runs, read off by hand, that covers the whole physical
 * address space in order.
 */
#ifndef SECPOD_TESTS_UNIT_MTRR_MACHINES_H
#define SECPOD_TESTS_UNIT_MTRR_MACHINES_H

#include <stdbool.h>
#include <string.h>

#include "ept/mtrr.h"
#include "ept/mtrr_regs.h"

#define MACHINE_RANGES 10u
#define MACHINE_RUNS 24u

#define EIGHT(type) (0x0101010101010101ULL * (type))

struct mtrr_machine {
	const char *name;
	uint32_t physical_bits;
	enum memory_type def_type;
	/* In the order of the registers: FIX64K, two FIX16K, eight FIX4K. */
	uint64_t fixed[MTRR_FIXED_COUNT];
	struct {
		uint64_t base, mask; /* as the kernel prints them */
		enum memory_type type;
	} range[MACHINE_RANGES];
	bool repeats; /* the runs given are the first of a long row that goes on so */
	/* Each run ends where the next starts; the last one, with end 0, at the top. */
	struct {
		uint64_t end;
		enum memory_type type;
	} run[MACHINE_RUNS];
};

/* clang-format off */
#define FIXED_PC_ROM_WP \
	{EIGHT(6), EIGHT(6), 0, EIGHT(5), EIGHT(5), EIGHT(5), EIGHT(5), EIGHT(5), EIGHT(5), \
	 EIGHT(5), EIGHT(5)}
#define FIXED_UC_ABOVE_640K {EIGHT(6), EIGHT(6), 0, 0, 0, 0, 0, 0, 0, 0, 0}
#define FIXED_COREBOOT \
	{EIGHT(6), EIGHT(6), 0, EIGHT(6), EIGHT(6), EIGHT(6), EIGHT(6), EIGHT(6), EIGHT(6), \
	 EIGHT(6), EIGHT(6)}
/* clang-format on */

static const struct mtrr_machine mtrr_machines[] = {
	{
		.name = "Microsoft Surface laptop: default WB, UC holes, UC upper half",
		.physical_bits = 39,
		.def_type = MEMORY_WB,
		.fixed = FIXED_PC_ROM_WP,
		.range = {{0x00c0000000, 0x7fc0000000, MEMORY_UC},
			  {0x00a0000000, 0x7fe0000000, MEMORY_UC},
			  {0x0098000000, 0x7ff8000000, MEMORY_UC},
			  {0x0094000000, 0x7ffc000000, MEMORY_UC},
			  {0x0092000000, 0x7ffe000000, MEMORY_UC},
			  {0x0091000000, 0x7fff000000, MEMORY_UC},
			  {0x4000000000, 0x4000000000, MEMORY_UC}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0x100000, MEMORY_WP},
			{0x91000000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0x4000000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "Atom E3930 board: default UC, WB RAM with UC holes, WC flash",
		.physical_bits = 39,
		.def_type = MEMORY_UC,
		.fixed = FIXED_UC_ABOVE_640K,
		.range = {{0x0000000000, 0x7f80000000, MEMORY_WB},
			  {0x007c000000, 0x7ffc000000, MEMORY_UC},
			  {0x007b000000, 0x7fff000000, MEMORY_UC},
			  {0x0100000000, 0x7f80000000, MEMORY_WB},
			  {0x00ff000000, 0x7fff000000, MEMORY_WC}},
		.run = {{0xa0000, MEMORY_WB},
			{0x100000, MEMORY_UC},
			{0x7b000000, MEMORY_WB},
			{0xff000000, MEMORY_UC},
			{0x100000000, MEMORY_WC},
			{0x180000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "Lenovo M900 with coreboot: WC frame buffer",
		.physical_bits = 39,
		.def_type = MEMORY_UC,
		.fixed = FIXED_COREBOOT,
		.range = {{0x0000000000, 0x7f80000000, MEMORY_WB},
			  {0x007b000000, 0x7fff000000, MEMORY_UC},
			  {0x007c000000, 0x7ffc000000, MEMORY_UC},
			  {0x0080000000, 0x7ff0000000, MEMORY_WC},
			  {0x0100000000, 0x7f00000000, MEMORY_WB}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0x7b000000, MEMORY_WB},
			{0x80000000, MEMORY_UC},
			{0x90000000, MEMORY_WC},
			{0x100000000, MEMORY_UC},
			{0x200000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "Gigabyte H77M-D3H desktop: UC cut out of WB, also at the top of RAM",
		.physical_bits = 36,
		.def_type = MEMORY_UC,
		.fixed = {EIGHT(6), EIGHT(6), 0, EIGHT(5), EIGHT(5), 0, 0, 0, EIGHT(5), EIGHT(5),
			  EIGHT(5)},
		.range = {{0x000000000, 0xe00000000, MEMORY_WB},
			  {0x200000000, 0xfe0000000, MEMORY_WB},
			  {0x0e0000000, 0xfe0000000, MEMORY_UC},
			  {0x0dc000000, 0xffc000000, MEMORY_UC},
			  {0x0db800000, 0xfff800000, MEMORY_UC},
			  {0x21f800000, 0xfff800000, MEMORY_UC},
			  {0x21f600000, 0xfffe00000, MEMORY_UC}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0xd0000, MEMORY_WP},
			{0xe8000, MEMORY_UC},
			{0x100000, MEMORY_WP},
			{0xdb800000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0x21f600000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "Intel S2600CP server: WB in pieces, WT option ROM, WP flash",
		.physical_bits = 46,
		.def_type = MEMORY_UC,
		/* C0000-D3FFF WT, D4000-D7FFF WP, D8000-E7FFF UC, E8000-FFFFF WP */
		.fixed = {EIGHT(6), EIGHT(6), 0, EIGHT(4), EIGHT(4), 0x0505050504040404, 0, 0,
			  EIGHT(5), EIGHT(5), EIGHT(5)},
		.range = {{0x000000000000, 0x3fff80000000, MEMORY_WB},
			  {0x000080000000, 0x3fffc0000000, MEMORY_WB},
			  {0x000100000000, 0x3fff00000000, MEMORY_WB},
			  {0x000200000000, 0x3ffe00000000, MEMORY_WB},
			  {0x000400000000, 0x3ffc00000000, MEMORY_WB},
			  {0x000800000000, 0x3fffc0000000, MEMORY_WB},
			  {0x0000ff800000, 0x3fffff800000, MEMORY_WP}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0xd4000, MEMORY_WT},
			{0xd8000, MEMORY_WP},
			{0xe8000, MEMORY_UC},
			{0x100000, MEMORY_WP},
			{0xc0000000, MEMORY_WB},
			{0xff800000, MEMORY_UC},
			{0x100000000, MEMORY_WP},
			{0x840000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "Intel S2600WF server with persistent memory: UC cut out at 634 GiB",
		.physical_bits = 46,
		.def_type = MEMORY_UC,
		.fixed = FIXED_UC_ABOVE_640K,
		.range = {{0x000000000000, 0x3f8000000000, MEMORY_WB},
			  {0x008000000000, 0x3fe000000000, MEMORY_WB},
			  {0x009e80000000, 0x3fff80000000, MEMORY_UC},
			  {0x009f00000000, 0x3fff00000000, MEMORY_UC},
			  {0x000080000000, 0x3fff80000000, MEMORY_UC},
			  {0x00007f000000, 0x3fffff000000, MEMORY_UC}},
		.run = {{0xa0000, MEMORY_WB},
			{0x100000, MEMORY_UC},
			{0x7f000000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0x9e80000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "two-socket Xeon, 192 GiB: a UC hole of 64 MiB below 2 GiB",
		.physical_bits = 46,
		.def_type = MEMORY_UC,
		.fixed = FIXED_UC_ABOVE_640K,
		.range = {{0x000000000000, 0x3fe000000000, MEMORY_WB},
			  {0x002000000000, 0x3ff000000000, MEMORY_WB},
			  {0x003000000000, 0x3fffc0000000, MEMORY_WB},
			  {0x000080000000, 0x3fff80000000, MEMORY_UC},
			  {0x000070000000, 0x3ffffc000000, MEMORY_UC}},
		.run = {{0xa0000, MEMORY_WB},
			{0x100000, MEMORY_UC},
			{0x70000000, MEMORY_WB},
			{0x74000000, MEMORY_UC},
			{0x80000000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0x3040000000, MEMORY_WB},
			{0, MEMORY_UC}},
	},
	{
		.name = "QEMU, PC with SeaBIOS: default WB, PCI hole UC",
		.physical_bits = 40,
		.def_type = MEMORY_WB,
		.fixed = FIXED_PC_ROM_WP,
		.range = {{0x0080000000, 0xff80000000, MEMORY_UC}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0x100000, MEMORY_WP},
			{0x80000000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0, MEMORY_WB}},
	},
	{
		.name = "512 MiB board whose BIOS leaves the upper mask bits out: WB in each 4 GiB",
		.physical_bits = 36,
		.def_type = MEMORY_UC,
		.fixed = {EIGHT(6), EIGHT(6), 0, EIGHT(5), EIGHT(5), 0, 0, EIGHT(4), EIGHT(4),
			  EIGHT(5), EIGHT(5)},
		.range = {{0x000000000, 0x0c0000000, MEMORY_WB}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0xd0000, MEMORY_WP},
			{0xe0000, MEMORY_UC},
			{0xf0000, MEMORY_WT},
			{0x100000, MEMORY_WP},
			{0x040000000, MEMORY_WB},
			{0x100000000, MEMORY_UC},
			{0x140000000, MEMORY_WB},
			{0x200000000, MEMORY_UC},
			{0x240000000, MEMORY_WB},
			{0x300000000, MEMORY_UC},
			{0x340000000, MEMORY_WB},
			{0x400000000, MEMORY_UC}},
		.repeats = true,
	},
	{
		.name = "Pentium 4 board: WT firmware range of 128 KiB",
		.physical_bits = 36,
		.def_type = MEMORY_UC,
		.fixed = {EIGHT(6), EIGHT(6), 0, EIGHT(5), EIGHT(5), 0, 0, 0, 0, EIGHT(5),
			  EIGHT(5)},
		.range = {{0x000000000, 0xf80000000, MEMORY_WB},
			  {0x0feda0000, 0xffffe0000, MEMORY_WT}},
		.run = {{0xa0000, MEMORY_WB},
			{0xc0000, MEMORY_UC},
			{0xd0000, MEMORY_WP},
			{0xf0000, MEMORY_UC},
			{0x100000, MEMORY_WP},
			{0x80000000, MEMORY_WB},
			{0xfeda0000, MEMORY_UC},
			{0xfedc0000, MEMORY_WT},
			{0, MEMORY_UC}},
	},
};
#define MTRR_MACHINES (sizeof(mtrr_machines) / sizeof(mtrr_machines[0]))

/* The registers of the machine. */
static inline void mtrr_machine_load(const struct mtrr_machine *machine, struct mtrr_state *mtrr)
{
	uint32_t i;

	memset(mtrr, 0, sizeof(*mtrr));
	mtrr->cap = MTRRCAP_WC | MTRRCAP_FIX | MACHINE_RANGES;
	mtrr->def_type = MTRR_DEF_TYPE_E | MTRR_DEF_TYPE_FE | machine->def_type;
	mtrr->physical_bits = machine->physical_bits;
	memcpy(mtrr->fixed, machine->fixed, sizeof(mtrr->fixed));
	for (i = 0; i < MACHINE_RANGES && machine->range[i].mask != 0; i++) {
		mtrr->variable[i].base = machine->range[i].base | machine->range[i].type;
		mtrr->variable[i].mask = machine->range[i].mask | MTRR_PHYSMASK_VALID;
	}
}

/* Where run i ends. */
static inline uint64_t mtrr_machine_run_end(const struct mtrr_machine *machine, uint32_t i)
{
	return machine->run[i].end != 0 ? machine->run[i].end : 1ULL << machine->physical_bits;
}

#endif
