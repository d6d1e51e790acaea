/* SPDX-License-Identifier: MIT */
/* The store decoder held against Zydis, an independent decoder. */
#ifndef SECPOD_TESTS_STORE_ZYDIS_H
#define SECPOD_TESTS_STORE_ZYDIS_H

#include <stddef.h>
#include <stdint.h>

/*
 * store_zydis_compare - decode with both. What ours accepts, Zydis accepts with the same meaning:
 * length, mnemonic, operands, sizes, LOCK and REP. What ours refuses is, to Zydis, no instruction, or
 * not one of the forms, or one of these: MOV of a segment register or to an absolute address without
 * ModR/M, REPNE with MOVS or STOS. -EINVAL: Zydis refuses too; -ENODATA: it wants more bytes too.
 * Result: NULL, or what they disagree about. *accepted (may be NULL): did ours accept it?
 */
const char *store_zydis_compare(const uint8_t *bytes, size_t len, int *accepted);

#endif
