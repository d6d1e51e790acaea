// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Tells SecPod whose code is where, when a module comes and before any of it runs: its records say then in which
 * module they were caused. SecPod looks whether it is code of a module at all, and keeps a name until other code comes to its
 * place; it is told, too, when the code is not to run any more, and says so should it run.
 */
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>

#include "secpod.h"

static bool names = true;
module_param(names, bool, 0444);
MODULE_PARM_DESC(names, "tell whose code is where when modules come and go (default yes)");

static bool set;

struct part {
	u64 begin;
	u64 bytes;
};

static struct part code_of(const struct module *module)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return (struct part){(u64)module->mem[MOD_TEXT].base, module->mem[MOD_TEXT].size};
#else
	return (struct part){(u64)module->core_layout.base, module->core_layout.text_size};
#endif
}

/* What is executed once, while the module starts. */
static struct part init_code_of(const struct module *module)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	return (struct part){(u64)module->mem[MOD_INIT_TEXT].base, module->mem[MOD_INIT_TEXT].size};
#else
	return (struct part){(u64)module->init_layout.base, module->init_layout.text_size};
#endif
}

/* In as many calls as it takes. */
static void give_name(struct part part, const char *text)
{
	char *name = kzalloc(SECPOD_CODE_NAME, GFP_KERNEL);
	long error = name ? 0 : -ENOMEM;

	if (name)
		strscpy(name, text, SECPOD_CODE_NAME);
	part.bytes = PAGE_ALIGN(part.bytes);
	while (!error && part.bytes) {
		const u64 bytes = min_t(u64, part.bytes, SECPOD_CODE_BYTES_MAX);

		error = secpod_call(SECPOD_CALL_CODE_OK, part.begin, bytes, virt_to_phys(name), 0);
		part.begin += bytes;
		part.bytes -= bytes;
	}
	kfree(name);
	/* It has one from when we were loaded before. */
	if (error && error != -EBUSY)
		pr_warn_ratelimited("secpod: code of %s has no name (error %ld)\n", text, error);
}

static void say_gone(struct part part)
{
	for (u64 at = 0; at < part.bytes; at += SECPOD_CODE_BYTES_MAX)
		(void)secpod_call(SECPOD_CALL_CODE_GONE, part.begin + at, 0, 0, 0);
}

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	const struct module *module = data;

	switch (state) {
	case MODULE_STATE_COMING:
		give_name(code_of(module), module->name);
		give_name(init_code_of(module), module->name);
		break;
	case MODULE_STATE_LIVE:
		say_gone(init_code_of(module));
		break;
	case MODULE_STATE_GOING:
		/* One whose start has failed still has it. */
		say_gone(init_code_of(module));
		say_gone(code_of(module));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block block = {.notifier_call = on_module};

int names_start(void)
{
	struct secpod_info info;
	int error = secpod_get_info(&info);

	if (error || !names || !(info.features & SECPOD_FEATURE_PAGING))
		return error;
	error = register_module_notifier(&block);
	set = !error;
	/* Our own coming is over for notifiers. */
	if (set)
		on_module(&block, MODULE_STATE_COMING, THIS_MODULE);
	return error;
}

void names_stop(void)
{
	if (!set)
		return;
	unregister_module_notifier(&block);
	say_gone(code_of(THIS_MODULE));
}
