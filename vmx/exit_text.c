/* SPDX-License-Identifier: MIT */
#include "vmx/exit_text.h"

#include <errno.h>
#include <string.h>

#include "secpod/rules.h"
#include "vmm/guest_mem.h"
#include "vmm/x86.h"
#include "vmx/audit.h"
#include "vmx/delegation.h"
#include "vmx/guest_state.h"
#include "vmx/insn.h"
#include "vmx/state.h"

#define USER_HALF_END (1ULL << 47)

static const struct guest_walk_memory looking = {guest_read, guest_write, NULL};

/* ---- who writes */

bool text_is_poke(uint64_t gpa, uint64_t gva, uint64_t rip, uint64_t rflags)
{
	const uint64_t word = frame_read(&vmx.paging.frames, gpa >> PAGE_SHIFT);
	const enum frame_type type = frame_word_type(word);
	const struct poke poke = {
		.root = vmread(VMCS_GUEST_CR3) & PTE_ADDR,
		.va = gva,
		.rip = rip,
		.interrupts = rflags & RFLAGS_IF,
		.fluid = word & FRAME_FLUID,
	};

	return (type == FRAME_CODE || type == FRAME_CODE_DYN) &&
	       poker_is_known(&vmx.paging.text.poker, &poke);
}

/* ---- what is written */

struct text_exit {
	const struct vcpu *vcpu;
	uint64_t gpa;
	uint64_t word; /* of its frame */
	uint64_t page; /* where the code that is written is executed; 0: not known */
	const struct store_change *change;
	uint64_t *old;
	bool translating;	    /* paging is valid */
	struct guest_paging paging; /* read only when an address has to be translated */
};

/* From LOCKED on each address of the image has the frame it was linked to, or none. */
static bool is_linked(uint64_t va)
{
	const struct paging_range *image = &vmx.paging.image;

	return va >= image->begin && va < image->end &&
	       __atomic_load_n(&vmx.paging.locked, __ATOMIC_ACQUIRE);
}

static int translate(struct text_exit *t, uint64_t va, uint64_t *gpa)
{
	struct guest_walk walk;

	if (is_linked(va)) {
		*gpa = vmx.paging.image_gpa + (va - vmx.paging.image.begin);
		return 0;
	}
	if (va < USER_HALF_END)
		return -EFAULT;
	if (!t->translating)
		t->paging = guest_paging(t->vcpu);
	t->translating = true;
	if (guest_walk(&t->paging, &looking, va, 0, &walk))
		return -EFAULT;
	*gpa = walk.gpa;
	return 0;
}

/* Code that is executed at va: where it is, and its frame's word. Not through an alias of another page. */
static int locate(struct text_exit *t, uint64_t va, uint64_t *gpa, uint64_t *word)
{
	if (t->page && (va & PAGE_MASK) == t->page) {
		*gpa = (t->gpa & PAGE_MASK) | (va & ~PAGE_MASK);
		*word = t->word;
		return 0;
	}
	if (translate(t, va, gpa))
		return -EFAULT;
	*word = frame_read(&vmx.paging.frames, *gpa >> PAGE_SHIFT);
	return frame_is_code(frame_word_type(*word)) && frame_word_place(*word) == (va & PAGE_MASK)
		       ? 0
		       : -EFAULT;
}

static bool is_code(void *context, uint64_t va)
{
	uint64_t gpa, word;

	return !locate(context, va, &gpa, &word);
}

static int read_code(void *context, uint64_t va, uint8_t *to, size_t len)
{
	while (len) {
		const size_t rest = PAGE_SIZE - (va & ~PAGE_MASK);
		const size_t step = len < rest ? len : rest;
		uint64_t gpa, word;
		int error = locate(context, va, &gpa, &word);

		if (!error)
			error = guest_read(gpa, to, step);
		if (error)
			return error;
		va += step;
		to += step;
		len -= step;
	}
	return 0;
}

static uint64_t apply(void *operand, uint64_t old)
{
	return store_change_apply(operand, old);
}

/* What is decoded from here on sees it: before the guest goes on, and tells others. */
static int change_code(uint64_t word, uint64_t gpa, uint64_t va, paging_change change,
		       void *operand, uint64_t *old)
{
	const int error = paging_code_store(&vmx.paging, word, gpa, change, operand, old);

	if (!error)
		__atomic_fetch_add(store_cache_generation(&vmx.generations, va), 1u,
				   __ATOMIC_SEQ_CST);
	return error;
}

static int write_code(void *context)
{
	const struct text_exit *t = context;
	struct store_change copy = *t->change;

	return change_code(t->word, t->gpa, t->page, apply, &copy, t->old);
}

/* The bytes that are stored, which must not depend on those that were there. */
static int judge(struct text_exit *t, bool any_place)
{
	const struct text_code code = {read_code, write_code, is_code, t, any_place};
	const uint32_t first = (uint32_t)__builtin_ctzll(t->change->mask) / 8;
	const uint32_t count = 8 - first - (uint32_t)__builtin_clzll(t->change->mask) / 8;
	uint8_t bytes[sizeof(uint64_t)];

	if (t->change->operation != STORE_WORD_REPLACE || !t->page)
		return -EACCES;
	memcpy(bytes, &t->change->value, sizeof(bytes));
	return text_store(&vmx.paging.text, &code, t->page + (t->gpa & ~PAGE_MASK) + first,
			  bytes + first, count);
}

