/* Two system calls that no kernel has, one of them in a forked child. */
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status;

	syscall(499);
	if (fork() == 0) {
		syscall(499);
		_exit(0);
	}
	return wait(&status) < 0 || status;
}
