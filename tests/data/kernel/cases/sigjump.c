#include "case.h"
/* Handlers that leave probed functions by siglongjmp, that move PC, and that nest. */
static sigjmp_buf jb; static volatile int depth;
NI int nested(int s) { asm volatile(""); if (depth++ < 2) raise(s); return depth; }
static void usr(int s) { nested(s); }
static void segv(int s, siginfo_t *si, void *u) { siglongjmp(jb, 1); }
static void ill(int s, siginfo_t *si, void *u) { ((ucontext_t *)u)->uc_mcontext.pc += 4; ((ucontext_t *)u)->uc_mcontext.regs[0] = 99; }
NI int crash(volatile int *p) { int r; asm volatile(P(L_crash) "ldr %w0, [%1]\n" : "=r"(r) : "r"(p)); return r; }
NI int skip(int n) { register int x asm("x0") = n; asm volatile(P(L_skip) "udf #3\n" : "+r"(x)); return x; }
NI int guard(int n) { int r = sigsetjmp(jb, 1) ? -1 : crash((int *)(long)n); asm volatile(""); return r; }
int main(void) {
	struct sigaction a = { .sa_handler = usr, .sa_flags = SA_NODEFER }, b = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO }, c = { .sa_sigaction = ill, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &a, 0); sigaction(SIGSEGV, &b, 0); sigaction(SIGILL, &c, 0);
	printf("%d\n", guard(16)); printf("%d\n", guard(32)); printf("%d\n", skip(7));
	raise(SIGUSR1); printf("depth %d\n", depth); printf("%d\n", guard(48));
	return 0;
}
