/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The module that is on no list of code; see tests/attacks/module_unlisted.c. */
#include <linux/module.h>

static int ran;
module_param(ran, int, 0444);

static int __init unlisted_init(void)
{
	ran = 1;
	return 0;
}
module_init(unlisted_init);

static void __exit unlisted_exit(void)
{
}
module_exit(unlisted_exit);

MODULE_DESCRIPTION("A module that is not on the list of code, for tests");
MODULE_LICENSE("Dual MIT/GPL");
