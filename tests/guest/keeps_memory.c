/* Asks for memory and keeps some of it: seven blocks of 2033 bytes; "fork": a child keeps one of 1000 more. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, used))

static void *volatile kept;

OUT_OF_LINE void keeps(size_t size)
{
	kept = malloc(size);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	char *block, *refused;

	if (argc > 1 && !strcmp(argv[1], "exec")) {
		keeps(300000);
		execl(argv[0], argv[0], (char *)0);
		return 1;
	}
	for (int i = 1; i <= 5; i++)
		keeps(100 * i);
	for (int i = 0; i < 7; i++) {
		kept = malloc(10);
		free(kept);
	}
	block = calloc(3, 50);
	block = realloc(block, 500);
	refused = realloc(block, (size_t)1 << 60);
	if (refused)
		return 9;
	kept = realloc(0, 33);
	if (argc > 1 && fork() == 0) {
		free(block);
		keeps(1000);
		_exit(0);
	}
	if (argc > 1)
		wait(NULL);
	return 0;
}
