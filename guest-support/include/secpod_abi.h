/* SPDX-License-Identifier: MIT */
/*
 * What the guest can see of SecPod. Shared by the monitor, the boot code, the tests and
 * guest-support; docs/abi.md says the same in prose.
 *
 * Versions: a change that breaks a caller raises the major version; whatever is added raises the
 * minor one. Numbers, once given, keep their meaning.
 *
 * CPUID leaves (EAX = leaf, ECX = index). All leaves are the same at every privilege level.
 */
#ifndef SECPOD_ABI_H
#define SECPOD_ABI_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

/* EAX: highest hypervisor leaf; EBX, ECX, EDX: the signature. */
#define SECPOD_CPUID_SIGNATURE 0x40000000u
#define SECPOD_SIGNATURE "SecPodSecPod"

/*
 * EAX: ABI version, major << 16 | minor; EBX: SECPOD_FEATURE_*, those that are there from the start
 * (INFO has all); ECX: SECPOD_PHASE_*; EDX: with SECPOD_FEATURE_PROFILED the places that the profile has, else 0.
 */
#define SECPOD_CPUID_VERSION 0x40000001u
#define SECPOD_ABI_MAJOR 0u
#define SECPOD_ABI_MINOR 9u
#define SECPOD_FEATURE_STATS (1u << 0)	   /* SECPOD_CPUID_STATS answers */
#define SECPOD_FEATURE_HYPERCALL (1u << 1) /* VMCALL answers, as below */
#define SECPOD_FEATURE_AUDIT (1u << 2)	   /* rules have answers and records */
#define SECPOD_FEATURE_PAGING \
	(1u << 3) /* page tables are read-only; SETUP, PT_SET to REARM answer */
#define SECPOD_FEATURE_PROFILE \
	(1u << 4) /* PROFILE is waited for, until LOCKED or until one holds */
#define SECPOD_FEATURE_PROFILED \
	(1u << 5) /* the kernel's image is patched only as a profile has it; none without places */

/* Phases of protection. */
#define SECPOD_PHASE_OFF 0u
#define SECPOD_PHASE_GUEST 1u
#define SECPOD_PHASE_ACTIVE 2u
#define SECPOD_PHASE_LOCKED 3u

/*
 * Statistics, only with "debug-stats = yes" in secpod.conf. ECX: index. EAX: bits 31:0, EDX: bits
 * 63:32 of the value; EBX: 1 when the index exists, else 0 and the value is 0.
 */
#define SECPOD_CPUID_STATS 0x40000010u

#define SECPOD_STAT_CPUS 0x00u		 /* CPUs under SecPod */
#define SECPOD_STAT_LAUNCH_TSC 0x01u	 /* TSC of the boot CPU when it became the guest */
#define SECPOD_STAT_ROOT_TSC 0x02u	 /* TSC ticks between VM exits and VM entries, all CPUs */
#define SECPOD_STAT_EXITS 0x03u		 /* VM exits, all CPUs, all reasons */
#define SECPOD_STAT_EPT_4K 0x04u	 /* EPT leaves of 4 KiB */
#define SECPOD_STAT_EPT_2M 0x05u	 /* EPT leaves of 2 MiB */
#define SECPOD_STAT_EPT_1G 0x06u	 /* EPT leaves of 1 GiB */
#define SECPOD_STAT_EPT_TABLES 0x07u	 /* EPT table pages */
#define SECPOD_STAT_FLUSH_REQUESTS 0x08u /* invalidations asked of all CPUs */
#define SECPOD_STAT_FLUSH_KICKS 0x09u	 /* CPUs kicked out of the guest for them */
#define SECPOD_STAT_REGION_BASE \
	0x0au /* reserved memory: first byte (its place is no secret: e820 shows it) */
