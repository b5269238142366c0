/* Hits first, then none for long: quiet HITS ROUNDS; a system call is made at the end only.
 * quiet HITS 0 is quiet for ever.
 */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline, used)) long work(long n)
{
	__asm__ volatile("" ::: "memory");
	return n;
}

__attribute__((noinline, used)) void last(void)
{
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	long hits = atol(argv[1]), rounds = atol(argv[2]);

	(void)argc;
	for (long i = 0; i < hits; i++)
		work(i);
	for (long i = 0; rounds == 0 || i < rounds; i++)
		__asm__ volatile("");
	last();
	puts("done");
	return 0;
}
