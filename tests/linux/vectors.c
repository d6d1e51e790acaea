/* SPDX-License-Identifier: MIT */
#include "vectors.h"

#include <string.h>

#include "check.h"

#define REGISTERS 16
#define YMM_BYTES 32
#define ZMM_REGISTERS 32
#define ZMM_BYTES 64
#define MASKS 8

#define SIXTEEN(op)                                                                             \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) \
		op(14) op(15)
#define SIXTEEN_MORE(op)                                                                           \
	op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) \
		op(29) op(30) op(31)
/* k0 cannot be used as a mask, and the compiler does not know it as one. */
#define SEVEN(op) op(1) op(2) op(3) op(4) op(5) op(6) op(7)

#define SYSCALL_AND_CPUID      \
	"syscall\n\t"          \
	"xor %%eax, %%eax\n\t" \
	"xor %%ecx, %%ecx\n\t" \
	"cpuid\n\t"

#define XMM_LOW                                                                                  \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#define XMM_HIGH                                                                                  \
	"xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", \
		"xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"

__attribute__((target("avx"))) bool ymm_survive(uint32_t seed, long number, long first, long second,
						long third)
{
	uint8_t before[REGISTERS][YMM_BYTES] __attribute__((aligned(32)));
	uint8_t after[REGISTERS][YMM_BYTES] __attribute__((aligned(32)));
	long result, argument3 = third;

	fill(before[0], sizeof(before), seed);
#define LOAD(n) "vmovdqa " #n "*32(%[from]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%[to])\n\t"
	__asm__ volatile(SIXTEEN(LOAD) SYSCALL_AND_CPUID SIXTEEN(STORE) "vzeroupper"
			 : "=a"(result), "+d"(argument3)
			 : "0"(number), "D"(first), "S"(second), [from] "r"(before), [to] "r"(after)
			 : "rbx", "rcx", "r11", "memory", XMM_LOW);
#undef LOAD
#undef STORE
	return !memcmp(before, after, sizeof(before));
}

__attribute__((target("avx"))) void ymm_clobber(void)
{
#define CLOBBER(n) "vpcmpeqb %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n\t"
	__asm__ volatile(SIXTEEN(CLOBBER) : : : XMM_LOW);
#undef CLOBBER
}

__attribute__((target("avx512f"))) bool zmm_survive(uint32_t seed, long number, long first,
						    long second, long third)
{
	static struct __attribute__((aligned(ZMM_BYTES))) registers {
		uint8_t zmm[ZMM_REGISTERS][ZMM_BYTES];
		uint16_t mask[MASKS];
	} before, after;
	long result, argument3 = third;

	fill(before.zmm[0], sizeof(before.zmm), seed);
	fill((uint8_t *)before.mask, sizeof(before.mask), ~seed);
#define LOAD(n) "vmovdqa64 " #n "*64(%[from]), %%zmm" #n "\n\t"
#define STORE(n) "vmovdqa64 %%zmm" #n ", " #n "*64(%[to])\n\t"
#define LOAD_MASK(n) "kmovw " #n "*2(%[from_mask]), %%k" #n "\n\t"
#define STORE_MASK(n) "kmovw %%k" #n ", " #n "*2(%[to_mask])\n\t"
	__asm__ volatile(
		SIXTEEN(LOAD) SIXTEEN_MORE(LOAD) SEVEN(LOAD_MASK) SYSCALL_AND_CPUID SIXTEEN(STORE)
			SIXTEEN_MORE(STORE) SEVEN(STORE_MASK) "vzeroupper"
		: "=a"(result), "+d"(argument3)
		: "0"(number), "D"(first), "S"(second), [from] "r"(before.zmm), [to] "r"(after.zmm),
		  [from_mask] "r"(before.mask), [to_mask] "r"(after.mask)
		: "rbx", "rcx", "r11", "memory", XMM_LOW, XMM_HIGH, "k1", "k2", "k3", "k4", "k5",
		  "k6", "k7");
#undef LOAD
#undef STORE
#undef LOAD_MASK
#undef STORE_MASK
	return !memcmp(before.zmm, after.zmm, sizeof(before.zmm)) &&
	       !memcmp(before.mask + 1, after.mask + 1,
		       sizeof(before.mask) - sizeof(before.mask[0]));
}

__attribute__((target("avx512f"))) void zmm_clobber(void)
{
#define CLOBBER(n) "vpternlogd $0xff, %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
#define CLOBBER_MASK(n) "kxnorw %%k" #n ", %%k" #n ", %%k" #n "\n\t"
	__asm__ volatile(SIXTEEN(CLOBBER) SIXTEEN_MORE(CLOBBER) SEVEN(CLOBBER_MASK)
			 :
			 :
			 : XMM_LOW, XMM_HIGH, "k1", "k2", "k3", "k4", "k5", "k6", "k7");
#undef CLOBBER
#undef CLOBBER_MASK
}
