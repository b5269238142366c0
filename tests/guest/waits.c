/* Works before a fork, in the child and after its end, then waits for a byte before it works once more. */
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) void work(long n)
{
	__asm__ volatile("" ::"r"(n) : "memory");
}

int main(void)
{
	char byte;

	work(1);
	if (!fork()) {
		work(2);
		_exit(0);
	}
	wait(NULL);
	work(3);
	read(0, &byte, 1);
	work(4);
	return 0;
}
