/* take() sees each argument of the command line as a number and as bytes, and a pointer to nowhere. */
#include <stdlib.h>

__attribute__((noinline, used)) long take(long number, const char *text, const char **nowhere)
{
	__asm__ volatile("" ::"r"(nowhere));
	return number + text[0];
}

int main(int argc, char **argv)
{
	long sum = 0;

	for (int i = 1; i < argc; i++)
		sum += take(strtol(argv[i], 0, 0), argv[i], 0);
	return sum == 42;
}
