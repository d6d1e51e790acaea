# SPDX-License-Identifier: MIT
#
# Guest payloads: UEFI applications build/tests/guest/<payload>.efi that test what the guest sees of
# the machine. Included by the top Makefile, behind boot/build.mk, whose compiler flags and link
# step they use. README.md here tells what they print; tests.list is the list to run.

GUEST_OUT := build/tests/guest

guest_common := payload trap machine access
guest_instructions := instructions insn_cpuid insn_msr insn_control insn_vmx insn_step
guest_exceptions := exceptions
guest_secure := secure
guest_modes := modes mode_switch
guest_nmi := nmi
guest_processors := processors ap_start
guest_lock := lock

GUEST_NAMES := instructions exceptions nmi secure processors modes lock
GUEST_PAYLOADS := $(patsubst %,$(GUEST_OUT)/%.efi,$(GUEST_NAMES))

guest_objects = $(patsubst %,$(GUEST_OUT)/%.o,$(guest_common) $(guest_$(1)) trap_entry) \
	$(BOOT_OUT)/string.o

$(GUEST_OUT)/%.o: tests/guest/%.c
	@mkdir -p $(@D)
	$(EFI_CC) $(EFI_CFLAGS) -MMD -MP -c -o $@ $<

$(GUEST_OUT)/%.o: tests/guest/%.S
	@mkdir -p $(@D)
	$(EFI_CC) -I. -MMD -MP -c -o $@ $<

define guest_payload
$(GUEST_OUT)/$(1).efi: $(call guest_objects,$(1))
	$$(call efi_link,$$@,$(call guest_objects,$(1)))
endef
$(foreach name,$(GUEST_NAMES),$(eval $(call guest_payload,$(name))))

.PHONY: guest-payloads
guest-payloads: $(GUEST_PAYLOADS)

-include $(wildcard $(GUEST_OUT)/*.d)
