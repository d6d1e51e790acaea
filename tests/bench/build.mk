# SPDX-License-Identifier: MIT
#
# Instructions of the auditor's operations, counted on the host: make bench-host

BENCH_HOST_CFLAGS := -std=gnu11 -O2 -g -I. $(UNIT_WARNINGS)
# SHA-256 as it is in the monitor: what it costs is the compiler's choice of registers.
BENCH_HOST_SHA256 := build/monitor/secpod/text/sha256.c.o
BENCH_HOST_OBJECTS := $(patsubst %.c,build/tests/bench/%.o,tests/bench/paging.c \
	$(filter-out secpod/text/sha256.c,$(unit_paging_sources)))

build/tests/bench/%.o: %.c
	@mkdir -p $(@D)
	$(UNIT_CC) $(BENCH_HOST_CFLAGS) -MMD -MP -c -o $@ $<

build/tests/bench/paging: $(BENCH_HOST_OBJECTS) $(BENCH_HOST_SHA256)
	$(UNIT_CC) -Wl,-z,now -o $@ $^ $(UNIT_LIBS)

.PHONY: bench-host
bench-host: build/tests/bench/paging
	$<

-include $(BENCH_HOST_OBJECTS:.o=.d)
