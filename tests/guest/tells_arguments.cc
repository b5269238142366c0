// Methods, templates and containers that tell what they take and give.
#include <cstdio>
#include <string>
#include <vector>

#define KEPT __attribute__((noinline))

namespace shop {
struct Item {
    int price;
    KEPT int times(int number) const;
};

KEPT int Item::times(int number) const
{
    std::printf("shop::Item::times(this=%p, number=%d) = %d\n", (const void *)this, number, price * number);
    return price * number;
}

template <class T> KEPT T twice(T value)
{
    std::printf("shop::twice<int>(value=%d) = %d\n", value, value + value);
    return value + value;
}

KEPT bool longest(const std::string &name, const std::vector<int> &sizes, bool strict)
{
    std::printf("shop::longest(name=\"%s\", sizes={%d,%d}, strict=%s) = %s\n", name.c_str(), sizes[0], sizes[1],
                strict ? "true" : "false", strict ? "false" : "true");
    return !strict;
}
} // namespace shop

int main(int argc, char **)
{
    shop::Item item{argc + 2};
    item.times(shop::twice(argc));
    for (int i = 0; i < 2; i++)
        shop::longest("a name that is too long for its object", {i, -2}, i == argc);
    return 0;
}
