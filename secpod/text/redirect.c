/* SPDX-License-Identifier: MIT */
#include "secpod/text/redirect.h"

#include <stdbool.h>
#include <stddef.h>

/* In a row: any byte; and the first byte of RET, or of the JMP that is there with return thunks. */
#define ANY 0x100u
#define RETURN 0x101u
#define ANY4 ANY, ANY, ANY, ANY

/* Compiled without and with indirect-branch tracking: ENDBR64, and padding before each function. */
#define NOPS_BEFORE                                                                               \
	0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, \
		0x90
#define ANY_BEFORE ANY4, ANY4, ANY4, ANY4
#define ENDBR 0xf3, 0x0f, 0x1e, 0xfa

/* MOV [RDI], RSI: native_set_pte(), native_set_pmd(), native_set_pud(). */
#define SET 0x48, 0x89, 0x37, RETURN
/* XOR EAX, EAX; XCHG [RDX], RAX: __ptep_modify_prot_start(). */
#define START 0x31, 0xc0, 0x48, 0x87, 0x02, RETURN
/* MOV RDI, RDX; MOV RSI, RCX; CALL native_set_pte; NOP: __ptep_modify_prot_commit(). */
#define COMMIT 0x48, 0x89, 0xd7, 0x48, 0x89, 0xce, 0xe8, ANY4, 0x90, RETURN

struct redirect_form {
	struct redirect_place place;
	uint8_t length;
	uint16_t bytes[REDIRECT_BYTES];
};

/* clang-format off */
static const struct redirect_form forms[] = {
	/* Debian 6.1; room: the padding up to the next function. */
	{{16, 24}, 32, {ANY_BEFORE, SET, ANY4, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
	{{16, 26}, 32, {ANY_BEFORE, START, ANY4, 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00}},
	{{16, 33}, 44, {ANY_BEFORE, COMMIT, ANY4,
			0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
	/* Debian 6.12; room: the padding before it. */
	{{20, 0}, 24, {NOPS_BEFORE, ENDBR, SET}},
	{{20, 0}, 26, {NOPS_BEFORE, ENDBR, START}},
	{{20, 0}, 33, {NOPS_BEFORE, ENDBR, COMMIT}},
};
/* clang-format on */

static bool is_form(const struct redirect_form *form, const uint8_t *bytes)
{
	for (uint32_t i = 0; i < form->length; i++) {
		const uint16_t want = form->bytes[i];

		if (want == RETURN ? bytes[i] != 0xc3 && bytes[i] != 0xe9
				   : want != ANY && bytes[i] != want)
			return false;
	}
	return true;
}

const struct redirect_place *redirect_match(const uint8_t bytes[REDIRECT_BYTES])
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (is_form(&forms[i], bytes))
			return &forms[i].place;
	}
	return NULL;
}
