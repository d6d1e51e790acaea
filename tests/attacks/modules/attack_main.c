/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* secpod_attack.ko stays loaded while the attacks come and go; see attack.h. */
#include "attack.h"

#include <linux/fs.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/mman.h>
#include <linux/miscdevice.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "attack_device.h"
#include "attack_program.h"
#include "secpod_abi.h"

#define DETAIL_SIZE 128
#define LOG_ROOM (PAGE_SIZE / sizeof(struct secpod_record))

#define RULE_NAME(id, name, refuses) [SECPOD_RULE_##id] = (name),
static const char *const rule_names[] = {SECPOD_RULES(RULE_NAME)};
static const char *const answer_names[SECPOD_ANSWER_COUNT] = {"off", "log", "deny", "panic"};

/* The attack whose module is loaded, and how its attempt ended: not at all when its thread was killed. */
static const struct attack *loaded;
static bool returned;
static int result;
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

bool attack_tries(unsigned int done, unsigned int tries)
{
	return attack_under_secpod() ? done : done == tries;
}
EXPORT_SYMBOL_GPL(attack_tries);

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

unsigned long attack_cr4(unsigned long set, unsigned long clear)
{
	unsigned long flags, cr4, seen;
	unsigned int fault = 1;

	local_irq_save(flags);
	seen = cr4 = attack_read_cr4();
	asm volatile(ATTACK_TRY("mov %[value], %%cr4")
		     : [fault] "+r"(fault)
		     : [value] "r"((cr4 | set) & ~clear)
		     : "memory", "cc");
	if (!fault) {
		seen = attack_read_cr4();
		attack_write_cr4(cr4);
	}
	local_irq_restore(flags);
	return seen;
}
EXPORT_SYMBOL_GPL(attack_cr4);

int attack_user_page(unsigned long protection, const void *bytes, size_t size, unsigned long *page)
{
	*page = vm_mmap(NULL, 0, PAGE_SIZE, protection | PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, 0);
	if (IS_ERR_VALUE(*page))
		return (int)*page;
	return copy_to_user((void __user *)*page, bytes, size) ? -EFAULT : 0;
}
EXPORT_SYMBOL_GPL(attack_user_page);

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

long attack_hypercall(u32 number, u64 first, u64 second, u64 third, u64 fourth)
{
	long result = SECPOD_HYPERCALL | number;
	register u64 last asm("r10") = fourth;

	asm volatile("vmcall"
		     : "+a"(result), "+d"(third)
		     : "D"(first), "S"(second), "r"(last)
		     : "memory", "cc");
	return result;
}
EXPORT_SYMBOL_GPL(attack_hypercall);

/* The rules on record since the last time, a bit each, by what was done. */
static void recorded_rules(u64 rules[SECPOD_ANSWER_COUNT])
{
	struct secpod_record *records;
	long count;

	if (!attack_under_secpod())
		return;
	records = (struct secpod_record *)get_zeroed_page(GFP_KERNEL);
	if (!records)
		return;
	while ((count = attack_hypercall(SECPOD_CALL_LOG_READ, virt_to_phys(records), LOG_ROOM, 0,
					 0)) > 0)
		for (long i = 0; i < count; i++)
			rules[records[i].answer] |= 1ull << records[i].rule;
	free_page((unsigned long)records);
}

/* The console leaves out lines when there are many; the log is whole. */
static void print_records(const char *name)
{
	u64 rules[SECPOD_ANSWER_COUNT] = {0};

	recorded_rules(rules);
	for (unsigned int answer = 0; answer < ARRAY_SIZE(rules); answer++)
		for (unsigned int rule = 0; rule < ARRAY_SIZE(rule_names); rule++)
			if (rules[answer] & 1ull << rule)
				pr_alert("ATTACK: %s recorded %s %s\n", name, rule_names[rule],
					 answer_names[answer]);
}

static long attempt(void)
{
	u64 before[SECPOD_ANSWER_COUNT] = {0};

	detail[0] = '\0';
	recorded_rules(before);
	pr_alert("ATTACK: %s begins %s\n", loaded->name, loaded->rules);
	result = loaded->attempt();
	returned = true;
	return 0;
}

/* What came of an attempt that was made. */
static const char *verdict(void)
{
	if (loaded->effect()) {
		if (loaded->undo)
			loaded->undo();
		return "succeeded";
	}
	if (loaded->possible && !loaded->possible() && !attack_under_secpod())
		return "impossible";
	return "refused";
}

static long judge(void)
{
	if (returned && result == -EOPNOTSUPP)
		pr_alert("ATTACK: %s impossible %s\n", loaded->name, detail);
	else if (returned && result)
		pr_alert("ATTACK: %s broken not prepared: error %d %s\n", loaded->name, result,
			 detail);
	else {
		const char *word = verdict();

		pr_alert("ATTACK: %s %s %s%s\n", loaded->name, word,
			 returned ? "" : "its thread was killed; ", detail);
	}
	print_records(loaded->name);
	return 0;
}

static long control(struct file *file, unsigned int command, unsigned long argument)
{
	char name[ATTACK_NAME_SIZE];

	(void)file;
	if (command == ATTACK_RECORDS) {
		if (strncpy_from_user(name, (const char __user *)argument, sizeof(name)) < 0)
			return -EFAULT;
		name[sizeof(name) - 1] = '\0';
		print_records(name);
		return 0;
	}
	if (_IOC_NR(command) > _IOC_NR(ATTACK_RECORDS))
		return attack_for_program(command, (struct attack_request __user *)argument);
	if (!loaded)
		return -ENOENT;
	switch (command) {
	case ATTACK_ATTEMPT:
		return attempt();
	case ATTACK_JUDGE:
		return judge();
	default:
		return -ENOTTY;
	}
}

void attack_register(const struct attack *attack)
{
	loaded = attack;
	returned = false;
}
EXPORT_SYMBOL_GPL(attack_register);

void attack_unregister(void)
{
	loaded = NULL;
}
EXPORT_SYMBOL_GPL(attack_unregister);

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = control,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = ATTACK_DEVICE,
	.fops = &operations,
};

static int __init secpod_attack_init(void)
{
	return misc_register(&device);
}
module_init(secpod_attack_init);

MODULE_DESCRIPTION("What stays while attacks on the kernel's protections come and go, for tests");
MODULE_LICENSE("Dual MIT/GPL");
