/* An indirect function (STT_GNU_IFUNC) that counts its own calls: work() is work_a(), which pick() says. */
#include <stdio.h>
#include <string.h>

static long calls;

__attribute__((noinline)) int work_a(int x)
{
	calls++;
	return x + 1;
}

__attribute__((noinline)) int work_b(int x)
{
	return x + 2;
}

static int (*pick(void))(int)
{
	return work_a;
}

int work(int x) __attribute__((ifunc("pick")));

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 7; i++)
		sum += work(i);
	printf("%d %ld\n", sum, calls);
	return 0;
}
