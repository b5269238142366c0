/* Children that go their own way after a fork, and again as another program would, at the same addresses. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

NOINLINE int seen(int n)
{
	__asm__ volatile("" ::: "memory");
	return n + 1;
}

#define CALLER(name)                            \
	NOINLINE int name(int n)                \
	{                                       \
		int result = seen(n);           \
		__asm__ volatile("" ::: "memory"); \
		return result;                  \
	}

CALLER(in_parent)
CALLER(in_child)
CALLER(executed)

int main(int argc, char **argv)
{
	if (argc > 1)
		return executed(1) - 2;
	for (int i = 0; i < 3; i++) {
		in_parent(1);
		pid_t child = fork();
		if (!child) {
			in_child(2);
			execl(argv[0], argv[0], "again", (char *)0);
		}
		waitpid(child, 0, 0);
	}
	return 0;
}
