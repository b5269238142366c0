/* Runs the test that is named. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 128 };

static struct {
	const char *name;
	void (*run)(void);
} tests[MOST];
static unsigned count;
static uint64_t state = 1;

void add_test(const char *name, void (*run)(void))
{
	if (count == MOST)
		abort();
	tests[count].name = name;
	tests[count++].run = run;
}

_Noreturn void must(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, condition);
	exit(1);
}

uint64_t next_random(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 33;
}

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc == 2 && i < count; i++)
		if (!strcmp(tests[i].name, argv[1])) {
			tests[i].run();
			return 0;
		}
	fprintf(stderr, "no such test\n");
	return 2;
}
