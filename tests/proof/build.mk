# SPDX-License-Identifier: MIT
#
# Proofs with CBMC: each tests/proof/proof_<name>.c is one harness, checked together with the very sources of the
# product that the table names for it, and the bounds of their loops. Included by the top Makefile.
# docs/verification.md says what is proved and what is not.
#
#   make prove		all
#   make prove-quick	those of PROOF_QUICK, which take less than a minute (part of make test)
#   make prove-<name>	one
#
# proof_<name>: sources. proof_bounds_<name>: options; a bound that is too low fails.

# Two turns of other CPUs: each loop that tries again is made three times, the wait for a lock five times.
proof_frame := secpod/paging/frame.c
proof_bounds_frame := --unwind 4 --unwindset frame_lock.0:6

# As many prefixes as an instruction has bytes.
proof_store_decode := vmx/store_decode.c
proof_bounds_store_decode := --unwind 17

# Two runs of a string, and one that fails.
proof_store_emulate := vmx/store_emulate.c vmx/store_string.c
proof_bounds_store_emulate := --unwind 5 --unwindset main.0:17

# A large leaf has two frames (edge_judge.h); the rules are nineteen.
proof_judge := secpod/paging/judge.c secpod/paging/frame.c
proof_bounds_judge := --unwind 4 --unwindset ask.0:24

# A whole table.
proof_ept_split := ept/ept_tables.c
proof_bounds_ept_split := --object-bits 12 --unwind 3 --unwindset ept_split.0:513,is_split_of.0:513

# A root has at most three entries; an exchange is asked about twice when policy lets pass what differs.
proof_pair := secpod/paging/pair.c secpod/paging/judge.c
proof_bounds_pair := --unwind 5

# Tables are read by 64 entries.
proof_lock := secpod/paging/lock.c
proof_bounds_lock := --object-bits 12 --unwind 9 --unwindset judge_chunk.0:65

# 17 forms.
proof_patch := secpod/text/patch.c
proof_bounds_patch := --unwind 19

# Two sites that there are, and one more; a store of at most 8 bytes, in a window of 64.
proof_text_known := secpod/text/text.c
proof_text_new := secpod/text/text.c
proof_text_fill := secpod/text/text.c
proof_bounds_text = --unwind 17 \
	--unwindset text_store.0:2,meets_another.0:4,site_before.0:4,begin_state.1:65,begin.1:65
proof_bounds_text_known = $(proof_bounds_text)
proof_bounds_text_new = $(proof_bounds_text)
proof_bounds_text_fill = $(proof_bounds_text)

# Two sites, in two buckets of two lines each; a range of at most 16 bytes is in two lines.
proof_text_sites := secpod/text/sites.c
proof_bounds_text_sites := --unwind 17 --unwindset text_site_find.0:4,text_site_last_in.0:4,text_site_last_in.1:4,begin_state.1:65

PROOF_NAMES := $(patsubst tests/proof/proof_%.c,%,$(sort $(wildcard tests/proof/proof_*.c)))
PROOF_QUICK := store_decode patch

# $(call proof_line,name): for scripts/prove
proof_line = '$(1) $(proof_$(1)) -- $(proof_bounds_$(1))'

.PHONY: prove prove-quick $(addprefix prove-,$(PROOF_NAMES))
prove:
	printf '%s\n' $(foreach name,$(PROOF_NAMES),$(call proof_line,$(name))) | scripts/prove

prove-quick:
	printf '%s\n' $(foreach name,$(PROOF_QUICK),$(call proof_line,$(name))) | scripts/prove

$(addprefix prove-,$(PROOF_NAMES)): prove-%:
	printf '%s\n' $(call proof_line,$*) | scripts/prove

# For scripts/prove-mutants.
.PHONY: $(addprefix prove-line-,$(PROOF_NAMES))
$(addprefix prove-line-,$(PROOF_NAMES)): prove-line-%:
	@printf '%s\n' $(call proof_line,$*)
