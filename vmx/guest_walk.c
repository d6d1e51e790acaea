/* SPDX-License-Identifier: MIT */
#include "vmx/guest_walk.h"

#include <errno.h>

#include "vmm/addr.h"
#include "vmm/x86.h"

/* "Formats of ... Paging-Structure Entries" */
#define PTE_KEY_SHIFT 59u
#define PTE_KEY_MASK 15u
#define RANGE(high, low) ((~0ULL >> (63 - (high))) & (~0ULL << (low)))

#define MAX_LEVELS 4u
/* Times that other CPUs may change an entry under the walk before the guest has to try again. */
#define MAX_TRIES 8u

enum paging_mode { MODE_NONE, MODE_32BIT, MODE_PAE, MODE_4LEVEL };

/* One entry on the way; entries of 4 bytes are handled in the 8 bytes that hold them. */
struct step {
	uint64_t gpa;
	uint64_t value;
};

enum outcome { FOUND, NOT_PRESENT, RESERVED_BIT };

struct path {
	struct step step[MAX_LEVELS];
	unsigned int count;
	uint64_t rights; /* AND of the entries' R/W and U/S */
	bool execute_disable;
	unsigned int key;
	uint64_t gpa;
	uint64_t size;
};

static enum paging_mode mode_of(const struct guest_paging *paging)
{
	if (!(paging->cr0 & CR0_PG))
		return MODE_NONE;
	if (!(paging->cr4 & CR4_PAE))
		return MODE_32BIT;
	return paging->efer & EFER_LMA ? MODE_4LEVEL : MODE_PAE;
}

static bool is_user(const struct guest_paging *paging, uint32_t access)
{
	return paging->cpl == 3 && !(access & WALK_IMPLICIT);
}

static int page_fault(const struct guest_paging *paging, struct guest_walk *walk, uint64_t gva,
		      uint32_t access, uint32_t reason)
{
	/* I/D is defined only where a fetch can fault of itself. */
	bool fetch_shown =
		(paging->cr4 & CR4_SMEP) || ((paging->cr4 & CR4_PAE) && (paging->efer & EFER_NXE));

	walk->fault_gva = gva;
	walk->error_code = reason | (access & WALK_WRITE ? PF_WRITE : 0) |
			   (is_user(paging, access) ? PF_USER : 0) |
			   (access & WALK_FETCH && fetch_shown ? PF_FETCH : 0);
	return -EFAULT;
}

/* Read an entry of 4 or 8 bytes. */
static uint64_t read_entry(const struct guest_walk_memory *memory, uint64_t gpa, unsigned int bytes)
{
	uint64_t value = 0;

	if (memory->read(gpa, &value, bytes))
		return bytes == sizeof(uint64_t) ? ~0ULL : 0xffffffffULL;
	return value;
}

/* ---- the walk: what each entry says */

/* Bits that must be 0 in an entry of 8 bytes; level 1 is the page table. */
static uint64_t reserved_bits(const struct guest_paging *paging, enum paging_mode mode,
			      unsigned int level, uint64_t entry)
{
	/* Bits 62:52 are ignored in 4-level paging and reserved in PAE paging. */
	uint64_t reserved = mode == MODE_PAE ? RANGE(62, 52) : 0;

	if (paging->physical_bits < 52)
		reserved |= RANGE(51, paging->physical_bits);
	if (!(paging->efer & EFER_NXE))
		reserved |= PTE_NX;
	if (level == 4 || (level == 3 && !paging->pages_1g))
		reserved |= PTE_PS;
	if (level == 3 && (entry & PTE_PS))
		reserved |= RANGE(29, 13);
	if (level == 2 && (entry & PTE_PS))
		reserved |= RANGE(20, 13);
	return reserved;
}

static void note_rights(struct path *path, uint64_t entry)
{
	path->rights &= entry;
	path->execute_disable = path->execute_disable || (entry & PTE_NX);
}

static void finish(struct path *path, uint64_t frame, uint64_t size, uint64_t gva)
{
	path->size = size;
	path->gpa = (frame & ~(size - 1)) | (gva & (size - 1));
}

/* From the table at base, level by level, down to the page. */
static enum outcome descend(const struct guest_paging *paging,
			    const struct guest_walk_memory *memory, enum paging_mode mode,
			    unsigned int level, uint64_t base, uint64_t gva, struct path *path)
{
	for (;; level--) {
		const unsigned int shift = PAGE_SHIFT + 9 * (level - 1);
		const uint64_t gpa = base + (gva >> shift & 511) * sizeof(uint64_t);
		const uint64_t entry = read_entry(memory, gpa, sizeof(uint64_t));

		if (!(entry & PTE_P))
			return NOT_PRESENT;
		if (entry & reserved_bits(paging, mode, level, entry))
			return RESERVED_BIT;
		path->step[path->count++] = (struct step){gpa, entry};
		note_rights(path, entry);
		if (level == 1 || (entry & PTE_PS)) {
			path->key = (unsigned int)(entry >> PTE_KEY_SHIFT) & PTE_KEY_MASK;
			finish(path, entry & PTE_ADDR, 1ULL << shift, gva);
			return FOUND;
		}
		base = entry & PTE_ADDR;
	}
}

