/* SPDX-License-Identifier: MIT */
/*
 * The profile of the kernel that runs: from the file at ACTIVATE, or from the guest between ACTIVE and LOCKED. Whichever is
 * first holds for good: text->lock decides.
 */
#include <errno.h>
#include <string.h>

#include "secpod/paging/internal.h"
#include "vmm/guest_mem.h"

/* Of the image, which lies in one piece. */
static int read_image(void *context, uint64_t offset, void *to, uint64_t len)
{
	const struct paging *paging = context;

	return range_ok(offset, len, paging->image.end - paging->image.begin)
		       ? guest_read(paging->image_gpa + offset, to, len)
		       : -EFAULT;
}

static bool choose(struct paging *paging, const struct code_profiles *profiles,
		   struct code_profile *profile)
{
	return code_profiles_choose(profiles, read_image, paging, paging->image.begin,
				    paging->image.end - paging->image.begin, profile);
}

void profile_activate(struct paging *paging)
{
	struct code_profile profile;

	if (!paging->profiled || paging->profile_room)
		return;
	(void)choose(paging, &paging->profiles, &profile);
	/* Nothing is patched under our eyes before. */
	(void)text_use_profile(&paging->text, &profile, NULL, NULL);
}

static bool is_decided(const struct paging *paging)
{
	return __atomic_load_n(&paging->text.profiled, __ATOMIC_ACQUIRE);
}

bool paging_is_profiled(const struct paging *paging)
{
	return __atomic_load_n(&paging->active, __ATOMIC_ACQUIRE) && is_decided(paging);
}

uint32_t paging_profile_places(const struct paging *paging)
{
	return paging_is_profiled(paging) ? paging->text.profile.sites : 0;
}

bool paging_wants_profile(const struct paging *paging)
{
	return paging->profile_room && !is_decided(paging);
}

/* The list first, then what it leads to: each byte is read once. */
static int copy(struct paging *paging, struct paging_cpu *cpu, uint64_t list, uint64_t bytes)
{
	const uint64_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
	uint64_t *page = cpu->code;
	int error = guest_read(list, page, pages * sizeof(*page));

	for (uint64_t i = 0; !error && i < pages; i++) {
		const uint64_t rest = bytes - i * PAGE_SIZE;

		error = page[i] & ~PAGE_MASK
				? -EINVAL
				: guest_read(page[i], paging->profile_room + i * PAGE_SIZE,
					     rest < PAGE_SIZE ? rest : PAGE_SIZE);
	}
	return error;
}

static int take(struct paging *paging, struct paging_cpu *cpu, uint64_t list, uint64_t bytes,
		const struct text_code *code, text_refuse refuse)
{
	struct code_profiles profiles;
	struct code_profile profile;
	int error = is_decided(paging) ? -EPERM : copy(paging, cpu, list, bytes);

	if (!error)
		error = code_profiles_open(&profiles, paging->profile_room, bytes);
	if (error)
		return error;
	if (!choose(paging, &profiles, &profile))
		return -ENOENT;
	return text_use_profile(&paging->text, &profile, code, refuse);
}

int paging_take_profile(struct paging *paging, struct paging_cpu *cpu, uint64_t list,
			uint64_t bytes, const struct text_code *code, text_refuse refuse)
{
	int error;

	if (!paging->profile_room)
		return -EPERM;
	if (!bytes || bytes > CODE_PROFILE_ROOM)
		return -EINVAL;
	if (__atomic_exchange_n(&paging->profile_busy, true, __ATOMIC_ACQUIRE))
		return -EBUSY;
	error = take(paging, cpu, list, bytes, code, refuse);
	__atomic_store_n(&paging->profile_busy, false, __ATOMIC_RELEASE);
	return error;
}

bool paging_end_profile(struct paging *paging)
{
	const struct code_profile none = {
		.begin = paging->image.begin,
		.bytes = paging->image.end - paging->image.begin,
	};

	return paging->profile_room && paging->active &&
	       !text_use_profile(&paging->text, &none, NULL, NULL);
}
