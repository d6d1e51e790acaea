/* SPDX-License-Identifier: MIT */
/* Registers: National Semiconductor PC16550D data sheet, "Registers". */
#include "vmm/serial.h"

#include "vmm/cpu_ops.h"

#define UART_THR 0 /* transmitter holding register */
#define UART_DLL 0 /* divisor, with LCR_DLAB */
#define UART_DLM 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define FCR_ENABLE_CLEAR 0x07 /* FIFOs on and emptied */
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR_RTS 0x03
#define LSR_THRE 0x20
#define LSR_ABSENT 0xff /* what a port without a device reads as */
#define PORT_MAX (0x10000u - 8)

/*
 * A read of an I/O port takes about a microsecond on a board: some 250 ms, a character at 50 bits
 * per second and far more than one at any rate in use.
 */
#define POLLS_MAX (1u << 18)

static uint16_t uart_port; /* 0: none */

static bool present(uint16_t port)
{
	return inb((uint16_t)(port + UART_LSR)) != LSR_ABSENT;
}

static void set_rate(uint16_t port, uint16_t divisor)
{
	outb((uint16_t)(port + UART_LCR), LCR_8N1 | LCR_DLAB);
	outb((uint16_t)(port + UART_DLL), (uint8_t)divisor);
	outb((uint16_t)(port + UART_DLM), (uint8_t)(divisor >> 8));
	outb((uint16_t)(port + UART_LCR), LCR_8N1);
	outb((uint16_t)(port + UART_FCR), FCR_ENABLE_CLEAR);
	outb((uint16_t)(port + UART_MCR), MCR_DTR_RTS);
}

void serial_init(uint32_t port, uint32_t baud)
{
	uint16_t divisor = serial_divisor(baud);

	uart_port = 0;
	if (port == 0 || port > PORT_MAX || !present((uint16_t)port))
		return;
	uart_port = (uint16_t)port;
	if (divisor)
		set_rate(uart_port, divisor);
}

bool serial_present(void)
{
	return uart_port != 0;
}

static bool ready(void)
{
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		uint8_t status = inb((uint16_t)(uart_port + UART_LSR));

		if (status == LSR_ABSENT)
			return false;
		if (status & LSR_THRE)
			return true;
		cpu_relax();
	}
	return false;
}

void serial_write(const char *bytes, size_t length)
{
	/* With DLAB set a byte for the line would land in the divisor. */
	if (!uart_port || inb((uint16_t)(uart_port + UART_LCR)) & LCR_DLAB)
		return;
	for (size_t i = 0; i < length && ready(); i++)
		outb((uint16_t)(uart_port + UART_THR), (uint8_t)bytes[i]);
}

void serial_take_over(void)
{
	uint16_t lcr = (uint16_t)(uart_port + UART_LCR);

	if (!uart_port)
		return;
	outb(lcr, inb(lcr) & (uint8_t)~LCR_DLAB);
	outb((uint16_t)(uart_port + UART_MCR), MCR_DTR_RTS);
}
