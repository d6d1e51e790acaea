/* SPDX-License-Identifier: MIT */
/* The checks on guest state. */
#include "tests/unit/entry_fixture.h"

#include <stdio.h>
#include <string.h>

#define RIGHTS_LDT 0x82u /* present */

static void guest_control_registers(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {CLEAR(cr0, CR0_NE)}, "CR0 lacks"},
		{LONG_MODE, {SET(cr0, 1ULL << 32)}, "CR0 has"},
		{LONG_MODE, {SET(cr0, CR0_CD | CR0_NW)}, NULL},
		{LONG_MODE,
		 {SET(cr0, CR0_CD | CR0_NW), CLEAR(caps.cr0_fixed1, CR0_CD | CR0_NW)},
		 NULL},
		{PAE, {CLEAR(cr0, CR0_PE)}, "CR0.PG needs CR0.PE"},
		{PAE, {CLEAR(cr0, CR0_PG)}, NULL},
		{RESTRICTED, {CLEAR(cr0, CR0_PG)}, "CR0 lacks"},
		{LONG_MODE, {CLEAR(cr4, CR4_VMXE)}, "CR4 lacks"},
		{LONG_MODE, {SET(cr4, CR4_LA57)}, "CR4 has"},
		{LONG_MODE,
		 {SET(cr4, CR4_CET), SET(caps.cr4_fixed1, CR4_CET), CLEAR(cr0, CR0_WP)},
		 "CR4.CET"},
		{LONG_MODE, {CLEAR(cr0, CR0_PG)}, "needs CR0.PG"},
		{LONG_MODE, {CLEAR(cr4, CR4_PAE)}, "needs CR4.PAE"},
		{LONG_MODE, {SET(cr4, CR4_PCIDE)}, NULL},
		{PAE, {SET(cr4, CR4_PCIDE)}, "CR4.PCIDE"},
		{LONG_MODE, {SET(cr3, 1ULL << 46)}, "CR3"},
		{LONG_MODE, {SET(cr3, 1ULL << 63)}, "CR3"},
		{LONG_MODE, {PUT(debugctl, 0xdfc7)}, NULL},
		{LONG_MODE, {PUT(debugctl, 1u << 3)}, "IA32_DEBUGCTL"},
		{LONG_MODE, {PUT(debugctl, 1u << 13)}, "IA32_DEBUGCTL"},
		{LONG_MODE, {PUT(debugctl, 1u << 16)}, "IA32_DEBUGCTL"},
		{LONG_MODE, {SET(dr7, 1ULL << 32)}, "DR7"},
		{LONG_MODE,
		 {PUT(debugctl, ~0ULL), SET(dr7, 1ULL << 32),
		  CLEAR(entry, ENTRY_LOAD_DEBUG_CONTROLS)},
		 NULL},
		{LONG_MODE, {PUT(sysenter_esp, 1ULL << 47)}, "IA32_SYSENTER_ESP"},
		{LONG_MODE, {PUT(sysenter_eip, 1ULL << 47)}, "IA32_SYSENTER_EIP"},
		{LONG_MODE, {PUT(pat, 0x0200)}, "IA32_PAT"},
		{LONG_MODE, {PUT(pat, 0x0706050401000604)}, NULL},
		{LONG_MODE, {PUT(pat, 0x0200), CLEAR(entry, ENTRY_LOAD_PAT)}, NULL},
		{LONG_MODE, {SET(efer, EFER_FFXSR)}, "reserved bits of IA32_EFER"},
		{LONG_MODE, {CLEAR(efer, EFER_LMA)}, "IA-32e-mode-guest"},
		{PAE, {SET(efer, EFER_LMA)}, "IA-32e-mode-guest"},
		{PAE, {SET(efer, EFER_LME)}, "EFER.LME"},
		{REAL_MODE, {SET(efer, EFER_LME)}, NULL},
		{LONG_MODE, {CLEAR(efer, EFER_LME)}, "EFER.LME"},
		{LONG_MODE, {PUT(efer, ~0ULL), CLEAR(entry, ENTRY_LOAD_EFER)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows),
		 "Checks on Guest Control Registers, Debug Registers, and MSRs: ");
}

