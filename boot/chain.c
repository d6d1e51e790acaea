/* SPDX-License-Identifier: MIT */
/*
 * Secure Boot: LoadImage() has the firmware verify each image against db and dbx before it runs,
 * and an image that is refused is not started, whatever the configuration says. A loader signed for
 * shim only is refused by the firmware: name shim itself as next, and shim verifies the loader.
 */
#include "boot/chain.h"

#include <string.h>

#include "boot/text.h"
#include "boot/volumes.h"

/* What the firmware's boot manager gives a boot option. */
#define WATCHDOG_SECONDS 300u
/* Boot options are some hundred bytes; BootOrder has two for each. */
#define VARIABLE_MAX 0x10000u
#define NAME_LENGTH 80u

static EFI_GUID global_variable_guid = EFI_GLOBAL_VARIABLE;

struct image {
	const char *name; /* for display */
	struct full_path path;
	const void *options;
	size_t options_size;
};

/* What became of the images so far. */
struct chain {
	const struct config *config;
	EFI_STATUS status;
};

static void set_options(EFI_HANDLE handle, const struct image *image)
{
	EFI_GUID guid = LOADED_IMAGE_PROTOCOL;
	EFI_LOADED_IMAGE *loaded = protocol_on(handle, &guid);
	void *options;

	if (loaded == NULL || image->options_size == 0)
		return;
	/* It outlives this function, and this program. */
	options = memory_get(image->options_size);
	if (options == NULL)
		return;
	memcpy(options, image->options, image->options_size);
	loaded->LoadOptions = options;
	loaded->LoadOptionsSize = (UINT32)image->options_size;
}

static void start(struct chain *chain, const struct image *image)
{
	EFI_HANDLE handle = NULL;
	EFI_STATUS status = boot_services->LoadImage(
		TRUE, own_image, (EFI_DEVICE_PATH *)(uintptr_t)image->path.bytes, NULL, 0, &handle);

	if (EFI_ERROR(status)) {
		say("%s cannot be loaded (%s)", image->name, status_text(status));
		/* It is there, but may not run. */
		if (status == EFI_SECURITY_VIOLATION && handle != NULL)
			boot_services->UnloadImage(handle);
		return;
	}
	set_options(handle, image);
	say("starting %s", image->name);
	boot_services->SetWatchdogTimer(WATCHDOG_SECONDS, WATCHDOG_CODE, 0, NULL);
	chain->status = boot_services->StartImage(handle, NULL, NULL);
	boot_services->SetWatchdogTimer(0, WATCHDOG_CODE, 0, NULL);
	say("%s returned (%s)", image->name, status_text(chain->status));
}

/* Start a file of a volume, unless it is not there or is SecPod itself. */
static void start_file(struct chain *chain, EFI_HANDLE volume, const CHAR16 *file)
{
	static struct image image;
	char name[NAME_LENGTH];

	text_from_ucs2(name, sizeof(name), file, DEVICE_PATH_FILE_MAX);
	image = (struct image){.name = name};
	if (volume_has_file(volume, file) && volume_file_path(volume, file, &image.path) &&
	    !path_is_own(&image.path))
		start(chain, &image);
}

static void start_configured(struct chain *chain)
{
	static struct image image;
	static uint16_t options[CONFIG_OPTIONS_LENGTH];
	uint16_t file[CONFIG_PATH_LENGTH];
	const struct config *config = chain->config;
	EFI_HANDLE volume;
	int units;

	if (config->next[0] == '\0') {
		if (config->options[0] != '\0')
			say("secpod.conf: options has no effect without next");
		return;
	}
	volume = config->next_volume.set ? volume_by_guid(config->next_volume.bytes) : own_volume();
	if (volume == NULL) {
		say("%s cannot be loaded: its volume is not there", config->next);
		return;
	}
	image = (struct image){.name = config->next, .options = options};
	units = text_to_ucs2(options, CONFIG_OPTIONS_LENGTH, config->options,
			     strlen(config->options));
	if (units > 0)
		image.options_size = ((size_t)units + 1) * sizeof(options[0]);
	if (text_to_ucs2(file, CONFIG_PATH_LENGTH, config->next, strlen(config->next)) <= 0 ||
	    !volume_file_path(volume, file, &image.path))
		say("%s cannot be loaded: its path is too long", config->next);
	else if (path_is_own(&image.path))
		say("%s is SecPod itself; next is ignored", config->next);
	else
		start(chain, &image);
}

/* The value of a global variable, NULL when there is none; memory_put() it. */
static void *read_variable(const CHAR16 *name, size_t *size)
{
	UINTN wanted = 0;
	void *value = NULL;
	EFI_STATUS status = runtime_services->GetVariable(
		(CHAR16 *)(uintptr_t)name, &global_variable_guid, NULL, &wanted, NULL);

	if (status != EFI_BUFFER_TOO_SMALL || wanted > VARIABLE_MAX)
		return NULL;
	value = memory_get(wanted);
	if (value == NULL)
		return NULL;
	status = runtime_services->GetVariable((CHAR16 *)(uintptr_t)name, &global_variable_guid,
					       NULL, &wanted, value);
	if (EFI_ERROR(status)) {
		memory_put(value);
		return NULL;
	}
	*size = wanted;
	return value;
}

