/* Functions that tell what they take and give, with the words of a debugger. */
#include <stdio.h>

enum colour { RED, GREEN, BLUE };
struct point {
    int x, y;
};
struct badge {
    long number;
    const char *name;
    struct point at;
};

#define KEPT __attribute__((noinline))

KEPT int area(enum colour colour, double scale, char byte)
{
    static const char *names[] = {"RED", "GREEN", "BLUE"};
    int gives = (int)(scale * byte) + (int)colour;
    printf("area(colour=%s, scale=%g, byte='%c') = %d\n", names[colour], scale, byte, gives);
    return gives;
}

KEPT struct point moved(struct point from, short by)
{
    struct point gives = {from.x + by, from.y + by};
    printf("moved(from={x=%d y=%d}, by=%d) = {x=%d y=%d}\n", from.x, from.y, by, gives.x, gives.y);
    return gives;
}

KEPT struct badge named(const char *name, struct badge old)
{
    struct badge gives = {old.number + 1, name, old.at};
    printf("named(name=\"%s\", old={number=%ld name=\"%s\" at={x=%d y=%d}})", name, old.number, old.name, old.at.x, old.at.y);
    printf(" = {number=%ld name=\"%s\" at={x=%d y=%d}}\n", gives.number, gives.name, gives.at.x, gives.at.y);
    return gives;
}

KEPT const char *line(int at)
{
    const char *gives = at ? "one\ttwo \"three\"" : "";
    printf("line(at=%d) = \"%s\"\n", at, at ? "one\\ttwo \\\"three\\\"" : "");
    return gives;
}

KEPT const char *none(const char *text)
{
    printf("none(text=%s) = %s\n", text ? "?" : "NULL", text ? "?" : "NULL");
    return text;
}

KEPT void nothing(void)
{
    printf("nothing()\n");
}

int main(int argc, char **argv)
{
    struct badge badge = {7, argc > 5 ? argv[1] : "first", {1, -2}};
    for (int i = 0; i < argc + 1; i++) {
        area((enum colour)(i + 1), 1.5 + i, (char)('a' + i));
        badge.at = moved(badge.at, (short)(-3 * i));
        badge = named(line(i)[0] ? "second" : "third", badge);
    }
    none(argc > 5 ? argv[1] : NULL);
    nothing();
    return 0;
}
