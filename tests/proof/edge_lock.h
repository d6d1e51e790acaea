/* SPDX-License-Identifier: MIT */
/* Included before secpod/paging/lock.c: tables, and their locks, are the harness's; a table has two times 64 entries. */
#ifndef SECPOD_TESTS_PROOF_EDGE_LOCK_H
#define SECPOD_TESTS_PROOF_EDGE_LOCK_H

#include "secpod/paging/internal.h"

struct table_info *lock_info(uint64_t number);
uint64_t lock_word(uint64_t frame);
void lock_give_back(uint64_t frame);

#define table_info_of(infos, number) ((void)(infos), lock_info(number))
#define frame_type(frames, frame) ((void)(frames), frame_word_type(lock_word(frame)))
#define frame_unlock(frames, frame) ((void)(frames), lock_give_back(frame))
#define __builtin_ia32_pause() ((void)0)

#undef PT_ENTRIES
#define PT_ENTRIES 128u

#endif
