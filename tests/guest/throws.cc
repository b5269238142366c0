// C++ exceptions through probed frames, caught near and far, and rethrown.
#include <cstdio>
#include <stdexcept>
#include <string>

#define KEEP extern "C" __attribute__((noinline, used))

struct Guard {
	int *count;
	~Guard() { ++*count; }
};

static int unwound;

KEEP int thrower(int n)
{
	Guard guard{&unwound};
	if (n % 3 == 0)
		throw std::runtime_error("at " + std::to_string(n));
	return n;
}

KEEP int middle(int n)
{
	Guard guard{&unwound};
	return thrower(n) + 1;
}

KEEP int catcher(int n)
{
	try {
		return middle(n);
	} catch (const std::exception &error) {
		std::printf("caught %s\n", error.what());
		if (n == 6)
			throw;
		return -1;
	}
}

KEEP int outer(int n)
{
	try {
		return catcher(n);
	} catch (...) {
		return -2;
	}
}

int main()
{
	int sum = 0;
	for (int i = 0; i < 10; i++)
		sum = sum * 3 + outer(i);
	std::printf("sum %d unwound %d\n", sum, unwound);
}