/* A patch that the profile does not have. Result: is it refused? Then it is not made, and Linux goes on as below. */
static bool refuse_unlisted(const struct vcpu *vcpu, struct text_exit *t)
{
	(void)guest_read(t->gpa, t->old, sizeof(*t->old));
	return audit_breach(
		vcpu, &(const struct breach){
			      .rule = SECPOD_RULE_CODE_PROFILE,
			      .detail = {t->gpa, store_change_apply(t->change, *t->old), *t->old,
					 sha256_first(vmx.paging.text.profile.digest)},
		      });
}

static bool wants_record(void)
{
	return policy_outcome(&vmx.policy, SECPOD_RULE_CODE_STORE) == SECPOD_ANSWER_LOG;
}

int text_update(struct vcpu *vcpu, uint64_t gpa, const struct store_change *change, uint64_t *old)
{
	const uint64_t word = frame_read(&vmx.paging.frames, gpa >> PAGE_SHIFT);
	struct text_exit t = {
		.vcpu = vcpu,
		.gpa = gpa,
		.word = word,
		.page = frame_word_place(word),
		.change = change,
		.old = old,
	};
	int error;

	if (word & FRAME_FLUID)
		return write_code(&t);
	error = judge(&t, false);
	if (error == -EPERM) {
		if (refuse_unlisted(vcpu, &t))
			return 0;
		error = judge(&t, true);
	}
	if (error != -EACCES && error != -ENOMEM) {
		if (!error && wants_record())
			(void)audit_refuse(vcpu, SECPOD_RULE_CODE_STORE, gpa, change->value, *old,
					   false);
		return error;
	}
	(void)guest_read(gpa, old, sizeof(*old));
	/*
	 * Linux patches with the lock of a page table held and interrupts off (__text_poke), which a fault would
	 * leave so for ever. It compares afterwards, and ends the thread with a BUG(): then no CPU waits for
	 * the lock, as only who has text_mutex takes it.
	 */
	return audit_refuse(vcpu, SECPOD_RULE_CODE_STORE, gpa, store_change_apply(change, *old),
			    *old, false)
		       ? 0
		       : write_code(&t);
}

/* ---- redirection, calls that come back */

/* What a word keeps, and what comes into it. */
struct splice {
	uint64_t keep;
	uint64_t put;
};

static uint64_t splice(void *operand, uint64_t old)
{
	const struct splice *s = operand;

	return (old & s->keep) | s->put;
}

static int put_code(void *context, uint64_t va, const uint8_t *bytes, uint32_t count)
{
	struct text_exit *t = context;
	const uint32_t first = (uint32_t)(va % sizeof(uint64_t));
	struct splice s = {0};
	uint64_t gpa, word, old;
	int error;

	if (first + count > sizeof(uint64_t))
		return -EINVAL;
	memset((uint8_t *)&s.keep + first, 0xff, count);
	s.keep = ~s.keep;
	memcpy((uint8_t *)&s.put + first, bytes, count);
	error = locate(t, va, &gpa, &word);
	return error ? error : change_code(word, gpa - first, va, splice, &s, &old);
}

/* Code of a module's, measured when it came; not what the kernel goes on writing. */
static bool is_module_code(struct text_exit *t, uint64_t va)
{
	uint64_t gpa, word;

	return !locate(t, va, &gpa, &word) && frame_word_type(word) == FRAME_CODE_DYN &&
	       !(word & FRAME_FLUID);
}

bool text_is_module_code(const struct vcpu *vcpu, uint64_t va)
{
	struct text_exit t = {.vcpu = vcpu};

	return is_module_code(&t, va);
}

int text_redirect_guest(struct vcpu *vcpu, uint64_t function, uint64_t stub)
{
	struct text_exit t = {.vcpu = vcpu};
	const struct text_code code = {read_code, write_code, is_code, &t, false};

	if (!is_module_code(&t, stub))
		return -EINVAL;
	return text_redirect(&vmx.paging.text, &code, put_code, function, stub);
}

int text_rearm_guest(struct vcpu *vcpu, const struct secpod_call_site *calls, uint32_t count)
{
	struct text_exit t = {.vcpu = vcpu};
	const struct text_code code = {read_code, write_code, is_code, &t, false};

	for (uint32_t i = 0; i < count; i++) {
		if (!is_module_code(&t, calls[i].stub))
			return -EINVAL;
	}
	return text_rearm(&vmx.paging.text, &code, put_code, calls, count);
}

/* ---- a profile from the guest */

/* A site that was patched before, and not as the profile has it. */
static bool refuse_standing(void *context, const struct text_site *site,
			    const uint8_t now[PATCH_BYTES], const struct code_profile *profile)
{
	struct text_exit *t = context;
	struct breach breach = {
		.rule = SECPOD_RULE_CODE_PROFILE,
		.found = true,
		.detail = {[3] = sha256_first(profile->digest)},
	};
	uint64_t word;

	(void)locate(t, site->patch.va, &breach.detail[0], &word);
	memcpy(&breach.detail[1], now, sizeof(breach.detail[1]));
	memcpy(&breach.detail[2], site->patch.original, sizeof(breach.detail[2]));
	return audit_breach(t->vcpu, &breach);
}

int text_profile_guest(struct vcpu *vcpu, uint64_t list, uint64_t bytes)
{
	struct text_exit t = {.vcpu = vcpu};
	const struct text_code code = {read_code, write_code, is_code, &t, false};
	const int error =
		paging_take_profile(&vmx.paging, vcpu->paging, list, bytes, &code, refuse_standing);

	if (!error)
		delegation_tell_profile();
	return error;
}
