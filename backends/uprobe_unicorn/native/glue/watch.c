/*
 * The thread that gets the emulator to stop when something outside of it happens.
 *
 * It is what uprobe_linux.scheduling.watcher does in Python, without the interpreter lock:
 * so the lock can stay where guest code runs.
 */
#define _POSIX_C_SOURCE 200809L
#include "watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "emulator.h"

enum { TICK_MS = 500 };
static const struct timespec retry = {0, 2000000};

/*
 * Whether what Python's wake-up socket holds, the numbers of signals, asks for the end of the run.
 * SIGALRM does not: it is about a consumer that is running, and the program goes on.
 */
static bool asks_for_end(int fd)
{
	unsigned char numbers[64];
	ssize_t count = recv(fd, numbers, sizeof(numbers), MSG_PEEK | MSG_DONTWAIT);

	for (ssize_t i = 0; i < count; i++)
		if (numbers[i] != SIGALRM)
			return true;
	return count <= 0;
}

/* A request that meets the emulator on its way in is lost: asked again as long as a descriptor stays readable. */
static void *watch(void *data)
{
	struct watch *self = data;
	bool final;

	while (!self->polls[0].revents) {
		if (poll(self->polls, self->count + 1, TICK_MS) <= 0) {
			self->glue->stop = true;	/* what is recorded is to be seen by now; a lost one comes again */
			continue;
		}
		if (self->polls[self->count].revents)
			kill(getpid(), SIGKILL);
		if (self->polls[0].revents)
			break;
		final = false;
		for (unsigned i = self->first_final; i < self->count; i++)
			final |= self->polls[i].revents && asks_for_end(self->polls[i].fd);
		self->rung = true;
		self->glue->stop = true;
		if (final)
			self->glue->uc.emu_stop(self->glue->engine_handle);
		nanosleep(&retry, NULL);
	}
	return NULL;
}

bool watch_start(struct watch *self, struct glue *glue)
{
	sigset_t all, before;

	self->glue = glue;
	for (unsigned i = 0; i < self->count; i++)
		self->polls[i].events = POLLIN;
	self->polls[self->count] = (struct pollfd){self->deadly ? self->deadly : -1, POLLIN, 0};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);	/* signals are for Python's main thread */
	self->running = pthread_create(&self->thread, NULL, watch, self) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return self->running;
}

void watch_join(struct watch *self)
{
	if (self->running)
		pthread_join(self->thread, NULL);
	self->running = false;
}
