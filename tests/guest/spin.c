/* Loops whose instructions are known: spin(n) executes 3 * n + 4, the loop of three ending in a branch.
 *
 * spin N...          spin(N) for each N, one after the other
 * spin threads N...  a thread for each N, all at once
 * spin children N... a process for each N, all at once
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

long spin(long n);

__asm__(
	".text\n"
	".global spin\n"
	".type spin, %function\n"
	"spin:\n"
	"	mov x1, x0\n"
	"	mov x0, #0\n"
	"1:	add x0, x0, #1\n"
	"	subs x1, x1, #1\n"
	"	b.ne 1b\n"
	"	nop\n"
	"	ret\n"
	".size spin, . - spin\n");

static void *in_thread(void *text)
{
	spin(atol(text));
	return NULL;
}

static void threads(int count, char **numbers)
{
	pthread_t made[16];

	for (int i = 0; i < count; i++)
		pthread_create(&made[i], NULL, in_thread, numbers[i]);
	for (int i = 0; i < count; i++)
		pthread_join(made[i], NULL);
}

static void children(int count, char **numbers)
{
	for (int i = 0; i < count; i++)
		if (!fork()) {
			spin(atol(numbers[i]));
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "threads"))
		threads(argc - 2, argv + 2);
	else if (argc > 1 && !strcmp(argv[1], "children"))
		children(argc - 2, argv + 2);
	else
		for (int i = 1; i < argc; i++)
			spin(atol(argv[i]));
	return 0;
}
