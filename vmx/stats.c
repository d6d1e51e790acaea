/* SPDX-License-Identifier: MIT */
/* Counters for tests and benches, read through CPUID when the configuration allows it. */
#include "guest-support/include/secpod_abi.h"
#include "vmx/exit.h"
#include "vmx/state.h"

_Static_assert(SECPOD_STAT_EXIT_REASONS == EXIT_REASON_COUNT, "secpod_abi.h shows every reason");

static uint64_t sum_exits(uint32_t first, uint32_t last)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < vmx.handoff->cpu_count; cpu++) {
		for (uint32_t reason = first; reason <= last; reason++)
			sum += vmx.vcpu[cpu]->exits[reason];
	}
	return sum;
}

static uint64_t sum_of(uint64_t (*value)(const struct vcpu *vcpu))
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < vmx.handoff->cpu_count; cpu++)
		sum += value(vmx.vcpu[cpu]);
	return sum;
}

static uint64_t sum_ticks(uint32_t reason)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < vmx.handoff->cpu_count; cpu++)
		sum += vmx.vcpu[cpu]->reason_tsc[reason];
	return sum;
}

static uint64_t root_tsc(const struct vcpu *vcpu)
{
	return vcpu->root_tsc;
}

static uint64_t nmi_count(const struct vcpu *vcpu)
{
	return vcpu->nmi_count;
}

static uint64_t text_exits(const struct vcpu *vcpu)
{
	return vcpu->text_exits;
}

static uint64_t text_tsc(const struct vcpu *vcpu)
{
	return vcpu->text_tsc;
}

static uint64_t ram_bytes(bool only_4k)
{
	const struct secpod_handoff *handoff = vmx.handoff;
	struct ept_leaf leaf;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const struct secpod_range *range = &handoff->range[i];
		uint64_t end = range->base + range->size;

		if (range->kind != SECPOD_RANGE_RAM)
			continue;
		for (uint64_t gpa = range->base; gpa < end; gpa = leaf.gpa + leaf.size) {
			uint64_t stop;

			if (ept_lookup(&vmx.ept, gpa, &leaf))
				break;
			stop = leaf.gpa + leaf.size < end ? leaf.gpa + leaf.size : end;
			if (!only_4k || leaf.size == SIZE_4K)
				bytes += stop - gpa;
		}
	}
	return bytes;
}

/* In 2 MiB that the guest's rights keep from being one page. */
static uint64_t mixed_bytes(void)
{
	const struct secpod_handoff *handoff = vmx.handoff;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < handoff->range_count; i++) {
		const struct secpod_range *range = &handoff->range[i];
		const uint64_t end = range->base + range->size;
		uint64_t next;

		for (uint64_t gpa = range->base; gpa < end; gpa = next) {
			next = (gpa & ~(SIZE_2M - 1)) + SIZE_2M;
			next = next < end ? next : end;
			if (range->kind == SECPOD_RANGE_RAM &&
			    paging_is_mixed(&vmx.paging, gpa >> PAGE_SHIFT))
				bytes += next - gpa;
		}
	}
	return bytes;
}

static bool exit_counter(uint32_t index, uint64_t *value)
{
	uint32_t cpu = (index - SECPOD_STAT_CPU_EXIT_REASON) >> 8;
	uint32_t reason = index & 0xffu;

	if (index >= SECPOD_STAT_CPU_EXIT_REASON) {
		if (cpu >= vmx.handoff->cpu_count || reason >= EXIT_REASON_COUNT)
			return false;
		*value = vmx.vcpu[cpu]->exits[reason];
		return true;
	}
	reason = index - SECPOD_STAT_EXIT_TSC;
	if (index >= SECPOD_STAT_EXIT_TSC && reason < EXIT_REASON_COUNT) {
		*value = sum_ticks(reason);
		return true;
	}
	reason = index - SECPOD_STAT_EXIT_REASON;
	if (index < SECPOD_STAT_EXIT_REASON || reason >= EXIT_REASON_COUNT)
		return false;
	*value = sum_exits(reason, reason);
	return true;
}

_Static_assert(SECPOD_FRAME_L1 == FRAME_L1 && SECPOD_FRAME_L4 == FRAME_L4 &&
		       SECPOD_FRAME_CODE == FRAME_CODE && SECPOD_FRAME_CODE_DYN == FRAME_CODE_DYN &&
		       SECPOD_FRAME_RODATA == FRAME_RODATA && SECPOD_FRAME_TRAMP == FRAME_TRAMP &&
		       SECPOD_FRAME_EFI_RT == FRAME_EFI_RT && SECPOD_FRAME_SECURE == FRAME_SECURE,
	       "secpod_abi.h has the frame table's numbers");

