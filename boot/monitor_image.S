/* SPDX-License-Identifier: MIT */
/* The monitor's ELF file, inside the application. MONITOR_FILE comes from the build. */
	.section .rodata
	.balign 16
	.globl monitor_image, monitor_image_end
	.hidden monitor_image, monitor_image_end
	.type monitor_image, @object
monitor_image:
	.incbin MONITOR_FILE
monitor_image_end:
	.size monitor_image, . - monitor_image

	.section .note.GNU-stack, "", @progbits
