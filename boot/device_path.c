/* SPDX-License-Identifier: MIT */
#include "boot/device_path.h"

#include <errno.h>
#include <string.h>

#include "boot/text.h"

/* UEFI specification, "Generic Device Path Structures" and the tables of node types. */
#define TYPE_HARDWARE 0x01u
#define TYPE_MEDIA 0x04u
#define TYPE_BBS 0x05u
#define TYPE_END 0x7fu
#define SUBTYPE_MEDIA_HARD_DRIVE 0x01u
#define SUBTYPE_MEDIA_FILE 0x04u
#define SUBTYPE_MEDIA_FIRMWARE_FILE 0x06u
#define SUBTYPE_MEDIA_FIRMWARE_VOLUME 0x07u
#define SUBTYPE_HARDWARE_MEMORY_MAPPED 0x03u
#define SUBTYPE_END_ENTIRE 0xffu

#define NODE_HEADER 4u
#define SIGNATURE_NONE 0u

/* The hard-drive node: offsets of its fields and its length. */
#define HARD_DRIVE_NUMBER 4u
#define HARD_DRIVE_START 8u
#define HARD_DRIVE_SIGNATURE 24u
#define HARD_DRIVE_SIGNATURE_TYPE 41u
#define HARD_DRIVE_LENGTH 42u

static const uint8_t end_node[NODE_HEADER] = {TYPE_END, SUBTYPE_END_ENTIRE, NODE_HEADER, 0};

static size_t node_length(const uint8_t *node)
{
	return (size_t)(node[2] | node[3] << 8);
}

static bool node_is(const uint8_t *node, uint8_t type, uint8_t subtype)
{
	return node[0] == type && node[1] == subtype;
}

static bool at_end(const uint8_t *node)
{
	return node[0] == TYPE_END;
}

static bool is_hard_drive(const uint8_t *node)
{
	return node_is(node, TYPE_MEDIA, SUBTYPE_MEDIA_HARD_DRIVE) &&
	       node_length(node) == HARD_DRIVE_LENGTH;
}

static bool is_file(const uint8_t *node)
{
	return node_is(node, TYPE_MEDIA, SUBTYPE_MEDIA_FILE);
}

/* Bytes of all nodes but the end node. */
static size_t nodes_size(const uint8_t *path)
{
	size_t size = 0;

	while (!at_end(path + size))
		size += node_length(path + size);
	return size;
}

size_t device_path_size(const uint8_t *path, size_t size)
{
	size_t at = 0;

	if (size > DEVICE_PATH_MAX)
		size = DEVICE_PATH_MAX;
	while (size - at >= NODE_HEADER) {
		size_t length = node_length(path + at);

		if (length < NODE_HEADER || length > size - at)
			return 0;
		if (at_end(path + at))
			return node_is(path + at, TYPE_END, SUBTYPE_END_ENTIRE) &&
					       length == NODE_HEADER
				       ? at + length
				       : 0;
		at += length;
	}
	return 0;
}

enum device_path_class device_path_class(const uint8_t *path)
{
	bool file = false;

	if (path[0] == TYPE_BBS)
		return DEVICE_PATH_BBS;
	if (is_hard_drive(path))
		return DEVICE_PATH_HARD_DISK;
	for (const uint8_t *node = path; !at_end(node); node += node_length(node)) {
		if (node_is(node, TYPE_MEDIA, SUBTYPE_MEDIA_FIRMWARE_FILE) ||
		    node_is(node, TYPE_MEDIA, SUBTYPE_MEDIA_FIRMWARE_VOLUME) ||
		    node_is(node, TYPE_HARDWARE, SUBTYPE_HARDWARE_MEMORY_MAPPED))
			return DEVICE_PATH_FIRMWARE;
		file = file || is_file(node);
	}
	return file ? DEVICE_PATH_FILE : DEVICE_PATH_DEVICE;
}

static void read_hard_drive(const uint8_t *node, struct partition_id *id)
{
	memcpy(&id->number, node + HARD_DRIVE_NUMBER, sizeof(id->number));
	memcpy(&id->start, node + HARD_DRIVE_START, sizeof(id->start));
	memcpy(id->signature, node + HARD_DRIVE_SIGNATURE, sizeof(id->signature));
	id->signature_type = node[HARD_DRIVE_SIGNATURE_TYPE];
}

bool device_path_last_partition(const uint8_t *path, struct partition_id *id)
{
	bool found = false;

	for (const uint8_t *node = path; !at_end(node); node += node_length(node)) {
		if (is_hard_drive(node)) {
			read_hard_drive(node, id);
			found = true;
		}
	}
	return found;
}

