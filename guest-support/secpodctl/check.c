/* SPDX-License-Identifier: MIT */
/*
 * What SecPod needs of a machine, and whether this one has it; with and without SecPod. The SDM's appendix "VMX
 * Capability Reporting Facility" says where the CPU tells. Under SecPod the CPU's VT-x is hidden: that it runs is the
 * answer then.
 */
#include <errno.h>
#include <string.h>

#include "guest-support/secpodctl/commands.h"

#define CPUID_FEATURES 1u
#define CPUID_STRUCTURED 7u
#define MSR_FEATURE_CONTROL 0x3au
#define MSR_VMX_BASIC 0x480u
#define MSR_VMX_MISC 0x485u
#define MSR_VMX_PROCBASED_CTLS 0x482u
#define MSR_VMX_PROCBASED_CTLS2 0x48bu
#define MSR_VMX_EPT_VPID_CAP 0x48cu

enum finding { THERE, MISSING, UNKNOWN };

struct question {
	const struct guest *guest;
	struct secpod_seen seen;
};

/* A bit of a register that says what VMX can do. */
static enum finding msr_bit(const struct question *q, uint32_t msr, uint32_t bit)
{
	uint64_t value;
	int error = q->guest->rdmsr(msr, &value);

	if (error == -EIO)
		return MISSING;
	if (error)
		return UNKNOWN;
	return value >> bit & 1 ? THERE : MISSING;
}

/* One of the secondary controls may be set; there are some. */
static enum finding secondary(const struct question *q, uint32_t control)
{
	const uint32_t activate = 31, may_be_set = 32;

	if (q->seen.present)
		return UNKNOWN;
	if (msr_bit(q, MSR_VMX_PROCBASED_CTLS, may_be_set + activate) != THERE)
		return msr_bit(q, MSR_VMX_PROCBASED_CTLS, may_be_set + activate);
	return msr_bit(q, MSR_VMX_PROCBASED_CTLS2, may_be_set + control);
}

static enum finding has_uefi(const struct question *q)
{
	return q->guest->exists("/sys/firmware/efi") ? THERE : MISSING;
}

static enum finding has_vmx(const struct question *q)
{
	const uint32_t vmx = 1u << 5;

	return q->seen.present || (q->guest->cpuid(CPUID_FEATURES, 0).ecx & vmx) ? THERE : MISSING;
}

static enum finding may_vmx(const struct question *q)
{
	const uint64_t lock = 1, outside_smx = 4;
	uint64_t value;

	if (q->seen.present)
		return THERE;
	if (has_vmx(q) != THERE)
		return MISSING;
	if (q->guest->rdmsr(MSR_FEATURE_CONTROL, &value))
		return UNKNOWN;
	return !(value & lock) || (value & outside_smx) ? THERE : MISSING;
}

/* What SecPod demands of the CPU, it has when SecPod runs. */
static enum finding demanded(const struct question *q, uint32_t control)
{
	return q->seen.present ? THERE : secondary(q, control);
}

static enum finding has_ept(const struct question *q)
{
	return demanded(q, 1);
}

static enum finding has_unrestricted(const struct question *q)
{
	return demanded(q, 7);
}

static enum finding has_2m_pages(const struct question *q)
{
	return q->seen.present ? THERE : msr_bit(q, MSR_VMX_EPT_VPID_CAP, 16);
}

static enum finding has_wait_for_sipi(const struct question *q)
{
	return q->seen.present ? THERE : msr_bit(q, MSR_VMX_MISC, 8);
}

static enum finding is_alone(const struct question *q)
{
	const uint32_t hypervisor = 1u << 31;

	return q->seen.present || !(q->guest->cpuid(CPUID_FEATURES, 0).ecx & hypervisor) ? THERE
											 : MISSING;
}

static enum finding has_mbec(const struct question *q)
{
	return secondary(q, 22);
}

