/* Copies of sizes that are not known when it is compiled: calls of memcpy, which is indirect in glibc. */
#include <stdio.h>
#include <string.h>

static char from[4096], to[4096];

int main(int argc, char **argv)
{
	(void)argv;
	for (volatile size_t size = 1; size < 2000; size += 7 * argc)
		memcpy(to, from, size);
	return to[5];
}
