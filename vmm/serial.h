/* SPDX-License-Identifier: MIT */
/*
 * 16550 serial line, polled. It is the guest's line too, so that after serial_init() only the
 * transmitter holding register is written, and nothing is read that reading changes.
 */
#ifndef SECPOD_VMM_SERIAL_H
#define SECPOD_VMM_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * serial_init - use the UART at port (0: none). baud: bits per second, 8N1, or 0: leave the line as
 * it is. A port without a UART, and a rate it cannot have, are taken as "none" and "leave it".
 */
void serial_init(uint32_t port, uint32_t baud);

/* serial_present - is there a UART that serial_write() writes to? */
bool serial_present(void);

/*
 * serial_write - send length bytes. Gives up, and drops the rest, when the UART does not take a
 * byte within a bounded time or the guest is just programming its divisor. Callers see to mutual
 * exclusion.
 */
void serial_write(const char *bytes, size_t length);

/*
 * serial_take_over - undo what would keep bytes from the line if the guest was stopped while it
 * programmed the UART: divisor access and loopback. For a panic.
 */
void serial_take_over(void);

/* serial_divisor - the divisor for a rate, 0 when there is none. Pure. */
uint16_t serial_divisor(uint32_t baud);

#endif
