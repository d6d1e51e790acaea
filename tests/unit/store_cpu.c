/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_cpu.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asm/prctl.h>

#include "vmm/x86.h"

#define CODE_SIZE 1024u
#define SLOT_SIZE 32u
#define RELATIVE_SIZE 4

/* The mapping: code, and what it finds by its own address. */
struct ground {
	uint8_t code[CODE_SIZE];
	uint64_t gpr[CPU_REGISTERS];
	uint64_t flags;
	uint64_t stack;
	uint8_t memory[WORLD_SIZE] __attribute__((aligned(WORLD_PAGE)));
};

static struct ground *ground;
static uint8_t *slot; /* the instruction, and a jump to what follows it */

static uint8_t *emit(uint8_t *at, const char *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

#define EMIT(at, bytes) emit(at, bytes, sizeof(bytes) - 1)

/* The last field of an instruction that is relative to the next one. */
static uint8_t *emit_relative(uint8_t *at, const void *destination)
{
	int32_t distance = (int32_t)((const uint8_t *)destination - (at + RELATIVE_SIZE));

	memcpy(at, &distance, sizeof(distance));
	return at + RELATIVE_SIZE;
}

/* MOV between every register and its place. opcode: 8B loads, 89 stores. */
static uint8_t *emit_moves(uint8_t *at, uint8_t opcode)
{
	for (unsigned int i = 0; i < CPU_REGISTERS; i++) {
		*at++ = (uint8_t)(0x48 | (i & 8) >> 1);
		*at++ = opcode;
		*at++ = (uint8_t)((i & 7) << 3 | 5);
		at = emit_relative(at, &ground->gpr[i]);
	}
	return at;
}

static void emit_code(void)
{
	uint8_t *at = ground->code;

	at = EMIT(at, "\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57"); /* push rbx, rbp, r12 to r15 */
	at = emit_relative(EMIT(at, "\x48\x89\x25"), &ground->stack); /* mov [stack], rsp */
	at = emit_relative(EMIT(at, "\xff\x35"), &ground->flags);     /* push [flags] */
	at = EMIT(at, "\x9d");					      /* popf */
	slot = emit_moves(at, 0x8b);
	at = emit_moves(slot + SLOT_SIZE, 0x89);
	at = emit_relative(EMIT(at, "\x48\x8b\x25"), &ground->stack);  /* mov rsp, [stack] */
	at = EMIT(at, "\x9c");					       /* pushf */
	at = emit_relative(EMIT(at, "\x8f\x05"), &ground->flags);      /* pop [flags] */
	at = EMIT(at, "\xfc\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b"); /* cld; pop the others */
	EMIT(at, "\xc3");					       /* ret */
}

int store_cpu_open(struct store_cpu *cpu)
{
	/* Odd enough to be seen when it is forgotten, and small: absolute addresses reach all memory. */
	const uint64_t gs_base = 0x10458;
	uint64_t fs_base;

	if (syscall(SYS_arch_prctl, ARCH_SET_GS, gs_base) ||
	    syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base))
		return -1;
	ground = mmap(NULL, sizeof(*ground), PROT_READ | PROT_WRITE | PROT_EXEC,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (ground == MAP_FAILED)
		return -1;
	emit_code();
	*cpu = (struct store_cpu){ground->memory, (uintptr_t)slot, fs_base, gs_base};
	return 0;
}

void store_cpu_close(struct store_cpu *cpu)
{
	munmap(ground, sizeof(*ground));
	cpu->memory = NULL;
}

void store_cpu_run(const struct store_cpu *cpu, const uint8_t *bytes, size_t len, uint64_t *gpr,
		   uint64_t *flags)
{
	const uint8_t jump = 0xe9;
	void (*code)(void) = (void (*)(void))(uintptr_t)ground->code;

	memcpy((uint8_t *)(uintptr_t)cpu->code, bytes, len);
	slot[len] = jump;
	emit_relative(slot + len + 1, slot + SLOT_SIZE);
	memcpy(ground->gpr, gpr, sizeof(ground->gpr));
	ground->flags = *flags | RFLAGS_FIXED1;
	code();
	memcpy(gpr, ground->gpr, sizeof(ground->gpr));
	*flags = ground->flags;
}
