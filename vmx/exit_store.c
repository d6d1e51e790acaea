/* SPDX-License-Identifier: MIT */
/*
 * Stores to what the guest may only read: page tables, code, constants. SDM: "EPT Violations",
 * "Exit Qualification for EPT Violations".
 */
#include <errno.h>
#include <string.h>

#include "secpod/rules.h"
#include "vmm/guest_mem.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/exit.h"
#include "vmx/exit_text.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/state.h"
#include "vmx/store_emulate.h"

static const struct guest_walk_memory looking = {guest_read, guest_write, NULL};

/* One trapped store. */
struct store_exit {
	struct vcpu *vcpu;
	const struct store_insn *insn;
	uint64_t gva, rip, rflags;
	enum frame_type type;
	bool refused;	  /* by a rule, which is on record */
	bool no_patch;	  /* to code or constants: carried out as far as what it would store */
	bool translating; /* paging is valid */
	struct guest_paging paging; /* see paging_of() */
	struct store_insn decoded;  /* what is in no cache */
};

/* Read only when an address has to be translated. */
static const struct guest_paging *paging_of(struct store_exit *s)
{
	if (!s->translating)
		s->paging = guest_paging(s->vcpu);
	s->translating = true;
	return &s->paging;
}

static uint64_t apply(void *operand, uint64_t old)
{
	return store_change_apply(operand, old);
}

static int update_table(void *context, uint64_t gpa, const struct store_change *change,
			uint64_t *old)
{
	struct store_exit *s = context;
	struct store_change copy = *change;
	int error = paging_store(&vmx.paging, s->vcpu->paging, gpa, apply, &copy, old);

	/*
	 * Linux writes users' entries with locks held, which a fault would leave held for ever: the
	 * entry stays as it is, and it is the user who faults. So does one that would execute code that is refused:
	 * it is who jumps there that faults.
	 */
	if (error == -ENOEXEC || (error == -EPERM && paging_maps_users(&vmx.paging, gpa)))
		return guest_read(gpa, old, sizeof(*old));
	s->refused = error == -EPERM;
	return error;
}

/* A store to code or constants that is no patch. change: what it would have done, NULL: nobody knows. */
static void record_code(const struct vcpu *vcpu, uint64_t gpa, const struct store_change *change)
{
	uint64_t old = 0;

	gpa &= ~(uint64_t)(sizeof(old) - 1);
	(void)guest_read(gpa, &old, sizeof(old));
	(void)audit_refuse(vcpu, SECPOD_RULE_CODE_STORE, gpa,
			   change ? store_change_apply(change, old) : old, old, true);
}

static int update_code(void *context, uint64_t gpa, const struct store_change *change,
		       uint64_t *old)
{
	struct store_exit *s = context;
	int error;

	if (s->no_patch) {
		record_code(s->vcpu, gpa, change);
		s->refused = true;
		return -EPERM;
	}
	error = text_update(s->vcpu, gpa, change, old);
	if (!error)
		s->vcpu->text_exit = true;
	return error;
}

static int read_source(void *context, uint64_t gva, void *to, size_t len)
{
	struct store_exit *s = context;
	struct guest_walk walk;

	return guest_read_linear(paging_of(s), &looking, gva, to, len, 0, &walk);
}

static int locate(void *context, uint64_t gva, uint64_t *gpa)
{
	struct store_exit *s = context;
	struct guest_walk walk;
	int error = guest_walk(paging_of(s), &looking, gva, WALK_WRITE, &walk);

	if (error)
		return error;
	*gpa = walk.gpa;
	/* The other page is judged by what it is, not by what this one is. */
	return frame_type(&vmx.paging.frames, walk.gpa >> PAGE_SHIFT) == s->type ? 0 : -EPERM;
}

/* Text of the kernel's image from LOCKED on: nothing is mapped elsewhere there, nor written past us. */
static bool stays(uint64_t rip, uint64_t frame, uint32_t length)
{
	const struct paging_range *image = &vmx.paging.image;

	return __atomic_load_n(&vmx.paging.locked, __ATOMIC_ACQUIRE) && rip >= image->begin &&
	       rip < image->end && (rip & ~PAGE_MASK) + length <= PAGE_SIZE &&
	       frame_type(&vmx.paging.frames, frame) == FRAME_CODE;
}

_Static_assert(STORE_INSN_MAX <= GUEST_INSN_BYTES, "an instruction is fetched whole");

static __attribute__((noinline)) int decode_anew(struct store_exit *s,
						 struct store_cache_line *line, uint64_t generation)
{
	uint8_t bytes[GUEST_INSN_BYTES];
	enum code_size code =
		code_size_of(vmread32(VMCS_GUEST_CS_RIGHTS), vmread(VMCS_GUEST_EFER) & EFER_LMA);
	uint64_t gpa;
	const size_t len = guest_insn(s->vcpu, bytes, STORE_INSN_MAX, &gpa);
	int error = len ? store_decode(bytes, len, code, &s->decoded) : -EAGAIN;

	s->insn = &s->decoded;
	if (!error && stays(s->rip, gpa >> PAGE_SHIFT, s->decoded.length))
		*line = (struct store_cache_line){s->rip, generation, s->decoded};
	return error;
}

