/* SPDX-License-Identifier: MIT */
#include "guest-support/secpodctl/guest.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define CPUID_FEATURES 1u
#define HYPERVISOR_PRESENT (1u << 31)

struct secpod_seen guest_look(const struct guest *guest)
{
	struct secpod_seen seen = {0};
	struct cpuid_regs regs = guest->cpuid(CPUID_FEATURES, 0);
	uint32_t signature[3];

	if (!(regs.ecx & HYPERVISOR_PRESENT))
		return seen;
	regs = guest->cpuid(SECPOD_CPUID_SIGNATURE, 0);
	signature[0] = regs.ebx;
	signature[1] = regs.ecx;
	signature[2] = regs.edx;
	if (memcmp(signature, SECPOD_SIGNATURE, sizeof(signature)) != 0 ||
	    regs.eax < SECPOD_CPUID_VERSION)
		return seen;
	regs = guest->cpuid(SECPOD_CPUID_VERSION, 0);
	return (struct secpod_seen){
		.present = true,
		.major = regs.eax >> 16,
		.minor = regs.eax & 0xffff,
		.features = regs.ebx,
		.phase = regs.ecx,
		.places = regs.edx,
	};
}

static struct cpuid_regs do_cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs regs;

	__cpuid_count(leaf, subleaf, regs.eax, regs.ebx, regs.ecx, regs.edx);
	return regs;
}

/* The device, opened at first use and kept: each open file has its own place in the log. */
static int device(void)
{
	static int opened = -1;

	if (opened < 0)
		opened = open(SECPOD_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return opened < 0 ? -errno : opened;
}

static int control(unsigned long command, void *argument)
{
	int file = device();

	if (file < 0)
		return file;
	return ioctl(file, command, argument) ? -errno : 0;
}

static int do_info(struct secpod_info *info)
{
	return control(SECPOD_IOC_INFO, info);
}

static int do_stats(struct secpod_stats *stats)
{
	return control(SECPOD_IOC_STATS, stats);
}

static int do_activate(void)
{
	return control(SECPOD_IOC_ACTIVATE, NULL);
}

static int do_lock(void)
{
	return control(SECPOD_IOC_LOCK, NULL);
}

static int do_sites(struct secpod_sites *sites)
{
	return control(SECPOD_IOC_SITES, sites);
}

static int do_log(struct secpod_record *to, size_t max, bool wait)
{
	int file = device();
	struct pollfd poll_file = {.fd = file, .events = POLLIN};
	ssize_t got;

	if (file < 0)
		return file;
	if (wait && poll(&poll_file, 1, -1) < 0)
		return -errno;
	got = read(file, to, max * sizeof(*to));
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (int)((size_t)got / sizeof(*to));
}

#define MSR_FILE "/dev/cpu/0/msr"

static int do_rdmsr(uint32_t msr, uint64_t *value)
{
	int file = open(MSR_FILE, O_RDONLY | O_CLOEXEC), error = 0;

	if (file < 0)
		return -errno;
	if (pread(file, value, sizeof(*value), msr) != sizeof(*value))
		error = -errno;
	close(file);
	return error;
}

static int do_wrmsr(uint32_t msr, uint64_t value)
{
	int file = open(MSR_FILE, O_WRONLY | O_CLOEXEC), error = 0;

	if (file < 0)
		return -errno;
	if (pwrite(file, &value, sizeof(value), msr) != sizeof(value))
		error = -errno;
	close(file);
	return error;
}

static sigjmp_buf behind_the_fault;

static void on_fault(int number)
{
	siglongjmp(behind_the_fault, number);
}

static bool do_vmcall(void)
{
	struct sigaction action = {.sa_handler = on_fault}, before;
	bool faulted = true;

	sigaction(SIGILL, &action, &before);
	if (!sigsetjmp(behind_the_fault, 1)) {
		uint64_t rax = SECPOD_HYPERCALL | SECPOD_CALL_INFO;

		__asm__ volatile("vmcall" : "+a"(rax) : "D"(0), "S"(0) : "memory");
		faulted = false;
	}
	sigaction(SIGILL, &before, NULL);
	return faulted;
}

static bool do_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

const struct guest this_guest = {
	.cpuid = do_cpuid,
	.info = do_info,
	.stats = do_stats,
	.activate = do_activate,
	.lock = do_lock,
	.log = do_log,
	.sites = do_sites,
	.rdmsr = do_rdmsr,
	.wrmsr = do_wrmsr,
	.vmcall_faults = do_vmcall,
	.exists = do_exists,
};