#define SECPOD_STAT_REGION_SIZE 0x0bu /* bytes */
#define SECPOD_STAT_IMAGE_SIZE 0x0cu  /* monitor code and data, bytes */
#define SECPOD_STAT_POOL_FREE 0x0du   /* pages */
#define SECPOD_STAT_RAM 0x0eu	      /* bytes of RAM the guest has */
#define SECPOD_STAT_RAM_4K 0x0fu      /* bytes of it that EPT maps with 4 KiB pages */
#define SECPOD_STAT_NMI_QUEUED 0x10u  /* NMIs that met the monitor in root mode or came as exits */
/* Paging delegation; all 0 without it. */
#define SECPOD_STAT_TABLES_PENDING 0x11u  /* page tables without references, not released yet */
#define SECPOD_STAT_TABLES_PROMOTED 0x12u /* frames that became page tables */
#define SECPOD_STAT_TABLES_RELEASED 0x13u /* and memory again */
#define SECPOD_STAT_PT_STORES 0x14u	  /* entries changed by trap or request */
#define SECPOD_STAT_PT_FLAGS 0x15u	  /* accessed and dirty flags set in the CPU's place */
#define SECPOD_STAT_PT_REFUSED 0x16u	  /* stores to page tables refused */
#define SECPOD_STAT_PT_FLUSHES 0x17u	  /* invalidations on all CPUs asked for by it */
#define SECPOD_STAT_PT_ENTRIES 0x18u	  /* present entries judged when tables were made */
#define SECPOD_STAT_PAGING 0x19u	  /* memory for it, and EPT tables: bytes */
#define SECPOD_STAT_TEXT_STORES 0x1au	  /* stores that patch code, admitted */
#define SECPOD_STAT_TEXT_EXITS 0x1bu	  /* exits in which such stores were made */
#define SECPOD_STAT_TEXT_TSC 0x1cu	  /* TSC ticks between them and VM entry */
#define SECPOD_STAT_MEASURED 0x1du	  /* pages of the kernel's text, at ACTIVATE */
#define SECPOD_STAT_MEASURE_TSC 0x1eu	  /* TSC ticks for measuring them */
/* Bytes of RAM in 2 MiB that cannot be one EPT page, as the guest has not the same rights to all of it. */
#define SECPOD_STAT_RAM_MIXED 0x1fu
#define SECPOD_STAT_COUNT 0x20u
/* Frames of 4 KiB of one kind: SECPOD_STAT_FRAMES + SECPOD_FRAME_*. */
#define SECPOD_STAT_FRAMES 0x20u
#define SECPOD_FRAME_L1 1u /* page tables, by level */
#define SECPOD_FRAME_L2 2u
#define SECPOD_FRAME_L3 3u
#define SECPOD_FRAME_L4 4u
#define SECPOD_FRAME_CODE 5u	 /* the kernel's text */
#define SECPOD_FRAME_CODE_DYN 6u /* code that came later, or may go */
#define SECPOD_FRAME_RODATA 7u	 /* constants */
#define SECPOD_FRAME_TRAMP 8u	 /* start-up code of CPUs */
#define SECPOD_FRAME_EFI_RT 9u	 /* runtime services of the firmware */
#define SECPOD_FRAME_SECURE 10u	 /* the monitor's */
#define SECPOD_FRAME_KINDS 11u
/* Exits of one basic reason, all CPUs: SECPOD_STAT_EXIT_REASON + reason. */
#define SECPOD_STAT_EXIT_REASON 0x1000u
/* The same of one CPU: SECPOD_STAT_CPU_EXIT_REASON + (cpu << 8) + reason. */
#define SECPOD_STAT_CPU_EXIT_REASON 0x10000u
/* TSC ticks between VM exits of one basic reason and VM entry: SECPOD_STAT_EXIT_TSC + reason. */
#define SECPOD_STAT_EXIT_TSC 0x2000u
#define SECPOD_STAT_EXIT_REASONS 86u

/*
 * Rules: what the guest's kernel may not do. Each has an answer, set at boot by "policy.<name>" in
 * secpod.conf. X(ID, name, what it refuses); the number is the place in the list, new ones come
 * last.
 */
