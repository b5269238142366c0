/*
 * Whose turn it is among the threads of a process (uprobe_linux.scheduling.scheduler, which is the reference).
 *
 * What is known here is a copy of Python's, made before a run; Python takes over what became of it before it
 * looks (uprobe_linux.syscalls.own_threads).  A thread that Python has to look at before it runs, for a
 * signal, a step or because nothing is known of it, is not plain: its turn ends the run.
 */
#ifndef UPROBE_THREADS_H
#define UPROBE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

struct up_task;

enum { THREADS_MOST = 64, THREAD_NONE = -1 };

struct thread {
	void *context;		/* its registers while another one runs: a uc_context */
	struct up_task *task;	/* as the engine knows it, NULL where there is none */
	uint64_t tid, blocked, pending;	/* as those of struct calls */
	uint64_t elsewhere;	/* of all executed instructions, those that are not its own; changed */
	uint64_t stopped;	/* executed instructions when it ran last; changed */
	uint64_t args[6];	/* of the futex call that it began to wait in here */
	bool plain;		/* it may run on without Python */
	bool waits;		/* at a futex; changed */
	bool began;		/* to wait there since Python has taken over; changed */
};

/* In the order in which they came; thread THREAD_NONE: for Python to wake. */
struct futex_waiter {
	uint64_t address;
	uint32_t bitset;
	int thread;
};

struct threads {
	bool on;
	struct thread items[THREADS_MOST];
	unsigned count;
	unsigned current;
	unsigned ready[THREADS_MOST], ready_count;	/* the first is current unless that waits */
	struct futex_waiter waiters[THREADS_MOST];
	unsigned waiter_count;	/* more than THREADS_MOST: not all are known */
	uint64_t slice_end;	/* on the monotonic clock, as next_event */
	uint64_t next_event;	/* after it Python has to look; 0: at no time */
	uint64_t chance;	/* uprobe_linux.scheduling.chance */
	unsigned grace;		/* slices that may still be prolonged in a row */
	uint64_t moved;		/* changes that Python has not taken over */
};

/* How often a slice is prolonged (uprobe_linux.runner), and its length: that of uprobe_linux.scheduling.scheduler. */
enum { THREAD_GRACE = 8, SHORTEST_SLICE = 200 };

/* Until when the current thread may run on; UINT64_MAX: until something happens. */
uint64_t threads_look_at(const struct threads *threads);
/* Whether somebody else may wake now. */
bool threads_is_due(const struct threads *threads, uint64_t now);
/* A call of the current thread has let it wait at address; answers false where nobody else can run. */
bool threads_wait(struct threads *threads, uint64_t address, uint32_t bitset, const uint64_t *args);
/*
 * Wakes at most count of those that wait at address with a bit of bitset.  Calls woken(context, thread) for each,
 * in the order in which they came; answers how many, or -1 if Python has to, and nothing has happened.
 */
int threads_wake(struct threads *threads, uint64_t address, int count, uint32_t bitset,
		 void (*woken)(void *context, struct thread *thread), void *context);
/*
 * Whose turn it is at now (ns, monotonic): the number of the thread, whose slice has begun if it is not
 * the current one's old one; THREAD_NONE: Python has to look, and nothing has happened.
 */
int threads_turn(struct threads *threads, uint64_t now);

#endif
