/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "tables.h"

/* The emulated chipset is a PIIX3/PIIX4: OVMF puts the power management block here. */
#define PM_BASE 0xb000u
#define PM1A_EVENT (PM_BASE + 0u)
#define PM1A_CONTROL (PM_BASE + 4u)
#define PM_TIMER (PM_BASE + 8u)
#define SCI_IRQ 9u

#define LAPIC_ADDRESS 0xfee00000u
#define IOAPIC_ADDRESS 0xfec00000u
#define IOAPIC_ID 2u

/* FADT "Fixed Feature Flags". */
#define FADT_WBINVD (1u << 0)
#define FADT_PROC_C1 (1u << 2)
#define FADT_SLP_BUTTON (1u << 5)
#define FADT_RESET_REG_SUP (1u << 10)
/* FADT "IA-PC Boot Architecture Flags": legacy devices and an 8042. */
#define FADT_BOOT_LEGACY 3u

/* The PIIX3 reset control register: full reset. */
#define RESET_PORT 0xcf9u
#define RESET_VALUE 6u

/* "Generic Address Structure". */
struct __attribute__((packed)) generic_address {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
};
#define SPACE_IO 1u
#define ACCESS_BYTE 1u

struct __attribute__((packed)) fadt {
	struct acpi_header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t preferred_pm_profile;
	uint16_t sci_interrupt;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios_request, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	uint32_t gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
	uint8_t gpe0_length, gpe1_length, gpe1_base, cstate_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_architecture;
	uint8_t reserved1;
	uint32_t flags;
	struct generic_address reset_register;
	uint8_t reset_value;
	uint8_t reserved2[3];
	uint64_t x_facs, x_dsdt;
	struct generic_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control,
		x_pm2_control, x_pm_timer, x_gpe0, x_gpe1, sleep_control, sleep_status;
};
_Static_assert(sizeof(struct fadt) == 268, "FADT revision 5");
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT Flags");

struct __attribute__((packed)) madt_lapic {
	uint8_t type, length, processor_id, apic_id;
	uint32_t flags;
};
struct __attribute__((packed)) madt_ioapic {
	uint8_t type, length, ioapic_id, reserved;
	uint32_t address, gsi_base;
};
struct __attribute__((packed)) madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
};
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2 };
#define MADT_PCAT_COMPAT 1u
#define LAPIC_ENABLED 1u
/* "MPS INTI Flags": active high, level-triggered. */
#define INTI_HIGH_LEVEL 0xdu

struct __attribute__((packed)) madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags;
	struct madt_ioapic ioapic;
	struct madt_override override[2];
	/* The processors come last: the table ends after as many as there are. */
	struct madt_lapic lapic[TABLES_MAX_CPUS];
};

/*
 * Scope (\_SB) { Device (PCI0) { Name (_HID, EisaId ("PNP0A03")) Name (_UID, Zero) Name (_CRS, ...) } }
 * Name (\_S5, Package (4) { 0, 0, 0, 0 })
 * Lengths are those of "Package Length Encoding": the length counts its own bytes. _CRS: what the bridge passes on;
 * without it Linux finds no place for the disk's ports.
 */
/* clang-format off */
#define WORD(value) (value) & 0xff, (value) >> 8 & 0xff
#define DWORD(value) WORD((value) & 0xffffu), WORD((value) >> 16)
/* "Word Address Space Descriptor", "DWord Address Space Descriptor": minimum and maximum are fixed. */
#define WORD_SPACE(type, flags, first, last) \
	0x88, WORD(13), type, 0x0c, flags, WORD(0), WORD(first), WORD(last), WORD(0), \
	WORD((last) - (first) + 1)
#define DWORD_SPACE(type, flags, first, last) \
	0x87, WORD(23), type, 0x0c, flags, DWORD(0), DWORD(first), DWORD(last), DWORD(0), \
	DWORD((last) - (first) + 1)
enum { SPACE_MEMORY = 0, SPACE_PORTS = 1, SPACE_BUSES = 2 };

