/* SPDX-License-Identifier: MIT */
/*
 * The frame table: what each 4 KiB frame of RAM is, in one word of the secure space. The word is
 * changed by compare-and-exchange only, from any CPU. Pure.
 *
 * A frame has one type at a time. NONE becomes a page table, or code that may go again, by
 * frame_claim() (type set, nobody else can take a reference yet) and frame_admit(); it becomes NONE
 * again by frame_doom() (nobody can take a reference any more) and frame_free(). A page table is
 * marked by frame_retire() before: the mark goes with the first reference, so that it tells apart a
 * table that nobody has referenced since from one that has been left once more. A reference to a
 * page table is an entry of a page table of the next level that points to it, or, for the top
 * level, a CPU that may load it; one to code is a leaf that executes it.
 *
 * The lock bit serialises the changes of one table's contents. It is held across a wait for
 * other CPUs to leave the guest, which is sound because nobody is waited for who is in root mode
 * (ept/invalidate.h); and nobody takes a second one while holding one.
 */
#ifndef SECPOD_SECPOD_PAGING_FRAME_H
#define SECPOD_SECPOD_PAGING_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/addr.h"
#include "vmm/page_pool.h"

enum frame_type {
	FRAME_NONE = 0, /* ordinary memory of the guest */
	FRAME_L1 = 1,	/* page tables; the number is the level */
	FRAME_L2 = 2,
	FRAME_L3 = 3,
	FRAME_L4 = 4,
	FRAME_CODE = 5,	    /* the kernel's text, as found at ACTIVATE */
	FRAME_CODE_DYN = 6, /* code that came later, or may go */
	FRAME_RODATA = 7,   /* the kernel's constants */
	FRAME_TRAMP = 8,    /* start-up code of CPUs, below 1 MiB */
	FRAME_EFI_RT = 9,   /* runtime services of the firmware */
	FRAME_SECURE = 10,  /* the monitor's */
	FRAME_OUTSIDE = 11, /* no RAM: never in the table, only an answer */
	FRAME_TYPES
};

#define FRAME_LEVELS 4u

#define FRAME_TYPE 15ULL /* enum frame_type */
/* States of a page table, and marks, beside its type. */
#define FRAME_LOCKED (1ULL << 4)    /* one CPU is at its contents */
#define FRAME_CLAIMED (1ULL << 5)   /* becoming a page table: contents not judged yet */
#define FRAME_DOOMED (1ULL << 6)    /* ceasing to be one: no reference can be taken */
#define FRAME_PERMANENT (1ULL << 7) /* stays what it is without references */
#define FRAME_USER_EXEC (1ULL << 8) /* RODATA that user mode executes: the vDSO */
#define FRAME_RETIRED (1ULL << 9)   /* has had no reference since it was put in the list */
/* Code that the kernel goes on writing: of BPF, of kprobes. Of the firmware: it has data there, too. */
#define FRAME_FLUID (1ULL << 10)

/* References, 24 bits; the number of side information behind them, of code its place, 28 bits. */
#define FRAME_REFS_SHIFT 12u
#define FRAME_REFS_MAX ((1ULL << 24) - 1)
#define FRAME_INFO_SHIFT 36u
#define FRAME_INFO_MAX ((1ULL << 28) - 1)

static inline enum frame_type frame_word_type(uint64_t word)
{
	return (enum frame_type)(word & FRAME_TYPE);
}

static inline uint64_t frame_word_refs(uint64_t word)
{
	return word >> FRAME_REFS_SHIFT & FRAME_REFS_MAX;
}

static inline uint64_t frame_word_info(uint64_t word)
{
	return word >> FRAME_INFO_SHIFT;
}

static inline bool frame_is_table(enum frame_type type)
{
	return type >= FRAME_L1 && type <= FRAME_L4;
}

static inline bool frame_is_code(enum frame_type type)
{
	return type == FRAME_CODE || type == FRAME_CODE_DYN || type == FRAME_TRAMP;
}

/* The place of code: number of the page it is executed at, from here on; 0: not known. */
#define FRAME_PLACE_BASE 0xffffffff7ffff000ULL

static inline uint64_t frame_place_of(uint64_t va)
{
	return va > FRAME_PLACE_BASE ? (va - FRAME_PLACE_BASE) >> PAGE_SHIFT : 0;
}

/* frame_word_place - the linear address of the page of code, 0: not known. */
static inline uint64_t frame_word_place(uint64_t word)
{
	const uint64_t place = frame_word_info(word);

	return place ? FRAME_PLACE_BASE + (place << PAGE_SHIFT) : 0;
}

/* By these the same code is told from other code that has come to the frame. */
#define FRAME_CODE_BITS (FRAME_TYPE | FRAME_FLUID | FRAME_INFO_MAX << FRAME_INFO_SHIFT)

struct frames {
	uint64_t *word;	 /* by frame number */
	uint64_t count;	 /* frames below the top of RAM */
	uint16_t *typed; /* by 2 MiB region: frames in it that are not NONE */
	/* Of each type but NONE, those claimed or doomed included: for counting, nothing rests on it. */
	uint64_t of_type[FRAME_TYPES];
};

