/* SPDX-License-Identifier: MIT */
/* The library that program.c opens. The pointer is there to be relocated. */

long sum(const long *numbers, int count);

static long base;
static long *const where = &base;

long sum(const long *numbers, int count)
{
	for (int i = 0; i < count; i++)
		*where += numbers[i];
	return *where;
}
