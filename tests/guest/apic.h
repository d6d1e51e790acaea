/* SPDX-License-Identifier: MIT */
/* The local APIC in xAPIC mode, as the firmware leaves it. SDM: "Advanced Programmable Interrupt
 * Controller". */
#ifndef SECPOD_TESTS_GUEST_APIC_H
#define SECPOD_TESTS_GUEST_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define APIC_REG_ID 0x20
#define APIC_REG_EOI 0xb0
#define APIC_REG_SPURIOUS 0xf0
#define APIC_REG_LVT_TIMER 0x320
#define APIC_SPURIOUS_ENABLE (1u << 8)
#define APIC_LVT_MASKED (1u << 16)
#define APIC_ICR_DELIVERY_INIT (5u << 8)
#define APIC_ICR_DELIVERY_SIPI (6u << 8)
#define APIC_ICR_SELF (1u << 18)
#define APIC_ICR_LEVEL (1u << 15)

static inline volatile uint32_t *apic_register(uint32_t offset)
{
	return (volatile uint32_t *)(uintptr_t)((rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR) + offset);
}

static inline uint32_t apic_id(void)
{
	return *apic_register(APIC_REG_ID) >> 24;
}

static inline void apic_eoi(void)
{
	*apic_register(APIC_REG_EOI) = 0;
}

/* Enabled, its timer silent. */
static inline void apic_enable(void)
{
	*apic_register(APIC_REG_LVT_TIMER) = APIC_LVT_MASKED;
	*apic_register(APIC_REG_SPURIOUS) = APIC_SPURIOUS_ENABLE | 0xff;
}

static inline void apic_wait(void)
{
	while (*apic_register(APIC_REG_ICR_LOW) & APIC_ICR_PENDING)
		cpu_relax();
}

/* command: delivery mode, shorthand and vector. */
static inline void apic_send(uint32_t destination, uint32_t command)
{
	*apic_register(APIC_REG_ICR_HIGH) = destination << 24;
	*apic_register(APIC_REG_ICR_LOW) = command;
	apic_wait();
}

/* A fixed interrupt to the caller itself; it stays pending while IF is 0. */
static inline void apic_interrupt_self(uint8_t vector)
{
	apic_send(0, APIC_ICR_SELF | APIC_ICR_ASSERT | vector);
}

/* An NMI to one CPU, the caller's own included. */
static inline void apic_nmi(uint32_t destination)
{
	apic_send(destination, APIC_ICR_DELIVERY_NMI | APIC_ICR_ASSERT);
}

#endif
