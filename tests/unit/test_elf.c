/* SPDX-License-Identifier: MIT */
#include "boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 0x1000u
#define BASE 0x7f000000ull
#define FILL 0xa5

/* The segments of a small monitor. */
enum { TEXT, DATA, DYNAMIC, SEGMENTS };

#define TEXT_SIZE 0x40u
#define DATA_VADDR 0x2000u
#define DATA_FILE_SIZE 0x100u
#define DATA_MEMORY_SIZE 0x1800u
#define ENTRY 0x10u
#define IMAGE_SIZE 0x4000u
#define RELOCATIONS 3u

struct sample {
	Elf64_Ehdr header;
	Elf64_Phdr segment[SEGMENTS];
	uint8_t text[TEXT_SIZE];
	union {
		uint8_t bytes[DATA_FILE_SIZE];
		struct {
			uint64_t pointer[4];
			Elf64_Dyn dynamic[5];
			Elf64_Rela relocation[RELOCATIONS];
		} in;
	} data;
};

static struct sample sample;

static uint64_t data_vaddr(const void *field)
{
	return DATA_VADDR + (uint64_t)((const uint8_t *)field - sample.data.bytes);
}

static int make_sample(void **state)
{
	(void)state;
	memset(&sample, 0, sizeof(sample));
	memcpy(sample.header.e_ident, ELFMAG, SELFMAG);
	sample.header.e_ident[EI_CLASS] = ELFCLASS64;
	sample.header.e_ident[EI_DATA] = ELFDATA2LSB;
	sample.header.e_ident[EI_VERSION] = EV_CURRENT;
	sample.header.e_type = ET_DYN;
	sample.header.e_machine = EM_X86_64;
	sample.header.e_entry = ENTRY;
	sample.header.e_phoff = offsetof(struct sample, segment);
	sample.header.e_phentsize = sizeof(Elf64_Phdr);
	sample.header.e_phnum = SEGMENTS;
	sample.segment[TEXT] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = offsetof(struct sample, text),
		.p_vaddr = 0,
		.p_filesz = TEXT_SIZE,
		.p_memsz = TEXT_SIZE,
		.p_align = PAGE,
	};
	sample.segment[DATA] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_W,
		.p_offset = offsetof(struct sample, data),
		.p_vaddr = DATA_VADDR,
		.p_filesz = sizeof(sample.data),
		.p_memsz = DATA_MEMORY_SIZE,
		.p_align = PAGE,
	};
	sample.segment[DYNAMIC] = (Elf64_Phdr){
		.p_type = PT_DYNAMIC,
		.p_vaddr = data_vaddr(sample.data.in.dynamic),
		.p_filesz = sizeof(sample.data.in.dynamic),
		.p_memsz = sizeof(sample.data.in.dynamic),
	};
	memset(sample.text, 0x90, TEXT_SIZE);
	sample.data.in.dynamic[0] = (Elf64_Dyn){DT_RELA, {data_vaddr(sample.data.in.relocation)}};
	sample.data.in.dynamic[1] = (Elf64_Dyn){DT_RELASZ, {sizeof(sample.data.in.relocation)}};
	sample.data.in.dynamic[2] = (Elf64_Dyn){DT_RELAENT, {sizeof(Elf64_Rela)}};
	sample.data.in.dynamic[3] = (Elf64_Dyn){DT_FLAGS_1, {DF_1_PIE}};
	for (size_t i = 0; i < RELOCATIONS; i++)
		sample.data.in.relocation[i] = (Elf64_Rela){
			.r_offset = DATA_VADDR + 8 * i,
			.r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE),
			.r_addend = (Elf64_Sxword)(0x10 * i),
		};
	/*
	 * As far behind the data as an image may point, and a pointer into memory that the file
	 * lacks.
	 */
	sample.data.in.relocation[2].r_addend = IMAGE_SIZE;
	sample.data.in.relocation[1].r_offset = DATA_VADDR + DATA_MEMORY_SIZE - 8;
	return 0;
}

/* Both from buffers of exactly the size given, so that the sanitizer sees a step beyond. */
static int place_in(size_t file_size, size_t memory_size, uint8_t **memory,
		    struct elf_layout *layout, const char **problem)
{
	uint8_t *file = malloc(file_size != 0 ? file_size : 1);
	int error;

	*memory = malloc(memory_size);
	assert_non_null(file);
	assert_non_null(*memory);
	memcpy(file, &sample, file_size);
	memset(*memory, FILL, memory_size);
	*problem = NULL;
	error = elf_place(file, file_size, *memory, memory_size, BASE, layout, problem);
	assert_true((error != 0) == (*problem != NULL));
	free(file);
	return error;
}

static int place(void)
{
	struct elf_layout layout;
	const char *problem;
	uint8_t *memory;
	int error = place_in(sizeof(sample), IMAGE_SIZE, &memory, &layout, &problem);

	free(memory);
	return error;
}

static uint64_t word_at(const uint8_t *memory, uint64_t offset)
{
	uint64_t word;

	memcpy(&word, memory + offset, sizeof(word));
	return word;
}