static enum outcome descend_pae(const struct guest_paging *paging,
				const struct guest_walk_memory *memory, uint64_t gva,
				struct path *path)
{
	/* The registers were checked when they were loaded, and hold no rights. */
	const uint64_t pdpte = paging->pdpte[gva >> 30 & 3];

	if (!(pdpte & PTE_P))
		return NOT_PRESENT;
	return descend(paging, memory, MODE_PAE, 2, pdpte & PTE_ADDR, gva, path);
}

/* "32-Bit Paging": 4 MiB pages have address bits 39:32 in bits 20:13, as many as the CPU has. */
static enum outcome descend_32bit(const struct guest_paging *paging,
				  const struct guest_walk_memory *memory, uint64_t gva,
				  struct path *path)
{
	const unsigned int bits = paging->physical_bits < 40 ? paging->physical_bits : 40;
	uint64_t gpa = (paging->cr3 & 0xfffff000ULL) + (gva >> 22 & 1023) * sizeof(uint32_t);
	uint64_t entry = read_entry(memory, gpa, sizeof(uint32_t));

	if (!(entry & PTE_P))
		return NOT_PRESENT;
	if ((entry & PTE_PS) && (paging->cr4 & CR4_PSE)) {
		if (entry & RANGE(21, bits - 19))
			return RESERVED_BIT;
		path->step[path->count++] = (struct step){gpa, entry};
		note_rights(path, entry);
		finish(path, (entry & 0xffc00000ULL) | (entry >> 13 & 0xff) << 32, 1ULL << 22, gva);
		return FOUND;
	}
	path->step[path->count++] = (struct step){gpa, entry};
	note_rights(path, entry);
	gpa = (entry & 0xfffff000ULL) + (gva >> PAGE_SHIFT & 1023) * sizeof(uint32_t);
	entry = read_entry(memory, gpa, sizeof(uint32_t));
	if (!(entry & PTE_P))
		return NOT_PRESENT;
	path->step[path->count++] = (struct step){gpa, entry};
	note_rights(path, entry);
	finish(path, entry & 0xfffff000ULL, PAGE_SIZE, gva);
	return FOUND;
}

/* ---- "Determination of Access Rights" */

/* May the page's protection key stop this access? SDM: "Protection Keys". */
static bool key_refuses(const struct guest_paging *paging, uint32_t access, const struct path *path,
			bool user_page)
{
	const uint64_t enabled = user_page ? CR4_PKE : CR4_PKS;
	const uint32_t rights = (user_page ? paging->pkru : paging->pkrs) >> (2 * path->key);
	const bool access_disable = rights & 1, write_disable = rights & 2;

	if (mode_of(paging) != MODE_4LEVEL || !(paging->cr4 & enabled) || (access & WALK_FETCH))
		return false;
	if (access_disable)
		return true;
	/* The kernel is bound by WD only where it is bound by R/W. */
	return write_disable && (access & WALK_WRITE) &&
	       ((user_page && is_user(paging, access)) || (paging->cr0 & CR0_WP));
}

static bool supervisor_allowed(const struct guest_paging *paging, uint32_t access,
			       const struct path *path)
{
	const bool user_page = path->rights & PTE_US;

	if (access & WALK_FETCH)
		return !path->execute_disable && !(user_page && (paging->cr4 & CR4_SMEP));
	if (user_page && (paging->cr4 & CR4_SMAP) &&
	    ((access & WALK_IMPLICIT) || !(paging->rflags & RFLAGS_AC)))
		return false;
	return !(access & WALK_WRITE) || (path->rights & PTE_RW) || !(paging->cr0 & CR0_WP);
}

static bool user_allowed(uint32_t access, const struct path *path)
{
	if (!(path->rights & PTE_US))
		return false;
	if (access & WALK_FETCH)
		return !path->execute_disable;
	return !(access & WALK_WRITE) || (path->rights & PTE_RW);
}

/* 0, or PF_* bits of the refusal. */
static uint32_t refusal(const struct guest_paging *paging, uint32_t access, const struct path *path)
{
	bool allowed = is_user(paging, access) ? user_allowed(access, path)
					       : supervisor_allowed(paging, access, path);
	/* PK says that the key alone, or too, would have refused. */
	uint32_t key =
		key_refuses(paging, access, path, path->rights & PTE_US) ? PF_PROTECTION_KEY : 0;

	return allowed && !key ? 0 : PF_PRESENT | key;
}

/* ---- accessed and dirty flags */

static int set_flags(const struct guest_walk_memory *memory, enum paging_mode mode,
		     const struct step *step, uint64_t flags)
{
	const uint64_t qword = step->gpa & ~7ULL;
	const unsigned int shift = (unsigned int)(step->gpa & 7) * 8;
	const uint64_t mask = mode == MODE_32BIT ? 0xffffffffULL << shift : ~0ULL;
	uint64_t expected = step->value;

	if ((step->value & flags) == flags)
		return 0;
	if (mode == MODE_32BIT) {
		if (memory->read(qword, &expected, sizeof(expected)))
			return -EIO;
		/* The entry's half must still be what the walk saw. */
		if ((expected & mask) >> shift != step->value)
			return -EAGAIN;
	}
	return memory->cmpxchg64(qword, &expected, expected | flags << shift);
}

