/* SPDX-License-Identifier: MIT */
/*
 * The guest's page tables, walked in software: what the CPU would do to a linear address, for
 * operands that the monitor reads or writes in the guest's place. Pure: memory comes through
 * callbacks. SDM: "Paging" (4-level paging, PAE paging, 32-bit paging, "Access Rights",
 * "Page-Fault Exceptions", "Accessed and Dirty Flags").
 *
 * 5-level paging is hidden from the guest. Not looked at: linear-address masking and LASS (an
 * access they would treat otherwise gets the answer of a CPU without them) and translations in the
 * TLB.
 */
#ifndef SECPOD_VMX_GUEST_WALK_H
#define SECPOD_VMX_GUEST_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The guest's memory: guest_read(), guest_write() and guest_cmpxchg64() in the monitor. */
struct guest_walk_memory {
	int (*read)(uint64_t gpa, void *to, uint64_t len);
	int (*write)(uint64_t gpa, const void *from, uint64_t len);
	/* NULL: accessed and dirty flags are left alone (looking, not acting for the guest). */
	int (*cmpxchg64)(uint64_t gpa, uint64_t *expected, uint64_t desired);
};

/* The registers that decide. */
struct guest_paging {
	uint64_t cr0, cr3, cr4, efer;
	uint64_t rflags;
	uint64_t pdpte[4]; /* PAE paging: the VMCS fields */
	uint32_t pkru, pkrs;
	uint32_t physical_bits; /* MAXPHYADDR */
	bool pages_1g;		/* CPUID.80000001H:EDX.Page1GB */
	uint8_t cpl;
};

#define WALK_WRITE (1u << 0)
#define WALK_FETCH (1u << 1)
/*
 * The CPU's own access to a system structure (descriptor tables, TSS): supervisor-mode whatever
 * the CPL, and EFLAGS.AC does not lift SMAP. SDM: "Determination of Access Rights", implicit
 * supervisor access.
 */
#define WALK_IMPLICIT (1u << 2)

/* "Page-Fault Error Code" */
#define PF_PRESENT (1u << 0)
#define PF_WRITE (1u << 1)
#define PF_USER (1u << 2)
#define PF_RESERVED (1u << 3)
#define PF_FETCH (1u << 4)
#define PF_PROTECTION_KEY (1u << 5)

struct guest_walk {
	uint64_t gpa;	     /* of the byte asked for */
	uint64_t size;	     /* of the page, bytes; without paging that of 4 KiB */
	uint32_t error_code; /* -EFAULT: of the #PF */
	uint64_t fault_gva;  /* -EFAULT: for CR2 */
};

/*
 * gva_canonical - can this linear address be used? In 64-bit mode all of bits 63:47 are equal;
 * elsewhere addresses have 32 bits.
 */
static inline bool gva_canonical(uint64_t gva)
{
	const uint64_t upper = gva >> 47;

	return upper == 0 || upper == 0x1ffff;
}

/*
 * guest_walk - translate gva for an access (WALK_*; 0: data read), and set accessed and dirty
 * flags as the access would. An entry in memory that cannot be read counts as all ones, as EPT
 * shows it to the guest.
 * Result:
 *   0       *walk has gpa and size (gpa need not be memory of the guest);
 *   -EFAULT the guest is to get #PF with walk->error_code and walk->fault_gva;
 *   -EINVAL gva is not canonical: #GP(0), or #SS(0) through the stack segment;
 *   -EAGAIN another CPU kept changing the tables: let the guest execute the instruction again;
 *   -EIO    a flag could not be written: what holds the entry reads, but is no memory.
 */
int guest_walk(const struct guest_paging *paging, const struct guest_walk_memory *memory,
	       uint64_t gva, uint32_t access, struct guest_walk *walk);

/*
 * guest_read_linear, guest_write_linear - copy len bytes (1 to 4096) from or to gva; the range may
 * cross into a second page. All of it is translated first: a fault copies nothing.
 * access: WALK_IMPLICIT or 0. Result: as guest_walk(); -EIO also when a page is no memory of the
 * guest, or none it may write: walk->gpa is where in it.
 */
int guest_read_linear(const struct guest_paging *paging, const struct guest_walk_memory *memory,
		      uint64_t gva, void *to, size_t len, uint32_t access, struct guest_walk *walk);
int guest_write_linear(const struct guest_paging *paging, const struct guest_walk_memory *memory,
		       uint64_t gva, const void *from, size_t len, uint32_t access,
		       struct guest_walk *walk);

#endif
