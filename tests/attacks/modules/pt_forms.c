/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Takes the execute-disable bit out of the entry of a writable page, by every form of instruction that stores:
 * of all sizes, misaligned, across entries and pages, strings, read-modify-write, those of the x87, SSE and AVX
 * units, and those that store what is not theirs to choose.
 */
#include "attack.h"
#include "attack_tables.h"

#include <linux/io.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>

/* Even, as 16 bytes are stored at some; and the last one, for stores that go on in another page. */
#define INDEX 8
#define LAST (ATTACK_ENTRIES - 1)

/*
 * What a form begins with: RDI: the entry; RSI: the 16 bytes as they are to become; RAX, RDX: the 16 bytes as
 * they are; RBX: the entry as it is to become; RCX: 1. It may use any of these and R8.
 */
struct form {
	const char *name;
	bool (*store)(u64 *entry, const u64 *next);
};

#define FORM(id, instructions, store)                                                              \
	static bool store_##id(u64 *entry, const u64 *next)                                        \
	{                                                                                          \
		unsigned int fault = 1;                                                            \
		u64 rax = entry[0], rdx = entry[1], rbx = next[0], rcx = 1;                        \
                                                                                                   \
		asm volatile("mov %%rsp, %%r9\n\t" instructions ATTACK_TRY(                        \
				     store) "\tmov %%r9, %%rsp\n\tcld"                             \
			     : [fault] "+r"(fault), "+D"(entry), "+S"(next), "+a"(rax), "+d"(rdx), \
			       "+b"(rbx), "+c"(rcx)                                                \
			     :                                                                     \
			     : "r8", "r9", "memory", "cc");                                        \
		return !fault;                                                                     \
	}

/* clang-format off */
/* What clears the highest bit of a byte. */
#define FORMS_BYTE(F)                                                                          \
	F(movb, "", "movb $0, 7(%%rdi)")                                                       \
	F(andb, "", "andb $0x7f, 7(%%rdi)")                                                    \
	F(xorb, "", "xorb $0x80, 7(%%rdi)")                                                    \
	F(addb, "", "addb $0x80, 7(%%rdi)")                                                    \
	F(subb, "", "lock subb $0x80, 7(%%rdi)")                                               \
	F(adcb, "clc\n\t", "adcb $0x80, 7(%%rdi)")                                             \
	F(sbbb, "clc\n\t", "sbbb $0x80, 7(%%rdi)")                                             \
	F(decb, "", "decb 7(%%rdi)")                                                           \
	F(notb, "", "lock notb 7(%%rdi)")                                                      \
	F(shlb, "", "shlb $1, 7(%%rdi)")                                                       \
	F(shrb, "", "shrb %%cl, 7(%%rdi)")                                                     \
	F(rolb, "", "rolb $1, 7(%%rdi)")                                                       \
	F(rclb, "clc\n\t", "rclb $1, 7(%%rdi)")                                                \
	F(sete, "test %%rdi, %%rdi\n\t", "sete 7(%%rdi)")                                      \
	F(high, "xor %%eax, %%eax\n\t", "movb %%ah, 7(%%rdi)")                                 \
	F(xchgb, "xor %%eax, %%eax\n\t", "xchgb %%al, 7(%%rdi)")                               \
	F(cmpxchgb, "mov $0x80, %%al\n\txor %%ecx, %%ecx\n\t", "cmpxchgb %%cl, 7(%%rdi)")      \
	F(xaddb, "mov $0x80, %%al\n\t", "lock xaddb %%al, 7(%%rdi)")                           \
	F(stosb, "xor %%eax, %%eax\n\tadd $7, %%rdi\n\t", "stosb")                             \
	F(movsb, "mov $8, %%ecx\n\t", "rep movsb")                                             \
	F(back, "mov $8, %%ecx\n\tadd $7, %%rdi\n\tadd $7, %%rsi\n\tstd\n\t", "rep movsb")     \
	F(insb, "mov $0x0b, %%al\n\tout %%al, $0x70\n\tmov $0x71, %%edx\n\tadd $7, %%rdi\n\t", \
	  "insb")

