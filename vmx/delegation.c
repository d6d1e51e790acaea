/* SPDX-License-Identifier: MIT */
#include "vmx/delegation.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "secpod/rules.h"
#include "secpod/text/text_lines.h"
#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/log.h"
#include "vmx/audit.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/launch.h"
#include "vmx/state.h"

#define USER_HALF_ENTRIES 256u
#define CPU_PAGES ((sizeof(struct paging_cpu) + PAGE_SIZE - 1) / PAGE_SIZE)

/* Roots with supervisor tables in the lower half, seen before ACTIVE; the last ones of that kind. */
#define NOTED_MAX 16u
static struct {
	struct spinlock lock;
	uint64_t root[NOTED_MAX];
	uint32_t count;
	uint32_t next;
} noted;

/* Asked for by the configuration: then there is a frame table. */
static bool wanted(void)
{
	return vmx.paging.frames.count != 0;
}

static bool refuse(void *context, uint8_t rule, uint64_t slot, uint64_t old, uint64_t next)
{
	(void)context;
	return audit_refuse(this_vcpu(), rule, slot, next, old, rule_of(rule)->mandatory != NULL);
}

static void flush(void *context)
{
	(void)context;
	vmx_flush_ept();
}

/* A CPU that waits for its start has no roots. */
static bool has_trimmed(const struct vcpu *vcpu, uint64_t trims)
{
	return !vcpu->delegating || vcpu->waiting_for_sipi ||
	       __atomic_load_n(&vcpu->root_trims, __ATOMIC_ACQUIRE) >= trims;
}

/* Each CPU passes delegation_sync() before it enters the guest with the new generation. */
static bool trim_roots(void *context)
{
	const uint64_t trims = __atomic_add_fetch(&vmx.root_trims, 1u, __ATOMIC_SEQ_CST);
	bool all = true;

	(void)context;
	delegation_sync(this_vcpu());
	vmx_flush_ept();
	for (uint32_t i = 0; i < vmx.handoff->cpu_count; i++)
		all = has_trimmed(vmx.vcpu[i], trims) && all;
	return all;
}

static void trim_own(void *context)
{
	(void)context;
	delegation_trim(this_vcpu());
}

/* Without one all that would have to be on it is refused. */
static void open_list(struct code_list *list)
{
	const struct secpod_handoff *handoff = vmx.handoff;
	const struct secpod_file_place *file = &handoff->file[SECPOD_FILE_LIST];

	*list = (struct code_list){0};
	if (!handoff->config.listed)
		return;
	if (file->size && code_list_open(list, (const void *)(uintptr_t)file->base, file->size))
		log_error("the list of code is malformed");
	log_info("%" PRIu32 " pages may become code by the list", list->pages);
}

/* The same: without a profile all patches are refused. Result: 0, -ENOMEM: no room for what the guest hands over. */
static int open_profiles(struct paging_config *config)
{
	const struct secpod_file_place *file = &vmx.handoff->file[SECPOD_FILE_PROFILE];
	const uint32_t flags = vmx.handoff->config.flags;

	config->profiled = flags & SECPOD_CFG_PROFILE;
	if (flags & SECPOD_CFG_PROFILE_REQUEST) {
		config->profile_room =
			page_pool_alloc_contiguous(vmx.pool, CODE_PROFILE_ROOM >> PAGE_SHIFT, 1);
		return config->profile_room ? 0 : -ENOMEM;
	}
	if (file->size &&
	    code_profiles_open(&config->profiles, (const void *)(uintptr_t)file->base, file->size))
		log_error("the profile of kernels is malformed");
	return 0;
}

int delegation_init(void)
{
	const struct secpod_handoff *handoff = vmx.handoff;
	const struct paging_ops ops = {refuse, flush, trim_roots, trim_own, NULL};
	struct paging_config config = {
		.ram_top = handoff->ram_top,
		.secure_base = handoff->region_base,
		.secure_size = handoff->region_size,
		.physical_bits = vmx.physical_bits,
		.pages_1g = guest_has_1g_pages(),
		.range = handoff->range,
		.range_count = handoff->range_count,
		.listed = handoff->config.listed,
	};
	int error;

	open_list(&config.code_list);
	error = open_profiles(&config);
	if (error)
		return error;
	error = paging_init(&vmx.paging, vmx.pool, &vmx.ept, &config, &ops);
	for (uint32_t i = 0; !error && i < handoff->cpu_count; i++) {
		vmx.vcpu[i]->paging = page_pool_alloc_contiguous(vmx.pool, CPU_PAGES, 1);
		if (!vmx.vcpu[i]->paging)
			return -ENOMEM;
		paging_cpu_init(vmx.vcpu[i]->paging);
	}
	return error;
}

static bool has_supervisor_tables(uint64_t root)
{
	uint64_t entry[USER_HALF_ENTRIES];

	if (guest_read(root, entry, sizeof(entry)))
		return false;
	for (uint32_t i = 0; i < USER_HALF_ENTRIES; i++) {
		if ((entry[i] & PTE_P) && !(entry[i] & PTE_US))
			return true;
	}
	return false;
}

