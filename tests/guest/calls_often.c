/* Calls as often as it is told to, two deep. */
#include <stdlib.h>

#define KEPT __attribute__((noinline))

KEPT int inside(int a)
{
    __asm__ volatile("");
    return a * 3;
}

KEPT int around(int a)
{
    return inside(a) + inside(a + 1);
}

int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = 0, times = atoi(argv[1]); i < times; i++)
        sum += around(i);
    return argc > 100 ? sum : 0;
}
