# SPDX-License-Identifier: MIT
#
# The module for the stock kernels that the tests boot: build/guest-support/VERSION/secpod.ko. On a machine of
# one's own DKMS builds it, see guest-support/module.

MODULE_KERNELS := 6.1 6.12
MODULE_CC ?= gcc
MODULE_SOURCES := $(wildcard guest-support/module/*) $(wildcard guest-support/include/*.h)
GUEST_MODULES := $(foreach kernel,$(MODULE_KERNELS),build/guest-support/$(kernel)/secpod.ko)

# Options of the headers' own compiler that this machine's may not know; BTF needs the kernel's own ELF file.
MODULE_KBUILD := CC=$(MODULE_CC) CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_GCC_PLUGINS= \
	$(if $(shell $(MODULE_CC) -fmin-function-alignment=16 -E -x c /dev/null 2>/dev/null),,\
		CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)

# Kbuild writes beside the sources: they are copied first.
build/guest-support/%/secpod.ko: $(MODULE_SOURCES) guest-support/build.mk build/headers/%/build/Makefile
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@cp -r guest-support/module guest-support/include $(@D)
	$(MAKE) -C build/headers/$*/build M=$(CURDIR)/$(@D)/module $(MODULE_KBUILD) modules \
		>$(@D)/log 2>&1 || { grep -E ': (error|warning): |ERROR' $(@D)/log || \
		tail $(@D)/log; exit 1; }
	@! grep -iE 'warning: |error: ' $(@D)/log | grep -v 'the compiler differs'
	@strip -g -o $@ $(@D)/module/secpod.ko

# What the module has to know of its kernel (docs/guest-support.md).
GUEST_BRACKETS := $(foreach kernel,$(MODULE_KERNELS),build/guest-support/$(kernel).brackets)

build/guest-support/%.brackets: build/kernels/%/vmlinuz $(wildcard guest-support/profile/*)
	@mkdir -p $(@D)
	python3 -B guest-support/profile/secpod-profile brackets $< >$@.new
	@mv $@.new $@

.PHONY: module
module: $(GUEST_MODULES) $(GUEST_BRACKETS)

# ---- the profiles of these kernels: build/profile/VERSION/code.profile

PROFILES := $(foreach kernel,$(MODULE_KERNELS),build/profile/$(kernel)/code.profile)

build/profile/%/code.profile: build/kernels/%/vmlinuz $(wildcard guest-support/profile/*.py) guest-support/profile/secpod-profile
	@mkdir -p $(@D)
	guest-support/profile/secpod-profile make --output $@ $< >$(@D)/log

# ---- secpodctl; the static one for guests without a C library

SECPODCTL_CC ?= gcc
SECPODCTL_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -I. $(WARNINGS) \
	-ffile-prefix-map=$(CURDIR)=. -DSECPOD_VERSION='"$(BOOT_VERSION)"'
SECPODCTL_OBJECTS := $(patsubst %.c,build/%.o,$(sort $(wildcard guest-support/secpodctl/*.c)))

build/guest-support/secpodctl/%.o: guest-support/secpodctl/%.c
	@mkdir -p $(@D)
	$(SECPODCTL_CC) $(SECPODCTL_CFLAGS) -MMD -MP -c -o $@ $<

build/guest-support/secpodctl/secpodctl: $(SECPODCTL_OBJECTS)
	$(SECPODCTL_CC) -pie -Wl,-z,relro,-z,now -o $@ $(SECPODCTL_OBJECTS)

build/guest-support/secpodctl/secpodctl-static: $(SECPODCTL_OBJECTS)
	$(SECPODCTL_CC) -static -s -Wl,--build-id=none -o $@ $(SECPODCTL_OBJECTS)

.PHONY: secpodctl
secpodctl: build/guest-support/secpodctl/secpodctl

-include $(SECPODCTL_OBJECTS:.o=.d)

# What the tests in the emulator need of all that.
SUPPORT_PARTS := $(GUEST_MODULES) $(GUEST_BRACKETS) build/tests/linux/initramfs-support.cpio.gz

# ---- Debian packages: build/deb

.PHONY: deb
deb: setup-deb
	@$(MAKE) --no-print-directory all secpodctl
	scripts/mkdeb $(BOOT_VERSION) build/deb

.PHONY: setup-deb
setup-deb: setup
	@scripts/setup --deb

# An installed Debian with them, booted under SecPod: as root.
.PHONY: debian
debian: deb
	@$(MAKE) --no-print-directory build/tests/acpi/helper.efi
	scripts/mkdebian bookworm build/deb build/image/debian
	scripts/system-tests debian
