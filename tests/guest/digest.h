/* A digest of the whole writable state, taken by the program itself at its end.
 *
 * Every test program ends with finish(): it prints an FNV-1a digest of its own data, of its
 * stack from here upwards, of its heap arena and of the registers that calls preserve, so that
 * a run that differs in one bit of what it could see prints another line.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define KEEP __attribute__((noinline, used))
#define BARRIER() __asm__ volatile("" ::: "memory")

static uint64_t digest_value = 0xcbf29ce484222325u;

static void digest(const void *bytes, size_t size)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < size; i++)
		digest_value = (digest_value ^ p[i]) * 0x100000001b3u;
}

static void digest_number(uint64_t number)
{
	digest(&number, sizeof number);
}

#include <elf.h>

extern const Elf64_Ehdr __ehdr_start;
extern char **environ;

/* Everything in the program's own writable segments: .data, .bss, .got, thread-local initial values. */
static NOINLINE void digest_data(void)
{
	const char *image = (const char *)&__ehdr_start;
	const Elf64_Phdr *segment = (const void *)(image + __ehdr_start.e_phoff);

	for (int i = 0; i < __ehdr_start.e_phnum; i++)
		if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_W)
			digest((const void *)segment[i].p_vaddr, segment[i].p_memsz);
}

/* x19 to x28 and d8 to d15 (AAPCS64 6.1), FPCR, FPSR and NZCV after a comparison. */
static NOINLINE void digest_registers(void)
{
	uint64_t r[10], d[8], fpcr, fpsr, tls, sp;

	__asm__ volatile("stp x19, x20, [%0]\n stp x21, x22, [%0, 16]\n stp x23, x24, [%0, 32]\n"
			 "stp x25, x26, [%0, 48]\n stp x27, x28, [%0, 64]\n" ::"r"(r) : "memory");
	__asm__ volatile("stp d8, d9, [%0]\n stp d10, d11, [%0, 16]\n stp d12, d13, [%0, 32]\n"
			 "stp d14, d15, [%0, 48]\n" ::"r"(d) : "memory");
	__asm__ volatile("mrs %0, fpcr\n mrs %1, fpsr\n mrs %2, tpidr_el0\n mov %3, sp\n"
			 : "=r"(fpcr), "=r"(fpsr), "=r"(tls), "=r"(sp));
	digest(r, sizeof r);
	digest(d, sizeof d);
	digest_number(fpcr);
	digest_number(fpsr);
	digest_number(tls);
	digest_number(sp);
}

/* From this frame to the environment: everything below it is scratch. */
static NOINLINE void digest_stack(void)
{
	char *low = __builtin_frame_address(0);

	digest(low, (size_t)((char *)environ - low));
}

static NOINLINE int finish(int status)
{
	fflush(stdout);
	digest_registers();
	digest_stack();
	digest_data();
	printf("state %016llx\n", (unsigned long long)digest_value);
	fflush(stdout);
	return status;
}

#endif