static void good_image_is_placed_cleared_and_relocated(void **state)
{
	struct elf_layout layout;
	const char *problem;
	uint8_t *memory;

	(void)state;
	sample.data.in.pointer[3] = 0x1122334455667788;
	assert_int_equal(place_in(sizeof(sample), IMAGE_SIZE + PAGE, &memory, &layout, &problem),
			 0);
	assert_int_equal(layout.size, IMAGE_SIZE);
	assert_int_equal(layout.entry, ENTRY);
	assert_memory_equal(memory, sample.text, TEXT_SIZE);
	for (size_t i = TEXT_SIZE; i < DATA_VADDR; i++)
		assert_int_equal(memory[i], 0);
	assert_int_equal(word_at(memory, DATA_VADDR), BASE);
	assert_int_equal(word_at(memory, DATA_VADDR + DATA_MEMORY_SIZE - 8), BASE + 0x10);
	assert_int_equal(word_at(memory, DATA_VADDR + 16), BASE + IMAGE_SIZE);
	assert_int_equal(word_at(memory, DATA_VADDR + 24), 0x1122334455667788);
	for (size_t i = DATA_VADDR + sizeof(sample.data); i < DATA_VADDR + DATA_MEMORY_SIZE - 8;
	     i++)
		assert_int_equal(memory[i], 0);
	for (size_t i = DATA_VADDR + DATA_MEMORY_SIZE; i < IMAGE_SIZE; i++)
		assert_int_equal(memory[i], 0);
	/* Nothing behind the image is touched. */
	for (size_t i = IMAGE_SIZE; i < IMAGE_SIZE + PAGE; i++)
		assert_int_equal(memory[i], FILL);
	free(memory);
}

static void image_needs_all_its_memory(void **state)
{
	struct elf_layout layout;
	const char *problem;
	uint8_t *memory;

	(void)state;
	assert_int_equal(place_in(sizeof(sample), IMAGE_SIZE - 1, &memory, &layout, &problem),
			 -ENOSPC);
	for (size_t i = 0; i < IMAGE_SIZE - 1; i++)
		assert_int_equal(memory[i], FILL);
	free(memory);
}

static void cut_off_files_are_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(sample); size++) {
		struct elf_layout layout;
		const char *problem;
		uint8_t *memory;

		assert_int_equal(place_in(size, IMAGE_SIZE, &memory, &layout, &problem), -ENOEXEC);
		free(memory);
	}
}

/* One field of the good image, set to what must be refused. */
struct hostile {
	const char *rule;
	void *field;
	size_t size;
	uint64_t value;
};

/* clang-format off */
#define HOSTILE(rule, field, value) {rule, &(field), sizeof(field), value}
/* clang-format on */

