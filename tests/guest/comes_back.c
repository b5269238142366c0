/* Functions that come back to themselves by tail calls, and the same calls made again after longjmps. */
#include <setjmp.h>
#include <signal.h>

#define KEPT __attribute__((noinline))

static sigjmp_buf place;
volatile int sink;

KEPT int ping(int n);
KEPT int pong(int n);
KEPT int again(int n);
static int (*volatile to_ping)(int) = ping, (*volatile to_pong)(int) = pong, (*volatile to_again)(int) = again;

KEPT int leaf(int n)
{
    return sink += n;
}

KEPT int again(int n)
{
    leaf(n);
    return n == 0 ? 0 : to_again(n - 1);
}

KEPT int ping(int n)
{
    sink++;
    return n == 0 ? leaf(1) : to_pong(n - 1);
}

KEPT int pong(int n)
{
    leaf(n);
    return n == 0 ? 2 : to_ping(n - 1);
}

KEPT void leaves(int n)
{
    leaf(n);
    if (n % 2)
        longjmp(place, n);
    if (n > 0)
        siglongjmp(place, n);
    sink++;
}

KEPT int tail_leaves(int n)
{
    to_ping(n);
    leaves(n);
    return sink;
}

/* The same call from the same place, which is left each time but the last. */
KEPT int loops(int n)
{
    volatile int left = n;
    sigsetjmp(place, 1);
    leaves(left--);
    left = n;
    sigsetjmp(place, 1);
    return tail_leaves(left--);
}

KEPT void on_signal(int number)
{
    leaves(number);
}

KEPT int raises(int n)
{
    volatile int left = n;
    if (sigsetjmp(place, 1))
        leaf(left);
    if (left-- > 0)
        raise(SIGUSR1);
    return to_again(n);
}

#ifdef KEPT_RAISER
KEPT void KEPT_RAISER(void)
{
    leaf(0);
}
#endif

int main(void)
{
    signal(SIGUSR1, on_signal);
    sink += again(5);
    sink += ping(5);
    sink += pong(4);
    sink += loops(4);
    sink += raises(3);
    sink += ping(2);
    return 0;
}
