/* SPDX-License-Identifier: MIT */
/* Stores to kernel code: from Linux's own patching only, and what secpod/text/ admits. */
#ifndef SECPOD_VMX_EXIT_TEXT_H
#define SECPOD_VMX_EXIT_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmx/store_emulate.h"
#include "vmx/vcpu.h"

/*
 * text_is_poke - does the store at rip to gva (gpa: code) come the way that Linux's own stores to its text
 * come? The first one after ACTIVE shows which address space and which instructions that is.
 */
bool text_is_poke(uint64_t gpa, uint64_t gva, uint64_t rip, uint64_t rflags);

/*
 * text_update - store_memory.update for code. What a rule refuses is on record, and changes nothing: the
 * bytes stay as they were, and the guest goes on behind the store. Result: as there.
 */
int text_update(struct vcpu *vcpu, uint64_t gpa, const struct store_change *change, uint64_t *old);

/*
 * text_redirect_guest - REDIRECT. Result: as text_redirect(); -EINVAL, too, where stub is no code of a
 * module's.
 */
int text_redirect_guest(struct vcpu *vcpu, uint64_t function, uint64_t stub);

/* text_rearm_guest - REARM. Result: as text_rearm(); -EINVAL, too, where a stub is no code of a module's. */
int text_rearm_guest(struct vcpu *vcpu, const struct secpod_call_site *calls, uint32_t count);

/*
 * text_profile_guest - PROFILE. Result: as paging_take_profile(); a site that the profile does not have is answered by the
 * rule code-profile, and with "log" or "off" it is none that refuses.
 */
int text_profile_guest(struct vcpu *vcpu, uint64_t list, uint64_t bytes);

/* text_is_module_code - is at va, by the vcpu's page tables, code of a module's, as it was measured? */
bool text_is_module_code(const struct vcpu *vcpu, uint64_t va);

#endif
