/* Calls and jumps through registers, and a signal handler: what they leave in PSTATE.BTYPE. */
#include <signal.h>
#include <stdio.h>

__attribute__((noinline)) long direct(long n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) long called(long n) { __asm__ volatile(""); return n + 2; }
__attribute__((noinline, used)) long jumped(long n) { __asm__ volatile(""); return n + 3; }
__attribute__((noinline, used)) long veneer(long n) { __asm__ volatile(""); return n + 4; }
__attribute__((naked, noinline)) long by_x9(long n) { __asm__("adr x9, jumped\n\tbr x9"); }
__attribute__((naked, noinline)) long by_x16(long n) { __asm__("adr x16, veneer\n\tbr x16"); }
static void handler(int signo) { __asm__ volatile("" : : "r"(signo)); }

int main(void)
{
	long (*volatile pointer)(long) = called;
	long sum = 0;

	signal(SIGUSR1, handler);
	for (int i = 0; i < 3; i++) {
		sum += direct(i) + pointer(i) + by_x9(i) + by_x16(i);
		raise(SIGUSR1);
	}
	printf("%ld\n", sum);
	return 0;
}
