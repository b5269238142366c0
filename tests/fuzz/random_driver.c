/*
 * Runs the fuzz target without a fuzzer:
 *
 *     PROGRAM FILE...             each file is an input
 *     PROGRAM --seed SEED COUNT   COUNT inputs from a generator, the same for the same seed
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 4096 };

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Set-up steps first and often, as few random inputs would have them: see the table of steps. */
static size_t make_input(uint64_t *state, uint8_t *ret)
{
	static const uint8_t prelude[] = {8, 8, 2, 3, 4, 5, 1};
	size_t size = 64 + next(state) % (LARGEST - 64);

	for (size_t i = 0; i < size; i++)
		ret[i] = (uint8_t)next(state);
	for (size_t i = 0; i < sizeof(prelude) && i * 40 + 10 < size; i++)
		ret[i * 40 + 10] = prelude[i];
	return size;
}

static int run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		return 1;
	}
	size_t size = fread(data, 1, sizeof(data), file);
	fclose(file);
	return LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
	static uint8_t data[LARGEST];

	if (argc == 4 && !strcmp(argv[1], "--seed")) {
		uint64_t state = strtoull(argv[2], NULL, 0);
		for (unsigned long i = strtoul(argv[3], NULL, 0); i > 0; i--)
			LLVMFuzzerTestOneInput(data, make_input(&state, data));
		return 0;
	}
	int status = 0;
	for (int i = 1; i < argc; i++)
		status |= run_file(argv[i]);
	return status;
}
