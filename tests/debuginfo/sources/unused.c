/* Large parameters that a function does not use, which clang leaves out of the debug information. */
#include <stdbool.h>
struct big { long v[6]; };
struct mid { long a, b; };

__attribute__((noinline)) int first(struct big unused, int n, const char *s) { return n + s[0]; }
__attribute__((noinline)) int between(int a, struct big unused, struct mid m, double d, struct big used, bool z)
{
	return a + (int)m.b + (int)d + (int)used.v[1] + z;
}
__attribute__((noinline)) int two(struct big unused, struct big as_well, short a, unsigned char b) { return a * b; }
__attribute__((noinline)) struct big large(int a, struct big unused, int b)
{
	struct big made = {{a, b}};
	return made;
}
__attribute__((noinline)) int stack(long a, long b, long c, long d, long e, long f, long g, struct big unused, int h, int i)
{
	return (int)(a + b + c + d + e + f + g) + h + i;
}

int main(void)
{
	struct big big = {{1, 2, 3, 4, 5, 6}};
	struct mid mid = {7, 8};
	int total = first(big, 42, "str") + between(1, big, mid, 2.5, big, true) + two(big, big, -5, 6);
	total += (int)large(3, big, 4).v[1] + stack(1, 2, 3, 4, 5, 6, 7, big, 8, 9);
	return total == 0;
}
