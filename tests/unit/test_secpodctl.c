/* SPDX-License-Identifier: MIT */
/* The commands of secpodctl on make-believe machines: exit statuses, and what is said. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest-support/secpodctl/commands.h"

#define HYPERVISOR (1u << 31)
#define VMX (1u << 5)
/* Where INFO has the answer of this rule, in the second word. */
#define CODE_PROFILE (2 * (SECPOD_RULE_CODE_PROFILE - 32))

static struct {
	bool present;
	uint32_t phase;
	int device; /* what it answers: 0 or a negative errno */
	uint32_t features_ecx;
	uint32_t accepted_msr; /* the one that is not refused, 0: none */
	uint32_t accepted;     /* writes to it */
	uint32_t shown_msr;    /* one that should not be there, and is; 0: none */
	uint32_t leaf_6_eax, leaf_7_ebx;
	bool uefi, several_cpus;
	uint64_t cstar, pat;
	uint32_t locks;
	uint32_t busy;	  /* so often another CPU takes the step */
	bool taken_by_it; /* and then it has */
	int refuses;	  /* what LOCK answers, of a device that does */
	uint32_t places;
	uint32_t unprofiled; /* the answer to patches that the profile does not have */
	struct secpod_stats stats;
	uint64_t exits_a_look; /* at stats */
	struct secpod_record record;
	int records;	   /* of the log, all alike */
	uint32_t features; /* of INFO */
	uint64_t sites;	   /* numbers 2, 4, ... up to that */
	int msrs;	   /* what reading any other than the known ones answers */
	uint32_t odd_msr;  /* one of them, with this value, if it is not 0 */
	uint64_t odd_value;
	uint64_t msr_value;
} machine;

static struct cpuid_regs fake_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs regs = {0};

	(void)subleaf;
	if (leaf == 0)
		regs.eax = 7;
	if (leaf == 1)
		regs.ecx = machine.features_ecx | (machine.present ? HYPERVISOR : 0);
	if (leaf == 6)
		regs.eax = machine.leaf_6_eax;
	if (leaf == 7)
		regs.ebx = machine.leaf_7_ebx;
	if (leaf == SECPOD_CPUID_SIGNATURE && machine.present) {
		regs.eax = SECPOD_CPUID_STATS;
		memcpy(&regs.ebx, SECPOD_SIGNATURE, 4);
		memcpy(&regs.ecx, SECPOD_SIGNATURE + 4, 4);
		memcpy(&regs.edx, SECPOD_SIGNATURE + 8, 4);
	}
	if (leaf == SECPOD_CPUID_VERSION && machine.present)
		regs = (struct cpuid_regs){0x00020005, SECPOD_FEATURE_AUDIT, machine.phase,
					   machine.places};
	return regs;
}

static int fake_info(struct secpod_info *info)
{
	*info = (struct secpod_info){
		.features = machine.features,
		.rule_count = SECPOD_RULE_COUNT,
		/* Rule 0: log; rule 32: panic; all others off. */
		.policy = {SECPOD_ANSWER_LOG,
			   SECPOD_ANSWER_PANIC | (uint64_t)machine.unprofiled << CODE_PROFILE},
		.mandatory = 1,
	};
	return machine.device;
}

static int fake_stats(struct secpod_stats *stats)
{
	machine.stats.exits += machine.exits_a_look;
	*stats = machine.stats;
	return machine.device;
}

static int fake_activate(void)
{
	if (!machine.device && machine.phase < SECPOD_PHASE_ACTIVE)
		machine.phase = SECPOD_PHASE_ACTIVE;
	return machine.device;
}

static int fake_lock(void)
{
	machine.locks++;
	if (machine.device)
		return machine.device;
	if (machine.busy) {
		if (!--machine.busy && machine.taken_by_it)
			machine.phase = SECPOD_PHASE_LOCKED;
		return -EBUSY;
	}
	if (machine.refuses) {
		machine.stats.rule[SECPOD_RULE_HYPERCALL]++;
		machine.stats.rule[SECPOD_RULE_TABLE_ALIAS]++;
		return machine.refuses;
	}
	machine.phase = SECPOD_PHASE_LOCKED;
	return 0;
}

