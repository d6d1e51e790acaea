/* SPDX-License-Identifier: MIT */
#include "boot/monitor.h"

#include <string.h>

#include "boot/cpus.h"
#include "boot/elf.h"
#include "boot/firmware.h"
#include "boot/memory.h"
#include "boot/paging.h"
#include "secpod/text/code_profile.h"

#define PAGE 0x1000ul
#define KIB 0x400ul
#define MIB 0x100000ul
/* Long against the reading of either clock, short against a boot. */
#define SAMPLE_MS 10u
#define US_PER_MS 1000u

extern const uint8_t monitor_image[] __attribute__((visibility("hidden")));
extern const uint8_t monitor_image_end[] __attribute__((visibility("hidden")));

static const EFI_GUID acpi_20_guid = {
	0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};

static uint64_t page_align(uint64_t size)
{
	return (size + PAGE - 1) & ~(PAGE - 1);
}

/* SDM "Control Registers". */
#define CR4_LA57 (1ul << 12)

static bool executable(uint64_t base, uint64_t size)
{
	uint64_t cr3, cr4;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	return paging_executable(cr3, cr4 & CR4_LA57, base, size);
}

static uint64_t acpi_rsdp(void)
{
	for (UINTN i = 0; i < system_table->NumberOfTableEntries; i++) {
		const EFI_CONFIGURATION_TABLE *table = &system_table->ConfigurationTable[i];

		if (memcmp(&table->VendorGuid, &acpi_20_guid, sizeof(acpi_20_guid)) == 0)
			return (uint64_t)(uintptr_t)table->VendorTable;
	}
	return 0;
}

/* TSC ticks in so many milliseconds, by the firmware's clock. */
static uint64_t tsc_ticks(uint32_t milliseconds)
{
	uint64_t begin = __builtin_ia32_rdtsc();

	if (milliseconds == 0)
		return 0;
	boot_services->Stall((UINTN)SAMPLE_MS * US_PER_MS);
	return (__builtin_ia32_rdtsc() - begin) * milliseconds / SAMPLE_MS;
}

static void fill_config(struct secpod_config *out, const struct config *config)
{
	*out = (struct secpod_config){
		.log_level = config->log_level,
		.serial_port = config->serial_port,
		.serial_baud = config->serial_baud,
		.on_panic = config->on_panic,
		.flags =
			(config->debug_stats ? SECPOD_CFG_DEBUG_STATS : 0) |
			(config->paging_delegation ? SECPOD_CFG_DELEGATION : 0) |
			(config->code_profile ? SECPOD_CFG_PROFILE : 0) |
			(config->code_profile == CONFIG_PROFILE_REQUEST ? SECPOD_CFG_PROFILE_REQUEST
									: 0) |
			(config->lock == CONFIG_LOCK_REQUEST ? SECPOD_CFG_LOCK_REQUEST : 0),
		.descriptor_scan = tsc_ticks(config->descriptor_scan),
	};
	memcpy(out->policy, config->policy, sizeof(out->policy));
	out->listed = config->listed;
}

/* Room for them, whole pages each. */
static uint64_t files_size(const struct config_files *files)
{
	uint64_t size = 0;

	for (uint32_t which = 0; which < SECPOD_FILES; which++)
		size += page_align(files->file[which].size);
	return size;
}

/* What this configuration wants of the pools beyond what every machine needs. */
static uint64_t pool_more(const struct config *config)
{
	return config->code_profile == CONFIG_PROFILE_REQUEST ? CODE_PROFILE_ROOM : 0;
}

static void place_files(struct secpod_handoff *handoff, uint64_t base,
			const struct config_files *files)
{
	for (uint32_t which = 0; which < SECPOD_FILES; which++) {
		const size_t size = files->file[which].size;

		handoff->file[which] = (struct secpod_file_place){base, size};
		if (size)
			memcpy((void *)base, files->file[which].bytes, size);
		base += page_align(size);
	}
}

/*
 * Image, hand-off, files and pools, in this order, in the region.
 * Result: the hand-off; NULL after having said what is wrong.
 */
