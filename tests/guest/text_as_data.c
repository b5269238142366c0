/* Reads text that was executed before text with breakpoints, both of one mapping, and goes on there. */
#include <stdio.h>

__attribute__((noinline, aligned(4096))) int elsewhere(int x)
{
	return x + 1;
}

__attribute__((noinline, aligned(4096))) int counted(int x)
{
	return x + 2;
}

__attribute__((noinline)) int first(int x)
{
	return x + 4;
}

__attribute__((noinline)) int late(int x)
{
	return x + 3;
}

int main(void)
{
	int sum = elsewhere(0) + counted(0) + first(0);

	sum += *(volatile unsigned char *)elsewhere != 0;
	sum += *(volatile unsigned char *)counted != 0;
	sum += counted(1) + late(1);
	printf("%d\n", sum);
	return 0;
}