/* What is kept was 64-bit code, and no other reaches addresses of the image. */
static int decode(struct store_exit *s)
{
	const uint64_t generation =
		__atomic_load_n(store_cache_generation(&vmx.generations, s->rip), __ATOMIC_ACQUIRE);
	struct store_cache_line *line = store_cache_line(s->vcpu->store_cache, s->rip);

	if (line->rip != s->rip || line->generation != generation)
		return decode_anew(s, line, generation);
	s->insn = &line->insn;
	return 0;
}

static int emulate(struct store_exit *s, uint64_t gpa)
{
	const bool table = frame_is_table(s->type);
	struct guest_regs *regs = s->vcpu->regs;
	struct store_registers registers = {
		.gpr = &regs->rax,
		.rip = s->rip,
		.rflags = s->rflags,
	};
	const struct store_target target = {s->gva, gpa, !table};
	const struct store_memory memory = {read_source, table ? update_table : update_code, locate,
					    s};
	const uint64_t rsp = vmread(VMCS_GUEST_RSP);
	int result;

	if (s->insn->segment == SEG_FS)
		registers.fs_base = vmread(VMCS_GUEST_FS_BASE);
	if (s->insn->segment == SEG_GS)
		registers.gs_base = vmread(VMCS_GUEST_GS_BASE);
	regs->rsp_unused = rsp;
	result = store_emulate(s->insn, &registers, &target, &memory);
	if (regs->rsp_unused != rsp)
		vmwrite(VMCS_GUEST_RSP, regs->rsp_unused);
	if (result == 0 || result == STORE_PARTIAL)
		guest_stored(registers.rip, registers.rflags);
	return result;
}

/* error: of a store to a page table. */
static void refuse(struct store_exit *s, uint64_t gpa, uint64_t error)
{
	if (!s->refused && frame_is_table(s->type))
		(void)audit_refuse(s->vcpu, SECPOD_RULE_PT_STORE, gpa, s->gva, error, true);
	else if (!s->refused)
		record_code(s->vcpu, gpa, NULL);
	guest_inject(s->vcpu, VECTOR_GP, 0);
}

static void store(struct store_exit *s, uint64_t gpa)
{
	const bool table = frame_is_table(s->type);
	int result;

	/* The delivery of an event writes its frame there: no instruction to carry out. */
	if (s->vcpu->event.info & EVENT_VALID) {
		refuse(s, gpa, 0);
		return;
	}
	s->rip = vmread(VMCS_GUEST_RIP);
	s->rflags = vmread(VMCS_GUEST_RFLAGS);
	result = decode(s);
	if (!result && SEGMENT_DPL(vmread32(VMCS_GUEST_SS_RIGHTS)) != 0)
		result = -EACCES;
	if (!result && !table)
		s->no_patch = !text_is_poke(gpa, s->gva, s->rip, s->rflags);
	if (!result)
		result = emulate(s, gpa);
	switch (result) {
	case 0:
	case STORE_PARTIAL:
	case -ENOENT:
		return;
	case -EAGAIN:
		if (!s->no_patch)
			return;
		__attribute__((fallthrough));
	default:
		refuse(s, gpa, (uint64_t)-result);
	}
}

void delegation_operand(const struct vcpu *vcpu, uint64_t gpa, uint64_t linear)
{
	const enum frame_type type = frame_type(&vmx.paging.frames, gpa >> PAGE_SHIFT);

	if (frame_is_table(type))
		(void)audit_refuse(vcpu, SECPOD_RULE_PT_STORE, gpa, linear, EPERM, true);
	else if (type != FRAME_NONE && type != FRAME_OUTSIDE)
		record_code(vcpu, gpa, NULL);
}

bool delegation_violation(struct vcpu *vcpu, uint64_t gpa, uint64_t qualification)
{
	const uint64_t frame = gpa >> PAGE_SHIFT;
	const uint64_t word = frame_read(&vmx.paging.frames, frame);
	struct store_exit s;

	s.type = frame_word_type(word);
	if (s.type == FRAME_SECURE)
		return false;
	if (qualification & EPT_QUAL_FETCH)
		return delegation_fetch(vcpu, gpa, qualification);
	if (s.type == FRAME_NONE || s.type == FRAME_OUTSIDE)
		return false;
	s.vcpu = vcpu;
	s.gva = vmread(VMCS_GUEST_LINEAR_ADDRESS);
	s.refused = false;
	s.no_patch = false;
	s.translating = false;
	if (!(qualification & EPT_QUAL_WRITE))
		return false;
	if (!(qualification & EPT_QUAL_LINEAR_VALID)) {
		refuse(&s, gpa, EFAULT);
		return true;
	}
	if (!(qualification & EPT_QUAL_TRANSLATED)) {
		if (frame_is_table(s.type) && paging_flag_update(&vmx.paging, gpa) == -EFAULT)
			refuse(&s, gpa, EFAULT);
		return true;
	}
	/* A page table no longer: somebody else's memory by now, written for the first time. */
	if (frame_is_table(s.type) && frame_word_refs(word) == 0 &&
	    paging_settle(&vmx.paging, vcpu->paging, frame) == 0)
		return true;
	store(&s, gpa);
	return true;
}
