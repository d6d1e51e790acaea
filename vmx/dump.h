/* SPDX-License-Identifier: MIT */
/*
 * What the monitor can say about the guest when it stops.
 */
#ifndef SECPOD_VMX_DUMP_H
#define SECPOD_VMX_DUMP_H

#include <stdint.h>

#include "vmm/log.h"
#include "vmx/vcpu.h"

/* dump_guest - exit reason, qualification, registers of the calling CPU's guest, at log level. */
void dump_guest(enum log_level level);

/* dump_for_panic - the same at error level; the callback of panic_set_dump(). */
void dump_for_panic(void);

/* dump_entry_failure - name the rule the VM entry broke, then panic. */
_Noreturn void dump_entry_failure(struct vcpu *vcpu);

/* dump_entry_rule - log the first entry rule the current VMCS breaks. */
void dump_entry_rule(const struct vcpu *vcpu);

/* dump_instruction_error - text for a VM-instruction error number. */
const char *dump_instruction_error(uint32_t number);

#endif
