/* Processes that work at the same time: A at once and much later, B in between by its clock; then their parent.
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
	int one, two;

	if (argc > 1) {
		work(0);
		execl(argv[0], argv[0], (char *)0);
	}
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
		usleep(1000);
		work(3);
		_exit(0);
	}
	if (waitpid(a, &one, 0) != a || waitpid(b, &two, 0) != b)
		return 2;
	work(4);
	return (one | two) != 0;
}
