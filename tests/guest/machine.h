/* SPDX-License-Identifier: MIT */
/*
 * The machine while a payload has it for itself: own GDT, TSS, IDT and page tables, interrupts off.
 */
#ifndef SECPOD_TESTS_GUEST_MACHINE_H
#define SECPOD_TESTS_GUEST_MACHINE_H

#include <efi.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86.h"

#define SELECTOR_CODE64 0x08u
#define SELECTOR_DATA 0x10u
#define SELECTOR_CODE32 0x18u
#define SELECTOR_USER_DATA (0x28u | 3u)
#define SELECTOR_USER_CODE (0x30u | 3u)
#define SELECTOR_NOT_PRESENT 0x38u
#define SELECTOR_TSS 0x40u

/* IST slots; the others stay on the stack they meet. */
#define IST_NMI_STACK 1u
#define IST_DF_STACK 2u
#define IST_SPARE_STACK 3u

/* The firmware's hand, valid before machine_take() and after machine_give_back(). */
extern EFI_SYSTEM_TABLE *firmware;

/* machine_prepare - allocate what the rest needs. False: no memory. */
bool machine_prepare(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

void machine_take(void);
void machine_give_back(void);

/* machine_is_boot_cpu - is the caller the CPU that called machine_take()? */
bool machine_is_boot_cpu(void);

/* Where the payload's image was loaded, to relate addresses to the file. */
uint64_t machine_image_base(void);

/* machine_page - a zeroed page below 4 GiB that nobody else uses; never given back. */
void *machine_page(void);

/* machine_low_pages - two pages below 1 MiB, for code that runs in real mode; NULL: none. */
void *machine_low_pages(void);

/*
 * machine_window - map physical page frame phys at slot (0-511) of the window with rights (PTE_*),
 * and return its address. All below 4 GiB is mapped at its own address besides, writable and
 * user-accessible.
 */
#define WINDOW_BASE 0x8000000000ULL
void *machine_window(unsigned int slot, uint64_t phys, uint64_t rights);

/* machine_pml4 - the page tables' root, to be changed with care. */
uint64_t *machine_pml4(void);

/* machine_set_ist - IDT gate of vector uses an IST stack (0: none). */
void machine_set_ist(uint8_t vector, uint8_t ist);

/* machine_set_ist_stack - top of the stack of IST slot 1-7; machine_ist_stack - the one there is.
 */
void machine_set_ist_stack(unsigned int ist, uint64_t top);
uint64_t machine_ist_stack(unsigned int ist);

/* machine_open_gate - let CPL 3 raise vector with INT n. */
void machine_open_gate(uint8_t vector);

/* machine_load_tables - the tables of machine_take() on another CPU (no TSS there). */
void machine_load_tables(void);

/* machine_user - run code at CPL 3 on a stack of its own; it ends with any trap, to be caught; #GP
 * if it returns. */
void machine_user(void (*code)(void));

#endif
