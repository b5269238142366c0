/* Four threads that return from a function so often that slices end where they do. */
#include <pthread.h>

enum { THREADS = 4, CALLS = 1000 };

__attribute__((noinline)) long add(long value)
{
    __asm__ volatile("");
    return value * 3 + 1;
}

static void *work(void *unused)
{
    long sum = 0;

    (void)unused;
    for (long i = 0; i < CALLS; i++)
        sum += add(i);
    return (void *)sum;
}

int main(void)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, work, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);
    return 0;
}