static int set_all_flags(const struct guest_walk_memory *memory, enum paging_mode mode,
			 uint32_t access, const struct path *path)
{
	if (!memory->cmpxchg64)
		return 0;
	for (unsigned int i = 0; i < path->count; i++) {
		bool leaf = i + 1 == path->count;
		uint64_t flags = PTE_A | (leaf && (access & WALK_WRITE) ? PTE_D : 0);
		int error = set_flags(memory, mode, &path->step[i], flags);

		if (error)
			return error == -EAGAIN ? -EAGAIN : -EIO;
	}
	return 0;
}

/* ---- all of it */

static enum outcome walk_once(const struct guest_paging *paging,
			      const struct guest_walk_memory *memory, uint64_t gva,
			      struct path *path)
{
	switch (mode_of(paging)) {
	case MODE_NONE:
		finish(path, gva, PAGE_SIZE, gva);
		return FOUND;
	case MODE_32BIT:
		return descend_32bit(paging, memory, gva, path);
	case MODE_PAE:
		return descend_pae(paging, memory, gva, path);
	default:
		return descend(paging, memory, MODE_4LEVEL, MAX_LEVELS, paging->cr3 & PTE_ADDR, gva,
			       path);
	}
}

int guest_walk(const struct guest_paging *paging, const struct guest_walk_memory *memory,
	       uint64_t gva, uint32_t access, struct guest_walk *walk)
{
	const enum paging_mode mode = mode_of(paging);

	*walk = (struct guest_walk){0};
	if (!(paging->efer & EFER_LMA))
		gva = (uint32_t)gva;
	else if (!gva_canonical(gva))
		return -EINVAL;
	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		struct path path = {.rights = ~0ULL};
		enum outcome outcome = walk_once(paging, memory, gva, &path);
		uint32_t refused = 0;
		int error;

		if (outcome == NOT_PRESENT)
			return page_fault(paging, walk, gva, access, 0);
		if (outcome == RESERVED_BIT)
			return page_fault(paging, walk, gva, access, PF_PRESENT | PF_RESERVED);
		if (mode != MODE_NONE)
			refused = refusal(paging, access, &path);
		if (refused)
			return page_fault(paging, walk, gva, access, refused);
		error = set_all_flags(memory, mode, access, &path);
		if (error == -EAGAIN)
			continue;
		walk->gpa = path.gpa;
		walk->size = path.size;
		return error;
	}
	return -EAGAIN;
}

/* The parts of [gva, gva + len) in its first and, where it crosses over, its second 4 KiB page. */
#define MAX_PARTS 2u
struct part {
	uint64_t gpa;
	size_t len;
};

static int translate_range(const struct guest_paging *paging,
			   const struct guest_walk_memory *memory, uint64_t gva, size_t len,
			   uint32_t access, struct guest_walk *walk, struct part parts[MAX_PARTS])
{
	const size_t left = (size_t)(PAGE_SIZE - (gva & ~PAGE_MASK));
	int error;

	if (len > PAGE_SIZE)
		return -EIO;
	parts[0].len = len < left ? len : left;
	parts[1].len = len - parts[0].len;
	for (unsigned int i = 0; i < MAX_PARTS && parts[i].len; i++) {
		error = guest_walk(paging, memory, gva, access, walk);
		if (error)
			return error;
		parts[i].gpa = walk->gpa;
		gva += parts[i].len;
	}
	return 0;
}

int guest_read_linear(const struct guest_paging *paging, const struct guest_walk_memory *memory,
		      uint64_t gva, void *to, size_t len, uint32_t access, struct guest_walk *walk)
{
	struct part parts[MAX_PARTS];
	uint8_t *bytes = to;
	int error = translate_range(paging, memory, gva, len, access & WALK_IMPLICIT, walk, parts);

	if (error)
		return error;
	for (unsigned int i = 0; i < MAX_PARTS && parts[i].len; i++) {
		if (memory->read(parts[i].gpa, bytes, parts[i].len)) {
			walk->gpa = parts[i].gpa;
			return -EIO;
		}
		bytes += parts[i].len;
	}
	return 0;
}

int guest_write_linear(const struct guest_paging *paging, const struct guest_walk_memory *memory,
		       uint64_t gva, const void *from, size_t len, uint32_t access,
		       struct guest_walk *walk)
{
	struct part parts[MAX_PARTS];
	const uint8_t *bytes = from;
	int error = translate_range(paging, memory, gva, len, (access & WALK_IMPLICIT) | WALK_WRITE,
				    walk, parts);

	if (error)
		return error;
	for (unsigned int i = 0; i < MAX_PARTS && parts[i].len; i++) {
		if (memory->write(parts[i].gpa, bytes, parts[i].len)) {
			walk->gpa = parts[i].gpa;
			return -EIO;
		}
		bytes += parts[i].len;
	}
	return 0;
}
