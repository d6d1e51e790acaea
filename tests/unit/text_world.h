/* SPDX-License-Identifier: MIT */
/* Some pages of kernel text for tests of secpod/text/: read through struct text_code, changed as the test will. */
#ifndef SECPOD_TESTS_UNIT_TEXT_WORLD_H
#define SECPOD_TESTS_UNIT_TEXT_WORLD_H

#include "secpod/text/text.h"

#define BEGIN 0xffffffff81000000ULL
#define PAGES 4u

extern struct text text;
extern uint8_t image[PAGES * PAGE_SIZE]; /* from BEGIN on */

/* text_world_open - no site; each byte of the image is fill, none of them measured. text_world_close - and no memory. */
void text_world_open(uint8_t fill);
void text_world_close(void);

/* For struct text_code. */
int read_code(void *context, uint64_t va, uint8_t *to, size_t len);
bool is_code(void *context, uint64_t va);
int text_world_write(void *context);

extern uint32_t text_world_writes; /* by text_world_write() since text_world_open() */
extern int text_world_error;	   /* what it fails with; 0: it does not */

/* text_world_store - text_store() by a code whose write is text_world_write(). */
int text_world_store(const struct text_code *code, uint64_t va, const void *bytes, uint32_t count);

/* measure - note what the first so many pages are now. */
void measure(uint32_t pages);

/* verified - is the page of va what was measured, but for admitted patches? Result: as text_verify(). */
int verified(uint64_t va);

#endif
