/* SPDX-License-Identifier: MIT */
#include "secpod/register_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/x86.h"
#include "vmx/cr_rules.h"
#include "vmx/msr_policy.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define WHOLE (~0ULL)

#define GUEST SECPOD_PHASE_GUEST
#define ACTIVE SECPOD_PHASE_ACTIVE
#define LOCKED SECPOD_PHASE_LOCKED

/* What a running Debian 6.1 has. */
#define LINUX_CR0 (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG)
#define LINUX_CR4                                                                         \
	(CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | \
	 CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE)
#define LINUX_EFER (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define LINUX_LSTAR 0xffffffff81c00080ULL
#define LINUX_PAT 0x0407050600070106ULL
#define APIC_ON (APIC_DEFAULT_BASE | APIC_BASE_ENABLE | APIC_BASE_BSP)

static void lock(struct register_pins *pins, enum register_id id, uint64_t value)
{
	memset(pins, 0, sizeof(*pins));
	register_pins_lock(pins, id, value);
}

struct write_case {
	const char *what;
	enum register_id id;
	uint32_t phase;
	uint64_t locked, present, value;
	uint8_t rule; /* PASS, or the rule that refuses */
};

#define PASS 0xfeu
#define NOT_RECORDED REGISTER_NO_RULE

static void judge(const struct write_case *row)
{
	struct register_pins pins;
	struct register_context context = {row->phase, &pins, row->present};
	struct register_result result;
	enum verdict expected = row->rule == PASS ? VERDICT_ALLOW : VERDICT_REFUSE;

	lock(&pins, row->id, row->locked);
	if (register_write(&context, row->id, row->value, &result) != expected)
		fail_msg("%s: %s", row->what, expected == VERDICT_ALLOW ? "refused" : "allowed");
	if (expected == VERDICT_REFUSE) {
		if (result.rule != row->rule)
			fail_msg("%s: rule %u instead of %u", row->what, result.rule, row->rule);
		assert_true(result.bits);
		assert_true(strlen(result.reason) > 0);
	} else {
		assert_int_equal(result.rule, REGISTER_NO_RULE);
		assert_int_equal(result.bits, 0);
	}
}

/* clang-format off */
#define CR0_CASE(what, phase, present, value, rule) \
	{what, REGISTER_CR0, phase, LINUX_CR0, present, value, rule}
#define CR4_CASE(what, phase, present, value, rule) \
	{what, REGISTER_CR4, phase, LINUX_CR4, present, value, rule}
/* clang-format on */