void delegation_note_root(uint64_t root)
{
	if (!wanted() || !has_supervisor_tables(root))
		return;
	spin_lock(&noted.lock);
	for (uint32_t i = 0; i < noted.count; i++) {
		if (noted.root[i] == root)
			goto out;
	}
	noted.root[noted.next] = root;
	noted.next = (noted.next + 1) % NOTED_MAX;
	if (noted.count < NOTED_MAX)
		noted.count++;
out:
	spin_unlock(&noted.lock);
}

void delegation_tell_profile(void)
{
	const struct code_profile *profile = &vmx.paging.text.profile;
	struct secpod_record record = audit_from(this_vcpu());
	char digest[2 * SHA256_BYTES + 1];

	if (!profile->sites)
		log_error(
			"no profile is that of this kernel: policy.code-profile answers each patch");
	for (uint32_t i = 0; i < SHA256_BYTES; i++)
		(void)snprintf(digest + 2 * i, 3, "%02x", profile->digest[i]);
	log_info("profile of the kernel: %" PRIu32 " places, SHA-256 %s", profile->sites, digest);
	record.rule = SECPOD_RULE_CODE_PROFILE;
	record.answer = SECPOD_ANSWER_LOG;
	record.detail[3] = sha256_first(profile->digest);
	audit_log_record(&vmx.audit, &record);
}

int delegation_activate(void *context)
{
	uint64_t root[1 + NOTED_MAX] = {vmread(VMCS_GUEST_CR3) & PTE_ADDR};
	uint32_t count = 1;
	const char *failed;
	int error;

	(void)context;
	if (!wanted())
		return 0;
	spin_lock(&noted.lock);
	for (uint32_t i = 0; i < noted.count; i++)
		root[count++] = noted.root[i];
	spin_unlock(&noted.lock);
	error = paging_activate(&vmx.paging, this_vcpu()->paging, root, count, &failed);
	if (error) {
		/* What else LOCKED protects is not given up for it. */
		log_error("paging delegation is off: %s failed (error %d)", failed, -error);
		return 0;
	}
	if (paging_wants_profile(&vmx.paging))
		log_info("the guest may hand over the profile of its kernel until LOCKED");
	else if (vmx.paging.profiled)
		delegation_tell_profile();
	__atomic_store_n(&vmx.delegating, true, __ATOMIC_RELEASE);
	delegation_sync(this_vcpu());
	/* The others: before they enter the guest again. */
	vmx_flush_ept();
	log_info("page tables are read-only: %" PRIu64
		 " of them; data is %s by mode-based execute control",
		 vmx.paging.infos.used,
		 vmx.paging.mbec ? "kept from being executed" : "not guarded");
	return 0;
}

int delegation_lock(void *context)
{
	const int error = vmx.delegating ? paging_lock(&vmx.paging) : 0;

	(void)context;
	if (error)
		log_error("not locked: the page tables are not as LOCKED asks (error %d)", -error);
	return error;
}

static void print_info(const char *line)
{
	log_info("%s", line);
}

int delegation_end_text(void *context)
{
	(void)context;
	if (paging_end_profile(&vmx.paging))
		delegation_tell_profile();
	text_tell(&vmx.paging.text, text_site_after, print_info);
	return 0;
}

static void purge_targets(struct vcpu *vcpu, uint64_t root)
{
	if (root != PAGING_NO_ROOT && cr3_targets_purge(&vcpu->cr3_targets, root))
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
}

/*
 * What is in CR3 becomes one of the CPU's roots, or the first of them. Again and again while another CPU
 * is at the same tables, which does not wait for this one.
 */
static int load_present(struct vcpu *vcpu)
{
	uint64_t evicted = PAGING_NO_ROOT;
	int error;

	/* delegation_paging_on() will ask. */
	if (!(vmread(VMCS_GUEST_CR0) & CR0_PG))
		return 0;
	/* Other kinds of paging have other tables. */
	if (!(vmread(VMCS_GUEST_EFER) & EFER_LMA))
		return -EINVAL;
	do {
		error = paging_root_load(&vmx.paging, vcpu->paging,
					 vmread(VMCS_GUEST_CR3) & PTE_ADDR, &evicted);
		purge_targets(vcpu, evicted);
	} while (error == -EAGAIN);
	return error;
}

static void forget_other_roots(struct vcpu *vcpu)
{
	paging_roots_trim(&vmx.paging, vcpu->paging);
	if (cr3_targets_clear(&vcpu->cr3_targets))
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
}

void delegation_trim(struct vcpu *vcpu)
{
	const int error = load_present(vcpu);

	if (error) {
		/* Only at ACTIVE. It cannot run on, and the others cannot run as before. */
		log_error("the page tables that CPU %" PRIu32 " runs on (CR3 %#" PRIx64
			  ") are not those of a Linux this version knows (error %d)",
			  vcpu->cpu->index, vmread(VMCS_GUEST_CR3), -error);
		exit_triple_fault(vcpu);
	}
	forget_other_roots(vcpu);
}

