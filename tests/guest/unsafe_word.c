/* A half-precision SIMD encoding that no architecture version allocates. */
#include <stdio.h>

int main(void)
{
	puts("before");
	fflush(stdout);
	__asm__ volatile(".inst 0x4ece2f44");
	return 0;
}
