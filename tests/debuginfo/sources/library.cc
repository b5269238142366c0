// What people pass around in C++: strings, containers, smart pointers, optional values, references,
// methods, templates and overloads.
#include <array>
#include <cstdio>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace app {
enum class Mode : unsigned char { Slow = 1, Fast = 2 };
namespace inner { int limit = 42; struct Deep { short a; struct In { int q; } in; }; }
struct Point { int x, y; };
struct Base { virtual ~Base() = default; virtual int area(int scale) const = 0; int id = 7; static int made; };
int Base::made = 3;
struct Named { std::string label = "a label that is too long to be kept inside"; };
struct Square : Base, Named {
  explicit Square(int side) : side(side) { made++; }
  int area(int scale) const override;
  int side;
};
struct Circle final : Base { double radius = 1.5; int area(int scale) const override; };
__attribute__((noinline)) int Square::area(int scale) const { return side * side * scale + id; }
__attribute__((noinline)) int Circle::area(int scale) const { return int(radius * scale) + id; }
template <typename T> struct Stack { std::vector<T> items; T top; __attribute__((noinline)) T push(T item); };
template <typename T> T Stack<T>::push(T item) { items.push_back(item); top = item; return item; }
template <int N, typename T> __attribute__((noinline, used)) T scaled(const T &value) { return T(value * N); }
__attribute__((noinline)) int add(int a, int b) { return a + b; }
__attribute__((noinline)) double add(double a, double b) { return a + b; }
__attribute__((noinline)) int containers(const std::string &s, const std::vector<int> &v, std::map<int, std::string> &m,
   std::unique_ptr<Point> up, std::shared_ptr<Point> sp, std::optional<int> o, const std::array<short, 3> &arr) {
  return int(s.size() + v.size() + m.size()) + up->x + sp->y + o.value_or(1) + arr[1];
}
__attribute__((noinline)) int more(std::string_view sv, std::pair<int, double> p, std::tuple<int, char> t, std::deque<int> &d,
   std::list<int> &l, std::set<int> &st, std::unordered_map<int, int> &um, std::variant<int, double> var) {
  return int(sv.size()) + p.first + std::get<0>(t) + std::get<1>(t) + int(d.size() + l.size() + st.size() + um.size() + var.index());
}
__attribute__((noinline)) int refs(Point &r, const Point *const &rp, Point &&rv, int (*fn)(int, int), int (Base::*pm)(int) const, int Point::*md, Mode mode, inner::Deep deep, std::nullptr_t nul, bool b, wchar_t w, char16_t u) {
  return r.x + rp->y + rv.x + fn(1, 2) + int(mode) + deep.in.q + (pm != nullptr) + (md != nullptr) + b + int(w) + int(u) + (nul == nullptr);
}
__attribute__((noinline)) std::string make(int n) { return std::string(n, 'z'); }
__attribute__((noinline)) Point point(int n) { return {n, n + 1}; }
__attribute__((noinline)) std::vector<int> vec(int n) { return std::vector<int>(n, 5); }
__attribute__((noinline)) std::optional<int> maybe(int n) { if (n > 1) return n; return std::nullopt; }
__attribute__((noinline)) std::unique_ptr<Point> unique(int n) { return std::make_unique<Point>(Point{n, n}); }
__attribute__((noinline)) Point &ref(Point &p) { p.x++; return p; }
}
int main() {
  using namespace app;
  Square s(3); Circle c; Base *bases[] = {&s, &c};
  int total = 0;
  for (auto *b : bases) total += b->area(2);
  Stack<int> si; total += si.push(4); total += si.push(5);
  Stack<double> sd; total += int(sd.push(1.5));
  total += scaled<3>(7); total += int(scaled<2>(1.25));
  total += add(1, 2); total += int(add(1.5, 2.5));
  std::map<int, std::string> m{{1, "one"}, {2, "two"}};
  std::vector<int> v{1, -2, 3};
  total += containers("text", v, m, std::make_unique<Point>(Point{8, 9}), std::make_shared<Point>(Point{10, 11}), 12, {1, 2, 3});
  std::deque<int> d{1, 2}; std::list<int> l{3, 4}; std::set<int> st{5}; std::unordered_map<int, int> um{{6, 7}};
  total += more("viewed", {1, 2.5}, {3, 'c'}, d, l, st, um, 2.5);
  Point p{1, 2}; const Point *pp = &p;
  total += refs(p, pp, Point{5, 6}, add, &Base::area, &Point::y, Mode::Fast, inner::Deep{1, {2}}, nullptr, true, L'w', u'u');
  int captured = 17; auto lambda = [&, captured](int z) __attribute__((noinline)) { total++; return z + captured; };
  total += lambda(3);
  total += int(make(3).size()) + point(4).y + int(vec(2).size()) + maybe(1).value_or(0) + maybe(2).value_or(0) + unique(3)->x + ref(p).x;
  std::printf("%d %d\n", total, inner::limit);
}
