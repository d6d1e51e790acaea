/* SPDX-License-Identifier: MIT */
/* Addresses that vmm/monitor.lds defines. */
#ifndef SECPOD_VMM_SECTIONS_H
#define SECPOD_VMM_SECTIONS_H

#define DECLARE_SECTION_SYMBOL(name) extern const char name[] __attribute__((visibility("hidden")))

DECLARE_SECTION_SYMBOL(__image_start);
DECLARE_SECTION_SYMBOL(__text_start);
DECLARE_SECTION_SYMBOL(__text_end);
DECLARE_SECTION_SYMBOL(__rodata_start);
DECLARE_SECTION_SYMBOL(__rodata_end);
DECLARE_SECTION_SYMBOL(__ex_table_start);
DECLARE_SECTION_SYMBOL(__ex_table_end);
DECLARE_SECTION_SYMBOL(__ro_after_init_start);
DECLARE_SECTION_SYMBOL(__ro_after_init_end);
DECLARE_SECTION_SYMBOL(__data_start);
DECLARE_SECTION_SYMBOL(__data_end);
DECLARE_SECTION_SYMBOL(__image_end);

#endif
