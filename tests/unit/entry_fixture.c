/* SPDX-License-Identifier: MIT */
#include "tests/unit/entry_fixture.h"

#include <string.h>

#include "tests/unit/vmx_machines.h"

#define RIGHTS_CODE64 0xa09bu
#define RIGHTS_DATA 0xc093u
#define RIGHTS_REAL_CODE 0x9bu
#define RIGHTS_REAL_DATA 0x93u
#define RIGHTS_V86 0xf3u
#define RIGHTS_TSS 0x8bu

static void set_segments(struct entry_state *s, uint64_t code, uint64_t data, uint64_t limit)
{
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++)
		s->segment[i] = (struct entry_segment){0, 0, limit, i == SEG_CS ? code : data};
	s->segment[SEG_LDTR] = (struct entry_segment){0, 0, 0, SEGMENT_UNUSABLE};
	s->segment[SEG_TR] = (struct entry_segment){0, 0, 0xffff, RIGHTS_TSS};
}

static struct entry_state long_mode_guest(void)
{
	struct entry_state s = {.caps = bochs_skylake_x()};

	s.pin = (uint32_t)s.caps.pin | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	s.proc = (uint32_t)s.caps.proc | PROC_MSR_BITMAPS | PROC_SECONDARY_CONTROLS;
	s.proc2 = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED_GUEST;
	s.exit = (uint32_t)s.caps.exit | EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_PAT |
		 EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER | EXIT_SAVE_DEBUG_CONTROLS;
	s.entry = (uint32_t)s.caps.entry | ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_IA32E_GUEST |
		  ENTRY_LOAD_PAT | ENTRY_LOAD_EFER;
	s.msr_bitmap = 0x7000;
	s.vpid = 1;
	s.ept_pointer = 0x8000 | 3u << 3 | 6u;
	s.host_cr0 = 0x80050033;
	s.host_cr3 = 0x9000;
	s.host_cr4 = CR4_PAE | CR4_VMXE;
	s.host_pat = s.pat = 0x0007040600070406;
	s.host_efer = s.efer = EFER_LME | EFER_LMA | EFER_NXE;
	s.host_selector[SEG_CS] = 0x8;
	s.host_selector[SEG_TR] = 0x18;
	s.host_rip = 0x100000;
	s.cr0 = 0x80010033;
	s.cr3 = 0x1000;
	s.cr4 = CR4_PAE | CR4_VMXE;
	s.dr7 = DR7_INIT;
	set_segments(&s, RIGHTS_CODE64, RIGHTS_DATA, 0xffffffff);
	s.segment[SEG_CS].selector = 0x38;
	s.segment[SEG_SS].selector = 0x30;
	s.gdtr_limit = s.idtr_limit = 0xffff;
	s.rip = 0x200000;
	s.rflags = RFLAGS_FIXED1;
	s.link_pointer = ~0ULL;
	return s;
}

static struct entry_state real_mode_guest(void)
{
	struct entry_state s = long_mode_guest();

	s.entry &= ~(uint64_t)ENTRY_IA32E_GUEST;
	s.efer = 0;
	s.cr0 = CR0_ET | CR0_NE;
	s.cr3 = 0;
	s.cr4 = CR4_VMXE;
	set_segments(&s, RIGHTS_REAL_CODE, RIGHTS_REAL_DATA, 0xffff);
	s.segment[SEG_CS].selector = 0x9900;
	s.segment[SEG_CS].base = 0x99000;
	s.rip = 0;
	return s;
}

static struct entry_state pae_guest(void)
{
	struct entry_state s = long_mode_guest();

	s.entry &= ~(uint64_t)ENTRY_IA32E_GUEST;
	s.efer = EFER_NXE;
	s.segment[SEG_CS].rights = 0xc09b;
	s.pdpte[0] = 0x2001;
	return s;
}

static struct entry_state v86_guest(void)
{
	struct entry_state s = pae_guest();

	s.rflags |= RFLAGS_VM;
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++)
		s.segment[i] =
			(struct entry_segment){0x1000 + i, (0x1000 + i) << 4, 0xffff, RIGHTS_V86};
	return s;
}

static struct entry_state restricted_guest(void)
{
	struct entry_state s = pae_guest();

	s.proc2 &= ~(uint64_t)PROC2_UNRESTRICTED_GUEST;
	s.segment[SEG_CS].selector = 0x8;
	s.segment[SEG_SS].selector = 0x10;
	return s;
}

struct entry_state guest_make(enum guest guest)
{
	static struct entry_state (*const makers[])(void) = {
		long_mode_guest, real_mode_guest, pae_guest, v86_guest, restricted_guest};

	return makers[guest]();
}

static void apply(struct entry_state *s, const struct change *change)
{
	uint64_t value;

	if (!change->clear && !change->set)
		return;
	memcpy(&value, (char *)s + change->offset, sizeof(value));
	value = (value & ~change->clear) | change->set;
	memcpy((char *)s + change->offset, &value, sizeof(value));
}

void run_rows(const struct row *rows, size_t count, const char *section)
{
	for (size_t i = 0; i < count; i++) {
		struct entry_state s = guest_make(rows[i].guest);
		uint64_t value = 0;
		const char *rule;

		for (size_t c = 0; c < COUNT_OF(rows[i].change); c++)
			apply(&s, &rows[i].change[c]);
		rule = entry_check(&s, &value);
		if (!rows[i].rule) {
			if (rule)
				fail_msg("row %zu: \"%s\" (%#llx) for a good entry", i, rule,
					 (unsigned long long)value);
			continue;
		}
		if (!rule)
			fail_msg("row %zu: nothing found, expected \"%s\"", i, rows[i].rule);
		if (strncmp(rule, section, strlen(section)) != 0 || !strstr(rule, rows[i].rule))
			fail_msg("row %zu: \"%s\", expected \"%s\" of \"%s\"", i, rule,
				 rows[i].rule, section);
	}
}
