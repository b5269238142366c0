/* A call loop, and ten thousand places that are never reached. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, noclone)) long work(long a, long b, const char *s, long d)
{
	__asm__ volatile("" : : "r"(s), "r"(d) : "memory");
	return a * 3 + b;
}

__attribute__((noinline, noclone)) long run_loop(long n)
{
	long sum = 0;
	for (long i = 0; i < n; i++)
		sum += work(i, i & 7, "a string of some length", sum);
	return sum;
}

__attribute__((noinline, used)) void places(void)
{
	__asm__ volatile(".rept 10100\n\tnop\n\t.endr");
}

int main(int argc, char **argv)
{
	if (argc > 2)
		places();
	printf("%ld\n", run_loop(argc > 1 ? atol(argv[1]) : 1000));
	return 0;
}
