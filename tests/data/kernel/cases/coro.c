#include "case.h"
/* Two coroutines on stacks of their own; each is inside body() when it is switched away from. */
static ucontext_t mainc, ctx[2];
static char *stack[2];
NI int step(int who, int i) { asm volatile(""); return who * 100 + i; }
NI int body(int who) {
	int s = 0;
	for (int i = 0; i < 3; i++) { s += step(who, i); swapcontext(&ctx[who], &ctx[!who]); }
	return s;
}
static void run(int who) { printf("body %d -> %d\n", who, body(who)); }
int main(void) {
	char *area = mmap(0, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++) {
		stack[i] = area + i * (1 << 17);
		getcontext(&ctx[i]);
		ctx[i].uc_stack.ss_sp = stack[i];
		ctx[i].uc_stack.ss_size = 1 << 16;
		ctx[i].uc_link = i ? &mainc : &ctx[1];
		makecontext(&ctx[i], (void (*)(void))run, 1, i);
	}
	setvbuf(stdout, 0, _IONBF, 0);
	swapcontext(&mainc, &ctx[0]);
	puts("done");
	return 0;
}
