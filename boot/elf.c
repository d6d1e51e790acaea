/* SPDX-License-Identifier: MIT */
#include "boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PAGE 0x1000ull

/*
 * The monitor is to stay below 512 KiB of code and data; far above that the file is not the
 * monitor.
 */
#define MAX_IMAGE_SIZE (16ull << 20)
/* The monitor's linker script makes fewer than ten. */
#define MAX_SEGMENTS 32u

/* What the file says, once it has been checked. */
struct elf_file {
	const uint8_t *bytes;
	uint64_t size;
	Elf64_Phdr segment[MAX_SEGMENTS];
	size_t segment_count;
	uint64_t entry;
	uint64_t memory_size;
	Elf64_Phdr dynamic; /* p_filesz 0 when there is none */
};

/* Where the relocations lie, as addresses in the image. */
struct elf_relocations {
	uint64_t table;
	uint64_t size;
	uint64_t entry_size;
};

static int refuse(const char **problem, const char *rule)
{
	*problem = rule;
	return -ENOEXEC;
}

/* Does [base, base + size) lie inside [0, limit)? */
static bool inside(uint64_t base, uint64_t size, uint64_t limit)
{
	return base <= limit && size <= limit - base;
}

static int read_header(struct elf_file *elf, Elf64_Ehdr *header, const char **problem)
{
	if (elf->size < sizeof(*header))
		return refuse(problem, "the file is shorter than an ELF header");
	memcpy(header, elf->bytes, sizeof(*header));
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(problem, "it is not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_ident[EI_VERSION] != EV_CURRENT || header->e_machine != EM_X86_64)
		return refuse(problem, "it is not a 64-bit x86 ELF file");
	if (header->e_type != ET_DYN)
		return refuse(problem, "it is not position independent");
	if (header->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(problem, "the size of its program headers is wrong");
	if (header->e_phnum == 0 || header->e_phnum > MAX_SEGMENTS)
		return refuse(problem, "it has no program headers, or too many");
	if (!inside(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr), elf->size))
		return refuse(problem, "its program headers lie outside the file");
	return 0;
}

static int add_segment(struct elf_file *elf, const Elf64_Phdr *segment, const char **problem)
{
	if (segment->p_filesz > segment->p_memsz)
		return refuse(problem, "a segment is longer in the file than in memory");
	if (!inside(segment->p_offset, segment->p_filesz, elf->size))
		return refuse(problem, "a segment lies outside the file");
	if (!inside(segment->p_vaddr, segment->p_memsz, MAX_IMAGE_SIZE))
		return refuse(problem, "a segment lies outside the image");
	/*
	 * Segments come in ascending order and each has pages of its own: permissions go by page.
	 */
	if ((segment->p_vaddr & ~(PAGE - 1)) < elf->memory_size)
		return refuse(problem, "segments overlap or are out of order");
	if ((segment->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
		return refuse(problem, "a segment is writable and executable");
	if (segment->p_align > PAGE)
		return refuse(problem, "a segment wants more than page alignment");
	if (segment->p_memsz == 0)
		return 0;
	elf->memory_size = (segment->p_vaddr + segment->p_memsz + PAGE - 1) & ~(PAGE - 1);
	elf->segment[elf->segment_count++] = *segment;
	return 0;
}

static int read_segments(struct elf_file *elf, const Elf64_Ehdr *header, const char **problem)
{
	int error;

	for (size_t i = 0; i < header->e_phnum; i++) {
		Elf64_Phdr segment;

		memcpy(&segment, elf->bytes + header->e_phoff + i * sizeof(segment),
		       sizeof(segment));
		if (segment.p_type == PT_INTERP)
			return refuse(problem, "it asks for a dynamic loader");
		if (segment.p_type == PT_TLS)
			return refuse(problem, "it has thread-local storage");
		if (segment.p_type == PT_DYNAMIC)
			elf->dynamic = segment;
		if (segment.p_type != PT_LOAD)
			continue;
		error = add_segment(elf, &segment, problem);
		if (error)
			return error;
	}
	return 0;
}

static int check_entry(const struct elf_file *elf, const char **problem)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const Elf64_Phdr *segment = &elf->segment[i];

		if ((segment->p_flags & PF_X) && elf->entry >= segment->p_vaddr &&
		    elf->entry - segment->p_vaddr < segment->p_filesz)
			return 0;
	}
	return refuse(problem, "its entry point is not in executable code");
}

static int read_file(struct elf_file *elf, const void *file, size_t size, const char **problem)
{
	Elf64_Ehdr header;
	int error;

	*elf = (struct elf_file){.bytes = file, .size = size};
	error = read_header(elf, &header, problem);
	if (error)
		return error;
	error = read_segments(elf, &header, problem);
	if (error)
		return error;
	elf->entry = header.e_entry;
	if (!inside(elf->dynamic.p_vaddr, elf->dynamic.p_memsz, elf->memory_size) ||
	    elf->dynamic.p_memsz % sizeof(Elf64_Dyn) != 0)
		return refuse(problem, "its dynamic section lies outside the image");
	return check_entry(elf, problem);
}

static int read_dynamic(const struct elf_file *elf, const uint8_t *memory,
			struct elf_relocations *out, const char **problem)
{
	*out = (struct elf_relocations){.entry_size = sizeof(Elf64_Rela)};
	for (uint64_t at = 0; at < elf->dynamic.p_memsz; at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn entry;

		memcpy(&entry, memory + elf->dynamic.p_vaddr + at, sizeof(entry));
		switch (entry.d_tag) {
		case DT_NULL:
			return 0;
		case DT_RELA:
			out->table = entry.d_un.d_ptr;
			break;
		case DT_RELASZ:
			out->size = entry.d_un.d_val;
			break;
		case DT_RELAENT:
			out->entry_size = entry.d_un.d_val;
			break;
		case DT_NEEDED:
			return refuse(problem, "it needs a shared library");
		case DT_REL:
		case DT_RELR:
		case DT_JMPREL:
			return refuse(problem, "it has relocations of an unknown form");
		default:
			break;
		}
	}
	return 0;
}

/* May the eight bytes at offset be relocated? Only in a segment that is not code. */
static bool relocatable(const struct elf_file *elf, uint64_t offset)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const Elf64_Phdr *segment = &elf->segment[i];

		if (!(segment->p_flags & PF_X) && offset >= segment->p_vaddr &&
		    inside(offset - segment->p_vaddr, sizeof(uint64_t), segment->p_memsz))
			return true;
	}
	return false;
}

