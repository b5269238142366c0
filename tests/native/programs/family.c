/* A process that forks, threads of which are probed on both sides, and that executes itself again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline, noclone)) long work(long a, long b)
{
	__asm__ volatile("" ::: "memory");
	return a + b;
}

__attribute__((noinline, noclone)) long outer(long n)
{
	long sum = 0;
	for (long i = 0; i < n; i++)
		sum += work(i, n);
	if (n == 4) {
		pid_t child = fork();
		if (child == 0)
			return work(100, 1);
		int status;
		waitpid(child, &status, 0);
		sum += WEXITSTATUS(status);
	}
	return sum;
}

int main(int argc, char **argv)
{
	pid_t parent = getpid();
	if (argc > 1 && !strcmp(argv[1], "again"))
		return (int)outer(3);
	long sum = outer(4);
	if (getpid() != parent)
		_exit((int)sum);
	pid_t child = fork();
	if (child == 0)
		execl(argv[0], argv[0], "again", NULL);
	int status;
	waitpid(child, &status, 0);
	printf("%ld %d\n", sum, WEXITSTATUS(status));
	return 0;
}