#define SECPOD_RULES(X)                                                                            \
	X(CR0, "cr0", "changes to pinned bits of CR0")                                             \
	X(CR4, "cr4", "changes to pinned bits of CR4")                                             \
	X(EFER, "efer", "changes to pinned bits of IA32_EFER")                                     \
	X(XCR0, "xcr0", "state components in XCR0 or IA32_XSS that the policy forbids")            \
	X(SYSCALL_MSR, "syscall-msr", "changes to LSTAR, STAR, CSTAR, FMASK, SYSENTER_*")          \
	X(PAT, "pat", "changes to IA32_PAT")                                                       \
	X(DEBUG_MSR, "debug-msr", "branch trace and trace messages of DEBUGCTL, the DS area")      \
	X(MEMORY_MSR, "memory-msr",                                                                \
	  "registers by which the CPU writes physical memory (PT, HFI, RAR)")                      \
	X(APIC_BASE, "apic-base", "moving the local APIC's page, turning the APIC off")            \
	X(MTRR, "mtrr", "memory types over the secure space")                                      \
	X(FEATURE_CONTROL, "feature-control", "writes to IA32_FEATURE_CONTROL")                    \
	X(MISC_ENABLE, "misc-enable", "the XD disable bit of IA32_MISC_ENABLE")                    \
	X(VMX_MSR, "vmx-msr", "writes to the VMX capability registers")                            \
	X(DESCRIPTOR_TABLE, "descriptor-table", "another GDT, IDT, LDT or TSS, or other contents") \
	X(SECURE_SPACE, "secure-space", "reads, writes, fetches and page walks in the monitor")    \
	X(INSTRUCTION, "instruction", "VMX, SMX and other instructions the guest does not have")   \
	X(HYPERCALL, "hypercall", "malformed hypercalls")                                          \
	X(CPU_START, "cpu-start", "starting a CPU in a page not seen before LOCKED")               \
	X(TASK_SWITCH, "task-switch", "hardware task switches")                                    \
	X(PT_ENTRY, "page-table-entry", "entries with reserved bits, or of another level's form")  \
	X(PT_TYPE, "page-table-type", "page tables at two levels or places, or in no memory")      \
	X(PT_SECURE, "page-table-secure", "entries that map the monitor's memory")                 \
	X(PT_ROOT, "root", "loads of CR3 with no tree of page tables")                             \
	X(KERNEL_EXEC, "kernel-exec", "kernel mappings that execute what is no code, or write it") \
	X(KERNEL_USER, "kernel-user", "user access in the upper half, kernel pages in the lower")  \
	X(USER_MAP, "user-map", "user mappings of code, constants and page tables")                \
	X(TABLE_ALIAS, "table-alias", "second writable kernel mappings of page tables")            \
	X(KERNEL_TEMPLATE, "kernel-template", "another upper half of an address space")            \
	X(KERNEL_REMAP, "kernel-remap", "another frame behind a kernel address in use")            \
	X(LOCKED_RANGE, "locked-range", "changes to the mapping of the kernel's image")            \
	X(DIRECT_MAP, "direct-map", "direct-map entries that are not linear, or execute")          \
	X(SPECIAL_ROOT, "special-root", "changes to the trees of firmware calls and CPU start")    \
	X(PT_STORE, "page-table-store", "stores to page tables of a form or from a place unknown") \
	X(CODE_NEW, "code-new", "new code of modules, and of no known origin")                     \
	X(CODE_STORE, "code-store", "stores to kernel code and constants, but for patches")        \
	X(KERNEL_FETCH, "kernel-fetch", "fetches of the kernel from what is no code, seen by EPT") \
	X(CODE_BPF, "code-bpf", "pages for code of BPF programs")                                  \
	X(CODE_PROBE, "code-probe", "pages for code of kprobes")                                   \
	X(PT_PAIR, "page-table-pair", "page-table isolation: roots of a pair that differ")         \
	X(CODE_PROFILE, "code-profile", "patches that the profile of the kernel does not have")    \
	X(CODE_FTRACE, "code-ftrace", "trampolines of ftrace")