static bool paging_counter(uint32_t index, uint64_t *value)
{
	const struct paging *paging = &vmx.paging;
	const uint64_t *const counter[] = {
		[SECPOD_STAT_TABLES_PENDING] = &paging->retired_count,
		[SECPOD_STAT_TABLES_PROMOTED] = &paging->stats.promoted,
		[SECPOD_STAT_TABLES_RELEASED] = &paging->stats.released,
		[SECPOD_STAT_PT_STORES] = &paging->stats.stores,
		[SECPOD_STAT_PT_FLAGS] = &paging->stats.flag_updates,
		[SECPOD_STAT_PT_REFUSED] = &paging->stats.refused,
		[SECPOD_STAT_PT_FLUSHES] = &paging->stats.flushes,
		[SECPOD_STAT_PT_ENTRIES] = &paging->stats.entries,
	};
	const uint32_t kind = index - SECPOD_STAT_FRAMES;

	if (index > SECPOD_STAT_FRAMES && kind < SECPOD_FRAME_KINDS) {
		*value = paging->frames.of_type[kind];
		return true;
	}
	if (index < SECPOD_STAT_TABLES_PENDING || index > SECPOD_STAT_PT_ENTRIES)
		return false;
	*value = *counter[index];
	return true;
}

bool stats_read(uint32_t index, uint64_t *value)
{
	const struct ept_counts *counts = &vmx.ept.counts;

	switch (index) {
	case SECPOD_STAT_CPUS:
		*value = vmx.handoff->cpu_count;
		return true;
	case SECPOD_STAT_LAUNCH_TSC:
		*value = vmx.launch_tsc;
		return true;
	case SECPOD_STAT_ROOT_TSC:
		*value = sum_of(root_tsc);
		return true;
	case SECPOD_STAT_EXITS:
		*value = sum_exits(0, EXIT_REASON_COUNT);
		return true;
	case SECPOD_STAT_EPT_4K:
		*value = counts->pages_4k;
		return true;
	case SECPOD_STAT_EPT_2M:
		*value = counts->pages_2m;
		return true;
	case SECPOD_STAT_EPT_1G:
		*value = counts->pages_1g;
		return true;
	case SECPOD_STAT_EPT_TABLES:
		*value = counts->tables;
		return true;
	case SECPOD_STAT_FLUSH_REQUESTS:
		*value = vmx.flush.requests;
		return true;
	case SECPOD_STAT_FLUSH_KICKS:
		*value = vmx.flush.kicks;
		return true;
	case SECPOD_STAT_REGION_BASE:
		*value = vmx.secure.base;
		return true;
	case SECPOD_STAT_REGION_SIZE:
		*value = vmx.secure.size;
		return true;
	case SECPOD_STAT_IMAGE_SIZE:
		*value = vmx.handoff->image_size;
		return true;
	case SECPOD_STAT_POOL_FREE:
		*value = vmx.pool->free_count;
		return true;
	case SECPOD_STAT_RAM:
		*value = ram_bytes(false);
		return true;
	case SECPOD_STAT_RAM_4K:
		*value = ram_bytes(true);
		return true;
	case SECPOD_STAT_NMI_QUEUED:
		*value = sum_of(nmi_count);
		return true;
	case SECPOD_STAT_TEXT_STORES:
		*value = vmx.paging.text.stats.patches;
		return true;
	case SECPOD_STAT_TEXT_EXITS:
		*value = sum_of(text_exits);
		return true;
	case SECPOD_STAT_TEXT_TSC:
		*value = sum_of(text_tsc);
		return true;
	case SECPOD_STAT_MEASURED:
		*value = vmx.paging.text.stats.measured;
		return true;
	case SECPOD_STAT_MEASURE_TSC:
		*value = vmx.paging.stats.measuring;
		return true;
	case SECPOD_STAT_RAM_MIXED:
		/* Without paging delegation there is no frame table. */
		*value = vmx.paging.frames.count ? mixed_bytes() : 0;
		return true;
	case SECPOD_STAT_PAGING:
		*value = paging_bytes(&vmx.paging) + counts->tables * PAGE_SIZE;
		return true;
	default:
		return paging_counter(index, value) || exit_counter(index, value);
	}
}