static void control_registers(void **state)
{
	static const struct write_case rows[] = {
		CR0_CASE("WP off in GUEST", GUEST, LINUX_CR0, LINUX_CR0 & ~CR0_WP, PASS),
		CR0_CASE("WP off in ACTIVE", ACTIVE, LINUX_CR0, LINUX_CR0 & ~CR0_WP, PASS),
		CR0_CASE("WP off", LOCKED, LINUX_CR0, LINUX_CR0 & ~CR0_WP, SECPOD_RULE_CR0),
		CR0_CASE("PG off", LOCKED, LINUX_CR0, LINUX_CR0 & ~CR0_PG, SECPOD_RULE_CR0),
		CR0_CASE("PE and PG off", LOCKED, LINUX_CR0, LINUX_CR0 & ~(CR0_PE | CR0_PG),
			 SECPOD_RULE_CR0),
		CR0_CASE("the same value", LOCKED, LINUX_CR0, LINUX_CR0, PASS),
		CR0_CASE("TS", LOCKED, LINUX_CR0, LINUX_CR0 | CR0_TS, PASS),
		CR0_CASE("EM and MP", LOCKED, LINUX_CR0, (LINUX_CR0 | CR0_EM) & ~CR0_MP, PASS),
		CR0_CASE("CD for an MTRR update", LOCKED, LINUX_CR0, LINUX_CR0 | CR0_CD, PASS),
		CR0_CASE("ET off, which the CPU ignores", LOCKED, LINUX_CR0, LINUX_CR0 & ~CR0_ET,
			 PASS),
		CR0_CASE("upper half", LOCKED, LINUX_CR0, LINUX_CR0 | 1ULL << 32, NOT_RECORDED),
		CR0_CASE("after INIT: protected mode", LOCKED, CR0_ET, CR0_ET | CR0_PE, PASS),
		CR0_CASE("after INIT: all at once", LOCKED, CR0_ET | CR0_PE, LINUX_CR0, PASS),
		CR0_CASE("after INIT: PE is back for good", LOCKED, CR0_ET | CR0_PE, CR0_ET,
			 SECPOD_RULE_CR0),
		CR4_CASE("SMEP off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_SMEP, SECPOD_RULE_CR4),
		CR4_CASE("SMAP off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_SMAP, SECPOD_RULE_CR4),
		CR4_CASE("UMIP off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_UMIP, SECPOD_RULE_CR4),
		CR4_CASE("PAE off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_PAE, SECPOD_RULE_CR4),
		CR4_CASE("FSGSBASE off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_FSGSBASE,
			 SECPOD_RULE_CR4),
		CR4_CASE("PCIDE off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_PCIDE, SECPOD_RULE_CR4),
		CR4_CASE("PKE off", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_PKE, SECPOD_RULE_CR4),
		CR4_CASE("CET on that was off", LOCKED, LINUX_CR4, LINUX_CR4 | CR4_CET,
			 SECPOD_RULE_CR4),
		CR4_CASE("SMEP off before LOCK", ACTIVE, LINUX_CR4, LINUX_CR4 & ~CR4_SMEP, PASS),
		CR4_CASE("LA57 before LOCK", GUEST, LINUX_CR4, LINUX_CR4 | CR4_LA57,
			 SECPOD_RULE_CR4),
		CR4_CASE("VMXE before LOCK", GUEST, LINUX_CR4, LINUX_CR4 | CR4_VMXE,
			 SECPOD_RULE_CR4),
		CR4_CASE("SMXE", LOCKED, LINUX_CR4, LINUX_CR4 | CR4_SMXE, SECPOD_RULE_CR4),
		CR4_CASE("FRED", LOCKED, LINUX_CR4, LINUX_CR4 | CR4_FRED, SECPOD_RULE_CR4),
		CR4_CASE("a reserved bit", GUEST, LINUX_CR4, LINUX_CR4 | 1ULL << 15, NOT_RECORDED),
		CR4_CASE("PGE off for a flush", LOCKED, LINUX_CR4, LINUX_CR4 & ~CR4_PGE, PASS),
		CR4_CASE("TSD and PCE of a task", LOCKED, LINUX_CR4, LINUX_CR4 | CR4_TSD | CR4_PCE,
			 PASS),
		CR4_CASE("the same value", LOCKED, LINUX_CR4, LINUX_CR4, PASS),
		CR4_CASE("after INIT: PAE", LOCKED, 0, CR4_PAE | CR4_PGE, PASS),
		CR4_CASE("after INIT: what was locked", LOCKED, CR4_PAE, LINUX_CR4, PASS),
		CR4_CASE("after INIT: more than was locked", LOCKED, CR4_PAE,
			 LINUX_CR4 | CR4_LAM_SUP, SECPOD_RULE_CR4),
		CR4_CASE("after INIT: PAE is back for good", LOCKED, CR4_PAE, 0, SECPOD_RULE_CR4),
		{"XCR0 with AVX", REGISTER_XCR0, LOCKED, 0, XCR0_X87,
		 XCR0_X87 | XCR0_SSE | XCR0_AVX, PASS},
		{"XCR0 bit 63", REGISTER_XCR0, GUEST, 0, XCR0_X87, XCR0_X87 | 1ULL << 63,
		 NOT_RECORDED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		judge(&rows[i]);
}

/* clang-format off */
#define MSR_CASE(what, id, phase, value_of_lock, present, value, rule) \
	{what, REGISTER_##id, phase, value_of_lock, present, value, rule}
/* clang-format on */

static void model_specific_registers(void **state)
{
	static const struct write_case rows[] = {
		MSR_CASE("NXE off", EFER, LOCKED, LINUX_EFER, LINUX_EFER, LINUX_EFER & ~EFER_NXE,
			 SECPOD_RULE_EFER),
		MSR_CASE("SCE off", EFER, LOCKED, LINUX_EFER, LINUX_EFER, LINUX_EFER & ~EFER_SCE,
			 SECPOD_RULE_EFER),
		MSR_CASE("LME off", EFER, LOCKED, LINUX_EFER, LINUX_EFER, LINUX_EFER & ~EFER_LME,
			 SECPOD_RULE_EFER),
		MSR_CASE("NXE off before LOCK", EFER, ACTIVE, LINUX_EFER, LINUX_EFER, EFER_SCE,
			 PASS),
		MSR_CASE("the same EFER", EFER, LOCKED, LINUX_EFER, LINUX_EFER, LINUX_EFER, PASS),
		MSR_CASE("EFER without LMA, ignored", EFER, LOCKED, LINUX_EFER, LINUX_EFER,
			 LINUX_EFER & ~EFER_LMA, PASS),
		MSR_CASE("SVME", EFER, GUEST, 0, LINUX_EFER, LINUX_EFER | EFER_SVME,
			 SECPOD_RULE_EFER),
		MSR_CASE("a reserved bit of EFER", EFER, GUEST, 0, LINUX_EFER, LINUX_EFER | 2,
			 NOT_RECORDED),
		MSR_CASE("EFER after INIT", EFER, LOCKED, LINUX_EFER, 0,
			 EFER_SCE | EFER_LME | EFER_NXE, PASS),
		MSR_CASE("EFER after INIT, step by step", EFER, LOCKED, LINUX_EFER, EFER_LME,
			 EFER_LME | EFER_NXE, PASS),
		MSR_CASE("EFER after INIT, a step back", EFER, LOCKED, LINUX_EFER,
			 EFER_LME | EFER_NXE, EFER_LME, SECPOD_RULE_EFER),
		MSR_CASE("LSTAR", LSTAR, LOCKED, LINUX_LSTAR, LINUX_LSTAR, LINUX_LSTAR + 16,
			 SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("LSTAR again", LSTAR, LOCKED, LINUX_LSTAR, LINUX_LSTAR, LINUX_LSTAR, PASS),
		MSR_CASE("LSTAR before LOCK", LSTAR, ACTIVE, LINUX_LSTAR, LINUX_LSTAR, 0, PASS),
		MSR_CASE("LSTAR of a CPU after reset", LSTAR, LOCKED, LINUX_LSTAR, 0, LINUX_LSTAR,
			 PASS),
		MSR_CASE("LSTAR made of two addresses", LSTAR, LOCKED, LINUX_LSTAR, 0,
			 0xffffffff80000000ULL, SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("STAR", STAR, LOCKED, 0x23ULL << 48 | 0x10ULL << 32,
			 0x23ULL << 48 | 0x10ULL << 32, 0x10ULL << 32, SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("CSTAR", CSTAR, LOCKED, 1, 1, 2, SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("FMASK lets IF through", FMASK, LOCKED, 0x257fd5, 0x257fd5, 0x257dd5,
			 SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("SYSENTER_CS", SYSENTER_CS, LOCKED, 0x10, 0x10, 0x33,
			 SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("SYSENTER_ESP", SYSENTER_ESP, LOCKED, 8, 8, 16, SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("SYSENTER_EIP", SYSENTER_EIP, LOCKED, 8, 8, 16, SECPOD_RULE_SYSCALL_MSR),
		MSR_CASE("PAT", PAT, LOCKED, LINUX_PAT, LINUX_PAT, 0x0606060606060606,
			 SECPOD_RULE_PAT),
		MSR_CASE("PAT again", PAT, LOCKED, LINUX_PAT, LINUX_PAT, LINUX_PAT, PASS),
		MSR_CASE("the APIC moves before LOCK", APIC_BASE, GUEST, 0, APIC_ON,
			 APIC_ON + 0x1000, SECPOD_RULE_APIC_BASE),
		MSR_CASE("the APIC moves", APIC_BASE, LOCKED, 0, APIC_ON, APIC_ON - 0x1000,
			 SECPOD_RULE_APIC_BASE),
		MSR_CASE("x2APIC", APIC_BASE, LOCKED, 0, APIC_ON, APIC_ON | APIC_BASE_X2APIC, PASS),
		MSR_CASE("a reserved bit of APIC_BASE", APIC_BASE, GUEST, 0, APIC_ON, APIC_ON | 1,
			 NOT_RECORDED),
		MSR_CASE("XD disable before LOCK", MISC_ENABLE, GUEST, 0, 1,
			 1 | MISC_ENABLE_XD_DISABLE, SECPOD_RULE_MISC_ENABLE),
		MSR_CASE("fast strings off", MISC_ENABLE, LOCKED, 1, 1, 0, PASS),
		MSR_CASE("CPUID limited", MISC_ENABLE, LOCKED, 1, 1, 1 | MISC_ENABLE_LIMIT_CPUID,
			 SECPOD_RULE_MISC_ENABLE),
		MSR_CASE("CPUID limited before LOCK", MISC_ENABLE, GUEST, 1, 1,
			 1 | MISC_ENABLE_LIMIT_CPUID, PASS),
		MSR_CASE("block step", DEBUGCTL, LOCKED, 0, 0, DEBUGCTL_BTF, PASS),
		MSR_CASE("perf's last-branch records", DEBUGCTL, LOCKED, 0, 0,
			 DEBUGCTL_LBR | DEBUGCTL_FREEZE_LBRS_ON_PMI, PASS),
		MSR_CASE("branch trace store", DEBUGCTL, GUEST, 0, 0, DEBUGCTL_TR | DEBUGCTL_BTS,
			 SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("trace messages", DEBUGCTL, LOCKED, 0, DEBUGCTL_BTF,
			 DEBUGCTL_BTF | DEBUGCTL_TR, SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("a reserved bit of DEBUGCTL", DEBUGCTL, GUEST, 0, 0, 1ULL << 16,
			 NOT_RECORDED),
		MSR_CASE("DS area", DS_AREA, GUEST, 0, 0, 0x1000, SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("PEBS", PEBS_ENABLE, GUEST, 0, 0, 1, SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("architectural PEBS", PEBS_BASE, GUEST, 0, 0, 1, SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("debug interface", DEBUG_INTERFACE, GUEST, 0, 0, 1, SECPOD_RULE_DEBUG_MSR),
		MSR_CASE("Processor Trace", RTIT, GUEST, 0, 0, 0, SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("hardware feedback", HW_FEEDBACK, GUEST, 0, 0, 0x1001,
			 SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("remote action requests", RAR, GUEST, 0, 0, 0x1000,
			 SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("memory encryption", TME, GUEST, 0, 0, 3, SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("trace state by XRSTORS", XSS, GUEST, 0, 0, XSS_PT,
			 SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("user interrupts by XRSTORS", XSS, GUEST, 0, 0, XSS_UINTR | XSS_CET_U,
			 SECPOD_RULE_XCR0),
		MSR_CASE("trace state among others", XSS, GUEST, 0, 0, XSS_UINTR | XSS_PT,
			 SECPOD_RULE_MEMORY_MSR),
		MSR_CASE("CET state by XRSTORS", XSS, LOCKED, 0, 0, XSS_CET_U, PASS),
		MSR_CASE("a user component in XSS", XSS, GUEST, 0, 0, XCR0_AVX, NOT_RECORDED),
		MSR_CASE("feature control, any value", FEATURE_CONTROL, GUEST, 0, 1, 1,
			 SECPOD_RULE_FEATURE_CONTROL),
		MSR_CASE("VMX capability", VMX, GUEST, 0, 0, 0, SECPOD_RULE_VMX_MSR),
		MSR_CASE("SMM monitor", SMM_MONITOR_CTL, GUEST, 0, 0, 0, SECPOD_RULE_VMX_MSR),
		MSR_CASE("hypervisor range", HYPERVISOR, GUEST, 0, 0, 0, NOT_RECORDED),
		MSR_CASE("microcode", MICROCODE, LOCKED, 0, 0, 0x100000, PASS),
		MSR_CASE("MTRR", MTRR_VARIABLE, LOCKED, 0, 0, 6, PASS),
		MSR_CASE("speculation control", SPEC_CTRL, LOCKED, 0, 0, 1, PASS),
		MSR_CASE("counters", PERF_GLOBAL_CTRL, LOCKED, 0, 0, 0x70000000f, PASS),
		MSR_CASE("timer", TSC_DEADLINE, LOCKED, 0, 0, 12345, PASS),
		MSR_CASE("branch tracking off", CET, LOCKED, 4, 4, 0, PASS),
		MSR_CASE("GS base", SEGMENT_BASE, LOCKED, 4, 4, 0, PASS),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		judge(&rows[i]);
}

static uint64_t random64(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed ^ *seed >> 29 ^ *seed << 17;
}

static const struct register_bits *bits_row_of(enum register_id id, uint64_t bit)
{
	const struct register_row *row = &register_rows[id];

	for (size_t i = 0; i < row->count; i++) {
		if (row->bits[i].bits & bit)
			return &row->bits[i];
	}
	return NULL;
}

/* Each bit of each register, alone, against what its class says. */
static void every_bit_follows_its_class(void **state)
{
	struct register_pins pins;
	struct register_result result;

	(void)state;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		for (unsigned int n = 0; n < 64 * 2; n++) {
			const uint64_t bit = 1ULL << n / 2;
			const uint32_t phase = n % 2 ? LOCKED : GUEST;
			const struct register_bits *row = bits_row_of((enum register_id)id, bit);
			const bool refused = row->class == CLASS_HIDDEN ||
					     row->class == CLASS_FORBIDDEN ||
					     row->class == CLASS_RESERVED ||
					     (row->class == CLASS_PINNED && phase == LOCKED);
			struct register_context context = {phase, &pins, 0};

			lock(&pins, (enum register_id)id, 0);
			assert_int_equal(
				register_write(&context, (enum register_id)id, bit, &result),
				refused ? VERDICT_REFUSE : VERDICT_ALLOW);
			if (refused) {
				assert_int_equal(result.rule, row->rule);
				assert_int_equal(result.mandatory, row->mandatory);
				assert_ptr_equal(result.reason, row->reason);
				assert_true(result.bits & bit);
			}
			assert_int_equal(result.load, row->class == CLASS_SHADOWED ? 0 : bit);
			assert_int_equal(result.shadow, bit);
		}
	}
}

/* From LOCKED on, no sequence of writes takes a pinned bit away from where it was locked. */
static void pins_hold_against_sequences(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		const uint64_t pinned = register_class_bits((enum register_id)id, CLASS_PINNED);
		struct register_pins pins;
		struct register_result result;

		for (unsigned int round = 0; pinned && round < 200; round++) {
			const uint64_t locked = random64(&seed);
			/* Half of the rounds start as after INIT, at another value. */
			uint64_t present = round % 2 ? random64(&seed) : locked;

			lock(&pins, (enum register_id)id, locked);
			for (unsigned int i = 0; i < 50; i++) {
				struct register_context context = {LOCKED, &pins, present};
				uint64_t value =
					i % 3 ? present ^ 1ULL << random64(&seed) % 64 : locked;
				uint64_t right = ~(present ^ locked) & pinned;

				if (register_write(&context, (enum register_id)id, value,
						   &result) != VERDICT_ALLOW)
					continue;
				present = result.load;
				/* What was right stays right. */
				assert_int_equal((present ^ locked) & right & pinned, 0);
			}
		}
	}
}

static void shadowed_values_are_not_loaded(void **state)
{
	struct register_context context = {LOCKED, NULL, 0};
	struct register_pins pins;
	struct register_result result;

	(void)state;
	memset(&pins, 0, sizeof(pins));
	context.pins = &pins;
	assert_int_equal(register_write(&context, REGISTER_MICROCODE, 0x1000, &result),
			 VERDICT_ALLOW);
	assert_false(result.write);
	assert_int_equal(result.load, 0);

	context.present = LINUX_EFER;
	assert_int_equal(register_write(&context, REGISTER_EFER, LINUX_EFER & ~EFER_LMA, &result),
			 VERDICT_ALLOW);
	assert_true(result.write);
	assert_int_equal(result.load, LINUX_EFER);

	context.present = LINUX_CR0;
	assert_int_equal(
		register_write(&context, REGISTER_CR0, LINUX_CR0 | CR0_CD | CR0_NW, &result),
		VERDICT_ALLOW);
	assert_int_equal(result.load, LINUX_CR0);
	assert_int_equal(result.shadow, LINUX_CR0 | CR0_CD | CR0_NW);
}

/* Where several rows are broken, the one that must be refused is named. */
static void mandatory_refusals_go_first(void **state)
{
	struct register_pins pins;
	struct register_context context = {LOCKED, &pins, LINUX_CR4};
	struct register_result result;

	(void)state;
	lock(&pins, REGISTER_CR4, LINUX_CR4);
	assert_int_equal(register_write(&context, REGISTER_CR4, LINUX_CR4 & ~CR4_SMEP, &result),
			 VERDICT_REFUSE);
	assert_false(result.mandatory);
	assert_int_equal(result.load, LINUX_CR4 & ~CR4_SMEP);
	assert_int_equal(register_write(&context, REGISTER_CR4,
					(LINUX_CR4 & ~CR4_SMEP) | CR4_VMXE | CR4_LA57, &result),
			 VERDICT_REFUSE);
	assert_true(result.mandatory);
	assert_int_equal(result.bits, CR4_LA57);
}

static void exits_follow_the_phase(void **state)
{
	(void)state;
	assert_int_equal(register_trap_bits(REGISTER_CR4, GUEST), CR4_HIDDEN);
	assert_int_equal(register_trap_bits(REGISTER_CR4, LOCKED) &
				 (CR4_SMEP | CR4_PAE | CR4_HIDDEN),
			 CR4_SMEP | CR4_PAE | CR4_HIDDEN);
	/* What Linux changes at context switches and flushes must not exit. */
	assert_int_equal(register_trap_bits(REGISTER_CR4, LOCKED) & (CR4_PGE | CR4_TSD | CR4_PCE),
			 0);
	assert_int_equal(register_trap_bits(REGISTER_CR0, LOCKED) & (CR0_TS | CR0_EM | CR0_MP), 0);

	assert_false(register_trap_msr(MSR_LSTAR, ACTIVE));
	assert_true(register_trap_msr(MSR_LSTAR, LOCKED));
	assert_true(register_trap_msr(MSR_DS_AREA, GUEST));
	assert_true(register_trap_msr(MSR_XSS, GUEST));
	static const uint32_t busy[] = {
		MSR_SPEC_CTRL,
		MSR_FS_BASE,
		MSR_GS_BASE,
		MSR_KERNEL_GS_BASE,
		MSR_TSC_DEADLINE,
		MSR_X2APIC_ICR,
		MSR_PERF_GLOBAL_CTRL,
		MSR_TSC_AUX,
		MSR_PKRS,
		0xc1,
		0x186,
		0x6e0,
		0x80b,
		0x1c8,
	};
	for (size_t i = 0; i < COUNT_OF(busy); i++)
		assert_false(register_trap_msr(busy[i], LOCKED));
}

static void msrs_have_one_row(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		const struct register_row *row = &register_rows[id];

		assert_non_null(row->name);
		assert_true(row->count > 0);
		assert_true(row->first <= row->last);
		for (size_t i = 0; i < row->count; i++)
			assert_true(strlen(row->bits[i].reason) > 0);
		if (row->first == REGISTER_NOT_MSR)
			continue;
		/* No range reaches into another one. */
		assert_int_equal(register_of_msr(row->first), id);
		assert_int_equal(register_of_msr(row->last), id);
		for (unsigned int other = 0; other < REGISTER_COUNT; other++) {
			const struct register_row *b = &register_rows[other];

			assert_true(other == id || b->last < row->first || row->last < b->first);
		}
	}
	assert_int_equal(register_of_msr(0x10), REGISTER_COUNT);
	assert_int_equal(register_of_msr(REGISTER_NOT_MSR), REGISTER_COUNT);
	assert_int_equal(register_of_msr(MSR_VMX_LAST), REGISTER_VMX);
	assert_int_equal(register_of_msr(MSR_VMX_LAST + 1), REGISTER_COUNT);
}

/* The policy and what VMX traps of itself are of one mind. */
static void policy_agrees_with_the_exits(void **state)
{
	(void)state;
	/* The guest/host mask of CR0 is the same in all phases; that of CR4 grows at LOCKED. */
	assert_int_equal(register_trap_bits(REGISTER_CR0, LOCKED) & ~CR0_GUEST_HOST_MASK, 0);
	assert_int_equal(register_trap_bits(REGISTER_CR4, ACTIVE) & ~CR4_GUEST_HOST_MASK, 0);
	assert_int_equal(register_class_bits(REGISTER_CR0, CLASS_SHADOWED), CR0_SHADOWED);
	assert_int_equal(register_class_bits(REGISTER_CR0, CLASS_HIDDEN), CR0_HIDDEN);
	assert_int_equal(register_class_bits(REGISTER_CR4, CLASS_HIDDEN), CR4_HIDDEN);
	assert_int_equal(register_class_bits(REGISTER_CR4, CLASS_SHADOWED), CR4_SHADOWED);
	assert_int_equal(register_class_bits(REGISTER_CR4, CLASS_RESERVED), CR4_RESERVED);
	for (uint32_t msr = 0; msr < 0x2000; msr++) {
		const struct msr_rule *rule = msr_rule_of(msr);

		/* Read-only: the CPU needs no help to refuse a write. */
		if (rule->read == MSR_READ_CORE_CAPABILITIES)
			continue;
		if (rule->read != MSR_READ_PASS || rule->write != MSR_WRITE_PASS)
			assert_int_not_equal(register_of_msr(msr), REGISTER_COUNT);
		if (rule->read != MSR_READ_PASS)
			assert_true(register_trap_msr(msr, GUEST));
	}
}

static void lock_wants_a_protected_machine(void **state)
{
	(void)state;
	assert_true(register_lockable(REGISTER_CR0, LINUX_CR0));
	assert_false(register_lockable(REGISTER_CR0, LINUX_CR0 & ~CR0_WP));
	assert_true(register_lockable(REGISTER_CR4, LINUX_CR4));
	assert_true(register_lockable(REGISTER_CR4, LINUX_CR4 & ~CR4_SMEP));
	assert_false(register_lockable(REGISTER_CR4, 0));
	assert_true(register_lockable(REGISTER_EFER, LINUX_EFER));
	assert_false(register_lockable(REGISTER_EFER, LINUX_EFER & ~EFER_NXE));
	assert_true(register_lockable(REGISTER_LSTAR, 0));
}

static void a_fresh_cpu_takes_over_the_pins(void **state)
{
	struct register_pins pins, fresh;
	struct register_context context = {LOCKED, &fresh, 0};
	struct register_result result;

	(void)state;
	memset(&pins, 0, sizeof(pins));
	for (unsigned int id = 0; id < REGISTER_COUNT; id++) {
		if (register_pinned((enum register_id)id))
			register_pins_lock(&pins, (enum register_id)id, 0x1000);
	}
	register_pins_fresh(&fresh, &pins);
	assert_int_equal(register_write(&context, REGISTER_LSTAR, 0x2000, &result), VERDICT_REFUSE);
	assert_int_equal(register_write(&context, REGISTER_LSTAR, 0x1000, &result), VERDICT_ALLOW);

	/* Its own entry stack: the first one stays. */
	assert_int_equal(register_write(&context, REGISTER_SYSENTER_ESP, 0x3000, &result),
			 VERDICT_ALLOW);
	register_pins_settle(&fresh, REGISTER_SYSENTER_ESP, 0x3000);
	context.present = 0x3000;
	assert_int_equal(register_write(&context, REGISTER_SYSENTER_ESP, 0x4000, &result),
			 VERDICT_REFUSE);
	register_pins_settle(&fresh, REGISTER_SYSENTER_ESP, 0x4000);
	assert_int_equal(fresh.value[REGISTER_SYSENTER_ESP], 0x3000);
	/* A register without pinned bits is not noted. */
	register_pins_settle(&fresh, REGISTER_SPEC_CTRL, 1);
	assert_int_equal(fresh.known >> REGISTER_SPEC_CTRL & 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_registers),
		cmocka_unit_test(model_specific_registers),
		cmocka_unit_test(every_bit_follows_its_class),
		cmocka_unit_test(pins_hold_against_sequences),
		cmocka_unit_test(shadowed_values_are_not_loaded),
		cmocka_unit_test(mandatory_refusals_go_first),
		cmocka_unit_test(exits_follow_the_phase),
		cmocka_unit_test(msrs_have_one_row),
		cmocka_unit_test(policy_agrees_with_the_exits),
		cmocka_unit_test(lock_wants_a_protected_machine),
		cmocka_unit_test(a_fresh_cpu_takes_over_the_pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
