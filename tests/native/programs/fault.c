/* A load that faults, a handler that looks at the PC, and a program that reads and rewrites its own text. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf again;
static volatile uint64_t seen;

__attribute__((noinline, noclone, naked)) long load(const long *p)
{
	__asm__("ldr x0, [x0]\n\tret");
}

__attribute__((noinline, noclone)) long constant(void)
{
	__asm__ volatile("" ::: "memory");
	return 41;
}

static void handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	seen = ((ucontext_t *)context)->uc_mcontext.pc;
	siglongjmp(again, 1);
}

static uint32_t checksum(const void *text)
{
	uint32_t words[4], sum = 0;
	memcpy(words, text, sizeof(words));
	for (int i = 0; i < 4; i++)
		sum = sum * 31 + words[i];
	return sum;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	long value = 5;

	sigaction(SIGSEGV, &action, NULL);
	uint32_t before = checksum((void *)load);
	for (int i = 0; i < 3; i++)
		if (!sigsetjmp(again, 1))
			value += load((long *)8);
	value += load(&value);
	printf("%d %d %ld\n", seen == (uint64_t)load, before == checksum((void *)load), value);
	void *page = (void *)((uintptr_t)constant & -4096);
	long first = constant();
	mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
	uint32_t *code = (uint32_t *)constant;
	for (int i = 0; i < 8; i++)
		if (code[i] == (0xd2800000 | 41 << 5))	/* mov x0, #41 */
			code[i] = 0xd2800000 | 42 << 5;
	__builtin___clear_cache((char *)code, (char *)code + 32);
	printf("%ld %ld\n", first, constant());
	return 0;
}
