#include <alloca.h>
#include <complex.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { NONE, LOW = 3, HIGH = -2 } rank_t;
enum mode { M_READ = 1, M_WRITE = 2, M_EXEC = 4 };
struct pair { short a; long b; };
struct hfa { float x, y, z; };
struct dhfa { double r, i; };
struct mixed { int i; double d; };
struct small { char c[3]; };
struct bits { unsigned a:1, b:5; int c:9; unsigned long d:40; bool e:1; enum mode m:3; };
struct large { long id; char name[24]; struct pair pairs[3]; };
union any { int i; float f; char c[8]; struct pair *p; };
typedef int (*op_t)(int, int);
struct node { struct node *left, *right; int key; union any value; op_t op; const char *label; struct bits bits; };
struct anon { int kind; struct { int x, y; }; union { long l; double d; } u; };
struct flex { int n; int data[]; };

static int calls;
int total = 5;
const char *banner = "the banner";
static const double scale = 2.5;
_Thread_local int tls_counter = 3;
static _Thread_local char tls_text[8] = "tls";
volatile int sink;
static int matrix[2][3] = {{1,2,3},{4,5,6}};

static int add(int a, int b) { return a + b; }
static int mul(int a, int b) { return a * b; }

static inline __attribute__((always_inline)) int clampi(int v, int lo, int hi)
{
	int r = v < lo ? lo : v;
	if (r > hi) r = hi;
	return r;
}
static inline __attribute__((always_inline)) int twice(int v)
{
	int w = clampi(v, -100, 1000);
	sink += w;
	return w * 2;
}
__attribute__((noinline)) int fact(int n)
{
	int below;
	if (n <= 1) return 1;
	below = fact(n - 1);
	sink += below;
	return n * below;
}
__attribute__((noinline)) struct node *insert(struct node *root, int key, const char *label)
{
	if (!root) {
		struct node *fresh = calloc(1, sizeof *fresh);
		fresh->key = key;
		fresh->label = label;
		fresh->op = key & 1 ? add : mul;
		fresh->value.i = key * 3;
		fresh->bits.b = key; fresh->bits.c = -key; fresh->bits.d = 1ul << (key & 31); fresh->bits.m = M_READ | M_EXEC;
		calls++;
		return fresh;
	}
	if (key < root->key) root->left = insert(root->left, key, label);
	else root->right = insert(root->right, key, label);
	return root;
}
__attribute__((noinline)) int walk(const struct node *n, int depth, int (*visit)(const struct node *, void *), void *ctx)
{
	int found = 0;
	if (!n) return 0;
	found += walk(n->left, depth + 1, visit, ctx);
	found += visit(n, ctx);
	found += walk(n->right, depth + 1, visit, ctx);
	return found;
}
static int visit_sum(const struct node *n, void *ctx)
{
	long *sum = ctx;
	*sum += n->op(n->key, 2);
	return 1;
}
__attribute__((noinline)) double average(int count, ...)
{
	va_list ap;
	double sum = 0;
	va_start(ap, count);
	for (int i = 0; i < count; i++) {
		double v = va_arg(ap, double);
		sum += v;
	}
	va_end(ap);
	return count ? sum / count : 0;
}
__attribute__((noinline)) long vla(int n, long seed)
{
	long items[n], sum = 0;
	for (int i = 0; i < n; i++) items[i] = seed * i;
	char *space = alloca(n * 8);
	memset(space, 'a', n * 8 - 1);
	space[n * 8 - 1] = 0;
	for (int i = 0; i < n; i++) sum += items[i] + space[i];
	return sum;
}
__attribute__((noinline)) struct large make_large(long id, const char *name, struct pair first)
{
	struct large out = {.id = id, .pairs = {first, {2, 3}, {4, 5}}};
	strncpy(out.name, name, sizeof out.name - 1);
	sink++;
	return out;
}
__attribute__((noinline)) long use_large(struct large by_value, struct small s, struct hfa h, struct dhfa d, struct mixed m)
{
	long r = by_value.id + by_value.pairs[1].b + s.c[1];
	r += h.x + h.z + d.r + m.d + m.i;
	sink += r;
	return r;
}
__attribute__((noinline)) struct hfa turn(struct hfa in, float by)
{
	struct hfa out = {in.y * by, in.z * by, in.x * by};
	return out;
}
__attribute__((noinline)) double complex rotate(double complex z, float complex f)
{
	double complex w = z * (1.0 + 2.0 * I) + f;
	sink += creal(w);
	return w;
}
__attribute__((noinline)) float narrow(_Float16 h, const _Float16 *p)
{
	sink = (int)h;
	return (float)h + (float)*p;
}
__attribute__((noinline)) long double precise(long double x, int n)
{
	long double r = 1.0L;
	for (int i = 0; i < n; i++) r *= x;
	return r;
}
__attribute__((noinline)) unsigned __int128 wide(unsigned __int128 a, __int128 b, uint64_t c)
{
	unsigned __int128 r = a * c + (unsigned __int128)b;
	sink += (int)r;
	return r;
}
__attribute__((noinline)) rank_t ranked(rank_t r, enum mode m, bool on, _Bool *flag, char c, signed char sc, unsigned char uc)
{
	*flag = !on;
	if (m & M_WRITE) r = LOW;
	sink += c + sc + uc;
	return r == NONE ? HIGH : r;
}
__attribute__((noinline)) int many(int a, short b, long c, unsigned char d, int e, int f, int g, int h, int i, short j, char k, double x, float y)
{
	int sum = a + b + c + d + e + f + g + h + i + j + k;
	sum += (int)(x + y);
	sink += sum;
	return sum;
}
__attribute__((noinline)) int pointers(char **argv, int **grid, const char *const *names, struct node **slot, int (*table)[3])
{
	int n = 0;
	for (const char *const *p = names; *p; p++) n += strlen(*p);
	n += grid[0][1] + (*slot)->key + table[1][2];
	static int kept = 11;
	kept += n;
	return n + (argv[0] != NULL) + kept;
}
__attribute__((noinline)) int switchy(unsigned op, int x)
{
	int r;
	switch (op) {
	case 0: { int y = x + 1; r = y * y; break; }
	case 1: { double y = x * scale; r = (int)sqrt(y); break; }
	case 2: { char y[] = "abc"; y[0] += x; r = y[0]; sink += strlen(y); break; }
	default: r = twice(x) + clampi(x, 0, 9);
	}
	return r;
}
__attribute__((noinline)) int anons(struct anon *a, struct flex *f)
{
	int s = a->x + a->y + a->kind;
	for (int i = 0; i < f->n; i++) { int here = f->data[i]; s += here * matrix[1][i % 3]; }
	a->u.d = s;
	return s;
}
static __attribute__((noinline)) int tail_b(int x, const char *why) { sink += x; return x + why[0]; }
static __attribute__((noinline)) int tail_a(int x) { sink++; return tail_b(x + 1, "tail"); }
__attribute__((noinline)) int tls(int by)
{
	tls_counter += by;
	tls_text[0]++;
	return tls_counter + tls_text[0];
}

