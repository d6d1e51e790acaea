/* SPDX-License-Identifier: MIT */
#include "vmx/cr_rules.h"

#include <errno.h>

#include "vmm/x86.h"

#define DISJOINT(a, b, c, d)                                                             \
	(!((a) & (b)) && !((a) & (c)) && !((a) & (d)) && !((b) & (c)) && !((b) & (d)) && \
	 !((c) & (d)))

_Static_assert(DISJOINT(CR0_PASSED, CR0_TRAPPED, CR0_SHADOWED, CR0_HIDDEN), "CR0 classes overlap");
_Static_assert(DISJOINT(CR4_PASSED, CR4_TRAPPED, CR4_SHADOWED, CR4_HIDDEN), "CR4 classes overlap");
_Static_assert((CR0_PASSED | CR0_TRAPPED | CR0_SHADOWED | CR0_HIDDEN | CR0_RESERVED) == ~0ULL,
	       "a CR0 bit has no class");
_Static_assert((CR4_PASSED | CR4_TRAPPED | CR4_SHADOWED | CR4_HIDDEN | CR4_RESERVED) == ~0ULL,
	       "a CR4 bit has no class");

/* CR0 bits 63:32 are reserved and must be zero; reserved bits below read 0 and writes are ignored. */
#define CR0_DEFINED (CR0_PASSED | CR0_TRAPPED | CR0_SHADOWED | CR0_ET)
#define CR0_MUST_BE_ZERO (~0xffffffffULL)

uint64_t cr0_real(const struct guest_mode *mode, uint64_t value)
{
	/* "Unrestricted guest" lifts PE and PG out of the fixed bits. */
	uint64_t fixed0 = mode->cr0_fixed0 & ~(CR0_PE | CR0_PG);

	return ((value & ~(CR0_CD | CR0_NW)) | fixed0) & mode->cr0_fixed1;
}

uint64_t cr4_real(const struct guest_mode *mode, uint64_t value)
{
	return (value | mode->cr4_fixed0) & mode->cr4_fixed1;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

int cr0_write(const struct guest_mode *mode, uint64_t value, struct cr_result *result)
{
	bool paging_on = (value & CR0_PG) && !(mode->cr0 & CR0_PG);
	bool paging_off = !(value & CR0_PG) && (mode->cr0 & CR0_PG);
	uint64_t efer = mode->efer;

	if (value & CR0_MUST_BE_ZERO)
		return -EPERM;
	value = (value & CR0_DEFINED) | CR0_ET;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return -EPERM;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return -EPERM;
	if (!(value & CR0_WP) && (mode->cr4 & CR4_CET))
		return -EPERM;
	if (paging_on && (efer & EFER_LME)) {
		/* SDM "Initializing IA-32e Mode" and "IA-32e Mode System Data Structures". */
		if (!(mode->cr4 & CR4_PAE) || mode->cs_long || mode->tss_16bit_busy)
			return -EPERM;
		efer |= EFER_LMA;
	}
	if (paging_off) {
		/* From 64-bit code, or with PCIDs, paging cannot be left. */
		if (((efer & EFER_LMA) && mode->cs_long) || (mode->cr4 & CR4_PCIDE))
			return -EPERM;
		efer &= ~EFER_LMA;
	}

	result->real = cr0_real(mode, value);
	result->shadow = value;
	result->efer = efer;
	/* SDM "PDPTE Registers": loaded when a write to CR0 changes CD, NW or PG under PAE paging. */
	result->load_pdptes = pae_paging(value, mode->cr4, efer) &&
			      ((value ^ mode->cr0) & (CR0_CD | CR0_NW | CR0_PG));
	return 0;
}

int cr4_write(const struct guest_mode *mode, uint64_t value, struct cr_result *result)
{
	bool long_mode = mode->efer & EFER_LMA;

	/* What VMX operation does not let a guest set the CPU would refuse as well. */
	if (value & (CR4_HIDDEN | CR4_RESERVED | ~mode->cr4_fixed1))
		return -EPERM;
	if (long_mode && !(value & CR4_PAE))
		return -EPERM;
	/* Setting PCIDE needs IA-32e mode and PCID 0; an exit comes only when PAE changes, so CR3 is not judged here. */
	if ((value & CR4_PCIDE) && !(mode->cr4 & CR4_PCIDE) && !long_mode)
		return -EPERM;
	if ((value & CR4_CET) && !(mode->cr0 & CR0_WP))
		return -EPERM;

	result->real = cr4_real(mode, value);
	result->shadow = value;
	result->efer = mode->efer;
	/* Loaded when a write to CR4 changes PAE, PGE, PSE or SMEP under PAE paging. */
	result->load_pdptes = pae_paging(mode->cr0, value, mode->efer) &&
			      ((value ^ mode->cr4) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP));
	return 0;
}

int cr3_write(const struct guest_mode *mode, uint64_t value, uint32_t physical_bits, bool lam,
	      struct cr3_result *result)
{
	bool pcid = mode->cr4 & CR4_PCIDE;
	uint64_t allowed = ((1ULL << physical_bits) - 1) | (lam ? CR3_LAM : 0);

	result->flush = true;
	result->load_pdptes = pae_paging(mode->cr0, mode->cr4, mode->efer);
	if (!(mode->efer & EFER_LMA)) {
		result->value = (uint32_t)value;
		return 0;
	}
	/* Bit 63 is part of the operand, not of the register, and reserved without PCIDs. */
	if (pcid && (value & CR3_NOFLUSH)) {
		value &= ~CR3_NOFLUSH;
		result->flush = false;
	}
	if (value & ~allowed)
		return -EPERM;
	result->value = value;
	return 0;
}

uint64_t lmsw_value(uint64_t cr0, uint16_t msw)
{
	const uint64_t low = CR0_PE | CR0_MP | CR0_EM | CR0_TS;

	return (cr0 & ~(low & ~CR0_PE)) | (msw & low);
}

bool pdpte_valid(uint64_t pdpte, uint32_t physical_bits)
{
	const uint64_t present = 1;
	uint64_t reserved = ~((1ULL << physical_bits) - 1) | 0x1e6;

	return !(pdpte & present) || !(pdpte & reserved);
}

bool xcr0_write_ok(uint32_t index, uint64_t value, uint64_t supported)
{
	/* State components that are legal only together. */
	static const struct {
		uint64_t when; /* one of these ... */
		uint64_t all;  /* ... needs all of these */
	} groups[] = {
		{XCR0_AVX, XCR0_SSE},
		{XCR0_BNDREG | XCR0_BNDCSR, XCR0_BNDREG | XCR0_BNDCSR},
		{XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM,
		 XCR0_AVX | XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM},
		{XCR0_TILECFG | XCR0_TILEDATA, XCR0_TILECFG | XCR0_TILEDATA},
	};

	if (index != 0 || !(value & XCR0_X87) || (value & ~supported))
		return false;
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if ((value & groups[i].when) && (value & groups[i].all) != groups[i].all)
			return false;
	}
	return true;
}

bool pat_write_ok(uint64_t value)
{
	for (unsigned int shift = 0; shift < 64; shift += 8) {
		const uint8_t type = (uint8_t)(value >> shift);

		if (type == 2 || type == 3 || type > 7)
			return false;
	}
	return true;
}

int efer_write(uint64_t cr0, uint64_t present, uint64_t value, uint64_t *result)
{
	if ((cr0 & CR0_PG) && ((value ^ present) & EFER_LME))
		return -EPERM;
	*result = (value & ~EFER_LMA) | (present & EFER_LMA);
	return 0;
}
