/* Writes short lines one system call each, a thousand for each one of the argument. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long count = (argc > 1 ? atol(argv[1]) : 1) * 1000;
	char line[64];

	for (long i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "line %ld\n", i);
		if (write(1, line, strlen(line)) < 0)
			return 1;
	}
	return 0;
}
