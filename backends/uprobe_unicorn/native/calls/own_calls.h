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
#include <stddef.h>
#include <stdint.h>

#include "threads.h"

struct glue;

enum { CALL_NUMBERS = 512, CALL_MASKS = 2, CALL_SIGNALS = 64, CALL_ACTION_WORDS = 4 * CALL_SIGNALS, CALL_LIMITS = 16, CALL_LIMIT_WORDS = 2 * CALL_LIMITS };

/* What a form may use, and when it may not be used: Lent of uprobe_linux.syscalls.forms. */
enum call_lent {
	LENT_MADE = 1,
	LENT_FILES = 2,		/* call_file */
	LENT_PATHS = 4,		/* way_find */
	LENT_CHANGES = 8,	/* way_may_change */
	LENT_TURN = 16,		/* only while it is our turn */
	LENT_COUNTED = 32,	/* not where memory is counted */
};

/* An argument with other bits is Python's, where argument when has one of when_bits or those are 0. */
struct call_mask {
	unsigned argument, when;
	uint64_t bits, when_bits;
};

/* What is lent to the form of a call; nothing to calls without a row. */
struct call_row {
	uint32_t lent;
	unsigned mask_count;
	struct call_mask masks[CALL_MASKS];
};

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
	CALL_USED = 4096,	/* the number is taken */
	CALL_BASE = 8192,	/* a folder of a mount in which nothing of ours lies, so paths may start there */
	CALL_FIXED = 16384,	/* the mount allows no change */
	CALL_CLOEXEC = 32768,	/* closed by exec; where nothing is known nor is this */
	CALL_OURS = 65536,	/* of what is mounted: made up, and always there */
};

/* A descriptor of the program, or another place where paths start; mount is a number, the same for the same mount. */
struct call_file {
	int host;
	uint32_t kinds;
	uint32_t mount;
};

/* What Python has to do to its own table: the program opened, closed or duplicated a descriptor. */
enum change_kind { CHANGE_OPEN, CHANGE_CLOSE, CHANGE_DUP, CHANGE_CLOEXEC, CHANGE_MAP, CHANGE_NONE };
enum { CALL_CHANGES = 256, CALL_TEXT = 16384, CALL_MOUNTED = 32, CALL_NAME = 96 };

struct call_change {
	int kind, fd, host;
	int from;		/* the descriptor that it was opened below (a way_start) or that was duplicated; a call_map's number */
	bool is_dir, cloexec;
	unsigned text;		/* where its path stands in text, seen from there */
};

/*
 * A name below the root at or below which something is mounted; without CALL_BASE it is Python's.  Of one with several
 * components the first has a row as well.
 */
struct call_mounted {
	char name[CALL_NAME];
	struct call_file file;
};

/* What is mapped, by whomever. */
struct call_region {
	uint64_t start, end;
};

/* What was mapped here and is not Python's yet; end 0: nothing. */
struct call_map {
	uint64_t start, end, physical;
	uint32_t perms;
	int host;			/* of a file; -1: there is none */
	uint64_t offset;		/* in it */
	int64_t stamp[5];		/* device, inode, size, times of change in ns (HostFile.stamp) */
	bool writable;			/* the program's descriptor was */
	bool filled;			/* its pages were read */
	unsigned change;		/* the note of it */
};

enum { CALL_REGIONS = 1024, CALL_MAPS = 32 };

struct call_maps {
	bool on;			/* whether the program's mappings may be made here */
	uint64_t lowest, highest;	/* where they may lie */
	struct call_region regions[CALL_REGIONS];	/* sorted; changed */
	unsigned region_count;
	struct call_map made[CALL_MAPS];
	unsigned live;			/* so many of them are something; changed */
	uint64_t pool, pool_end;	/* of the arena, lent */
	uint64_t next;			/* from here on it is free; changed */
	uint64_t dirty;			/* up to here it may not be zero; changed */
};

/* Python sets this between runs; only what is marked is changed here. */
struct calls {
	bool on;			/* whether the task that runs may have its calls made here */
	bool counted;			/* what the host holds for the program is counted */
	bool clock_is_host;		/* else time is executed instructions and *passed */
	bool alone;			/* no other process of the machine exists */
	bool opens_noticed;		/* somebody may wait for something to be opened */
	bool writes_watched;		/* the size of files is limited, or a file may hold code that runs */
	bool memory_shared;		/* a futex may be another process's, too */
	bool signal_files;		/* a signalfd may have to be brought up to date */
	bool single;			/* the process has one thread */
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
	uint64_t robust_list, clear_child_tid;	/* of a single task; changed */
	uint64_t *actions;		/* of each signal, from 1: handler, flags, restorer, mask; changed */
	const uint64_t *limits;		/* of each resource: soft, hard */
	int64_t *file_times;		/* how many cuts, and the host's and the guest's time of each (fs/file_times.py) */
	uint64_t file_cuts;		/* for how many there is room */
	struct call_row rows[CALL_NUMBERS];
	struct call_file *files;
	unsigned file_count;
	unsigned lowest;		/* no free number is lower */
	unsigned limit;			/* numbers are below it (RLIMIT_NOFILE) */
	bool hosts_shared;		/* host descriptors may have other users */
	struct call_file cwd, root;	/* kinds 0: paths from there are Python's */
	struct call_mounted mounted[CALL_MOUNTED];
	unsigned mounted_count;		/* more than CALL_MOUNTED: absolute paths are Python's */
	struct call_change changes[CALL_CHANGES];
	unsigned change_count;
	char text[CALL_TEXT];
	unsigned text_used;
	struct threads threads;
	struct call_maps maps;
};

/* The registers of a call, and what its handler needs. */
struct call {
	struct glue *glue;
	struct calls *calls;
	uint32_t lent;			/* by its row */
	uint64_t args[6];
	uint64_t now;			/* work and passed time at the call, which counts */
	int64_t result;
	bool refused;			/* result is an error that Python would give, too */
};

/* Answers whether it has made the call, whose result is then set; so it is if the call was refused. */
typedef bool call_form(struct call *call);

/* Makes the call that the program is at; false: Python has to, and nothing has happened. */
bool calls_make(struct glue *glue);
/* Whether there is a form of call number here. */
bool calls_have(unsigned number);
/* From now on descriptor fd is file, whose kinds are 0 where it is closed.  false: out of memory. */
bool calls_file(struct calls *calls, unsigned fd, struct call_file file);
/* From now on what lies at or below /name is file, but what lies at or below a longer name. */
void calls_mounted(struct calls *calls, const char *name, struct call_file file);
void calls_forget_files(struct calls *calls);
/* Whether there is room for a note with so much text, and the note itself. */
bool calls_can_note(const struct calls *calls, size_t text);
void calls_note(struct calls *calls, struct call_change change, const char *text);
void calls_deinit(struct calls *calls);

/* Where [address, address + size) of the program is in one piece and as perm needs it, or NULL. */
void *call_memory(const struct call *call, uint64_t address, uint64_t size, unsigned perm);
/* The same from address on as far as the piece goes, whose bytes are *size_ret. */
void *call_piece(const struct call *call, uint64_t address, unsigned perm, uint64_t *size_ret);
/* The call fails with error in Python as well, and nothing has happened; answers false. */
bool call_refuse(struct call *call, int error);
/* Refuses the call (EBADF) if no descriptor is fd, for certain; answers false. */
bool call_needs_open(struct call *call, uint64_t fd);
/* Descriptor argument fd if it is lent and all of kinds can be done with it, or NULL; notes one that nothing is known of. */
const struct call_file *call_file(const struct call *call, uint64_t fd, uint32_t kinds);

#endif
