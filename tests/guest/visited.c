/* Calls that a debugger goes into, back out of, and through again. */
#include <stdio.h>
#include <string.h>

struct item {
	int id;
	const char *name;
	double weight;
};

static long total;

__attribute__((noinline)) static int depth(int n, const struct item *item)
{
	int local = n * 3;

	if (n <= 0)
		return item->id + local;
	int deeper = depth(n - 1, item);
	return deeper + local;
}

__attribute__((noinline)) int parse(const char *text, int number)
{
	struct item item = {number, text, number * 0.5};
	int sum = depth(number % 4, &item);

	total += sum + (long)(item.weight * 2);
	printf("%s %d\n", text, sum);
	return sum;
}

int main(void)
{
	char text[32];

	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "item%d", i);
		parse(text, i);
	}
	printf("total %ld\n", total);
	return total & 7;
}
