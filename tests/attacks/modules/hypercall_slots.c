/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Has hypercalls do what stores may not: buffers of answers that lie in a page table, code, constants, the IDT,
 * secure memory or a device; entries that no rule admits, one by one and in a list; lists and roots that are
 * something else.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <asm/desc.h>
#include <asm/unistd.h>

#include "secpod_abi.h"

#define INDEX 7
#define WORDS 64u
#define APIC_PAGE 0xfee00000ul

static u64 *table, lawful;
static u64 secure_base, secure_size;
static unsigned int calls, wrong;
static const char *what = "none";

static void expect(bool good, const char *text)
{
	calls++;
	if (good)
		return;
	wrong++;
	what = text;
}

static void ask(u32 number, u64 first, u64 second, const char *text)
{
	expect(attack_hypercall(number, first, second, 0, 0) < 0, text);
}

static void answer_into(u64 physical)
{
	ask(SECPOD_CALL_INFO, physical, PAGE_SIZE, "INFO");
	ask(SECPOD_CALL_STATS, physical, PAGE_SIZE, "STATS");
	ask(SECPOD_CALL_LOG_READ, physical, 1, "LOG_READ");
	/* The last bytes of the page before belong to us, perhaps; those behind do not. */
	ask(SECPOD_CALL_INFO, physical - sizeof(u64), SECPOD_INFO_MIN, "INFO across pages");
}

/* Memory that can be looked at is what it was. */
static void answer_over(const void *at)
{
	const u64 *words = (const u64 *)((unsigned long)at & PAGE_MASK);
	u64 before[WORDS];

	memcpy(before, words, sizeof(before));
	answer_into(attack_physical(words));
	expect(!memcmp(before, words, sizeof(before)), "memory changed");
}

static void set_entry(u64 value, const char *text)
{
	struct secpod_pt_op *list = attack_page(0);
	const u64 slot = virt_to_phys(&table[INDEX]);

	ask(SECPOD_CALL_PT_SET, slot, value, text);
	ask(SECPOD_CALL_PT_XCHG, slot, value, text);
	ask(SECPOD_CALL_PT_COMMIT, slot, value, text);
	if (!list)
		return;
	list[0] = (struct secpod_pt_op){slot | SECPOD_PT_OP_SET, value};
	ask(SECPOD_CALL_PT_BATCH, virt_to_phys(list), 1, text);
	list[0].slot = slot | SECPOD_PT_OP_COMMIT;
	ask(SECPOD_CALL_PT_BATCH, virt_to_phys(list), 1, text);
	expect(!((READ_ONCE(table[INDEX]) ^ lawful) & PTE_PFN_MASK) &&
		       (READ_ONCE(table[INDEX]) & _PAGE_NX),
	       text);
}

static void set_entries(u64 data, const void *code)
{
	set_entry(data | ATTACK_CODE | _PAGE_RW, "executable and writable");
	set_entry(data | ATTACK_CODE, "executable");
	set_entry(data | ATTACK_USER, "a user's in the kernel's half");
	set_entry(virt_to_phys(table) | ATTACK_DATA, "a page table");
	set_entry(secure_base | ATTACK_READ, "secure memory");
	set_entry(attack_physical(code) | ATTACK_CODE | _PAGE_RW, "code, writable");
	set_entry(data | ATTACK_DATA | 1ull << (boot_cpu_data.x86_phys_bits), "reserved bits");
}

/* What is no page table is not written. */
static void set_elsewhere(const void *at)
{
	const u64 before = *(const u64 *)at;
	const u64 slot = attack_physical(at);

	ask(SECPOD_CALL_PT_SET, slot, ~before, "PT_SET elsewhere");
	ask(SECPOD_CALL_PT_XCHG, slot, ~before, "PT_XCHG elsewhere");
	ask(SECPOD_CALL_PT_COMMIT, slot, ~before, "PT_COMMIT elsewhere");
	expect(READ_ONCE(*(const u64 *)at) == before, "a word elsewhere");
}

static void wrong_roots(u64 physical)
{
	expect(attack_hypercall(SECPOD_CALL_WRPROTECT, physical, 0, PAGE_SIZE, 0) < 0, "WRPROTECT");
	ask(SECPOD_CALL_UNPIN, physical, 0, "UNPIN");
}

static int attempt(void)
{
	const u64 *text = (u64 *)attack_symbol("emergency_restart");
	const u64 *constants = (u64 *)attack_symbol("sys_call_table");
	void *data = attack_page(0);
	struct desc_ptr idt;
	int result = attack_secure_space(&secure_base, &secure_size);

	if (!attack_under_secpod())
		return -EOPNOTSUPP;
	table = attack_page(0);
	if (result || !text || !constants || !attack_area() || !table || !data)
		return -ENOMEM;
	lawful = virt_to_phys(data) | ATTACK_DATA;
	table[INDEX] = lawful;
	if (!attack_link(table))
		return -EINVAL;
	store_idt(&idt);
	answer_over(table);
	answer_over(text);
	answer_over(constants);
	answer_over((void *)attempt);
	answer_over((void *)idt.address);
	answer_into(secure_base);
	answer_into(secure_base + secure_size - PAGE_SIZE);
	answer_into(APIC_PAGE);
	answer_into(-(u64)PAGE_SIZE);
	set_entries(virt_to_phys(data), text);
	set_elsewhere(text);
	set_elsewhere(&constants[__NR_tuxcall]);
	set_elsewhere((void *)idt.address);
	ask(SECPOD_CALL_PT_SET, secure_base, 0, "PT_SET in secure memory");
	ask(SECPOD_CALL_PT_BATCH, secure_base, 1, "PT_BATCH of secure memory");
	wrong_roots(virt_to_phys(table));
	wrong_roots(attack_physical(text));
	wrong_roots(secure_base);
	ask(SECPOD_CALL_UNPIN, attack_read_cr3() & PTE_PFN_MASK, 0, "UNPIN of the root in use");
	attack_link(NULL);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u, last: %s", wrong, calls, what);
	return wrong;
}

/* Outside VMX operation there are no such calls. */
static bool possible(void)
{
	return false;
}

static const struct attack hypercall_slots = {
	"hypercall_slots",
	"hypercall,kernel-exec,kernel-user,table-alias,page-table-secure,page-table-entry,kernel-remap",
	possible,
	attempt,
	effect,
	NULL};
ATTACK_MODULE(hypercall_slots);
