/* SPDX-License-Identifier: MIT */
#include "vmm/apic.h"

#include <errno.h>
#include <stdbool.h>

#include "vmm/addr.h"
#include "vmm/cpu_ops.h"
#include "vmm/host.h"
#include "vmm/x86.h"

#define XAPIC_BROADCAST 0xffu
#define XAPIC_DESTINATION_SHIFT 24
#define X2APIC_BROADCAST 0xffffffffu
/* Delivery to the bus takes less than a microsecond; a bound for an APIC that never says so. */
#define PENDING_TURNS (1u << 16)

#define NMI_COMMAND (APIC_ICR_DELIVERY_NMI | APIC_ICR_ASSERT)

static volatile uint32_t *reg(uint64_t base, uint32_t offset)
{
	return (volatile uint32_t *)hpa_to_virt(base + offset);
}

static bool wait_idle(uint64_t base)
{
	for (uint32_t turn = 0; turn < PENDING_TURNS; turn++) {
		if (!(*reg(base, APIC_REG_ICR_LOW) & APIC_ICR_PENDING))
			return true;
		cpu_relax();
	}
	return false;
}

/*
 * The guest may have been stopped between its write of the high half and that of the low half,
 * which sends: the high half is put back. The low half is not, a write would send; what was sent
 * last is nothing to rely on.
 */
static int xapic_send(uint64_t base, uint32_t destination, uint32_t command)
{
	uint32_t high;

	/* On any other address the monitor has no mapping of the registers. */
	if (base != host_apic_base())
		return -ENODEV;
	if (!wait_idle(base))
		return -EBUSY;
	high = *reg(base, APIC_REG_ICR_HIGH);
	*reg(base, APIC_REG_ICR_HIGH) = destination << XAPIC_DESTINATION_SHIFT;
	*reg(base, APIC_REG_ICR_LOW) = command;
	if (!wait_idle(base))
		return -EBUSY;
	*reg(base, APIC_REG_ICR_HIGH) = high;
	return 0;
}

static int send(uint32_t destination, uint32_t command)
{
	uint64_t apic_base = rdmsr(MSR_APIC_BASE);

	if (!(apic_base & APIC_BASE_ENABLE))
		return -ENODEV;
	if (apic_base & APIC_BASE_X2APIC) {
		if (destination == X2APIC_BROADCAST)
			return -EINVAL;
		wrmsr(MSR_X2APIC_ICR, (uint64_t)destination << 32 | command);
		return 0;
	}
	if (destination >= XAPIC_BROADCAST)
		return -EINVAL;
	return xapic_send(apic_base & APIC_BASE_ADDR, destination, command);
}

int apic_send_nmi_others(void)
{
	return send(0, NMI_COMMAND | APIC_ICR_ALL_BUT_SELF);
}

int apic_send_nmi(uint32_t apic_id)
{
	return send(apic_id, NMI_COMMAND);
}