static enum finding has_descriptor_exiting(const struct question *q)
{
	return secondary(q, 2);
}

static enum finding has_bit_of_leaf_7(const struct question *q, uint32_t bit)
{
	if (q->guest->cpuid(0, 0).eax < CPUID_STRUCTURED)
		return MISSING;
	return q->guest->cpuid(CPUID_STRUCTURED, 0).ebx >> bit & 1 ? THERE : MISSING;
}

static enum finding has_smep(const struct question *q)
{
	return has_bit_of_leaf_7(q, 7);
}

static enum finding has_smap(const struct question *q)
{
	return has_bit_of_leaf_7(q, 20);
}

static enum finding has_dma_remapping(const struct question *q)
{
	return q->guest->exists("/sys/firmware/acpi/tables/DMAR") ? THERE : MISSING;
}

/* clang-format off */
static const struct {
	const char *key;
	enum finding (*find)(const struct question *q);
	bool needed;
	const char *what;
} rows[] = {
	{"uefi", has_uefi, true, "started by UEFI firmware, not by a BIOS"},
	{"vmx", has_vmx, true, "the CPU has VT-x (VMX)"},
	{"vmx-on", may_vmx, true, "the firmware has not turned it off"},
	{"ept", has_ept, true, "extended page tables"},
	{"unrestricted-guest", has_unrestricted, true, "guest code in real mode"},
	{"ept-2m-pages", has_2m_pages, true, "EPT pages of 2 MiB"},
	{"wait-for-sipi", has_wait_for_sipi, true, "start of further CPUs (not needed with one)"},
	{"not-a-guest", is_alone, false, "no other hypervisor below (else: nested VT-x)"},
	{"mbec", has_mbec, false, "mode-based execute control: data is not executable for the kernel, by EPT too"},
	{"descriptor-exiting", has_descriptor_exiting, false, "without it descriptor tables are only looked at"},
	{"smep", has_smep, false, "the kernel executes no user page"},
	{"smap", has_smap, false, "the kernel reads user pages only when it means to"},
	{"vt-d", has_dma_remapping, false, "DMA remapping: SecPod does not use it yet, and does not stop devices"},
};
/* clang-format on */

int command_check(const struct guest *guest, struct report *report, const struct options *options)
{
	static const char *const titles[] = {"capability", "needed", "here", "what"};
	static const unsigned int widths[] = {18, 6, 7, 0};
	static const char *const findings[] = {"yes", "no", "unknown"};
	const struct question question = {guest, guest_look(guest)};
	bool missing = false, unclear = false, unknown = false;

	(void)options;
	report_begin(report);
	report_table(report, "capabilities", titles, widths, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const enum finding finding = rows[i].find(&question);
		const bool bad = rows[i].needed && finding == MISSING;

		missing |= bad;
		unclear |= rows[i].needed && finding == UNKNOWN;
		unknown |= finding == UNKNOWN;
		report_row(report);
		report_text(report, "capability", "", rows[i].key, REPORT_PLAIN);
		report_flag(report, "needed", "", rows[i].needed);
		report_text(report, "here", "", findings[finding],
			    bad ? REPORT_BAD : (finding == THERE ? REPORT_GOOD : REPORT_WARNING));
		report_text(report, "what", "", rows[i].what, REPORT_PLAIN);
	}
	report_table_end(report);
	report_text(report, "machine", "This machine:",
		    missing   ? "lacks what SecPod needs"
		    : unclear ? "may have what SecPod needs"
			      : "has what SecPod needs",
		    missing   ? REPORT_BAD
		    : unclear ? REPORT_WARNING
			      : REPORT_GOOD);
	report_end(report);
	if (unknown)
		fprintf(stderr, "secpodctl: \"unknown\": %s\n",
			question.seen.present
				? "under SecPod the CPU does not tell"
				: "the CPU's registers cannot be read (root, modprobe msr)");
	return missing ? STATUS_MISSING : STATUS_OK;
}