static void segment_selectors_and_bases(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {SEG_SET(SEG_TR, selector, 4)}, "TI of the TR"},
		{LONG_MODE, {SEG_SET(SEG_LDTR, selector, 4)}, NULL},
		{LONG_MODE,
		 {SEG_SET(SEG_LDTR, selector, 4), SEG_PUT(SEG_LDTR, rights, RIGHTS_LDT)},
		 "TI of the LDTR"},
		{RESTRICTED, {SEG_SET(SEG_SS, selector, 3)}, "RPL of SS must equal RPL of CS"},
		{LONG_MODE, {SEG_SET(SEG_SS, selector, 3)}, NULL},
		{LONG_MODE, {SEG_PUT(SEG_TR, base, 1ULL << 47)}, "TR base must be canonical"},
		{LONG_MODE, {SEG_PUT(SEG_FS, base, 1ULL << 47)}, "FS base must be canonical"},
		{LONG_MODE, {SEG_PUT(SEG_GS, base, 1ULL << 47)}, "GS base must be canonical"},
		{LONG_MODE, {SEG_PUT(SEG_GS, base, ~0ULL << 47)}, NULL},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, base, 1ULL << 47)}, NULL},
		{LONG_MODE,
		 {SEG_PUT(SEG_LDTR, base, 1ULL << 47), SEG_PUT(SEG_LDTR, rights, RIGHTS_LDT)},
		 "LDTR base must be canonical"},
		{LONG_MODE, {SEG_PUT(SEG_CS, base, 1ULL << 32)}, "CS base has 32 bits"},
		{LONG_MODE, {SEG_PUT(SEG_SS, base, 1ULL << 32)}, "SS base has 32 bits"},
		{LONG_MODE, {SEG_PUT(SEG_DS, base, 1ULL << 32)}, "DS base has 32 bits"},
		{LONG_MODE, {SEG_PUT(SEG_ES, base, 1ULL << 32)}, "ES base has 32 bits"},
		{LONG_MODE,
		 {SEG_PUT(SEG_ES, base, 1ULL << 32), SEG_SET(SEG_ES, rights, SEGMENT_UNUSABLE)},
		 NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Segment Registers: ");
}

