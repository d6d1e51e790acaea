# SPDX-License-Identifier: MIT

.DEFAULT_GOAL := all
SHELL := /bin/bash
.DELETE_ON_ERROR:
# V=1 shows every command.
ifneq ($(V),1)
MAKEFLAGS += --silent
endif

# ---- the monitor's compiler and flags (boot/ and tests/guest use their own, see their build.mk)

MONITOR_CC ?= gcc
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
# No SSE, no red zone: interrupts and the guest's vector state. No host header: newlib's, then the compiler's.
MONITOR_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fbuiltin -fpie -mgeneral-regs-only -mno-red-zone \
	-fno-stack-protector -fvisibility=hidden -fno-asynchronous-unwind-tables -fcf-protection=none \
	-ffunction-sections -fdata-sections $(WARNINGS) -ffile-prefix-map=$(CURDIR)=. -I. \
	-nostdinc -isystem build/newlib/include -isystem $(shell $(MONITOR_CC) -print-file-name=include)
# Code and data of the monitor, bytes. 512 KiB without paging delegation, 768 KiB with it.
MONITOR_SIZE_LIMIT := 786432

export SOURCE_DATE_EPOCH := 1700000000

.PHONY: help
help:
	@echo "SecPod: a thin hypervisor that protects the one Linux it runs"
	@echo
	@echo "  make              build build/secpod.efi"
	@echo "  make setup        install and build what is needed (Debian 12 or 13; run and test do it too)"
	@echo "  make run          boot Debian's kernel under SecPod in the emulator, live on this terminal"
	@echo "  make shell        the same, ending in the guest's shell"
	@echo "  make run-kvm      the same image in QEMU with nested KVM, where the host offers it"
	@echo "  make fuzz         fuzzers on this machine (FUZZ_RUNS=200000 each)"
	@echo "  make prove        proofs with CBMC, within bounds (docs/verification.md)"
	@echo "  make test         everything below, but bench and the long model; the quick proofs"
	@echo "  make unit         unit tests on this machine"
	@echo "  make model        page tables against a random hostile guest on several CPUs"
	@echo "  make system       tests in the emulator and in QEMU (T=name: one of them; T=list: their names)"
	@echo "  make attacks      attacks from the guest's kernel, without SecPod and with it"
	@echo "  make matrix       stock kernels and the guest's module on the machines that make test leaves out"
	@echo "  make bench        exits, instructions and sizes against their limits"
	@echo "  make bench-support"
	@echo "                    what the guest's module saves: the same operations by trap and by request"
	@echo "  make deb          Debian packages: build/deb (secpod, secpod-dkms, secpodctl)"
	@echo "  make usb DEVICE=/dev/sdX"
	@echo "                    a stick that starts the machine's own system under SecPod"
	@echo "  make debian       boot an installed Debian with these packages under SecPod"
	@echo "  make image        the disk image of make run: build/image/run.img"
	@echo "  make check-format formatting against .clang-format (make format applies it)"
	@echo "  make lint         static analysis"
	@echo "  make clean        remove what was built, keep what set-up fetched"

-include vmm/build.mk
-include boot/build.mk
-include tests/acpi/build.mk
-include tests/linux/build.mk
-include tests/guest/build.mk
-include tests/unit/build.mk
-include tests/model/build.mk
-include tests/bench/build.mk
-include tests/fuzz/build.mk
-include tests/attacks/build.mk
-include tests/proof/build.mk
-include guest-support/build.mk

.PHONY: all
all: build/secpod.efi build/.monitor-size

build/newlib/libc.a: scripts/build-newlib
	@mkdir -p build
	scripts/build-newlib build/newlib >build/newlib.log 2>&1 || { tail build/newlib.log; exit 1; }

build/.monitor-size: build/monitor.elf scripts/check-size
	scripts/check-size $< $(MONITOR_SIZE_LIMIT)
	@touch $@

.PHONY: setup
setup:
	@scripts/setup

# ---- images and machines

# Everything the guest side of a disk image is made of.
IMAGE_PARTS := build/secpod.efi build/tests/acpi/helper.efi build/tests/linux/initramfs.cpio.gz \
	build/tests/linux/initramfs-phases.cpio.gz build/tests/linux/initramfs-bench.cpio.gz \
	build/tests/linux/initramfs-install.cpio.gz $(LINUX_TEST_MODULES) \
	$(PROFILES)

.PHONY: image run shell run-kvm
image: all $(IMAGE_PARTS)
	scripts/mkimage --output build/image/run.img --kernel 6.1 --words hello,summary

run: setup
	@$(MAKE) --no-print-directory run-prepared

.PHONY: run-prepared
run-prepared: image
	scripts/run-bochs --name run --image build/image/run.img --cpus 2 --live --timeout 900 \
		--expect 'GUEST: hypervisor SecPodSecPod' --expect 'GUEST: hello passed' \
		--expect 'GUEST: summary passed' --expect 'GUEST: done, 0 failed'

shell: setup
	@$(MAKE) --no-print-directory all $(IMAGE_PARTS) build/tests/linux/initramfs-shell.cpio.gz
	scripts/mkimage --output build/image/shell.img --kernel 6.1 --words shell
	scripts/run-bochs --name shell --image build/image/shell.img --cpus 2 --shell

run-kvm: setup
	@scripts/run-kvm --check
	@$(MAKE) --no-print-directory image
	scripts/run-kvm --name run-kvm --image build/image/run.img --cpus 2 --live --timeout 300 \
		--expect 'GUEST: hypervisor SecPodSecPod' --expect 'GUEST: done, 0 failed'

.PHONY: usb
usb: all
	scripts/mkusb "$(DEVICE)"

# ---- tests

# As many jobs as this machine has CPUs, what each says kept together; unless make was told how many.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc) --output-sync=target)
HOST_TESTS := check-format lint unit prove-quick test-install test-profile test-secpodctl

.PHONY: test system bench
test: setup
	@$(MAKE) --no-print-directory $(PARALLEL) $(HOST_TESTS) system-parts
	scripts/system-tests

.PHONY: test-install test-profile test-secpodctl
test-secpodctl: secpodctl
test-install test-profile test-secpodctl:
	tests/install/$@

system: setup
	@$(MAKE) --no-print-directory $(PARALLEL) system-parts
	scripts/system-tests $(T)

.PHONY: system-parts
system-parts: all $(IMAGE_PARTS) $(SUPPORT_PARTS) guest-payloads $(ATTACK_INITRAMFS)

bench: setup
	@$(MAKE) --no-print-directory all $(IMAGE_PARTS) $(ATTACK_INITRAMFS)
	scripts/bench

.PHONY: matrix
matrix: setup
	@$(MAKE) --no-print-directory all $(IMAGE_PARTS) $(SUPPORT_PARTS)
	scripts/system-tests matrix-

.PHONY: bench-support
bench-support: setup
	@$(MAKE) --no-print-directory all $(IMAGE_PARTS) $(SUPPORT_PARTS)
	scripts/bench-support

# ---- checks

# What git would commit: tracked and new files, no ignored ones.
C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h' 2>/dev/null)

.PHONY: check-format format lint
check-format:
	scripts/check-format $(C_FILES)

format:
	clang-format -i --style=file $(C_FILES)

lint: build/newlib/libc.a
	scripts/lint $(C_FILES)

.PHONY: clean
clean:
	rm -rf build/monitor build/monitor.elf build/boot build/secpod.efi build/tests build/image \
		build/run build/.monitor-size
