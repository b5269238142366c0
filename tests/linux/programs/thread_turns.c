/*
 * Threads that take turns: thread_turns SEED STEPS.
 *
 * Each does random things from the seed: locks, conditions, barriers, futexes of its own, yields, signals,
 * sleeps, pipes, threads that come and go, work.  A line for each step says who did what, when and with which
 * result, in the order in which it happened.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 5, LINES = 20000, WORDS = 3 };

struct line {
    int who, what;
    long result;
    uint64_t when;
};

static struct line lines[LINES];
static atomic_int line_count, finished, alarms[THREADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static atomic_uint words[WORDS];
static int tids[THREADS], pipes[2], steps;
static uint64_t seed;
static _Thread_local uint64_t state;
static _Thread_local int self;
static long shared;

static uint64_t below(uint64_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static uint64_t now(void)
{
    struct timespec time;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void note(int what, long result)
{
    int index = atomic_fetch_add(&line_count, 1);
    if (index < LINES)
        lines[index] = (struct line){self, what, result, now()};
}

static long futex(atomic_uint *word, int op, uint32_t value, const struct timespec *time, void *other, uint32_t mask)
{
    long result = syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, time, other, mask);
    return result < 0 ? -errno : result;
}

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&alarms[self], 1);
}

__attribute__((noinline)) static long work(void)
{
    volatile long sum = 0;
    for (uint64_t i = below(4000); i; i--)
        sum += (long)i * 3;
    return sum;
}

static void *short_lived(void *argument)
{
    self = (int)(intptr_t)argument;
    note(40, 0);
    return argument;
}

static long make_thread(void)
{
    pthread_t thread;
    void *result;
    int error = pthread_create(&thread, NULL, short_lived, (void *)(intptr_t)self);
    if (below(2))
        sched_yield();
    return error ? error : pthread_join(thread, &result);
}

__attribute__((noinline)) static long in_lock(void)
{
    pthread_mutex_lock(&mutex);
    long seen = ++shared;
    if (below(3) == 0)
        work();
    pthread_mutex_unlock(&mutex);
    return seen;
}

/* Nobody waits for ever: who waits without a time is woken by who stays until the end. */
static long step(int what)
{
    atomic_uint *word = &words[below(WORDS)];
    const struct timespec soon = {0, (long)below(30000)};
    uint32_t mask = 1u << below(3) | 8;
    sigset_t set;

    switch (what) {
    case 0: return work();
    case 1: case 2: return in_lock();
    case 3: return sched_yield();
    case 4: return futex(word, FUTEX_WAIT, *word, &soon, NULL, 0);
    case 5: return futex(word, FUTEX_WAIT, *word + below(2), NULL, NULL, 0);
    case 6: return futex(word, FUTEX_WAIT_BITSET, *word, NULL, NULL, mask);
    case 7: case 8: case 9:
        atomic_fetch_add(word, below(2));
        return futex(word, FUTEX_WAKE, (uint32_t)below(4), NULL, NULL, 0);
    case 10: return futex(word, FUTEX_WAKE_BITSET, (uint32_t)below(3), NULL, NULL, mask);
    case 11: return futex(word, FUTEX_REQUEUE, 1, (void *)(uintptr_t)below(3), &words[0], 0);
    case 12: return syscall(SYS_tgkill, getpid(), tids[below(THREADS)], SIGUSR1);
    case 13:
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        return pthread_sigmask(below(2) ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
    case 14: return nanosleep(&soon, NULL);
    case 15: return sem_post(&semaphore);
    case 16: return sem_trywait(&semaphore);
    case 17: return make_thread();
    case 18: return pthread_cond_broadcast(&condition);
    case 19: return write(pipes[1], "x", 1);
    case 20: return read(pipes[0], &(char){0}, 1);
    default: return syscall(SYS_gettid);
    }
}

static void *live(void *argument)
{
    self = (int)(intptr_t)argument;
    state = seed + (uint64_t)self * UINT64_C(0x9e3779b97f4a7c15) + 88172645463325252u;
    tids[self] = (int)syscall(SYS_gettid);
    for (int i = 0; i < steps; i++) {
        int what = (int)below(22);
        note(what, step(what));
    }
    atomic_fetch_add(&finished, 1);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = argc > 3 ? SA_RESTART : 0};
    pthread_t threads[THREADS];

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) * 2654435761u : 1;
    steps = argc > 2 ? atoi(argv[2]) : 50;
    sigaction(SIGUSR1, &action, NULL);
    sem_init(&semaphore, 0, 0);
    if (pipe2(pipes, O_NONBLOCK))
        return 1;
    tids[0] = getpid();
    for (long i = 1; i < THREADS; i++)
        tids[i] = tids[0];
    for (long i = 1; i < THREADS; i++)
        pthread_create(&threads[i], NULL, live, (void *)i);
    while (atomic_load(&finished) < THREADS - 1) {
        nanosleep(&(struct timespec){0, 50000}, NULL);
        for (int i = 0; i < WORDS; i++)
            note(50 + i, futex(&words[i], FUTEX_WAKE, 2, NULL, NULL, 0));
    }
    for (int i = 1; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int count = atomic_load(&line_count);
    for (int i = 0; i < count && i < LINES; i++)
        printf("%d %d %ld %lu\n", lines[i].who, lines[i].what, lines[i].result, (unsigned long)lines[i].when);
    printf("%d lines, %ld locked, at %lu\n", count, shared, (unsigned long)now());
    return 0;
}