size_t device_path_first_partition(const uint8_t *path, struct partition_id *id)
{
	if (!is_hard_drive(path))
		return 0;
	read_hard_drive(path, id);
	return HARD_DRIVE_LENGTH;
}

bool partition_equal(const struct partition_id *a, const struct partition_id *b)
{
	/* An MBR signature names the disk, so that the partition's number matters as well. */
	return a->signature_type != SIGNATURE_NONE && a->signature_type == b->signature_type &&
	       a->number == b->number && a->start == b->start &&
	       memcmp(a->signature, b->signature, sizeof(a->signature)) == 0;
}

bool device_path_starts(const uint8_t *path, const uint8_t *prefix)
{
	size_t prefix_size = nodes_size(prefix);

	return nodes_size(path) >= prefix_size && memcmp(path, prefix, prefix_size) == 0;
}

static uint16_t unit_at(const uint8_t *bytes, size_t index)
{
	return (uint16_t)(bytes[2 * index] | bytes[2 * index + 1] << 8);
}

size_t device_path_file(const uint8_t *path, uint16_t *name, size_t count)
{
	size_t used = 0;

	for (const uint8_t *node = path; !at_end(node); node += node_length(node)) {
		size_t units = (node_length(node) - NODE_HEADER) / 2;

		if (!is_file(node))
			continue;
		for (size_t i = 0; i < units; i++) {
			uint16_t unit = unit_at(node + NODE_HEADER, i);

			if (unit == 0)
				break;
			/* One separator before each node's name, however they were written. */
			if (i == 0 && unit != '\\' && (used == 0 || name[used - 1] != '\\') &&
			    used + 1 < count)
				name[used++] = '\\';
			if (unit == '\\' && used != 0 && name[used - 1] == '\\')
				continue;
			if (used + 1 >= count)
				return 0;
			name[used++] = unit;
		}
	}
	if (count != 0)
		name[used] = 0;
	return used;
}

static uint16_t fold(uint16_t unit)
{
	return unit >= 'a' && unit <= 'z' ? (uint16_t)(unit - 'a' + 'A') : unit;
}

bool file_name_equal(const uint16_t *a, const uint16_t *b)
{
	size_t i = 0;

	while (a[i] != 0 && fold(a[i]) == fold(b[i]))
		i++;
	return fold(a[i]) == fold(b[i]);
}

size_t device_path_append(uint8_t *out, size_t size, const uint8_t *path, const uint8_t *tail)
{
	size_t path_size = nodes_size(path);
	size_t tail_size = nodes_size(tail);

	if (path_size + tail_size + sizeof(end_node) > size)
		return 0;
	memcpy(out, path, path_size);
	memcpy(out + path_size, tail, tail_size);
	memcpy(out + path_size + tail_size, end_node, sizeof(end_node));
	return path_size + tail_size + sizeof(end_node);
}

size_t device_path_from_file(uint8_t *out, size_t size, const uint16_t *name)
{
	size_t units = 0;
	size_t length;

	while (name[units] != 0)
		units++;
	length = NODE_HEADER + 2 * (units + 1);
	if (length > UINT16_MAX || length + sizeof(end_node) > size)
		return 0;
	out[0] = TYPE_MEDIA;
	out[1] = SUBTYPE_MEDIA_FILE;
	out[2] = (uint8_t)(length & 0xff);
	out[3] = (uint8_t)(length >> 8);
	memcpy(out + NODE_HEADER, name, 2 * (units + 1));
	memcpy(out + length, end_node, sizeof(end_node));
	return length + sizeof(end_node);
}

int load_option_parse(const uint8_t *bytes, size_t size, struct load_option *option)
{
	uint16_t title[sizeof(option->description)] = {0};
	size_t at = sizeof(uint32_t) + sizeof(uint16_t);
	uint16_t list_size;
	size_t units = 0;

	if (size < at)
		return -EINVAL;
	memcpy(&option->attributes, bytes, sizeof(option->attributes));
	memcpy(&list_size, bytes + sizeof(option->attributes), sizeof(list_size));
	for (;; units++) {
		uint16_t unit;

		if (size - at < sizeof(unit))
			return -EINVAL;
		unit = unit_at(bytes + at, 0);
		at += sizeof(unit);
		if (unit == 0)
			break;
		if (units < sizeof(option->description) - 1)
			title[units] = unit;
	}
	text_from_ucs2(option->description, sizeof(option->description), title,
		       sizeof(option->description));
	if (list_size > size - at)
		return -EINVAL;
	option->path = bytes + at;
	option->path_size = device_path_size(option->path, list_size);
	if (option->path_size == 0)
		return -EINVAL;
	option->optional = bytes + at + list_size;
	option->optional_size = size - at - list_size;
	return 0;
}
