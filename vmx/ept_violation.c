/* SPDX-License-Identifier: MIT */
#include "vmx/ept_violation.h"

#include "ept/ept.h"
#include "vmx/vmcs.h"

/* Bit 9 has a meaning for an access to a linear address that has been translated. */
#define TRANSLATED (EPT_QUAL_LINEAR_VALID | EPT_QUAL_TRANSLATED)

uint32_t ept_fetch_wants(uint64_t qualification, bool mbec, bool advanced)
{
	const uint32_t both = EPT_EXEC | EPT_EXEC_USER;
	uint32_t missing = both;

	if (!mbec)
		return EPT_EXEC;
	if (advanced && (qualification & TRANSLATED) == TRANSLATED)
		return qualification & EPT_QUAL_USER_LINEAR ? EPT_EXEC_USER : EPT_EXEC;
	/* What was there was not what was wanted. */
	if (qualification & EPT_QUAL_CAN_EXEC)
		missing &= ~EPT_EXEC;
	if (qualification & EPT_QUAL_CAN_EXEC_USER)
		missing &= ~EPT_EXEC_USER;
	return missing ? missing : both;
}

bool ept_violation_is_over(uint64_t qualification, uint32_t rights, bool mbec, bool advanced)
{
	uint32_t wanted = 0;

	if (qualification & EPT_QUAL_READ)
		wanted |= EPT_READ;
	if (qualification & EPT_QUAL_WRITE)
		wanted |= EPT_WRITE;
	if (qualification & EPT_QUAL_FETCH)
		return (rights & wanted) == wanted &&
		       (rights & ept_fetch_wants(qualification, mbec, advanced));
	return wanted && (rights & wanted) == wanted;
}
