/* SPDX-License-Identifier: MIT */
/*
 * Device paths and boot options as bytes: checking, comparing and building. They come from
 * variables that anyone may have written, so nothing is read before its bounds are known. Pure:
 * compiled unchanged on the host.
 */
#ifndef SECPOD_BOOT_DEVICE_PATH_H
#define SECPOD_BOOT_DEVICE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest path looked at, in bytes, and longest file name in it, in 16-bit units with the NUL. */
#define DEVICE_PATH_MAX 4096u
#define DEVICE_PATH_FILE_MAX 512u

/* What tells one partition from all others: UEFI specification, "Hard Drive". */
struct partition_id {
	uint32_t number;
	uint64_t start;
	uint8_t signature[16];
	uint8_t signature_type;
};

enum device_path_class {
	DEVICE_PATH_FILE,      /* names a file on a partition or a whole path to one */
	DEVICE_PATH_HARD_DISK, /* starts with a hard-drive node: the short form, to be completed */
	DEVICE_PATH_DEVICE,    /* a device without a file */
	DEVICE_PATH_FIRMWARE,  /* inside the firmware: its own applications */
	DEVICE_PATH_BBS,       /* BIOS boot: nothing for us */
};

/* EFI_LOAD_OPTION, UEFI specification "Load Options". */
#define LOAD_OPTION_ACTIVE 0x00000001u
#define LOAD_OPTION_CATEGORY 0x00001f00u
#define LOAD_OPTION_CATEGORY_BOOT 0x00000000u

struct load_option {
	uint32_t attributes;
	char description[64];	 /* for display */
	const uint8_t *path;	 /* first device path of the list, in the variable's bytes */
	size_t path_size;	 /* its end node included */
	const uint8_t *optional; /* what the image gets as its load options */
	size_t optional_size;
};

/*
 * device_path_size - length of the path in bytes, its end node included.
 * Result: 0 when it is malformed, has several instances, or does not end within size bytes.
 */
size_t device_path_size(const uint8_t *path, size_t size);

/* The following want a path that device_path_size() has accepted. */

enum device_path_class device_path_class(const uint8_t *path);

/*
 * device_path_last_partition - the last hard-drive node of the path.
 * Result: false when it has none.
 */
bool device_path_last_partition(const uint8_t *path, struct partition_id *id);

/*
 * device_path_first_partition - the hard-drive node that a short-form path starts with.
 * Result: its length in bytes, 0 when the path does not start with one.
 */
size_t device_path_first_partition(const uint8_t *path, struct partition_id *id);

/* partition_equal - are they the same partition? Without a signature nothing is. */
bool partition_equal(const struct partition_id *a, const struct partition_id *b);

/* device_path_starts - does path begin with the nodes of prefix? */
bool device_path_starts(const uint8_t *path, const uint8_t *prefix);

/*
 * device_path_file - the file name, joined from all file nodes, with one backslash in front and
 * between.
 * name, count: destination and its size in 16-bit units.
 * Result: units without the NUL; 0 when there is none or it does not fit.
 */
size_t device_path_file(const uint8_t *path, uint16_t *name, size_t count);

/* file_name_equal - as FAT compares names: the case of A to Z does not matter. */
bool file_name_equal(const uint16_t *a, const uint16_t *b);

/*
 * device_path_append - out becomes the nodes of path followed by those of tail.
 * out, size: destination and its size in bytes.
 * Result: bytes written, 0 when it does not fit.
 */
size_t device_path_append(uint8_t *out, size_t size, const uint8_t *path, const uint8_t *tail);

/*
 * device_path_from_file - a path of one file node.
 * name: NUL-terminated. Result: bytes written, 0 when it does not fit.
 */
size_t device_path_from_file(uint8_t *out, size_t size, const uint16_t *name);

/* load_option_parse - take a Boot#### variable apart. Result: 0 or -EINVAL. */
int load_option_parse(const uint8_t *bytes, size_t size, struct load_option *option);

#endif
