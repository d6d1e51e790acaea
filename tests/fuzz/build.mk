# SPDX-License-Identifier: MIT
#
# Fuzzers: each tests/fuzz/fuzz_<name>.c is one libFuzzer target, under the address and
# undefined-behaviour sanitizers. Included by the top Makefile.
#
#   make fuzz		build all and run each FUZZ_RUNS times
#   make fuzz-<name>	build and run one; FUZZ_FLAGS are libFuzzer's
#   make fuzz-corpus	add to tests/fuzz/corpus what the runs found and it does not cover yet
#
# fuzz_libs_<name>: libraries; fuzz_runs_<name>: how often, if not FUZZ_RUNS times. A run begins with the inputs
# of tests/fuzz/corpus/<name> and keeps new ones in build/tests/fuzz/corpus/<name>. An input that fails is left in build/tests/fuzz as <name>-crash-*.

fuzz_hypercall := $(unit_hypercall)
fuzz_libs_hypercall := -lcmocka
fuzz_config := boot/config.c boot/text.c
fuzz_register_policy := secpod/register_policy.c secpod/register_tables.c vmx/cr_rules.c \
	vmx/msr_policy.c
fuzz_store := vmx/store_decode.c vmx/store_emulate.c vmx/store_string.c tests/unit/store_world.c \
	tests/unit/store_zydis.c
fuzz_patch := $(unit_text_sources) vmm/page_pool.c
fuzz_code_profile := $(unit_text_sources) vmm/page_pool.c
fuzz_code_list := secpod/text/code_list.c secpod/text/sha256.c
fuzz_libs_code_list :=
fuzz_libs_store := -lZydis
fuzz_paging := $(unit_paging_sources)
fuzz_libs_paging := -lcmocka
# Each run ends with a look at all of a guest's memory.
fuzz_runs_paging = $(shell expr $(FUZZ_RUNS) / 10)

FUZZ_CC ?= clang
FUZZ_OUT := build/tests/fuzz
FUZZ_RUNS ?= 200000
FUZZ_FLAGS ?=
FUZZ_CORPUS := tests/fuzz/corpus
FUZZ_WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
FUZZ_CFLAGS := -std=gnu11 -O1 -g -I. $(FUZZ_WARNINGS) \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

# $(call fuzz_objects,sources)
fuzz_objects = $(patsubst %.c,$(FUZZ_OUT)/%.o,$(1))

$(FUZZ_OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# $(call fuzz_program,name). One seed: the same run every time, as far as the corpus is the same.
define fuzz_program
$(FUZZ_OUT)/fuzz_$(1): $(call fuzz_objects,tests/fuzz/fuzz_$(1).c $(fuzz_$(1)))
	$(FUZZ_CC) $(FUZZ_CFLAGS) -o $$@ $$^ $(fuzz_libs_$(1))

.PHONY: fuzz-$(1)
fuzz-$(1): $(FUZZ_OUT)/fuzz_$(1)
	@mkdir -p $(FUZZ_OUT)/corpus/$(1) $(FUZZ_CORPUS)/$(1)
	@echo "fuzz: $(1), $(or $(fuzz_runs_$(1)),$(FUZZ_RUNS)) runs"
	@$$< -runs=$(or $(fuzz_runs_$(1)),$(FUZZ_RUNS)) -seed=1 -verbosity=0 -print_final_stats=1 -rss_limit_mb=2048 \
		-artifact_prefix=$(FUZZ_OUT)/$(1)- $(FUZZ_FLAGS) \
		$(FUZZ_OUT)/corpus/$(1) $(FUZZ_CORPUS)/$(1) >$(FUZZ_OUT)/$(1).log 2>&1 || \
		{ tail -n 40 $(FUZZ_OUT)/$(1).log; exit 1; }
	@sed -n 's/^stat::number_of_executed_units: */fuzz: $(1), executed /p' $(FUZZ_OUT)/$(1).log

.PHONY: fuzz-corpus-$(1)
fuzz-corpus-$(1): $(FUZZ_OUT)/fuzz_$(1)
	@mkdir -p $(FUZZ_OUT)/corpus/$(1) $(FUZZ_CORPUS)/$(1)
	$$< -merge=1 -verbosity=0 $(FUZZ_CORPUS)/$(1) $(FUZZ_OUT)/corpus/$(1)

-include $(patsubst %.o,%.d,$(call fuzz_objects,tests/fuzz/fuzz_$(1).c $(fuzz_$(1))))
endef
$(foreach name,$(FUZZ_NAMES),$(eval $(call fuzz_program,$(name))))

.PHONY: fuzz fuzz-corpus
fuzz: $(addprefix fuzz-,$(FUZZ_NAMES))
	@echo "fuzz: $(words $(FUZZ_NAMES)) targets passed"

fuzz-corpus: $(addprefix fuzz-corpus-,$(FUZZ_NAMES))