static int fake_log(struct secpod_record *to, size_t max, bool wait)
{
	int given = 0;

	(void)wait;
	for (; machine.records && (size_t)given < max; machine.records--)
		to[given++] = machine.record;
	return machine.device ? machine.device : given;
}

static int fake_sites(struct secpod_sites *sites)
{
	static const uint8_t original[] = {0x0f, 0x1f, 0x44};

	sites->count = 0;
	for (uint64_t at = sites->after + 2;
	     at <= machine.sites && sites->count < SECPOD_TEXT_SITES_MAX; at += 2) {
		struct secpod_text_site *site = &sites->site[sites->count++];

		*site = (struct secpod_text_site){
			.number = at,
			.linear = 0xffffffff81000000 + at,
			.length = sizeof(original),
			.state = (uint8_t)at,
		};
		memcpy(site->original, original, sizeof(original));
	}
	return machine.device;
}

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_PAT 0x277
#define MSR_CSTAR 0xc0000083

/* Those that can be written, were it not for SecPod. */
static uint64_t *register_of(uint32_t msr)
{
	switch (msr) {
	case MSR_PAT:
		return &machine.pat;
	case MSR_CSTAR:
		return &machine.cstar;
	default:
		return NULL;
	}
}

static int fake_rdmsr(uint32_t msr, uint64_t *value)
{
	const uint64_t *known = register_of(msr);

	/* Locked, without VMX. */
	if (machine.msrs == -EIO && msr == MSR_FEATURE_CONTROL)
		machine.msr_value = 1;
	*value = known ? *known : machine.msr_value;
	if (msr == machine.odd_msr)
		*value = machine.odd_value;
	return known || msr == machine.shown_msr ||
			       (machine.msrs == -EIO && msr == MSR_FEATURE_CONTROL)
		       ? 0
		       : machine.msrs;
}

static int fake_wrmsr(uint32_t msr, uint64_t value)
{
	uint64_t *known = register_of(msr);

	if (msr == machine.accepted_msr) {
		if (known)
			*known = value;
		machine.accepted++;
		return 0;
	}
	if (msr == MSR_CSTAR)
		machine.stats.rule[SECPOD_RULE_SYSCALL_MSR]++;
	return -EIO;
}

static bool fake_vmcall(void)
{
	return true;
}

static bool fake_exists(const char *path)
{
	return (machine.uefi && !strcmp(path, "/sys/firmware/efi")) ||
	       (machine.several_cpus && !strcmp(path, "/sys/devices/system/cpu/cpu1"));
}

static const struct guest guest = {
	fake_cpuid, fake_info,	fake_stats, fake_activate, fake_lock,	fake_log,
	fake_sites, fake_rdmsr, fake_wrmsr, fake_vmcall,   fake_exists,
};

static char *said;
static size_t said_size;

typedef int command_function(const struct guest *, struct report *, const struct options *);

static int run_as(command_function *command, struct report report, const struct options *options)
{
	int status;

	free(said);
	report.out = open_memstream(&said, &said_size);
	status = command(&guest, &report, options);
	fclose(report.out);
	return status;
}

static int run(command_function *command, bool json)
{
	const struct options none = {0};

	return run_as(command, (struct report){.json = json}, &none);
}

static int fresh_machine(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.present = true;
	machine.phase = SECPOD_PHASE_LOCKED;
	machine.uefi = true;
	machine.cstar = 0xffffffff81000000;
	machine.pat = 0x0407050600070106;
	machine.msrs = -EIO;
	machine.features = SECPOD_FEATURE_PAGING;
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(said);
	said = NULL;
	return 0;
}

static void test_status_follows_the_phase(void **state)
{
	(void)state;
	assert_int_equal(run(command_status, false), STATUS_OK);
	assert_non_null(strstr(said, "LOCKED"));
	assert_non_null(strstr(said, "2.5"));
	machine.phase = SECPOD_PHASE_ACTIVE;
	assert_int_equal(run(command_status, false), STATUS_UNLOCKED);
	assert_non_null(strstr(said, "ACTIVE"));
	machine.present = false;
	assert_int_equal(run(command_status, false), STATUS_ABSENT);
	assert_int_equal(run(command_status, true), STATUS_ABSENT);
	assert_string_equal(said, "{\"secpod\": \"absent\"}\n");
}

