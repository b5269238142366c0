/* A vfork with memory of its own: its parent goes on when it executes something, which must not have ended by then. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int ends[2], status, word = 1;
	char number[12], byte = 'x';

	if (argc > 1)
		return read(atoi(argv[1]), &byte, 1) == 1 ? 7 : 8;
	if (pipe(ends))
		return 1;
	snprintf(number, sizeof(number), "%d", ends[0]);
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		word = 2;
		execl("/proc/self/exe", "self", number, NULL);
		_exit(9);
	}
	printf("word %d\n", word);
	printf("not ended %d\n", waitpid(child, &status, WNOHANG));
	printf("written %zd\n", write(ends[1], &byte, 1));
	waitpid(child, &status, 0);
	printf("status %x\n", status);
	return 0;
}
