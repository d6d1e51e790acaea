/* SPDX-License-Identifier: MIT */
/*
 * A second CPU: run through the firmware, then taken from it with INIT and SIPI. SDM: "MP
 * Initialization Protocol", "Processor State Following Power-up, Reset, or INIT".
 */
#include "guest-support/include/secpod_abi.h"
#include "tests/acpi/efi_extra.h"
#include "tests/guest/ap_start.h"
#include "tests/guest/apic.h"
#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PAGE 4096u
#define PATIENCE 200000000ULL /* TSC ticks until a CPU counts as lost */
#define WHILE 2000000ULL      /* TSC ticks to watch for something that must not happen */
#define AP_STACK 8192u

static uint32_t ap_apic_id, bsp_apic_id;
static struct cpuid_result firmware_signature;
static bool firmware_ran;
static uint8_t *low;

/* Shared with the application processor. */
static volatile uint32_t starts;
static volatile uint64_t beats;
static void (*volatile job)(void);
static uint8_t ap_stack[AP_STACK] __attribute__((aligned(16)));

static VOID EFIAPI ask_signature(VOID *argument)
{
	*(struct cpuid_result *)argument = cpuid(SECPOD_CPUID_SIGNATURE, 0);
}

/* Find the other CPU, and let the firmware run something on it while it can. */
static bool find_processor(void)
{
	EFI_GUID guid = MP_SERVICES_PROTOCOL_GUID;
	struct mp_services_protocol *mp;
	void *interface;
	UINTN all, enabled;

	if (firmware->BootServices->LocateProtocol(&guid, NULL, &interface) != EFI_SUCCESS)
		return false;
	mp = interface;
	if (mp->get_number(mp, &all, &enabled) != EFI_SUCCESS || enabled < 2)
		return false;
	for (UINTN number = 0; number < all; number++) {
		struct processor_info info;

		if (mp->get_info(mp, number, &info) != EFI_SUCCESS)
			return false;
		if (info.status & PROCESSOR_AS_BSP_BIT) {
			bsp_apic_id = (uint32_t)info.processor_id;
			continue;
		}
		ap_apic_id = (uint32_t)info.processor_id;
		firmware_ran = mp->startup_this(mp, ask_signature, number, NULL, 0,
						&firmware_signature, NULL) == EFI_SUCCESS;
	}
	return true;
}

static void firmware_runs_code_there(void)
{
	struct cpuid_result here = cpuid(SECPOD_CPUID_SIGNATURE, 0);

	check(firmware_ran, "StartupThisAP failed");
	check(firmware_signature.eax == here.eax && firmware_signature.ebx == here.ebx &&
		      firmware_signature.ecx == here.ecx && firmware_signature.edx == here.edx,
	      "leaf 40000000H: %x %x there, %x %x here", firmware_signature.eax,
	      firmware_signature.ebx, here.eax, here.ebx);
}

/* The application processor's life between starts. */
static void ap_main(void)
{
	machine_load_tables();
	apic_enable();
	starts++;
	for (;;) {
		if (job)
			job();
		beats++;
		cpu_relax();
	}
}

static void pause_ticks(uint64_t ticks)
{
	uint64_t begin = rdtsc();

	while (rdtsc() - begin < ticks)
		cpu_relax();
}

static bool wait_starts(uint32_t wanted)
{
	uint64_t begin = rdtsc();

	while (starts < wanted && rdtsc() - begin < PATIENCE)
		cpu_relax();
	return starts == wanted;
}

static volatile struct ap_state *ap_state(void)
{
	return (volatile struct ap_state *)(void *)(low + AP_STATE);
}

static uint64_t in_page(const char *label)
{
	return (uint64_t)(uintptr_t)low + (uintptr_t)label - (uintptr_t)ap_start;
}

