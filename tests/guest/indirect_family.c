/* An indirect function that is called before a fork, in the child, in what the child executes and by the parent afterwards;
   prints how often each process called it. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static long calls;

__attribute__((noinline)) int work_a(int x)
{
	calls++;
	return x + 1;
}

static int (*pick(void))(int)
{
	return work_a;
}

int work(int x) __attribute__((ifunc("pick")));

static void times(int count, const char *who)
{
	for (int i = 0; i < count; i++)
		work(i);
	printf("%s %ld\n", who, calls);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		times(5, "executed");
		return 0;
	}
	times(2, "first");
	if (!fork()) {
		times(3, "child");
		execl("/proc/self/exe", argv[0], "again", (char *)0);
	}
	wait(NULL);
	times(4, "parent");
	return 0;
}
