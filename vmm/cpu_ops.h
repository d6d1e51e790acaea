/* SPDX-License-Identifier: MIT */
/*
 * Privileged and special instructions, one function each. Only files that are never compiled for the host
 * include this header.
 */
#ifndef SECPOD_VMM_CPU_OPS_H
#define SECPOD_VMM_CPU_OPS_H

#include <stdint.h>

struct cpuid_result {
	uint32_t eax, ebx, ecx, edx;
};

/* SDM "Pseudo-Descriptor Format" in 64-bit mode. */
struct __attribute__((packed)) pseudo_descriptor {
	uint16_t limit;
	uint64_t base;
};
_Static_assert(sizeof(struct pseudo_descriptor) == 10, "SGDT/SIDT operand");

#define DEFINE_READ_REG(name, reg)                                   \
	static inline uint64_t read_##name(void)                     \
	{                                                            \
		uint64_t value;                                      \
		__asm__ volatile("mov %%" reg ", %0" : "=r"(value)); \
		return value;                                        \
	}
#define DEFINE_WRITE_REG(name, reg)                                           \
	static inline void write_##name(uint64_t value)                       \
	{                                                                     \
		__asm__ volatile("mov %0, %%" reg : : "r"(value) : "memory"); \
	}

DEFINE_READ_REG(cr0, "cr0")
DEFINE_READ_REG(cr2, "cr2")
DEFINE_READ_REG(cr3, "cr3")
DEFINE_READ_REG(cr4, "cr4")
DEFINE_READ_REG(dr6, "dr6")
DEFINE_READ_REG(dr7, "dr7")
DEFINE_WRITE_REG(cr0, "cr0")
DEFINE_WRITE_REG(cr2, "cr2")
DEFINE_WRITE_REG(cr3, "cr3")
DEFINE_WRITE_REG(cr4, "cr4")
DEFINE_WRITE_REG(dr0, "dr0")
DEFINE_WRITE_REG(dr1, "dr1")
DEFINE_WRITE_REG(dr2, "dr2")
DEFINE_WRITE_REG(dr3, "dr3")
DEFINE_WRITE_REG(dr6, "dr6")

#define DEFINE_READ_SELECTOR(name)                                     \
	static inline uint16_t read_##name(void)                       \
	{                                                              \
		uint16_t value;                                        \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
		return value;                                          \
	}
DEFINE_READ_SELECTOR(cs)
DEFINE_READ_SELECTOR(ss)
DEFINE_READ_SELECTOR(ds)
DEFINE_READ_SELECTOR(es)
DEFINE_READ_SELECTOR(fs)
DEFINE_READ_SELECTOR(gs)

static inline uint16_t read_tr(void)
{
	uint16_t value;

	__asm__ volatile("str %0" : "=r"(value));
	return value;
}

static inline uint16_t read_ldtr(void)
{
	uint16_t value;

	__asm__ volatile("sldt %0" : "=r"(value));
	return value;
}

static inline struct pseudo_descriptor read_gdtr(void)
{
	struct pseudo_descriptor value;

	__asm__ volatile("sgdt %0" : "=m"(value));
	return value;
}

static inline struct pseudo_descriptor read_idtr(void)
{
	struct pseudo_descriptor value;

	__asm__ volatile("sidt %0" : "=m"(value));
	return value;
}

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_result r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

/* For MSRs known to exist; everything else goes through vmm/msr_safe.h. */
static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline uint64_t xgetbv(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static inline void wbinvd(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

static inline void invlpg(uint64_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* copy_words - count words of 8 bytes, each by one load and one store, upwards. */
static inline void copy_words(void *to, const volatile void *from, uint64_t count)
{
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpu_relax(void)
{
	__builtin_ia32_pause();
}

static inline _Noreturn void cpu_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

#endif