enum secpod_rule {
#define SECPOD_RULE_NUMBER(id, name, refuses) SECPOD_RULE_##id,
	SECPOD_RULES(SECPOD_RULE_NUMBER)
#undef SECPOD_RULE_NUMBER
		SECPOD_RULE_COUNT
};

/* Room for rules in everything that has one place for each. */
#define SECPOD_POLICY_MAX 64u
_Static_assert(SECPOD_RULE_COUNT <= SECPOD_POLICY_MAX, "every rule has its place");

/*
 * Names of the detail words of a record, by rule: X(ID, detail[0], ..., detail[3]); "" for a word
 * that is always 0.
 */
#define SECPOD_DETAILS(X)                                       \
	X(CR0, "value", "now", "bits", "")                      \
	X(CR4, "value", "now", "bits", "")                      \
	X(EFER, "value", "now", "bits", "")                     \
	X(XCR0, "value", "now", "msr", "")                      \
	X(SYSCALL_MSR, "value", "now", "msr", "")               \
	X(PAT, "value", "now", "msr", "")                       \
	X(DEBUG_MSR, "value", "now", "msr", "")                 \
	X(MEMORY_MSR, "value", "now", "msr", "")                \
	X(APIC_BASE, "value", "now", "msr", "")                 \
	X(MTRR, "value", "now", "msr", "")                      \
	X(FEATURE_CONTROL, "value", "now", "msr", "")           \
	X(MISC_ENABLE, "value", "now", "msr", "")               \
	X(VMX_MSR, "value", "now", "msr", "")                   \
	X(DESCRIPTOR_TABLE, "base", "value", "table", "pinned") \
	X(SECURE_SPACE, "gpa", "access", "linear", "")          \
	X(INSTRUCTION, "exit", "qualification", "rax", "")      \
	X(HYPERCALL, "rax", "error", "rdi", "rsi")              \
	X(CPU_START, "vector", "target", "", "")                \
	X(TASK_SWITCH, "selector", "source", "", "")            \
	X(PT_ENTRY, "slot", "new", "old", "")                   \
	X(PT_TYPE, "slot", "new", "old", "")                    \
	X(PT_SECURE, "slot", "new", "old", "")                  \
	X(PT_ROOT, "slot", "new", "old", "")                    \
	X(KERNEL_EXEC, "slot", "new", "old", "")                \
	X(KERNEL_USER, "slot", "new", "old", "")                \
	X(USER_MAP, "slot", "new", "old", "")                   \
	X(TABLE_ALIAS, "slot", "new", "old", "")                \
	X(KERNEL_TEMPLATE, "slot", "new", "old", "")            \
	X(KERNEL_REMAP, "slot", "new", "old", "")               \
	X(LOCKED_RANGE, "slot", "new", "old", "")               \
	X(DIRECT_MAP, "slot", "new", "old", "")                 \
	X(SPECIAL_ROOT, "slot", "new", "old", "")               \
	X(PT_STORE, "slot", "linear", "error", "")              \
	X(CODE_NEW, "gpa", "linear", "sha256", "named")         \
	X(CODE_STORE, "gpa", "new", "old", "")                  \
	X(KERNEL_FETCH, "gpa", "linear", "qualification", "")   \
	X(CODE_BPF, "gpa", "linear", "sha256", "")              \
	X(CODE_PROBE, "gpa", "linear", "sha256", "")            \
	X(PT_PAIR, "slot", "new", "old", "")                    \
	X(CODE_PROFILE, "gpa", "new", "old", "sha256")          \
	X(CODE_FTRACE, "gpa", "linear", "sha256", "")

