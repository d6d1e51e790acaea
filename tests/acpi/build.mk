# SPDX-License-Identifier: MIT
#
# build/tests/acpi/helper.efi, the first link of the test machines' boot chain. Uses the rules for
# UEFI applications of boot/build.mk.

ACPI_OBJECTS := build/tests/acpi/helper.o build/tests/acpi/tables.o

build/tests/acpi/%.o: tests/acpi/%.c
	@mkdir -p $(@D)
	$(EFI_CC) $(EFI_CFLAGS) -fno-tree-loop-distribute-patterns -MMD -MP -c -o $@ $<

build/tests/acpi/helper.efi: $(ACPI_OBJECTS)
	$(call efi_link,$@,$(ACPI_OBJECTS))

-include $(ACPI_OBJECTS:.o=.d)
