/* SPDX-License-Identifier: MIT */
#include "vmm/acpi_reset.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define TABLE_MAX 0x10000u /* bytes; an FADT has some 300, a root table 8 for each table */
#define CHUNK 64u

struct __attribute__((packed)) rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
};
_Static_assert(sizeof(struct rsdp) == 36, "ACPI Root System Description Pointer");
#define RSDP_V1_SIZE 20u

struct __attribute__((packed)) table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[26];
};
_Static_assert(sizeof(struct table_header) == 36, "ACPI System Description Table Header");

struct __attribute__((packed)) generic_address {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size;
	uint64_t address;
};

/* As far as it matters here. */
struct __attribute__((packed)) fadt {
	struct table_header header;
	uint8_t other[76];
	uint32_t flags;
	struct generic_address reset;
	uint8_t reset_value;
};
_Static_assert(offsetof(struct fadt, flags) == 112, "ACPI Fixed ACPI Description Table");
_Static_assert(offsetof(struct fadt, reset) == 116, "ACPI Fixed ACPI Description Table");

#define FADT_RESET_REG_SUP (1u << 10)
#define SPACE_IO 1u
#define PORT_MAX 0xffffu

static int checksum_ok(const struct acpi_reader *reader, uint64_t hpa, uint64_t length)
{
	uint8_t bytes[CHUNK];
	uint8_t sum = 0;

	for (uint64_t done = 0; done < length;) {
		uint64_t step = length - done < CHUNK ? length - done : CHUNK;
		int error = reader->read(reader->context, hpa + done, bytes, step);

		if (error)
			return error;
		for (uint64_t i = 0; i < step; i++)
			sum = (uint8_t)(sum + bytes[i]);
		done += step;
	}
	return sum == 0 ? 0 : -EINVAL;
}

/* Header of the table at hpa, with its length believable and its checksum right. */
static int open_table(const struct acpi_reader *reader, uint64_t hpa, struct table_header *header)
{
	int error = reader->read(reader->context, hpa, header, sizeof(*header));

	if (error)
		return error;
	if (header->length < sizeof(*header) || header->length > TABLE_MAX ||
	    hpa + header->length < hpa)
		return -EINVAL;
	return checksum_ok(reader, hpa, header->length);
}

static int read_fadt(const struct acpi_reader *reader, uint64_t hpa, struct acpi_reset *reset)
{
	struct table_header header;
	struct fadt fadt;
	int error = open_table(reader, hpa, &header);

	if (error)
		return error;
	if (header.length < sizeof(fadt))
		return -ENOENT; /* ACPI 1.0 */
	error = reader->read(reader->context, hpa, &fadt, sizeof(fadt));
	if (error)
		return error;
	if (!(fadt.flags & FADT_RESET_REG_SUP))
		return -ENOENT;
	if (fadt.reset.space != SPACE_IO || fadt.reset.bit_width != 8 ||
	    fadt.reset.bit_offset != 0 || fadt.reset.address == 0 || fadt.reset.address > PORT_MAX)
		return -ENOTSUP;
	*reset = (struct acpi_reset){(uint16_t)fadt.reset.address, fadt.reset_value};
	return 0;
}

/* The root table's entries are 32-bit (RSDT) or 64-bit (XSDT) addresses. */
static int search_root(const struct acpi_reader *reader, uint64_t root, uint32_t entry_size,
		       const char *signature, struct acpi_reset *reset)
{
	struct table_header header;
	int error = open_table(reader, root, &header);

	if (error)
		return error;
	if (memcmp(header.signature, signature, sizeof(header.signature)) != 0)
		return -EINVAL;
	for (uint64_t at = sizeof(header); at + entry_size <= header.length; at += entry_size) {
		struct table_header entry;
		uint64_t hpa = 0;

		error = reader->read(reader->context, root + at, &hpa, entry_size);
		if (error)
			return error;
		/* Entries that lead nowhere are other tables' trouble. */
		if (reader->read(reader->context, hpa, &entry, sizeof(entry)))
			continue;
		if (memcmp(entry.signature, "FACP", sizeof(entry.signature)) == 0)
			return read_fadt(reader, hpa, reset);
	}
	return -ENOENT;
}

int acpi_find_reset(const struct acpi_reader *reader, uint64_t rsdp, struct acpi_reset *reset)
{
	struct rsdp root = {0};
	int error;

	if (!rsdp)
		return -ENOENT;
	error = reader->read(reader->context, rsdp, &root, RSDP_V1_SIZE);
	if (!error && memcmp(root.signature, "RSD PTR ", sizeof(root.signature)) != 0)
		error = -EINVAL;
	if (!error)
		error = checksum_ok(reader, rsdp, RSDP_V1_SIZE);
	if (error)
		return error;
	if (root.revision < 2)
		return search_root(reader, root.rsdt, 4, "RSDT", reset);
	error = reader->read(reader->context, rsdp, &root, sizeof(root));
	if (!error)
		error = checksum_ok(reader, rsdp, sizeof(root));
	if (error)
		return error;
	if (!root.xsdt)
		return search_root(reader, root.rsdt, 4, "RSDT", reset);
	return search_root(reader, root.xsdt, 8, "XSDT", reset);
}
