/* SPDX-License-Identifier: MIT */
/* SDM "Checks on Guest Segment Registers". */
#include "vmx/entry_check.h"

#include "vmx/entry_check_rules.h"

#define SECTION "Checks on Guest Segment Registers: "

/* The text of one rule for segment i, in the order of enum segment. */
#define NAMED(i, rule)                                                                            \
	(((const char *const[SEG_COUNT]){SECTION "ES" rule, SECTION "CS" rule, SECTION "SS" rule, \
					 SECTION "DS" rule, SECTION "FS" rule, SECTION "GS" rule, \
					 SECTION "LDTR" rule, SECTION "TR" rule})[i])

#define SELECTOR_RPL 3u
#define SELECTOR_TI 4u

/* Values of the type field; SDM "Code- and Data-Segment Descriptor Types", "System Descriptor
 * Types". */
#define TYPE_ACCESSED 1u
#define TYPE_READABLE 2u
#define TYPE_CODE 8u
#define TYPE_DATA_WRITABLE 3u
#define TYPE_DATA_WRITABLE_DOWN 7u
#define TYPE_CODE_FIRST_CONFORMING 13u
#define TYPE_LAST_WITH_PRIVILEGE 11u /* data and non-conforming code */
#define TYPE_LDT 2u
#define TYPE_TSS16_BUSY 3u
#define TYPE_TSS_BUSY 11u

static bool is_usable(const struct entry_segment *segment)
{
	return !(segment->rights & SEGMENT_UNUSABLE);
}

static uint64_t type_of(const struct entry_segment *segment)
{
	return segment->rights & SEGMENT_TYPE;
}

static uint64_t dpl_of(const struct entry_segment *segment)
{
	return SEGMENT_DPL(segment->rights);
}

static bool is_virtual_8086(const struct entry_state *s)
{
	return s->rflags & RFLAGS_VM;
}

static const char *check_selectors(const struct entry_state *s, uint64_t *value)
{
	const struct entry_segment *seg = s->segment;

	RULE(!(seg[SEG_TR].selector & SELECTOR_TI), seg[SEG_TR].selector,
	     SECTION "TI of the TR selector must be 0");
	RULE(!is_usable(&seg[SEG_LDTR]) || !(seg[SEG_LDTR].selector & SELECTOR_TI),
	     seg[SEG_LDTR].selector, SECTION "TI of the LDTR selector must be 0");
	RULE(is_virtual_8086(s) || is_unrestricted(s) ||
		     (seg[SEG_SS].selector & SELECTOR_RPL) == (seg[SEG_CS].selector & SELECTOR_RPL),
	     seg[SEG_SS].selector, SECTION "RPL of SS must equal RPL of CS");
	return NULL;
}

static const char *check_virtual_8086(const struct entry_state *s, uint64_t *value)
{
	const uint64_t rights = 0xf3; /* writable data, DPL 3, present */

	for (unsigned int i = SEG_ES; i <= SEG_GS; i++) {
		const struct entry_segment *seg = &s->segment[i];

		RULE(seg->base == seg->selector << 4, seg->base,
		     NAMED(i, " base in virtual-8086 mode must be the selector times 16"));
		RULE(seg->limit == 0xffff, seg->limit,
		     NAMED(i, " limit in virtual-8086 mode must be 0xffff"));
		RULE(seg->rights == rights, seg->rights,
		     NAMED(i, " access rights in virtual-8086 mode must be 0xf3"));
	}
	return NULL;
}

static const char *check_bases(const struct entry_state *s, uint64_t *value)
{
	static const enum segment canonical[] = {SEG_TR, SEG_FS, SEG_GS};
	static const enum segment low[] = {SEG_SS, SEG_DS, SEG_ES};
	const struct entry_segment *seg = s->segment;

	for (unsigned int i = 0; i < sizeof(canonical) / sizeof(canonical[0]); i++)
		RULE(is_canonical(s, seg[canonical[i]].base), seg[canonical[i]].base,
		     NAMED(canonical[i], " base must be canonical"));
	RULE(!is_usable(&seg[SEG_LDTR]) || is_canonical(s, seg[SEG_LDTR].base), seg[SEG_LDTR].base,
	     NAMED(SEG_LDTR, " base must be canonical"));
	RULE(!(seg[SEG_CS].base >> 32), seg[SEG_CS].base, NAMED(SEG_CS, " base has 32 bits"));
	for (unsigned int i = 0; i < sizeof(low) / sizeof(low[0]); i++)
		RULE(!is_usable(&seg[low[i]]) || !(seg[low[i]].base >> 32), seg[low[i]].base,
		     NAMED(low[i], " base has 32 bits"));
	return NULL;
}

/* What holds for every usable register alike. */
static const char *check_common(const struct entry_segment *seg, unsigned int i, uint64_t *value)
{
	RULE(seg->rights & SEGMENT_P, seg->rights, NAMED(i, " must be present"));
	RULE(!(seg->rights & SEGMENT_RESERVED), seg->rights,
	     NAMED(i, ": reserved access rights must be 0"));
	RULE((seg->limit & 0xfff) == 0xfff || !(seg->rights & SEGMENT_G), seg->rights,
	     NAMED(i, ": a limit whose bits 11:0 are not all 1 needs G 0"));
	RULE(!(seg->limit & 0xfff00000) || (seg->rights & SEGMENT_G), seg->rights,
	     NAMED(i, ": a limit with a bit of 31:20 set needs G 1"));
	return NULL;
}

