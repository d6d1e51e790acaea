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
#define MSR_VMX_PINBASED_CTLS 0x481u
#define MSR_VMX_PROCBASED_CTLS 0x482u
#define MSR_VMX_EXIT_CTLS 0x483u
#define MSR_VMX_ENTRY_CTLS 0x484u
#define MSR_VMX_MISC 0x485u
#define MSR_VMX_PROCBASED_CTLS2 0x48bu
#define MSR_VMX_EPT_VPID_CAP 0x48cu

enum finding { THERE, MISSING, UNKNOWN };

struct question {
	const struct guest *guest;
	struct secpod_seen seen;
};

#define BIT(n) (1ULL << (n))
/* Of a register of controls: that one may be set. */
#define MAY_SET(control) BIT(32 + (control))

/* Bits of a register that says what VMX can do: all of them. */
static enum finding msr_bits(const struct question *q, uint32_t msr, uint64_t bits)
{
	uint64_t value;
	int error = q->guest->rdmsr(msr, &value);

	if (error == -EIO)
		return MISSING;
	if (error)
		return UNKNOWN;
	return (value & bits) == bits ? THERE : MISSING;
}

static enum finding both(enum finding one, enum finding other)
{
	if (one == MISSING || other == MISSING)
		return MISSING;
	return one == UNKNOWN || other == UNKNOWN ? UNKNOWN : THERE;
}

/* Any of two. */
static enum finding either(enum finding one, enum finding other)
{
	return one == MISSING ? other : one;
}

/* One of the secondary controls may be set; there are some. */
static enum finding secondary(const struct question *q, uint32_t control)
{
	const uint32_t activate = 31;
	enum finding any;

	if (q->seen.present)
		return UNKNOWN;
	any = msr_bits(q, MSR_VMX_PROCBASED_CTLS, MAY_SET(activate));
	return any == THERE ? msr_bits(q, MSR_VMX_PROCBASED_CTLS2, MAY_SET(control)) : any;
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

/* Below: what vmx/capabilities.c demands of the CPU. It has that when SecPod runs, and is not asked. */

/* True controls, and structures in memory anywhere. */
static enum finding has_controls(const struct question *q)
{
	const uint64_t true_controls = BIT(55), below_4g = BIT(48);
	uint64_t value;

	if (!q->guest->rdmsr(MSR_VMX_BASIC, &value) && (value & below_4g))
		return MISSING;
	/* With EFER.LMA in the controls for VM entries. */
	return both(msr_bits(q, MSR_VMX_BASIC, true_controls), msr_bits(q, MSR_VMX_MISC, BIT(5)));
}

static enum finding has_nmi_exiting(const struct question *q)
{
	return msr_bits(q, MSR_VMX_PINBASED_CTLS, MAY_SET(3) | MAY_SET(5));
}

static enum finding has_msr_bitmaps(const struct question *q)
{
	return msr_bits(q, MSR_VMX_PROCBASED_CTLS, MAY_SET(28));
}

/* IA32_PAT and IA32_EFER are saved and loaded at VM exits, and loaded at VM entries. */
static enum finding has_switched_msrs(const struct question *q)
{
	return both(msr_bits(q, MSR_VMX_EXIT_CTLS,
			     MAY_SET(18) | MAY_SET(19) | MAY_SET(20) | MAY_SET(21)),
		    msr_bits(q, MSR_VMX_ENTRY_CTLS, MAY_SET(14) | MAY_SET(15)));
}

/* With tables of four levels, uncacheable or written back. */
static enum finding has_ept(const struct question *q)
{
	return both(both(secondary(q, 1), msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(6))),
		    either(msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(8)),
			   msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(14))));
}

static enum finding has_2m_pages(const struct question *q)
{
	return msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(16));
}

/* INVEPT of one context or of all. */
static enum finding has_invept(const struct question *q)
{
	return both(msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(20)),
		    either(msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(25)),
			   msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(26))));
}

/* INVVPID of one context. */
static enum finding has_vpid(const struct question *q)
{
	return both(secondary(q, 5), msr_bits(q, MSR_VMX_EPT_VPID_CAP, BIT(32) | BIT(41)));
}

static enum finding has_unrestricted(const struct question *q)
{
	return secondary(q, 7);
}

static enum finding has_wait_for_sipi(const struct question *q)
{
	return msr_bits(q, MSR_VMX_MISC, BIT(8));
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

enum need { OPTIONAL, NEEDED, DEMANDED, DEMANDED_OF_SEVERAL };

/* clang-format off */
static const struct {
	const char *key;
	enum finding (*find)(const struct question *q);
	enum need need;
	const char *what;
} rows[] = {
	{"uefi", has_uefi, NEEDED, "started by UEFI firmware, not by a BIOS"},
	{"vmx", has_vmx, NEEDED, "the CPU has VT-x (VMX)"},
	{"vmx-on", may_vmx, NEEDED, "the firmware has not turned it off"},
	{"ept", has_ept, DEMANDED, "extended page tables"},
	{"ept-2m-pages", has_2m_pages, DEMANDED, "EPT pages of 2 MiB"},
	{"invept", has_invept, DEMANDED, "invalidation of what EPT has translated"},
	{"vpid", has_vpid, DEMANDED, "translations tagged for the guest, and their invalidation"},
	{"unrestricted-guest", has_unrestricted, DEMANDED, "guest code in real mode"},
	{"vmx-controls", has_controls, DEMANDED, "loads of CR3 without exits (true controls), structures anywhere in memory"},
	{"msr-bitmaps", has_msr_bitmaps, DEMANDED, "exits of some registers only"},
	{"msr-switching", has_switched_msrs, DEMANDED, "PAT and EFER of the guest's own"},
	{"virtual-nmis", has_nmi_exiting, DEMANDED, "exits of NMIs, which the guest gets again"},
	{"wait-for-sipi", has_wait_for_sipi, DEMANDED_OF_SEVERAL, "start of further CPUs (not needed with one)"},
	{"not-a-guest", is_alone, OPTIONAL, "no other hypervisor below (else: nested VT-x)"},
	{"mbec", has_mbec, OPTIONAL, "mode-based execute control: data is not executable for the kernel, by EPT too"},
	{"descriptor-exiting", has_descriptor_exiting, OPTIONAL, "without it descriptor tables are only looked at"},
	{"smep", has_smep, OPTIONAL, "the kernel executes no user page"},
	{"smap", has_smap, OPTIONAL, "the kernel reads user pages only when it means to"},
	{"vt-d", has_dma_remapping, OPTIONAL, "DMA remapping: SecPod does not use it yet, and does not stop devices"},
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
		const bool runs = question.seen.present && rows[i].need >= DEMANDED;
		const enum finding finding = runs ? THERE : rows[i].find(&question);
		const bool needed = rows[i].need == DEMANDED_OF_SEVERAL
					    ? guest->exists("/sys/devices/system/cpu/cpu1")
					    : rows[i].need != OPTIONAL;
		const bool bad = needed && finding == MISSING;

		missing |= bad;
		unclear |= needed && finding == UNKNOWN;
		unknown |= finding == UNKNOWN;
		report_row(report);
		report_text(report, "capability", "", rows[i].key, REPORT_PLAIN);
		report_flag(report, "needed", "", needed);
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
