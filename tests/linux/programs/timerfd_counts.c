/* What a timerfd says after a while in which nobody read it. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MS = 1000000 };

static void pass(long nanoseconds)
{
	nanosleep(&(struct timespec){0, nanoseconds}, NULL);
}

static void arm(int fd, long first, long interval)
{
	timerfd_settime(fd, 0, &(struct itimerspec){{0, interval}, {0, first}}, NULL);
}

static uint64_t count(int fd)
{
	uint64_t value = 0;

	return read(fd, &value, sizeof(value)) == 8 ? value : 0;
}

/* To the nearest tenth of a millisecond. */
static long left(int fd)
{
	struct itimerspec now;

	timerfd_gettime(fd, &now);
	return (now.it_value.tv_nsec + MS / 20) / (MS / 10);
}

int main(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct pollfd state = {fd, POLLIN, 0};

	arm(fd, MS, MS);
	pass(10 * MS + MS / 2);
	printf("ready %d, ", poll(&state, 1, 0));
	printf("%s, ", left(fd) <= 10 ? "less than one left" : "too much left");
	printf("%lu expiries, then %lu, ", count(fd), count(fd));
	pass(3 * MS);
	printf("then %lu\n", count(fd));

	arm(fd, MS, 0);
	pass(5 * MS);
	printf("once: left %ld, ", left(fd));
	printf("%lu, then %lu\n", count(fd), count(fd));

	arm(fd, MS, MS);
	pass(5 * MS);
	arm(fd, 2 * MS, 0);
	printf("set anew: %lu, ", count(fd));
	pass(3 * MS);
	printf("then %lu\n", count(fd));

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	arm(fd, MS, MS);
	printf("edges:");
	for (int i = 0; i < 2; i++)
		printf(" %d", epoll_wait(set, &event, 1, 20));
	left(fd);
	printf(" %d,", epoll_wait(set, &event, 1, 20));
	printf(" %s\n", count(fd) >= 20 ? "all counted" : "some lost");
	return 0;
}
