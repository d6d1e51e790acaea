/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reads secure memory through ioremap(). What has nothing behind it reads as all ones. */
#include "attack.h"

#include <linux/io.h>

static u64 seen = ~0ull;
static u64 where;

static int look_at(u64 physical)
{
	void __iomem *page = ioremap(physical, PAGE_SIZE);

	if (!page)
		return -ENOMEM;
	for (unsigned int offset = 0; offset < PAGE_SIZE && seen == ~0ull; offset += sizeof(u64)) {
		seen = readq(page + offset);
		where = physical + offset;
	}
	iounmap(page);
	return 0;
}

static int attempt(void)
{
	u64 base, size;
	int result = attack_secure_space(&base, &size);

	/* First, middle and last page. */
	if (!result)
		result = look_at(base);
	if (!result)
		result = look_at(base + (size / 2 & PAGE_MASK));
	if (!result)
		result = look_at(base + size - PAGE_SIZE);
	return result;
}

static bool effect(void)
{
	attack_detail("0x%llx at 0x%llx", seen, where);
	return seen != ~0ull;
}

static const struct attack secure_read = {"secure_read", "secure-space", NULL,
					  attempt,	 effect,	 NULL};
ATTACK_MODULE(secure_read);
