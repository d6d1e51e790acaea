# SPDX-License-Identifier: MIT
#
# The model: a random hostile guest against secpod/paging, checked by a slow reference (tests/model/model.h).
# Included by the top Makefile.
#
#   make model		millions of operations: one thread, threads, and threads under the thread sanitizer
#   make model-short	the part of it that make unit runs
#
# build/tests/model/model --seed N runs one seed; with one thread it is the same run every time.

MODEL_SOURCES := $(patsubst %,tests/model/%.c,main machine guest values judge expect reference) \
	$(unit_paging_sources) ept/invalidate.c
MODEL_OUT := build/tests/model
MODEL_CFLAGS := -std=gnu11 -O2 -g -I. -include tests/model/relax.h $(UNIT_WARNINGS) \
	-fno-omit-frame-pointer
MODEL_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
MODEL_SANITIZE_THREADS := -fsanitize=thread

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

.PHONY: model model-short
model: $(MODEL_OUT)/model/model $(MODEL_OUT)/model-threads/model-threads
	$(MODEL_OUT)/model/model --seeds 16
	$(MODEL_OUT)/model/model --seeds 8 --threads
	$(MODEL_OUT)/model-threads/model-threads --seeds 2 --threads

model-short: $(MODEL_OUT)/model/model
	$(MODEL_OUT)/model/model --seeds 2
	$(MODEL_OUT)/model/model --seeds 1 --threads
