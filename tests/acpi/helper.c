/* SPDX-License-Identifier: MIT */
/*
 * A link of the test machines' boot chain. Reads a text file that lies beside it under its own name with
 * the extension .txt (\EFI\BOOT\BOOTX64.EFI: \EFI\BOOT\BOOTX64.txt), lines "key = value":
 *
 *	acpi = yes	install ACPI tables where the firmware has none
 *	next = \path	the image to start, on the same volume
 *	options = text	its load options
 *	mark = name	print "MARK name tsc=N" on COM1 just before it starts
 *	attempts = N	have the UEFI variable of SecPod's boot-attempt counter say N
 *
 * In the emulator the TSC counts instructions, so that two marks measure what lies between them.
 */
#include <efi.h>

#include "efi_extra.h"
#include "tables.h"

#define COM1 0x3f8u
#define UART_LSR (COM1 + 5u)
#define UART_LSR_THRE 0x20u

#define FILE_MAX 4096u
#define PATH_MAX 256u

static EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static EFI_GUID device_path_guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
static EFI_GUID file_system_guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
static EFI_GUID acpi20_guid = ACPI_20_TABLE_GUID;
static EFI_GUID acpi_table_guid = ACPI_TABLE_PROTOCOL_GUID;
static EFI_GUID mp_services_guid = MP_SERVICES_PROTOCOL_GUID;

