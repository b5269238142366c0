/* The shapes of ordinary C: loop with a called function, recursion, strings, structs, pointers to
 * functions, setjmp and longjmp, tail calls, floating point, 128-bit vectors, variadic calls.
 */
#include <setjmp.h>
#include <stdarg.h>

#include "digest.h"

struct point { int32_t x; int16_t y; uint8_t tag; int8_t sign; };
struct shape { uint64_t id; struct point at; struct point *far; struct shape *next; char *name; };

KEEP int64_t work(int64_t a, int64_t b) { BARRIER(); return a * 3 + b; }

KEEP int64_t loop(int n)
{
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += work(i, sum & 0xff);
	return sum;
}

KEEP int fib(int n) { BARRIER(); return n < 2 ? n : fib(n - 1) + fib(n - 2); }

KEEP int deep(int n) { BARRIER(); return n ? deep(n - 1) + 1 : 0; }

KEEP size_t text(const char *s, char *out)
{
	size_t n = 0;

	for (; s[n]; n++)
		out[n] = s[n] ^ 0x20;
	out[n] = 0;
	return n;
}

KEEP int64_t use(struct shape *s, int k) { BARRIER(); return s->at.x + s->far->y + (s->next ? (int64_t)s->next->id : k); }

KEEP int add(int a, int b) { return a + b; }
KEEP int mul(int a, int b) { return a * b; }
KEEP int apply(int (*f)(int, int), int a, int b) { int r = f(a, b); BARRIER(); return r + 1; }

static jmp_buf env;
KEEP int thrower(int n) { BARRIER(); if (n == 0) longjmp(env, 7); int r = thrower(n - 1); BARRIER(); return r + 1; }
KEEP int catcher(int n) { int r = setjmp(env); if (r == 0) r = thrower(n); BARRIER(); return r * 10; }

KEEP long tail_last(long x) { BARRIER(); return x * 2; }
KEEP long tail_mid(long x) { BARRIER(); __attribute__((musttail)) return tail_last(x + 10); }
KEEP long tail_top(long x) { BARRIER(); __attribute__((musttail)) return tail_mid(x + 1); }

KEEP double fp(double a, float b, int n) { double s = a; for (int i = 0; i < n; i++) s = s * 1.5 + b; return s; }

typedef int32_t vec __attribute__((vector_size(16)));
KEEP vec vadd(vec a, vec b) { BARRIER(); return a * b + a; }

KEEP long sum(int n, ...)
{
	va_list ap;
	long s = 0;

	va_start(ap, n);
	while (n--)
		s += va_arg(ap, long);
	va_end(ap);
	return s;
}

KEEP int branches(int n)
{
	switch (n) {
	case 0: return work(1, 2);
	case 1: return -3;
	case 2: return n << 4;
	case 3: return 77;
	case 4: return fib(5);
	default: return n > 100 ? 1 : 0;
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 10;
	struct point far = { -7, -300, 200, -5 };
	struct shape two = { 2, { 1, 2, 3, 4 }, &far, 0, "two" }, one = { 1, { -1, -2, 255, -128 }, &far, &two, "one" };
	char buffer[64], *heap = malloc(100);
	int (*table[])(int, int) = { add, mul };

	printf("loop %lld\n", (long long)loop(n));
	printf("fib %d deep %d\n", fib(n), deep(100));
	printf("text %zu %s\n", text("Hello, World", buffer), buffer);
	printf("use %lld %lld\n", (long long)use(&one, 5), (long long)use(&two, 5));
	for (int i = 0; i < 4; i++)
		printf("apply %d\n", apply(table[i & 1], i, i + 2));
	printf("catch %d %d\n", catcher(3), catcher(0));
	printf("tail %ld\n", tail_top(n));
	printf("fp %.9g\n", fp(1.25, 0.5f, n));
	vec v = vadd((vec){ 1, 2, 3, 4 }, (vec){ 5, 6, 7, 8 });
	printf("vec %d %d %d %d\n", v[0], v[1], v[2], v[3]);
	printf("sum %ld\n", sum(5, 1L, 2L, 3L, 4L, 5L));
	for (int i = 0; i < 6; i++)
		printf("branch %d\n", branches(i));
	memset(heap, 0x5a, 100);
	digest(heap, 100);
	digest(buffer, strlen(buffer));
	free(heap);
	return finish(n & 0x7f);
}
