# SPDX-License-Identifier: MIT
#
# build/secpod.efi, the UEFI application, with the monitor's ELF file inside. Included by the top
# Makefile, which builds build/monitor.elf.
#
# $(call efi_link,output,objects) links any GNU-EFI application from objects made with
# $(EFI_CFLAGS).

EFI_CC ?= gcc
EFI_LD ?= ld
EFI_OBJCOPY ?= objcopy
MONITOR_ELF ?= build/monitor.elf

BOOT_OUT := build/boot
BOOT_VERSION ?= 0.1

# Where Debian's gnu-efi puts its files.
GNU_EFI_INCLUDE := /usr/include/efi
GNU_EFI_LIB := /usr/lib

EFI_WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wimplicit-fallthrough -Wvla -Werror
# No red zone: interrupts use the same stack. No SSE: what runs on other CPUs must not need its
# state.
EFI_CFLAGS := -std=gnu11 -O2 -g -I. $(EFI_WARNINGS) \
	-isystem $(GNU_EFI_INCLUDE) -isystem $(GNU_EFI_INCLUDE)/x86_64 -DGNU_EFI_USE_MS_ABI \
	-ffreestanding -fpic -fshort-wchar -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-strict-aliasing -fno-asynchronous-unwind-tables \
	-fcf-protection=none -ffile-prefix-map=$(CURDIR)=.

# GNU-EFI up to 3.0.15 calls efi_main() at once, later ones through _entry() of the library that
# we do not use.
EFI_LDFLAGS := -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --no-undefined \
	--build-id=none --no-warn-rwx-segments --defsym=_entry=efi_main \
	-T $(GNU_EFI_LIB)/elf_x86_64_efi.lds

# The sections that are loaded, and the format of a UEFI application.
EFI_SECTIONS := -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .rel -j .rela \
	-j '.rel.*' -j '.rela.*' -j .reloc
EFI_TARGET := efi-app-x86_64

define efi_link
$(EFI_LD) $(EFI_LDFLAGS) -o $(1).so $(GNU_EFI_LIB)/crt0-efi-x86_64.o $(2) $(GNU_EFI_LIB)/libgnuefi.a
$(EFI_OBJCOPY) $(EFI_SECTIONS) --strip-all --target=$(EFI_TARGET) $(1).so $(1)
endef

BOOT_SOURCES := $(sort $(wildcard boot/*.c))
BOOT_OBJECTS := $(patsubst %.c,build/%.o,$(BOOT_SOURCES)) $(BOOT_OUT)/monitor_image.o

$(BOOT_OUT)/%.o: boot/%.c
	@mkdir -p $(@D)
	$(EFI_CC) $(EFI_CFLAGS) $(EFI_CFLAGS_$*) -DSECPOD_VERSION='"$(BOOT_VERSION)"' -MMD -MP \
		-c -o $@ $<

# The C library's own functions must not be turned into calls of themselves; clang does not do that
# in a freestanding program.
EFI_CFLAGS_string := $(if $(findstring clang,$(EFI_CC)),,-fno-tree-loop-distribute-patterns)

$(BOOT_OUT)/monitor.stripped: $(MONITOR_ELF)
	@mkdir -p $(@D)
	$(EFI_OBJCOPY) --strip-all $< $@

$(BOOT_OUT)/monitor_image.o: boot/monitor_image.S $(BOOT_OUT)/monitor.stripped
	$(EFI_CC) -DMONITOR_FILE='"$(BOOT_OUT)/monitor.stripped"' -c -o $@ $<

build/secpod.efi: $(BOOT_OBJECTS)
	$(call efi_link,$@,$(BOOT_OBJECTS))

-include $(BOOT_OBJECTS:.o=.d)
