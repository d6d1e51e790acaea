/* SPDX-License-Identifier: MIT */
/*
 * Included by CBMC before the sources of a proof about what CPUs do at the same time: each atomic access of
 * the product goes to a function of the harness, which first lets the other CPUs act, and
 * then looks whether the access is one that they can live with.
 */
#ifndef SECPOD_TESTS_PROOF_EDGE_FRAME_H
#define SECPOD_TESTS_PROOF_EDGE_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/* Whose accesses stay what they are. */
#include "vmm/page_pool.h"

uint64_t shared_load(const uint64_t *word);
uint16_t shared_load_count(const uint16_t *count);
void shared_store(uint64_t *word, uint64_t value);
uint64_t shared_add(uint64_t *word, uint64_t value);
uint16_t shared_add_count(uint16_t *count, uint16_t value);
uint64_t shared_and(uint64_t *word, uint64_t value);
uint64_t shared_or(uint64_t *word, uint64_t value);
bool shared_exchange(uint64_t *word, uint64_t *expected, uint64_t value);
void shared_wait(void);

#define __atomic_load_n(at, order) \
	_Generic((at), uint64_t * : shared_load, uint16_t * : shared_load_count)(at)
#define __atomic_store_n(at, value, order) shared_store(at, value)
#define __atomic_fetch_add(at, value, order) \
	_Generic((at), uint64_t * : shared_add, uint16_t * : shared_add_count)(at, value)
#define __atomic_fetch_sub(at, value, order) shared_add(at, -(uint64_t)(value))
#define __atomic_fetch_and(at, value, order) shared_and(at, value)
#define __atomic_fetch_or(at, value, order) shared_or(at, value)
#define __atomic_compare_exchange_n(at, expected, value, weak, order, otherwise) \
	shared_exchange(at, expected, value)
#define __builtin_ia32_pause() shared_wait()

#endif
