# SPDX-License-Identifier: MIT
#
# The model: a random hostile guest against secpod/paging, checked by a slow reference (tests/model/model.h).
# Included by the top Makefile.
#
#   make model		millions of operations: one thread, threads, and threads under the thread sanitizer
#   make model-short	the part of it that make unit runs
#   make model-mutants	what it finds of mistakes that are put in (not part of make test)
#
# A run that fails says its seed; with one thread that gives the same run again:
#   build/tests/model/model/model --seed N --seeds 1
# MODEL_SEED is the first seed, MODEL_SCALE multiplies the seeds of make model.

MODEL_SOURCES := $(patsubst %,tests/model/%.c,main machine guest requests values judge expect reference) \
	$(unit_paging_sources) ept/invalidate.c
MODEL_OUT := build/tests/model
MODEL_SEED ?= 1
MODEL_SCALE ?= 1
MODEL_CFLAGS := -std=gnu11 -O2 -g -I. -include tests/model/relax.h $(UNIT_WARNINGS) \
	-fno-omit-frame-pointer
MODEL_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# GCC warns that this sanitizer does not see fences: what they order here are atomic accesses, which it has no complaint of.
MODEL_SANITIZE_THREADS := -fsanitize=thread -Wno-tsan

# $(call model_program,name,sanitizers)
define model_program
$(MODEL_OUT)/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$(UNIT_CC) $(MODEL_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<

$(MODEL_OUT)/$(1)/$(1): $(patsubst %.c,$(MODEL_OUT)/$(1)/%.o,$(MODEL_SOURCES))
	$(UNIT_CC) $(MODEL_CFLAGS) $(2) -o $$@ $$^ $(UNIT_LIBS)

-include $(patsubst %.c,$(MODEL_OUT)/$(1)/%.d,$(MODEL_SOURCES))
endef
$(eval $(call model_program,model,$(MODEL_SANITIZE)))
$(eval $(call model_program,model-threads,$(MODEL_SANITIZE_THREADS)))

# $(call model_run,program,seeds,arguments)
model_run = $(MODEL_OUT)/$(1)/$(1) --seed $(MODEL_SEED) --seeds $(shell expr $(2) \* $(MODEL_SCALE)) $(3)

.PHONY: model model-short model-mutants
model: $(MODEL_OUT)/model/model $(MODEL_OUT)/model-threads/model-threads
	$(call model_run,model,16,)
	$(call model_run,model,4,--cpus 2)
	$(call model_run,model,8,--cpus 4 --bursts 100 --threads)
	$(call model_run,model,4,--cpus 2 --bursts 100 --threads)
	$(call model_run,model-threads,2,--cpus 4 --threads)

model-short: $(MODEL_OUT)/model/model
	@echo "unit: model"
	$(MODEL_OUT)/model/model --seed 5 --seeds 4 --bursts 20
	$(MODEL_OUT)/model/model --seeds 2 --bursts 50 --cpus 4 --threads

model-mutants: $(MODEL_OUT)/model/model
	scripts/model-mutants

unit: model-short
