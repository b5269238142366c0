/* O_NONBLOCK on every kind of stream: what read says, and what F_GETFL shows. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void try(const char *what, int fd)
{
	char buffer[128];
	int r = read(fd, buffer, sizeof buffer), e = errno;
	printf("%s: read %d %s flag %d", what, r, r < 0 && e == EAGAIN ? "EAGAIN" : "", !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	printf(" cleared %d", !(fcntl(fd, F_GETFL) & O_NONBLOCK));
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	int copy = dup(fd);
	printf(" set again %d\n", !!(fcntl(copy, F_GETFL) & O_NONBLOCK));
}

int main(void)
{
	int p[2]; sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1);
	try("eventfd", eventfd(0, EFD_NONBLOCK));
	try("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	try("signalfd", signalfd(-1, &s, SFD_NONBLOCK));
	pipe2(p, O_NONBLOCK); try("pipe", p[0]);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p); try("socket", p[0]);
	return 0;
}
