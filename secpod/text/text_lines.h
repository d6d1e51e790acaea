/* SPDX-License-Identifier: MIT */
/* The sites of the kernel's text that are patched, as lines for the monitor's own log. Pure. */
#ifndef SECPOD_SECPOD_TEXT_TEXT_LINES_H
#define SECPOD_SECPOD_TEXT_TEXT_LINES_H

#include "secpod/text/text.h"

/* Tracing can patch every function of the kernel, and at 115200 baud so many lines take half a second. */
#define TEXT_LINES 64u
#define TEXT_LINE_SIZE 96u

/*
 * text_tell - print() gets a line for each site, TEXT_LINES of them at most, between one that says how many there are and one that
 * says how many are left out; nothing where there is no site. next: text_site_after(); in a panic text_site_peek().
 */
typedef uint32_t (*text_next)(struct text *text, uint32_t number, struct text_site *site);
void text_tell(struct text *text, text_next next, void (*print)(const char *line));

#endif
