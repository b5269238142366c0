/* What a program sees of its probes: its own text, its mappings, and where a fault of a probed instruction is. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, used))

static volatile long sum;

OUT_OF_LINE long work(long n)
{
	sum += n;
	return n + 1;
}

OUT_OF_LINE long caller(long n)
{
	return work(n) + work(n + 1);
}

OUT_OF_LINE long load(const long *p)
{
	return *p;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	printf("signal %d at %d, address %lx, link %s\n", number,
	       (int)(frame->uc_mcontext.pc - (uintptr_t)load) / 4, (long)(uintptr_t)info->si_addr,
	       frame->uc_mcontext.regs[30] >> 48 ? "trampoline" : "code");
	frame->uc_mcontext.pc += 4;
	frame->uc_mcontext.regs[0] = 5;
}

static void look(const char *when)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	uint32_t word;

	memcpy(&word, (const void *)work, sizeof word);
	printf("%s: work begins with %s", when, word == 0xd42000a0 ? "BRK #5" : "its own");
	while (fgets(line, sizeof line, maps))
		if (strstr(line, "[uprobes]"))
			printf(", %s", strtok(line, "\n"));
	printf("\n");
	fclose(maps);
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	long good = 3;

	sigaction(SIGSEGV, &action, NULL);
	look("before");
	printf("%ld\n", work(1));
	look("after one");
	for (int i = 0; i < 20; i++)
		sum += caller(i);
	printf("%ld %ld\n", load(&good), load((const long *)16));
	look("at the end");
	printf("%ld\n", sum);
	return 0;
}