/*
 * frames_init - the table for [0, ram_top), all frames NONE. ram_top: bytes.
 * Result: 0, -EINVAL (no RAM), -ENOMEM.
 */
int frames_init(struct frames *frames, struct page_pool *pool, uint64_t ram_top);

/* frames_bytes - what frames_init() takes from the pool, in bytes. */
uint64_t frames_bytes(uint64_t ram_top);

/* frame_read - the word of frame number; of one outside the table FRAME_OUTSIDE. */
static inline uint64_t frame_read(const struct frames *frames, uint64_t number)
{
	return number < frames->count ? __atomic_load_n(&frames->word[number], __ATOMIC_ACQUIRE)
				      : FRAME_OUTSIDE;
}

static inline enum frame_type frame_type(const struct frames *frames, uint64_t number)
{
	return frame_word_type(frame_read(frames, number));
}

/*
 * frames_none - are all of count frames from number ordinary memory? For 2 MiB and more the
 * summary is asked first.
 */
bool frames_none(const struct frames *frames, uint64_t number, uint64_t count);

/*
 * frame_set - from one type to another or to the same, neither of them a page table, dropping marks and
 * references.
 * Result: 0, -EBUSY (the frame was not of type from), -EINVAL (number outside the table).
 */
int frame_set(struct frames *frames, uint64_t number, enum frame_type from, enum frame_type to);

/*
 * frame_hold - keep a frame of ordinary memory what it is, while the monitor writes to it in the
 * guest's place: not for longer, and no other lock is waited for. Result: 0; -EPERM (it is
 * something else, or outside the table); -EBUSY (another CPU holds it: try again).
 * frame_release - that is over.
 */
int frame_hold(struct frames *frames, uint64_t number);
void frame_release(struct frames *frames, uint64_t number);

/* frame_mark - set FRAME_PERMANENT, FRAME_USER_EXEC or FRAME_FLUID on a frame in the table. */
void frame_mark(struct frames *frames, uint64_t number, uint64_t mark);

/* frame_note_place - where code that frame_set() made is executed; the first place stays. va: linear. */
void frame_note_place(struct frames *frames, uint64_t number, uint64_t va);

/*
 * Where a level is asked for, FRAME_CODE_LEVEL means a frame of CODE_DYN.
 *
 * frame_claim - NONE becomes a page table of this level, or code; not yet to be referenced. info: of
 * table_info_alloc(), of code frame_place_of() its address. Result: 0; -EBUSY (another CPU was first); -EPERM (the frame is
 * something else, or outside the table).
 */
#define FRAME_CODE_LEVEL 0u
int frame_claim(struct frames *frames, uint64_t number, uint32_t level, uint64_t info);

/*
 * frame_admit - what was claimed has been judged: the caller has the first reference.
 * frame_unclaim - it will not be one.
 */
void frame_admit(struct frames *frames, uint64_t number);
void frame_unclaim(struct frames *frames, uint64_t number);

/*
 * frame_get - take a reference. Result: 0; -EAGAIN (the table is being made or unmade: the guest may
 * try again); -EPERM (it is not of that type); -EOVERFLOW.
 */
int frame_get(struct frames *frames, uint64_t number, uint32_t level);

/*
 * frame_put - give one back, to a page table; frame_put_code, to code: where policy has let leaves
 * execute what was no code then, there may be less to give back, and nothing happens. Result: true
 * when it was the last one.
 */
bool frame_put(struct frames *frames, uint64_t number);
bool frame_put_code(struct frames *frames, uint64_t number);

/*
 * frame_lock - wait for the contents of a page table. Result: 0, and *word is what it is now;
 * -EAGAIN (being made or unmade); -ENOENT (no page table).
 */
int frame_lock(struct frames *frames, uint64_t number, uint64_t *word);
static inline void frame_unlock(struct frames *frames, uint64_t number)
{
	__atomic_fetch_and(&frames->word[number], ~FRAME_LOCKED, __ATOMIC_RELEASE);
}

/*
 * frame_try_lock - the same for a page table of this type that had this word a moment ago, and was not retired
 * then: without a wait.
 * Result: was it locked? (The word may have changed, or another CPU be at it.)
 */
static inline bool frame_try_lock(struct frames *frames, uint64_t number, uint64_t word,
				  enum frame_type type)
{
	return (word & (FRAME_TYPE | FRAME_LOCKED | FRAME_CLAIMED | FRAME_DOOMED |
			FRAME_RETIRED)) == type &&
	       __atomic_compare_exchange_n(&frames->word[number], &word, word | FRAME_LOCKED, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* frame_retire - mark a table that has no references and is not permanent. Result: is it one? */
bool frame_retire(struct frames *frames, uint64_t number);

/*
 * frame_doom - a table with the mark, or code without references, is to be NONE. Result: 0; -EBUSY
 * (it is referenced or permanent, or has been referenced since); -EAGAIN (a CPU is at its contents);
 * -ENOENT (nothing of that kind, or doomed already). frame_undoom - back again. frame_free - and now
 * it is NONE.
 */
int frame_doom(struct frames *frames, uint64_t number);
void frame_undoom(struct frames *frames, uint64_t number);
void frame_free(struct frames *frames, uint64_t number);

#endif
