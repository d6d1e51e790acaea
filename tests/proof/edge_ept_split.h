/* SPDX-License-Identifier: MIT */
/* Included before ept/: the one table that there is has an address of its own, since CBMC's pointers have none. */
#ifndef SECPOD_TESTS_PROOF_EDGE_EPT_SPLIT_H
#define SECPOD_TESTS_PROOF_EDGE_EPT_SPLIT_H

#include "vmm/addr.h"

#define TABLE_ADDRESS 0x7000ULL

extern uint64_t proof_table[512];

#define hpa_to_virt(hpa) ((void)(hpa), (void *)proof_table)
#define virt_to_hpa(va) ((void)(va), TABLE_ADDRESS)

#endif
