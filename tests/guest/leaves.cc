// A call is left by an exception, by longjmp, or by returning; main says how often each.
#include <csetjmp>
#include <cstdio>

#define KEEP extern "C" __attribute__((noinline, used))

static std::jmp_buf back;
static int returned, thrown, jumped;

KEEP int leave(int how)
{
	if (how == 1)
		throw how;
	if (how == 2)
		std::longjmp(back, 1);
	return how;
}

// No destructor and no handler: unwinding goes through without a stop.
KEEP int through(int how)
{
	int got = leave(how);
	__asm__ volatile("" : "+r"(got));
	return got + 1;
}

KEEP void once(int how)
{
	try {
		through(how);
		returned++;
	} catch (int) {
		thrown++;
	}
}

KEEP void guarded(int how)
{
	if (setjmp(back) == 0)
		once(how);
	else
		jumped++;
}

int main()
{
	for (int i = 0; i < 12; i++)
		guarded("012201120210"[i] - '0');
	std::printf("returned %d thrown %d jumped %d\n", returned, thrown, jumped);
}
