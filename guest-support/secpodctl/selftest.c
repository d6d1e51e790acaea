/* SPDX-License-Identifier: MIT */
/*
 * Harmless attempts at what SecPod refuses, each of which would change nothing that is in use, were it to succeed;
 * what it changed is put back.
 */
#include <errno.h>
#include <string.h>

#include "guest-support/secpodctl/commands.h"

#define CPUID_FEATURES 1u
#define CPUID_POWER 6u
#define CPUID_STRUCTURED 7u
#define MSR_FEATURE_CONTROL 0x3au
#define MSR_PAT 0x277u
#define MSR_VMX_BASIC 0x480u
#define MSR_RTIT_OUTPUT_BASE 0x560u
#define MSR_RTIT_CTL 0x570u
#define MSR_HW_FEEDBACK_PTR 0x17d0u
#define MSR_CSTAR 0xc0000083u

enum verdict { HELD, NOT_HELD, NOT_TRIED };

static enum verdict is_locked(const struct guest *guest)
{
	return guest_look(guest).phase == SECPOD_PHASE_LOCKED ? HELD : NOT_HELD;
}

static enum verdict hides_vmx(const struct guest *guest)
{
	const uint32_t vmx = 1u << 5;

	return guest->cpuid(CPUID_FEATURES, 0).ecx & vmx ? NOT_HELD : HELD;
}

static enum verdict hides_register(const struct guest *guest, uint32_t msr)
{
	uint64_t value;
	int error = guest->rdmsr(msr, &value);

	if (error && error != -EIO)
		return NOT_TRIED;
	return error ? HELD : NOT_HELD;
}

static enum verdict hides_vmx_registers(const struct guest *guest)
{
	return hides_register(guest, MSR_VMX_BASIC);
}

/* What writes memory by physical addresses that page tables and EPT have not translated, or hides what it does. */
static enum verdict hides_writers(const struct guest *guest)
{
	const uint32_t smx = 1u << 6, sgx = 1u << 2, trace = 1u << 25, feedback = 1u << 19;
	const uint32_t highest = guest->cpuid(0, 0).eax;

	if (guest->cpuid(CPUID_FEATURES, 0).ecx & smx)
		return NOT_HELD;
	if (highest >= CPUID_POWER && guest->cpuid(CPUID_POWER, 0).eax & feedback)
		return NOT_HELD;
	if (highest >= CPUID_STRUCTURED && guest->cpuid(CPUID_STRUCTURED, 0).ebx & (sgx | trace))
		return NOT_HELD;
	return HELD;
}

static enum verdict hides_writers_registers(const struct guest *guest)
{
	static const uint32_t msrs[] = {MSR_RTIT_OUTPUT_BASE, MSR_RTIT_CTL, MSR_HW_FEEDBACK_PTR};
	enum verdict verdict = HELD;

	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]) && verdict == HELD; i++)
		verdict = hides_register(guest, msrs[i]);
	return verdict;
}

/* Locked, and without VMX: what kvm_intel looks at. */
static enum verdict shows_vmx_off(const struct guest *guest)
{
	const uint64_t lock = 1, vmx = 6;
	uint64_t value;

	if (guest->rdmsr(MSR_FEATURE_CONTROL, &value))
		return NOT_TRIED;
	return (value & (lock | vmx)) == lock ? HELD : NOT_HELD;
}

static enum verdict refuses_users(const struct guest *guest)
{
	return guest->vmcall_faults() ? HELD : NOT_HELD;
}

/* Another value, which is put back if it is taken. */
static enum verdict pins_register(const struct guest *guest, uint32_t msr, uint64_t change)
{
	uint64_t value;
	int error = guest->rdmsr(msr, &value);

	if (!error)
		error = guest->wrmsr(msr, value ^ change);
	if (error && error != -EIO)
		return NOT_TRIED;
	if (!error)
		(void)guest->wrmsr(msr, value);
	return error ? HELD : NOT_HELD;
}

/* The value that it has. */
static enum verdict pins_vmx_off(const struct guest *guest)
{
	return pins_register(guest, MSR_FEATURE_CONTROL, 0);
}

/* No 64-bit Intel CPU uses CSTAR: SYSCALL is undefined in 32-bit programs there. Linux sets it all the same. */
static enum verdict pins_system_calls(const struct guest *guest)
{
	return pins_register(guest, MSR_CSTAR, 0x10);
}

/* Entry 6, which no mapping of Linux uses, from UC- to UC: uncacheable, both of them. */
static enum verdict pins_memory_types(const struct guest *guest)
{
	return pins_register(guest, MSR_PAT, 7ULL << 48);
}

/* That attempt, or an earlier one, is in the counters. */
static enum verdict records(const struct guest *guest)
{
	struct secpod_stats stats;

	if (guest->stats(&stats) || pins_system_calls(guest) == NOT_TRIED)
		return NOT_TRIED;
	return stats.rule[SECPOD_RULE_SYSCALL_MSR] ? HELD : NOT_HELD;
}

/* clang-format off */
static const struct {
	const char *key;
	enum verdict (*probe)(const struct guest *guest);
	const char *what;
} probes[] = {
	{"locked", is_locked, "the protection is complete"},
	{"vmx-hidden", hides_vmx, "CPUID does not show VT-x"},
	{"vmx-registers", hides_vmx_registers, "the capability registers of VMX are not there"},
	{"vmx-off", shows_vmx_off, "IA32_FEATURE_CONTROL says VMX is off"},
	{"vmx-off-kept", pins_vmx_off, "IA32_FEATURE_CONTROL cannot be written"},
	{"writers-hidden", hides_writers, "CPUID does not show SMX, SGX, Processor Trace and hardware feedback"},
	{"writers-registers", hides_writers_registers, "their registers are not there"},
	{"user-vmcall", refuses_users, "hypercalls are undefined in user mode"},
	{"system-call-entry", pins_system_calls, "the system-call registers cannot be changed"},
	{"memory-types", pins_memory_types, "the table of memory types (PAT) cannot be changed"},
	{"record", records, "what was refused is on record"},
};
/* clang-format on */

int command_selftest(const struct guest *guest, struct report *report,
		     const struct options *options)
{
	static const char *const titles[] = {"probe", "result", "what"};
	static const unsigned int widths[] = {18, 9, 0};
	static const char *const verdicts[] = {"held", "NOT HELD", "not tried"};
	bool failed = false, untried = false;

	(void)options;
	if (!guest_look(guest).present)
		return absent();
	report_begin(report);
	report_table(report, "probes", titles, widths, 3);
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const enum verdict verdict = probes[i].probe(guest);

		failed |= verdict == NOT_HELD;
		untried |= verdict == NOT_TRIED;
		report_row(report);
		report_text(report, "probe", "", probes[i].key, REPORT_PLAIN);
		report_text(report, "result", "", verdicts[verdict],
			    verdict == HELD ? REPORT_GOOD
					    : (verdict == NOT_HELD ? REPORT_BAD : REPORT_WARNING));
		report_text(report, "what", "", probes[i].what, REPORT_PLAIN);
	}
	report_table_end(report);
	report_end(report);
	if (untried)
		fputs("secpodctl: \"not tried\" needs root, modprobe msr, modprobe secpod\n",
		      stderr);
	return failed ? STATUS_MISSING : STATUS_OK;
}
