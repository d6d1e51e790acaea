/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reads secure memory through a mapping of its own. What has nothing behind it reads as all ones. */
#include "attack.h"
#include "attack_tables.h"

static u64 seen = ~0ull;
static u64 where;

static int look_at(u64 physical)
{
	const volatile u64 *page = attack_map(physical, PAGE_KERNEL);

	/* Under SecPod that is where it may end. */
	if (!page)
		return attack_under_secpod() ? 0 : -ENOMEM;
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(*page) && seen == ~0ull; i++) {
		seen = page[i];
		where = physical + i * sizeof(*page);
	}
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

static const struct attack secure_read = {
	"secure_read", "secure-space,page-table-secure", NULL, attempt, effect, NULL};
ATTACK_MODULE(secure_read);