/* Answers to a rule that is broken. */
#define SECPOD_ANSWER_OFF 0u   /* let it pass */
#define SECPOD_ANSWER_LOG 1u   /* record it and let it pass */
#define SECPOD_ANSWER_DENY 2u  /* record it and refuse it */
#define SECPOD_ANSWER_PANIC 3u /* record it and stop the machine */
#define SECPOD_ANSWER_COUNT 4u

/* Those that are asked when code comes. */
#define SECPOD_RULE_NEW_CODE(rule)                                           \
	((rule) == SECPOD_RULE_CODE_NEW || (rule) == SECPOD_RULE_CODE_BPF || \
	 (rule) == SECPOD_RULE_CODE_PROBE || (rule) == SECPOD_RULE_CODE_FTRACE)

/* The answer that holds unless the configuration has another: Linux loads modules, BPF, probes and tracers. */
#define SECPOD_RULE_DEFAULT(rule) \
	(SECPOD_RULE_NEW_CODE(rule) ? SECPOD_ANSWER_LOG : SECPOD_ANSWER_DENY)

/* One record of the audit log. Little-endian, like all numbers here. */
#define SECPOD_RECORD_INSN 16u
#define SECPOD_RECORD_DETAILS 4u
#define SECPOD_CODE_NAME 32u
struct secpod_record {
	uint64_t seq;	/* 1 for the first one; a gap: records were lost */
	uint64_t tsc;	/* time-stamp counter of the CPU */
	uint32_t cpu;	/* its index */
	uint8_t phase;	/* SECPOD_PHASE_* */
	uint8_t rule;	/* SECPOD_RULE_* */
	uint8_t answer; /* SECPOD_ANSWER_*: what was done; never OFF */
	uint8_t cpl;
	uint64_t rip;
	uint64_t cr3;
	uint64_t detail[SECPOD_RECORD_DETAILS]; /* see SECPOD_DETAILS */
	uint8_t insn_len;			/* bytes of insn that are known */
	uint8_t insn[SECPOD_RECORD_INSN];	/* the instruction, as fetched after the exit */
	uint8_t gone;				/* 1: of code that CODE_GONE has spoken of */
	char code[SECPOD_CODE_NAME]; /* name of the code at rip, if CODE_OK gave it one */
	uint8_t zero[6];
};
_Static_assert(sizeof(struct secpod_record) == 128, "part of the ABI");

/*
 * Hypercalls: VMCALL at CPL 0. RAX: SECPOD_HYPERCALL | number; arguments in RDI,
 * RSI, RDX, R10; those that a call does not have must be 0. RAX becomes the result, not negative,
 * or one of the negative SECPOD_E* numbers; every other register is preserved, but for RDX when
 * PT_XCHG succeeds. At another CPL, or with other bits in RAX, VMCALL raises #UD as without VMX.
 *
 * gpa: guest-physical address of memory of the caller, a multiple of 8, the whole of it RAM and
 * none of it SecPod's: else -EFAULT (unaligned: -EINVAL), and nothing is written.
 *
 * What is malformed is recorded under the rule HYPERCALL.
 */
#define SECPOD_HYPERCALL 0x5ec00000u
#define SECPOD_HYPERCALL_NUMBER 0xffffu

/* Errors, Linux's numbers. */
#define SECPOD_EPERM 1 /* not in this phase; or a rule refuses it, which is recorded by that rule */
#define SECPOD_ENOENT 2	 /* no page table is there */
#define SECPOD_EIO 5	 /* the monitor failed at it, nothing the caller did wrong */
#define SECPOD_EAGAIN 11 /* another CPU is making or unmaking the page table: try again */
#define SECPOD_ENOMEM 12 /* the monitor has no memory left for it */
#define SECPOD_EFAULT 14 /* not memory of the guest */
#define SECPOD_EBUSY 16	 /* another CPU is at it; nothing was done, try again */
#define SECPOD_EINVAL \
	22 /* unknown flag, unaligned, too large, an argument the call does not have */
#define SECPOD_ENOSYS 38 /* unknown number */

