/* Processes that work at the same time: A at once and much later, B when A has ended but, by its own
   clock, before A's end; then their parent.
   With an argument it works with 0 and executes itself without. Prints nothing; the exit status says whether all went well. */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) void work(long n)
{
	__asm__ volatile("" ::"r"(n) : "memory");
}

int main(int argc, char **argv)
{
	int ends[2], status = 0, one, two;
	char byte;

	if (argc > 1) {
		work(0);
		execl(argv[0], argv[0], (char *)0);
	}
	if (pipe(ends))
		return 1;
	pid_t a = fork();
	if (a == 0) {
		work(1);
		for (int i = 0; i < 3000; i++)
			syscall(SYS_getppid);
		work(2);
		_exit(0);
	}
	pid_t b = fork();
	if (b == 0) {
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 0)
			_exit(1);
		work(3);
		_exit(0);
	}
	close(ends[1]);
	if (waitpid(a, &one, 0) != a || waitpid(b, &two, 0) != b)
		return 2;
	status = one | two;
	work(4);
	return status != 0;
}
