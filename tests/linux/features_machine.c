/* SPDX-License-Identifier: MIT */
/* The machine as a whole: sleep, the firmware's services, microcode, another kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/kexec.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "phases.h"

/* ---- suspend-to-idle */

#define TOUCHED_PAGES 256u
#define SERIAL "/dev/ttyS0"
#define SERIAL_WAKEUP "/sys/class/tty/ttyS0/power/wakeup"
#define SUSPENDED "/sys/power/suspend_stats/success"
#define CONSOLE_LEVEL 8 /* syslog(2): set what goes to the console */
#define CONSOLE_QUIET 1
#define CONSOLE_ALL 7
#define SUSPEND_TRIES 5

static int set_speed(int fd, speed_t speed)
{
	struct termios termios;

	if (tcgetattr(fd, &termios) || cfsetspeed(&termios, speed))
		return -1;
	return tcsetattr(fd, TCSADRAIN, &termios);
}

/*
 * The emulated clock has no alarm that Linux could be woken by. The serial line has: it still sends what was
 * written before, slowly, and its interrupt for more is the event. One that comes too early makes the kernel
 * give up, so there is more than one try.
 */
static int suspend_once(int serial)
{
	static const char text[] =
		"GUEST: these words are being sent while the machine is asleep ...\n";
	int error;

	CHECK(set_speed(serial, B1200) == 0);
	CHECK(write(serial, text, strlen(text)) == (ssize_t)strlen(text));
	error = put_text("/sys/power/state", "freeze");
	CHECK(error == 0 || error == -EBUSY);
	CHECK(set_speed(serial, B115200) == 0);
	return 0;
}

static int suspend(void)
{
	const int cpus = get_nprocs();
	uint8_t *memory = anonymous(TOUCHED_PAGES * PAGE, PAGE);
	const uint64_t successes = get_number(SUSPENDED);
	int serial = open(SERIAL, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int failed = 0;

	CHECK(memory && serial >= 0);
	stamp(memory, TOUCHED_PAGES, 5);
	CHECK(put_text(SERIAL_WAKEUP, "enabled") == 0);
	CHECK(klogctl(CONSOLE_LEVEL, NULL, CONSOLE_QUIET) == 0);
	for (int i = 0; i < SUSPEND_TRIES && !failed && get_number(SUSPENDED) == successes; i++)
		failed = suspend_once(serial);
	CHECK(klogctl(CONSOLE_LEVEL, NULL, CONSOLE_ALL) == 0);
	CHECK(put_text(SERIAL_WAKEUP, "disabled") == 0);
	CHECK(!failed && get_number(SUSPENDED) == successes + 1);
	CHECK(get_nprocs() == cpus);
	for (int cpu = 0; cpu < cpus; cpu++)
		CHECK(run_on(cpu) == 0);
	CHECK(stamped(memory, TOUCHED_PAGES, 5));
	close(serial);
	return 0;
}

/* ---- microcode */

#define MICROCODE_RELOAD "/sys/devices/system/cpu/microcode/reload"
#define MSR_BIOS_UPDT_TRIG 0x79
#define MSR_BIOS_SIGN_ID 0x8b

/*
 * The kernel's own way is closed to a guest or by its configuration, or it finds no file. Then the register
 * itself: nothing happens, and nobody is harmed.
 */
static int microcode(void)
{
	uint64_t before = 0, after = 0, address = 0;
	int fd;

	CHECK(put_text(MICROCODE_RELOAD, "1") < 0);
	CHECK(load_module("msr", "", false) == 0);
	fd = open("/dev/cpu/0/msr", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(pread(fd, &before, sizeof(before), MSR_BIOS_SIGN_ID) == sizeof(before));
	if (pwrite(fd, &address, sizeof(address), MSR_BIOS_UPDT_TRIG) < 0)
		CHECK(errno == EIO);
	CHECK(pread(fd, &after, sizeof(after), MSR_BIOS_SIGN_ID) == sizeof(after));
	CHECK(before == after);
	close(fd);
	CHECK(unload_module("msr") == 0);
	return 0;
}

/* ---- variables of the firmware */

#define VARIABLE EFIVARS "/SecPodTest-7d1a3c52-9d7e-4b0c-8f52-3a6f0d7c9e11"
/* efivarfs shows attributes before the value: non-volatile, boot and run-time access. */
#define ATTRIBUTES 7u
#define VALUE_BYTES 200u

struct variable {
	uint32_t attributes;
	uint8_t value[VALUE_BYTES];
};

/* A variable is written as a whole, and is immutable until it is told otherwise. */
static int set_variable(const struct variable *variable)
{
	int flags = 0;
	int fd = open(VARIABLE, O_RDONLY | O_CLOEXEC);
	ssize_t done;

	if (fd >= 0) {
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
		close(fd);
	}
	fd = open(VARIABLE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	done = write(fd, variable, sizeof(*variable));
	close(fd);
	return done == sizeof(*variable) ? 0 : -EIO;
}

static bool variable_is(const struct variable *variable)
{
	struct variable now;
	int fd = open(VARIABLE, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, &now, sizeof(now));

	close(fd);
	return size == sizeof(now) && !memcmp(&now, variable, sizeof(now));
}

static int efi_variables(void)
{
	struct variable variable = {.attributes = ATTRIBUTES};
	int flags = 0;
	int fd;

	if (access("/sys/firmware/efi", F_OK))
		return phase_skip("not booted through UEFI");
	CHECK(mount_efivars() == 0);
	for (uint32_t round = 0; round < 3; round++) {
		fill(variable.value, sizeof(variable.value), round);
		CHECK(set_variable(&variable) == 0);
		CHECK(variable_is(&variable));
	}
	fd = open(VARIABLE, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 && close(fd) == 0);
	CHECK(unlink(VARIABLE) == 0);
	CHECK(access(VARIABLE, F_OK) < 0 && errno == ENOENT);
	return 0;
}

/* ---- another kernel */

#define KEXEC_LOADED "/sys/kernel/kexec_loaded"
#define KEXEC_ADDRESS 0x2000000ul

/* Loading one is ordinary work of the kernel; it is never started here. */
static int kexec_load(void)
{
	static uint8_t image[PAGE] = {0xf4}; /* HLT */
	struct kexec_segment segment = {
		.buf = image,
		.bufsz = sizeof(image),
		.mem = (void *)KEXEC_ADDRESS,
		.memsz = sizeof(image),
	};

	CHECK(syscall(SYS_kexec_load, KEXEC_ADDRESS, 1ul, &segment, KEXEC_ARCH_DEFAULT) == 0);
	CHECK(get_number(KEXEC_LOADED) == 1);
	CHECK(syscall(SYS_kexec_load, 0ul, 0ul, NULL, KEXEC_ARCH_DEFAULT) == 0);
	CHECK(get_number(KEXEC_LOADED) == 0);
	return 0;
}

const struct phase features_machine[] = {
	{"suspend-to-idle", suspend},
	{"microcode", microcode},
	{"efi-variables", efi_variables},
	{"kexec-load", kexec_load},
	{NULL, NULL},
};
