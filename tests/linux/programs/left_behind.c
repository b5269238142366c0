/* Two children that are busy for ever: one is killed from outside, the other by us, with a third asleep; says what was waited for. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	pid_t children[3];
	int status;

	for (int i = 0; i < 3; i++)
		if (!(children[i] = fork())) {
			if (i == 2)
				sleep(1000000000);
			for (;;)
				__asm__ volatile("");
		}
	puts("started");
	fflush(stdout);
	waitpid(children[0], &status, 0);
	printf("killed by %d\n", WTERMSIG(status));
	for (int i = 1; i < 3; i++) {
		kill(children[i], SIGTERM);
		waitpid(children[i], &status, 0);
		printf("ended by %d\n", WTERMSIG(status));
	}
	return 0;
}
