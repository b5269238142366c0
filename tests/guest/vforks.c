/* A child that shares its parent's memory: probed calls before it executes, and calls that both return from. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, used))

static volatile long sum;
static char **self;

OUT_OF_LINE long work(long n)
{
	sum += n;
	return n + 1;
}

OUT_OF_LINE long child(long n)
{
	long found = work(n);

	execl(self[0], self[0], "again", NULL);
	return found;
}

OUT_OF_LINE long parent(long n)
{
	int status = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		child(n);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return work(n + 1) + WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	self = argv;
	if (argc > 1 && !strcmp(argv[1], "again"))
		return (int)work(20);
	printf("%ld\n", parent(1));
	return 0;
}