static int relocate(const struct elf_file *elf, uint8_t *memory, uint64_t address,
		    const char **problem)
{
	struct elf_relocations relocations;
	int error = read_dynamic(elf, memory, &relocations, problem);

	if (error)
		return error;
	if (relocations.entry_size != sizeof(Elf64_Rela) ||
	    relocations.size % sizeof(Elf64_Rela) != 0)
		return refuse(problem, "the size of its relocations is wrong");
	if (!inside(relocations.table, relocations.size, elf->memory_size))
		return refuse(problem, "its relocations lie outside the image");
	for (uint64_t at = 0; at < relocations.size; at += sizeof(Elf64_Rela)) {
		Elf64_Rela entry;
		uint64_t value;

		memcpy(&entry, memory + relocations.table + at, sizeof(entry));
		if (ELF64_R_TYPE(entry.r_info) == R_X86_64_NONE)
			continue;
		if (ELF64_R_TYPE(entry.r_info) != R_X86_64_RELATIVE)
			return refuse(problem, "a relocation is not R_X86_64_RELATIVE");
		if (!relocatable(elf, entry.r_offset))
			return refuse(problem, "a relocation lies outside the data");
		/* One past the end is a valid address to hold. */
		if (entry.r_addend < 0 || (uint64_t)entry.r_addend > elf->memory_size)
			return refuse(problem, "a relocation points outside the image");
		value = address + (uint64_t)entry.r_addend;
		memcpy(memory + entry.r_offset, &value, sizeof(value));
	}
	return 0;
}

int elf_place(const void *file, size_t size, void *memory, size_t memory_size, uint64_t address,
	      struct elf_layout *layout, const char **problem)
{
	struct elf_file elf;
	int error = read_file(&elf, file, size, problem);

	if (error)
		return error;
	if (elf.memory_size > memory_size) {
		*problem = "there is not enough memory for the image";
		return -ENOSPC;
	}
	memset(memory, 0, elf.memory_size);
	for (size_t i = 0; i < elf.segment_count; i++)
		memcpy((uint8_t *)memory + elf.segment[i].p_vaddr,
		       elf.bytes + elf.segment[i].p_offset, elf.segment[i].p_filesz);
	error = relocate(&elf, memory, address, problem);
	if (error)
		return error;
	layout->size = elf.memory_size;
	layout->entry = elf.entry;
	return 0;
}
