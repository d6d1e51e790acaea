/* SPDX-License-Identifier: MIT */
#include "vmm/serial.h"

#define UART_CLOCK 115200u /* bits per second at divisor 1 */
#define DIVISOR_MAX 0xffffu

uint16_t serial_divisor(uint32_t baud)
{
	if (baud == 0 || UART_CLOCK % baud || UART_CLOCK / baud > DIVISOR_MAX)
		return 0;
	return (uint16_t)(UART_CLOCK / baud);
}
