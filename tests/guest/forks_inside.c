/* A child that is forked inside of calls returns from them, too; one of vfork does not.
   Who follows both by one log knows who runs: the child from child_begins on, its parent again from parent_goes_on on. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline, noclone))
#define NO_TAIL_CALL __asm__ volatile("" ::: "memory")

static int go[2];

OUT_OF_LINE void child_begins(void)
{
	NO_TAIL_CALL;
}

OUT_OF_LINE void parent_goes_on(void)
{
	NO_TAIL_CALL;
}

/* Nobody follows these two. */
OUT_OF_LINE void wait_for_parent(void)
{
	char word;

	if (read(go[0], &word, 1) != 1)
		_exit(1);
	child_begins();
	NO_TAIL_CALL;
}

OUT_OF_LINE void wait_for_child(int is_told)
{
	if (is_told && write(go[1], "x", 1) != 1)
		_exit(1);
	wait(NULL);
	parent_goes_on();
	NO_TAIL_CALL;
}

OUT_OF_LINE int leaf(int n)
{
	NO_TAIL_CALL;
	return n + 1;
}

OUT_OF_LINE int forker(int n)
{
	int pid = fork();

	if (!pid) {
		wait_for_parent();
		leaf(n + 10);
	} else {
		wait_for_child(1);
	}
	return leaf(n + 20) * (pid != 0);
}

OUT_OF_LINE int outer(int n)
{
	int is_parent = forker(leaf(n));

	NO_TAIL_CALL;
	return is_parent;
}

OUT_OF_LINE int vforker(int n)
{
	if (!vfork()) {
		child_begins();
		leaf(leaf(n));
		_exit(0);
	}
	wait_for_child(0);
	return leaf(n) - 1;
}

int main(void)
{
	if (pipe(go))
		return 2;
	if (!outer(1)) {
		leaf(100);
		exit(3);
	}
	return vforker(leaf(7)) - 8;
}
