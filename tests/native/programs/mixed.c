/* Calls of many shapes: leaf, recursive, tail, by pointer, left by longjmp, on several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBED __attribute__((noinline, noclone))

struct item {
	uint32_t kind;
	int16_t small;
	const char *name;
	double weight;
};

static const char *names[] = {"zero", "one", "two", "three", "a much longer name than the others"};
static jmp_buf out;

PROBED long leaf(long a, long b, const char *s, struct item *i)
{
	__asm__ volatile("" ::: "memory");
	return a * 3 + b + s[0] + i->small;
}

PROBED long recurse(long n)
{
	if (n <= 0)
		return 1;
	return recurse(n - 1) + n;
}

PROBED long tail(long a)
{
	static struct item item = {7, -2, "tail", 0.5};
	return leaf(a, 1, names[a % 5], &item);
}

PROBED void jumper(long n)
{
	if (n == 0)
		longjmp(out, 1);
	jumper(n - 1);
	__asm__ volatile("" ::: "memory");
}

PROBED double scale(double x)
{
	__asm__ volatile("" ::: "memory");
	return x * 1.5;
}

static void *thread(void *arg)
{
	long sum = 0, rounds = (long)arg;
	for (long i = 0; i < rounds; i++) {
		struct item item = {(uint32_t)i, (int16_t)-i, names[i % 5], (double)i};
		sum += leaf(i, i & 7, item.name, &item) + recurse(i % 6);
	}
	return (void *)sum;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 20, threads = argc > 2 ? atol(argv[2]) : 0, sum = 0;
	pthread_t ids[8];

	for (long i = 0; i < threads && i < 8; i++)
		pthread_create(&ids[i], NULL, thread, (void *)rounds);
	sum += (long)thread((void *)rounds);
	for (long i = 0; i < rounds; i++)
		sum += tail(i);
	if (!setjmp(out))
		jumper(3);
	double total = 0;
	for (long i = 0; i < rounds; i++)
		total += scale((double)i);
	for (long i = 0; i < threads && i < 8; i++) {
		void *part;
		pthread_join(ids[i], &part);
		sum += (long)part;
	}
	printf("%ld %.1f\n", sum, total);
	return 0;
}
