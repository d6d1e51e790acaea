/* SPDX-License-Identifier: MIT */
#include "boot/cpus.h"

#include <errno.h>
#include <string.h>

#include "boot/text.h"

/* "MP Services Protocol"; the headers do not have it. */
struct processor_information {
	uint64_t processor_id; /* the local APIC ID */
	uint32_t status_flag;
	uint32_t package, core, thread;
	uint32_t extended[6]; /* written by firmware that knows the extended topology */
};

#define PROCESSOR_ENABLED (1u << 1)
#define PROCESSOR_HEALTHY (1u << 2)

typedef void(EFIAPI *ap_procedure)(void *argument);

struct mp_services {
	EFI_STATUS(EFIAPI *get_number_of_processors)
	(struct mp_services *self, UINTN *all, UINTN *enabled);
	EFI_STATUS(EFIAPI *get_processor_info)
	(struct mp_services *self, UINTN number, struct processor_information *information);
	void *startup_all_aps;
	EFI_STATUS(EFIAPI *startup_this_ap)
	(struct mp_services *self, ap_procedure procedure, UINTN number, EFI_EVENT wait_event,
	 UINTN timeout_us, void *argument, BOOLEAN *finished);
	void *switch_bsp;
	void *enable_disable_ap;
	EFI_STATUS(EFIAPI *who_am_i)(struct mp_services *self, UINTN *number);
};

static const EFI_GUID mp_services_guid = {
	0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};

/* An operation takes milliseconds; a CPU that has not come back by now never will. */
#define AP_TIMEOUT_US 10000000u

/* SDM "CPUID - CPU Identification", leaf 1. */
#define CPUID_1_ECX_VMX (1u << 5)
#define CPUID_1_ECX_HYPERVISOR (1u << 31)
#define CPUID_1_EBX_APIC_ID_SHIFT 24
#define CPUID_HYPERVISOR 0x40000000u

#define SIGNATURE_LENGTH 12u

static struct mp_services *mp_services;
/* The firmware's number of each CPU in the hand-off. */
static UINTN processor_number[SECPOD_MAX_CPUS];

static void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
	__asm__ volatile("cpuid"
			 : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx)
			 : "a"(leaf), "c"(0));
}

bool cpus_precheck(char *reason, size_t size)
{
	uint32_t eax, ebx, edx, features;
	char signature[SIGNATURE_LENGTH + 1] = "";

	cpuid(1, &eax, &ebx, &features, &edx);
	if (features & CPUID_1_ECX_HYPERVISOR) {
		uint32_t words[3];

		cpuid(CPUID_HYPERVISOR, &eax, &words[0], &words[1], &words[2]);
		text_printable(signature, sizeof(signature), (const char *)words, SIGNATURE_LENGTH);
	}
	if (text_equal(signature, SIGNATURE_LENGTH, "SecPodSecPod")) {
		text_format(reason, size, "it is already running");
		return false;
	}
	if (features & CPUID_1_ECX_VMX)
		return true;
	if (features & CPUID_1_ECX_HYPERVISOR)
		text_format(reason, size, "the hypervisor below (%s) offers no VT-x (VMX)",
			    signature);
	else
		text_format(reason, size,
			    "this CPU has no VT-x (VMX), or the firmware has turned it off");
	return false;
}

static uint32_t own_apic_id(void)
{
	uint32_t eax, ebx, ecx, edx;

	cpuid(1, &eax, &ebx, &ecx, &edx);
	return ebx >> CPUID_1_EBX_APIC_ID_SHIFT;
}

static void add_cpu(struct secpod_handoff *handoff, uint32_t index, UINTN number, uint64_t apic_id)
{
	processor_number[index] = number;
	handoff->cpu[index].apic_id = (uint32_t)apic_id;
	handoff->cpu[index].state = SECPOD_CPU_OFFLINE;
	if (handoff->cpu_count <= index)
		handoff->cpu_count = index + 1;
}

static EFI_STATUS enumerate(struct secpod_handoff *handoff, UINTN *enabled)
{
	UINTN all, boot_cpu;
	EFI_STATUS status = mp_services->get_number_of_processors(mp_services, &all, enabled);

	if (!EFI_ERROR(status))
		status = mp_services->who_am_i(mp_services, &boot_cpu);
	for (UINTN number = 0; number < all && !EFI_ERROR(status); number++) {
		struct processor_information information;

		status = mp_services->get_processor_info(mp_services, number, &information);
		if (EFI_ERROR(status))
			break;
		if (number == boot_cpu)
			add_cpu(handoff, 0, number, information.processor_id);
		else if (!(information.status_flag & PROCESSOR_ENABLED))
			say("CPU %lu (APIC ID %lu) is disabled by the firmware and left out",
			    number, information.processor_id);
		else if (handoff->cpu_count < SECPOD_MAX_CPUS)
			add_cpu(handoff, handoff->cpu_count, number, information.processor_id);
		if (!(information.status_flag & PROCESSOR_HEALTHY))
			say("CPU %lu (APIC ID %lu) failed the firmware's self-test", number,
			    information.processor_id);
	}
	return status;
}

bool cpus_enumerate(struct secpod_handoff *handoff)
{
	UINTN enabled = 1;
	EFI_STATUS status = EFI_SUCCESS;

	/* The boot CPU's place is kept for it, wherever it comes in the firmware's order. */
	handoff->cpu_count = 0;
	add_cpu(handoff, 0, 0, own_apic_id());
	mp_services = protocol_anywhere(&mp_services_guid);
	if (mp_services != NULL)
		status = enumerate(handoff, &enabled);
	if (EFI_ERROR(status)) {
		say("not started: the firmware does not list the CPUs (%s)", status_text(status));
		return false;
	}
	if (enabled != handoff->cpu_count) {
		say("not started: %lu CPUs, SecPod handles at most %u", enabled, SECPOD_MAX_CPUS);
		return false;
	}
	return true;
}

struct call {
	secpod_entry_fn entry;
	struct secpod_handoff *handoff;
	uint32_t op;
	uint32_t cpu;
	int64_t result;
};

/* On the CPU meant. No firmware service may be used here: on the other CPUs there are none. */
static void EFIAPI perform(void *argument)
{
	struct call *call = argument;
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	call->result = call->entry(call->op, call->handoff, call->cpu);
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

int64_t cpus_run(secpod_entry_fn entry, uint32_t op, struct secpod_handoff *handoff, uint32_t cpu)
{
	/*
	 * Not on the stack: a CPU that outlives its time limit must not find another function's
	 * variables there.
	 */
	static struct call calls[SECPOD_MAX_CPUS];
	struct call *call = &calls[cpu];
	EFI_STATUS status = EFI_SUCCESS;

	*call = (struct call){entry, handoff, op, cpu, -EIO};
	handoff->cpu[cpu].reason[0] = '\0';
	if (cpu == 0)
		perform(call);
	else
		status = mp_services->startup_this_ap(mp_services, perform, processor_number[cpu],
						      NULL, AP_TIMEOUT_US, call, NULL);
	if (EFI_ERROR(status)) {
		text_format(handoff->cpu[cpu].reason, SECPOD_REASON_LEN,
			    status == EFI_TIMEOUT ? "it did not answer within 10 s"
						  : "the firmware could not start it");
		return -EIO;
	}
	return call->result;
}