static void virtual_8086_segments(void **state)
{
	static const struct row rows[] = {
		{V86, {SEG_SET(SEG_ES, base, 1)}, "ES base in virtual-8086"},
		{V86, {SEG_SET(SEG_CS, base, 1)}, "CS base in virtual-8086"},
		{V86, {SEG_PUT(SEG_SS, limit, 0xfffff)}, "SS limit in virtual-8086"},
		{V86, {SEG_PUT(SEG_DS, limit, 0xfffe)}, "DS limit in virtual-8086"},
		{V86, {SEG_PUT(SEG_FS, rights, 0x93)}, "FS access rights in virtual-8086"},
		{V86,
		 {SEG_SET(SEG_GS, rights, SEGMENT_UNUSABLE)},
		 "GS access rights in virtual-8086"},
		{V86, {SEG_PUT(SEG_TR, rights, 0x82)}, "TR type"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Segment Registers: ");
}

static void code_segment(void **state)
{
	static const struct row rows[] = {
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc099)}, NULL}, /* execute-only */
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc09f)}, NULL}, /* conforming */
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc09a)}, "CS type"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc093)}, NULL}, /* real-mode style data */
		{RESTRICTED, {SEG_PUT(SEG_CS, rights, 0xc093)}, "CS type"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc097)}, "CS type"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc08b)}, "CS.S"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc0f3)}, "CS.DPL must be 0 with type 3"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc0fb)}, "SS.DPL must equal CS.DPL"},
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc0f3)}, "SS.DPL must equal CS.DPL"},
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc0f3), SEG_PUT(SEG_CS, rights, 0xc09f)}, NULL},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc0ff)}, "must not be above SS.DPL"},
		{PAE, {SEG_PUT(SEG_CS, rights, 0xc01b)}, "CS must be present"},
		{PAE, {SEG_SET(SEG_CS, rights, 1u << 8)}, "CS: reserved"},
		{PAE, {SEG_SET(SEG_CS, rights, 1u << 11)}, "CS: reserved"},
		{PAE, {SEG_SET(SEG_CS, rights, 1u << 17)}, "CS: reserved"},
		{PAE, {SEG_SET(SEG_CS, rights, 1u << 31)}, "CS: reserved"},
		{LONG_MODE, {SEG_SET(SEG_CS, rights, SEGMENT_DB)}, "CS.D must be 0"},
		{PAE, {SEG_SET(SEG_CS, rights, SEGMENT_L | SEGMENT_DB)}, NULL},
		{PAE, {SEG_PUT(SEG_CS, limit, 0xffffeffe)}, "CS: a limit whose bits 11:0"},
		{PAE, {SEG_CLEAR(SEG_CS, rights, SEGMENT_G)}, "CS: a limit with a bit of 31:20"},
		{PAE,
		 {SEG_CLEAR(SEG_CS, rights, SEGMENT_G), SEG_PUT(SEG_CS, limit, 0xfffff)},
		 NULL},
		{PAE, {SEG_CLEAR(SEG_CS, rights, SEGMENT_G), SEG_PUT(SEG_CS, limit, 0)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Segment Registers: ");
}

static void stack_segment(void **state)
{
	static const struct row rows[] = {
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc097)}, NULL}, /* expand-down */
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc091)}, "SS type"},
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc09b)}, "SS type"},
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc083)}, "SS.S"},
		{PAE, {SEG_PUT(SEG_SS, rights, 0xc013)}, "SS must be present"},
		{PAE, {SEG_SET(SEG_SS, rights, 1u << 9)}, "SS: reserved"},
		{PAE, {SEG_PUT(SEG_SS, limit, 0)}, "SS: a limit whose bits 11:0"},
		{PAE, {SEG_PUT(SEG_SS, rights, SEGMENT_UNUSABLE)}, NULL},
		{PAE, {SEG_SET(SEG_SS, selector, 3)}, NULL},
		{RESTRICTED,
		 {SEG_PUT(SEG_SS, rights, 0xc0f3), SEG_PUT(SEG_CS, rights, 0xc0fb)},
		 "SS.DPL must equal RPL"},
		{RESTRICTED,
		 {SEG_PUT(SEG_SS, rights, 0xc0f3), SEG_PUT(SEG_CS, rights, 0xc0fb),
		  SEG_SET(SEG_SS, selector, 3)},
		 "RPL of SS must equal RPL of CS"},
		{REAL_MODE,
		 {SEG_PUT(SEG_SS, rights, 0xf3), SEG_PUT(SEG_CS, rights, 0xfb)},
		 "SS.DPL must be 0"},
		{PAE,
		 {SEG_PUT(SEG_SS, rights, 0xc0f3), SEG_PUT(SEG_CS, rights, 0xc093)},
		 "SS.DPL must be 0"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Segment Registers: ");
}

