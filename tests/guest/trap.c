/* SPDX-License-Identifier: MIT */
#include "tests/guest/trap.h"

#include "tests/guest/machine.h"
#include "tests/guest/payload.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

/* Called from trap_entry.S. */
void trap_handle(struct trap_frame *frame);
uint64_t trap_run(void (*run)(void *), void *arg, uint64_t *saved_rsp);
extern const char trap_caught[];

struct catcher {
	struct catcher *outer;
	uint64_t rsp;
	struct trap trap;
};

static struct catcher *innermost;
static trap_hook_fn hooks[256];

void trap_hook(uint8_t vector, trap_hook_fn hook)
{
	hooks[vector] = hook;
}

void trap_unhook_all(void)
{
	for (unsigned int i = 0; i < 256; i++)
		hooks[i] = NULL;
}

struct trap trap_catch(void (*run)(void *arg), void *arg)
{
	struct catcher catcher = {.outer = innermost, .trap = {.vector = TRAP_NONE}};

	innermost = &catcher;
	trap_run(run, arg, &catcher.rsp);
	innermost = catcher.outer;
	return catcher.trap;
}

void trap_handle(struct trap_frame *frame)
{
	uint64_t cr2 = read_cr2();
	uint8_t vector = (uint8_t)frame->vector;

	if (hooks[vector] && hooks[vector](frame))
		return;
	if (!innermost || !machine_is_boot_cpu())
		payload_die("trap %u, error code %lx, RIP image+%lx, CR2 %lx", vector,
			    frame->error_code, frame->rip - machine_image_base(), cr2);
	innermost->trap = (struct trap){vector, frame->error_code, cr2, *frame};
	/* Whatever the trap interrupted, go on in the catcher: at CPL 0, single step and interrupts
	 * off. */
	frame->rip = (uint64_t)(uintptr_t)trap_caught;
	frame->cs = SELECTOR_CODE64;
	frame->rflags = RFLAGS_FIXED1;
	frame->rsp = innermost->rsp;
	frame->ss = SELECTOR_DATA;
}