static const struct hostile hostile[] = {
	HOSTILE("magic", sample.header.e_ident[0], 0),
	HOSTILE("class", sample.header.e_ident[EI_CLASS], ELFCLASS32),
	HOSTILE("byte order", sample.header.e_ident[EI_DATA], ELFDATA2MSB),
	HOSTILE("version", sample.header.e_ident[EI_VERSION], 0),
	HOSTILE("machine", sample.header.e_machine, EM_AARCH64),
	HOSTILE("position dependent", sample.header.e_type, ET_EXEC),
	HOSTILE("relocatable object", sample.header.e_type, ET_REL),
	HOSTILE("header size", sample.header.e_phentsize, sizeof(Elf64_Phdr) - 1),
	HOSTILE("no headers", sample.header.e_phnum, 0),
	HOSTILE("many headers", sample.header.e_phnum, 0xffff),
	HOSTILE("headers at the end", sample.header.e_phoff, sizeof(struct sample)),
	HOSTILE("headers far away", sample.header.e_phoff, UINT64_MAX),
	HOSTILE("headers wrap", sample.header.e_phoff, UINT64_MAX - 56 * 3 + 1),
	HOSTILE("entry in data", sample.header.e_entry, DATA_VADDR),
	HOSTILE("entry behind text", sample.header.e_entry, TEXT_SIZE),
	HOSTILE("entry nowhere", sample.header.e_entry, UINT64_MAX),
	HOSTILE("no code", sample.segment[TEXT].p_flags, PF_R),
	HOSTILE("writable code", sample.segment[TEXT].p_flags, PF_R | PF_W | PF_X),
	HOSTILE("executable data", sample.segment[DATA].p_flags, PF_R | PF_W | PF_X),
	HOSTILE("file longer than memory", sample.segment[TEXT].p_filesz, TEXT_SIZE + 1),
	HOSTILE("file offset", sample.segment[TEXT].p_offset,
		sizeof(struct sample) - TEXT_SIZE + 1),
	HOSTILE("file offset wraps", sample.segment[TEXT].p_offset, UINT64_MAX - TEXT_SIZE + 1),
	HOSTILE("address wraps", sample.segment[DATA].p_vaddr, UINT64_MAX - 0xfff),
	HOSTILE("address far away", sample.segment[DATA].p_vaddr, 1ull << 30),
	HOSTILE("memory size", sample.segment[DATA].p_memsz, 1ull << 30),
	HOSTILE("memory size wraps", sample.segment[DATA].p_memsz, UINT64_MAX),
	HOSTILE("same page", sample.segment[DATA].p_vaddr, TEXT_SIZE),
	HOSTILE("out of order", sample.segment[TEXT].p_vaddr, DATA_VADDR + 0x2000),
	HOSTILE("large alignment", sample.segment[DATA].p_align, 0x200000),
	HOSTILE("loader wanted", sample.segment[DYNAMIC].p_type, PT_INTERP),
	HOSTILE("thread-local storage", sample.segment[DYNAMIC].p_type, PT_TLS),
	HOSTILE("dynamic outside", sample.segment[DYNAMIC].p_vaddr, IMAGE_SIZE - 0x10),
	HOSTILE("dynamic wraps", sample.segment[DYNAMIC].p_vaddr, UINT64_MAX - 0xf),
	HOSTILE("dynamic size", sample.segment[DYNAMIC].p_memsz, IMAGE_SIZE),
	HOSTILE("dynamic odd size", sample.segment[DYNAMIC].p_memsz, 0x48),
	HOSTILE("relocations outside", sample.data.in.dynamic[0].d_un.d_ptr, IMAGE_SIZE - 0x18),
	HOSTILE("relocations wrap", sample.data.in.dynamic[0].d_un.d_ptr, UINT64_MAX - 0x17),
	HOSTILE("relocations' size", sample.data.in.dynamic[1].d_un.d_val, 0x18000),
	HOSTILE("relocations' odd size", sample.data.in.dynamic[1].d_un.d_val, 0x19),
	HOSTILE("relocations' huge size", sample.data.in.dynamic[1].d_un.d_val, UINT64_MAX - 0xf),
	HOSTILE("relocation entry size", sample.data.in.dynamic[2].d_un.d_val, 8),
	HOSTILE("shared library", sample.data.in.dynamic[3].d_tag, DT_NEEDED),
	HOSTILE("REL", sample.data.in.dynamic[3].d_tag, DT_REL),
	HOSTILE("RELR", sample.data.in.dynamic[3].d_tag, DT_RELR),
	HOSTILE("PLT", sample.data.in.dynamic[3].d_tag, DT_JMPREL),
	HOSTILE("relocation type", sample.data.in.relocation[0].r_info, R_X86_64_64),
	HOSTILE("symbol", sample.data.in.relocation[0].r_info, 1ull << 32 | R_X86_64_GLOB_DAT),
	HOSTILE("relocation in text", sample.data.in.relocation[0].r_offset, 0),
	HOSTILE("relocation between", sample.data.in.relocation[0].r_offset, DATA_VADDR - 1),
	HOSTILE("relocation at the end", sample.data.in.relocation[0].r_offset,
		DATA_VADDR + DATA_MEMORY_SIZE - 7),
	HOSTILE("relocation wraps", sample.data.in.relocation[0].r_offset, UINT64_MAX - 3),
	HOSTILE("pointer outside", sample.data.in.relocation[0].r_addend, IMAGE_SIZE + 1),
	HOSTILE("negative pointer", sample.data.in.relocation[0].r_addend, UINT64_MAX),
};

static void each_broken_rule_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		make_sample(NULL);
		assert_int_equal(place(), 0);
		memcpy(hostile[i].field, &hostile[i].value, hostile[i].size);
		if (place() != -ENOEXEC)
			fail_msg("accepted: %s", hostile[i].rule);
	}
}

static void image_without_relocations_is_placed(void **state)
{
	(void)state;
	sample.segment[DYNAMIC].p_type = PT_NULL;
	assert_int_equal(place(), 0);
	make_sample(NULL);
	/* A relocation that asks for nothing. */
	sample.data.in.relocation[0] = (Elf64_Rela){.r_offset = UINT64_MAX};
	assert_int_equal(place(), 0);
}

static void changed_bytes_do_no_harm(void **state)
{
	uint32_t random = 1;
	unsigned int accepted = 0;

	(void)state;
	for (int round = 0; round < 50000; round++) {
		make_sample(NULL);
		for (int i = 0; i < 1 + round % 4; i++) {
			random = random * 1664525u + 1013904223u;
			((uint8_t *)&sample)[(random >> 8) % sizeof(sample)] =
				(uint8_t)(random >> 24);
		}
		accepted += place() == 0;
	}
	/* Most bytes are padding, code or data: neither all nor no change may pass. */
	assert_in_range(accepted, 1, 49999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(good_image_is_placed_cleared_and_relocated, make_sample),
		cmocka_unit_test_setup(image_needs_all_its_memory, make_sample),
		cmocka_unit_test_setup(cut_off_files_are_refused, make_sample),
		cmocka_unit_test_setup(each_broken_rule_is_refused, make_sample),
		cmocka_unit_test_setup(image_without_relocations_is_placed, make_sample),
		cmocka_unit_test_setup(changed_bytes_do_no_harm, make_sample),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