static void prepare_page(bool by_protected_mode)
{
	struct ap_parameters *parameters = (void *)(low + AP_PARAMETERS);
	struct pseudo_descriptor gdtr = read_gdtr();

	for (unsigned int i = 0; i < PAGE; i++)
		low[i] = 0;
	for (uint64_t i = 0; i < (uintptr_t)ap_start_end - (uintptr_t)ap_start; i++)
		low[i] = (uint8_t)ap_start[i];
	*parameters = (struct ap_parameters){
		.gdt_low = gdtr.limit | gdtr.base << 16,
		.far_long = in_page(ap_start_long) | (uint64_t)SELECTOR_CODE64 << 32,
		.far_protected = in_page(ap_start_protected) | (uint64_t)SELECTOR_CODE32 << 32,
		.cr3 = (uint64_t)(uintptr_t)machine_pml4(),
		.stack = (uint64_t)(uintptr_t)ap_stack + sizeof(ap_stack) - 8,
		.entry = (uint64_t)(uintptr_t)ap_main,
		.by_protected_mode = by_protected_mode,
	};
	__asm__ volatile("" : : : "memory");
}

static void send_init(void)
{
	apic_send(ap_apic_id, APIC_ICR_DELIVERY_INIT | APIC_ICR_ASSERT);
}

static void send_sipi(void)
{
	apic_send(ap_apic_id,
		  APIC_ICR_DELIVERY_SIPI | APIC_ICR_ASSERT | (uint32_t)((uintptr_t)low >> 12));
}

/* INIT-SIPI-SIPI; gap: TSC ticks between INIT and the first SIPI. */
static bool start_processor(bool by_protected_mode, uint64_t gap)
{
	uint32_t before = starts;

	job = NULL;
	prepare_page(by_protected_mode);
	send_init();
	pause_ticks(gap);
	send_sipi();
	pause_ticks(20000);
	send_sipi();
	return check(wait_starts(before + 1), "%u starts, not %u", starts - before, 1);
}

/* SDM "Processor State Following Power-up, Reset, or INIT"; then CS:IP by the SIPI. */
static void check_reset_state(void)
{
	volatile struct ap_state *s = ap_state();
	const uint32_t cr0_kept = (uint32_t)(CR0_CD | CR0_NW);

	check(s->cs == (uintptr_t)low >> 4, "CS is %x", s->cs);
	check(s->eflags == RFLAGS_FIXED1, "EFLAGS is %x", s->eflags);
	check((s->cr0 & ~cr0_kept) == CR0_ET, "CR0 is %x", s->cr0);
	check(s->cr3 == 0, "CR3 is %x", s->cr3);
	check(s->cr4 == 0, "CR4 is %x", s->cr4);
	check(s->efer_low == 0 && s->efer_high == 0, "EFER is %x", s->efer_low);
	/* Not every emulator does these by itself. */
	if (payload_under_secpod()) {
		check(s->cr2 == 0, "CR2 is %x", s->cr2);
		check(s->edx == cpuid(CPUID_FEATURES, 0).eax, "EDX is %x", s->edx);
	}
	check(!s->eax && !s->ebx && !s->ecx && !s->esi && !s->edi && !s->ebp && !s->esp,
	      "a general register is not 0");
	check(!s->ds && !s->ss, "DS is %x, SS is %x", s->ds, s->ss);
	check(s->dr6 == DR6_INIT && s->dr7 == DR7_INIT, "DR6 is %x, DR7 is %x", s->dr6, s->dr7);
}

static void check_signature(void)
{
	volatile struct ap_state *s = ap_state();
	struct cpuid_result here = cpuid(SECPOD_CPUID_SIGNATURE, 0);

	check(s->signature[0] == here.ebx && s->signature[1] == here.ecx &&
		      s->signature[2] == here.edx,
	      "CPUID in real mode gives %x %x %x", s->signature[0], s->signature[1],
	      s->signature[2]);
	check(s->eflags_behind_cpuid == s->eflags || !(s->eflags_behind_cpuid & RFLAGS_IF),
	      "EFLAGS behind CPUID is %x", s->eflags_behind_cpuid);
}

static void first_start(void)
{
	if (!start_processor(false, 10000000))
		return;
	check_reset_state();
	check_signature();
}

static void second_start(void)
{
	if (!start_processor(true, 10000000))
		return;
	check_reset_state();
	check_signature();
	check(ap_state()->protected_signature == cpuid(SECPOD_CPUID_SIGNATURE, 0).ebx,
	      "CPUID in protected mode gives %x", ap_state()->protected_signature);
}

/* As Linux does on newer CPUs. */
static void start_without_a_pause(void)
{
	for (unsigned int i = 0; i < 5; i++) {
		if (!start_processor(i & 1, 0))
			return;
		check_reset_state();
	}
}

