/* SPDX-License-Identifier: MIT */
#include "vmm/reset.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/acpi_reset.h"
#include "vmm/addr.h"
#include "vmm/cpu_ops.h"
#include "vmm/log.h"
#include "vmm/ram_map.h"

/*
 * Reset control register of Intel chipsets (I/O controller hub data sheets, "Reset Control
 * Register").
 */
#define RESET_CONTROL_PORT 0xcf9
#define RESET_SYSTEM 0x02 /* a hard reset, at the next rising edge of ... */
#define RESET_CPU 0x04	  /* ... this bit */
/* 8042: status bit 1 is "input buffer full", command 0xfe pulses the reset line. */
#define KEYBOARD_PORT 0x64
#define KEYBOARD_FULL 0x02
#define KEYBOARD_RESET 0xfe
#define KEYBOARD_POLLS 0x10000u
/* Time for the board to act on a write before the next way is tried. */
#define RESET_TURNS (1u << 24)

static struct acpi_reset acpi;

/* Tables are read where the firmware says there is memory, and nowhere else. */
static int read_firmware(void *context, uint64_t hpa, void *to, uint64_t length)
{
	if (!ram_map_contains(context, hpa, length))
		return -EFAULT;
	memcpy(to, hpa_to_virt(hpa), length);
	return 0;
}

void reset_init(const struct secpod_handoff *handoff)
{
	static struct ram_map memory;
	const struct acpi_reader reader = {read_firmware, &memory};
	int error = ram_map_init(&memory, handoff->range, handoff->range_count, RAM_MAP_FIRMWARE,
				 handoff->region_base, handoff->region_size);

	if (!error)
		error = acpi_find_reset(&reader, handoff->acpi_rsdp, &acpi);
	if (error) {
		acpi.port = 0;
		log_debug("no ACPI reset register: error %d", error);
	} else {
		log_debug("ACPI reset register: port %#x, value %#x", acpi.port, acpi.value);
	}
}

static void wait(void)
{
	for (uint32_t turn = 0; turn < RESET_TURNS; turn++)
		cpu_relax();
}

void machine_reset(void)
{
	const struct pseudo_descriptor no_idt = {0, 0};

	if (acpi.port) {
		outb(acpi.port, acpi.value);
		wait();
	}
	outb(RESET_CONTROL_PORT, RESET_SYSTEM);
	outb(RESET_CONTROL_PORT, RESET_SYSTEM | RESET_CPU);
	wait();
	for (uint32_t i = 0; i < KEYBOARD_POLLS && inb(KEYBOARD_PORT) & KEYBOARD_FULL; i++)
		cpu_relax();
	outb(KEYBOARD_PORT, KEYBOARD_RESET);
	wait();
	__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
	cpu_halt_forever();
}