/*
 * INFO(gpa, size): a struct secpod_info to gpa.
 * size: bytes of room, from SECPOD_INFO_MIN to SECPOD_SIZE_MAX, a multiple of 8. Result: bytes
 * written, the smaller one of size and what this version knows.
 */
#define SECPOD_CALL_INFO 0u
#define SECPOD_SIZE_MAX 4096u
struct secpod_info {
	uint32_t abi_version; /* major << 16 | minor */
	uint32_t features;    /* SECPOD_FEATURE_* */
	uint32_t phase;	      /* SECPOD_PHASE_* */
	uint32_t rule_count;
	uint64_t policy[2];    /* SECPOD_ANSWER_*: rule n in bits 2 * (n % 32) of [n / 32] */
	uint64_t mandatory;    /* a bit a rule: refused with any answer */
	uint64_t log_capacity; /* records */
};
#define SECPOD_INFO_MIN 48u
_Static_assert(sizeof(struct secpod_info) == SECPOD_INFO_MIN, "part of the ABI");

/*
 * SETUP(index, gpa): the page at gpa (a multiple of 4096) becomes page index of a bitmap that the caller can
 * read, and never write again: a bit for each frame of 4096 bytes from physical address 0 on, 64 to a word
 * and 32768 to a page, set while the frame is a page table. With SECPOD_FEATURE_PAGING (else -EPERM). It says which
 * stores would exit, and may be late: whoever is misled has an exit, or -ENOENT of PT_SET, and nothing worse.
 * Result: 0; -EBUSY: there is a page index already, or gpa is no ordinary memory; -EINVAL: no RAM belongs to
 * page index.
 */
#define SECPOD_CALL_SETUP 1u
#define SECPOD_SETUP_FRAMES 32768u

/* ACTIVATE(flags): GUEST -> ACTIVE; 0, too, when that is done already. flags: 0. */
#define SECPOD_CALL_ACTIVATE 2u

/*
 * LOCK(flags): ACTIVE -> LOCKED; 0, too, when that is done already; -EPERM before ACTIVE, and when a
 * page table made since then breaks a rule that begins at LOCKED (which is recorded). flags: 0.
 */
#define SECPOD_CALL_LOCK 3u

/*
 * Changes of page tables by request, with SECPOD_FEATURE_PAGING (else -EPERM). They are judged as a
 * store to the same place is: a rule refuses with -EPERM. slot: gpa of the entry, a multiple of 8.
 * In all of them -ENOENT means that the slot is in ordinary memory, which the caller stores to
 * himself, and -EAGAIN that he asks again. An error changes nothing.
 *
 * PT_SET(slot, value): the entry becomes value. Result: 0.
 */
#define SECPOD_CALL_PT_SET 4u

/* PT_XCHG(slot, value): the same. Result: 0, and RDX becomes what the entry was before. */
#define SECPOD_CALL_PT_XCHG 5u

/*
 * PT_COMMIT(slot, value): the entry becomes value with the accessed flag of the present entry, and
 * with its dirty flag if value is writable; only where both are present. Result: 0;
 * SECPOD_COMMIT_DIRTY: the entry before was dirty, and this one does not say so.
 */
#define SECPOD_CALL_PT_COMMIT 6u
#define SECPOD_COMMIT_DIRTY 1

/*
 * PT_BATCH(gpa, count, saved): count entries of struct secpod_pt_op, in their order. The list does not
 * cross a page, and is read once. saved: 0; or dirty itself, or one bit of those the CPU ignores: it is set in an entry
 * where COMMIT would say SECPOD_COMMIT_DIRTY. Result: how many are done. Fewer than count: the next one is in error,
 * which a call that begins there tells.
 */
#define SECPOD_CALL_PT_BATCH 7u
#define SECPOD_BATCH_MAX 256u
struct secpod_pt_op {
	uint64_t slot; /* bits 2:0: SECPOD_PT_OP_* */
	uint64_t value;
};
#define SECPOD_PT_OP_SET 0u
#define SECPOD_PT_OP_COMMIT 1u
#define SECPOD_PT_OP_MASK 7u

