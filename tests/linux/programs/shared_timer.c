/* A timerfd in several processes; the host and the guest must print the same. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int timer;

static void set(long first, long every) {
    struct itimerspec when = {{0, every * 1000000}, {0, first * 1000000}};
    timerfd_settime(timer, 0, &when, 0);
}

static void await(const char *who) {
    struct pollfd wanted = {timer, POLLIN};
    uint64_t count = 0;
    int found = poll(&wanted, 1, 5000);
    long size = read(timer, &count, sizeof count);
    printf("%s: %d %ld %ld\n", who, found, size, (long)count);
    fflush(stdout);
}

int main(void) {
    struct itimerspec left;
    struct epoll_event event = {EPOLLIN, {.u32 = 7}};
    uint64_t count = 0;
    int set_up = epoll_create1(0), ready[2];
    char byte;
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(set_up, EPOLL_CTL_ADD, timer, &event);
    set(200, 0);
    if (!fork()) { await("set by the parent"); _exit(0); }
    wait(0);
    printf("read once: %d\n", (int)read(timer, &count, sizeof count));
    fflush(stdout);
    if (!fork()) { set(100, 0); _exit(0); }
    wait(0);
    await("set by a child that ended");
    if (!fork()) { set(100, 50); timerfd_gettime(timer, &left); usleep(400000); _exit(0); }
    wait(0);
    timerfd_gettime(timer, &left);
    read(timer, &count, sizeof count);
    printf("every %ld, several: %d\n", left.it_interval.tv_nsec, count >= 5);
    set(0, 0);
    pipe(ready);
    set(100, 0);
    if (!fork()) {
        if (!fork()) {
            epoll_wait(set_up, &event, 1, 5000);
            printf("its maker gone: %d\n", event.data.u32);
            fflush(stdout);
            write(ready[1], "", 1);
        }
        _exit(0);
    }
    close(timer);
    close(set_up);
    read(ready[0], &byte, 1);
    while (wait(0) > 0) {}
    return 0;
}
