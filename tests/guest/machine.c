/* SPDX-License-Identifier: MIT */
#include "tests/guest/machine.h"

#include "tests/guest/payload.h"
#include "tests/guest/trap.h"
#include "vmm/cpu_ops.h"
#include "vmm/x86.h"

#define PAGE 4096u
#define ENTRIES 512u
#define POOL_PAGES 96u
#define IDENTITY_GIB 4u
#define LOW_LIMIT 0x9ffffULL /* of conventional memory a SIPI can name */
#define LOW_PAGES 2u
#define STACK_SIZE 8192u
#define IST_STACKS 3u

/* 8259 mask registers */
#define PIC_MASTER_MASK 0x21
#define PIC_SLAVE_MASK 0xa1

EFI_SYSTEM_TABLE *firmware;

/* From GNU-EFI's linker script. */
extern char ImageBase[];

struct __attribute__((packed)) tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t io_map;
};
_Static_assert(sizeof(struct tss) == 104, "SDM \"64-Bit TSS Format\"");

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "SDM \"64-Bit IDT Gate Descriptors\"");

#define GATE_INTERRUPT 0x8eu
#define GATE_DPL3 0x60u
#define TSS_AVAILABLE 0x89ULL

static uint64_t gdt[SELECTOR_TSS / 8 + 2] = {
	[SELECTOR_CODE64 / 8] = 0x00af9b000000ffff,
	[SELECTOR_DATA / 8] = 0x00cf93000000ffff,
	[SELECTOR_CODE32 / 8] = 0x00cf9b000000ffff,
	[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffff,
	[SELECTOR_USER_CODE / 8] = 0x00affb000000ffff,
	[SELECTOR_NOT_PRESENT / 8] = 0x00cf13000000ffff,
};

static struct gate idt[256];
static struct tss tss;
static uint64_t *pml4;
static uint64_t *window;
static uint8_t *pool;
static unsigned int pool_used;
static void *low_pages;
static uint8_t user_stack[PAGE] __attribute__((aligned(16)));
static uint8_t stacks[IST_STACKS + 1][STACK_SIZE] __attribute__((aligned(16)));

static struct {
	struct pseudo_descriptor gdtr, idtr;
	uint64_t cr0, cr3, cr4;
	uint16_t cs, ds, ss;
	uint64_t rflags;
	bool saved;
} before;

static void build_page_tables(void)
{
	uint64_t *pdpt, *window_pdpt, *window_pd;

	pml4 = machine_page();
	pdpt = machine_page();
	for (uint64_t gib = 0; gib < IDENTITY_GIB; gib++) {
		uint64_t *pd = machine_page();

		for (uint64_t i = 0; i < ENTRIES; i++)
			pd[i] = (gib << 30 | i << 21) | PTE_PS | PTE_P | PTE_RW | PTE_US;
		pdpt[gib] = (uint64_t)(uintptr_t)pd | PTE_P | PTE_RW | PTE_US;
	}
	window_pdpt = machine_page();
	window_pd = machine_page();
	window = machine_page();
	pml4[0] = (uint64_t)(uintptr_t)pdpt | PTE_P | PTE_RW | PTE_US;
	pml4[WINDOW_BASE >> 39] = (uint64_t)(uintptr_t)window_pdpt | PTE_P | PTE_RW | PTE_US;
	window_pdpt[0] = (uint64_t)(uintptr_t)window_pd | PTE_P | PTE_RW | PTE_US;
	window_pd[0] = (uint64_t)(uintptr_t)window | PTE_P | PTE_RW | PTE_US;
}

static void build_descriptor_tables(void)
{
	uint64_t base = (uint64_t)(uintptr_t)&tss;

	for (unsigned int i = 0; i < 256; i++) {
		uint64_t entry = (uint64_t)(uintptr_t)trap_stubs + i * TRAP_STUB_SIZE;

		idt[i] = (struct gate){.offset_low = (uint16_t)entry,
				       .selector = SELECTOR_CODE64,
				       .type = GATE_INTERRUPT,
				       .offset_middle = (uint16_t)(entry >> 16),
				       .offset_high = (uint32_t)(entry >> 32)};
	}
	gdt[SELECTOR_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 | TSS_AVAILABLE << 40 |
				(base >> 24 & 0xff) << 56;
	gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
	tss.io_map = sizeof(tss);
	tss.rsp[0] = (uint64_t)(uintptr_t)stacks[0] + STACK_SIZE;
	for (unsigned int i = 1; i <= IST_STACKS; i++)
		tss.ist[i - 1] = (uint64_t)(uintptr_t)stacks[i] + STACK_SIZE;
	machine_set_ist(VECTOR_NMI, IST_NMI_STACK);
	machine_set_ist(VECTOR_DF, IST_DF_STACK);
}

bool machine_prepare(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	EFI_PHYSICAL_ADDRESS memory = (1ULL << 32) - 1;
	EFI_PHYSICAL_ADDRESS low = LOW_LIMIT;

	(void)image;
	firmware = system;
	system->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
	if (system->BootServices->AllocatePages(AllocateMaxAddress, EfiRuntimeServicesData,
						POOL_PAGES, &memory) != EFI_SUCCESS)
		return false;
	pool = (uint8_t *)(uintptr_t)memory;
	for (uint64_t i = 0; i < (uint64_t)POOL_PAGES * PAGE; i++)
		pool[i] = 0;
	if (system->BootServices->AllocatePages(AllocateMaxAddress, EfiRuntimeServicesData,
						LOW_PAGES, &low) == EFI_SUCCESS)
		low_pages = (void *)(uintptr_t)low;
	build_page_tables();
	build_descriptor_tables();
	return true;
}

static void load_gdt(const struct pseudo_descriptor *gdtr, uint64_t code, uint64_t data,
		     uint64_t stack)
{
	__asm__ volatile("lgdt %0\n\t"
			 "push %1\n\t"
			 "lea 1f(%%rip), %%rax\n\t"
			 "push %%rax\n\t"
			 "lretq\n"
			 "1:\tmov %w2, %%ds\n\t"
			 "mov %w2, %%es\n\t"
			 "mov %w2, %%fs\n\t"
			 "mov %w2, %%gs\n\t"
			 "mov %w3, %%ss"
			 :
			 : "m"(*gdtr), "r"(code), "r"(data), "r"(stack)
			 : "rax", "memory");
}

static void load_idt(const struct pseudo_descriptor *idtr)
{
	__asm__ volatile("lidt %0" : : "m"(*idtr) : "memory");
}

void machine_load_tables(void)
{
	const struct pseudo_descriptor gdtr = {sizeof(gdt) - 1, (uint64_t)(uintptr_t)gdt};
	const struct pseudo_descriptor idtr = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};

	load_gdt(&gdtr, SELECTOR_CODE64, SELECTOR_DATA, SELECTOR_DATA);
	load_idt(&idtr);
}

void machine_take(void)
{
	__asm__ volatile("pushfq; pop %0; cli" : "=r"(before.rflags) : : "memory");
	before.gdtr = read_gdtr();
	before.idtr = read_idtr();
	before.cr0 = read_cr0();
	before.cr3 = read_cr3();
	before.cr4 = read_cr4();
	before.cs = read_cs();
	before.ds = read_ds();
	before.ss = read_ss();
	before.saved = true;
	outb(PIC_MASTER_MASK, 0xff);
	outb(PIC_SLAVE_MASK, 0xff);
	machine_load_tables();
	gdt[SELECTOR_TSS / 8] = (gdt[SELECTOR_TSS / 8] & ~(0xffULL << 40)) | TSS_AVAILABLE << 40;
	__asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS) : "memory");
	write_cr3((uint64_t)(uintptr_t)pml4);
	write_cr0(before.cr0 | CR0_WP);
	write_cr4(before.cr4 & ~(CR4_SMEP | CR4_SMAP));
}

