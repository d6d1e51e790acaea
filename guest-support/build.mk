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

.PHONY: module
module: $(GUEST_MODULES)
