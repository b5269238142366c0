/* Makes system calls whose arguments and results are known: written down in tests/tracing/test_system_calls.py. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char text[8];
	int pipes[2];

	(void)argv;
	syscall(SYS_openat, AT_FDCWD, "/no/such/file", O_RDONLY | O_CLOEXEC, 0);
	syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY, 0);
	syscall(SYS_write, 3, "four", 4);
	syscall(SYS_read, 3, text, 8);
	syscall(SYS_close, 3);
	syscall(SYS_close, 77);
	syscall(SYS_mkdirat, 55, "sub", 0755);
	syscall(SYS_pipe2, pipes, 0);
	syscall(SYS_lseek, pipes[0], 0, 0);
	if (argc > 1) {
		pid_t child = fork();
		if (!child) {
			syscall(SYS_close, 88);
			syscall(SYS_close, 89);
			_exit(0);
		}
		waitpid(child, 0, 0);
	}
	syscall(SYS_exit_group, 3);
	return 0;
}
