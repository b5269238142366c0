/* Formats lines of numbers and strings to standard output, a thousand for each one of the argument. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
	long count = (argc > 1 ? atol(argv[1]) : 1) * 1000;

	for (long i = 0; i < count; i++)
		printf("%ld: %s %08lx %d%% %.3f\n", i, names[i & 3], i * 2654435761u, (int)(i % 100), i / 7.0);
	return 0;
}
