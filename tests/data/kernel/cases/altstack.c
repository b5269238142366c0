#include "case.h"
/* A signal handler on an alternate stack, above and below the interrupted one. */
static jmp_buf jb;
static volatile int how;
NI int inhandler(int s) { asm volatile(""); return s + 1; }
static void h(int s) { inhandler(s); if (how) siglongjmp(jb, 1); }
NI int raising(int n) { raise(SIGUSR1); asm volatile(""); return n * 2; }
NI int outer(int n) { int r = sigsetjmp(jb, 1) ? -1 : raising(n); asm volatile(""); return r + 1; }
int main(void) {
	static char low[65536];
	stack_t ss = { .ss_sp = low, .ss_size = sizeof low };
	struct sigaction sa = { .sa_handler = h, .sa_flags = SA_ONSTACK };
	sigaltstack(&ss, 0);
	sigaction(SIGUSR1, &sa, 0);
	printf("%d\n", outer(10));
	how = 1;
	printf("%d\n", outer(20));
	how = 0;
	printf("%d\n", outer(30));
	return 0;
}
