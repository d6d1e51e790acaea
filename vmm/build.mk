# SPDX-License-Identifier: MIT
# The monitor: build/monitor.elf, one static position-independent ELF. Included by the top Makefile.

MONITOR_CC ?= gcc
MONITOR_CFLAGS ?= -std=gnu11 -O2 -g -ffreestanding -fbuiltin -fpie -mgeneral-regs-only -mno-red-zone \
	-fno-stack-protector -fvisibility=hidden -fno-asynchronous-unwind-tables -fcf-protection=none \
	-ffunction-sections -fdata-sections \
	-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror \
	-ffile-prefix-map=$(CURDIR)=. -I. -isystem build/newlib/include
# z text: a relocation of read-only code is an error. No build id: same input, same bytes.
MONITOR_LDFLAGS := -static-pie -nostdlib -Wl,-T,vmm/monitor.lds -Wl,--no-dynamic-linker \
	-Wl,--no-undefined -Wl,--build-id=none -Wl,--gc-sections -Wl,--fatal-warnings \
	-Wl,--orphan-handling=error -Wl,-z,text -Wl,-z,noexecstack -Wl,-z,norelro \
	-Wl,-z,max-page-size=4096 -Wl,--hash-style=sysv

MONITOR_SRC := $(sort $(wildcard vmm/*.[cS] vmx/*.[cS] ept/*.[cS] secpod/*.[cS] secpod/paging/*.[cS] secpod/text/*.[cS]))
MONITOR_OBJ := $(patsubst %,build/monitor/%.o,$(MONITOR_SRC))
MONITOR_LIBC := build/newlib/libc.a

build/monitor/%.c.o: %.c | $(MONITOR_LIBC)
	@mkdir -p $(@D)
	$(MONITOR_CC) $(MONITOR_CFLAGS) -MMD -MP -c -o $@ $<

# Instructions are counted: the compiler's own order of the rounds' operations needs more registers.
build/monitor/secpod/text/sha256.c.o: MONITOR_CFLAGS += -fno-tree-reassoc -fno-tree-ter -fno-schedule-insns2

build/monitor/%.S.o: %.S
	@mkdir -p $(@D)
	$(MONITOR_CC) $(MONITOR_CFLAGS) -MMD -MP -c -o $@ $<

# The loader knows one relocation type; and the guest's FPU registers stay in the CPU while the
# monitor runs, so that no instruction in it may touch them.
build/monitor.elf: $(MONITOR_OBJ) $(MONITOR_LIBC) vmm/monitor.lds vmm/build.mk scripts/check-no-simd
	$(MONITOR_CC) $(MONITOR_CFLAGS) $(MONITOR_LDFLAGS) -o $@.tmp $(MONITOR_OBJ) $(MONITOR_LIBC)
	@if readelf -rW $@.tmp | grep R_X86_64_ | grep -v 'R_X86_64_RELATIVE '; then \
		echo "$@: relocations other than R_X86_64_RELATIVE" >&2; exit 1; fi
	scripts/check-no-simd $@.tmp
	mv $@.tmp $@

-include $(MONITOR_OBJ:.o=.d)
