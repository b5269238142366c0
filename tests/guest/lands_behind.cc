// A function that never returns: where it is called, its caller's landing pad may lie at the return address.
#include <cstdio>

#define OUT_OF_LINE __attribute__((noinline, used))

static volatile int sum;

extern "C" OUT_OF_LINE int leaf(int n)
{
	sum = sum + n;
	return n;
}

struct Guard {
	int n;
	~Guard() { leaf(n); }
};

extern "C" OUT_OF_LINE void thrower(int n)
{
	Guard guard{n};
	leaf(n);
	throw n;
}

extern "C" OUT_OF_LINE void middle(int n)
{
	Guard guard{10 * n};
	thrower(n);
}

extern "C" OUT_OF_LINE int outer(int n)
{
	int found = 0;

	try {
		middle(n);
	} catch (int thrown) {
		found = leaf(thrown);
	}
	return leaf(found) + 1;
}

int main()
{
	for (int i = 0; i < 3; i++)
		outer(i);
	std::printf("%d\n", sum);
	return 0;
}