static void test_status_needs_no_device(void **state)
{
	(void)state;
	machine.device = -ENOENT;
	assert_int_equal(run(command_status, true), STATUS_OK);
	assert_string_equal(said,
			    "{\"secpod\": \"present\", \"phase\": \"LOCKED\", \"abi\": \"2.5\", "
			    "\"hypercalls\": false, \"audit_log\": true, "
			    "\"debug_statistics\": false, \"device\": \"not loaded\"}\n");
	machine.device = -EACCES;
	assert_int_equal(run(command_status, true), STATUS_OK);
	assert_non_null(strstr(said, "\"device\": \"usable by root\"}"));
	machine.device = -EIO;
	assert_int_equal(run(command_status, true), STATUS_OK);
	assert_non_null(strstr(said, "\"device\": \"not usable\"}"));
	machine.device = 0;
	assert_int_equal(run(command_status, true), STATUS_OK);
	assert_non_null(strstr(said, "\"device\": \"usable\", \"page_tables\": \"read-only\""));
	machine.features = 0;
	assert_int_equal(run(command_status, true), STATUS_OK);
	assert_non_null(strstr(said, "\"page_tables\": \"the kernel's\""));
}

static void test_without_device_the_others_say_so(void **state)
{
	(void)state;
	machine.phase = SECPOD_PHASE_GUEST;
	machine.device = -ENOENT;
	assert_int_equal(run(command_stats, false), STATUS_NO_DEVICE);
	assert_int_equal(run(command_policy, false), STATUS_NO_DEVICE);
	assert_int_equal(run(command_log, false), STATUS_NO_DEVICE);
	assert_int_equal(run(command_sites, false), STATUS_NO_DEVICE);
	assert_int_equal(run(command_lock, false), STATUS_NO_DEVICE);
	/* A node that the module has left behind. */
	machine.device = -ENODEV;
	assert_int_equal(run(command_stats, false), STATUS_NO_DEVICE);
	assert_int_equal(run(command_status, false), STATUS_UNLOCKED);
	assert_non_null(strstr(said, "not loaded"));
	machine.device = -EIO;
	assert_int_equal(run(command_stats, false), STATUS_FAILED);
	machine.present = false;
	assert_int_equal(run(command_stats, false), STATUS_ABSENT);
	assert_int_equal(run(command_policy, false), STATUS_ABSENT);
	assert_int_equal(run(command_log, false), STATUS_ABSENT);
	assert_int_equal(run(command_sites, false), STATUS_ABSENT);
	assert_int_equal(run(command_lock, false), STATUS_ABSENT);
	assert_int_equal(run(command_selftest, false), STATUS_ABSENT);
}

static void test_policy_has_each_answer_in_its_place(void **state)
{
	const char *rule;

	(void)state;
	assert_int_equal(run(command_policy, true), STATUS_OK);
	assert_non_null(
		strstr(said, "{\"rule\": \"cr0\", \"answer\": \"log\", \"mandatory\": true"));
	assert_non_null(
		strstr(said, "{\"rule\": \"cr4\", \"answer\": \"off\", \"mandatory\": false"));
	rule = strstr(said, rule_name(32));
	assert_non_null(rule);
	assert_memory_equal(rule + strlen(rule_name(32)), "\", \"answer\": \"panic\"", 19);
	assert_string_equal(said + said_size - 4, "}]}\n");
}

static void test_lock_locks_once(void **state)
{
	(void)state;
	machine.phase = SECPOD_PHASE_GUEST;
	assert_int_equal(run(command_lock, true), STATUS_OK);
	assert_string_equal(said, "{\"phase\": \"LOCKED\"}\n");
	assert_int_equal(run(command_lock, true), STATUS_OK);
	assert_int_equal(machine.locks, 1);
}

/* What is written to standard error while the command runs. */
static int run_and_hear(command_function *command, char *heard, size_t size)
{
	FILE *const before = stderr;
	char *text = NULL;
	size_t length;
	int status;

	stderr = open_memstream(&text, &length);
	status = run(command, false);
	fclose(stderr);
	stderr = before;
	snprintf(heard, size, "%s", text);
	free(text);
	return status;
}

