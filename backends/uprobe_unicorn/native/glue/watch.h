/* The thread that looks at what happens outside. */
#ifndef UPROBE_WATCH_H
#define UPROBE_WATCH_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

enum { MAX_WATCHED = 8 };

struct glue;

/*
 * polls[0] ends the thread; from first_final on, the run is to end.  deadly, if it is not 0, is a pidfd of the
 * run's first process: none of its others outlives it.
 */
struct watch {
	struct pollfd polls[MAX_WATCHED + 1];
	unsigned count, first_final;
	int deadly;
	_Atomic bool rung;	/* since somebody last looked; set by the thread */
	bool running;
	pthread_t thread;
	struct glue *glue;
};

bool watch_start(struct watch *self, struct glue *glue);
/* polls[0] must be readable. */
void watch_join(struct watch *self);

#endif