#define FORMS_WORD(F)                                                                          \
	F(movw, "", "movw $0, 6(%%rdi)")                                                       \
	F(misaligned, "mov 7(%%rsi), %%rax\n\t", "movw %%ax, 7(%%rdi)")                        \
	F(shldw, "", "shldw $1, %%cx, 6(%%rdi)")                                               \
	F(stosw, "xor %%eax, %%eax\n\tadd $6, %%rdi\n\t", "rep stosw")                         \
	F(popw, "push $0\n\t", "popw 6(%%rdi)")                                                \
	F(segment, "", "movw %%ds, 6(%%rdi)")                                                  \
	F(smsw, "", "smsw 6(%%rdi)")                                                           \
	F(sldt, "", "sldt 6(%%rdi)")                                                           \
	F(str, "", "str 6(%%rdi)")                                                             \
	F(sidt, "", "sidt 6(%%rdi)")                                                           \
	F(sgdt, "", "sgdt 6(%%rdi)")

#define FORMS_LONG(F)                                                                          \
	F(movl, "", "movl $0, 4(%%rdi)")                                                       \
	F(andl, "", "lock andl $0x7fffffff, 4(%%rdi)")                                         \
	F(btrl, "", "btrl $31, 4(%%rdi)")                                                      \
	F(stosl, "shr $32, %%rbx\n\tmov %%rbx, %%rax\n\tadd $4, %%rdi\n\t", "stosl")           \
	F(movsl, "add $4, %%rsi\n\tadd $4, %%rdi\n\t", "movsl")                                \
	F(across, "mov 4(%%rsi), %%rax\n\t", "mov %%rax, 4(%%rdi)")                            \
	F(movnti, "shr $32, %%rbx\n\t", "movnti %%ebx, 4(%%rdi)")

#define FORMS_QUAD(F)                                                                          \
	F(movq, "", "mov %%rbx, (%%rdi)")                                                      \
	F(indexed, "", "mov %%rbx, -8(%%rdi, %%rcx, 8)")                                       \
	F(andq, "", "and %%rbx, (%%rdi)")                                                      \
	F(xorq, "xor %%rbx, %%rax\n\t", "lock xor %%rax, (%%rdi)")                             \
	F(addq, "xor %%rbx, %%rax\n\t", "add %%rax, (%%rdi)")                                  \
	F(subq, "xor %%rbx, %%rax\n\t", "sub %%rax, (%%rdi)")                                  \
	F(adcq, "xor %%rbx, %%rax\n\t", "adc %%rax, (%%rdi)")                                  \
	F(xchgq, "", "xchg %%rbx, (%%rdi)")                                                    \
	F(cmpxchgq, "", "lock cmpxchg %%rbx, (%%rdi)")                                         \
	F(xaddq, "xor %%rbx, %%rax\n\t", "xadd %%rax, (%%rdi)")                                \
	F(btrq, "", "btrq $63, (%%rdi)")                                                       \
	F(btcq, "mov $63, %%eax\n\t", "lock btcq %%rax, (%%rdi)")                              \
	F(bit_string, "mov $127, %%eax\n\t", "btrq %%rax, -8(%%rdi)")                          \
	F(stosq, "mov %%rbx, %%rax\n\t", "rep stosq")                                          \
	F(movsq, "", "movsq")                                                                  \
	F(movntiq, "", "movnti %%rbx, (%%rdi)")                                                \
	F(popq, "push %%rbx\n\t", "popq (%%rdi)")                                              \
	F(cmpxchg8b, "mov %%rax, %%rdx\n\tshr $32, %%rdx\n\tmov %%rbx, %%rcx\n\tshr $32, %%rcx\n\t", \
	  "lock cmpxchg8b (%%rdi)")                                                            \
	F(cmpxchg16b, "mov 8(%%rsi), %%rcx\n\t", "lock cmpxchg16b (%%rdi)")

