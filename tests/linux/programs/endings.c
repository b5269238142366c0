/* One way of ending per argument. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "exit";
	if (!strcmp(how, "exit")) return 300;
	if (!strcmp(how, "kill")) raise(atoi(argv[2]));
	if (!strcmp(how, "fault")) *(volatile int *)24 = 1;
	if (!strcmp(how, "udf")) __asm__ volatile("udf #0");
	if (!strcmp(how, "brk")) __asm__ volatile("brk #5");
	if (!strcmp(how, "smash")) { __asm__ volatile("mov sp, %0\n b 1f\n1:" :: "r"(4096L)); *(volatile int *)24 = 1; }
	if (!strcmp(how, "bomb")) { int n = 0; for (;;) { pid_t p = fork(); if (p < 0) break; if (!p) pause(); n++; } printf("%d children, then errno is EAGAIN: %d\n", n, errno == EAGAIN); fflush(stdout); kill(0, SIGKILL); pause(); }
	if (!strcmp(how, "background")) { if (!fork()) { usleep(200000); printf("late\n"); fflush(stdout); _exit(0); } printf("early\n"); return 0; }
	if (!strcmp(how, "daemon")) { if (!fork()) { setsid(); for (;;) pause(); } usleep(50000); printf("done\n"); return 0; }
	if (!strcmp(how, "stack")) { signal(SIGSEGV, (void (*)(int))main); char *volatile p = __builtin_alloca(16 << 20); p[0] = 1; }
	if (!strcmp(how, "chain")) { int st; pid_t p = fork(); if (!p) { p = fork(); if (!p) raise(SIGKILL); waitpid(p, &st, 0); printf("grandchild %x\n", st); fflush(stdout); raise(SIGTERM); } waitpid(p, &st, 0); printf("child %x\n", st); return 0; }
	return 0;
}
