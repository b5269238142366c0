#include "case.h"
/* The same call again and again, left by longjmp each time; then through pointers; then returning. */
static jmp_buf jb;
NI int thrower(int n) { if (n % 3) longjmp(jb, n); asm volatile(""); return n; }
NI int middle(int n) { int r = thrower(n); asm volatile(""); return r + 1; }
NI int loop(int count) {
	volatile int caught = 0; volatile int i = 0, sum = 0;
	if (setjmp(jb)) caught++;
	while (i < count) { i++; sum += middle(i); }
	asm volatile("");
	return caught * 100 + sum;
}
NI int other(int n) { asm volatile(""); return -n; }
NI int deep(int n) { if (n == 0) longjmp(jb, 1); int r = deep(n - 1); asm volatile(""); return r; }
NI int nested(int n) { int r = setjmp(jb) ? other(n) : deep(n); asm volatile(""); return r; }
int main(void) {
	printf("%d\n", loop(7));
	printf("%d\n", nested(4));
	printf("%d\n", nested(0));
	printf("%d\n", other(5));
	return 0;
}
