// Parameters of all the kinds that the calling convention tells apart.
typedef float quad __attribute__((vector_size(16)));
typedef float two __attribute__((vector_size(8)));
typedef __int128 wide;
struct vectors { quad a, b; };
struct boxed { wide x; };
struct aligned { alignas(16) long a; long b; };
struct pair { long a, b; };
struct alignas(16) apart { long a; };
struct inside { apart s; };
struct reals { long double a, b; };
struct three { float a, b, c; };
struct mixed { int a; float b; };
union either { double d; long l; };
union floats { float a; float b; };
struct four { double d[4]; };
struct five { double d[5]; };
struct empty {};
struct thing { int n; int get(int) const { return n; } };

struct letters { char first; short n; char last; unsigned bits : 3; char small : 7; };

volatile int sink;
#define FUNCTION(name, ...) __attribute__((noinline)) int name(__VA_ARGS__) { sink = 1; return 2; }

FUNCTION(wide_number, int x, wide y, int z)
FUNCTION(wide_struct, int x, boxed y, int z)
FUNCTION(aligned_member, int x, aligned y, int z)
FUNCTION(two_words, int x, pair y, int z)
FUNCTION(aligned_struct, int x, apart y, int z)
FUNCTION(aligned_inside, int x, inside y, int z)
FUNCTION(vector_registers, quad x, two y, float z)
FUNCTION(many_vectors, vectors a, vectors b, vectors c, vectors d, vectors e, int f, quad g)
FUNCTION(long_doubles, long double a, reals b, float c)
FUNCTION(wide_on_the_stack, int a, int b, int c, int d, int e, int f, int g, wide h, int i, wide j, int k)
FUNCTION(structs_on_the_stack, int a, int b, int c, int d, int e, int f, int g, pair h, int i, aligned j, char k)
FUNCTION(reals_on_the_stack, double a, double b, double c, double d, double e, double f, double g, three h, float i,
	 long double j, short k)
FUNCTION(unions, mixed a, either b, floats c, four d, five e, three f, char g)
FUNCTION(nothing, empty a, int b, empty c, int d)
FUNCTION(methods, int thing::*a, int (thing::*b)(int) const, int c)

template <class... Several> FUNCTION(packed, Several... several, int last)

#define RESULT(type, ...)                                                                                              \
	__attribute__((noinline)) type make_##type() { type v = __VA_ARGS__; sink = 1; return v; }                     \
	__attribute__((noinline)) void use_##type(const type &ret) { sink = 2; }
#define RESULTS                                                                                                        \
	X(wide, 7) X(boxed, {8}) X(quad, {1, 2, 3, 4}) X(two, {5, 6}) X(vectors, {{1, 2, 3, 4}, {5, 6, 7, 8}})         \
	X(aligned, {1, 2}) X(pair, {9, 10}) X(reals, {1.5L, 2.5L}) X(three, {1, 2, 3}) X(mixed, {4, 5}) X(either, {2.5}) \
	X(floats, {3.5}) X(four, {{1, 2, 3, 4}}) X(five, {{1, 2, 3, 4, 5}}) X(letters, {'x', -2, 'y', 5, 'z'})
#define X RESULT
RESULTS
#undef X

int main()
{
#define X(type, ...) use_##type(make_##type());
	RESULTS
	quad x = {1, 2, 3, 4};
	vectors v = {x, x + 1};
	wide_number(1, 2, 3);
	wide_struct(1, {7}, 3);
	aligned_member(1, {8, 9}, 3);
	two_words(1, {10, 11}, 3);
	aligned_struct(1, {12}, 3);
	aligned_inside(1, {{13}}, 3);
	vector_registers(x, two{5, 6}, 7);
	many_vectors(v, v, v, v, v, 6, x);
	long_doubles(1.25L, {1.5L, 2.5L}, 7);
	wide_on_the_stack(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
	structs_on_the_stack(1, 2, 3, 4, 5, 6, 7, {10, 11}, 9, {8, 9}, 'k');
	reals_on_the_stack(1, 2, 3, 4, 5, 6, 7, {1, 2, 3}, 9, 10, 11);
	unions({4, 1.5}, {2.5}, {3.5}, {1, 2, 3, 4}, {1, 2, 3, 4, 5}, {1, 2, 3}, 'g');
	nothing({}, 2, {}, 4);
	methods(&thing::n, &thing::get, 5);
	packed<char, double>('z', 1.5, 9);
	return 0;
}
