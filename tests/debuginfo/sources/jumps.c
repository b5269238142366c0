/* Functions that end in jumps: what the last of them was given is known from who called the first. */
#include <stdio.h>
#include <stdlib.h>

int sink;

__attribute__((noinline)) void quiet(void)
{
	__asm__ volatile("" ::: "x0", "x1", "x2", "x3", "memory");
}

__attribute__((noinline)) void last(int a, int b, int c)
{
	sink += a + b + c;
	quiet();
	sink++; /* a, b and c are gone */
	quiet();
}

__attribute__((noinline)) void middle(int a, int b)
{
	sink--;
	last(b, 7, a);
}

__attribute__((noinline)) void either(int a)
{
	if (a & 1)
		last(1, a, 3);
	else
		last(2, a, 3);
}

__attribute__((noinline)) void first(int a)
{
	sink = a;
	middle(a, 9);
}

int main(int argc, char **argv)
{
	first(argc + 40);
	last(4, 5, argc + 5);
	either(argc);
	return sink == 0;
}