static struct secpod_handoff *place(uint64_t base, uint64_t size, const struct config *config,
				    const struct config_files *files, secpod_entry_fn *entry)
{
	size_t file_size = (size_t)(monitor_image_end - monitor_image);
	struct secpod_handoff *handoff;
	struct elf_layout layout;
	const char *problem;
	uint64_t used;

	if (elf_place(monitor_image, file_size, (void *)base, size, base, &layout, &problem) != 0) {
		say("not started: the monitor cannot be placed: %s", problem);
		return NULL;
	}
	used = layout.size + page_align(sizeof(*handoff)) + files_size(files);
	if (used >= size) {
		say("not started: the monitor (%lu KiB) leaves no memory for its pools",
		    layout.size / KIB);
		return NULL;
	}
	handoff = (struct secpod_handoff *)(base + layout.size);
	handoff->magic = SECPOD_HANDOFF_MAGIC;
	handoff->version = SECPOD_HANDOFF_VERSION;
	handoff->size = sizeof(*handoff);
	handoff->region_base = base;
	handoff->region_size = size;
	handoff->image_base = base;
	handoff->image_size = layout.size;
	place_files(handoff, base + layout.size + page_align(sizeof(*handoff)), files);
	handoff->pool_base = base + used;
	handoff->pool_size = size - used;
	handoff->acpi_rsdp = acpi_rsdp();
	fill_config(&handoff->config, config);
	region_make_executable(base, layout.size);
	if (!executable(base, layout.size)) {
		say("not started: the firmware lets no code run in reserved memory");
		return NULL;
	}
	*entry = (secpod_entry_fn)(base + layout.entry);
	return handoff;
}

/* Perform op on one CPU; say why if it fails. */
static bool run(secpod_entry_fn entry, uint32_t op, struct secpod_handoff *handoff, uint32_t cpu)
{
	int64_t result = cpus_run(entry, op, handoff, cpu);
	struct secpod_cpu *record = &handoff->cpu[cpu];

	if (result == 0)
		return true;
	record->reason[SECPOD_REASON_LEN - 1] = '\0';
	if (record->reason[0] != '\0')
		say("not started: CPU %u: %s", cpu, record->reason);
	else
		say("not started: CPU %u: operation %u failed (error %lu)", cpu, op,
		    (uint64_t)-result);
	return false;
}

static bool check(secpod_entry_fn entry, struct secpod_handoff *handoff)
{
	for (uint32_t cpu = 0; cpu < handoff->cpu_count; cpu++)
		if (!run(entry, SECPOD_OP_CHECK_CPU, handoff, cpu))
			return false;
	return true;
}

/* The CPUs from first to the last leave VMX operation again. */
static bool unlaunch(secpod_entry_fn entry, struct secpod_handoff *handoff, uint32_t first)
{
	bool done = true;

	for (uint32_t cpu = first; cpu < handoff->cpu_count; cpu++)
		if (handoff->cpu[cpu].state == SECPOD_CPU_LAUNCHED)
			done = run(entry, SECPOD_OP_UNLAUNCH_CPU, handoff, cpu) && done;
	return done;
}

/*
 * The boot CPU comes last: until then the firmware that starts the others runs as ever.
 * Result: whether all are launched. *clean: whether none is, otherwise.
 */
static bool launch(secpod_entry_fn entry, struct secpod_handoff *handoff, bool *clean)
{
	bool launched = run(entry, SECPOD_OP_INIT, handoff, 0);

	for (uint32_t cpu = handoff->cpu_count; launched && cpu-- != 0;)
		launched = run(entry, SECPOD_OP_LAUNCH_CPU, handoff, cpu);
	launched = launched && run(entry, SECPOD_OP_SEAL, handoff, 0);
	*clean = launched || unlaunch(entry, handoff, 0);
	return launched;
}

bool monitor_start(const struct config *config, const struct config_files *files)
{
	struct secpod_handoff *handoff;
	uint64_t base, size;
	secpod_entry_fn entry;
	bool launched = false;
	bool clean = true;

	if (!region_reserve(files_size(files) + pool_more(config), &base, &size))
		return false;
	handoff = place(base, size, config, files, &entry);
	if (handoff != NULL && cpus_enumerate(handoff) && check(entry, handoff) &&
	    memory_fill_ranges(handoff))
		launched = launch(entry, handoff, &clean);
	if (launched) {
		/* From here on this is the guest, which cannot see the hand-off any more. */
		say("started: %lu MiB reserved at 0x%lx", size / MIB, base);
		return true;
	}
	if (clean)
		region_release(base, size);
	else
		say("a CPU remains under SecPod; its %lu MiB stay reserved", size / MIB);
	return false;
}
