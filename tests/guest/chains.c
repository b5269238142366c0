/* Chains of calls of every kind, each of which ends in seen(): what calls what is known from the source. */
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline, noclone))
#define AFTER __asm__ volatile("" ::: "memory")
#ifdef __clang__
#undef NOINLINE
#define NOINLINE __attribute__((noinline))
#endif

static volatile int total;
static int (*volatile compare_with)(const void *, const void *);

NOINLINE int seen(int n)
{
	AFTER;
	return total += n;
}

NOINLINE int middle(int n)
{
	int result = seen(n) + 1;
	AFTER;
	return result * 2;
}

/* Its caller is behind it: the last call of a function is a jump. */
NOINLINE int tail(int n)
{
	AFTER;
	return middle(n + 1);
}

/* Its frame has no fixed size. */
NOINLINE int moving(int n)
{
	char *room = alloca((size_t)n * 40);
	memset(room, n, (size_t)n * 40);
	return tail(room[n]) + room[1];
}

/* Many registers are saved. */
NOINLINE int busy(int a, int b, int c, int d)
{
	int e = seen(a), f = seen(b), g = seen(c), h = seen(d);
	int i = moving(e & 7 | 1);
	AFTER;
	return a + b + c + d + e + f + g + h + i;
}

/* Called from the C library, without whose unwind information there is no way back. */
NOINLINE int compare(const void *left, const void *right)
{
	int result = *(const int *)left - *(const int *)right;
	seen(1);
	return result;
}

static void handler(int number)
{
	seen(number);
	AFTER;
}

NOINLINE int interrupted(int number)
{
	int result = raise(number);
	AFTER;
	return result + 1;
}

NOINLINE __attribute__((noreturn)) void last(int n)
{
	seen(n);
	printf("%d\n", total);
	fflush(stdout);
	exit(0);
}

/* The return address of its last call is not in it any more. */
NOINLINE void leave(int n)
{
	AFTER;
	if (n)
		last(n);
	seen(n);
	last(n);
}

int main(void)
{
	static char stack[1 << 16];
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	int numbers[] = {3, 1, 2};

	compare_with = compare;
	signal(SIGUSR1, handler);
	sigaltstack(&other, NULL);
	sigaction(SIGUSR2, &action, NULL);
	busy(1, 2, 3, 4);
	qsort(numbers, 3, sizeof(*numbers), compare_with);
	interrupted(SIGUSR1);
	interrupted(SIGUSR2);
	leave(7);
	return 0;
}