static void is_alive(const char *when)
{
	uint64_t before = beats;
	uint64_t begin = rdtsc();

	while (beats == before && rdtsc() - begin < PATIENCE)
		cpu_relax();
	check(beats != before, "%s: the CPU stands still", when);
}

static void sipi_without_init_is_ignored(void)
{
	uint32_t before = starts;

	is_alive("before");
	for (unsigned int i = 0; i < 3; i++) {
		send_sipi();
		pause_ticks(WHILE);
	}
	is_alive("behind SIPI");
	check(starts == before, "started %u times", starts - before);
}

static void job_cpuid(void)
{
	cpuid(0, 0);
}

static void job_halt(void)
{
	__asm__ volatile("cli; hlt");
}

static void job_spin(void)
{
	for (;;)
		beats++;
}

/* State that INIT must reset. */
static void job_dirty(void)
{
	write_cr2(0x12345000);
	write_dr3(0x1234);
	write_dr6(DR6_INIT | 3);
	write_cr4(read_cr4() | CR4_PGE | CR4_TSD | CR4_DE);
	__asm__ volatile("std; mov %0, %%dr7; stc" : : "r"(DR7_INIT | X86_BIT(9)) : "cc");
	for (;;)
		beats++;
}

static void init_stops_whatever_runs(void)
{
	static void (*const jobs[])(void) = {job_cpuid, job_halt, job_spin, job_dirty};

	for (unsigned int i = 0; i < COUNT_OF(jobs); i++) {
		job = jobs[i];
		pause_ticks(WHILE);
		if (!start_processor(false, 1000000))
			return;
		check_reset_state();
	}
}

static void init_alone_stops_the_cpu(void)
{
	uint64_t before;

	is_alive("before");
	send_init();
	pause_ticks(WHILE);
	before = beats;
	pause_ticks(WHILE);
	check(beats == before, "it runs behind INIT");
	/* A second INIT changes nothing. */
	send_init();
	pause_ticks(WHILE);
	check(beats == before, "it runs behind a second INIT");
	if (start_processor(false, 0))
		check_reset_state();
}

/* NMIs from one CPU to the other. */

static volatile uint32_t nmi_count, nmi_goal, nmi_lost;

static bool count_nmi(struct trap_frame *frame)
{
	(void)frame;
	nmi_count++;
	return true;
}

/* Sends one after the other, each when the last has arrived. */
static void job_send_nmis(void)
{
	for (uint32_t n = 1; n <= nmi_goal; n++) {
		uint64_t begin = rdtsc();

		apic_nmi(bsp_apic_id);
		while (nmi_count < n && rdtsc() - begin < PATIENCE)
			cpu_relax();
		if (nmi_count < n) {
			nmi_lost++;
			break;
		}
	}
	nmi_goal = 0;
	job = NULL;
}

static void receive_nmis(void (*meanwhile)(void), const char *what)
{
	trap_hook(VECTOR_NMI, count_nmi);
	nmi_count = nmi_lost = 0;
	nmi_goal = 100;
	__asm__ volatile("" : : : "memory");
	job = job_send_nmis;
	while (nmi_goal)
		meanwhile();
	pause_ticks(WHILE);
	check(nmi_count == 100 && !nmi_lost, "%s: %u arrived of 100", what, nmi_count);
	trap_hook(VECTOR_NMI, NULL);
}

static void meanwhile_cpuid(void)
{
	cpuid(0, 0);
}

static void meanwhile_msr(void)
{
	rdmsr(MSR_FEATURE_CONTROL);
}

static void nmis_from_the_other_cpu(void)
{
	if (!start_processor(false, 0))
		return;
	receive_nmis(meanwhile_cpuid, "CPUID loop");
	if (payload_under_secpod())
		receive_nmis(meanwhile_msr, "RDMSR loop");
	receive_nmis(cpu_relax, "PAUSE loop");
}

/* HLT with interrupts off ends with an NMI only. */
static void job_wake(void)
{
	pause_ticks(WHILE);
	apic_nmi(bsp_apic_id);
	job = NULL;
}

