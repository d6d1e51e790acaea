/* SPDX-License-Identifier: MIT */
#include "boot/text.h"

#include <errno.h>
#include <string.h>

/* Digits of 2^64 - 1 in decimal. */
#define MAX_DIGITS 20

struct sink {
	char *buffer;
	size_t size;
	size_t used;
};

static void put(struct sink *sink, char c)
{
	if (sink->used + 1 < sink->size)
		sink->buffer[sink->used++] = c;
}

static void put_number(struct sink *sink, uint64_t value, unsigned int base)
{
	char digits[MAX_DIGITS];
	size_t count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	while (count != 0)
		put(sink, digits[--count]);
}

static void put_string(struct sink *sink, const char *string)
{
	while (*string != '\0')
		put(sink, *string++);
}

size_t text_vformat(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct sink sink = {.buffer = buffer, .size = size};

	for (; *format != '\0'; format++) {
		bool wide = format[0] == '%' && format[1] == 'l';
		char conversion = wide ? format[2] : format[1];

		if (*format != '%') {
			put(&sink, *format);
			continue;
		}
		if (conversion == 'u' || conversion == 'x') {
			uint64_t value = wide ? va_arg(arguments, unsigned long)
					      : va_arg(arguments, unsigned int);

			put_number(&sink, value, conversion == 'u' ? 10 : 16);
		} else if (conversion == 's' && !wide) {
			put_string(&sink, va_arg(arguments, const char *));
		} else if (conversion == 'c' && !wide) {
			put(&sink, (char)va_arg(arguments, int));
		} else if (conversion == '%' && !wide) {
			put(&sink, '%');
		} else {
			put(&sink, '%');
			continue;
		}
		format += wide ? 2 : 1;
	}
	buffer[sink.used] = '\0';
	return sink.used;
}

size_t text_format(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	size_t used;

	va_start(arguments, format);
	used = text_vformat(buffer, size, format, arguments);
	va_end(arguments);
	return used;
}

static char printable(uint32_t c)
{
	return c >= ' ' && c <= '~' ? (char)c : '?';
}

void text_printable(char *buffer, size_t size, const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length && i + 1 < size; i++)
		buffer[i] = printable((unsigned char)bytes[i]);
	buffer[i] = '\0';
}

void text_from_ucs2(char *buffer, size_t size, const uint16_t *text, size_t count)
{
	size_t i;

	for (i = 0; i < count && text[i] != 0 && i + 1 < size; i++)
		buffer[i] = printable(text[i]);
	buffer[i] = '\0';
}

/*
 * One character of UTF-8. Result: bytes used, 0 when malformed: a stray or missing continuation
 * byte, an overlong form, a surrogate, or a character that UCS-2 cannot hold.
 */
static size_t decode_utf8(const unsigned char *bytes, size_t length, uint16_t *character)
{
	uint32_t c = bytes[0];

	if (c < 0x80) {
		*character = (uint16_t)c;
		return 1;
	}
	if ((c & 0xe0) == 0xc0 && length >= 2 && (bytes[1] & 0xc0) == 0x80) {
		c = (c & 0x1f) << 6 | (bytes[1] & 0x3fu);
		*character = (uint16_t)c;
		return c >= 0x80 ? 2 : 0;
	}
	if ((c & 0xf0) == 0xe0 && length >= 3 && (bytes[1] & 0xc0) == 0x80 &&
	    (bytes[2] & 0xc0) == 0x80) {
		c = (c & 0x0f) << 12 | (bytes[1] & 0x3fu) << 6 | (bytes[2] & 0x3fu);
		*character = (uint16_t)c;
		return c >= 0x800 && (c < 0xd800 || c > 0xdfff) ? 3 : 0;
	}
	return 0;
}

int text_to_ucs2(uint16_t *out, size_t out_count, const char *bytes, size_t length)
{
	const unsigned char *in = (const unsigned char *)bytes;
	size_t used = 0;

	while (length != 0) {
		uint16_t character;
		size_t step = decode_utf8(in, length, &character);

		if (step == 0)
			return -EILSEQ;
		if (used + 1 >= out_count)
			return -ENOSPC;
		out[used++] = character;
		in += step;
		length -= step;
	}
	if (out_count == 0)
		return -ENOSPC;
	out[used] = 0;
	return (int)used;
}

bool text_equal(const char *bytes, size_t length, const char *word)
{
	return strlen(word) == length && memcmp(bytes, word, length) == 0;
}