void machine_give_back(void)
{
	if (!before.saved)
		return;
	write_cr4(before.cr4);
	write_cr0(before.cr0);
	write_cr3(before.cr3);
	load_gdt(&before.gdtr, before.cs, before.ds, before.ss);
	load_idt(&before.idtr);
}

bool machine_is_boot_cpu(void)
{
	return read_tr() == SELECTOR_TSS;
}

uint64_t machine_image_base(void)
{
	return (uint64_t)(uintptr_t)ImageBase;
}

void *machine_page(void)
{
	if (pool_used == POOL_PAGES)
		payload_die("out of pages");
	return pool + (uint64_t)pool_used++ * PAGE;
}

void *machine_low_pages(void)
{
	return low_pages;
}

void *machine_window(unsigned int slot, uint64_t phys, uint64_t rights)
{
	uint64_t va = WINDOW_BASE + (uint64_t)slot * PAGE;

	window[slot] = phys | rights;
	invlpg(va);
	return (void *)(uintptr_t)va;
}

uint64_t *machine_pml4(void)
{
	return pml4;
}

void machine_set_ist(uint8_t vector, uint8_t ist)
{
	idt[vector].ist = ist;
}

void machine_set_ist_stack(unsigned int ist, uint64_t top)
{
	tss.ist[ist - 1] = top;
}

uint64_t machine_ist_stack(unsigned int ist)
{
	return tss.ist[ist - 1];
}

void machine_open_gate(uint8_t vector)
{
	idt[vector].type |= GATE_DPL3;
}

/* Where user code that returns ends up. */
static void user_return(void)
{
	__asm__ volatile("int3");
}

void machine_user(void (*code)(void))
{
	/* As behind a CALL: a return address on top, RSP + 8 aligned to 16. */
	uint64_t *stack = (uint64_t *)(void *)(user_stack + sizeof(user_stack)) - 1;

	*stack = (uint64_t)(uintptr_t)user_return;

	__asm__ volatile("push %0\n\t"
			 "push %1\n\t"
			 "push $2\n\t"
			 "push %2\n\t"
			 "push %3\n\t"
			 "iretq"
			 :
			 : "r"((uint64_t)SELECTOR_USER_DATA), "r"(stack),
			   "r"((uint64_t)SELECTOR_USER_CODE), "r"(code)
			 : "memory");
	__builtin_unreachable();
}
