/* words SEED COUNT: any instruction words, run from pages of every kind, and frames and clones that nobody would make.
 *
 * Each in a child; most of them die of it. The parent prints how many.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static uint64_t state;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545F4914F6CDD1DULL;
}

/* Half-precision SIMD is where emulators of this kind have died. */
static uint32_t word(void)
{
	uint32_t bits = (uint32_t)(any() >> 20);

	switch (any() >> 60) {
	case 0: case 1: case 2: case 3: return (bits & ~0x9F60C400) | 0x0E400400;
	case 4: case 5: case 6: case 7: return (bits & ~0x8F7E0C00) | 0x0E780800;
	case 8: return 0x4ece2f44;
	default: return bits;
	}
}

static void run(uint32_t *page, uint32_t *writable, int kind)
{
	const uint32_t ret = 0xd65f03c0;
	int flips = kind & 1 ? 20 : 0; /* a page that is written and run in turn */

	for (int i = 0; i < flips; i++) {
		writable[0] = 0xd503201f;
		writable[1] = ret;
		__builtin___clear_cache((char *)page, (char *)page + 8);
		((void (*)(void))page)();
	}
	for (int i = 0; i < 8; i++)
		writable[i] = word();
	writable[8] = ret;
	if (kind & 2) { /* at the very end of the page, and over it */
		memmove(writable + 1020, writable, 16);
		page += 1020;
	}
	if (writable != page && !(kind & 4))
		mprotect(page, 4096, PROT_READ | PROT_EXEC);
	__builtin___clear_cache((char *)page, (char *)page + 36);
	((void (*)(void))page)();
}

static void words(void)
{
	int kind = any() >> 61, fd = memfd_create("words", 0);
	uint32_t *page, *alias;

	if (any() >> 63) {
		page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		run(page, page, kind);
		return;
	}
	ftruncate(fd, 4096);
	alias = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	page = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	run(page, alias, kind & ~2);
}

/* rt_sigreturn to a frame that is right but for what chance changed. */
static void frame(void)
{
	static _Alignas(16) unsigned char raw[sizeof(siginfo_t) + sizeof(ucontext_t) + 8192];
	ucontext_t *context = (ucontext_t *)(raw + 128);
	uint64_t *numbers = (uint64_t *)raw;

	memset(raw, 0, sizeof raw);
	*(uint32_t *)context->uc_mcontext.__reserved = 0x46508001; /* FPSIMD_MAGIC */
	*(uint32_t *)(context->uc_mcontext.__reserved + 4) = 528;
	for (int i = 0; i < 31; i++)
		context->uc_mcontext.regs[i] = any();
	context->uc_mcontext.pc = any() >> 62 ? (uint64_t)frame : any();
	context->uc_mcontext.sp = any() >> 62 ? (uint64_t)raw + 4096 : any();
	context->uc_mcontext.pstate = any() >> 63 ? 0 : any();
	for (int i = any() >> 61; i; i--)
		numbers[any() % (sizeof raw / 8)] = any() >> 63 ? any() : any() >> 56;
	for (int i = any() >> 61; i; i--)
		*(uint32_t *)(context->uc_mcontext.__reserved + any() % 512 * 4) = any() >> 62 ? 0x46508001 : any() >> 50;
	__asm__ volatile("mov sp, %0; mov x8, #139; svc #0" : : "r"(raw + any() % 3 * 8));
}

static void clones(void)
{
	static _Alignas(16) unsigned char stack[65536];
	uint64_t flags = any() & any();
	uint64_t arguments[11];

	for (int i = 0; i < 11; i++)
		arguments[i] = any() >> 63 ? (uint64_t)stack + any() % sizeof stack : any() >> (any() & 63);
	arguments[0] = flags & 0xffffffff;
	if (any() >> 63)
		syscall(SYS_clone, flags | (any() & 63), any() >> 62 ? 0 : (uint64_t)stack + 32768, stack, stack + 8, stack + 16);
	else
		syscall(SYS_clone3, arguments, any() >> 62 ? 88 : any() % 128);
}

static void wait_for(pid_t child)
{
	struct timespec pause = {0, 1000000};

	for (int i = 0; i < 1000; i++) {
		if (waitpid(child, 0, WNOHANG | __WALL) == child)
			return;
		nanosleep(&pause, 0);
	}
	kill(child, SIGKILL);
	waitpid(child, 0, __WALL);
}

int main(int count, char **arguments)
{
	int total = atoi(arguments[2]), done = 0;

	for (; done < total; done++) {
		pid_t child;

		state = (strtoull(arguments[1], 0, 0) * 1000003 + done + 1) * 0x9E3779B97F4A7C15ULL | 1;
		child = fork();
		if (!child) {
			uint64_t what = any() >> 62;

			setsid();
			if (what == 0)
				frame();
			else if (what == 1)
				clones();
			else
				words();
			_exit(0);
		}
		if (child > 0)
			wait_for(child);
		while (waitpid(-1, 0, WNOHANG | __WALL) > 0)
			;
	}
	printf("%d done\n", done);
	return 0;
}
