/*
 * System calls that are made without leaving the emulator.
 *
 * The Python forms (uprobe_linux.syscalls) are the reference.  What is not plain here
 * (memory that is not, an error, a signal, a descriptor of another kind) is left to them before
 * anything has happened, so a call made here is one that they would have made with the same result.
 */
#ifndef UPROBE_OWN_CALLS_H
#define UPROBE_OWN_CALLS_H

#include <stdbool.h>
#include <stdint.h>

struct glue;

enum { CALL_NUMBERS = 512, CALL_WAITERS = 64 };

/* What may be done to a descriptor here: bits of call_file.kinds. */
enum call_kind {
	CALL_READ = 1,		/* read at its position: a regular file or a plain device */
	CALL_WRITE = 2,
	CALL_SEEK = 4,
	CALL_AT = 8,		/* pread and pwrite */
	CALL_STAT = 16,		/* its metadata are the host's */
	CALL_STREAM = 32,	/* never blocks on the host; a short write waits */
	CALL_SHARED = 64,	/* may block on the host: asked first whether it is ready */
	CALL_OUTSIDE = 128,	/* somebody outside sees what is written, beside what we write */
	CALL_EPOLL = 256,
	CALL_POLL = 512,	/* the host's poll says what is true */
	CALL_LIST = 1024,	/* a folder whose entries are the host's */
	CALL_KNOWN = 2048,	/* Python has been asked */
};

/* A descriptor of the program; kinds is 0 where Python has not been asked. */
struct call_file {
	int host;
	uint32_t kinds;
};

/* Python sets this between runs; only what is marked is changed here. */
struct calls {
	bool on;			/* whether the task that runs may have its calls made here */
	bool clock_is_host;		/* else time is executed instructions and *passed */
	bool alone;			/* no other process of the machine exists */
	bool writes_watched;		/* the size of files is limited, or a file may hold code that runs */
	bool memory_shared;		/* a futex may be another process's, too */
	bool signal_files;		/* a signalfd may have to be brought up to date */
	uint64_t passed;		/* ns beside those of instructions; changed */
	uint64_t idle;			/* of them, those in which nothing was done */
	uint64_t monotonic, realtime;	/* the clocks when nothing has passed and nothing is executed */
	uint64_t call_ns;		/* what a call takes */
	uint64_t look_at;		/* on the monotonic clock: after it the run ends; UINT64_MAX: never */
	uint64_t turn_ends;		/* on that clock: from then on what other processes can tell is Python's */
	uint64_t made;			/* calls since Python has looked; changed */
	uint64_t missed;		/* 1 + a descriptor that was asked for in vain, 0: none; changed */
	uint64_t pid, tid;
	uint64_t blocked;		/* the task's signal mask; changed */
	uint64_t pending;		/* signals that are queued for it */
	uint64_t file_start;		/* ns since 1970: what is stamped later shows another time */
	bool allowed[CALL_NUMBERS];
	struct call_file *files;
	unsigned file_count;
	uint64_t waiters[CALL_WAITERS];	/* addresses of futexes that threads wait at */
	unsigned waiter_count;		/* more than CALL_WAITERS: not all are known */
};

/* The registers of a call, and what its handler needs. */
struct call {
	struct glue *glue;
	struct calls *calls;
	uint64_t args[6];
	uint64_t now;			/* work and passed time at the call, which counts */
	int64_t result;
};

/* Answers whether it has made the call, whose result is then set. */
typedef bool call_form(struct call *call);

/* Makes the call that the program is at; false: Python has to, and nothing has happened. */
bool calls_make(struct glue *glue);
/* Whether there is a form of call number here. */
bool calls_have(unsigned number);
/* From now on descriptor fd is host and of kinds; kinds 0: nothing is known of it.  false: out of memory. */
bool calls_file(struct calls *calls, unsigned fd, int host, uint32_t kinds);
void calls_forget_files(struct calls *calls);
void calls_deinit(struct calls *calls);

/* Where [address, address + size) of the program is in one piece and as perm needs it, or NULL. */
void *call_memory(const struct call *call, uint64_t address, uint64_t size, unsigned perm);
/* Descriptor argument fd if all of kinds can be done with it, or NULL; notes one that nothing is known of. */
const struct call_file *call_file(const struct call *call, uint64_t fd, uint32_t kinds);

#endif
