/* Frames of every kind: recursion, a leaf without a frame, a signal handler. */
#include <signal.h>
#include <stdio.h>

__attribute__((noinline)) int leaf(int n)
{
	__asm__ volatile("");
	return n + 1;
}

__attribute__((noinline)) int down(int n)
{
	int result = n == 0 ? leaf(n) : down(n - 1);
	__asm__ volatile("" : "+r"(result));
	return result + 1;
}

static void handler(int number)
{
	leaf(number);
	__asm__ volatile("");
}

__attribute__((noinline)) int interrupted(void)
{
	int result = raise(SIGUSR1);
	__asm__ volatile("" : "+r"(result));
	return result;
}

int main(void)
{
	signal(SIGUSR1, handler);
	int result = down(3) + interrupted();
	printf("%d\n", result);
	return 0;
}