static void test_a_refusal_to_lock_is_a_failure_that_says_why(void **state)
{
	static const struct {
		int error;
		const char *heard;
	} rows[] = {
		{-EPERM, "secpodctl: SecPod has not locked, the phase is ACTIVE: it refuses "
			 "(on record since then: table-alias; secpodctl log)\n"},
		{-ENOMEM, "secpodctl: SecPod has not locked, the phase is ACTIVE: Cannot allocate "
			  "memory (on record since then: table-alias; secpodctl log)\n"},
	};
	char heard[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		machine.phase = SECPOD_PHASE_GUEST;
		machine.refuses = rows[i].error;
		assert_int_equal(run_and_hear(command_lock, heard, sizeof(heard)), STATUS_FAILED);
		assert_string_equal(heard, rows[i].heard);
		assert_string_equal(said, "");
		assert_int_equal(machine.phase, SECPOD_PHASE_ACTIVE);
	}
	/* And what is locked stays so. */
	machine.phase = SECPOD_PHASE_LOCKED;
	assert_int_equal(run_and_hear(command_lock, heard, sizeof(heard)), STATUS_OK);
	assert_string_equal(heard, "");
}

static void test_lock_waits_for_another_cpu_s_step(void **state)
{
	(void)state;
	machine.phase = SECPOD_PHASE_ACTIVE;
	machine.busy = 2;
	assert_int_equal(run(command_lock, true), STATUS_OK);
	assert_int_equal(machine.locks, 3);
	assert_string_equal(said, "{\"phase\": \"LOCKED\"}\n");
	/* Which then refuses, as the machine is locked. */
	machine.phase = SECPOD_PHASE_ACTIVE;
	machine.busy = 1;
	machine.taken_by_it = true;
	machine.refuses = -EPERM;
	assert_int_equal(run(command_lock, true), STATUS_OK);
	assert_string_equal(said, "{\"phase\": \"LOCKED\"}\n");
	/* One that never ends. */
	machine.phase = SECPOD_PHASE_ACTIVE;
	machine.busy = UINT32_MAX;
	assert_int_equal(run(command_lock, true), STATUS_FAILED);
}

static void test_lock_needs_the_right_to_the_device(void **state)
{
	(void)state;
	machine.phase = SECPOD_PHASE_ACTIVE;
	machine.device = -EACCES;
	assert_int_equal(run(command_lock, true), STATUS_NO_DEVICE);
	assert_int_equal(machine.locks, 0);
	/* Locked at boot: CPUID tells, and nobody needs it. */
	machine.phase = SECPOD_PHASE_LOCKED;
	assert_int_equal(run(command_lock, true), STATUS_OK);
	assert_int_equal(machine.locks, 0);
}

static void test_status_says_by_what_code_is_patched(void **state)
{
	static const struct {
		uint32_t features, answer, places;
		const char *said;
	} rows[] = {
		{0, SECPOD_ANSWER_DENY, 0, "the kernel, as it likes\", \"cpus\""},
		{SECPOD_FEATURE_PAGING, SECPOD_ANSWER_DENY, 0, "any place\", \"cpus\""},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILE, SECPOD_ANSWER_DENY, 0,
		 "any place, until there is a profile\", \"cpus\""},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILED, SECPOD_ANSWER_DENY, 23456,
		 "profile of the kernel\", \"profile_places\": 23456"},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILED, SECPOD_ANSWER_PANIC, 7,
		 "profile of the kernel\", \"profile_places\": 7"},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILED, SECPOD_ANSWER_LOG, 7,
		 "any place, recorded if not of the profile\", \"profile_places\": 7"},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILED, SECPOD_ANSWER_OFF, 7,
		 "any place\", \"profile_places\": 7"},
		{SECPOD_FEATURE_PAGING | SECPOD_FEATURE_PROFILED, SECPOD_ANSWER_DENY, 0,
		 "no place: no profile is this kernel's\", \"profile_places\": 0"},
	};
	const char *by;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		machine.features = rows[i].features;
		machine.unprofiled = rows[i].answer;
		machine.places = rows[i].places;
		assert_int_equal(run(command_status, true), STATUS_OK);
		by = strstr(said, "\"patches_by\": \"");
		assert_non_null(by);
		assert_memory_equal(by + strlen("\"patches_by\": \""), rows[i].said,
				    strlen(rows[i].said));
	}
	machine.places = 23456;
	assert_int_equal(run(command_status, false), STATUS_OK);
	assert_non_null(strstr(said, "Patches of code by:    profile of the kernel\n"
				     "Places of profile:     23456\n"));
}

