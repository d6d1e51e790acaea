/* SPDX-License-Identifier: MIT */
/*
 * A program that is linked dynamically: prints the sum of its arguments, made by a library that it opens itself,
 * so that its loader maps and relocates three files.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	void *library = dlopen("libsum.so", RTLD_NOW);
	long (*sum)(const long *numbers, int count);
	long numbers[8];
	int count = 0;

	if (!library)
		return 1;
	*(void **)&sum = dlsym(library, "sum");
	if (!sum)
		return 1;
	for (int i = 1; i < argc && count < 8; i++)
		numbers[count++] = strtol(argv[i], NULL, 10);
	printf("%ld\n", sum(numbers, count));
	return 0;
}
