#include "case.h"
#include <sched.h>
/* A child in the same memory comes and goes; then the program executes itself. */
static char stack[65536] __attribute__((aligned(16)));
NI long f(long n) { asm volatile(""); return n + 1; }
static int child(void *n) { f((long)n); return 0; }
int main(int c, char **v) {
	int st;
	f(c > 1 ? atoi(v[1]) : 1);
	if (c > 1 && *v[1] == '3') return 0;
	if (!vfork()) { f(10); _exit(1); }
	wait(&st);
	waitpid(clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)11), &st, 0);
	if (!vfork()) execl("/proc/self/exe", "vmexec", "30", (char *)0);
	wait(&st);
	execl("/proc/self/exe", "vmexec", c > 1 ? "31" : "2", (char *)0);
	return 1;
}
