/* See last_resort.h. */
#define _GNU_SOURCE
#include "last_resort.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALS = 65, TEXT = 256 };

static struct {
	int times, came, status;
	double seconds;
	struct sigaction before;
} taken[SIGNALS];

static _Atomic int64_t deadline;	/* monotonic ns, 0: none */
static _Atomic int status_then;
static char text_then[TEXT];
static int wake[2] = {-1, -1};
static pid_t owner;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void end_process(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&out, 1, 0) == 1 && write(STDERR_FILENO, text_then, strlen(text_then)) < 0)
		_exit(status_then);
	_exit(status_then);
}

static void *wait_for_it(void *unused)
{
	(void)unused;
	for (;;) {
		int64_t at = deadline, left = at - now();
		struct pollfd told = {.fd = wake[0], .events = POLLIN};
		char bytes[64];

		if (at && left <= 0)
			end_process();
		if (poll(&told, 1, !at ? -1 : left / 1000000 >= INT_MAX ? INT_MAX : (int)(left / 1000000) + 1) == 1 &&
		    read(wake[0], bytes, sizeof(bytes)) <= 0)
			return NULL;
	}
}

static bool is_running(void)
{
	pthread_t thread;
	sigset_t all, before;

	if (owner == getpid())
		return true;
	if (pipe2(wake, O_CLOEXEC | O_NONBLOCK))
		return false;
	fcntl(wake[0], F_SETFL, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool made = pthread_create(&thread, NULL, wait_for_it, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (made) {
		pthread_detach(thread);
		owner = getpid();
	}
	return made;
}

static void set(int64_t at)
{
	deadline = at;
	if (write(wake[1], "x", 1) < 0)
		return;	/* the thread has more than enough to read */
}

bool last_resort_in(double seconds, int status, const char *text)
{
	if (!is_running())
		return false;
	strncpy(text_then, text, TEXT - 1);
	status_then = status;
	set(now() + (int64_t)(seconds * 1e9));
	return true;
}

void last_resort_never(void)
{
	if (owner == getpid())
		set(0);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	int64_t at = now() + (int64_t)(taken[number].seconds * 1e9);

	if (++taken[number].came >= taken[number].times && owner == getpid() && (!deadline || at < deadline)) {
		status_then = taken[number].status;
		set(at);
	}
	if (taken[number].before.sa_flags & SA_SIGINFO)
		taken[number].before.sa_sigaction(number, info, context);
	else if (taken[number].before.sa_handler != SIG_DFL && taken[number].before.sa_handler != SIG_IGN)
		taken[number].before.sa_handler(number);
}

bool last_resort_after(int number, int times, double seconds, int status)
{
	struct sigaction action;

	if (number <= 0 || number >= SIGNALS || !is_running() || sigaction(number, NULL, &action))
		return false;
	if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN || action.sa_sigaction == on_signal)
		return false;
	taken[number].before = action;
	taken[number].times = times;
	taken[number].status = status;
	taken[number].seconds = seconds;
	taken[number].came = 0;
	action.sa_sigaction = on_signal;
	action.sa_flags |= SA_SIGINFO;
	return sigaction(number, &action, NULL) == 0;
}