int main(int argc, char **argv)
{
	struct node *root = NULL;
	const char *labels[] = {"eight", "three", "ten", "one", "six", NULL};
	int keys[] = {8, 3, 10, 1, 6};
	long sum = 0;
	for (int i = 0; i < 5; i++) root = insert(root, keys[i], labels[i]);
	walk(root, 0, visit_sum, &sum);
	int row[] = {1, 2}, *grid[] = {row, row};
	bool flag;
	struct pair first = {7, -8};
	struct large l = make_large(42, "large one", first);
	struct flex *f = malloc(sizeof *f + 4 * sizeof(int));
	f->n = 4;
	for (int i = 0; i < 4; i++) f->data[i] = i * i;
	struct anon a = {.kind = 1, .x = 2, .y = 3, .u.l = 4};
	sum += fact(6);
	sum += average(3, 1.5, 2.5, 4.0);
	sum += vla(4, argc);
	sum += use_large(l, (struct small){"xy"}, (struct hfa){1, 2, 3}, (struct dhfa){4.5, 5}, (struct mixed){6, 7.25});
	sum += turn((struct hfa){1.5, -2, 3}, 2).y;
	sum += creal(rotate(1 + 2 * I, 3 - 1 * I));
	_Float16 half = -0.5f16;
	sum += narrow(2.25f16, &half);
	sum += precise(1.25L, 3);
	sum += wide((unsigned __int128)1 << 70, -5, 3);
	sum += ranked(NONE, M_READ, true, &flag, 'q', -3, 200);
	sum += ranked(LOW, M_READ | M_WRITE, false, &flag, '\n', 3, 100);
	sum += many(1, -2, 3, 4, 5, 6, 7, 8, 9, -10, 'k', 1.5, 2.5f);
	sum += pointers(argv, grid, labels, &root, matrix);
	for (unsigned op = 0; op < 4; op++) sum += switchy(op, argc + op);
	sum += anons(&a, f) + tail_a(argc) + tls(2) + tls(3) + (long)(banner != NULL) + total;
	printf("%ld %d\n", sum, calls);
	return 0;
}
