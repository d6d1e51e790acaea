/* SPDX-License-Identifier: MIT */
#include "vmx/cr3_targets.h"

#include "vmm/x86.h"
#include "vmx/vmcs.h"

void cr3_targets_init(struct cr3_targets *targets, uint64_t vmx_misc)
{
	uint32_t limit =
		(uint32_t)(vmx_misc >> VMX_MISC_CR3_TARGETS_SHIFT & VMX_MISC_CR3_TARGETS_MASK);

	*targets = (struct cr3_targets){.limit = limit < CR3_TARGETS_MAX ? limit : CR3_TARGETS_MAX};
}

bool cr3_targets_add(struct cr3_targets *targets, uint64_t operand)
{
	for (uint32_t i = 0; i < targets->count; i++) {
		if (targets->value[i] == operand)
			return false;
	}
	if (!targets->limit)
		return false;
	if (targets->count < targets->limit) {
		targets->value[targets->count++] = operand;
		return true;
	}
	targets->value[targets->next] = operand;
	targets->next = (targets->next + 1) % targets->limit;
	return true;
}

bool cr3_targets_purge(struct cr3_targets *targets, uint64_t root)
{
	const struct cr3_targets before = *targets;

	targets->count = 0;
	targets->next = 0;
	for (uint32_t i = 0; i < before.count; i++) {
		/* Oldest first: the order in which they will give way. */
		uint64_t value = before.value[(before.next + i) % before.count];

		if ((value & CR3_ROOT) != root)
			targets->value[targets->count++] = value;
	}
	return targets->count != before.count;
}

bool cr3_targets_clear(struct cr3_targets *targets)
{
	bool changed = targets->count != 0;

	targets->count = 0;
	targets->next = 0;
	return changed;
}
