# SPDX-License-Identifier: MIT
#
# User space of the test guest: one static program, and for "make shell" busybox beside it.
#   build/tests/linux/initramfs.cpio.gz		the program alone (small: the emulated disk is slow)
#   build/tests/linux/initramfs-shell.cpio.gz	with busybox

LINUX_TEST_CC ?= gcc
LINUX_TEST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -I. $(WARNINGS) -ffile-prefix-map=$(CURDIR)=.
LINUX_TEST_OBJECTS := $(patsubst %.c,build/%.o,$(sort $(wildcard tests/linux/*.c)))

build/tests/linux/%.o: tests/linux/%.c
	@mkdir -p $(@D)
	$(LINUX_TEST_CC) $(LINUX_TEST_CFLAGS) -pthread -MMD -MP -c -o $@ $<

build/tests/linux/init: $(LINUX_TEST_OBJECTS)
	$(LINUX_TEST_CC) -static -pthread -s -Wl,--build-id=none -o $@ $(LINUX_TEST_OBJECTS)

build/tests/linux/initramfs.cpio.gz: build/tests/linux/init scripts/mkinitramfs
	scripts/mkinitramfs $@ $<

build/tests/linux/initramfs-shell.cpio.gz: build/tests/linux/init scripts/mkinitramfs
	scripts/mkinitramfs --shell $@ $<

LINUX_TEST_DYNAMIC := build/tests/linux/dynamic

$(LINUX_TEST_DYNAMIC)/program: tests/linux/dynamic/program.c
	@mkdir -p $(@D)
	$(LINUX_TEST_CC) $(LINUX_TEST_CFLAGS) -s -Wl,--build-id=none -o $@ $< -ldl

$(LINUX_TEST_DYNAMIC)/libsum.so: tests/linux/dynamic/sum.c
	@mkdir -p $(@D)
	$(LINUX_TEST_CC) $(LINUX_TEST_CFLAGS) -fPIC -shared -s -Wl,--build-id=none -o $@ $<

$(LINUX_TEST_DYNAMIC)/compat: tests/linux/dynamic/compat.S
	@mkdir -p $(@D)
	$(LINUX_TEST_CC) -m32 -nostdlib -static -s -Wl,--build-id=none -o $@ $<

build/tests/linux/initramfs-phases.cpio.gz: build/tests/linux/init scripts/mkinitramfs \
		$(addprefix $(LINUX_TEST_DYNAMIC)/,program libsum.so compat)
	scripts/mkinitramfs --program $(LINUX_TEST_DYNAMIC)/program --program $(LINUX_TEST_DYNAMIC)/compat \
		--library $(LINUX_TEST_DYNAMIC)/libsum.so $@ $<

build/tests/linux/initramfs-bench.cpio.gz: build/tests/linux/init scripts/mkinitramfs
	scripts/mkinitramfs --program /bin/bash $@ $<

build/tests/linux/initramfs-support.cpio.gz: build/tests/linux/init scripts/mkinitramfs \
		build/guest-support/secpodctl/secpodctl-static $(addprefix $(LINUX_TEST_DYNAMIC)/,program libsum.so compat)
	scripts/mkinitramfs --program $(LINUX_TEST_DYNAMIC)/program --program $(LINUX_TEST_DYNAMIC)/compat \
		--program build/guest-support/secpodctl/secpodctl-static \
		--library $(LINUX_TEST_DYNAMIC)/libsum.so $@ $<

# What secpod-install calls; lsblk and findmnt tell of partitions what those of busybox do not.
INSTALL_PROGRAMS := tests/install/boot-entry guest-support/install/secpod-install build/secpod.efi \
	/bin/bash /usr/bin/lsblk /usr/bin/findmnt /usr/bin/efibootmgr

build/tests/linux/initramfs-install.cpio.gz: build/tests/linux/init scripts/mkinitramfs \
		tests/install/boot-entry guest-support/install/secpod-install build/secpod.efi
	scripts/mkinitramfs --shell $(addprefix --program ,$(INSTALL_PROGRAMS)) $@ $<

# Modules for the stock kernels, by those words of the guest that need one (scripts/mkimage).
LINUX_TEST_MODULES := $(foreach kernel,6.1 6.12,build/tests/linux/module/$(kernel)/modules.built)

build/tests/linux/module/%/modules.built: $(wildcard tests/linux/module/*.c) \
		guest-support/include/secpod_abi.h build/headers/%/build/Makefile
	$(call kernel_modules,$*,$(wildcard tests/linux/module/*.c),$(basename $(notdir $(wildcard tests/linux/module/*.c))))

-include $(LINUX_TEST_OBJECTS:.o=.d)
