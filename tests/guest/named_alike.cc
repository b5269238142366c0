// Functions of which some are called alike without their parameters.
namespace app {
namespace {
__attribute__((noinline)) int hidden(int a) { return a * 3; }
} // namespace

struct Sum {
  int all;
  __attribute__((noinline)) Sum operator+(const Sum &other) const { return {all + other.all}; }
  __attribute__((noinline)) bool operator()(int a) { return a > all; }
};

__attribute__((noinline)) int add(int a, int b) { return a + b; }
__attribute__((noinline)) long add(long a, long b) { return a - b; }
template <class To, class From> __attribute__((noinline)) To converted(From value) { return To(value); }

__attribute__((noinline)) int all(int n) {
  auto twice = [n](int a) __attribute__((noinline)) { return a * 2 + n; };
  Sum sum = Sum{n} + Sum{2};
  return hidden(n) + add(n, 1) + int(add(long(n), 2L)) + sum(n) + converted<int, long>(n) + twice(n);
}
} // namespace app

int main() { return app::all(3) == 0; }
