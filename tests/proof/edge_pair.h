/* SPDX-License-Identifier: MIT */
/* Included before secpod/paging/pair.c: its lock, and what it asks of the two roots, are the harness's. */
#ifndef SECPOD_TESTS_PROOF_EDGE_PAIR_H
#define SECPOD_TESTS_PROOF_EDGE_PAIR_H

#include "secpod/paging/internal.h"

void pair_lock_take(void);
void pair_lock_release(void);
uint64_t pair_word(uint64_t frame);
const struct table_info *pair_info(void);
enum root_kind pair_kind(void);
uint32_t pair_next_present(const uint64_t *entry, uint32_t i);

#define spin_lock(lock) ((void)(lock), pair_lock_take())
#define spin_unlock(lock) ((void)(lock), pair_lock_release())
#define frame_read(frames, frame) ((void)(frames), pair_word(frame))
#define table_info_of(infos, number) ((void)(infos), (void)(number), pair_info())
#define table_info_root_kind(info) ((void)(info), pair_kind())
#define pte_next_present(entry, i) pair_next_present(entry, i)

#endif
