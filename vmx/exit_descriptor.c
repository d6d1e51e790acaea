/* SPDX-License-Identifier: MIT */
/*
 * LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR. They exit from LOCKED on; the stores exit with the loads and
 * are carried out. SDM: "Descriptor-Table Exiting".
 */
#include <errno.h>
#include <inttypes.h>

#include "secpod/descriptor_policy.h"
#include "vmm/cpu_ops.h"
#include "vmm/guest_mem.h"
#include "vmm/panic.h"
#include "vmm/x86.h"
#include "vmx/advance.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/descriptor_insn.h"
#include "vmx/descriptor_scan.h"
#include "vmx/exit.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/state.h"

#define INSTRUCTION_MAX 15u
#define ERROR_NONE 0u

static const struct guest_walk_memory guest_memory = {guest_read, delegation_write,
						      guest_cmpxchg64};

/* What one exit is about. */
struct access {
	struct vcpu *vcpu;
	struct descriptor_insn insn;
	struct guest_paging paging;
	enum code_size code;
	uint64_t operand; /* linear address, when insn.memory */
};

/*
 * A linear access that failed: the guest gets the fault it would have had. -EAGAIN: the guest executes the
 * instruction again. access: SECURE_*, what it was to be.
 */
static int reflect(const struct access *a, int error, const struct guest_walk *walk, uint64_t gva,
		   uint32_t access)
{
	switch (error) {
	case -EFAULT:
		write_cr2(walk->fault_gva);
		guest_inject(a->vcpu, VECTOR_PF, walk->error_code);
		break;
	case -EAGAIN:
		break;
	case -EIO:
		if (!operand_refused(a->vcpu, walk->gpa, access, gva))
			return -EAGAIN;
		guest_inject(a->vcpu, VECTOR_GP, ERROR_NONE);
		break;
	default:
		guest_inject(a->vcpu, insn_segment_fault(&a->insn), ERROR_NONE);
		break;
	}
	return error;
}

static int read_linear(const struct access *a, uint64_t gva, void *to, size_t len, uint32_t access)
{
	struct guest_walk walk = {.gpa = 0};
	int error = guest_read_linear(&a->paging, &guest_memory, gva, to, len, access, &walk);

	return error ? reflect(a, error, &walk, gva, SECURE_READ) : 0;
}

static int write_linear(const struct access *a, uint64_t gva, const void *from, size_t len,
			uint32_t access)
{
	struct guest_walk walk = {.gpa = 0};
	int error = guest_write_linear(&a->paging, &guest_memory, gva, from, len, access, &walk);

	return error ? reflect(a, error, &walk, gva, SECURE_WRITE) : 0;
}

static struct insn_segment read_segment(enum segment segment)
{
	uint32_t step = VMCS_SEGMENT_STEP * segment;

	return (struct insn_segment){
		vmread(VMCS_GUEST_ES_BASE + step),
		vmread32(VMCS_GUEST_ES_LIMIT + step),
		vmread32(VMCS_GUEST_ES_RIGHTS + step),
	};
}

static bool is_table_insn(enum descriptor_insn_kind kind)
{
	return kind == INSN_SGDT || kind == INSN_SIDT || kind == INSN_LGDT || kind == INSN_LIDT;
}

static bool is_load(enum descriptor_insn_kind kind)
{
	return kind == INSN_LGDT || kind == INSN_LIDT || kind == INSN_LLDT || kind == INSN_LTR;
}

/* The exit as an access; faults that come before the operand is touched are injected. */
static int prepare(struct access *a, struct vcpu *vcpu, bool ldtr_tr)
{
	struct insn_segment segment;
	uint64_t efer = vmread(VMCS_GUEST_EFER);
	size_t len;

	a->vcpu = vcpu;
	a->paging = guest_paging(vcpu);
	a->code = code_size_of(vmread32(VMCS_GUEST_CS_RIGHTS), efer & EFER_LMA);
	if (descriptor_insn_decode(ldtr_tr, vmread32(VMCS_EXIT_INSTRUCTION_INFO),
				   vmread(VMCS_EXIT_QUALIFICATION), &a->insn))
		panic("descriptor-table exit with instruction information %#" PRIx32,
		      vmread32(VMCS_EXIT_INSTRUCTION_INFO));
	/* The CPU checks both before it exits; an emulator may have the order wrong. */
	if (a->paging.cpl != 0 && (is_load(a->insn.kind) || (a->paging.cr4 & CR4_UMIP))) {
		guest_inject(vcpu, VECTOR_GP, ERROR_NONE);
		return -EPERM;
	}
	if (!a->insn.memory)
		return 0;
	segment = read_segment(a->insn.segment);
	len = is_table_insn(a->insn.kind) ? table_operand_bytes(a->code) : sizeof(uint16_t);
	if (descriptor_insn_address(&a->insn, &vcpu->regs->rax, vmread(VMCS_GUEST_RSP), &segment,
				    a->code, len, !is_load(a->insn.kind), &a->operand)) {
		guest_inject(vcpu, insn_segment_fault(&a->insn), ERROR_NONE);
		return -EPERM;
	}
	return 0;
}