static void data_segments(void **state)
{
	static const struct {
		unsigned int number;
		const char *name;
	} segments[] = {{SEG_DS, "DS"}, {SEG_ES, "ES"}, {SEG_FS, "FS"}, {SEG_GS, "GS"}};
	static const struct {
		enum guest guest;
		uint64_t rights, limit, selector;
		const char *rule; /* without the name in front */
	} rules[] = {
		{PAE, 0xc091, 0xffffffff, 0, NULL}, /* read-only */
		{PAE, 0xc09b, 0xffffffff, 0, NULL}, /* readable code */
		{PAE, 0xc092, 0xffffffff, 0, " type must be accessed"},
		{PAE, 0xc099, 0xffffffff, 0, " type must be readable"},
		{PAE, 0xc083, 0xffffffff, 0, ".S must be 1"},
		{PAE, 0xc013, 0xffffffff, 0, " must be present"},
		{PAE, 0xc493, 0xffffffff, 0, ": reserved"},
		{PAE, 0xc093, 0xffffeffe, 0, ": a limit whose bits 11:0"},
		{PAE, 0x4093, 0x100000, 0, ": a limit with a bit of 31:20"},
		{PAE, SEGMENT_UNUSABLE, 1, 0, NULL},
		{PAE, 0xc093, 0xffffffff, 3, NULL},
		{RESTRICTED, 0xc093, 0xffffffff, 3, ".DPL must not be below its RPL"},
		{RESTRICTED, 0xc0f3, 0xffffffff, 3, NULL},
		{RESTRICTED, 0xc09f, 0xffffffff, 3, NULL}, /* conforming code */
		{RESTRICTED, 0xc09b, 0xffffffff, 1, ".DPL must not be below its RPL"},
	};

	(void)state;
	for (size_t n = 0; n < COUNT_OF(segments); n++) {
		for (size_t i = 0; i < COUNT_OF(rules); i++) {
			struct entry_state s = guest_make(rules[i].guest);
			char wanted[64];
			const char *rule;
			uint64_t value;

			s.segment[segments[n].number] = (struct entry_segment){
				rules[i].selector, 0, rules[i].limit, rules[i].rights};
			rule = entry_check(&s, &value);
			if (!rules[i].rule) {
				assert_null(rule);
				continue;
			}
			snprintf(wanted, sizeof(wanted), "Checks on Guest Segment Registers: %s%s",
				 segments[n].name, rules[i].rule);
			assert_non_null(rule);
			if (strncmp(rule, wanted, strlen(wanted)) != 0)
				fail_msg("\"%s\", expected \"%s\"", rule, wanted);
		}
	}
}

static void system_segments(void **state)
{
	static const struct row rows[] = {
		{PAE, {SEG_PUT(SEG_TR, rights, 0x83)}, NULL}, /* 16-bit busy */
		{LONG_MODE, {SEG_PUT(SEG_TR, rights, 0x83)}, "TR type"},
		{LONG_MODE, {SEG_PUT(SEG_TR, rights, 0x89)}, "TR type"},
		{LONG_MODE, {SEG_SET(SEG_TR, rights, SEGMENT_S)}, "TR.S"},
		{LONG_MODE, {SEG_SET(SEG_TR, rights, SEGMENT_UNUSABLE)}, "TR must be usable"},
		{LONG_MODE, {SEG_CLEAR(SEG_TR, rights, SEGMENT_P)}, "TR must be present"},
		{LONG_MODE, {SEG_SET(SEG_TR, rights, 1u << 8)}, "TR: reserved"},
		{LONG_MODE,
		 {SEG_SET(SEG_TR, rights, SEGMENT_G), SEG_PUT(SEG_TR, limit, 0x67)},
		 "TR: a limit whose bits 11:0"},
		{LONG_MODE, {SEG_PUT(SEG_TR, limit, 0x100fff)}, "TR: a limit with a bit of 31:20"},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, RIGHTS_LDT)}, NULL},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, 0x8b)}, "LDTR type"},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, 0x92)}, "LDTR.S"},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, 0x02)}, "LDTR must be present"},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, 0x182)}, "LDTR: reserved"},
		{LONG_MODE, {SEG_PUT(SEG_LDTR, rights, 0x8082)}, "LDTR: a limit whose bits 11:0"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Segment Registers: ");
}

