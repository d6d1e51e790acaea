# SPDX-License-Identifier: MIT
#
# Attacks on what SecPod protects, as modules for the stock kernels and as programs:
#   build/tests/attacks/VERSION/initramfs.cpio.gz	for --initramfs of scripts/mkimage
#   build/tests/attacks/VERSION/code.list		for --code-list: the modules in it, but for unlisted.ko
# "make attacks" runs them all without SecPod and with it, and prints the table.

ATTACK_KERNELS := 6.1 6.12
ATTACK_CC ?= gcc
ATTACK_PARTS := attack_main attack_pair attack_program attack_tables
ATTACK_MODULES := $(filter-out $(ATTACK_PARTS),$(patsubst tests/attacks/modules/%.c,%,$(sort \
	$(wildcard tests/attacks/modules/*.c))))
ATTACK_SOURCES := $(wildcard tests/attacks/modules/*) tests/attacks/unlisted/unlisted.c
ATTACK_INIT_OBJECTS := $(patsubst %.c,build/%.o,$(sort $(wildcard tests/attacks/*.c)))
ATTACK_INITRAMFS := $(foreach kernel,$(ATTACK_KERNELS),build/tests/attacks/$(kernel)/initramfs.cpio.gz \
	build/tests/attacks/$(kernel)/code.list)

# The headers' own compiler may be newer than this machine's: then its one option that is not known is
# not used. BTF and debug information would only make the modules larger.
ATTACK_KBUILD := CC=$(ATTACK_CC) CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_GCC_PLUGINS= \
	$(if $(shell $(ATTACK_CC) -fmin-function-alignment=16 -E -x c /dev/null 2>/dev/null),,\
		CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=)

build/tests/attacks/%.o: tests/attacks/%.c
	@mkdir -p $(@D)
	$(ATTACK_CC) -std=gnu11 -D_GNU_SOURCE -O2 -I. $(WARNINGS) -ffile-prefix-map=$(CURDIR)=. \
		-MMD -MP -c -o $@ $<

build/tests/attacks/init: $(ATTACK_INIT_OBJECTS)
	$(ATTACK_CC) -static -s -Wl,--build-id=none -o $@ $(ATTACK_INIT_OBJECTS)

# $(call kernel_modules,kernel,sources,modules,more of Kbuild): in the target's directory, under modules/. Kbuild
# writes beside the sources: they are copied first. attack_call() calls what an attack names, and is meant to.
define kernel_modules
	@rm -rf $(@D)
	@mkdir -p $(@D)/modules
	@cp $(2) guest-support/include/secpod_abi.h $(@D)/modules
	@printf '%s\n' 'ccflags-y += -g0' $(4) 'obj-m += $(3:=.o)' >$(@D)/modules/Kbuild
	+$(MAKE) -C build/headers/$(1)/build M=$(CURDIR)/$(@D)/modules $(ATTACK_KBUILD) modules \
		>$(@D)/log 2>&1 || { grep -E ': (error|warning): |ERROR' $(@D)/log || \
		tail $(@D)/log; exit 1; }
	@! grep -iE 'warning: |error: ' $(@D)/log | grep -vE 'the compiler differs|objtool: attack_call'
	@touch $@
endef

# Not for objtool, as it would not let pass what the attacks do; so returns are plain ones, which it need
# not know about.
build/tests/attacks/%/modules.built: $(ATTACK_SOURCES) guest-support/include/secpod_abi.h \
		build/headers/%/build/Makefile tests/attacks/build.mk
	$(call kernel_modules,$*,$(ATTACK_SOURCES),secpod_attack unlisted $(ATTACK_MODULES),\
		'secpod_attack-y := $(ATTACK_PARTS:=.o)' 'ccflags-y += -mfunction-return=keep' \
		$(foreach part,$(ATTACK_PARTS),'CFLAGS_$(part).o := -mfunction-return=thunk-extern') \
		'OBJECT_FILES_NON_STANDARD := y')

build/tests/attacks/%/initramfs.cpio.gz: build/tests/attacks/%/modules.built build/tests/attacks/init \
		scripts/mkinitramfs
	@rm -rf $(@D)/archive
	@mkdir -p $(@D)/archive/attacks
	@for module in $(@D)/modules/*.ko; do \
		strip -g -o $(@D)/archive/attacks/$${module##*/} $$module; done
	@mv $(@D)/archive/attacks/unlisted.ko $(@D)/archive
	scripts/mkinitramfs $@ build/tests/attacks/init
	@find $(@D)/archive -exec touch -h -d "@$(SOURCE_DATE_EPOCH)" {} +
	@(cd $(@D)/archive && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 \
		--reproducible --device-independent) | gzip -9n >>$@

build/tests/attacks/%/code.list: build/tests/attacks/%/initramfs.cpio.gz guest-support/install/secpod-code
	guest-support/install/secpod-code list --output $@ $(@D)/archive/attacks/*.ko

build/headers/%/build/Makefile:
	@echo "attacks: no headers of the kernel $* (run scripts/setup)"; exit 1

.PHONY: attacks
attacks: setup
	@$(MAKE) --no-print-directory all $(IMAGE_PARTS) $(ATTACK_INITRAMFS) $(GUEST_MODULES)
	scripts/run-attacks

-include $(ATTACK_INIT_OBJECTS:.o=.d)
