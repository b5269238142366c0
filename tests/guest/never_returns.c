/* Calls itself and leaves such calls: by longjmp, to functions that return at once or call another, and by ending the program. */
#include <setjmp.h>
#include <unistd.h>

static jmp_buf back;

__attribute__((noinline)) int leaf(volatile int n)
{
	while (n > 0)
		n--;
	return n;
}

/* The call with n == left is left when those in it have returned. */
__attribute__((noinline)) int deep(int n, int left)
{
	volatile int sum = leaf(n);

	if (n)
		sum += deep(n - 1, left);
	if (n == left)
		longjmp(back, 1);
	return sum + leaf(2 * n);
}

__attribute__((noinline)) int lands(int n, int left)
{
	if (setjmp(back) == 0)
		return deep(n, left);
	return n;
}

__attribute__((noinline)) int catches(int n, int left)
{
	if (setjmp(back) == 0)
		return deep(n, left);
	return leaf(n) + n;
}

__attribute__((noinline)) int ends(int n, int left)
{
	volatile int sum = leaf(n);

	if (n)
		sum += ends(n - 1, left);
	if (n == left)
		_exit(0);
	return sum + leaf(n);
}

int main(void)
{
	volatile int sum = lands(4, 4) + lands(5, 2) + lands(3, -1) + catches(5, 2);

	return sum + ends(4, 3);
}
