/* A function that is called over and over at the end of eight calls. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, noclone)) long work(long a)
{
	__asm__ volatile("" : : : "memory");
	return a * 3;
}

__attribute__((noinline, noclone)) long deeper(long depth, long n)
{
	long sum = 0;

	if (depth) {
		sum = deeper(depth - 1, n);
		__asm__ volatile("" : "+r"(sum));
		return sum + 1;
	}
	for (long i = 0; i < n; i++)
		sum += work(i);
	return sum;
}

/* deep CALLS */
int main(int argc, char **argv)
{
	printf("%ld\n", deeper(8, argc > 1 ? atol(argv[1]) : 1000));
	return 0;
}