/* Operand size of the instruction, from its prefixes; 0 when its bytes cannot be had (a fault is injected). */
static unsigned int operand_bytes(const struct access *a)
{
	uint8_t bytes[INSTRUCTION_MAX];
	uint32_t len = vmread32(VMCS_EXIT_INSTRUCTION_LENGTH);
	uint64_t gva =
		vmread(VMCS_GUEST_RIP) + (a->code == CODE_64 ? 0 : vmread(VMCS_GUEST_CS_BASE));

	if (len > sizeof(bytes) || read_linear(a, gva, bytes, len, 0))
		return 0;
	return insn_operand_bytes(bytes, len, a->code);
}

/* Result: may the load be made? pinned: what would have been right. */
static bool allowed(const struct access *a, enum verdict verdict, enum descriptor_register which,
		    uint64_t base, uint64_t limit, uint64_t pinned)
{
	const struct breach breach = {
		.rule = SECPOD_RULE_DESCRIPTOR_TABLE,
		.detail = {base, limit, which, pinned},
	};

	if (verdict == VERDICT_ALLOW || !audit_breach(a->vcpu, &breach))
		return true;
	guest_inject(a->vcpu, VECTOR_GP, ERROR_NONE);
	return false;
}

static int store_table(const struct access *a)
{
	bool gdt = a->insn.kind == INSN_SGDT;
	const struct table_register table = {
		vmread(gdt ? VMCS_GUEST_GDTR_BASE : VMCS_GUEST_IDTR_BASE),
		(uint16_t)vmread(gdt ? VMCS_GUEST_GDTR_LIMIT : VMCS_GUEST_IDTR_LIMIT),
	};
	uint8_t bytes[TABLE_OPERAND_MAX];

	table_operand_store(&table, a->code, bytes);
	return write_linear(a, a->operand, bytes, table_operand_bytes(a->code), 0);
}

static int load_table(const struct access *a)
{
	bool gdt = a->insn.kind == INSN_LGDT;
	enum descriptor_register which = gdt ? DESCRIPTOR_GDTR : DESCRIPTOR_IDTR;
	unsigned int size = a->code == CODE_64 ? sizeof(uint64_t) : operand_bytes(a);
	uint8_t bytes[TABLE_OPERAND_MAX];
	struct descriptor_result result = {NULL, 0};
	struct table_register table;
	enum verdict verdict;

	if (!size || read_linear(a, a->operand, bytes, table_operand_bytes(a->code), 0))
		return -EPERM;
	if (table_operand_load(bytes, a->code, size, &table)) {
		guest_inject(a->vcpu, VECTOR_GP, ERROR_NONE);
		return -EPERM;
	}
	verdict = descriptor_load_table(&a->vcpu->descriptors, which, &table, &result);
	if (!allowed(a, verdict, which, table.base, table.limit, result.pinned))
		return -EPERM;
	vmwrite(gdt ? VMCS_GUEST_GDTR_BASE : VMCS_GUEST_IDTR_BASE, table.base);
	vmwrite(gdt ? VMCS_GUEST_GDTR_LIMIT : VMCS_GUEST_IDTR_LIMIT, table.limit);
	return 0;
}

static int store_selector(const struct access *a)
{
	uint16_t selector =
		(uint16_t)vmread(a->insn.kind == INSN_SLDT ? VMCS_GUEST_LDTR : VMCS_GUEST_TR);
	unsigned int size;

	if (a->insn.memory)
		return write_linear(a, a->operand, &selector, sizeof(selector), 0);
	size = operand_bytes(a);
	if (!size)
		return -EPERM;
	guest_set_gpr(a->vcpu, a->insn.reg,
		      selector_to_register(guest_gpr(a->vcpu, a->insn.reg), selector, size));
	return 0;
}

static void write_system_segment(enum segment segment, const struct system_segment *loaded)
{
	uint32_t step = VMCS_SEGMENT_STEP * segment;

	vmwrite(VMCS_GUEST_ES + step, loaded->value.selector);
	vmwrite(VMCS_GUEST_ES_BASE + step, loaded->value.base);
	vmwrite(VMCS_GUEST_ES_LIMIT + step, loaded->value.limit);
	vmwrite(VMCS_GUEST_ES_RIGHTS + step, loaded->rights);
}

