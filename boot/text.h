/* SPDX-License-Identifier: MIT */
/*
 * Text for messages and paths: bounded formatting, and conversion between UTF-8 (configuration) and
 * UCS-2 (UEFI). Pure: compiled unchanged on the host.
 */
#ifndef SECPOD_BOOT_TEXT_H
#define SECPOD_BOOT_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text_format, text_vformat - format into buffer, always NUL-terminated.
 * Known conversions: %s %c %u %x %lu %lx %%; anything else is copied as it stands.
 * buffer, size: destination and its size in bytes, at least 1.
 * Result: characters written, without the NUL; a longer text is cut.
 */
size_t text_format(char *buffer, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat(char *buffer, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

/*
 * text_printable - copy bytes for display: everything but printable ASCII becomes '?', so that no
 * input can send control sequences to a terminal. Cut to fit, NUL-terminated.
 */
void text_printable(char *buffer, size_t size, const char *bytes, size_t length);

/*
 * text_to_ucs2 - UTF-8 to UCS-2, NUL-terminated.
 * out, out_count: destination and its size in 16-bit units, the NUL included.
 * Result: units written without the NUL; -EILSEQ for malformed UTF-8 or a character outside the
 * basic plane, -ENOSPC when out is too small.
 */
int text_to_ucs2(uint16_t *out, size_t out_count, const char *bytes, size_t length);

/* text_from_ucs2 - UCS-2 for display, at most count units or up to a NUL; as text_printable(). */
void text_from_ucs2(char *buffer, size_t size, const uint16_t *text, size_t count);

/* text_equal - are the first length bytes of bytes exactly the string word? */
bool text_equal(const char *bytes, size_t length, const char *word);

#endif