void delegation_sync(struct vcpu *vcpu)
{
	const uint64_t trims = __atomic_load_n(&vmx.root_trims, __ATOMIC_SEQ_CST);

	if (!__atomic_load_n(&vmx.delegating, __ATOMIC_ACQUIRE) ||
	    (vcpu->delegating && vcpu->root_trims == trims))
		return;
	if (!vcpu->delegating) {
		vcpu->delegating = true;
		cr3_targets_clear(&vcpu->cr3_targets);
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
		vcpu->controls.proc |= PROC_CR3_LOAD_EXITING;
		vmwrite(VMCS_PROC_CONTROLS, vcpu->controls.proc);
	}
	delegation_trim(vcpu);
	__atomic_store_n(&vcpu->root_trims, trims, __ATOMIC_RELEASE);
}

void delegation_reset(struct vcpu *vcpu)
{
	if (!vcpu->delegating)
		return;
	paging_roots_forget(&vmx.paging, vcpu->paging);
	if (cr3_targets_clear(&vcpu->cr3_targets))
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
}

int delegation_paging_on(struct vcpu *vcpu, uint64_t efer)
{
	const uint64_t cr3 = vmread(VMCS_GUEST_CR3);

	if (efer & EFER_LMA)
		return delegation_load(vcpu, cr3);
	/* Tables of another kind cannot be judged. */
	(void)refuse(NULL, SECPOD_RULE_PT_ROOT, cr3, 0, cr3);
	return -EPERM;
}

/* The operand, and with process-context identifiers the same without invalidation. */
static void add_targets(struct vcpu *vcpu, uint64_t operand)
{
	bool changed = cr3_targets_add(&vcpu->cr3_targets, operand);

	if (vmread(VMCS_GUEST_CR4) & CR4_PCIDE)
		changed |= cr3_targets_add(&vcpu->cr3_targets, operand ^ CR3_NOFLUSH);
	if (changed)
		vmcs_write_cr3_targets(&vcpu->cr3_targets);
}

int delegation_load(struct vcpu *vcpu, uint64_t operand)
{
	uint64_t evicted;
	int error = paging_root_load(&vmx.paging, vcpu->paging, operand & PTE_ADDR, &evicted);

	purge_targets(vcpu, evicted);
	if (error == -ENOMEM)
		log_error("no memory left for the metadata of page tables");
	if (error)
		return error == -EAGAIN ? error : -EPERM;
	add_targets(vcpu, operand);
	return 0;
}

static bool delegating(void)
{
	return __atomic_load_n(&vmx.delegating, __ATOMIC_ACQUIRE);
}

int delegation_protect(uint64_t gpa)
{
	int result;

	/* Of a kind of its own: not to become, and cease to be, a page table. */
	if (delegating())
		return paging_make_constant(&vmx.paging, gpa >> PAGE_SHIFT);
	result = ept_protect(&vmx.ept, gpa, PAGE_SIZE, EPT_READ);
	return result < 0 ? result : 0;
}

void delegation_unprotect(uint64_t gpa)
{
	if (delegating())
		(void)paging_free_constant(&vmx.paging, this_vcpu()->paging, gpa >> PAGE_SHIFT);
	else
		(void)ept_protect(&vmx.ept, gpa, PAGE_SIZE, vmx.ept.ordinary);
}

int delegation_settle(struct vcpu *vcpu, uint64_t gpa)
{
	int error;

	/* When ACTIVATE has failed for want of memory, a page may not be the guest's to write again, either. */
	if (!wanted())
		return -ENOENT;
	if (gpa >> PAGE_SHIFT >= vmx.paging.frames.count)
		return -EFAULT;
	error = paging_settle(&vmx.paging, vcpu->paging, gpa >> PAGE_SHIFT);
	return error == -EFAULT || error == -ENOMEM ? error : 0;
}

/* Ordinary memory, and to stay that until frame_release(). */
static int hold(uint64_t frame)
{
	const uint32_t tries = 1u << 16;

	for (uint32_t i = 0; i < tries; i++) {
		int error = frame_hold(&vmx.paging.frames, frame);

		if (!error)
			return 0;
		/* A page table no longer, perhaps. */
		if (error == -EPERM && (!frame_is_table(frame_type(&vmx.paging.frames, frame)) ||
					paging_settle(&vmx.paging, this_vcpu()->paging, frame)))
			return error;
		cpu_relax();
	}
	return -EBUSY;
}

int delegation_write(uint64_t gpa, const void *from, uint64_t len)
{
	const uint8_t *bytes = from;

	if (!guest_range_ok(gpa, len))
		return -EFAULT;
	while (len) {
		const uint64_t rest = PAGE_SIZE - (gpa & ~PAGE_MASK);
		const uint64_t step = len < rest ? len : rest;
		int error;

		if (vmx.idt_frame && (gpa & PAGE_MASK) == vmx.idt_frame)
			return -EFAULT;
		if (wanted() && hold(gpa >> PAGE_SHIFT))
			return -EFAULT;
		error = guest_write(gpa, bytes, step);
		if (wanted())
			frame_release(&vmx.paging.frames, gpa >> PAGE_SHIFT);
		if (error)
			return error;
		bytes += step;
		gpa += step;
		len -= step;
	}
	return 0;
}
