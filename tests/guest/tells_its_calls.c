/* Tells of every call and return of its own functions on standard output, as the compiler's hooks see them. */
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static char log_[1 << 16];
static size_t used;

__attribute__((no_instrument_function)) static void tell(char what, void *function)
{
	uint64_t at = (uint64_t)function;

	log_[used++] = what;
	for (int shift = 28; shift >= 0; shift -= 4)
		log_[used++] = "0123456789abcdef"[at >> shift & 15];
	log_[used++] = '\n';
}

__attribute__((no_instrument_function)) void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)caller;
	tell('+', function);
}

__attribute__((no_instrument_function)) void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)caller;
	tell('-', function);
}

static jmp_buf back;

__attribute__((noinline)) int leaf(int n)
{
	return n * 3;
}

__attribute__((noinline)) int even(int n);

__attribute__((noinline)) int odd(int n)
{
	return n ? even(n - 1) + 1 : 0;
}

__attribute__((noinline)) int even(int n)
{
	return n ? odd(n - 1) + leaf(n) : 1;
}

/* Calls itself, and leaves the inner calls by longjmp. */
__attribute__((noinline)) int jumper(int n)
{
	if (n == 0)
		longjmp(back, 1);
	return jumper(n - 1) + 1;
}

__attribute__((noinline)) int outer(int n)
{
	volatile int times = 0;

	if (setjmp(back) == 0)
		jumper(n);
	times++;
	return leaf(times);
}

__attribute__((noinline)) int twice(int n)
{
	return leaf(n) + leaf(n + 1);
}

int main(void)
{
	int sum = 0;

	for (int i = 0; i < 5; i++)
		sum += leaf(i);
	for (int i = 0; i < 3; i++)
		sum += twice(i);
	sum += odd(6) + even(3);
	sum += outer(2) + outer(0);
	sum += leaf(sum);
	write(1, log_, used);
	return 0;
}