static void test_records_are_shown_whole(void **state)
{
	(void)state;
	machine.records = 20;
	machine.record = (struct secpod_record){
		.seq = 7,
		.cpu = 1,
		.phase = SECPOD_PHASE_LOCKED,
		.rule = SECPOD_RULE_CR0,
		.answer = SECPOD_ANSWER_DENY,
		.rip = 0xffffffff81000000,
		.detail = {0x80040033, 0x80050033, 0x10000, 99},
		.insn_len = 3,
		.insn = {0x0f, 0x22, 0xc0},
		.code = "dummy",
		.gone = 1,
	};
	assert_int_equal(run(command_log, false), STATUS_OK);
	assert_non_null(strstr(said,
			       "#7 tsc 0 cpu 1 LOCKED cr0 deny rip 0xffffffff81000000 cr3 0 "
			       "cpl 0 value 0x80040033 now 0x80050033 bits 0x10000 insn 0f 22 c0 "
			       "code dummy (gone)\n"));
	assert_int_equal(machine.records, 0);

	machine.records = 1;
	assert_int_equal(run(command_log, true), STATUS_OK);
	assert_string_equal(said, "{\"number\": 7, \"tsc\": 0, \"cpu\": 1, \"phase\": \"LOCKED\", "
				  "\"rule\": \"cr0\", \"answer\": \"deny\", "
				  "\"rip\": \"0xffffffff81000000\", \"cr3\": \"0\", \"cpl\": 0, "
				  "\"value\": \"0x80040033\", \"now\": \"0x80050033\", "
				  "\"bits\": \"0x10000\", \"insn\": \"0f 22 c0\", "
				  "\"code\": \"dummy\", \"gone\": true}\n");
}

static void test_a_record_of_a_later_version_is_shown(void **state)
{
	(void)state;
	machine.records = 1;
	machine.record = (struct secpod_record){.rule = 250, .answer = 9, .insn_len = 255};
	assert_int_equal(run(command_log, false), STATUS_OK);
	assert_non_null(strstr(said, "unknown unknown"));
}

/* Of two members of one name a program sees one. */
static void test_json_records_have_each_member_once(void **state)
{
	(void)state;
	for (uint8_t rule = 0; rule < SECPOD_RULE_COUNT; rule++) {
		machine.records = 1;
		machine.record = (struct secpod_record){.seq = 7, .rule = rule};
		assert_int_equal(run(command_log, true), STATUS_OK);
		for (const char *at = strstr(said, "\""); at; at = strstr(at, ", \"")) {
			char member[40];

			at += *at == ',' ? 2 : 0;
			snprintf(member, sizeof(member),
				 "%.*s:", (int)(strchr(at + 1, '"') - at) + 1, at);
			assert_null(strstr(at + 1, member));
		}
	}
}

static void test_sites_are_listed(void **state)
{
	(void)state;
	assert_int_equal(run(command_sites, false), STATUS_OK);
	assert_string_equal(said, "");
	machine.sites = 4;
	assert_int_equal(run(command_sites, false), STATUS_OK);
	assert_string_equal(said, "0xffffffff81000002  original  0f 1f 44\n"
				  "0xffffffff81000004  jump      0f 1f 44\n");
	assert_int_equal(run(command_sites, true), STATUS_OK);
	assert_non_null(strstr(said, "{\"number\": 4, \"linear\": \"0xffffffff81000004\", "
				     "\"state\": \"jump\", \"original\": \"0f 1f 44\"}\n"));
}