/* The descriptor that selector names, taken from the GDT as the CPU takes it. Faults are injected. */
static int fetch_descriptor(const struct access *a, uint16_t selector, uint64_t *gva,
			    struct system_segment *loaded)
{
	bool long_mode = a->paging.efer & EFER_LMA;
	struct insn_fault fault;
	uint64_t words[2] = {0, 0};
	uint32_t offset;

	if (system_descriptor_offset(a->insn.kind, selector,
				     (uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT), long_mode, &offset,
				     &fault)) {
		guest_inject(a->vcpu, fault.vector, fault.error_code);
		return -EPERM;
	}
	*gva = vmread(VMCS_GUEST_GDTR_BASE) + offset;
	if (read_linear(a, *gva, words, system_descriptor_bytes(long_mode), WALK_IMPLICIT))
		return -EPERM;
	if (system_descriptor_load(a->insn.kind, selector, words, long_mode, loaded, &fault)) {
		guest_inject(a->vcpu, fault.vector, fault.error_code);
		return -EPERM;
	}
	return 0;
}

static int set_busy(const struct access *a, uint64_t gva)
{
	uint64_t word;

	if (read_linear(a, gva, &word, sizeof(word), WALK_IMPLICIT))
		return -EPERM;
	word |= TSS_DESCRIPTOR_BUSY;
	return write_linear(a, gva, &word, sizeof(word), WALK_IMPLICIT);
}

static int load_selector(const struct access *a)
{
	bool ldt = a->insn.kind == INSN_LLDT;
	struct system_segment loaded = SYSTEM_SEGMENT_NULL(0);
	struct descriptor_result result = {NULL, 0};
	enum verdict verdict;
	uint16_t selector;
	uint64_t gva = 0;

	if (!a->insn.memory)
		selector = (uint16_t)guest_gpr(a->vcpu, a->insn.reg);
	else if (read_linear(a, a->operand, &selector, sizeof(selector), 0))
		return -EPERM;
	if (ldt && selector_is_null(selector))
		loaded = SYSTEM_SEGMENT_NULL(selector);
	else if (fetch_descriptor(a, selector, &gva, &loaded))
		return -EPERM;
	verdict = ldt ? descriptor_load_ldt(&a->vcpu->descriptors, selector, &result)
		      : descriptor_load_tr(&a->vcpu->descriptors, &loaded.value, &result);
	if (!allowed(a, verdict, ldt ? DESCRIPTOR_LDTR : DESCRIPTOR_TR, loaded.value.base,
		     loaded.value.limit, result.pinned))
		return -EPERM;
	if (!ldt && set_busy(a, gva))
		return -EPERM;
	write_system_segment(ldt ? SEG_LDTR : SEG_TR, &loaded);
	return 0;
}

static int carry_out(const struct access *a)
{
	switch (a->insn.kind) {
	case INSN_SGDT:
	case INSN_SIDT:
		return store_table(a);
	case INSN_LGDT:
	case INSN_LIDT:
		return load_table(a);
	case INSN_SLDT:
	case INSN_STR:
		return store_selector(a);
	case INSN_LLDT:
	case INSN_LTR:
		return load_selector(a);
	}
	return -EINVAL;
}

static void descriptor_access(struct vcpu *vcpu, bool ldtr_tr)
{
	struct access a;

	if (!prepare(&a, vcpu, ldtr_tr) && !carry_out(&a))
		guest_advance();
}

void exit_gdtr_idtr(struct vcpu *vcpu)
{
	descriptor_access(vcpu, false);
}

void exit_ldtr_tr(struct vcpu *vcpu)
{
	descriptor_access(vcpu, true);
}

void descriptor_lock(struct vcpu *vcpu)
{
	const struct table_register gdtr = {vmread(VMCS_GUEST_GDTR_BASE),
					    (uint16_t)vmread(VMCS_GUEST_GDTR_LIMIT)};
	const struct table_register idtr = {vmread(VMCS_GUEST_IDTR_BASE),
					    (uint16_t)vmread(VMCS_GUEST_IDTR_LIMIT)};
	const struct segment_register tr = {(uint16_t)vmread(VMCS_GUEST_TR),
					    vmread(VMCS_GUEST_TR_BASE),
					    vmread32(VMCS_GUEST_TR_LIMIT)};

	descriptor_pins_lock(&vcpu->descriptors, &gdtr, &idtr, (uint16_t)vmread(VMCS_GUEST_LDTR),
			     &tr);
	descriptor_scan_note(vcpu);
}