#define FORMS_UNITS(F)                                                                         \
	F(fistp, "fildll (%%rsi)\n\t", "fistpll (%%rdi)")                                      \
	F(fstcw, "fninit\n\t", "fnstcw 6(%%rdi)")                                              \
	F(fstsw, "", "fnstsw 6(%%rdi)")                                                        \
	F(mxcsr, "", "stmxcsr 4(%%rdi)")                                                       \
	F(movq_xmm, "movq (%%rsi), %%xmm0\n\t", "movq %%xmm0, (%%rdi)")                        \
	F(movss, "movss 4(%%rsi), %%xmm0\n\t", "movss %%xmm0, 4(%%rdi)")                       \
	F(movlps, "movups (%%rsi), %%xmm0\n\t", "movlps %%xmm0, (%%rdi)")                      \
	F(movhps, "movhps (%%rsi), %%xmm0\n\t", "movhps %%xmm0, (%%rdi)")                      \
	F(movaps, "movups (%%rsi), %%xmm0\n\t", "movaps %%xmm0, (%%rdi)")                      \
	F(movups, "movups 4(%%rsi), %%xmm0\n\t", "movups %%xmm0, 4(%%rdi)")                    \
	F(movdqu, "movups (%%rsi), %%xmm0\n\t", "movdqu %%xmm0, (%%rdi)")                      \
	F(movntps, "movups (%%rsi), %%xmm0\n\t", "movntps %%xmm0, (%%rdi)")                    \
	F(maskmov, "movups (%%rsi), %%xmm0\n\tpcmpeqd %%xmm1, %%xmm1\n\t",                     \
	  "maskmovdqu %%xmm1, %%xmm0")                                                         \
	F(movq_mm, "movq (%%rsi), %%mm0\n\t", "movq %%mm0, (%%rdi)")                           \
	F(fxsave, "", "fxsave64 (%%rdi)")
/* clang-format on */

FORMS_BYTE(FORM)
FORMS_WORD(FORM)
FORMS_LONG(FORM)
FORMS_QUAD(FORM)
FORMS_UNITS(FORM)
FORM(avx, "vmovups (%%rsi), %%xmm0\n\t", "vmovups %%xmm0, (%%rdi)")
FORM(pages, "mov 4(%%rsi), %%rax\n\t", "mov %%rax, 4(%%rdi)")

#define ROW(id, instructions, store) {#id, store_##id},
static const struct form of_registers[] = {FORMS_BYTE(ROW) FORMS_WORD(ROW) FORMS_LONG(ROW)
						   FORMS_QUAD(ROW)};
static const struct form of_units[] = {FORMS_UNITS(ROW)};
static const struct form avx_form = {"avx", store_avx};
static const struct form pages_form = {"pages", store_pages};

static u64 *table, lawful;
static unsigned int done, forms;
static const char *told = "none";

/* One that is not done is told of without SecPod, one that is with it. */
static void attempt_one(const struct form *form, unsigned int index)
{
	const u64 *entry = &table[index];
	const u64 next[] = {lawful & ~_PAGE_NX, entry[1], entry[2]};
	bool changed;

	(void)form->store(&table[index], next);
	changed = READ_ONCE(*entry) != lawful;
	forms++;
	done += changed;
	if (changed == attack_under_secpod())
		told = form->name;
	for (unsigned int i = 0; i < ATTACK_ENTRIES; i++)
		if (READ_ONCE(table[i]) != lawful)
			(void)attack_store(&table[i], lawful);
}

static void attempt_all(const struct form *list, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		attempt_one(&list[i], INDEX);
}

static int attempt(void)
{
	int error;

	/* And a page behind it. */
	table = attack_linked_table(1, &lawful, &error);
	if (!table)
		return error;
	attempt_all(of_registers, ARRAY_SIZE(of_registers));
	attempt_one(&pages_form, LAST);
	kernel_fpu_begin();
	attempt_all(of_units, ARRAY_SIZE(of_units));
	if (boot_cpu_has(X86_FEATURE_AVX))
		attempt_one(&avx_form, INDEX);
	kernel_fpu_end();
	attack_link(NULL);
	return 0;
}

static bool effect(void)
{
	attack_detail("%u of %u forms; %s", done, forms, told);
	return attack_tries(done, forms);
}

static const struct attack pt_forms = {
	"pt_forms", "kernel-exec,page-table-store", NULL, attempt, effect, NULL};
ATTACK_MODULE(pt_forms);
