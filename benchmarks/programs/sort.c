/* qsort of 50,000 numbers, as often as the argument says. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 50000 };

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static uint32_t numbers[COUNT];
	uint32_t seed = 1, sum = 0;

	for (long n = argc > 1 ? atol(argv[1]) : 1; n > 0; n--) {
		for (int i = 0; i < COUNT; i++)
			numbers[i] = seed = seed * 1664525u + 1013904223u;
		qsort(numbers, COUNT, sizeof(*numbers), compare);
		sum += numbers[n % COUNT];
	}
	printf("%u\n", (unsigned)sum);
	return 0;
}
