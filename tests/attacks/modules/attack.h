/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the attacks share. Each is a module that has itself registered; the runner then has a process make the
 * attempt, through /dev/secpod_attack. Not while the module is loaded: the kernel keeps what an attempt that kills
 * its thread leaves behind of a load, on the stack of that thread. secpod_attack.ko stays: it judges
 * the attempt, and prints
 *   ATTACK: NAME begins RULE,...
 *   ATTACK: NAME succeeded|refused|impossible DETAIL
 *   ATTACK: NAME recorded RULE log|deny	(one line for each rule that was broken, as the log has it)
 */
#ifndef SECPOD_TESTS_ATTACKS_ATTACK_H
#define SECPOD_TESTS_ATTACKS_ATTACK_H

#include <linux/module.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/irqflags.h>
#include <asm/asm.h>
#include <asm/processor-flags.h>

struct attack {
	const char *name;
	/*
	 * Names of the rules of SecPod by which it may be refused, separated by commas; "": nothing is refused,
	 * and yet it has no effect.
	 */
	const char *rules;
	/* Whether the CPU has what the attack misuses, as far as CPUID tells; NULL: every CPU has. */
	bool (*possible)(void);
	/*
	 * Makes the attempt. Result: 0; -EOPNOTSUPP when the machine has not got what it takes; another
	 * negative errno when it could not be prepared. May not return.
	 */
	int (*attempt)(void);
	/* Whether the attempt had its effect, by looking at the target itself; says what it saw. */
	bool (*effect)(void);
	/* Takes the effect back, so that the machine lives on; called when there was one. May be NULL. */
	void (*undo)(void);
};

/*
 * attack_wait - a second of a machine in use, on this CPU: it sleeps, and twenty times it does what makes a
 * CPU leave the guest when a program is started. The C library's start-up code executes some eighty CPUIDs.
 */
void attack_wait(void);

/* attack_register, attack_unregister - all that a module does when it is loaded and unloaded. */
void attack_register(const struct attack *attack);
void attack_unregister(void);

/*
 * What comes behind it in the detail are the words that a record of the attack has to have, as the serial
 * line shows them: the attack knows them by itself.
 */
#define ATTACK_RECORD "; record: "

/* attack_detail - the last part of the report line, as for printk, without a line's end. */
__printf(1, 2) void attack_detail(const char *format, ...);

/*
 * attack_tries - the effect of an attack that is made in several ways, of which so many were done: without
 * SecPod all of them have to work, under it one is too many.
 */
bool attack_tries(unsigned int done, unsigned int tries);

/* attack_under_secpod - whether SecPod signs as the hypervisor. */
bool attack_under_secpod(void);

/*
 * attack_secure_space - memory that the guest must not reach; without SecPod ordinary RAM that firmware
 * would have kept for itself just like that (memmap= on the kernel's command line).
 * Result: 0 with first byte and size, -ENOENT.
 */
int attack_secure_space(u64 *base, u64 *size);

/* attack_hypercall - a call of SecPod (SECPOD_CALL_*); without it no instruction. Result: the call's. */
long attack_hypercall(u32 number, u64 first, u64 second, u64 third, u64 fourth);

/* attack_symbol - address of any symbol of the kernel, exported or not; 0 when there is none. */
unsigned long attack_symbol(const char *name);

#define ATTACK_MODULE(attack)                                                \
	static int __init attack_init(void)                                  \
	{                                                                    \
		attack_register(&(attack));                                  \
		return 0;                                                    \
	}                                                                    \
	module_init(attack_init);                                            \
	static void __exit attack_exit(void)                                 \
	{                                                                    \
		attack_unregister();                                         \
	}                                                                    \
	module_exit(attack_exit);                                            \
	MODULE_DESCRIPTION("Attack on the kernel's protections, for tests"); \
	MODULE_LICENSE("Dual MIT/GPL")

/*
 * An instruction that may raise an exception, inside asm with the operand [fault] "+r"(fault), an
 * unsigned int that is 1 before: it is 0 afterwards if there was none.
 */
#define ATTACK_TRY(instruction)  \
	"1: " instruction "\n\t" \
	"movl $0, %[fault]\n"    \
	"2:\n\t" _ASM_EXTABLE(1b, 2b)

/* attack_msr_keeps - writes value and reads it back; the register has its old value afterwards. */
bool attack_msr_keeps(u32 msr, u64 value, u64 *seen);

/*
 * attack_cr4 - writes CR4 with these bits set and those clear, and then as it was. Result: what it read in
 * between, which is as it was when the write raised an exception.
 */
unsigned long attack_cr4(unsigned long set, unsigned long clear);

/*
 * attack_user_page - maps a page of the present process that starts with these bytes. protection: PROT_*.
 * Result: 0, or a negative errno.
 */
int attack_user_page(unsigned long protection, const void *bytes, size_t size, unsigned long *page);

static inline unsigned long attack_read_cr0(void)
{
	unsigned long value;

	asm volatile("mov %%cr0, %0" : "=r"(value) : : "memory");
	return value;
}

/* Not the kernel's own functions: they put pinned bits back. */
static inline void attack_write_cr0(unsigned long value)
{
	asm volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

/*
 * attack_write_past_wp - writes a word that page tables make read-only, while CR0.WP is clear. write_cr0: how
 * that is done.
 */
static inline void attack_write_past_wp(const unsigned long *word, unsigned long value,
					void (*write_cr0)(unsigned long))
{
	unsigned long flags, cr0;

	local_irq_save(flags);
	cr0 = attack_read_cr0();
	write_cr0(cr0 & ~X86_CR0_WP);
	WRITE_ONCE(*(unsigned long *)word, value);
	write_cr0(cr0);
	local_irq_restore(flags);
}

/* Whole, with the PCID; the kernel's own functions are not for modules. */
static inline unsigned long attack_read_cr3(void)
{
	unsigned long value;

	asm volatile("mov %%cr3, %0" : "=r"(value) : : "memory");
	return value;
}

static inline void attack_write_cr3(unsigned long value)
{
	asm volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline unsigned long attack_read_cr4(void)
{
	unsigned long value;

	asm volatile("mov %%cr4, %0" : "=r"(value) : : "memory");
	return value;
}

static inline void attack_write_cr4(unsigned long value)
{
	asm volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

#endif
