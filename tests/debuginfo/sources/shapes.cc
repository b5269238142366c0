// Classes, templates, overloads, references and strings, as event lines may name them.
#include <cstdio>
#include <string>
#include <string_view>

namespace app {

enum class Mode { Slow = 1, Fast };

struct Base {
	int id;
	explicit Base(int n) : id(n) {}
	virtual ~Base() = default;
	virtual int area(int scale) const = 0;
};

struct Square : Base {
	int side;
	std::string label;
	Square(int n, int s, const char *l) : Base(n), side(s), label(l) {}
	int area(int scale) const override;
};

struct Circle : Base {
	double radius;
	Circle(int n, double r) : Base(n), radius(r) {}
	int area(int scale) const override;
};

__attribute__((noinline)) int Square::area(int scale) const
{
	return side * side * scale + (int)label.size();
}

__attribute__((noinline)) int Circle::area(int scale) const
{
	return (int)(radius * radius * 3) * scale;
}

__attribute__((noinline)) int add(int a, int b)
{
	return a + b;
}

__attribute__((noinline)) double add(double a, double b)
{
	return a + b;
}

template <typename T> __attribute__((noinline)) T largest(const T *values, int count)
{
	T best = values[0];
	for (int i = 1; i < count; i++)
		if (values[i] > best)
			best = values[i];
	return best;
}

__attribute__((noinline)) char32_t letter(char32_t c, char16_t d)
{
	return c + (d == u'z');
}
__attribute__((noinline)) int greet(const std::string &name, std::string_view rest, Mode mode, bool &flag, const Base &shape)
{
	flag = !flag;
	std::printf("%s %.*s %d %d\n", name.c_str(), (int)rest.size(), rest.data(), (int)mode, shape.id);
	return (int)name.size();
}

} // namespace app

int main(int argc, char **)
{
	app::Square square(7, 3, "a label that is too long to be kept inside");
	app::Circle circle(8, 1.5);
	const int numbers[] = {3, 9, 4};
	const double reals[] = {0.5, -1};
	bool flag = argc > 5;
	int total = square.area(argc) + circle.area(2) + app::add(argc, 2);
	total += (int)app::add(1.5, 1.0 * argc) + app::largest(numbers, 3) + (int)app::largest(reals, 2);
	total += app::greet("short", std::string_view("rest of it", 4), app::Mode::Fast, flag, square);
	total += app::letter(U'\u00df', u'z');
	std::printf("%d\n", total);
	return 0;
}