/*
 * WRPROTECT(root, begin, end, saved): user pages that lie wholly in [begin, end) of the lower half
 * are read-only from now on: R/W is cleared in present user leaves of every size. root: gpa of a
 * topmost page table. begin, end: linear addresses, multiples of 4096. saved: 0; or one bit of those
 * the CPU ignores, which takes the place of the dirty flag (read-only and dirty is a shadow-stack page
 * to a CPU that has those).
 * Result: the linear address up to which that is done; less than end: the call has done its share,
 * and another one goes on there. TLBs are the caller's to flush. -ENOENT: root is no page table.
 */
#define SECPOD_CALL_WRPROTECT 8u

/*
 * UNPIN(root, pair): an address space that ends: its page tables are ordinary memory again, contents
 * as they are. pair: 0, or gpa of the second root that page-table isolation has for it. Tables that
 * others use stay what they are. Result: 0; -EBUSY: a CPU has one of them in CR3; -ENOENT: root is
 * no page table; -EINVAL, too, for the kernel's own root and those of firmware and CPU start.
 */
#define SECPOD_CALL_UNPIN 9u

/*
 * REDIRECT(function, stub): the kernel's function, one of those that store an entry of a page table
 * (native_set_pte() and its like), goes to stub instead, with the same registers: a jump takes the place of
 * its first instruction, and another one that of padding beside it. Both are linear addresses, function a multiple of 16.
 * For ever; and no CPU may be in the function's first instruction meanwhile, nor execute it before it has
 * serialised: that is the caller's to see to. Result: 0; -ENOENT: the code there is none that is known, byte by byte;
 * -EBUSY: it is patched; -EINVAL: stub is no code of a module, or too far away; -EPERM without SECPOD_FEATURE_PAGING, and with
 * "lock = request" from LOCKED on.
 */
#define SECPOD_CALL_REDIRECT 10u

/*
 * REARM(gpa, count): calls that Linux has patched away because they are of nothing (paravirtual operations) are calls again:
 * where the kernel's code has that NOP of six bytes (66 0F 1F 44 00 00), a call of stub takes its place. A list of count
 * sites at gpa (struct secpod_call_site, 1 to SECPOD_REARM_MAX), read once; all of them, or none. For ever; the caller sees to it
 * that no CPU is at a site meanwhile, as with REDIRECT. Result: 0; -ENOENT: other bytes are there; -EBUSY: they are
 * patched; -EINVAL: stub is no code of a module, or too far away; -EPERM as of REDIRECT.
 */
#define SECPOD_CALL_REARM 11u
#define SECPOD_REARM_MAX 32u
struct secpod_call_site {
	uint64_t linear;
	uint64_t stub;
};

/*
 * CODE_OK(begin, bytes, gpa): the code at [begin, begin + bytes), linear addresses and multiples of 4096, gets the name
 * at gpa: SECPOD_CODE_NAME bytes; letters, digits, '_', '-' and '.', zeros behind them. Records that are caused from there have
 * it from then on. It is recorded under CODE_NEW ("named": bytes), and grants nothing. With SECPOD_FEATURE_PAGING
 * (else -EPERM). bytes: at most SECPOD_CODE_BYTES_MAX. Result: 0; -ENOENT: not all of it is code of a module;
 * -EBUSY: some of it has a name, which stays until other code comes there; -ENOMEM: too many names; -EINVAL: no
 * multiples, or no name.
 */
#define SECPOD_CALL_CODE_OK 12u
#define SECPOD_CODE_BYTES_MAX 0x100000u

/*
 * CODE_GONE(begin): what has got a name at begin is not executed any more. The name stays until other code comes there,
 * and records that are caused from there say so (gone). Result: 0, -ENOENT: no name begins there.
 */