static void nmi_ends_hlt(void)
{
	trap_hook(VECTOR_NMI, count_nmi);
	for (unsigned int i = 1; i <= 5; i++) {
		nmi_count = 0;
		job = job_wake;
		__asm__ volatile("hlt" : : : "memory");
		check(nmi_count == 1, "turn %u: %u NMIs", i, nmi_count);
	}
}

/* Both CPUs leave the guest at once, in the monitor's memory too. */
static uint64_t region;

static void job_region(void)
{
	if (region)
		*(volatile uint64_t *)(uintptr_t)(region + 0x100000 + beats % 256 * PAGE);
	cpuid(0, 0);
}

static void exits_on_both_cpus(void)
{
	if (!payload_statistic(SECPOD_STAT_REGION_BASE, &region)) {
		skip("native");
		return;
	}
	job = job_region;
	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t word =
			*(volatile uint64_t *)(uintptr_t)(region + 0x200000 + i % 256 * PAGE);

		if (!check(word == ~0ULL, "page %lu reads %lx", i, word))
			break;
		cpuid(0, 0);
	}
	job = NULL;
	is_alive("behind");
}

/* Changes of the memory types, which the monitor makes known to all CPUs. False: no range is free.
 */
static bool write_mtrrs(unsigned int times)
{
	uint32_t last = MSR_MTRR_PHYSBASE0 + 2 * (uint32_t)((rdmsr(MSR_MTRRCAP) & 0xff) - 1);
	uint64_t base = rdmsr(last), mask = rdmsr(last + 1);

	if (mask & 1 << 11) {
		skip("all variable ranges are in use");
		return false;
	}
	for (unsigned int i = 0; i < times; i++) {
		wrmsr(last, 0xd0000000 + (uint64_t)i * 0x1000000);
		wrmsr(last + 1, 0xfff000000 | 1 << 11);
		wrmsr(last + 1, mask);
	}
	wrmsr(last, base);
	return true;
}

static void mtrr_writes_with_a_busy_cpu(void)
{
	static void (*const jobs[])(void) = {NULL, job_cpuid, job_region};

	for (unsigned int i = 0; i < COUNT_OF(jobs); i++) {
		job = jobs[i];
		if (!write_mtrrs(10))
			break;
	}
	job = NULL;
	is_alive("behind");
}

/* The other CPU waits for a SIPI: nobody may wait for it, and its start must not suffer. */
static void mtrr_writes_with_a_waiting_cpu(void)
{
	send_init();
	pause_ticks(WHILE);
	write_mtrrs(5);
	if (start_processor(true, 0))
		check_reset_state();
	is_alive("behind");
}

/* The same with a CPU in HLT, for whom the NMI of a kick must not be the guest's. */
static void mtrr_writes_with_a_halted_cpu(void)
{
	trap_hook(VECTOR_NMI, count_nmi);
	nmi_count = 0;
	job = job_halt;
	pause_ticks(WHILE);
	write_mtrrs(5);
	pause_ticks(WHILE);
	check(!nmi_count, "%u NMIs reached the guest", nmi_count);
	start_processor(false, 0);
}

static void need_low_page(void)
{
	low = machine_low_pages();
	apic_enable();
	check(low != NULL, "no page below 1 MiB");
	check(apic_id() == bsp_apic_id, "boot CPU is %x, not %x", apic_id(), bsp_apic_id);
	check(ap_apic_id != bsp_apic_id, "both CPUs are %x", ap_apic_id);
}

static const struct payload_case processor_cases[] = {
	{"prepare", need_low_page},
	{"firmware-call", firmware_runs_code_there},
	{"first-start", first_start},
	{"second-start", second_start},
	{"start-at-once", start_without_a_pause},
	{"sipi-alone", sipi_without_init_is_ignored},
	{"init-whatever-runs", init_stops_whatever_runs},
	{"init-alone", init_alone_stops_the_cpu},
	{"nmi-from-other", nmis_from_the_other_cpu},
	{"nmi-ends-hlt", nmi_ends_hlt},
	{"exits-on-both", exits_on_both_cpus},
	{"flush-busy", mtrr_writes_with_a_busy_cpu},
	{"flush-waiting", mtrr_writes_with_a_waiting_cpu},
	{"flush-halted", mtrr_writes_with_a_halted_cpu},
	{NULL, NULL},
};

static const struct payload_case *const cases[] = {processor_cases, NULL};

const struct payload payload = {"processors", cases, find_processor};
