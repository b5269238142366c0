#include "case.h"
#include <spawn.h>
/* vfork and posix_spawn from inside a function whose return is pending; the child runs probed code. */
NI int inchild(int n) { asm volatile(""); return n * 2; }
NI int spawner(int n, char **v) {
	int st = 0; pid_t p = vfork();
	if (p == 0) { int r = inchild(n); _exit(r); }
	waitpid(p, &st, 0);
	asm volatile("");
	return WEXITSTATUS(st) + 1;
}
NI int poster(int n, char **v) {
	int st = 0; pid_t p; char *args[] = { v[0], "child", 0 }, *env[] = { 0 };
	if (posix_spawn(&p, v[0], 0, 0, args, env)) return -1;
	waitpid(p, &st, 0);
	asm volatile("");
	return WEXITSTATUS(st) + n;
}
int main(int c, char **v) {
	if (c > 1) return inchild(21);
	int a = spawner(5, v), b = poster(1, v);
	printf("%d %d\n", a, b);
	return 0;
}