static void test_sites_are_listed_to_the_last_one(void **state)
{
	const uint64_t sites = 3 * SECPOD_TEXT_SITES_MAX;
	uint64_t lines = 0;

	(void)state;
	machine.sites = 2 * sites;
	assert_int_equal(run(command_sites, false), STATUS_OK);
	for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, sites);
	/* A state of a later version. */
	assert_non_null(strstr(said, "unknown"));
}

static void test_sites_need_delegation(void **state)
{
	(void)state;
	machine.features = 0;
	machine.sites = 2;
	assert_int_equal(run(command_sites, false), STATUS_FAILED);
	assert_string_equal(said, "");
}

static void test_stats_name_the_rules_that_were_broken(void **state)
{
	(void)state;
	machine.stats.exits = 12;
	machine.stats.rule[SECPOD_RULE_EFER] = 3;
	assert_int_equal(run(command_stats, true), STATUS_OK);
	assert_non_null(strstr(said, "\"exits\": 12"));
	assert_non_null(strstr(said, "\"rules\": [{\"rule\": \"efer\", \"records\": 3}]"));
}

static void test_stats_again_say_what_has_changed(void **state)
{
	const struct options twice = {.watch = 1, .watch_turns = 2};
	const char *second;

	(void)state;
	machine.stats.exits = 12;
	machine.exits_a_look = 5;
	machine.stats.rule[SECPOD_RULE_EFER] = 3;
	assert_int_equal(run_as(command_stats, (struct report){0}, &twice), STATUS_OK);
	second = strstr(said, "\n\n");
	assert_non_null(second);
	assert_null(strchr(second, '\033'));
	assert_non_null(strstr(second, "VM exits:              22                   +5\n"));
	assert_non_null(strstr(second, "efer                3                    +0\n"));
	/* And nowhere in the first one. */
	assert_non_null(strstr(said, "VM exits:              17\n"));

	assert_int_equal(run_as(command_stats, (struct report){.terminal = true}, &twice),
			 STATUS_OK);
	assert_memory_equal(said, "\033[H\033[2J", 7);
	assert_non_null(strstr(said + 7, "\033[H\033[2J"));

	assert_int_equal(run_as(command_stats, (struct report){.json = true}, &twice), STATUS_OK);
	assert_non_null(strstr(said, "]}\n{\"cpus\": 0"));
	assert_null(strchr(said, '+'));
}

static void test_check_finds_what_is_missing(void **state)
{
	(void)state;
	/* Under SecPod: it runs, so what it needs is there. */
	assert_int_equal(run(command_check, false), STATUS_OK);
	assert_non_null(strstr(said, "This machine:          has what SecPod needs\n"));
	machine.present = false;
	/* No VT-x. */
	assert_int_equal(run(command_check, true), STATUS_MISSING);
	assert_string_equal(said + said_size - 40, ", \"machine\": \"lacks what SecPod needs\"}\n");
	assert_non_null(
		strstr(said, "{\"capability\": \"vmx\", \"needed\": true, \"here\": \"no\""));
	/* All of it; but one bit says that structures have to lie below 4 GiB. */
	machine.features_ecx = VMX;
	machine.msrs = 0;
	machine.msr_value = ~(1ULL << 48);
	assert_int_equal(run(command_check, false), STATUS_OK);
	/* Turned off by the firmware: locked, without VMX. */
	machine.msr_value = ~0ULL & ~4ULL;
	assert_int_equal(run(command_check, true), STATUS_MISSING);
	assert_non_null(
		strstr(said, "{\"capability\": \"vmx-on\", \"needed\": true, \"here\": \"no\""));
	/* Registers that cannot be read are no verdict. */
	machine.msrs = -EACCES;
	assert_int_equal(run(command_check, true), STATUS_OK);
	assert_non_null(
		strstr(said, "{\"capability\": \"ept\", \"needed\": true, \"here\": \"unknown\""));
	assert_non_null(strstr(said, "\"machine\": \"may have what SecPod needs\""));
	machine.uefi = false;
	assert_int_equal(run(command_check, false), STATUS_MISSING);
}

