/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Stays loaded while the attacks come and go; see attack.h. */
#include "attack.h"

#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/moduleparam.h>
#include <linux/pgtable.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>

#include "secpod_abi.h"

#define DETAIL_SIZE 128

static const struct attack *running;
static char detail[DETAIL_SIZE];

static ulong spare;
module_param(spare, ulong, 0444);
MODULE_PARM_DESC(spare, "without SecPod: physical address of memory kept from the kernel");
static ulong spare_size;
module_param(spare_size, ulong, 0444);

void attack_detail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(detail, sizeof(detail), format, list);
	va_end(list);
}
EXPORT_SYMBOL_GPL(attack_detail);

bool attack_under_secpod(void)
{
	u32 text[3], highest;

	if (!boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return false;
	cpuid(SECPOD_CPUID_SIGNATURE, &highest, &text[0], &text[1], &text[2]);
	return !memcmp(text, SECPOD_SIGNATURE, sizeof(text));
}
EXPORT_SYMBOL_GPL(attack_under_secpod);

static u64 secpod_stat(u32 index)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(SECPOD_CPUID_STATS, index, &eax, &ebx, &ecx, &edx);
	return ebx ? (u64)edx << 32 | eax : 0;
}

int attack_secure_space(u64 *base, u64 *size)
{
	if (attack_under_secpod()) {
		*base = secpod_stat(SECPOD_STAT_REGION_BASE);
		*size = secpod_stat(SECPOD_STAT_REGION_SIZE);
	} else {
		*base = spare;
		*size = spare_size;
	}
	return *base && *size ? 0 : -ENOENT;
}
EXPORT_SYMBOL_GPL(attack_secure_space);

static void flush(void *unused)
{
	(void)unused;
	__flush_tlb_all();
}

/* A page of our own whose entry is redirected: the kernel's functions refuse most of what is wanted. */
void *attack_map(u64 physical, pgprot_t protection)
{
	void *page = vmalloc(PAGE_SIZE);
	unsigned int level;
	pte_t *entry;

	if (!page)
		return NULL;
	/* Touched, so that every level of the tables is there. */
	memset(page, 0, PAGE_SIZE);
	entry = lookup_address((unsigned long)page, &level);
	if (!entry || level != PG_LEVEL_4K) {
		vfree(page);
		return NULL;
	}
	WRITE_ONCE(*entry, pfn_pte(physical >> PAGE_SHIFT, protection));
	on_each_cpu(flush, NULL, 1);
	return page;
}
EXPORT_SYMBOL_GPL(attack_map);

/* kallsyms_lookup_name() is not exported, but a kprobe tells where it is. */
unsigned long attack_symbol(const char *name)
{
	static struct kprobe probe = {.symbol_name = "kallsyms_lookup_name"};
	static unsigned long (*lookup)(const char *name);

	if (!lookup) {
		if (register_kprobe(&probe))
			return 0;
		lookup = (void *)probe.addr;
		unregister_kprobe(&probe);
	}
	return lookup(name);
}
EXPORT_SYMBOL_GPL(attack_symbol);

u64 attack_physical(const void *address)
{
	unsigned int level;
	pte_t *entry = lookup_address((unsigned long)address, &level);
	u64 mask;

	if (!entry || !(pte_val(*entry) & _PAGE_PRESENT))
		return 0;
	mask = page_level_mask(level);
	return (pte_val(*entry) & PTE_PFN_MASK & mask) | ((unsigned long)address & ~mask);
}
EXPORT_SYMBOL_GPL(attack_physical);

bool attack_msr_keeps(u32 msr, u64 value, u64 *seen)
{
	unsigned long flags;
	u64 before;
	bool written = false;

	*seen = 0;
	local_irq_save(flags);
	if (!rdmsrl_safe(msr, &before)) {
		written = !wrmsrl_safe(msr, value) && !rdmsrl_safe(msr, seen);
		wrmsrl_safe(msr, before);
	}
	local_irq_restore(flags);
	return written && *seen == value && value != before;
}
EXPORT_SYMBOL_GPL(attack_msr_keeps);

bool attack_read_only(const void *address)
{
	unsigned int level;
	pte_t *entry = lookup_address((unsigned long)address, &level);

	return entry && !(pte_val(*entry) & _PAGE_RW);
}
EXPORT_SYMBOL_GPL(attack_read_only);

void attack_wait(void)
{
	const unsigned int starts = 20, cpuids = 80, pause_ms = 50;

	for (unsigned int start = 0; start < starts; start++) {
		msleep(pause_ms);
		for (unsigned int i = 0; i < cpuids; i++)
			cpuid_eax(0);
	}
}
EXPORT_SYMBOL_GPL(attack_wait);

static void judge(const struct attack *attack, const char *how)
{
	const char *verdict = "refused";

	running = NULL;
	if (attack->effect()) {
		verdict = "succeeded";
		if (attack->undo)
			attack->undo();
	} else if (attack->possible && !attack->possible() && !attack_under_secpod()) {
		verdict = "impossible";
	}
	pr_alert("ATTACK: %s %s %s%s\n", attack->name, verdict, how, detail);
}

int attack_run(const struct attack *attack)
{
	int result;

	detail[0] = '\0';
	pr_alert("ATTACK: %s begins %s\n", attack->name, attack->rules);
	running = attack;
	result = attack->attempt();
	if (result == -EOPNOTSUPP) {
		running = NULL;
		pr_alert("ATTACK: %s impossible %s\n", attack->name, detail);
		return -ECANCELED;
	}
	if (result) {
		running = NULL;
		pr_alert("ATTACK: %s broken not prepared: error %d %s\n", attack->name, result,
			 detail);
		return -ECANCELED;
	}
	judge(attack, "");
	/* The module has done its work and is not wanted any longer. */
	return -ECANCELED;
}
EXPORT_SYMBOL_GPL(attack_run);

/* Written by the runner when an attack's process is gone. */
static int check(const char *value, const struct kernel_param *parameter)
{
	(void)value;
	(void)parameter;
	if (running)
		judge(running, "its thread was killed; ");
	return 0;
}

static const struct kernel_param_ops check_ops = {.set = check};
module_param_cb(check, &check_ops, NULL, 0200);

static int __init secpod_attack_init(void)
{
	return 0;
}
module_init(secpod_attack_init);

MODULE_DESCRIPTION("What stays while attacks on the kernel's protections come and go, for tests");
MODULE_LICENSE("Dual MIT/GPL");
