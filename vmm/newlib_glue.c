/* SPDX-License-Identifier: MIT */
/*
 * What newlib's formatted output refers to and the monitor does not have.
 *
 * The monitor has no heap. newlib's integer formatter asks for memory in the asprintf() family only, which is
 * not built; its answer to a failed request is an error result. It asks for the locale's grouping
 * for the "'" flag only: here as in the C locale nothing is grouped.
 *
 * errno lives in one structure for all CPUs (newlib is built without threads): the monitor's own functions
 * return their error and nobody reads errno. newlib's own instance of the structure refers to the
 * standard streams; this one starts as zeros, which is all that the functions in use need.
 */
#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <reent.h>
#include <stddef.h>

static struct _reent reent_of_all_cpus;
struct _reent *_impure_ptr = &reent_of_all_cpus;

void *_malloc_r(struct _reent *reent, size_t size)
{
	(void)size;
	reent->_errno = ENOMEM;
	return NULL;
}

void *_realloc_r(struct _reent *reent, void *old, size_t size)
{
	(void)old;
	(void)size;
	reent->_errno = ENOMEM;
	return NULL;
}

void _free_r(struct _reent *reent, void *memory)
{
	(void)reent;
	(void)memory;
}

struct lconv *_localeconv_r(struct _reent *reent)
{
	static char none[] = "";
	static char point[] = ".";
	static struct lconv c_locale = {
		.decimal_point = point,
		.thousands_sep = none,
		.grouping = none,
	};

	(void)reent;
	return &c_locale;
}