struct settings {
	const char *next, *options, *mark, *attempts;
	BOOLEAN acpi;
};

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static void outb(UINT16 port, UINT8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static UINT8 inb(UINT16 port)
{
	UINT8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static UINT64 rdtsc(void)
{
	UINT32 low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (UINT64)high << 32 | low;
}

/* Straight to the port: the firmware's console may be elsewhere, and its time is not to be measured. */
static void say(const char *text)
{
	for (; *text; text++) {
		while (!(inb(UART_LSR) & UART_LSR_THRE))
			;
		outb(COM1, (UINT8)*text);
	}
}

static void say_number(UINT64 value, UINT64 base)
{
	char digits[24];
	UINTN at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	say(digits + at);
}

static EFI_STATUS failed(const char *what, EFI_STATUS status)
{
	say("helper: ");
	say(what);
	say(" failed: ");
	say_number(status & ~EFI_ERROR_MASK, 10);
	say("\r\n");
	return status;
}

static BOOLEAN same_guid(const EFI_GUID *a, const EFI_GUID *b)
{
	const UINT8 *x = (const UINT8 *)a, *y = (const UINT8 *)b;

	for (UINTN i = 0; i < sizeof(*a); i++) {
		if (x[i] != y[i])
			return FALSE;
	}
	return TRUE;
}

/* Node lengths may be unaligned in memory; DevicePathNodeLength() reads bytes. */
static const EFI_DEVICE_PATH *next_node(const EFI_DEVICE_PATH *node)
{
	return (const EFI_DEVICE_PATH *)((const UINT8 *)node + DevicePathNodeLength(node));
}

/* This image's own path with the extension changed; FALSE when the loader did not say it or it has none. */
static BOOLEAN settings_path(const EFI_DEVICE_PATH *node, CHAR16 *path)
{
	static const CHAR16 extension[] = {'.', 't', 'x', 't', 0};
	UINTN length = 0;

	for (; node && !IsDevicePathEnd(node); node = next_node(node)) {
		const CHAR16 *name = (const CHAR16 *)(node + 1);
		UINTN units = (DevicePathNodeLength(node) - sizeof(*node)) / sizeof(CHAR16);

		if (DevicePathType(node) != MEDIA_DEVICE_PATH ||
		    DevicePathSubType(node) != MEDIA_FILEPATH_DP)
			continue;
		for (UINTN i = 0; i < units && name[i] && length < PATH_MAX - 1; i++)
			path[length++] = name[i];
	}
	while (length && path[length - 1] != '.')
		length--;
	if (!length || length + 4 > PATH_MAX)
		return FALSE;
	for (UINTN i = 0; i < sizeof(extension) / sizeof(extension[0]); i++)
		path[length - 1 + i] = extension[i];
	return TRUE;
}

static EFI_STATUS read_file(EFI_BOOT_SERVICES *bs, EFI_HANDLE volume, CHAR16 *path, char *text)
{
	EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *fs;
	EFI_FILE_PROTOCOL *root, *file;
	UINTN size = FILE_MAX - 1;
	EFI_STATUS status = bs->HandleProtocol(volume, &file_system_guid, (VOID **)&fs);

	if (EFI_ERROR(status))
		return status;
	status = fs->OpenVolume(fs, &root);
	if (EFI_ERROR(status))
		return status;
	status = root->Open(root, &file, path, EFI_FILE_MODE_READ, 0);
	if (!EFI_ERROR(status)) {
		status = file->Read(file, &size, text);
		text[EFI_ERROR(status) ? 0 : size] = '\0';
		file->Close(file);
	}
	root->Close(root);
	return status;
}

static BOOLEAN is_key(const char *line, const char *key, char **value)
{
	while (*key && *line == *key) {
		line++;
		key++;
	}
	if (*key)
		return FALSE;
	while (*line == ' ')
		line++;
	if (*line++ != '=')
		return FALSE;
	while (*line == ' ')
		line++;
	*value = (char *)line;
	return TRUE;
}

/* Cuts the text into lines; the settings point into it. */
static void parse(char *text, struct settings *settings)
{
	char *line = text, *value;

	while (*line) {
		char *end = line;
		BOOLEAN last;

		while (*end && *end != '\n')
			end++;
		last = !*end;
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		if (is_key(line, "next", &value))
			settings->next = value;
		else if (is_key(line, "options", &value))
			settings->options = value;
		else if (is_key(line, "mark", &value))
			settings->mark = value;
		else if (is_key(line, "attempts", &value))
			settings->attempts = value;
		else if (is_key(line, "acpi", &value))
			settings->acpi = *value == 'y';
		else if (*line && *line != '#') {
			say("helper: not understood: ");
			say(line);
			say("\r\n");
		}
		if (last)
			break;
		line = end + 1;
	}
}

static UINT32 find_cpus(EFI_BOOT_SERVICES *bs, UINT32 *apic_id)
{
	struct mp_services_protocol *mp;
	struct processor_info info;
	UINTN all = 0, enabled;
	UINT32 others = 1;

	apic_id[0] = 0;
	if (EFI_ERROR(bs->LocateProtocol(&mp_services_guid, NULL, (VOID **)&mp)) ||
	    EFI_ERROR(mp->get_number(mp, &all, &enabled)))
		return 1;
	for (UINTN i = 0; i < all && others < TABLES_MAX_CPUS; i++) {
		if (EFI_ERROR(mp->get_info(mp, i, &info)))
			continue;
		if (info.status & PROCESSOR_AS_BSP_BIT)
			apic_id[0] = (UINT32)info.processor_id;
		else
			apic_id[others++] = (UINT32)info.processor_id;
	}
	return others;
}

static BOOLEAN firmware_has_acpi(const EFI_SYSTEM_TABLE *system)
{
	for (UINTN i = 0; i < system->NumberOfTableEntries; i++) {
		if (same_guid(&system->ConfigurationTable[i].VendorGuid, &acpi20_guid))
			return TRUE;
	}
	return FALSE;
}

static EFI_STATUS install_acpi(EFI_BOOT_SERVICES *bs)
{
	UINT32 apic_id[TABLES_MAX_CPUS];
	UINT32 cpus = find_cpus(bs, apic_id);
	/* The protocol points the FADT to the DSDT, in whichever order they come. */
	const struct acpi_header *const tables[] = {tables_dsdt(), tables_fadt(),
						    tables_madt(apic_id, cpus)};
	struct acpi_table_protocol *acpi;
	UINTN key;
	EFI_STATUS status = bs->LocateProtocol(&acpi_table_guid, NULL, (VOID **)&acpi);

	for (UINTN i = 0; !EFI_ERROR(status) && i < sizeof(tables) / sizeof(tables[0]); i++)
		status = acpi->install(acpi, tables[i], tables[i]->length, &key);
	if (EFI_ERROR(status))
		return failed("installing the ACPI tables", status);
	say("helper: ACPI tables for ");
	say_number(cpus, 10);
	say(" CPUs\r\n");
	return EFI_SUCCESS;
}

/* As docs/configuration.md describes it: the emulated machine's firmware forgets variables in a reset. */
static EFI_STATUS set_attempts(EFI_RUNTIME_SERVICES *rs, const char *digits)
{
	static CHAR16 name[] = {'S', 'e', 'c', 'P', 'o', 'd', 'B', 'o', 'o', 't',
				'A', 't', 't', 'e', 'm', 'p', 't', 's', 0};
	static EFI_GUID vendor = {
		0x5ec9d0d1, 0x7b1c, 0x4d0e, {0x9a, 0x5f, 0x53, 0x65, 0x63, 0x50, 0x6f, 0x64}};
	UINT32 value = 0;
	EFI_STATUS status;

	for (; *digits >= '0' && *digits <= '9'; digits++)
		value = value * 10 + (UINT32)(*digits - '0');
	status = rs->SetVariable(name, &vendor,
				 EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS |
					 EFI_VARIABLE_RUNTIME_ACCESS,
				 sizeof(value), &value);
	return EFI_ERROR(status) ? failed("setting the counter", status) : status;
}

static UINTN widen(const char *text, CHAR16 *wide, UINTN units)
{
	UINTN n = 0;

	for (; n < units - 1 && text[n]; n++)
		wide[n] = (CHAR16)(UINT8)text[n];
	wide[n] = 0;
	return n + 1;
}

static void put_node_header(EFI_DEVICE_PATH *node, UINT8 type, UINT8 subtype, UINTN length)
{
	node->Type = type;
	node->SubType = subtype;
	node->Length[0] = (UINT8)length;
	node->Length[1] = (UINT8)(length >> 8);
}

/* The path of a file on a volume: the volume's own path and one file node. */
static EFI_STATUS file_path(EFI_BOOT_SERVICES *bs, EFI_HANDLE volume, const char *name,
			    EFI_DEVICE_PATH **path)
{
	CHAR16 wide[PATH_MAX];
	UINTN bytes = widen(name, wide, PATH_MAX) * sizeof(CHAR16);
	EFI_DEVICE_PATH *base;
	const EFI_DEVICE_PATH *end;
	EFI_DEVICE_PATH *node;
	UINTN size;
	EFI_STATUS status = bs->HandleProtocol(volume, &device_path_guid, (VOID **)&base);

	if (EFI_ERROR(status))
		return status;
	for (end = base; !IsDevicePathEnd(end);)
		end = next_node(end);
	size = (UINTN)((const UINT8 *)end - (const UINT8 *)base);
	status = bs->AllocatePool(EfiLoaderData, size + 2 * sizeof(*node) + bytes, (VOID **)path);
	if (EFI_ERROR(status))
		return status;
	bs->CopyMem(*path, base, size);
	node = (EFI_DEVICE_PATH *)((UINT8 *)*path + size);
	put_node_header(node, MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, sizeof(*node) + bytes);
	bs->CopyMem(node + 1, wide, bytes);
	node = (EFI_DEVICE_PATH *)((UINT8 *)node + sizeof(*node) + bytes);
	put_node_header(node, END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, sizeof(*node));
	return EFI_SUCCESS;
}

static EFI_STATUS start_next(EFI_BOOT_SERVICES *bs, EFI_HANDLE self, EFI_HANDLE volume,
			     const struct settings *settings)
{
	static CHAR16 options[FILE_MAX];
	EFI_DEVICE_PATH *path;
	EFI_LOADED_IMAGE *loaded;
	EFI_HANDLE next = NULL;
	UINT64 tsc;
	EFI_STATUS status = file_path(bs, volume, settings->next, &path);

	if (EFI_ERROR(status))
		return failed("making the path of the next image", status);
	status = bs->LoadImage(FALSE, self, path, NULL, 0, &next);
	if (EFI_ERROR(status))
		return failed("loading the next image", status);
	if (settings->options) {
		status = bs->HandleProtocol(next, &loaded_image_guid, (VOID **)&loaded);
		if (EFI_ERROR(status))
			return failed("setting load options", status);
		loaded->LoadOptionsSize =
			(UINT32)(widen(settings->options, options, FILE_MAX) * sizeof(CHAR16));
		loaded->LoadOptions = options;
	}
	if (settings->mark) {
		tsc = rdtsc();
		say("MARK ");
		say(settings->mark);
		say(" tsc=");
		say_number(tsc, 10);
		say("\r\n");
	}
	status = bs->StartImage(next, NULL, NULL);
	return failed("the next image returned; it", status);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	static CHAR16 path[PATH_MAX];
	static char text[FILE_MAX];
	EFI_BOOT_SERVICES *bs = system->BootServices;
	struct settings settings = {0};
	EFI_LOADED_IMAGE *self;
	EFI_STATUS status = bs->HandleProtocol(image, &loaded_image_guid, (VOID **)&self);

	if (EFI_ERROR(status))
		return failed("finding itself", status);
	if (!settings_path(self->FilePath, path))
		return failed("finding its settings", EFI_NOT_FOUND);
	status = read_file(bs, self->DeviceHandle, path, text);
	if (EFI_ERROR(status))
		return failed("reading its settings", status);
	parse(text, &settings);
	if (settings.acpi && !firmware_has_acpi(system)) {
		status = install_acpi(bs);
		if (EFI_ERROR(status))
			return status;
	}
	if (settings.attempts) {
		status = set_attempts(system->RuntimeServices, settings.attempts);
		if (EFI_ERROR(status))
			return status;
	}
	if (!settings.next)
		return failed("finding the next image's name", EFI_NOT_FOUND);
	return start_next(bs, image, self->DeviceHandle, &settings);
}
