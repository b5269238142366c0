/* Four threads that add up: threads N [lock]; with a lock it is taken N times in all, without each works alone. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4, ALONE = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long each, total;
static int locked;

static void *work(void *unused)
{
    unsigned long own = (unsigned long)unused + 1;
    for (long i = 0; i < each; i++) {
        if (locked) {
            pthread_mutex_lock(&lock);
            total++;
            pthread_mutex_unlock(&lock);
            continue;
        }
        for (int k = 0; k < ALONE; k++)
            own = own * 6364136223846793005UL + 1442695040888963407UL;
    }
    return (void *)own;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    unsigned long sum = 0;

    each = (argc > 1 ? atol(argv[1]) : 0) / THREADS;
    locked = argc > 2;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *own;
        pthread_join(threads[i], &own);
        sum += (unsigned long)own;
    }
    printf("%ld %lx\n", total, sum);
    return 0;
}
