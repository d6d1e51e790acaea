/* SPDX-License-Identifier: MIT */
/* What the decoder is proved to give, and the emulator's proof begins with. */
#ifndef SECPOD_TESTS_PROOF_STORE_INSN_H
#define SECPOD_TESTS_PROOF_STORE_INSN_H

#include "vmx/store_decode.h"

#define GPRS 16u

static inline bool store_insn_is_string(const struct store_insn *insn)
{
	return insn->form == STORE_MOVS || insn->form == STORE_STOS;
}

static inline bool store_insn_is_valid(const struct store_insn *insn)
{
	const bool immediate = insn->source == STORE_NO_REGISTER;
	const bool bits = insn->form >= STORE_BTS && insn->form <= STORE_BTC;

	if (insn->form >= STORE_FORMS || insn->length < 1 || insn->length > STORE_INSN_MAX)
		return false;
	if (insn->size != 1 && insn->size != 2 && insn->size != 4 && insn->size != 8)
		return false;
	if (insn->address_bytes != 4 && insn->address_bytes != 8)
		return false;
	if (insn->base >= GPRS && insn->base != STORE_RIP && insn->base != STORE_NO_REGISTER)
		return false;
	if ((insn->index >= GPRS && insn->index != STORE_NO_REGISTER) || insn->scale > 3)
		return false;
	if (insn->source >= GPRS && !immediate)
		return false;
	/* What goes back to its source has one. */
	if (immediate && (insn->form == STORE_XCHG || insn->form == STORE_XADD))
		return false;
	if (insn->source_high && (insn->size != 1 || insn->source > 3))
		return false;
	if (bits && insn->size == 1)
		return false;
	if (insn->plain &&
	    (insn->base >= GPRS || insn->index != STORE_NO_REGISTER || insn->segment != SEG_DS ||
	     insn->address_bytes != 8 || (bits && !immediate)))
		return false;
	if (store_insn_is_string(insn) && (insn->plain || insn->source_high))
		return false;
	return true;
}

#endif