/* Each of what vmx/capabilities.c demands. */
static void test_check_asks_for_all_that_is_demanded(void **state)
{
	static const struct {
		uint32_t msr;
		uint64_t bits;
		const char *capability; /* NULL: that may be missing */
	} rows[] = {
		{0x480, 1ULL << 55, "vmx-controls"},
		{0x485, 1ULL << 5, "vmx-controls"},
		{0x485, 1ULL << 8, NULL},
		{0x481, 1ULL << 35, "virtual-nmis"},
		{0x481, 1ULL << 37, "virtual-nmis"},
		{0x482, 1ULL << 60, "msr-bitmaps"},
		{0x483, 1ULL << 50, "msr-switching"},
		{0x483, 1ULL << 53, "msr-switching"},
		{0x484, 1ULL << 46, "msr-switching"},
		{0x484, 1ULL << 47, "msr-switching"},
		{0x48b, 1ULL << 33, "ept"},
		{0x48b, 1ULL << 37, "vpid"},
		{0x48b, 1ULL << 39, "unrestricted-guest"},
		{0x48c, 1ULL << 6, "ept"},
		{0x48c, 1ULL << 8, NULL},
		{0x48c, 1ULL << 14, NULL},
		{0x48c, 1ULL << 8 | 1ULL << 14, "ept"},
		{0x48c, 1ULL << 16, "ept-2m-pages"},
		{0x48c, 1ULL << 20, "invept"},
		{0x48c, 1ULL << 25, NULL},
		{0x48c, 1ULL << 26, NULL},
		{0x48c, 1ULL << 25 | 1ULL << 26, "invept"},
		{0x48c, 1ULL << 32, "vpid"},
		{0x48c, 1ULL << 41, "vpid"},
	};

	(void)state;
	machine.present = false;
	machine.features_ecx = VMX;
	machine.msrs = 0;
	machine.msr_value = ~(1ULL << 48);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[80];

		machine.odd_msr = rows[i].msr;
		machine.odd_value = machine.msr_value & ~rows[i].bits;
		assert_int_equal(run(command_check, true),
				 rows[i].capability ? STATUS_MISSING : STATUS_OK);
		snprintf(text, sizeof(text),
			 "{\"capability\": \"%s\", \"needed\": true, \"here\": \"no\"",
			 rows[i].capability ? rows[i].capability : "");
		assert_int_equal(strstr(said, text) != NULL, rows[i].capability != NULL);
	}
	/* Structures below 4 GiB only. */
	machine.odd_msr = 0x480;
	machine.odd_value = ~0ULL;
	assert_int_equal(run(command_check, true), STATUS_MISSING);
	/* What one CPU does not need. */
	machine.odd_msr = 0x485;
	machine.odd_value = machine.msr_value & ~(1ULL << 8);
	machine.several_cpus = true;
	assert_int_equal(run(command_check, true), STATUS_MISSING);
	assert_non_null(strstr(
		said, "{\"capability\": \"wait-for-sipi\", \"needed\": true, \"here\": \"no\""));
}

/* The probe and its verdict. */
static bool selftest_says(const char *probe, const char *verdict)
{
	char text[80];

	snprintf(text, sizeof(text), "{\"probe\": \"%s\", \"result\": \"%s\"", probe, verdict);
	return strstr(said, text);
}

static void test_selftest_sees_what_does_not_hold(void **state)
{
	const uint64_t cstar = machine.cstar, pat = machine.pat;

	(void)state;
	assert_int_equal(run(command_selftest, false), STATUS_OK);
	assert_null(strstr(said, "NOT HELD"));
	assert_null(strstr(said, "not tried"));
	assert_non_null(strstr(said, "vmx-off"));

	machine.accepted_msr = MSR_CSTAR;
	machine.stats.rule[SECPOD_RULE_SYSCALL_MSR] = 0;
	assert_int_equal(run(command_selftest, true), STATUS_MISSING);
	assert_true(selftest_says("system-call-entry", "NOT HELD"));
	assert_true(selftest_says("record", "NOT HELD"));
	assert_true(selftest_says("memory-types", "held"));
	/* And is as it was. */
	assert_int_equal(machine.cstar, cstar);

	machine.accepted = 0;
	machine.accepted_msr = MSR_PAT;
	assert_int_equal(run(command_selftest, true), STATUS_MISSING);
	assert_true(selftest_says("memory-types", "NOT HELD"));
	assert_int_equal(machine.accepted, 2);
	assert_int_equal(machine.pat, pat);

	machine.accepted_msr = MSR_FEATURE_CONTROL;
	assert_int_equal(run(command_selftest, true), STATUS_MISSING);
	assert_true(selftest_says("vmx-off-kept", "NOT HELD"));
	assert_true(selftest_says("vmx-off", "held"));

	machine.accepted_msr = 0;
	machine.phase = SECPOD_PHASE_ACTIVE;
	assert_int_equal(run(command_selftest, true), STATUS_MISSING);
	assert_true(selftest_says("locked", "NOT HELD"));
}