static const char *check_cs(const struct entry_state *s, uint64_t *value)
{
	const struct entry_segment *cs = &s->segment[SEG_CS];
	const struct entry_segment *ss = &s->segment[SEG_SS];
	uint64_t type = type_of(cs);
	bool code = (type & TYPE_CODE) && (type & TYPE_ACCESSED);

	RULE(code || (is_unrestricted(s) && type == TYPE_DATA_WRITABLE), cs->rights,
	     SECTION "CS type must be accessed code (or 3 in an unrestricted guest)");
	RULE(cs->rights & SEGMENT_S, cs->rights, NAMED(SEG_CS, ".S must be 1"));
	if (type == TYPE_DATA_WRITABLE)
		RULE(!dpl_of(cs), cs->rights, SECTION "CS.DPL must be 0 with type 3");
	else if (type < TYPE_CODE_FIRST_CONFORMING)
		RULE(dpl_of(cs) == dpl_of(ss), cs->rights,
		     SECTION "SS.DPL must equal CS.DPL of non-conforming code");
	else
		RULE(dpl_of(cs) <= dpl_of(ss), cs->rights,
		     SECTION "CS.DPL of conforming code must not be above SS.DPL");
	RULE(!(s->entry & ENTRY_IA32E_GUEST) || !(cs->rights & SEGMENT_L) ||
		     !(cs->rights & SEGMENT_DB),
	     cs->rights, SECTION "CS.D must be 0 in 64-bit mode");
	return check_common(cs, SEG_CS, value);
}

static const char *check_ss(const struct entry_state *s, uint64_t *value)
{
	const struct entry_segment *ss = &s->segment[SEG_SS];

	if (is_usable(ss)) {
		RULE(type_of(ss) == TYPE_DATA_WRITABLE || type_of(ss) == TYPE_DATA_WRITABLE_DOWN,
		     ss->rights, SECTION "SS type must be 3 or 7");
		RULE(ss->rights & SEGMENT_S, ss->rights, NAMED(SEG_SS, ".S must be 1"));
	}
	RULE(is_unrestricted(s) || dpl_of(ss) == (ss->selector & SELECTOR_RPL), ss->rights,
	     SECTION "SS.DPL must equal RPL of SS");
	RULE((s->cr0 & CR0_PE && type_of(&s->segment[SEG_CS]) != TYPE_DATA_WRITABLE) || !dpl_of(ss),
	     ss->rights, SECTION "SS.DPL must be 0 in real mode and with CS type 3");
	return is_usable(ss) ? check_common(ss, SEG_SS, value) : NULL;
}

static const char *check_data(const struct entry_state *s, unsigned int i, uint64_t *value)
{
	const struct entry_segment *seg = &s->segment[i];

	if (!is_usable(seg))
		return NULL;
	RULE(type_of(seg) & TYPE_ACCESSED, seg->rights, NAMED(i, " type must be accessed"));
	RULE(!(type_of(seg) & TYPE_CODE) || (type_of(seg) & TYPE_READABLE), seg->rights,
	     NAMED(i, " type must be readable"));
	RULE(seg->rights & SEGMENT_S, seg->rights, NAMED(i, ".S must be 1"));
	RULE(is_unrestricted(s) || type_of(seg) > TYPE_LAST_WITH_PRIVILEGE ||
		     dpl_of(seg) >= (seg->selector & SELECTOR_RPL),
	     seg->rights, NAMED(i, ".DPL must not be below its RPL"));
	return check_common(seg, i, value);
}

static const char *check_tr(const struct entry_state *s, uint64_t *value)
{
	const struct entry_segment *tr = &s->segment[SEG_TR];
	bool busy16 = type_of(tr) == TYPE_TSS16_BUSY && !(s->entry & ENTRY_IA32E_GUEST);

	RULE(type_of(tr) == TYPE_TSS_BUSY || busy16, tr->rights,
	     SECTION "TR type must be a busy TSS (64-bit in IA-32e mode)");
	RULE(!(tr->rights & SEGMENT_S), tr->rights, NAMED(SEG_TR, ".S must be 0"));
	RULE(is_usable(tr), tr->rights, SECTION "TR must be usable");
	return check_common(tr, SEG_TR, value);
}

static const char *check_ldtr(const struct entry_state *s, uint64_t *value)
{
	const struct entry_segment *ldtr = &s->segment[SEG_LDTR];

	if (!is_usable(ldtr))
		return NULL;
	RULE(type_of(ldtr) == TYPE_LDT, ldtr->rights, SECTION "LDTR type must be 2");
	RULE(!(ldtr->rights & SEGMENT_S), ldtr->rights, NAMED(SEG_LDTR, ".S must be 0"));
	return check_common(ldtr, SEG_LDTR, value);
}

const char *entry_check_segments(const struct entry_state *s, uint64_t *value)
{
	static const enum segment data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	const char *rule = check_selectors(s, value);

	if (!rule && is_virtual_8086(s))
		rule = check_virtual_8086(s, value);
	if (!rule)
		rule = check_bases(s, value);
	if (!rule && !is_virtual_8086(s)) {
		rule = check_cs(s, value);
		if (!rule)
			rule = check_ss(s, value);
		for (unsigned int i = 0; i < sizeof(data) / sizeof(data[0]) && !rule; i++)
			rule = check_data(s, data[i], value);
	}
	if (!rule)
		rule = check_tr(s, value);
	return rule ? rule : check_ldtr(s, value);
}
