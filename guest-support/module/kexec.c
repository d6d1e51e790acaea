// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The kernel that kexec starts is entered by page tables made for it, which SecPod refuses: when devices are shut
 * down and no other CPU runs. So it is refused before anything is done. The system calls that load a kernel return an
 * error, and so does the start of one that was loaded before this module.
 */
#include <linux/errno.h>
#include <linux/ftrace.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/version.h>

#include "secpod.h"

static bool kexec;
module_param(kexec, bool, 0444);
MODULE_PARM_DESC(kexec, "let a kernel be loaded by kexec, which cannot be started (default no)");

/* In the place of the functions below, which all return an error in the same register. */
static long refuse(void)
{
	pr_warn_ratelimited("secpod: no kexec under SecPod\n");
	return -EPERM;
}

static void divert(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
		   struct ftrace_regs *fregs)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	ftrace_regs_set_instruction_pointer(fregs, (unsigned long)refuse);
#else
	ftrace_instruction_pointer_set(fregs, (unsigned long)refuse);
#endif
}

static struct ftrace_ops ops = {.func = divert, .flags = FTRACE_OPS_FL_IPMODIFY};
static bool set;

/* Those that this kernel has: it may be built without some of them. */
static unsigned int name_functions(void)
{
	static char *const functions[] = {
		"__x64_sys_kexec_load",
		"__x64_sys_kexec_file_load",
		"__ia32_compat_sys_kexec_load",
		"kernel_kexec",
	};
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
		count += !ftrace_set_filter(&ops, functions[i], strlen(functions[i]), 0);
	return count;
}

int kexec_start(void)
{
	/* Without a name the hook would be at every function. */
	int error = kexec || !name_functions() ? -ENOENT : register_ftrace_function(&ops);

	set = !error;
	if (error && error != -ENOENT)
		pr_warn("secpod: kexec is not refused (error %d): see kernel.kexec_load_disabled\n",
			error);
	return 0;
}

void kexec_stop(void)
{
	if (set)
		unregister_ftrace_function(&ops);
	ftrace_free_filter(&ops);
}