#define SECPOD_CALL_CODE_GONE 13u

/*
 * PROFILE(list, bytes): the profile of the caller's kernel, as secpod-profile makes it: from now on the kernel's image is patched
 * only as it says. With SECPOD_FEATURE_PROFILE (else -EPERM). bytes: a multiple of 8, at most SECPOD_PROFILE_MAX. list: gpas of the
 * pages that they are in, 8 bytes each, one behind the other; they are multiples of 4096. All is read once, and judged then. There
 * may be profiles of other kernels in it. Result: 0; -ENOENT: none is this kernel's; -EINVAL: malformed, too large; -EPERM, too:
 * the kernel is patched by now in a way that the profile does not have, which is recorded by the rule CODE_PROFILE; -EAGAIN: it is
 * being patched: try again; -EBUSY: another CPU is at it. An error changes nothing.
 */
#define SECPOD_CALL_PROFILE 14u
/* So many gpas are a page. */
#define SECPOD_PROFILE_MAX 0x200000u

/*
 * STATS(gpa, size): a struct secpod_stats to gpa. size, result: as with INFO, from
 * SECPOD_STATS_MIN.
 */
#define SECPOD_CALL_STATS 16u
struct secpod_stats {
	uint64_t cpus;			  /* under SecPod */
	uint64_t exits;			  /* VM exits, all CPUs, all reasons */
	uint64_t pool_free;		  /* the monitor's pages left */
	uint64_t log_written;		  /* records ever; the number of the newest one */
	uint64_t log_read;		  /* handed out by LOG_READ */
	uint64_t log_lost;		  /* overwritten, or given up, before they were read */
	uint64_t console_suppressed;	  /* lines the rate limit kept from the serial line */
	uint64_t hypercalls;		  /* answered, refused ones included */
	uint64_t rule[SECPOD_POLICY_MAX]; /* records by rule */
};
#define SECPOD_STATS_MIN 576u
_Static_assert(sizeof(struct secpod_stats) == SECPOD_STATS_MIN, "part of the ABI");

/*
 * LOG_READ(gpa, max, flags): the oldest records of the audit log that have not been read, at most
 * max of them, to gpa, in the order of their numbers; they leave the log. max: 1 to
 * SECPOD_LOG_READ_MAX. flags: 0. All max * 128 bytes at gpa must be the guest's; those behind the
 * last record may be changed. Result: records written; 0 when there is none.
 */
#define SECPOD_CALL_LOG_READ 17u
#define SECPOD_LOG_READ_MAX 32u

/*
 * TEXT_SITES(gpa, after, max): places where the kernel's code is not as it was before it was first patched, at most max
 * of them, to gpa; in the order of their numbers, those above after. A site's number is its own until it is again what it
 * was. max: 1 to SECPOD_TEXT_SITES_MAX. All max * sizeof(struct secpod_text_site) bytes at gpa must be the guest's.
 * With SECPOD_FEATURE_PAGING (else -EPERM). Result: sites written; 0 when there is none.
 */
#define SECPOD_CALL_TEXT_SITES 18u
#define SECPOD_TEXT_SITES_MAX 64u
struct secpod_text_site {
	uint64_t number;
	uint64_t linear;
	uint8_t original[16]; /* before the first patch, the first length bytes of them */
	uint8_t length;
	uint8_t state; /* SECPOD_TEXT_* */
	uint8_t zero[6];
};
_Static_assert(sizeof(struct secpod_text_site) == 40, "part of the ABI");
#define SECPOD_TEXT_OPEN 1u	/* INT3 */
#define SECPOD_TEXT_ORIGINAL 2u /* as it was */
#define SECPOD_TEXT_NOP 3u
#define SECPOD_TEXT_JUMP 4u
#define SECPOD_TEXT_CALL 5u
#define SECPOD_TEXT_RETURN 6u
#define SECPOD_TEXT_CLEAR 7u /* XOR EAX, EAX */

#endif
