/* SPDX-License-Identifier: MIT */
/*
 * The VMX instructions. Results follow "Conventions" of the SDM's VMX instruction reference:
 * 0 for VMsucceed, -EINVAL for VMfailInvalid and VMfailValid.
 */
#ifndef SECPOD_VMX_INSN_H
#define SECPOD_VMX_INSN_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

static inline int vmx_on(uint64_t region)
{
	bool fail;

	__asm__ volatile("vmxon %1" : "=@ccbe"(fail) : "m"(region) : "memory");
	return fail ? -EINVAL : 0;
}

static inline void vmx_off(void)
{
	__asm__ volatile("vmxoff" : : : "cc", "memory");
}

static inline int vmx_clear(uint64_t vmcs)
{
	bool fail;

	__asm__ volatile("vmclear %1" : "=@ccbe"(fail) : "m"(vmcs) : "memory");
	return fail ? -EINVAL : 0;
}

static inline int vmx_load(uint64_t vmcs)
{
	bool fail;

	__asm__ volatile("vmptrld %1" : "=@ccbe"(fail) : "m"(vmcs) : "memory");
	return fail ? -EINVAL : 0;
}

/* vmread - of a field the capability checks have established: it cannot fail with a current VMCS. */
static inline uint64_t vmread(uint64_t field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
	return value;
}

/* vmread_any - of a field this CPU may lack; that reads as 0. */
static inline uint64_t vmread_any(uint64_t field)
{
	uint64_t value = 0;

	__asm__ volatile("vmread %1, %0" : "+r"(value) : "r"(field) : "cc");
	return value;
}

/* vmread32 - a field of at most 32 bits. */
static inline uint32_t vmread32(uint64_t field)
{
	return (uint32_t)vmread(field);
}

static inline bool vmwrite(uint64_t field, uint64_t value)
{
	bool fail;

	__asm__ volatile("vmwrite %2, %1" : "=@ccbe"(fail) : "r"(field), "r"(value) : "memory");
	return !fail;
}

struct vmx_invalidate {
	uint64_t what; /* EPTP, or VPID */
	uint64_t linear;
};

static inline int vmx_invept(uint64_t type, uint64_t eptp)
{
	struct vmx_invalidate descriptor = {eptp, 0};
	bool fail;

	__asm__ volatile("invept %1, %2" : "=@ccbe"(fail) : "m"(descriptor), "r"(type) : "memory");
	return fail ? -EINVAL : 0;
}

static inline int vmx_invvpid(uint64_t type, uint16_t vpid)
{
	struct vmx_invalidate descriptor = {vpid, 0};
	bool fail;

	__asm__ volatile("invvpid %1, %2" : "=@ccbe"(fail) : "m"(descriptor), "r"(type) : "memory");
	return fail ? -EINVAL : 0;
}

#endif