static void descriptor_tables(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(gdtr_base, 1ULL << 47)}, "GDTR base"},
		{LONG_MODE, {PUT(idtr_base, 1ULL << 47)}, "IDTR base"},
		{LONG_MODE, {PUT(gdtr_limit, 0x10000)}, "GDTR limit"},
		{LONG_MODE, {PUT(idtr_limit, 0x10000)}, "IDTR limit"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Descriptor-Table Registers: ");
}

static void rip_and_rflags(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(rip, (1ULL << 48) - 1)}, NULL}, /* not canonical, yet taken */
		{LONG_MODE, {PUT(rip, ~0ULL << 48)}, NULL},
		{LONG_MODE, {PUT(rip, 1ULL << 48)}, "high bits of RIP"},
		{LONG_MODE, {PUT(rip, 1ULL << 63)}, "high bits of RIP"},
		{LONG_MODE,
		 {SEG_CLEAR(SEG_CS, rights, SEGMENT_L), PUT(rip, 1ULL << 32)},
		 "32 bits"},
		{PAE, {SEG_SET(SEG_CS, rights, SEGMENT_L), PUT(rip, 1ULL << 32)}, "32 bits"},
		{PAE, {PUT(rip, 0xffffffff)}, NULL},
		{LONG_MODE, {CLEAR(rflags, RFLAGS_FIXED1)}, "bit 1"},
		{LONG_MODE, {SET(rflags, 1u << 3)}, "reserved bits"},
		{LONG_MODE, {SET(rflags, 1u << 5)}, "reserved bits"},
		{LONG_MODE, {SET(rflags, 1u << 15)}, "reserved bits"},
		{LONG_MODE, {SET(rflags, 1u << 22)}, "reserved bits"},
		{LONG_MODE, {SET(rflags, 1ULL << 63)}, "reserved bits"},
		{LONG_MODE, {PUT(rflags, 0x3f7fd7 & ~(uint64_t)RFLAGS_VM)}, NULL},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_EXTERNAL, 0x40))},
		 "external interrupt needs RFLAGS.IF"},
		{LONG_MODE,
		 {PUT(event_info, EVENT(EVENT_TYPE_EXTERNAL, 0x40)), SET(rflags, RFLAGS_IF)},
		 NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest RIP, RFLAGS, and SSP: ");
}

static void virtual_8086_needs_protected_mode(void **state)
{
	struct entry_state s = guest_make(V86);
	uint64_t value;
	const char *rule;

	(void)state;
	s.entry |= ENTRY_IA32E_GUEST;
	s.efer |= EFER_LMA | EFER_LME;
	rule = entry_check(&s, &value);
	assert_non_null(rule);
	assert_non_null(strstr(rule, "RFLAGS.VM"));
	assert_int_equal(value, s.rflags);
	s = guest_make(V86);
	s.cr0 = CR0_NE | CR0_ET;
	rule = entry_check(&s, &value);
	assert_non_null(rule);
	assert_non_null(strstr(rule, "RFLAGS.VM"));
}

