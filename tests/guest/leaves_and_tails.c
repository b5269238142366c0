/* Tail calls, longjmps, a signal in the middle, recursion, and a library that calls back. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#define KEPT __attribute__((noinline))

static jmp_buf place;
volatile int sink;

KEPT int last(int a)
{
    sink = a;
    return a + 1;
}

KEPT int second(int a)
{
    sink++;
    return last(a * 2);
}

KEPT int first(int a)
{
    sink++;
    return second(a + 1);
}

KEPT void thrower(int depth)
{
    if (depth == 0)
        longjmp(place, 1);
    thrower(depth - 1);
    sink++;
}

KEPT int guarded(int depth)
{
    if (setjmp(place))
        return last(depth);
    thrower(depth);
    return 0;
}

KEPT void on_signal(int number)
{
    sink = last(number);
}

KEPT int raiser(int number)
{
    raise(number);
    return first(number);
}

KEPT int fibonacci(int n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

KEPT int compared(const void *a, const void *b)
{
    return last(*(const int *)a) - last(*(const int *)b);
}

int main(void)
{
    int numbers[] = {3, 1, 4, 1, 5};
    signal(SIGUSR1, on_signal);
    sink = first(3);
    for (int i = 0; i < 3; i++)
        sink = guarded(i);
    sink = raiser(SIGUSR1);
    sink = fibonacci(6);
    qsort(numbers, 5, sizeof *numbers, compared);
    sink = first(9);
    return 0;
}
