/* SPDX-License-Identifier: MIT */
#include "tests/guest/payload.h"

#include <efi.h>
#include <stdarg.h>

#include "guest-support/include/secpod_abi.h"
#include "tests/guest/machine.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

/* 16550 on COM1. */
#define COM1 0x3f8
#define UART_LINE_CONTROL 3
#define UART_LINE_STATUS 5
#define UART_DIVISOR_ACCESS 0x80
#define UART_8N1 0x03
#define UART_EMPTY 0x20

/* Bochs ends when this port gets the word. */
#define BOCHS_SHUTDOWN_PORT 0x8900

/* Called by GNU-EFI's start-up code. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static struct {
	const char *name;
	bool failed;
	bool skipped;
} current;

static unsigned int passed, failed;

static void serial_start(void)
{
	outb(COM1 + UART_LINE_CONTROL, UART_DIVISOR_ACCESS | UART_8N1);
	outb(COM1, 1); /* 115200 baud */
	outb(COM1 + 1, 0);
	outb(COM1 + UART_LINE_CONTROL, UART_8N1);
}

static void put(char c)
{
	if (c == '\n')
		put('\r');
	while (!(inb(COM1 + UART_LINE_STATUS) & UART_EMPTY))
		cpu_relax();
	outb(COM1, (uint8_t)c);
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint64_t value, unsigned int base)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void put_formatted(const char *format, va_list args)
{
	for (; *format; format++) {
		bool is_long = false;
		int number;

		if (*format != '%') {
			put(*format);
			continue;
		}
		if (*++format == 'l') {
			is_long = true;
			format++;
		}
		switch (*format) {
		case 's':
			put_text(va_arg(args, const char *));
			break;
		case 'd':
			number = va_arg(args, int);
			if (number < 0)
				put('-');
			put_number((uint64_t)(number < 0 ? -(int64_t)number : number), 10);
			break;
		case 'u':
			put_number(is_long ? va_arg(args, uint64_t) : va_arg(args, uint32_t), 10);
			break;
		case 'x':
			put_text("0x");
			put_number(is_long ? va_arg(args, uint64_t) : va_arg(args, uint32_t), 16);
			break;
		default:
			put(*format);
			break;
		}
	}
}

static void result_line(const char *result)
{
	put_text("PAYLOAD: ");
	put_text(payload.name);
	put('/');
	put_text(current.name);
	put(' ');
	put_text(result);
}

bool check(bool ok, const char *format, ...)
{
	va_list args;

	if (ok || current.failed)
		return ok;
	current.failed = true;
	result_line("fail ");
	va_start(args, format);
	put_formatted(format, args);
	va_end(args);
	put('\n');
	return ok;
}

void skip(const char *reason)
{
	if (current.failed || current.skipped)
		return;
	current.skipped = true;
	result_line("skip ");
	put_text(reason);
	put('\n');
}

void payload_note(const char *format, ...)
{
	va_list args;

	put_text("note: ");
	va_start(args, format);
	put_formatted(format, args);
	va_end(args);
	put('\n');
}

static void power_off(void)
{
	for (const char *c = "Shutdown"; *c; c++)
		outb(BOCHS_SHUTDOWN_PORT, (uint8_t)*c);
	machine_give_back();
	firmware->RuntimeServices->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
	cpu_halt_forever();
}

static _Noreturn void finish(void)
{
	put_text("PAYLOAD: done ");
	put_number(passed, 10);
	put_text(" passed, ");
	put_number(failed, 10);
	put_text(" failed\n");
	power_off();
	cpu_halt_forever();
}

_Noreturn void payload_die(const char *format, ...)
{
	va_list args;

	result_line("fail ");
	va_start(args, format);
	put_formatted(format, args);
	va_end(args);
	put('\n');
	failed++;
	finish();
}

bool payload_under_secpod(void)
{
	struct cpuid_result leaf = cpuid(SECPOD_CPUID_SIGNATURE, 0);
	const uint32_t words[3] = {leaf.ebx, leaf.ecx, leaf.edx};
	const char *signature = SECPOD_SIGNATURE;

	for (unsigned int i = 0; i < sizeof(words); i++) {
		if ((char)(words[i / 4] >> (8 * (i % 4))) != signature[i])
			return false;
	}
	return true;
}

bool payload_statistic(uint32_t index, uint64_t *value)
{
	struct cpuid_result leaf = cpuid(SECPOD_CPUID_STATS, index);

	if (!payload_under_secpod() || !(leaf.ebx & 1))
		return false;
	*value = (uint64_t)leaf.edx << 32 | leaf.eax;
	return true;
}

static void call_case(void *run)
{
	((const struct payload_case *)run)->run();
}

static void run_case(const struct payload_case *c)
{
	struct trap trap;

	current.name = c->name;
	current.failed = current.skipped = false;
	trap = trap_catch(call_case, (void *)(uintptr_t)c);
	trap_unhook_all();
	check(trap.vector == TRAP_NONE,
	      "unexpected trap %u, error code %lx, RIP image+%lx, CR2 %lx", trap.vector,
	      trap.error_code, trap.frame.rip - machine_image_base(), trap.cr2);
	if (current.failed) {
		failed++;
	} else if (!current.skipped) {
		passed++;
		result_line("pass\n");
	}
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	current.name = "start";
	serial_start();
	if (!machine_prepare(image, system) || (payload.prepare && !payload.prepare()))
		payload_die("cannot be prepared");
	payload_note("payload %s, %s", payload.name,
		     payload_under_secpod() ? "under SecPod" : "native");
	machine_take();
	for (const struct payload_case *const *list = payload.cases; *list; list++) {
		for (const struct payload_case *c = *list; c->name; c++)
			run_case(c);
	}
	finish();
}