static void test_selftest_sees_what_is_shown(void **state)
{
	static const struct {
		uint32_t leaf_1, leaf_6, leaf_7, msr;
		const char *probe;
	} rows[] = {
		{VMX, 0, 0, 0, "vmx-hidden"},		{0, 0, 0, 0x480, "vmx-registers"},
		{1u << 6, 0, 0, 0, "writers-hidden"},  /* SMX */
		{0, 1u << 19, 0, 0, "writers-hidden"}, /* hardware feedback */
		{0, 0, 1u << 2, 0, "writers-hidden"},  /* SGX */
		{0, 0, 1u << 25, 0, "writers-hidden"}, /* Processor Trace */
		{0, 0, 0, 0x560, "writers-registers"},	{0, 0, 0, 0x570, "writers-registers"},
		{0, 0, 0, 0x17d0, "writers-registers"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *first;

		machine.features_ecx = rows[i].leaf_1;
		machine.leaf_6_eax = rows[i].leaf_6;
		machine.leaf_7_ebx = rows[i].leaf_7;
		machine.shown_msr = rows[i].msr;
		assert_int_equal(run(command_selftest, true), STATUS_MISSING);
		assert_true(selftest_says(rows[i].probe, "NOT HELD"));
		/* And nothing else. */
		first = strstr(said, "NOT HELD");
		assert_null(strstr(first + 1, "NOT HELD"));
	}
}

static void test_selftest_says_what_it_cannot_try(void **state)
{
	(void)state;
	machine.msrs = -EACCES;
	assert_int_equal(run(command_selftest, true), STATUS_OK);
	assert_true(selftest_says("vmx-registers", "not tried"));
	assert_true(selftest_says("vmx-off-kept", "not tried"));
	assert_true(selftest_says("writers-registers", "not tried"));
	assert_true(selftest_says("user-vmcall", "held"));
}

static void test_json_text_is_escaped(void **state)
{
	struct report report = {.json = true};

	(void)state;
	free(said);
	report.out = open_memstream(&said, &said_size);
	report_begin(&report);
	report_text(&report, "a\"b", "", "\\ \n", REPORT_PLAIN);
	report_end(&report);
	fclose(report.out);
	assert_string_equal(said, "{\"a\\\"b\": \"\\\\ \\u000a\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_status_follows_the_phase, fresh_machine,
						forget),
		cmocka_unit_test_setup_teardown(test_status_needs_no_device, fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_without_device_the_others_say_so,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_policy_has_each_answer_in_its_place,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_lock_locks_once, fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_a_refusal_to_lock_is_a_failure_that_says_why,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_lock_waits_for_another_cpu_s_step,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_lock_needs_the_right_to_the_device,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_status_says_by_what_code_is_patched,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_records_are_shown_whole, fresh_machine,
						forget),
		cmocka_unit_test_setup_teardown(test_a_record_of_a_later_version_is_shown,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_json_records_have_each_member_once,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_sites_are_listed, fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_sites_are_listed_to_the_last_one,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_sites_need_delegation, fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_stats_name_the_rules_that_were_broken,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_stats_again_say_what_has_changed,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_check_finds_what_is_missing, fresh_machine,
						forget),
		cmocka_unit_test_setup_teardown(test_check_asks_for_all_that_is_demanded,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_selftest_sees_what_does_not_hold,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_selftest_sees_what_is_shown, fresh_machine,
						forget),
		cmocka_unit_test_setup_teardown(test_selftest_says_what_it_cannot_try,
						fresh_machine, forget),
		cmocka_unit_test_setup_teardown(test_json_text_is_escaped, fresh_machine, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