static const uint8_t aml[] = {
	0x10, 0x4f, 0x08, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x46, 0x08, 'P', 'C', 'I', '0',
	0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
	0x08, '_', 'U', 'I', 'D', 0x00,
	0x08, '_', 'C', 'R', 'S', 0x11, 0x4a, 0x06, 0x0a, 0x66,
	WORD_SPACE(SPACE_BUSES, 0, 0, 0xff),
	WORD_SPACE(SPACE_PORTS, 3, 0, 0xcf7),
	WORD_SPACE(SPACE_PORTS, 3, 0xd00, 0xffff),
	DWORD_SPACE(SPACE_MEMORY, 1, 0xa0000u, 0xbffffu),
	DWORD_SPACE(SPACE_MEMORY, 1, 0xc0000000u, 0xfebfffffu),
	0x79, 0x00,
	0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00,
};
/* clang-format on */

struct __attribute__((packed)) dsdt {
	struct acpi_header header;
	uint8_t aml[sizeof(aml)];
};

static void copy(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static const struct acpi_header *finish(struct acpi_header *header, const char *signature,
					uint8_t revision, size_t length)
{
	const uint8_t *byte = (const uint8_t *)header;
	uint8_t sum = 0;

	copy(header->signature, signature, sizeof(header->signature));
	copy(header->oem_id, "SECPOD", sizeof(header->oem_id));
	copy(header->oem_table_id, "EMULATOR", sizeof(header->oem_table_id));
	copy(header->creator_id, "SPOD", sizeof(header->creator_id));
	header->length = (uint32_t)length;
	header->revision = revision;
	header->checksum = 0;
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + byte[i]);
	header->checksum = (uint8_t)(0u - sum);
	return header;
}

static struct generic_address io_address(uint32_t port, uint8_t bytes)
{
	return (struct generic_address){
		.space = SPACE_IO, .bit_width = (uint8_t)(bytes * 8u), .address = port};
}

const struct acpi_header *tables_fadt(void)
{
	static struct fadt fadt;

	fadt.sci_interrupt = SCI_IRQ;
	fadt.pm1a_event = PM1A_EVENT;
	fadt.pm1_event_length = 4;
	fadt.pm1a_control = PM1A_CONTROL;
	fadt.pm1_control_length = 2;
	fadt.pm_timer = PM_TIMER;
	fadt.pm_timer_length = 4;
	fadt.x_pm1a_event = io_address(PM1A_EVENT, 4);
	fadt.x_pm1a_control = io_address(PM1A_CONTROL, 2);
	fadt.x_pm_timer = io_address(PM_TIMER, 4);
	/* C2 and C3 unsupported. */
	fadt.c2_latency = 0xfff;
	fadt.c3_latency = 0xfff;
	fadt.boot_architecture = FADT_BOOT_LEGACY;
	fadt.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_RESET_REG_SUP;
	fadt.reset_register = io_address(RESET_PORT, 1);
	fadt.reset_register.access_size = ACCESS_BYTE;
	fadt.reset_value = RESET_VALUE;
	return finish(&fadt.header, "FACP", 5, sizeof(fadt));
}

const struct acpi_header *tables_madt(const uint32_t *apic_id, uint32_t cpus)
{
	static struct madt madt;

	madt.lapic_address = LAPIC_ADDRESS;
	madt.flags = MADT_PCAT_COMPAT;
	madt.ioapic = (struct madt_ioapic){.type = MADT_IOAPIC,
					   .length = sizeof(madt.ioapic),
					   .ioapic_id = IOAPIC_ID,
					   .address = IOAPIC_ADDRESS};
	/* The 8254 is wired to input 2. */
	madt.override[0] = (struct madt_override){
		.type = MADT_OVERRIDE, .length = sizeof(madt.override[0]), .source = 0, .gsi = 2};
	madt.override[1] = (struct madt_override){.type = MADT_OVERRIDE,
						  .length = sizeof(madt.override[1]),
						  .source = SCI_IRQ,
						  .gsi = SCI_IRQ,
						  .flags = INTI_HIGH_LEVEL};
	for (uint32_t i = 0; i < cpus && i < TABLES_MAX_CPUS; i++)
		madt.lapic[i] = (struct madt_lapic){.type = MADT_LAPIC,
						    .length = sizeof(madt.lapic[i]),
						    .processor_id = (uint8_t)i,
						    .apic_id = (uint8_t)apic_id[i],
						    .flags = LAPIC_ENABLED};
	return finish(&madt.header, "APIC", 3,
		      offsetof(struct madt, lapic) + cpus * sizeof(madt.lapic[0]));
}

const struct acpi_header *tables_dsdt(void)
{
	static struct dsdt dsdt;

	copy(dsdt.aml, aml, sizeof(aml));
	return finish(&dsdt.header, "DSDT", 2, sizeof(dsdt));
}
