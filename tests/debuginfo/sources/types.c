/* Values of every kind that an event line can name, in functions that keep them alive. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum colour { RED, GREEN = 5, BLUE };
enum flags { READ = 1, WRITE = 2, RUN = 4 };
typedef int (*compare_fn)(const void *, const void *);

struct point {
	int x, y;
};

struct options {
	int level;
	const char *name;
	struct point at;
	unsigned low : 3;
	int high : 5;
	char tag[4];
	enum colour colour;
	union {
		int number;
		float real;
	};
	struct options *next;
	double weights[3];
};

struct large {
	long words[5];
};

int counter = 7;
static struct options table[3];

__attribute__((noinline)) int parse(const char *s, struct options *o, int n, double w, bool on, char c)
{
	int i, sum = 0;

	for (i = 0; i < n; i++) {
		sum += s[i] * o->level;
		counter += sum & 1;
	}
	if (on)
		sum += (int)w + c;
	return sum;
}

__attribute__((noinline)) struct point turn(struct point p, struct options o, enum colour k, enum flags f)
{
	struct point q = {p.y + o.level, p.x + (int)k + (int)f};
	counter += q.x;
	return q;
}

__attribute__((noinline)) struct large widen(short a, unsigned char b, int64_t c, uint64_t d, float e, signed char g, long h,
					      int i, int j, const char *last)
{
	struct large l = {{a, b, c, (long)d, (long)e + g + h + i + j + (long)strlen(last)}};
	counter++;
	return l;
}

__attribute__((noinline)) int by_level(const void *a, const void *b)
{
	return ((const struct options *)a)->level - ((const struct options *)b)->level;
}

__attribute__((noinline)) void sort(struct options *first, size_t count, compare_fn how)
{
	qsort(first, count, sizeof(*first), how);
}

static inline __attribute__((always_inline)) int scaled(int value, int factor)
{
	int product = value * factor;
	counter += product;
	return product ^ 3;
}

__attribute__((noinline)) const char *pick(int which)
{
	static const char *const names[] = {"zero", "one", "two"};
	return names[which % 3];
}

int main(int argc, char **argv)
{
	struct options o = {.level = 3, .name = "first", .at = {10, -20}, .low = 5, .high = -7, .tag = "ab",
			    .colour = GREEN, .number = 42, .weights = {0.5, 1.5, -2.25}};
	table[0] = o;
	table[1].level = 1;
	table[1].name = "second";
	table[2].level = 2;
	o.next = &table[1];
	int r = parse("hello", &o, argc + 1, 2.5, true, 'z');
	struct point t = turn((struct point){argc, 7}, o, BLUE, READ | RUN);
	struct large l = widen(-2, 200, -1LL << 40, 1ULL << 63, 1.5f, -3, 4, 5, 6, "the last");
	sort(table, 3, by_level);
	printf("%d %d %d %ld %d %d %d %s\n", r, t.x, t.y, l.words[4], table[0].level, scaled(r, argc + 2),
	       scaled(t.x, 5) + counter, pick(argc));
	return 0;
}
