/* SPDX-License-Identifier: MIT */
/*
 * The decoder (vmx/store_decode.c), for every string of bytes of every length: none is read beyond len or the
 * 15 an instruction has, and what comes out is what proof_store_emulate.c begins with.
 */
#include "vmx/store_decode.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/proof/proof.h"
#include "tests/proof/store_insn.h"

/* Of 15 and more the first 15 count: with just 15 a look at another fails. */
#define BYTES_MAX 17u

int main(void)
{
	const size_t len = (size_t)any_below(BYTES_MAX + 1);
	const enum code_size code = (enum code_size)any_below(CODE_64 + 1);
	/* An object of just so many bytes: a read behind it fails. */
	uint8_t *bytes = malloc(len);
	struct store_insn insn;
	int error;

	assume(bytes);
	error = store_decode(bytes, len, code, &insn);
	prove(error == 0 || error == -ENOTSUP || error == -EINVAL || error == -ENODATA,
	      "results are those of the header");
	prove(error != -ENODATA || len < STORE_INSN_MAX, "15 bytes are never too few");
	if (error)
		return 0;
	prove(code == CODE_64, "only 64-bit code is known");
	prove(insn.length <= len, "no longer than the bytes");
	prove(store_insn_is_valid(&insn), "what the emulator may rely on");
	return 0;
}