static void activity_state(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(activity, ACTIVITY_HLT)}, NULL},
		{LONG_MODE, {PUT(activity, ACTIVITY_SHUTDOWN)}, NULL},
		{LONG_MODE, {PUT(activity, ACTIVITY_WAIT_SIPI)}, NULL},
		{LONG_MODE, {PUT(activity, 4)}, "does not have"},
		{LONG_MODE, {PUT(activity, ~0ULL)}, "does not have"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), CLEAR(caps.misc, VMX_MISC_ACTIVITY_HLT)},
		 "does not have"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_SHUTDOWN), CLEAR(caps.misc, VMX_MISC_ACTIVITY_SHUTDOWN)},
		 "does not have"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_WAIT_SIPI), CLEAR(caps.misc, VMX_MISC_ACTIVITY_WAIT_SIPI)},
		 "does not have"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), SEG_PUT(SEG_SS, rights, 0xc0f3),
		  SEG_PUT(SEG_CS, rights, 0xa0fb)},
		 "SS.DPL 0"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(interruptibility, BLOCKING_BY_MOV_SS)},
		 "active state"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(interruptibility, BLOCKING_BY_STI),
		  SET(rflags, RFLAGS_IF)},
		 "active state"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, EVENT(EVENT_TYPE_EXTERNAL, 0x40)),
		  SET(rflags, RFLAGS_IF)},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, EVENT(EVENT_TYPE_OTHER, 0))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, HARDWARE(VECTOR_DB))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, HARDWARE(VECTOR_MC))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), PUT(event_info, HARDWARE(VECTOR_UD))},
		 "cannot be injected"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_SHUTDOWN), PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_SHUTDOWN), PUT(event_info, HARDWARE(VECTOR_MC))},
		 NULL},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_SHUTDOWN), PUT(event_info, HARDWARE(VECTOR_DB))},
		 "cannot be injected"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_WAIT_SIPI), PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 "cannot be injected"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Non-Register State: ");
}

static void interruptibility_state(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(interruptibility, 1u << 5)}, "reserved bits"},
		{LONG_MODE, {PUT(interruptibility, 1u << 31)}, "reserved bits"},
		{LONG_MODE, {PUT(interruptibility, BLOCKING_BY_STI), SET(rflags, RFLAGS_IF)}, NULL},
		{LONG_MODE, {PUT(interruptibility, BLOCKING_BY_STI)}, "needs RFLAGS.IF"},
		{LONG_MODE, {PUT(interruptibility, BLOCKING_BY_MOV_SS)}, NULL},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS),
		  SET(rflags, RFLAGS_IF)},
		 "excludes blocking by MOV SS"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_STI), SET(rflags, RFLAGS_IF),
		  PUT(event_info, EVENT(EVENT_TYPE_EXTERNAL, 0x40))},
		 "external interrupt needs no blocking"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), SET(rflags, RFLAGS_IF),
		  PUT(event_info, EVENT(EVENT_TYPE_EXTERNAL, 0x40))},
		 "external interrupt needs no blocking"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS),
		  PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 "NMI needs no blocking by MOV SS"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_STI), SET(rflags, RFLAGS_IF),
		  PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 "some CPUs"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), PUT(event_info, HARDWARE(VECTOR_UD))},
		 NULL},
		{LONG_MODE, {PUT(interruptibility, BLOCKING_BY_SMI)}, "SMI"},
		{LONG_MODE, {PUT(interruptibility, BLOCKING_BY_NMI)}, NULL},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_NMI),
		  PUT(event_info, EVENT(EVENT_TYPE_NMI, 2))},
		 "no blocking by NMI"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_NMI), PUT(event_info, EVENT(EVENT_TYPE_NMI, 2)),
		  CLEAR(pin, PIN_VIRTUAL_NMIS)},
		 NULL},
		{LONG_MODE,
		 {PUT(interruptibility, INTERRUPTIBILITY_ENCLAVE | BLOCKING_BY_MOV_SS)},
		 "enclave"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Non-Register State: ");
}

