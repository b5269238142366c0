/* malloc, realloc and free of many sizes, ten thousand times for each one of the argument; large ones are mmapped. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIVE = 512 };

int main(int argc, char **argv)
{
	static char *blocks[LIVE];
	long count = (argc > 1 ? atol(argv[1]) : 1) * 10000;
	uint32_t seed = 7;
	uint64_t sum = 0;

	for (long i = 0; i < count; i++) {
		seed = seed * 1664525u + 1013904223u;
		unsigned slot = seed >> 20 & (LIVE - 1);
		size_t size = (seed >> 8 & 1023) + 16;
		if ((seed & 0x3ff00) == 0x2a500)
			size += 200000;
		if (blocks[slot])
			sum += (unsigned char)blocks[slot][8];
		if (seed >> 30 == 3) {
			blocks[slot] = realloc(blocks[slot], size);
		} else {
			free(blocks[slot]);
			blocks[slot] = malloc(size);
		}
		memset(blocks[slot], (int)i, size < 64 ? size : 64);
	}
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
