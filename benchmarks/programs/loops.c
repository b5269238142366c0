/* A call loop, and ten thousand places that are passed one after the other, the last N of them. */
#include <stdio.h>
#include <stdlib.h>

void places(long n);

__asm__(".text\n"
	".balign 4\n"
	".global places\n"
	".type places, %function\n"
	"places:\n"
	"	adr x1, places_end\n"
	"	sub x1, x1, x0, lsl #2\n"
	"	br x1\n"
	"	.rept 10100\n"
	"	nop\n"
	"	.endr\n"
	".global places_end\n"
	".type places_end, %function\n"
	"places_end:\n"
	"	ret\n");

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

/* loops CALLS [PLACES TIMES] */
int main(int argc, char **argv)
{
	if (argc > 3)
		for (long i = atol(argv[3]); i > 0; i--)
			places(atol(argv[2]));
	printf("%ld\n", run_loop(argc > 1 ? atol(argv[1]) : 1000));
	return 0;
}