static void pending_debug_exceptions(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(pending_debug, 0x500f)}, NULL},
		{LONG_MODE, {PUT(pending_debug, 1u << 4)}, "reserved bits"},
		{LONG_MODE, {PUT(pending_debug, 1u << 10)}, "reserved bits"},
		{LONG_MODE, {PUT(pending_debug, 1u << 13)}, "reserved bits"},
		{LONG_MODE, {PUT(pending_debug, 1u << 15)}, "reserved bits"},
		{LONG_MODE, {PUT(pending_debug, 1u << 17)}, "reserved bits"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), SET(rflags, RFLAGS_TF)},
		 "BS must be pending"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_STI), SET(rflags, RFLAGS_TF | RFLAGS_IF)},
		 "BS must be pending"},
		{LONG_MODE,
		 {PUT(activity, ACTIVITY_HLT), SET(rflags, RFLAGS_TF)},
		 "BS must be pending"},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), SET(rflags, RFLAGS_TF),
		  PUT(pending_debug, PENDING_DEBUG_BS)},
		 NULL},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), SET(rflags, RFLAGS_TF),
		  PUT(debugctl, DEBUGCTL_BTF)},
		 NULL},
		{LONG_MODE,
		 {PUT(interruptibility, BLOCKING_BY_MOV_SS), PUT(pending_debug, PENDING_DEBUG_BS)},
		 "BS must not be pending"},
		{LONG_MODE, {SET(rflags, RFLAGS_TF)}, NULL},
		{LONG_MODE,
		 {PUT(pending_debug, PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED_BREAKPOINT)},
		 NULL},
		{LONG_MODE, {PUT(pending_debug, PENDING_DEBUG_RTM)}, "bit 12 and no other"},
		{LONG_MODE,
		 {PUT(pending_debug, PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED_BREAKPOINT | 1)},
		 "bit 12 and no other"},
		{LONG_MODE,
		 {PUT(pending_debug, PENDING_DEBUG_RTM | PENDING_DEBUG_ENABLED_BREAKPOINT),
		  PUT(interruptibility, BLOCKING_BY_MOV_SS)},
		 "RTM exception excludes"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Non-Register State: ");
}

static void link_pointer(void **state)
{
	static const struct row rows[] = {
		{LONG_MODE, {PUT(link_pointer, 0xf000)}, NULL},
		{LONG_MODE, {PUT(link_pointer, 0xf001)}, "link pointer"},
		{LONG_MODE, {PUT(link_pointer, 1ULL << 46)}, "link pointer"},
		{LONG_MODE, {PUT(link_pointer, ~0ULL - 1)}, "link pointer"},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Non-Register State: ");
}

static void pdptes(void **state)
{
	static const struct row rows[] = {
		{PAE, {PUT(pdpte[0], 0x3)}, "reserved bits of a present entry"},
		{PAE, {PUT(pdpte[1], 0x21)}, "reserved bits of a present entry"},
		{PAE, {PUT(pdpte[2], 1ULL << 46 | 1)}, "reserved bits of a present entry"},
		{PAE, {PUT(pdpte[3], 1ULL << 63 | 1)}, "reserved bits of a present entry"},
		{PAE, {PUT(pdpte[3], ~1ULL)}, NULL},
		{PAE, {PUT(pdpte[0], 0x3), CLEAR(cr0, CR0_PG)}, NULL},
		{PAE, {PUT(pdpte[0], 0x3), CLEAR(cr4, CR4_PAE)}, NULL},
		{LONG_MODE, {PUT(pdpte[0], 0x3)}, NULL},
		{RESTRICTED, {PUT(pdpte[0], 0x3)}, "reserved bits of a present entry"},
		{RESTRICTED, {PUT(pdpte[0], 0x3), CLEAR(proc2, PROC2_EPT)}, NULL},
	};

	(void)state;
	run_rows(rows, COUNT_OF(rows), "Checks on Guest Page-Directory-Pointer-Table Entries: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_control_registers),
		cmocka_unit_test(segment_selectors_and_bases),
		cmocka_unit_test(virtual_8086_segments),
		cmocka_unit_test(code_segment),
		cmocka_unit_test(stack_segment),
		cmocka_unit_test(data_segments),
		cmocka_unit_test(system_segments),
		cmocka_unit_test(descriptor_tables),
		cmocka_unit_test(rip_and_rflags),
		cmocka_unit_test(virtual_8086_needs_protected_mode),
		cmocka_unit_test(activity_state),
		cmocka_unit_test(interruptibility_state),
		cmocka_unit_test(pending_debug_exceptions),
		cmocka_unit_test(link_pointer),
		cmocka_unit_test(pdptes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
