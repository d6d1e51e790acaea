/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Writes constants of the kernel, an entry of the system call table and a structure of operations, through other
 * mappings than their own: in the direct map, in one that the kernel makes, in one of the lower half that is the
 * kernel's, as Linux has for patches, and in a user's. /dev/mem: devmem_rodata.
 */
#include "attack.h"
#include "overwrite.h"

#include <linux/fs.h>
#include <linux/uaccess.h>
#include <asm/unistd.h>

#define WAYS 8

static unsigned int done;

static bool overwrite_user(u64 *to, const u64 *word)
{
	const u64 original = READ_ONCE(*word);

	(void)put_user(~original, (u64 __user *)to);
	if (READ_ONCE(*word) == original)
		return false;
	(void)put_user(original, (u64 __user *)to);
	return true;
}

static bool overwrite_lower(u64 *word, u64 rights)
{
	const u64 page = attack_physical(word) & PAGE_MASK;
	u64 *table = attack_page(0), *to = (u64 *)(ATTACK_USER_AREA + offset_in_page(word));
	bool written = false;

	if (table && attack_link_user(table) && attack_store(table, page | rights))
		written = rights & _PAGE_USER ? overwrite_user(to, word) : overwrite(to, word);
	attack_link_user(NULL);
	return written;
}

static void attempt_at(u64 *word)
{
	done += overwrite_direct(word);
	done += overwrite_alias(word);
	done += overwrite_lower(word, ATTACK_DATA);
	done += overwrite_lower(word, ATTACK_USER);
}

static int attempt(void)
{
	u64 *calls = (u64 *)attack_symbol("sys_call_table");
	struct file_operations *operations = (void *)attack_symbol("null_fops");

	if (!calls || !operations)
		return -ENOENT;
	/* Neither is used meanwhile. */
	attempt_at(&calls[__NR_tuxcall]);
	attempt_at((u64 *)&operations->check_flags);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways", done, WAYS);
	return attack_tries(done, WAYS);
}

static const struct attack rodata_alias = {
	"rodata_alias", "code-store,user-map,direct-map", NULL, attempt, effect, NULL};
ATTACK_MODULE(rodata_alias);
