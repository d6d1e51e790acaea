# SPDX-License-Identifier: MIT
#
# Unit tests: each tests/unit/test_<name>.c is one program, run on the host under the address and
# undefined-behaviour sanitizers. Included by the top Makefile.
#
#   make unit		build and run all
#   make unit-<name>	build and run one
#
# A program is the test and the sources that the table names for it: the very files of the monitor, and what
# tests share. unit_libs_<name>: libraries beside cmocka.

unit_page_table := vmm/page_table.c vmm/page_pool.c
unit_host_layout := vmm/host_layout.c vmm/page_table.c vmm/page_pool.c vmm/percpu.c vmm/descriptor.c
unit_descriptor := vmm/descriptor.c
unit_ex_table := vmm/ex_table.c
unit_log_ring := vmm/log_ring.c
unit_log := vmm/log.c vmm/log_ring.c
unit_ram_map := vmm/ram_map.c
unit_acpi_reset := vmm/acpi_reset.c
unit_serial_divisor := vmm/serial_divisor.c
unit_ept_sources := ept/mtrr.c ept/ept_tables.c ept/ept_map.c ept/ept_protect.c ept/ept_lazy.c \
	ept/ept_types.c vmm/page_pool.c tests/unit/ept_fixture.c
unit_mtrr := $(unit_ept_sources)
unit_page_pool := vmm/page_pool.c
unit_ept_map := $(unit_ept_sources)
unit_ept_protect := $(unit_ept_sources)
unit_ept_small :=
unit_ept_lazy := $(unit_ept_sources)
unit_ept_types := $(unit_ept_sources)
unit_ept_ordinary := $(unit_ept_sources)
unit_ept_violation := vmx/ept_violation.c
unit_invalidate := ept/invalidate.c $(unit_ept_sources)
unit_secure_space := secpod/secure_space.c $(unit_ept_sources)
unit_rules := secpod/rules.c
unit_policy := secpod/policy.c secpod/rules.c
unit_phase := secpod/phase.c
unit_audit_log := secpod/audit_log.c secpod/audit_console.c secpod/phase.c secpod/rules.c \
	vmm/page_pool.c
unit_audit_console := $(unit_audit_log)
unit_capabilities := vmx/capabilities.c
unit_boot_roots := vmx/boot_roots.c
unit_cr_rules := vmx/cr_rules.c
unit_cr3_targets := vmx/cr3_targets.c
unit_event := vmx/event.c
unit_msr_policy := vmx/msr_policy.c secpod/register_policy.c secpod/register_tables.c
unit_cpuid_policy := vmx/cpuid_policy.c secpod/register_policy.c secpod/register_tables.c
unit_launch_msrs := vmx/launch_msrs.c secpod/register_policy.c secpod/register_tables.c
unit_entry_check := vmx/entry_check.c vmx/entry_check_controls.c vmx/entry_check_guest.c \
	vmx/entry_check_segments.c vmx/event.c vmx/cr_rules.c tests/unit/entry_fixture.c
unit_entry_check_guest := $(unit_entry_check)
unit_register_policy := secpod/register_policy.c secpod/register_tables.c vmx/cr_rules.c vmx/msr_policy.c
unit_register_tables := secpod/register_policy.c secpod/register_tables.c
unit_guest_walk := vmx/guest_walk.c
unit_guest_insn := vmx/guest_insn.c vmx/guest_walk.c
unit_descriptor_insn := vmx/descriptor_insn.c
unit_descriptor_policy := secpod/descriptor_policy.c
# Of secpod/text/text.h, without vmm/page_pool.c.
unit_text_sources := $(patsubst %,secpod/text/%.c,sites text profiled poker put measure redirect patch code_profile sha256)
unit_paging_sources := $(patsubst %,secpod/paging/%.c,frame table_info judge promote store retire rights code root activate lock pair \
	request shown profile) $(unit_text_sources) secpod/text/code_list.c secpod/text/code_name.c secpod/text/trampoline.c \
	secpod/rules.c tests/unit/paging_world.c $(unit_ept_sources)
unit_hypercall := secpod/hypercall.c secpod/policy.c $(unit_audit_log) tests/unit/hypercall_world.c \
	$(unit_paging_sources)