/* A device without a file stands for the default loader on its volumes. */
static void start_device(struct chain *chain, const uint8_t *device)
{
	struct volumes volumes;

	volumes_list(&volumes);
	for (UINTN i = 0; i < volumes.count; i++) {
		const uint8_t *path = volume_path(volumes.handles[i]);

		if (path != NULL && device_path_starts(path, device))
			start_file(chain, volumes.handles[i], u"\\EFI\\BOOT\\BOOTX64.EFI");
	}
	volumes_put(&volumes);
}

/* Can the firmware load an image from the device itself, as from a network? */
static bool loads_by_itself(const uint8_t *device)
{
	EFI_GUID guid = LOAD_FILE_PROTOCOL;
	EFI_DEVICE_PATH *rest = (EFI_DEVICE_PATH *)(uintptr_t)device;
	EFI_HANDLE handle;

	return !EFI_ERROR(boot_services->LocateDevicePath(&guid, &rest, &handle)) &&
	       IsDevicePathEndType(rest);
}

static void start_option(struct chain *chain, const struct load_option *option)
{
	static struct image image;
	bool complete = false;

	image = (struct image){
		.name = option->description,
		.options = option->optional,
		.options_size = option->optional_size,
	};
	switch (device_path_class(option->path)) {
	case DEVICE_PATH_HARD_DISK:
		complete = volume_complete(option->path, &image.path);
		if (complete && device_path_class(image.path.bytes) == DEVICE_PATH_DEVICE) {
			start_device(chain, image.path.bytes);
			return;
		}
		break;
	case DEVICE_PATH_DEVICE:
		if (!loads_by_itself(option->path)) {
			start_device(chain, option->path);
			return;
		}
		__attribute__((fallthrough));
	case DEVICE_PATH_FILE:
		memcpy(image.path.bytes, option->path, option->path_size);
		image.path.size = option->path_size;
		complete = true;
		break;
	case DEVICE_PATH_FIRMWARE:
	case DEVICE_PATH_BBS:
		/* The firmware comes to its own applications by itself, once we return to it. */
		return;
	}
	if (complete && !path_is_own(&image.path))
		start(chain, &image);
}

static void start_boot_entry(struct chain *chain, uint16_t number)
{
	static const char digits[] = "0123456789ABCDEF";
	CHAR16 name[] = u"Boot####";
	char shown[sizeof("Boot####")];
	struct load_option option;
	uint8_t *bytes;
	size_t size;

	for (unsigned int i = 0; i < 4; i++)
		name[4 + i] = (CHAR16)digits[number >> (12 - 4 * i) & 0xf];
	bytes = read_variable(name, &size);
	if (bytes == NULL)
		return;
	text_from_ucs2(shown, sizeof(shown), name, sizeof(shown));
	if (load_option_parse(bytes, size, &option) != 0)
		say("%s is malformed", shown);
	else if ((option.attributes & LOAD_OPTION_ACTIVE) &&
		 (option.attributes & LOAD_OPTION_CATEGORY) == LOAD_OPTION_CATEGORY_BOOT)
		start_option(chain, &option);
	memory_put(bytes);
}

/*
 * The entries of BootOrder behind our own, then those before it: the firmware has tried these
 * already, or was told to start us out of order.
 */
static void start_boot_order(struct chain *chain)
{
	size_t size, current_size, first = 0;
	uint16_t *order = read_variable(u"BootOrder", &size);
	uint16_t *current = read_variable(u"BootCurrent", &current_size);
	size_t count = order != NULL ? size / sizeof(*order) : 0;

	for (size_t i = 0; i < count && current != NULL && current_size == sizeof(*current); i++)
		if (order[i] == *current)
			first = i + 1;
	for (size_t i = 0; i < count; i++) {
		uint16_t number = order[(first + i) % count];

		/* Our own entry is the last of the round. */
		if (first == 0 || i + 1 < count)
			start_boot_entry(chain, number);
	}
	memory_put(current);
	memory_put(order);
}

static void start_well_known(struct chain *chain)
{
	static const CHAR16 *const loaders[] = {
		u"\\EFI\\BOOT\\BOOTX64.EFI",
		u"\\EFI\\debian\\shimx64.efi",
		u"\\EFI\\debian\\grubx64.efi",
		u"\\EFI\\ubuntu\\shimx64.efi",
		u"\\EFI\\fedora\\shimx64.efi",
		u"\\EFI\\opensuse\\shim.efi",
		u"\\EFI\\systemd\\systemd-bootx64.efi",
	};
	struct volumes volumes;

	volumes_connect();
	volumes_list(&volumes);
	for (UINTN i = 0; i < volumes.count; i++)
		for (size_t j = 0; j < sizeof(loaders) / sizeof(loaders[0]); j++)
			start_file(chain, volumes.handles[i], loaders[j]);
	volumes_put(&volumes);
}

EFI_STATUS chain_next(const struct config *config)
{
	struct chain chain = {.config = config, .status = EFI_NOT_FOUND};

	start_configured(&chain);
	start_boot_order(&chain);
	start_well_known(&chain);
	say("nothing is left to start (%s)", status_text(chain.status));
	return chain.status;
}
