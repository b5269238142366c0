/* Hits without end: calls, calls that are left by longjmp, calls on threads; mark() comes 16 times. */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBED __attribute__((noinline, noclone))
enum { MARKS = 16, THREADS = 4, LIFE = 500 };	/* calls of a thread */

static jmp_buf out;

PROBED long work(long a, long b, const char *s, long d)
{
	__asm__ volatile("" : : "r"(s), "r"(d) : "memory");
	return a * 3 + b;
}

PROBED void leave(long n)
{
	if (n & 1)
		longjmp(out, 1);
	__asm__ volatile("" ::: "memory");
}

PROBED void mark(void)
{
	__asm__ volatile("" ::: "memory");
}

static long run_calls(long from, long n)
{
	long sum = 0;
	for (long i = from; i < from + n; i++)
		sum += work(i, i & 0xffff, "a string of some length", sum);
	return sum;
}

static void run_jumps(long n)
{
	for (volatile long i = 0; i < n; i++)
		if (!setjmp(out))
			leave(i);
}

static void *thread(void *rounds)
{
	return (void *)run_calls(0, (long)rounds);
}

static void run_threads(long n)
{
	pthread_t ids[THREADS];
	while (n > 0) {
		long part = n < THREADS * LIFE ? n : THREADS * LIFE;
		for (int i = 0; i < THREADS; i++)
			pthread_create(&ids[i], NULL, thread, (void *)(part / THREADS));
		for (int i = 0; i < THREADS; i++)
			pthread_join(ids[i], NULL);
		n -= part;
	}
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "calls";
	long rounds = (argc > 2 ? atol(argv[2]) : 1600) / MARKS, sum = 0;

	for (int i = 0; i < MARKS; i++) {
		if (!strcmp(kind, "jumps"))
			run_jumps(rounds);
		else if (!strcmp(kind, "threads"))
			run_threads(rounds);
		else
			sum += run_calls(i * rounds, rounds);
		mark();
	}
	printf("%ld\n", sum);
	return 0;
}