unit_paging_request := $(unit_hypercall) tests/unit/request_world.c
unit_paging_unpin := $(unit_paging_request)
unit_text_sites := $(unit_paging_request)
unit_paging_basic := $(unit_paging_sources)
unit_paging_shown := $(unit_paging_sources)
unit_paging_life := $(unit_paging_sources)
unit_paging_short := $(unit_paging_sources)
unit_paging_rules := $(unit_paging_sources) tests/unit/paging_rules.c
unit_paging_rules_locked := $(unit_paging_rules)
unit_paging_bugs := $(unit_paging_rules)
unit_paging_claims := $(unit_paging_rules)
unit_paging_lock := $(unit_paging_rules)
unit_paging_image := $(unit_paging_sources)
unit_paging_roots := $(unit_paging_sources)
unit_paging_rights := $(unit_paging_sources)
unit_paging_code := $(unit_paging_sources)
unit_paging_profile := $(unit_paging_sources)
unit_sha256 := secpod/text/sha256.c
unit_code_name := secpod/text/code_name.c vmm/page_pool.c
unit_code_profile := secpod/text/code_profile.c secpod/text/sha256.c
unit_code_list := secpod/text/code_list.c secpod/text/sha256.c
unit_trampoline := secpod/text/trampoline.c
unit_poker := secpod/text/poker.c
unit_patch := secpod/text/patch.c
unit_kernel_text := $(unit_text_sources) vmm/page_pool.c \
	tests/unit/text_world.c
unit_profiled_text := $(unit_kernel_text)
unit_text_poke := $(unit_kernel_text)
unit_text_lines := $(unit_kernel_text) secpod/text/text_lines.c
unit_redirect := $(unit_kernel_text)
unit_store_sources := vmx/store_decode.c vmx/store_emulate.c vmx/store_string.c tests/unit/store_world.c
unit_store_decode := vmx/store_decode.c
unit_store_zydis := vmx/store_decode.c tests/unit/store_zydis.c
unit_libs_store_zydis := -lZydis
unit_store_emulate := $(unit_store_sources)
unit_store_host := $(unit_store_sources) tests/unit/store_cpu.c
unit_secpodctl := $(patsubst %,guest-support/secpodctl/%.c,common guest report status log sites check selftest)
unit_config := boot/config.c boot/text.c
unit_device_path := boot/device_path.c boot/text.c
unit_elf := boot/elf.c
unit_paging := boot/paging.c
unit_ranges := boot/ranges.c
unit_text := boot/text.c

UNIT_CC ?= gcc
UNIT_OUT ?= build/tests/unit
UNIT_WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
UNIT_CFLAGS := -std=gnu11 -O1 -g -I. $(UNIT_WARNINGS) \
	-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_LIBS := -lcmocka -lpthread

UNIT_NAMES := $(patsubst tests/unit/test_%.c,%,$(sort $(wildcard tests/unit/test_*.c)))

# $(call unit_objects,sources)
unit_objects = $(patsubst %.c,$(UNIT_OUT)/%.o,$(1))

# Objects carry the source's path, so that two files of one name in different directories do not meet.
$(UNIT_OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(UNIT_CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

# $(call unit_program,name)
define unit_program
$(UNIT_OUT)/test_$(1): $(call unit_objects,tests/unit/test_$(1).c $(unit_$(1)))
	$(UNIT_CC) $(UNIT_CFLAGS) -o $$@ $$^ $(UNIT_LIBS) $(unit_libs_$(1))

.PHONY: unit-$(1)
unit-$(1): $(UNIT_OUT)/test_$(1)
	@echo "unit: $(1)"
	@CMOCKA_MESSAGE_OUTPUT=$$(UNIT_FORMAT) $$<

-include $(patsubst %.o,%.d,$(call unit_objects,tests/unit/test_$(1).c $(unit_$(1))))
endef
$(foreach name,$(UNIT_NAMES),$(eval $(call unit_program,$(name))))

UNIT_FORMAT ?= STDOUT

.PHONY: unit
unit: $(addprefix unit-,$(UNIT_NAMES))
	@echo "unit: $(words $(UNIT_NAMES)) programs passed"
